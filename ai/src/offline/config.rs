//! What the offline engine says and does, with ranges and defaults.

use std::time::Duration;

use media::codec::Codec;
use media::vad::OutOfRange;

use crate::espeak::MAX_TEXT;

/// What an offline agent is and says.
#[derive(Clone, Debug, PartialEq)]
pub struct OfflineConfig {
    /// Codec of the leg.
    pub codec: Codec,
    /// The first thing said; empty to say nothing first.
    pub greeting: String,
    /// Said before hanging up.
    pub goodbye: String,
    /// What is done with the caller.
    pub mode: Mode,
}

/// What is done with the caller.
#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    /// Says this instead of the greeting, and hangs up: what a caller gets when every provider is down.
    Apology {
        /// What is said.
        text: String,
    },
    /// Asks for keys.
    Menu(Menu),
    /// Plays back what the caller said in each turn.
    Talkback,
    /// Takes a message.
    Voicemail(Mailbox),
}

/// A menu of keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Menu {
    /// What is asked, after the greeting and after each answer.
    pub prompt: String,
    /// What each key does; 1 to 16 of 0-9, `*`, `#`, A-D, each once.
    pub choices: Vec<(char, Choice)>,
    /// Said when a key does nothing.
    pub invalid: String,
    /// Said when no key came.
    pub no_input: String,
    /// How long to wait for a key. 1 to 60 s, default 5 s.
    pub timeout: Duration,
    /// How many wrong or missing keys in a row end the call. 1 to 10, default 3.
    pub attempts: u8,
    /// Where [`Choice::Voicemail`] leads.
    pub mailbox: Mailbox,
}

/// What a key does.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
    /// Says goodbye and hangs up.
    HangUp,
    /// Asks again.
    Repeat,
    /// Says a text, and asks again.
    Say(String),
    /// Takes a message.
    Voicemail,
}

/// How a message is taken: text, tone, recording, thanks.
#[derive(Clone, Debug, PartialEq)]
pub struct Mailbox {
    /// Said before the tone.
    pub prompt: String,
    /// Said after the message.
    pub thanks: String,
    /// Silence that ends the message. 1 to 30 s, default 4 s.
    pub silence: Duration,
    /// The longest message. 1 to 300 s, default 120 s.
    pub longest: Duration,
}

impl Default for OfflineConfig {
    fn default() -> Self {
        Self {
            codec: Codec::Pcmu,
            greeting: "Hello, this is Offhook. Say something, and I will say it back to you.".to_owned(),
            goodbye: "Goodbye.".to_owned(),
            mode: Mode::Talkback,
        }
    }
}

impl Default for Mode {
    /// The apology for when every provider is down and nobody has written a better one.
    fn default() -> Self {
        let text = "I am sorry, I cannot talk with you right now. Please call again later. Goodbye.";
        Self::Apology { text: text.to_owned() }
    }
}

impl Default for Menu {
    fn default() -> Self {
        Self {
            prompt: "Press one to leave a message, two to hear this again, or zero to hang up.".to_owned(),
            choices: vec![('1', Choice::Voicemail), ('2', Choice::Repeat), ('0', Choice::HangUp)],
            invalid: "That key does nothing here.".to_owned(),
            no_input: "I heard no key.".to_owned(),
            timeout: Duration::from_secs(5),
            attempts: 3,
            mailbox: Mailbox::default(),
        }
    }
}

impl Default for Mailbox {
    fn default() -> Self {
        Self {
            prompt: "Please leave a message after the tone, then press the pound key.".to_owned(),
            thanks: "Thank you for your message.".to_owned(),
            silence: Duration::from_secs(4),
            longest: Duration::from_secs(120),
        }
    }
}

impl OfflineConfig {
    /// Checks every field against its range. A text but the greeting may not be empty, and none may be longer than
    /// [`MAX_TEXT`].
    ///
    /// # Errors
    /// The first [`OutOfRange`] field.
    pub fn validate(&self) -> Result<(), OutOfRange> {
        if !self.greeting.is_empty() {
            text("greeting", &self.greeting)?;
        }
        text("goodbye", &self.goodbye)?;
        match &self.mode {
            Mode::Apology { text: apology } => text("apology", apology),
            Mode::Menu(menu) => menu.validate(),
            Mode::Talkback => Ok(()),
            Mode::Voicemail(mailbox) => mailbox.validate(),
        }
    }
}

impl Menu {
    fn validate(&self) -> Result<(), OutOfRange> {
        text("menu.prompt", &self.prompt)?;
        text("menu.invalid", &self.invalid)?;
        text("menu.no_input", &self.no_input)?;
        seconds("menu.timeout", self.timeout, 1, 60)?;
        count("menu.attempts", self.attempts.into(), 1, 10)?;
        count("menu.choices", self.choices.len(), 1, KEYS.len())?;
        for (index, (key, choice)) in self.choices.iter().enumerate() {
            let taken = self.choices[..index].iter().any(|(before, _)| before == key);
            if taken || !KEYS.contains(*key) {
                let limit = format!("the keys {KEYS}, each once");
                return Err(OutOfRange { field: "menu.choices", value: key.to_string(), limit });
            }
            if let Choice::Say(said) = choice {
                text("menu.choices.say", said)?;
            }
        }
        self.mailbox.validate()
    }
}

impl Mailbox {
    fn validate(&self) -> Result<(), OutOfRange> {
        text("mailbox.prompt", &self.prompt)?;
        text("mailbox.thanks", &self.thanks)?;
        seconds("mailbox.silence", self.silence, 1, 30)?;
        seconds("mailbox.longest", self.longest, 1, 300)
    }
}

/// Every key there is (RFC 4733 §3.2).
const KEYS: &str = "0123456789*#ABCD";

fn text(field: &'static str, text: &str) -> Result<(), OutOfRange> {
    let length = if text.trim().is_empty() { 0 } else { text.len() };
    check(field, (1..=MAX_TEXT).contains(&length), format!("of {length} bytes"), format!("1 to {MAX_TEXT}"))
}

fn seconds(field: &'static str, value: Duration, low: u64, high: u64) -> Result<(), OutOfRange> {
    let range = Duration::from_secs(low)..=Duration::from_secs(high);
    check(field, range.contains(&value), format!("{value:?}"), format!("{low}s to {high}s"))
}

fn count(field: &'static str, value: usize, low: usize, high: usize) -> Result<(), OutOfRange> {
    check(field, (low..=high).contains(&value), value.to_string(), format!("{low} to {high}"))
}

fn check(field: &'static str, holds: bool, value: String, limit: String) -> Result<(), OutOfRange> {
    match holds {
        true => Ok(()),
        false => Err(OutOfRange { field, value, limit }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn menu(change: impl FnOnce(&mut Menu)) -> OfflineConfig {
        let mut menu = Menu::default();
        change(&mut menu);
        OfflineConfig { mode: Mode::Menu(menu), ..OfflineConfig::default() }
    }

    fn mailbox(change: impl FnOnce(&mut Mailbox)) -> OfflineConfig {
        let mut mailbox = Mailbox::default();
        change(&mut mailbox);
        OfflineConfig { mode: Mode::Voicemail(mailbox), ..OfflineConfig::default() }
    }

    #[test]
    fn defaults_are_valid_in_every_mode() {
        for mode in [Mode::default(), Mode::Talkback, Mode::Menu(Menu::default()), Mode::Voicemail(Mailbox::default())] {
            assert_eq!(OfflineConfig { mode, ..OfflineConfig::default() }.validate(), Ok(()));
        }
        assert_eq!(OfflineConfig { greeting: String::new(), ..OfflineConfig::default() }.validate(), Ok(()));
    }

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        let default = OfflineConfig::default();
        let long = "a".repeat(MAX_TEXT + 1);
        let cases = [
            (OfflineConfig { greeting: long, ..default.clone() }, "greeting of 2001 bytes is outside 1 to 2000"),
            (OfflineConfig { goodbye: " ".into(), ..default.clone() }, "goodbye of 0 bytes is outside 1 to 2000"),
            (OfflineConfig { mode: Mode::Apology { text: String::new() }, ..default }, "apology of 0 bytes is outside 1 to 2000"),
            (menu(|menu| menu.prompt.clear()), "menu.prompt of 0 bytes is outside 1 to 2000"),
            (menu(|menu| menu.invalid.clear()), "menu.invalid of 0 bytes is outside 1 to 2000"),
            (menu(|menu| menu.no_input.clear()), "menu.no_input of 0 bytes is outside 1 to 2000"),
            (menu(|menu| menu.timeout = Duration::ZERO), "menu.timeout 0ns is outside 1s to 60s"),
            (menu(|menu| menu.attempts = 0), "menu.attempts 0 is outside 1 to 10"),
            (menu(|menu| menu.choices.clear()), "menu.choices 0 is outside 1 to 16"),
            (menu(|menu| menu.choices[1].0 = '1'), "menu.choices 1 is outside the keys 0123456789*#ABCD, each once"),
            (menu(|menu| menu.choices[1].0 = 'x'), "menu.choices x is outside the keys 0123456789*#ABCD, each once"),
            (menu(|menu| menu.choices[1].1 = Choice::Say(String::new())), "menu.choices.say of 0 bytes is outside 1 to 2000"),
            (menu(|menu| menu.mailbox.thanks.clear()), "mailbox.thanks of 0 bytes is outside 1 to 2000"),
            (mailbox(|mailbox| mailbox.prompt.clear()), "mailbox.prompt of 0 bytes is outside 1 to 2000"),
            (mailbox(|mailbox| mailbox.silence = Duration::from_secs(31)), "mailbox.silence 31s is outside 1s to 30s"),
            (mailbox(|mailbox| mailbox.longest = Duration::from_secs(301)), "mailbox.longest 301s is outside 1s to 300s"),
        ];
        for (config, expected) in cases {
            assert_eq!(config.validate().unwrap_err().to_string(), expected);
        }
    }
}
