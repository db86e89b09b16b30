//! Digits that nobody is to know: the model gets a reference, and only a tool that is marked sensitive gets the digits.

use serde_json::Value;

use crate::secret::Secret;

/// Kept in one call; when full, the oldest is forgotten.
pub const MAX_KEPT: usize = 8;

/// Shorter digits are not looked for in what a tool answers: any text has them.
const SCRUBBED_MIN: usize = 4;

/// What a call keeps for its sensitive tools. It dies with the AiSession: the caller is then asked again.
#[derive(Clone, Debug, Default)]
pub struct Vault {
    kept: Vec<(String, Secret)>,
    taken: u32,
}

impl Vault {
    /// Keeps digits, and gives the reference that stands for them.
    pub fn keep(&mut self, digits: Secret) -> String {
        if self.kept.len() == MAX_KEPT {
            self.kept.remove(0);
        }
        self.taken += 1;
        let reference = format!("secret-digits-{}", self.taken);
        self.kept.push((reference.clone(), digits));
        reference
    }

    /// Puts digits where their references stand in the arguments of a tool that may have them.
    pub fn reveal(&self, arguments: &mut Value) {
        match arguments {
            Value::String(text) => {
                if let Some((_, digits)) = self.kept.iter().find(|(reference, _)| reference == text) {
                    digits.expose().clone_into(text);
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.reveal(value)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.reveal(value)),
            _ => {}
        }
    }

    /// What a tool answered, without digits that it repeats.
    pub fn scrub(&self, mut output: String) -> String {
        for (reference, digits) in &self.kept {
            let digits = digits.expose();
            if digits.len() >= SCRUBBED_MIN && output.contains(digits) {
                output = output.replace(digits, reference);
            }
        }
        output
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reference_becomes_digits_and_digits_a_reference() {
        let mut vault = Vault::default();
        assert_eq!(vault.keep("41111111".into()), "secret-digits-1");
        assert_eq!(vault.keep("123".into()), "secret-digits-2");
        let mut arguments = json!({"card": "secret-digits-1", "list": ["secret-digits-2", 5], "note": "secret-digits-1 twice"});
        vault.reveal(&mut arguments);
        assert_eq!(arguments, json!({"card": "41111111", "list": ["123", 5], "note": "secret-digits-1 twice"}));
        assert_eq!(vault.scrub("card 41111111, code 123".into()), "card secret-digits-1, code 123");
        assert!(!format!("{vault:?}").contains("4111"));
    }

    #[test]
    fn when_full_the_oldest_is_forgotten() {
        let mut vault = Vault::default();
        (0..=MAX_KEPT).for_each(|_| drop(vault.keep("9999".into())));
        let mut arguments = json!(["secret-digits-1", "secret-digits-2"]);
        vault.reveal(&mut arguments);
        assert_eq!(arguments, json!(["secret-digits-1", "9999"]));
    }
}
