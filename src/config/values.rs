//! The kinds of value a key can have: each is read, checked against its range and noted for the log.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use toml::Value;

use super::reader::{Given, Section};
use super::secret::Secret;

impl Given {
    pub(super) fn text(&self) -> Result<String, String> {
        match self {
            Self::File(Value::String(text)) | Self::Environment(text) => Ok(text.clone()),
            Self::File(other) => Err(format!("{other} is not text (\"...\")")),
        }
    }

    fn integer(&self) -> Result<i64, String> {
        match self {
            Self::File(Value::Integer(number)) => Ok(*number),
            other => other.parsed("a whole number"),
        }
    }

    fn number(&self) -> Result<f64, String> {
        match self {
            Self::File(Value::Float(number)) => Ok(*number),
            Self::File(Value::Integer(number)) => Ok(*number as f64),
            other => other.parsed("a number"),
        }
    }

    fn flag(&self) -> Result<bool, String> {
        match self {
            Self::File(Value::Boolean(flag)) => Ok(*flag),
            other => other.parsed("true or false"),
        }
    }

    /// A list of texts; in the environment, separated by commas.
    pub(super) fn list(&self) -> Result<Vec<String>, String> {
        let wrong = |value: &Value| format!("{value} is not a list of texts ([\"...\"])");
        match self {
            Self::Environment(text) => Ok(text.split(',').map(|item| item.trim().into()).collect()),
            Self::File(list @ Value::Array(items)) => {
                items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<_>>().ok_or_else(|| wrong(list))
            }
            Self::File(other) => Err(wrong(other)),
        }
    }

    /// Text from the environment as `T`; a value of the file that got here has the wrong type.
    fn parsed<T: FromStr>(&self, expected: &str) -> Result<T, String> {
        match self {
            Self::Environment(text) => text.parse().map_err(|_| format!("{text:?} is not {expected}")),
            Self::File(value) => Err(format!("{value} is not {expected}")),
        }
    }
}

/// The unit that a duration's key ends in.
#[derive(Clone, Copy, Debug)]
enum Unit {
    Milliseconds,
    Seconds,
}

impl Section<'_> {
    /// Text, not empty.
    pub(super) fn text(&mut self, key: &str, default: &str) -> String {
        self.parsed(key, default.to_owned(), |text| {
            if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.to_owned()) }
        })
    }

    /// Text that may be empty.
    pub(super) fn free_text(&mut self, key: &str, default: &str) -> String {
        self.parsed(key, default.to_owned(), |text| Ok(text.to_owned()))
    }

    /// Text as `parse` understands it; the error is the reason alone.
    pub(super) fn parsed<T: Display>(&mut self, key: &str, default: T, parse: impl FnOnce(&str) -> Result<T, String>) -> T {
        let given = self.has(key);
        let value = self.value(key, default, |given| parse(&given.text()?));
        self.note(key, value.to_string(), given, None);
        value
    }

    /// Text as `parse` understands it; empty text is `None`, and so is an absent key.
    pub(super) fn optional<T: Display>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let given = self.has(key);
        let value = self.value(key, None, |given| match given.text()?.as_str() {
            "" => Ok(None),
            text => parse(text).map(Some),
        });
        let shown = value.as_ref().map_or("unset".to_owned(), T::to_string);
        self.note(key, shown, given, None);
        value
    }

    /// A value that errors and logs must not repeat; empty is unset.
    pub(super) fn secret(&mut self, key: &str) -> Option<Secret> {
        let given = self.has(key);
        let value = self.value(key, None, |given| {
            let text = given.text().map_err(|_| "is not text (\"...\")")?;
            Ok(Some(text).filter(|text| !text.is_empty()))
        });
        let shown = if value.is_some() { "set" } else { "unset" };
        self.note(key, shown.to_owned(), given, None);
        value.map(Secret::new)
    }

    /// `ip:port`; port 0 lets the system choose.
    pub(super) fn address(&mut self, key: &str, default: SocketAddr) -> SocketAddr {
        self.parsed(key, default, |text| text.parse().map_err(|_| format!("{text:?} is not an address (ip:port)")))
    }

    /// A whole number within `range`.
    pub(super) fn integer(&mut self, key: &str, default: u32, range: RangeInclusive<u32>) -> u32 {
        let given = self.has(key);
        let limits = format!("{}-{}", range.start(), range.end());
        let value = self.value(key, default, |given| {
            let number = given.integer()?;
            within(number, &range, "")
        });
        self.note(key, value.to_string(), given, Some(limits));
        value
    }

    /// A whole number within `range`; an absent key is `None`.
    pub(super) fn optional_integer(&mut self, key: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let given = self.has(key);
        let (low, high) = (*range.start(), *range.end());
        let limits = format!("{low}-{high}");
        let value = self.value(key, None, |given| match given.integer()? {
            number if number < low => Err(format!("{number} is below {low}")),
            number if number > high => Err(format!("{number} is above {high}")),
            number => Ok(Some(number)),
        });
        let shown = value.map_or("unset".to_owned(), |value| value.to_string());
        self.note(key, shown, given, Some(limits));
        value
    }

    /// A number within `range`; an absent key is `None`.
    pub(super) fn optional_number(&mut self, key: &str, range: RangeInclusive<f64>) -> Option<f64> {
        let given = self.has(key);
        let limits = format!("{}-{}", range.start(), range.end());
        let value = self.value(key, None, |given| {
            let number = given.number()?;
            if range.contains(&number) { Ok(Some(number)) } else { Err(format!("{number} is outside {limits}")) }
        });
        let shown = value.map_or("unset".to_owned(), |value| value.to_string());
        self.note(key, shown, given, Some(limits));
        value
    }

    /// A number within `range`.
    pub(super) fn number(&mut self, key: &str, default: f64, range: RangeInclusive<f64>) -> f64 {
        let given = self.has(key);
        let limits = format!("{}-{}", range.start(), range.end());
        let value = self.value(key, default, |given| {
            let number = given.number()?;
            if range.contains(&number) { Ok(number) } else { Err(format!("{number} is outside {limits}")) }
        });
        self.note(key, value.to_string(), given, Some(limits));
        value
    }

    /// Milliseconds within `range`; the key ends in `_ms`.
    pub(super) fn millis(&mut self, key: &str, default: Duration, range: RangeInclusive<u32>) -> Duration {
        self.duration(key, default, range, Unit::Milliseconds)
    }

    /// Seconds within `range`; the key ends in `_s`.
    pub(super) fn seconds(&mut self, key: &str, default: Duration, range: RangeInclusive<u32>) -> Duration {
        self.duration(key, default, range, Unit::Seconds)
    }

    fn duration(&mut self, key: &str, default: Duration, range: RangeInclusive<u32>, unit: Unit) -> Duration {
        let given = self.has(key);
        let limits = format!("{}-{}", range.start(), range.end());
        let (suffix, convert): (&str, fn(u64) -> Duration) = match unit {
            Unit::Milliseconds => (" ms", Duration::from_millis),
            Unit::Seconds => (" s", Duration::from_secs),
        };
        let value = self.value(key, default, |given| {
            let number = within(given.integer()?, &range, suffix)?;
            Ok(convert(u64::from(number)))
        });
        let shown = match unit {
            Unit::Milliseconds => value.as_millis(),
            Unit::Seconds => value.as_secs().into(),
        };
        self.note(key, shown.to_string(), given, Some(limits));
        value
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &str, default: bool) -> bool {
        let given = self.has(key);
        let value = self.value(key, default, Given::flag);
        self.note(key, value.to_string(), given, None);
        value
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy + PartialEq>(&mut self, key: &str, default: T, choices: &[(&str, T)]) -> T {
        let given = self.has(key);
        let value = self.value(key, default, |given| choose(&given.text()?, choices));
        let shown = name(value, choices).to_owned();
        self.note(key, shown, given, Some(names(choices)));
        value
    }

    /// One text or a list of them, each as `parse` understands it; empty text is none. In the environment, separated by commas.
    pub(super) fn one_or_more<T: Clone + Display>(
        &mut self,
        key: &str,
        default: &[T],
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let given = self.has(key);
        let value = self.value(key, default.to_vec(), |given| {
            let texts = match given {
                Given::File(Value::String(text)) => vec![text.clone()],
                list => list.list()?,
            };
            texts.iter().filter(|text| !text.is_empty()).map(|text| parse(text)).collect()
        });
        let shown: Vec<String> = value.iter().map(T::to_string).collect();
        let shown = if shown.is_empty() { "unset".to_owned() } else { shown.join(",") };
        self.note(key, shown, given, None);
        value
    }

    /// A list of texts; in the environment, separated by commas.
    pub(super) fn texts(&mut self, key: &str, default: &[&str]) -> Vec<String> {
        let given = self.has(key);
        let default = default.iter().map(|text| (*text).to_owned()).collect();
        let value = self.value(key, default, Given::list);
        self.note(key, value.join(","), given, None);
        value
    }

    /// A list of a few words, each at most once and at least one.
    pub(super) fn choices<T: Copy + PartialEq>(&mut self, key: &str, default: &[T], choices: &[(&str, T)]) -> Vec<T> {
        let given = self.has(key);
        let value = self.value(key, default.to_vec(), |given| {
            let mut chosen = Vec::new();
            for name in given.list()? {
                let choice = choose(&name, choices)?;
                if chosen.contains(&choice) {
                    return Err(format!("{name:?} is there twice"));
                }
                chosen.push(choice);
            }
            if chosen.is_empty() {
                return Err(format!("needs at least one of {}", names(choices)));
            }
            Ok(chosen)
        });
        let shown: Vec<&str> = value.iter().map(|value| name(*value, choices)).collect();
        self.note(key, shown.join(","), given, Some(names(choices)));
        value
    }
}

/// `number` when it lies in `range`, else which end it passes.
fn within(number: i64, range: &RangeInclusive<u32>, unit: &str) -> Result<u32, String> {
    let (low, high) = (*range.start(), *range.end());
    if number < i64::from(low) {
        return Err(format!("{number}{unit} is below {low}{unit}"));
    }
    u32::try_from(number).ok().filter(|number| *number <= high).ok_or_else(|| format!("{number}{unit} is above {high}{unit}"))
}

fn choose<T: Copy>(name: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices.iter().find(|(choice, _)| *choice == name);
    found.map(|(_, value)| *value).ok_or_else(|| format!("{name:?} is not one of {}", names(choices)))
}

fn name<'a, T: Copy + PartialEq>(value: T, choices: &[(&'a str, T)]) -> &'a str {
    let found = choices.iter().find(|(_, choice)| *choice == value);
    found.map_or("", |(name, _)| name)
}

fn names<T>(choices: &[(&str, T)]) -> String {
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}
