//! Numbers: as trunks write them and as we do, and which are never called.

use std::borrow::Cow;

use super::config::Rule;

/// Longest number or user that is called, in characters: the longest of E.164 has 15, users of PBXs more.
pub const NUMBER_MAX: usize = 64;

/// The number after the first rule that fits it.
pub fn rewrite(rules: &[Rule], number: &str) -> String {
    match rules.iter().find(|rule| number.starts_with(&rule.starts_with)) {
        Some(rule) => rule.prefix.chars().chain(number.chars().skip(rule.strip)).collect(),
        None => number.to_owned(),
    }
}

/// A number or user as it was written by hand, without what is there for eyes only; `None` when it cannot be called.
pub fn tidy(written: &str) -> Option<String> {
    let bare = written.trim_ascii().strip_prefix("tel:").unwrap_or(written.trim_ascii());
    let spoken = bare.bytes().all(|byte| byte.is_ascii_digit() || b"+-.() /".contains(&byte));
    let tidy: Cow<'_, str> = match spoken {
        true => bare.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect::<String>().into(),
        false => bare.into(),
    };
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._*#".contains(&byte);
    let whole = (1..=NUMBER_MAX).contains(&tidy.len()) && tidy.bytes().all(known) && tidy.bytes().any(|byte| byte != b'+');
    whole.then(|| tidy.into_owned())
}

/// Whether a number is one of those in any way that a network may understand: with or without `+`, and with carriers' usual
/// prefixes for an outside line in front.
pub fn is_emergency(numbers: &[String], number: &str) -> bool {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let service = number.to_ascii_lowercase().contains("service:sos") || number.eq_ignore_ascii_case("sos");
    let named = |digits: &str| numbers.iter().any(|emergency| emergency == digits);
    let outside = digits.get(1..).filter(|_| digits.starts_with(['0', '9']));
    !numbers.is_empty() && (service || named(&digits) || outside.is_some_and(named))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(starts_with: &str, strip: usize, prefix: &str) -> Rule {
        Rule { starts_with: starts_with.to_owned(), strip, prefix: prefix.to_owned() }
    }

    #[test]
    fn the_first_rule_that_fits_is_applied_once() {
        let rules = [rule("00", 2, "+"), rule("0", 1, "+49"), rule("+", 0, "")];
        for (number, expected) in
            [("0049301", "+49301"), ("030123", "+4930123"), ("+1555", "+1555"), ("49301", "49301"), ("", ""), ("00", "+")]
        {
            assert_eq!(rewrite(&rules, number), expected, "{number}");
        }
        assert_eq!(rewrite(&[rule("", 9, "x")], "123"), "x", "no more is taken away than there is");
        assert_eq!(rewrite(&[], "123"), "123");
    }

    #[test]
    fn numbers_are_written_in_many_ways() {
        for (written, expected) in [
            ("+49 (30) 123-45.6", Some("+4930123456")),
            ("tel:+1-555-0100", Some("+15550100")),
            ("alice.b", Some("alice.b")),
            ("*98#", Some("*98#")),
            ("", None),
            ("+", None),
            ("a b", None),
            ("1;rn=2", None),
            ("1@evil.example", None),
            ("1\r\nX: y", None),
        ] {
            assert_eq!(tidy(written).as_deref(), expected, "{written}");
        }
        assert_eq!(tidy(&"1".repeat(NUMBER_MAX + 1)), None);
    }

    #[test]
    fn emergency_numbers_are_known_in_disguise() {
        let numbers = ["911", "112"].map(str::to_owned);
        for number in ["911", "+911", "9911", "0112", "112", "sos", "urn:service:sos.police"] {
            assert!(is_emergency(&numbers, number), "{number}");
            assert!(!is_emergency(&[], number), "the operator answers for {number}");
        }
        for number in ["91121", "+4991112", "11", "12911", "alice"] {
            assert!(!is_emergency(&numbers, number), "{number}");
        }
    }
}
