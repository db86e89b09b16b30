//! What an external bot is told of a call when its stream starts.

use ai::engine::Words;
use ai::stream::StreamConfig;
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
        let known = known.into_iter().map(|(name, value)| (name.to_owned(), Words::from(value)));
        let parameters = config.parameters.iter().chain(&self.parameters).cloned().chain(known).collect();
        StreamConfig { bot: config.bot.clone(), account_sid, call_sid, parameters, ..StreamConfig::default() }
    }
}

#[cfg(test)]
mod tests {
    use ai::stream::Bot;

    use super::*;

    fn check(twilio: Option<(&str, &str)>, peer: &[(&str, &str)], expected: &str) {
        let introduction = Introduction {
            call_id: CallId::generate(),
            twilio: twilio.map(|(account, call)| (account.to_owned(), call.to_owned())),
            direction: Direction::Inbound,
            from: PhoneNumber::new("+15550100"),
            to: PhoneNumber::new("demo"),
            parameters: peer.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect(),
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
}
