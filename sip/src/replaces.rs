//! Taking another dialog's place: the Replaces header (RFC 3891), and its way through a Refer-To (RFC 3261 §19.1.1).

use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;

use crate::dialog::DialogId;
use crate::uri::{Params, Uri, unescape};

/// Which dialog an INVITE is to replace: `call-id;to-tag=x;from-tag=y`, as its recipient has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Replaces {
    /// The Call-ID.
    pub call_id: String,
    /// The tag of the recipient.
    pub to_tag: String,
    /// The tag of the recipient's peer.
    pub from_tag: String,
    /// `early-only`: not when it is answered meanwhile.
    pub early_only: bool,
}

/// The value does not name a dialog.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("replaces is not a call-id with both tags")]
pub struct NotReplaces;

impl Replaces {
    /// For the peer of this dialog of ours: who gets it looks the dialog up from its own side.
    pub fn of(dialog: &DialogId) -> Self {
        Self {
            call_id: dialog.call_id.to_string(),
            to_tag: dialog.remote_tag.to_string(),
            from_tag: dialog.local_tag.to_string(),
            early_only: false,
        }
    }

    /// The dialogs of ours that it can mean: the tag 0 stands also for none, of a peer of RFC 2543 (RFC 3891 §3).
    pub fn dialogs(&self) -> impl Iterator<Item = DialogId> {
        let named = DialogId::new(&self.call_id, &self.to_tag, &self.from_tag);
        let untagged = (self.from_tag == "0").then(|| DialogId { remote_tag: "".into(), ..named.clone() });
        [named].into_iter().chain(untagged)
    }

    /// Of the headers in a Refer-To's URI; `None` when there is none that can be read.
    pub fn in_refer_to(uri: &Uri) -> Option<Self> {
        let headers = uri.as_sip()?.headers.as_deref()?;
        let named = headers.split('&').filter_map(|header| header.split_once('='));
        let mut values = named.filter(|(name, _)| unescape(name).eq_ignore_ascii_case("Replaces"));
        unescape(values.next()?.1).parse().ok()
    }

    /// As it stands in the headers of a URI: all that is not a letter, a digit or a mark is escaped.
    pub fn escaped(&self) -> String {
        let mut text = String::from("Replaces=");
        for byte in self.to_string().bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
                text.push(char::from(byte));
            } else {
                let _ = write!(text, "%{byte:02X}");
            }
        }
        text
    }
}

impl FromStr for Replaces {
    type Err = NotReplaces;

    fn from_str(text: &str) -> Result<Self, NotReplaces> {
        let (call_id, params) = text.split_once(';').ok_or(NotReplaces)?;
        let call_id = call_id.trim_ascii();
        let params = Params::parse(params).map_err(|_| NotReplaces)?;
        let plain = |tag: &&str| !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_graphic() && !b";,\"<>".contains(&byte));
        let tag = |name| params.get(name).filter(plain).map(str::to_owned).ok_or(NotReplaces);
        if call_id.is_empty() || call_id.contains([' ', '\t', ',']) {
            return Err(NotReplaces);
        }
        let (to_tag, from_tag) = (tag("to-tag")?, tag("from-tag")?);
        Ok(Self { call_id: call_id.to_owned(), to_tag, from_tag, early_only: params.has("early-only") })
    }
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call_id, to_tag, from_tag, early_only } = self;
        // A peer of RFC 2543 has no tag, which is written as 0.
        let tag = |tag: &str| if tag.is_empty() { "0".to_owned() } else { tag.to_owned() };
        write!(f, "{call_id};to-tag={};from-tag={}", tag(to_tag), tag(from_tag))?;
        if *early_only { f.write_str(";early-only") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &str) {
        let read = text.parse::<Replaces>();
        let shown = read.map_or_else(|error| error.to_string(), |replaces| replaces.to_string());
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn values_are_read_and_written() {
        check("98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff", "98732@sip.example.com;to-tag=ff87ff;from-tag=r33th4x0r");
        check(" a ; to-tag=1;from-tag=2;early-only", "a;to-tag=1;from-tag=2;early-only");
        check("a;to-tag=1;from-tag=0;x=y", "a;to-tag=1;from-tag=0");
    }

    #[test]
    fn what_names_no_dialog_is_refused() {
        let error = "replaces is not a call-id with both tags";
        for text in
            ["", "a", "a;to-tag=1", "a;from-tag=1", ";to-tag=1;from-tag=2", "a b;to-tag=1;from-tag=2", "a;to-tag=;from-tag=2"]
        {
            check(text, error);
        }
    }

    #[test]
    fn it_travels_in_a_refer_to() {
        let replaces: Replaces = "a@b;to-tag=1;from-tag=2".parse().unwrap();
        let uri: Uri = format!("sip:carol@c.example?Subject=x&{}", replaces.escaped()).parse().unwrap();
        assert_eq!(uri.to_string(), "sip:carol@c.example?Subject=x&Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2");
        assert_eq!(Replaces::in_refer_to(&uri), Some(replaces));
        let plain: Uri = "sip:carol@c.example?Subject=x".parse().unwrap();
        assert_eq!(Replaces::in_refer_to(&plain), None);
    }

    #[test]
    fn a_peer_without_tag_is_written_as_0_and_found_by_it() {
        let ours = DialogId::new("a", "us", "");
        let told = Replaces::of(&ours).to_string();
        assert_eq!(told, "a;to-tag=0;from-tag=us");
        let back: Replaces = "a;to-tag=us;from-tag=0".parse().unwrap();
        assert!(back.dialogs().any(|dialog| dialog == ours));
        let tagged: Replaces = "a;to-tag=us;from-tag=x".parse().unwrap();
        assert!(tagged.dialogs().eq([DialogId::new("a", "us", "x")]));
    }

    proptest! {
        #[test]
        fn any_value_is_read_without_harm(text in "\\PC*|[a-z@;=%0-9-]*") {
            if let Ok(replaces) = text.parse::<Replaces>() {
                prop_assert_eq!(replaces.to_string().parse::<Replaces>(), Ok(replaces));
            }
        }
    }
}
