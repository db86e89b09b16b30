//! What the carrier before us found when it checked: the `verstat` parameter (3GPP TS 24.229 §7.2A.20, ATIS-1000074).

use crate::message::Headers;
use crate::uri::Uri;

use super::party::asserted;
use super::{Attestation, Outcome};

/// A carrier's word. Whoever sent the INVITE may have written it, so it is worth as much as the peer is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CarrierWord {
    /// `Passed`, `Failed` or `None`.
    pub outcome: Outcome,
    /// Some carriers add it: `TN-Validation-Passed-A`.
    pub attestation: Option<Attestation>,
}

impl CarrierWord {
    /// As records have it: `passed A`.
    pub fn text(&self) -> String {
        match self.attestation {
            Some(attestation) => format!("{} {}", self.outcome.as_str(), attestation.letter()),
            None => self.outcome.as_str().to_owned(),
        }
    }

    /// The word in an INVITE: of the P-Asserted-Identity, which carriers set, before that of the From.
    pub(super) fn of(headers: &Headers) -> Option<Self> {
        let from = headers.from().ok();
        asserted(headers).chain(from).find_map(|address| of_uri(&address.uri))
    }

    fn parse(text: &str) -> Option<Self> {
        let rest =
            |prefix: &str| text.get(..prefix.len()).filter(|own| own.eq_ignore_ascii_case(prefix)).map(|_| &text[prefix.len()..]);
        let words = [
            ("TN-Validation-Passed", Outcome::Passed),
            ("TN-Validation-Failed", Outcome::Failed),
            ("No-TN-Validation", Outcome::None),
        ];
        let (outcome, rest) = words.iter().find_map(|(word, outcome)| Some((*outcome, rest(word)?)))?;
        let attestation = rest.strip_prefix('-').and_then(|letter| Attestation::of_letter(&letter.to_ascii_uppercase()));
        (rest.is_empty() || attestation.is_some()).then_some(Self { outcome, attestation })
    }
}

/// It is a parameter of the number, so in a SIP URI it belongs into the user; some put it behind the host.
fn of_uri(uri: &Uri) -> Option<CarrierWord> {
    if let Some(word) = uri.params().and_then(|params| params.get("verstat")) {
        return CarrierWord::parse(word);
    }
    let user = uri.user()?;
    let mut words = user.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    words.find(|(name, _)| name.eq_ignore_ascii_case("verstat")).and_then(|(_, word)| CarrierWord::parse(word))
}
