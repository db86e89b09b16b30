//! Whether somebody is called again, and when.

use std::time::Duration;

use store::{ContactNext, ContactOutcome, WallTime};

/// Calls to one contact, whatever the rules say: more is a nuisance.
pub const ATTEMPTS_MAX: usize = 10;

/// How often after an outcome, and how long after.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rule {
    /// Calls more after this outcome.
    pub times: u32,
    /// How long after the end of the last.
    pub after: Duration,
}

/// The rules of a campaign, by what came of a call. After anything else nobody is called again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Retries {
    /// Busy.
    pub busy: Rule,
    /// Nobody picked up.
    pub no_answer: Rule,
    /// The network failed, or we did.
    pub failed: Rule,
    /// A machine answered.
    pub voicemail: Rule,
    /// Nobody knows what came of it; never, unless somebody says so: the telephone may have rung.
    pub unknown: Rule,
}

impl Retries {
    fn rule(&self, outcome: ContactOutcome) -> Option<Rule> {
        match outcome {
            ContactOutcome::Busy => Some(self.busy),
            ContactOutcome::NoAnswer => Some(self.no_answer),
            ContactOutcome::Failed => Some(self.failed),
            ContactOutcome::Voicemail => Some(self.voicemail),
            ContactOutcome::Unknown => Some(self.unknown),
            ContactOutcome::Answered
            | ContactOutcome::Cancelled
            | ContactOutcome::Declined
            | ContactOutcome::DoNotCall
            | ContactOutcome::Human
            | ContactOutcome::InvalidNumber
            | ContactOutcome::Unwanted => None,
        }
    }
}

/// What becomes of a contact whose attempt came to this, given what came of those `before`. Each outcome has its own count.
#[must_use]
pub fn next(rules: &Retries, before: &[ContactOutcome], outcome: ContactOutcome, now: WallTime) -> ContactNext {
    let Some(rule) = rules.rule(outcome) else { return ContactNext::Done };
    let used = before.iter().filter(|one| **one == outcome).count();
    if used >= rule.times as usize || before.len() + 1 >= ATTEMPTS_MAX {
        return ContactNext::Done;
    }
    let after = i64::try_from(rule.after.as_micros()).unwrap_or(i64::MAX);
    ContactNext::Again(WallTime::from_micros(now.micros().saturating_add(after)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a row of outcomes, one each second; what followed each.
    fn check(rules: &Retries, outcomes: &str, expected: &str) {
        let (mut before, mut told) = (Vec::new(), Vec::new());
        for (second, word) in outcomes.split(' ').enumerate() {
            let outcome = word.parse().expect("an outcome");
            let now = WallTime::from_micros(second as i64 * 1_000_000);
            told.push(match next(rules, &before, outcome, now) {
                ContactNext::Done => "done".to_owned(),
                ContactNext::Again(at) => format!("+{}", at.since(now).as_secs()),
            });
            before.push(outcome);
        }
        assert_eq!(told.join(" "), expected, "{outcomes}");
    }

    #[test]
    fn each_outcome_has_its_own_ladder() {
        let rule = |times, seconds| Rule { times, after: Duration::from_secs(seconds) };
        let rules = Retries {
            busy: rule(2, 300),
            no_answer: rule(1, 3600),
            failed: rule(1, 60),
            voicemail: rule(0, 60),
            unknown: rule(0, 60),
        };
        check(&rules, "busy busy busy", "+300 +300 done");
        check(&rules, "busy no_answer busy no_answer", "+300 +3600 +300 done");
        check(&rules, "failed voicemail", "+60 done");
        check(&rules, "unknown", "done");
        for last in ["human", "answered", "declined", "invalid_number", "unwanted", "cancelled"] {
            check(&rules, last, "done");
        }
        let endless = Retries { busy: rule(100, 1), unknown: rule(1, 9), ..rules };
        check(&endless, "busy busy busy busy busy busy busy busy busy busy", "+1 +1 +1 +1 +1 +1 +1 +1 +1 done");
        check(&endless, "unknown unknown", "+9 done");
    }
}
