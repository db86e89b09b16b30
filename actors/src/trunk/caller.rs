//! Who calls and whom, in an INVITE of a trunk.

use sip::identity::without_parameters;
use sip::message::{Request, name};
use sip::uri::NameAddr;

use super::config::TrunkConfig;
use super::number::rewrite;

/// What we call somebody who does not say, or does not want it known.
pub const ANONYMOUS: &str = "anonymous";

/// Both numbers of a call, as records and assistants know them.
#[derive(Clone, Eq, PartialEq)]
pub struct Numbers {
    /// Who calls.
    pub caller: String,
    /// Who is called.
    pub called: String,
}

impl Numbers {
    /// Reads them from an INVITE, by the policy of its trunk if it is one's.
    ///
    /// A caller who wants to stay unknown (RFC 3323) is anonymous, whatever the carrier asserts: it tells that to us, and not to others.
    pub fn of(invite: &Request, trunk: Option<&TrunkConfig>) -> Self {
        let called = invite.uri.user().unwrap_or_default();
        let user = |address: NameAddr| address.uri.user().map(|user| without_parameters(&user).to_owned());
        let asserted = trunk.filter(|trunk| trunk.identity.trusted).and_then(|_| asserted(invite));
        let from = invite.headers.from().ok();
        let caller = asserted.or(from).and_then(user).unwrap_or_else(|| ANONYMOUS.to_owned());
        let Some(trunk) = trunk else {
            return Self { caller, called: called.into_owned() };
        };
        let rules = &trunk.rewriting;
        let caller = match is_private(invite) {
            true => ANONYMOUS.to_owned(),
            false => rewrite(&rules.inbound_caller, &caller),
        };
        Self { caller, called: rewrite(&rules.inbound_called, &called) }
    }
}

/// Its P-Asserted-Identity: of two, the one with a number (RFC 3325 §9.1 has a `sip:` and a `tel:`).
fn asserted(invite: &Request) -> Option<NameAddr> {
    let identities = invite.headers.list(name::P_ASSERTED_IDENTITY).filter_map(|value| value.parse::<NameAddr>().ok());
    identities.into_iter().find(|identity| identity.uri.user().is_some())
}

/// Whether who calls wants it hidden.
fn is_private(invite: &Request) -> bool {
    let kinds = invite.headers.get_all(name::PRIVACY).flat_map(|value| value.split([';', ',']));
    kinds.map(str::trim_ascii).any(|kind| ["id", "user", "header"].iter().any(|hidden| hidden.eq_ignore_ascii_case(kind)))
}

#[cfg(test)]
mod tests {
    use sip::message::Method;

    use super::super::config::Rule;
    use super::super::tests::trunk;
    use super::*;

    fn check(headers: &[(&str, &str)], trusted: bool, expected: &str) {
        let mut trunk = trunk("t");
        trunk.identity.trusted = trusted;
        let rule =
            |starts_with: &str, strip, prefix: &str| Rule { starts_with: starts_with.into(), strip, prefix: prefix.into() };
        trunk.rewriting.inbound_caller = vec![rule("0", 1, "+49")];
        trunk.rewriting.inbound_called = vec![rule("9", 1, "")];
        let mut invite = Request::new(Method::INVITE, "sip:9100@offhook.example".parse().expect("a URI"));
        for (name, value) in headers {
            invite.headers.push(name, *value);
        }
        let Numbers { caller, called } = Numbers::of(&invite, Some(&trunk));
        assert_eq!(format!("{caller} {called}"), expected, "{headers:?}");
    }

    #[test]
    fn a_trusted_trunk_is_believed_before_the_from() {
        let both = [("From", "<sip:030111@c>;tag=a"), ("P-Asserted-Identity", "\"A\" <sip:030222@c>, <tel:+4930222>")];
        check(&both, true, "+4930222 100");
        check(&both, false, "+4930111 100");
        check(&both[..1], true, "+4930111 100");
        check(&[("From", "<sip:c>;tag=a"), ("P-Asserted-Identity", "<tel:+4930222>")], true, "+4930222 100");
        check(&[("From", "<sip:c>;tag=a")], true, "anonymous 100");
        check(&[("From", "<sip:030111@c>;tag=a"), ("P-Asserted-Identity", "garbage")], true, "+4930111 100");
    }

    #[test]
    fn who_wants_to_stay_unknown_does() {
        let from = ("From", "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=a");
        let asserted = ("P-Asserted-Identity", "<sip:030222@c>");
        check(&[from, asserted, ("Privacy", "id")], true, "anonymous 100");
        check(&[from, asserted, ("Privacy", "critical; USER")], true, "anonymous 100");
        check(&[from, asserted, ("Privacy", "none")], true, "+4930222 100");
    }

    #[test]
    fn a_stranger_is_who_it_says() {
        let mut invite = Request::new(Method::INVITE, "sip:%2B9100@offhook.example".parse().expect("a URI"));
        invite.headers.push(name::FROM, "<sip:0301@c>;tag=a");
        invite.headers.push(name::P_ASSERTED_IDENTITY, "<sip:1@c>");
        let Numbers { caller, called } = Numbers::of(&invite, None);
        assert_eq!((caller.as_str(), called.as_str()), ("0301", "+9100"));
    }
}
