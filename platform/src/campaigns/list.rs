//! A list of people, from CSV to contacts: every row that cannot be taken is told with its line and why.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use store::{NewContact, PhoneNumber, Transcript};

use super::{csv, phone, zones};

/// Bytes of one list: 10,000 rows of 200 bytes.
pub const LIST_BYTES_MAX: usize = 2 << 20;
/// Rows of one list: written within the time of a request. A longer list comes in parts.
pub const ROWS_MAX: usize = 10_000;
/// Columns of a list, `phone` and `zone` among them.
pub const COLUMNS_MAX: usize = 24;
/// Longest name of a column.
pub const NAME_MAX: usize = 32;
/// Longest value, in characters: it is said, or told a model.
pub const VALUE_MAX: usize = 500;
/// Wrong rows that are told; the rest is counted.
pub const WRONG_MAX: usize = 100;

/// A row that was not taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WrongRow {
    /// Its line in the list, from 1.
    pub line: u32,
    /// The column at fault.
    pub column: String,
    /// What is wrong; no value is repeated.
    pub reason: String,
}

/// What a list holds.
#[derive(Clone, Debug, Default)]
pub struct ReadList {
    /// Whoever can be called, each number once.
    pub contacts: Vec<NewContact>,
    /// The first [`WRONG_MAX`] rows that cannot be taken.
    pub wrong: Vec<WrongRow>,
    /// How many there are of them.
    pub wrong_rows: u64,
    /// Lines whose number a line before had.
    pub duplicates: Vec<u32>,
}

/// Why nothing of a list can be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct BadList {
    /// The line.
    pub line: u32,
    /// What is wrong with it.
    pub reason: String,
}

/// How numbers without a country and contacts without a zone are taken.
#[derive(Clone, Copy, Debug)]
pub struct Defaults<'a> {
    /// `+49`.
    pub prefix: Option<&'a str>,
    /// IANA name.
    pub zone: &'a str,
}

/// Reads a list. Its first row names the columns: `phone` must be one, `zone` may be one, all others are variables.
///
/// # Errors
/// The whole list is refused: it is no CSV, too long, or its columns cannot be used.
pub fn read(text: &str, defaults: Defaults<'_>) -> Result<ReadList, BadList> {
    let bad = |line, reason: String| BadList { line, reason };
    if text.len() > LIST_BYTES_MAX {
        return Err(bad(1, format!("the list has {} bytes, more than {LIST_BYTES_MAX}", text.len())));
    }
    let rows = csv::rows(text, ROWS_MAX).map_err(|error| bad(error.line, error.reason.to_owned()))?;
    let mut rows = rows.into_iter();
    let header = rows.next().ok_or_else(|| bad(1, "the list is empty: its first row names the columns".to_owned()))?;
    let columns = columns(&header.fields).map_err(|reason| bad(header.line, reason))?;
    let mut list = ReadList::default();
    let mut seen: HashMap<String, u32> = HashMap::new();
    for row in rows {
        match contact(&row, &columns, defaults) {
            Ok(contact) => match seen.insert(contact.phone.reveal().to_owned(), row.line) {
                Some(_) => list.duplicates.push(row.line),
                None => list.contacts.push(contact),
            },
            Err((column, reason)) => {
                list.wrong_rows += 1;
                if list.wrong.len() < WRONG_MAX {
                    list.wrong.push(WrongRow { line: row.line, column, reason });
                }
            }
        }
    }
    Ok(list)
}

/// The names of the columns, checked.
fn columns(fields: &[String]) -> Result<Vec<String>, String> {
    if fields.len() > COLUMNS_MAX {
        return Err(format!("there are {} columns, more than {COLUMNS_MAX}", fields.len()));
    }
    let mut names: Vec<String> = Vec::new();
    for (place, field) in fields.iter().enumerate() {
        let name = field.trim().to_lowercase().replace([' ', '-'], "_");
        let letters =
            |name: &str| name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
        if name.is_empty() || name.len() > NAME_MAX || !letters(&name) {
            return Err(format!("the name of column {} is not 1 to {NAME_MAX} of the letters a-z, digits and _", place + 1));
        }
        if names.contains(&name) {
            return Err(format!("there are two columns {name}"));
        }
        names.push(name);
    }
    match names.iter().any(|name| name == "phone") {
        true => Ok(names),
        false => Err("there is no column phone".to_owned()),
    }
}

type Wrong = (String, String);

fn contact(row: &csv::Row, columns: &[String], defaults: Defaults<'_>) -> Result<NewContact, Wrong> {
    if row.fields.len() > columns.len() {
        let reason = format!("there are {} fields for {} columns", row.fields.len(), columns.len());
        return Err((String::new(), reason));
    }
    let (mut phone, mut zone, mut variables) = (None, None, Map::new());
    // A row may be short: what is left out is empty.
    for (name, value) in columns.iter().zip(row.fields.iter().map(String::as_str).chain(std::iter::repeat(""))) {
        match name.as_str() {
            "phone" => {
                let number = phone::normalise(value, defaults.prefix);
                phone = Some(number.map_err(|reason| (name.clone(), reason.to_owned()))?);
            }
            "zone" if value.is_empty() => {}
            "zone" => {
                TimeZone::get(value).map_err(|_| (name.clone(), "is not an IANA time zone (Europe/Berlin)".to_owned()))?;
                zone = Some(value.to_owned());
            }
            _ if value.chars().count() > VALUE_MAX => {
                return Err((name.clone(), format!("has more than {VALUE_MAX} characters")));
            }
            _ => {
                variables.insert(name.clone(), Value::String(plain(value)));
            }
        }
    }
    let phone = phone.ok_or_else(|| ("phone".to_owned(), "is missing".to_owned()))?;
    let zone = zone.unwrap_or_else(|| zones::of_number(&phone).unwrap_or(defaults.zone).to_owned());
    let variables = Transcript::new(Value::Object(variables).to_string());
    Ok(NewContact { line: row.line, phone: PhoneNumber::new(phone), zone, variables })
}

/// A value as one line without control characters: it goes into what a model is told, and must open and close nothing there.
fn plain(value: &str) -> String {
    let letters = value.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    letters
        .filter(|letter| !matches!(letter, '{' | '}' | '<' | '>'))
        .collect::<String>()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// The variables of a contact, as they were read.
#[must_use]
pub fn variables(stored: &Transcript) -> Vec<(String, String)> {
    let read: Value = serde_json::from_str(stored.reveal()).unwrap_or_default();
    let fields = read.as_object().into_iter().flatten();
    fields.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let told = match read(text, Defaults { prefix: Some("+49"), zone: "UTC" }) {
            Ok(list) => {
                let contacts = list
                    .contacts
                    .iter()
                    .map(|one| format!("{}:{} {} {}", one.line, one.phone.reveal(), one.zone, one.variables.reveal()));
                let wrong = list.wrong.iter().map(|one| format!("{}:{} {}", one.line, one.column, one.reason));
                let twice = list.duplicates.iter().map(|line| format!("{line}:twice"));
                contacts.chain(wrong).chain(twice).collect::<Vec<_>>().join("; ")
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(told, expected, "{text}");
    }

    #[test]
    fn a_list_becomes_contacts_with_variables_and_zones() {
        check(
            "Phone,First Name,zone\n030 1234567,Ann,\n+5511999999999,Bob,America/Sao_Paulo\n+5511999999998,Cid,\n",
            r#"2:+49301234567 Europe/Berlin {"first_name":"Ann"}; 3:+5511999999999 America/Sao_Paulo {"first_name":"Bob"}; 4:+5511999999998 UTC {"first_name":"Cid"}"#,
        );
        check("phone\n+4930 1234567", "2:+49301234567 Europe/Berlin {}");
    }

    #[test]
    fn each_wrong_row_is_told_with_its_line_and_the_others_are_taken() {
        let long = "x".repeat(VALUE_MAX + 1);
        check(
            &format!(
                "phone,note,zone\n12,a\n+49301234567,{long}\n+49301234567,a,Mars/North\n+49301234567,a,,b\n,a\n+49 30 1234567,a\n030/1234567,b"
            ),
            "7:+49301234567 Europe/Berlin {\"note\":\"a\"}; 2:phone has fewer than 7 digits; 3:note has more than 500 characters; \
             4:zone is not an IANA time zone (Europe/Berlin); 5: there are 4 fields for 3 columns; 6:phone has fewer than 7 digits; 8:twice",
        );
    }

    #[test]
    fn a_list_whose_columns_cannot_be_used_is_refused() {
        check("", "line 1: the list is empty: its first row names the columns");
        check("name\nAnn", "line 1: there is no column phone");
        check("phone,Phone\n1,2", "line 1: there are two columns phone");
        check("phone,na{me\n1,2", "line 1: the name of column 2 is not 1 to 32 of the letters a-z, digits and _");
        check("phone,\n1,2", "line 1: the name of column 2 is not 1 to 32 of the letters a-z, digits and _");
        let many = (0..COLUMNS_MAX).map(|place| format!(",c{place}")).collect::<String>();
        check(&format!("phone{many}\n"), "line 1: there are 25 columns, more than 24");
        check("phone,name\n1,\"Ann", "line 2: has a quote that is never closed");
    }

    #[test]
    fn a_value_opens_and_closes_nothing_in_a_prompt() {
        check(
            "phone,note\n+49301234567,\"a\n# new {{b}} </notes>\"",
            r##"2:+49301234567 Europe/Berlin {"note":"a # new b /notes"}"##,
        );
    }
}
