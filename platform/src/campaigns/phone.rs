//! Telephone numbers as people write them, to E.164.

/// Digits of an international number (ITU-T E.164): 15 at most; below 7 it is a short code.
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// `+4930123456` of what somebody has written: spaces, dots, dashes, slashes and brackets are left out, `00` is `+`. A number without
/// either is of the country of `prefix` (`+49`), where there is one; its trunk zero is left out but in Italy, which has none.
///
/// # Errors
/// What is wrong with it; the number is not repeated.
pub fn normalise(written: &str, prefix: Option<&str>) -> Result<String, &'static str> {
    let mut digits = String::with_capacity(16);
    for letter in written.trim().chars() {
        match letter {
            '+' if digits.is_empty() => digits.push('+'),
            '0'..='9' => digits.push(letter),
            ' ' | '\u{a0}' | '\t' | '-' | '.' | '/' | '(' | ')' | '\u{2010}'..='\u{2015}' => {}
            _ => return Err("has letters that are no part of a telephone number"),
        }
        if digits.len() > 24 {
            return Err("has more than 15 digits");
        }
    }
    let whole = if digits.starts_with('+') {
        // +49 (0)30: the bracket is a habit.
        match (written.contains("(0)"), prefix_with_zero(&digits)) {
            (true, Some(without)) => without,
            _ => digits,
        }
    } else if let Some(rest) = digits.strip_prefix("00") {
        format!("+{rest}")
    } else {
        national(&digits, prefix.ok_or("has no country: write it with +, or give the campaign a default_prefix")?)
    };
    let length = whole.len() - 1;
    if whole.starts_with("+0") {
        return Err("begins with +0, which is no country");
    }
    match DIGITS.contains(&length) {
        true => Ok(whole),
        false if length > 15 => Err("has more than 15 digits"),
        false => Err("has fewer than 7 digits"),
    }
}

/// A number within a country.
fn national(digits: &str, prefix: &str) -> String {
    let code = prefix.trim_start_matches('+');
    match code {
        "1" => format!("+1{}", if digits.len() == 11 { digits.trim_start_matches('1') } else { digits }),
        "39" => format!("+39{digits}"),
        "7" => format!("+7{}", if digits.len() == 11 { digits.trim_start_matches('8') } else { digits }),
        _ => format!("+{code}{}", digits.strip_prefix('0').unwrap_or(digits)),
    }
}

/// `+490301234` as `+49301234`: the zero after a country code that [`super::zones`] knows.
fn prefix_with_zero(digits: &str) -> Option<String> {
    let code = super::zones::code_of(digits)?;
    let rest = digits[1..].strip_prefix(code)?;
    rest.strip_prefix('0').map(|rest| format!("+{code}{rest}"))
}

/// Whether a text is a country's prefix: `+` and one to four digits.
#[must_use]
pub fn is_prefix(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (1..=4).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(written: &str, prefix: Option<&str>, expected: &str) {
        let shown = normalise(written, prefix).unwrap_or_else(str::to_owned);
        assert_eq!(shown, expected, "{written}");
    }

    #[test]
    fn numbers_come_in_as_people_write_them() {
        check("+49 30 123 45-67", None, "+49301234567");
        check("+49 (0)30/1234567", None, "+49301234567");
        check("0049 30 1234567", None, "+49301234567");
        check("030 1234567", Some("+49"), "+49301234567");
        check("(415) 555-0100", Some("+1"), "+14155550100");
        check("1 415 555 0100", Some("+1"), "+14155550100");
        check("06 1234567", Some("+39"), "+39061234567");
        check("8 495 1234567", Some("+7"), "+74951234567");
        check(" +4930\u{a0}1234567 ", None, "+49301234567");
    }

    #[test]
    fn what_is_no_number_is_refused_and_not_repeated() {
        check("030 1234567", None, "has no country: write it with +, or give the campaign a default_prefix");
        check("call me", Some("+49"), "has letters that are no part of a telephone number");
        check("+49 30 1234567 12345 6", None, "has more than 15 digits");
        check("1234567890123456789012345", Some("+49"), "has more than 15 digits");
        check("+4912", None, "has fewer than 7 digits");
        check("", Some("+49"), "has fewer than 7 digits");
        check("+0123456789", None, "begins with +0, which is no country");
        check("sip:ada@example.com", None, "has letters that are no part of a telephone number");
        assert!(is_prefix("+49") && is_prefix("+1") && !is_prefix("49") && !is_prefix("+0") && !is_prefix("+12345"));
    }
}
