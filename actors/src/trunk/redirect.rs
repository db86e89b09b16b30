//! Where a call of ours may be redirected to: never to a number that we could not have called, and by default to nobody but the trunk.

use std::sync::Arc;

use sip::endpoint::{Permitted, RedirectPolicy, Redirects};
use sip::uri::{Scheme, SipUri, Uri};

use super::config::{RedirectsTo, TrunkConfig};
use super::number::{is_emergency, rewrite, tidy};

/// What is done with redirections of a call of this trunk to a number, as the trunk gets it.
pub fn redirects(trunk: &Arc<TrunkConfig>, called: &str) -> Redirects {
    match trunk.redirects {
        RedirectsTo::Nowhere => Redirects::Report,
        RedirectsTo::Itself | RedirectsTo::Anybody => {
            Redirects::Follow(Arc::new(TrunkRedirects { trunk: Arc::clone(trunk), called: called.to_owned() }))
        }
    }
}

/// The trunk of a call, and whom it calls. `Debug` hides the number.
struct TrunkRedirects {
    trunk: Arc<TrunkConfig>,
    called: String,
}

impl std::fmt::Debug for TrunkRedirects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrunkRedirects").field("trunk", &self.trunk.name).finish_non_exhaustive()
    }
}

impl RedirectPolicy for TrunkRedirects {
    fn judge(&self, contact: &SipUri, whole: bool) -> Option<Permitted> {
        let own = self.is_own(contact);
        // A `maddr` leads past the host that is judged.
        let plain = contact.password.is_none() && !contact.params.has("maddr");
        if !plain || !(own || self.trunk.redirects == RedirectsTo::Anybody) || (whole && !self.permits_number(contact)) {
            return None;
        }
        Some(Permitted { uri: self.secured(contact, own)?, is_trusted: own })
    }
}

impl TrunkRedirects {
    fn is_own(&self, contact: &SipUri) -> bool {
        let TrunkConfig { targets, domain, inbound, .. } = &*self.trunk;
        let mut hosts = targets.iter().filter_map(|target| target.uri.host()).chain(domain);
        let listed =
            contact.host.address().is_some_and(|address| inbound.networks.iter().any(|network| network.contains(address)));
        listed || hosts.any(|host| host.to_string().eq_ignore_ascii_case(&contact.host.to_string()))
    }

    /// By TLS, if all targets are reached so: the SDP may have keys.
    fn secured(&self, contact: &SipUri, own: bool) -> Option<SipUri> {
        let is_tls = |uri: &SipUri| {
            uri.scheme == Scheme::Sips
                || uri.params.get("transport").is_some_and(|transport| transport.eq_ignore_ascii_case("tls"))
        };
        let by_tls = self.trunk.targets.iter().all(|target| target.uri.as_sip().is_some_and(is_tls));
        let mut uri = contact.clone();
        if by_tls && own && !uri.params.has("transport") && uri.scheme == Scheme::Sip {
            uri.params.set("transport", Some("tls"));
        }
        (!by_tls || is_tls(&uri)).then_some(uri)
    }

    /// The number is the one that is called, or one that could have been asked for.
    fn permits_number(&self, contact: &SipUri) -> bool {
        let TrunkConfig { emergency_numbers, allowed_prefixes, rewriting, .. } = &*self.trunk;
        let uri = Uri::Sip(contact.clone());
        let user = uri.user().unwrap_or_default();
        // What a lookup of ported numbers adds: `+15550100;rn=+15550199;npdi`.
        let Some(number) = user.split(';').next().and_then(tidy) else { return false };
        if is_emergency(emergency_numbers, &number) {
            return false;
        }
        let rules = &rewriting.outbound_called;
        let as_asked = rules.iter().filter_map(|rule| {
            let taken: String = rule.starts_with.chars().take(rule.strip).collect();
            let kept = number.strip_prefix(&rule.prefix)?;
            // What a rule takes away beyond its own beginning cannot be known.
            (taken.chars().count() == rule.strip).then(|| taken + kept)
        });
        let allowed = |asked: &str| {
            let permitted = allowed_prefixes.iter().any(|prefix| asked.starts_with(prefix));
            permitted && !is_emergency(emergency_numbers, asked) && rewrite(rules, asked) == number
        };
        number == self.called || as_asked.chain([number.clone()]).any(|asked| allowed(&asked))
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::{Rule, TrunkTarget};
    use super::super::tests::trunk;
    use super::*;

    fn carrier(targets: &[&str]) -> TrunkConfig {
        let mut trunk = trunk("carrier");
        trunk.targets =
            targets.iter().map(|uri| TrunkTarget { uri: uri.parse().expect("a URI"), priority: 1, weight: 1 }).collect();
        trunk.inbound.networks = vec!["203.0.113.0/24".parse().expect("a network")];
        trunk.allowed_prefixes = vec!["+49".into()];
        trunk
    }

    /// What is called in place of a Contact, with `!` where no credentials are shown.
    fn check(trunk: &TrunkConfig, contact: &str, expected: &str) {
        let policy = TrunkRedirects { trunk: Arc::new(trunk.clone()), called: "+4930123".into() };
        let Uri::Sip(contact) = contact.parse::<Uri>().expect("a URI") else { panic!("no SIP URI") };
        let said = policy.judge(&contact, contact.user.is_some());
        let said = said.map_or("-".to_owned(), |said| format!("{}{}", said.uri, if said.is_trusted { "" } else { " !" }));
        assert_eq!(said, expected, "{contact}");
    }

    #[test]
    fn calls_stay_with_the_trunk_unless_it_may_send_them_anywhere() {
        let mut trunk = carrier(&["sip:a.example", "sip:192.0.2.1:5070"]);
        trunk.domain = Some("pbx.example".parse().expect("a host"));
        for own in
            ["sip:+4930123@A.example:5080", "sip:+4930123@192.0.2.1", "sip:+4930123@pbx.example", "sip:+4930123@203.0.113.77"]
        {
            check(&trunk, own, own);
        }
        check(&trunk, "sip:203.0.113.77;lr", "sip:203.0.113.77;lr");
        let strangers = ["sip:+4930123@evil.example", "sip:+4930123@192.0.2.2", "sip:+4930123@a.example.evil.example"];
        for stranger in strangers {
            check(&trunk, stranger, "-");
        }
        check(&trunk, "sip:+4930123@a.example;maddr=192.0.2.2", "-");
        check(&trunk, "sip:+4930123:secret@a.example", "-");
        trunk.redirects = RedirectsTo::Anybody;
        for stranger in strangers {
            check(&trunk, stranger, &format!("{stranger} !"));
        }
        check(&trunk, "sip:+4930123@a.example;maddr=192.0.2.2", "-");
    }

    #[test]
    fn only_numbers_that_could_be_called_are() {
        let mut trunk = carrier(&["sip:a.example"]);
        for (user, permitted) in [
            ("+4930123", true),
            ("+4989456", true),
            ("+4989456;rn=+4989;npdi", true),
            ("+331234", false),
            ("0049301", false),
            ("112", false),
            ("+49112", true),
            ("voicemail", false),
        ] {
            let uri = format!("sip:{user}@a.example");
            check(&trunk, &uri, if permitted { &uri } else { "-" });
        }
        trunk.redirects = RedirectsTo::Anybody;
        check(&trunk, "sip:+331234@b.example", "-");
        // Numbers are as the trunk writes them.
        trunk.rewriting.outbound_called = vec![Rule { starts_with: "+49".into(), strip: 3, prefix: "0".into() }];
        for (user, permitted) in
            [("089456", true), ("089", true), ("+4989456", false), ("1900", false), ("0112", false), ("+4930123", true)]
        {
            let uri = format!("sip:{user}@a.example");
            check(&trunk, &uri, if permitted { &uri } else { "-" });
        }
    }

    #[test]
    fn who_is_called_by_tls_is_not_left_for_less() {
        let mut trunk = carrier(&["sip:a.example;transport=tls", "sips:b.example"]);
        check(&trunk, "sip:+4930123@b.example", "sip:+4930123@b.example;transport=tls");
        check(&trunk, "sips:+4930123@b.example", "sips:+4930123@b.example");
        check(&trunk, "sip:+4930123@b.example;transport=udp", "-");
        trunk.redirects = RedirectsTo::Anybody;
        check(&trunk, "sip:+4930123@c.example", "-");
        check(&trunk, "sip:+4930123@c.example;transport=tls", "sip:+4930123@c.example;transport=tls !");
    }
}
