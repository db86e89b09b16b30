//! What an external bot is told of a call when its stream starts.

use ai::engine::Words;
use ai::stream::StreamConfig;
use sip::identity::{Subject, Verdict};
use store::{CallId, Direction, PhoneNumber};

use crate::config::BotConfig;

/// A call as it is introduced to a bot; empty for engines of our own. Numbers stay out of logs.
#[derive(Clone, Debug)]
pub struct Introduction {
    /// Ours.
    pub call_id: CallId,
    /// Twilio's ids of the account and the call, on its legs.
    pub twilio: Option<(String, String)>,
    /// Who called whom.
    pub direction: Direction,
    /// Who calls.
    pub from: PhoneNumber,
    /// Whom.
    pub to: PhoneNumber,
    /// What the peer told: headers on the allow-list, or Twilio's own parameters.
    pub parameters: Vec<(String, Words)>,
    /// What is known of the caller's number, where it was looked at.
    pub identity: Option<Box<Verdict>>,
}

impl Introduction {
    /// What the bot is told: first what is the same for all calls, then what the peer says, last what we know. Of two with one name
    /// the later counts, so that a peer cannot call itself another.
    pub(super) fn of(&self, config: &BotConfig) -> StreamConfig {
        // A bot that ends calls by Twilio's REST interface needs Twilio's own ids.
        let (account_sid, call_sid) = match &self.twilio {
            Some((account, call)) => (account.clone(), call.clone()),
            None => (config.account_sid.clone(), format!("CA{}", self.call_id.to_string().replace('-', ""))),
        };
        let known = [
            ("from", self.from.reveal().to_owned()),
            ("to", self.to.reveal().to_owned()),
            ("call_id", self.call_id.to_string()),
            ("direction", self.direction.as_str().to_owned()),
        ];
        let known = known.into_iter().chain(self.number()).map(|(name, value)| (name.to_owned(), Words::from(value)));
        let parameters = config.parameters.iter().chain(&self.parameters).cloned().chain(known).collect();
        StreamConfig { bot: config.bot.clone(), account_sid, call_sid, parameters, ..StreamConfig::default() }
    }

    /// What is known of the caller's number, fact by fact; what is not there is told as empty, so that nobody else can say it.
    fn number(&self) -> impl Iterator<Item = (&'static str, String)> {
        let facts = self.identity.as_ref().map(|verdict| {
            let letter = verdict.attestation.map(|attestation| attestation.letter().to_owned());
            let reason = verdict.reason.map(|reason| reason.as_str().to_owned());
            let carrier = verdict.carrier.map(|word| word.text());
            let asserted = (verdict.subject == Subject::Asserted).then(|| "asserted".to_owned());
            let told = [
                ("identity_subject", asserted),
                ("identity_attestation", letter),
                ("identity_reason", reason),
                ("identity_carrier", carrier),
            ];
            let told = told.map(|(name, value)| (name, value.unwrap_or_default()));
            [("identity", verdict.outcome.as_str().to_owned())].into_iter().chain(told)
        });
        facts.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use ai::stream::Bot;
    use sip::identity::{Attestation, Outcome};

    use super::*;

    fn check(twilio: Option<(&str, &str)>, peer: &[(&str, &str)], expected: &str) {
        check_with(None, twilio, peer, expected);
    }

    fn check_with(identity: Option<Verdict>, twilio: Option<(&str, &str)>, peer: &[(&str, &str)], expected: &str) {
        let introduction = Introduction {
            call_id: CallId::generate(),
            twilio: twilio.map(|(account, call)| (account.to_owned(), call.to_owned())),
            direction: Direction::Inbound,
            from: PhoneNumber::new("+15550100"),
            to: PhoneNumber::new("demo"),
            parameters: peer.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect(),
            identity: identity.map(Box::new),
        };
        assert!(!format!("{introduction:?}").contains("5550"));
        let config = BotConfig {
            bot: Bot::default(),
            account_sid: "AC1".to_owned(),
            sip_headers: Vec::new(),
            parameters: vec![("tier".to_owned(), "gold".into())],
        };
        let told = introduction.of(&config);
        let id = introduction.call_id.to_string();
        let parameters: Vec<String> = told.parameters.iter().map(|(name, value)| format!("{name}={}", value.as_str())).collect();
        let text = format!("{} {} {}", told.account_sid, told.call_sid, parameters.join(" "));
        assert_eq!(text, expected.replace("HEX", &id.replace('-', "")).replace("ID", &id));
    }

    #[test]
    fn a_sip_call_has_a_call_sid_made_of_its_id() {
        let expected = "AC1 CAHEX tier=gold X-Account=7 from=+15550100 to=demo call_id=ID direction=inbound";
        check(None, &[("X-Account", "7")], expected);
    }

    #[test]
    fn a_twilio_call_keeps_twilios_ids_and_parameters() {
        let expected = "AC9 CA9 tier=gold from=liar from=+15550100 to=demo call_id=ID direction=inbound";
        check(Some(("AC9", "CA9")), &[("from", "liar")], expected);
    }

    #[test]
    fn a_bot_is_told_whether_the_number_is_genuine_by_us_last() {
        let verdict = Verdict { outcome: Outcome::Passed, attestation: Some(Attestation::Full), ..Verdict::default() };
        let expected = "AC1 CAHEX tier=gold identity_carrier=passed A from=+15550100 to=demo call_id=ID direction=inbound \
                        identity=passed identity_subject= identity_attestation=A identity_reason= identity_carrier=";
        check_with(Some(verdict), None, &[("identity_carrier", "passed A")], expected);
    }
}
