//! What a campaign does and when, as it is stored: JSON, read and checked in one place.

use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{CampaignWish, StoreError};

use super::phone::is_prefix;
use super::retry::{Retries, Rule};
use super::window::{Window, day, time};

/// Calls a minute: ten a second is more than most trunks take.
pub const PER_MINUTE_MAX: u32 = 600;
/// Calls at once.
pub const CONCURRENCY_MAX: u32 = 1_000;
/// Windows of one campaign.
pub const WINDOWS_MAX: usize = 32;
/// Calls more after one outcome.
pub const TIMES_MAX: u32 = 9;
/// The longest time between two calls to one person: a month.
pub const AFTER_MAX_S: u64 = 31 * 24 * 3600;
/// Longest message that is left, in characters: a minute and a half of speech.
pub const MESSAGE_MAX: usize = 1_500;

/// All of it, as it is stored and as the API takes it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Who talks, by name.
    pub assistant_id: String,
    /// Who calls; `None`: nobody who says so.
    #[serde(default)]
    pub from: Option<String>,
    /// What carries the calls, by name; `None`: as the node finds.
    #[serde(default)]
    pub trunk_id: Option<String>,
    /// IANA name, for whose zone is not known otherwise.
    #[serde(default = "utc")]
    pub zone: String,
    /// `+49`: the country of numbers that are written without one.
    #[serde(default)]
    pub default_prefix: Option<String>,
    /// When people may be called, by their clocks.
    #[serde(default = "office_hours")]
    pub windows: Vec<WindowSetting>,
    /// Dials a minute, evenly.
    #[serde(default = "per_minute")]
    pub calls_per_minute: u32,
    /// Calls at once, on all nodes.
    #[serde(default = "at_once")]
    pub concurrency: u32,
    /// Whether and when somebody is called again.
    #[serde(default)]
    pub retries: RetrySettings,
    /// What is done when a machine answers.
    #[serde(default)]
    pub on_machine: MachineAction,
    /// What is said after its beep.
    #[serde(default)]
    pub message: Option<String>,
}

/// A window.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WindowSetting {
    /// `mon` to `sun`.
    pub days: Vec<String>,
    /// `09:00`.
    pub from: String,
    /// `18:00`; no later than `from`: over midnight.
    pub until: String,
}

/// A rule.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RetrySetting {
    /// Calls more.
    pub times: u32,
    /// Seconds after the end of the last.
    pub after_s: u64,
}

/// The rules.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetrySettings {
    /// Busy: twice, after 10 minutes.
    pub busy: RetrySetting,
    /// Nobody picked up: twice, after 2 hours.
    pub no_answer: RetrySetting,
    /// The network failed, or we did: twice, after 5 minutes.
    pub failed: RetrySetting,
    /// A machine answered: never.
    pub voicemail: RetrySetting,
    /// Nobody knows what came of it: never, since the telephone may have rung.
    pub unknown: RetrySetting,
}

impl Default for RetrySettings {
    fn default() -> Self {
        let rule = |times, after_s| RetrySetting { times, after_s };
        Self {
            busy: rule(2, 600),
            no_answer: rule(2, 7200),
            failed: rule(2, 300),
            voicemail: rule(0, 14_400),
            unknown: rule(0, 3600),
        }
    }
}

/// What is done when a machine answers.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MachineAction {
    /// Nobody listens for one: the agent talks at once with whatever answers.
    Ignore,
    /// The call ends.
    #[default]
    HangUp,
    /// The message is left, and the call ends.
    LeaveMessage,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn office_hours() -> Vec<WindowSetting> {
    let days = ["mon", "tue", "wed", "thu", "fri"].map(str::to_owned).into();
    vec![WindowSetting { days, from: "09:00".to_owned(), until: "18:00".to_owned() }]
}

const fn per_minute() -> u32 {
    10
}

const fn at_once() -> u32 {
    2
}

/// A field and what is wrong with it.
pub type WrongField = (String, String);

impl Settings {
    /// Reads them; fields that are left out are as by default.
    ///
    /// # Errors
    /// Every field that is wrong.
    pub fn read(value: &Value) -> Result<Self, Vec<WrongField>> {
        let settings: Self = serde_json::from_value(value.clone()).map_err(|error| vec![(String::new(), error.to_string())])?;
        let mut wrong = Vec::new();
        settings.check(&mut wrong);
        if wrong.is_empty() { Ok(settings) } else { Err(wrong) }
    }

    fn check(&self, wrong: &mut Vec<WrongField>) {
        let mut no = |field: &str, reason: String| wrong.push((field.to_owned(), reason));
        if TimeZone::get(&self.zone).is_err() {
            no("zone", "is not an IANA time zone (Europe/Berlin)".to_owned());
        }
        if self.default_prefix.as_deref().is_some_and(|prefix| !is_prefix(prefix)) {
            no("default_prefix", "is not + and one to four digits (+49)".to_owned());
        }
        for (field, value, most) in
            [("calls_per_minute", self.calls_per_minute, PER_MINUTE_MAX), ("concurrency", self.concurrency, CONCURRENCY_MAX)]
        {
            if !(1..=most).contains(&value) {
                no(field, format!("{value} is not within 1 to {most}"));
            }
        }
        if self.windows.is_empty() || self.windows.len() > WINDOWS_MAX {
            no("windows", format!("{} windows are not within 1 to {WINDOWS_MAX}", self.windows.len()));
        }
        for (place, window) in self.windows.iter().enumerate() {
            for (field, reason) in window.wrong() {
                no(&format!("windows.{place}.{field}"), reason.to_owned());
            }
        }
        for (name, rule) in self.retries.named() {
            if rule.times > TIMES_MAX {
                no(&format!("retries.{name}.times"), format!("{} is above {TIMES_MAX}", rule.times));
            }
            if !(1..=AFTER_MAX_S).contains(&rule.after_s) {
                no(&format!("retries.{name}.after_s"), format!("{} is not within 1 to {AFTER_MAX_S}", rule.after_s));
            }
        }
        let message = self.message.as_deref().map_or(0, |message| message.trim().chars().count());
        if self.on_machine == MachineAction::LeaveMessage && message == 0 {
            no("message", "is missing: on_machine leave_message says it after the beep".to_owned());
        }
        if message > MESSAGE_MAX {
            no("message", format!("has more than {MESSAGE_MAX} characters"));
        }
    }

    /// The windows as they are weighed.
    #[must_use]
    pub fn opening_hours(&self) -> Vec<Window> {
        self.windows.iter().filter_map(WindowSetting::window).collect()
    }

    /// The rules as they are weighed.
    #[must_use]
    pub fn rules(&self) -> Retries {
        let rule = |setting: RetrySetting| Rule { times: setting.times, after: Duration::from_secs(setting.after_s) };
        let RetrySettings { busy, no_answer, failed, voicemail, unknown } = self.retries;
        Retries {
            busy: rule(busy),
            no_answer: rule(no_answer),
            failed: rule(failed),
            voicemail: rule(voicemail),
            unknown: rule(unknown),
        }
    }

    /// Time between two dials.
    #[must_use]
    pub fn gap(&self) -> Duration {
        Duration::from_micros(60_000_000_u64.div_ceil(u64::from(self.calls_per_minute.max(1))))
    }

    /// The row that they make.
    #[must_use]
    pub fn wish(&self, name: String) -> CampaignWish {
        let settings = serde_json::to_value(self).unwrap_or_default();
        CampaignWish { name, settings, concurrency: self.concurrency, gap: self.gap() }
    }

    /// Those of a row.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`]: another version wrote it.
    pub fn of(stored: &Value) -> Result<Self, StoreError> {
        let unreadable = |wrong: Vec<WrongField>| StoreError::Unreadable {
            query: "campaign",
            column: "settings",
            reason: wrong.into_iter().map(|(field, reason)| format!("{field}: {reason}")).collect::<Vec<_>>().join("; "),
        };
        Self::read(stored).map_err(unreadable)
    }
}

impl RetrySettings {
    fn named(&self) -> [(&'static str, RetrySetting); 5] {
        let Self { busy, no_answer, failed, voicemail, unknown } = *self;
        [("busy", busy), ("no_answer", no_answer), ("failed", failed), ("voicemail", voicemail), ("unknown", unknown)]
    }
}

impl WindowSetting {
    fn wrong(&self) -> Vec<(&'static str, &'static str)> {
        let mut wrong = Vec::new();
        if self.days.is_empty() || self.days.len() > 7 || self.days.iter().any(|word| day(word).is_none()) {
            wrong.push(("days", "are not some of mon, tue, wed, thu, fri, sat, sun"));
        }
        wrong.extend(time(&self.from).err().map(|reason| ("from", reason)));
        wrong.extend(time(&self.until).err().map(|reason| ("until", reason)));
        wrong
    }

    fn window(&self) -> Option<Window> {
        let days = self.days.iter().filter_map(|word| day(word)).collect();
        Some(Window { days, from: time(&self.from).ok()?, until: time(&self.until).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(value: &Value, expected: &str) {
        let told = match Settings::read(value) {
            Ok(settings) => format!("{} {} {:?}", settings.calls_per_minute, settings.concurrency, settings.gap()),
            Err(wrong) => wrong.into_iter().map(|(field, reason)| format!("{field}: {reason}")).collect::<Vec<_>>().join("; "),
        };
        assert_eq!(told, expected, "{value}");
    }

    #[test]
    fn what_is_left_out_is_as_by_default_and_every_wrong_field_is_told() {
        check(&json!({ "assistant_id": "demo" }), "10 2 6s");
        check(&json!({ "assistant_id": "demo", "calls_per_minute": 7 }), "7 2 8.571429s");
        let wrong = json!({
            "assistant_id": "demo", "zone": "Mars", "default_prefix": "49", "calls_per_minute": 0, "concurrency": 1001,
            "windows": [{ "days": ["mon", "caturday"], "from": "9", "until": "18:00" }],
            "retries": { "busy": { "times": 10, "after_s": 0 } }, "on_machine": "leave_message",
        });
        check(
            &wrong,
            "zone: is not an IANA time zone (Europe/Berlin); default_prefix: is not + and one to four digits (+49); \
             calls_per_minute: 0 is not within 1 to 600; concurrency: 1001 is not within 1 to 1000; \
             windows.0.days: are not some of mon, tue, wed, thu, fri, sat, sun; windows.0.from: is not a time such as 09:30; \
             retries.busy.times: 10 is above 9; retries.busy.after_s: 0 is not within 1 to 2678400; \
             message: is missing: on_machine leave_message says it after the beep",
        );
        check(&json!({ "assistant_id": "demo", "windows": [] }), "windows: 0 windows are not within 1 to 32");
    }
}
