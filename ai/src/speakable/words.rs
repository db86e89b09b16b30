//! One written word after the other as it is said.

use super::language::Language;
use super::numbers::{cardinal, ordinal, year};

/// The words of `text` as they are spoken.
pub(super) fn speak(text: &str, language: &Language) -> Vec<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut spoken = Vec::with_capacity(words.len());
    let mut index = 0;
    while index < words.len() {
        let next = words.get(index + 1).copied();
        let (word, taken) = speak_word(words[index], next, language);
        if !word.is_empty() {
            spoken.push(word);
        }
        index += taken;
    }
    spoken
}

/// A word, its brackets and stops left where they are; how many words that took.
fn speak_word(word: &str, next: Option<&str>, language: &Language) -> (String, usize) {
    let opening = |c: char| matches!(c, '(' | '[' | '"' | '\'' | '“' | '„' | '«' | '¿' | '¡');
    let closing = |c: char| {
        matches!(c, ')' | ']' | '"' | '\'' | '”' | '’' | '»' | ',' | '.' | '!' | '?' | ';' | ':' | '…' | '。' | '！' | '？')
    };
    let body = word.trim_start_matches(opening);
    let head = &word[..word.len() - body.len()];
    let core = body.trim_end_matches(closing);
    let tail = &body[core.len()..];
    let (said, taken, tail) = speak_core(core, next.filter(|_| tail.is_empty()), tail, language);
    (format!("{head}{said}{tail}"), taken)
}

fn speak_core<'a>(core: &str, next: Option<&'a str>, tail: &'a str, language: &Language) -> (String, usize, &'a str) {
    let one = |said: String| (said, 1, tail);
    if let Some(said) = address(core, language) {
        return one(said);
    }
    if let Some(said) = symbol(core, language) {
        return one(said);
    }
    if let Some((said, more)) = next.and_then(|next| with_next(core, next, language)) {
        return (said, 2, more);
    }
    if !core.chars().any(|c| c.is_ascii_digit()) {
        return one(letters(core, language));
    }
    let ways = [date, time, money, measured, range, ranked];
    one(ways
        .iter()
        .find_map(|way| way(core, language))
        .or_else(|| number(core, language))
        .unwrap_or_else(|| letters(core, language)))
}

/// An e-mail address or a URL.
fn address(word: &str, language: &Language) -> Option<String> {
    let lower = word.to_lowercase();
    let bare = lower.strip_prefix("https://").or(lower.strip_prefix("http://")).or(lower.strip_prefix("mailto:"));
    let known = [".com", ".org", ".net", ".io", ".ai", ".de", ".es", ".fr", ".eu", ".co.uk", ".dev", ".app"];
    let rest = bare.unwrap_or(&lower);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_mail = rest.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    let is_host = host.len() > 4 && host.is_ascii() && known.iter().any(|end| host.ends_with(end)) && !host.starts_with('.');
    if !is_mail && bare.is_none() && !is_host && !lower.starts_with("www.") {
        return None;
    }
    // What follows a question mark is for machines.
    let shown = rest.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    Some(spell_address(shown, language))
}

fn spell_address(address: &str, language: &Language) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    for c in address.chars() {
        let said = match c {
            '.' => language.dot,
            '@' => language.at,
            '/' => language.slash,
            '-' => language.dash,
            '_' => language.underscore,
            '+' => language.plus,
            c if c.is_ascii_digit() => language.digits[usize::from(c as u8 - b'0')],
            c => {
                word.push(c);
                continue;
            }
        };
        words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()));
        words.push(said.to_owned());
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words.iter().map(|word| if word == "www" { "w w w" } else { word.as_str() }).collect::<Vec<_>>().join(" ")
}

fn symbol(word: &str, language: &Language) -> Option<String> {
    let said = match word {
        "&" => language.and,
        "+" => language.plus,
        "=" => language.equals,
        "@" => language.at,
        "%" => language.percent,
        "-" | "–" | "—" | "*" | "|" | "/" | "•" | "~" => "",
        _ => return None,
    };
    Some(said.to_owned())
}

/// What two words are together: `5 km`, `3 €`, `$3 million`, `2:30 pm`.
fn with_next<'a>(word: &str, next: &'a str, language: &Language) -> Option<(String, &'a str)> {
    if !word.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let core = next.trim_end_matches([',', '.', '!', '?', ';', ':', ')']);
    let tail = &next[core.len()..];
    if let Some(half) = half_day(core).filter(|_| language.spells_numbers) {
        // "p.m." has lost a stop that was its own.
        let tail =
            if next.to_lowercase().starts_with("p.m.") || next.to_lowercase().starts_with("a.m.") { &next[4..] } else { tail };
        let hour = time(word, language).or_else(|| number(word, language))?;
        return Some((format!("{} {half}", hour.trim_end_matches(" o'clock")), tail));
    }
    let scales = ["million", "billion", "trillion", "Millionen", "Milliarden", "millones", "millions", "milliards"];
    let currency = |sign: char| language.currencies.iter().find(|row| row.0 == sign);
    let mut chars = word.chars();
    if let (Some(row), true) = (chars.next().and_then(currency), scales.contains(&core)) {
        return Some((format!("{} {core} {}", number(chars.as_str(), language)?, row.2), tail));
    }
    let sign = core.chars().next().filter(|_| core.chars().count() == 1);
    if let Some(row) = sign.and_then(currency) {
        return Some((amount(word, row, language)?, tail));
    }
    if core == "%" {
        return Some((format!("{} {}", number(word, language)?, language.percent), tail));
    }
    let unit = language.units.iter().find(|(unit, ..)| *unit == core && unit.chars().count() > 1)?;
    Some((count(word, unit.1, unit.2, language)?, tail))
}

fn half_day(word: &str) -> Option<&'static str> {
    match word.to_lowercase().as_str() {
        "am" | "a.m" | "a.m." => Some("a m"),
        "pm" | "p.m" | "p.m." => Some("p m"),
        _ => None,
    }
}

/// `2026-11-21`, `11/21/2026`, `21.11.2026`.
fn date(word: &str, language: &Language) -> Option<String> {
    let parts = |separator| {
        let parts: Option<Vec<u64>> = word.split(separator).map(|part| part.parse().ok()).collect();
        parts.filter(|parts| parts.len() == 3)
    };
    let (day, month, of_year) = if let Some(iso) = parts('-').filter(|_| word.find('-') == Some(4)) {
        (iso[2], iso[1], iso[0])
    } else if let Some(slashed) = parts('/') {
        match language.spells_numbers {
            true => (slashed[1], slashed[0], slashed[2]),
            false => (slashed[0], slashed[1], slashed[2]),
        }
    } else {
        let dotted = parts('.').filter(|_| !language.spells_numbers)?;
        (dotted[0], dotted[1], dotted[2])
    };
    if !(1..=31).contains(&day) || !(1..=12).contains(&month) || !(1_000..=2_999).contains(&of_year) {
        return None;
    }
    let name = language.months[month as usize - 1];
    Some(match language.dot {
        "dot" => format!("{name} {}, {}", ordinal(day), year(of_year)),
        "punto" => format!("{day} de {name} de {of_year}"),
        "Punkt" => format!("{day}. {name} {of_year}"),
        _ => format!("{day} {name} {of_year}"),
    })
}

/// `14:30`, `9:05`, `2:30pm`.
fn time(word: &str, language: &Language) -> Option<String> {
    let lower = word.to_lowercase();
    let (clock, half) = match lower.strip_suffix("pm") {
        Some(clock) => (clock, " p m"),
        None => lower.strip_suffix("am").map_or((lower.as_str(), ""), |clock| (clock, " a m")),
    };
    let (hours, minutes) = match clock.split_once(':') {
        Some(parts) => parts,
        None if !half.is_empty() => (clock, "00"),
        None => return None,
    };
    let (hour, minute): (u64, u64) = (hours.parse().ok()?, minutes.parse().ok()?);
    if hour > 24 || minute > 59 || minutes.len() != 2 {
        return None;
    }
    if !language.spells_numbers {
        return Some(if minute == 0 {
            format!("{hour} {}", language.hours)
        } else {
            format!("{hour} {} {minute}", language.hours)
        })
        .map(|said| if minute == 0 && language.hours == "y" { format!("{hour} en punto") } else { said });
    }
    let hour = cardinal(hour);
    Some(match minute {
        0 if half.is_empty() => format!("{hour} o'clock"),
        0 => format!("{hour}{half}"),
        1..=9 => format!("{hour} oh {}{half}", cardinal(minute)),
        _ => format!("{hour} {}{half}", cardinal(minute)),
    })
}

/// `$5.50`, `5€`.
fn money(word: &str, language: &Language) -> Option<String> {
    let row = language.currencies.iter().find(|row| word.starts_with(row.0) || word.ends_with(row.0))?;
    amount(word.trim_matches(row.0), row, language)
}

fn amount(number_of: &str, row: &(char, &str, &str, &str), language: &Language) -> Option<String> {
    let (_, one, more, hundredths) = *row;
    let point = if number_of.contains('.') && number_of.len() - number_of.rfind('.')? == 3 { '.' } else { language.decimal };
    let (whole, fraction) = number_of.split_once(point).unwrap_or((number_of, ""));
    let unit = if whole == "1" { one } else { more };
    let whole = number(whole, language)?;
    let cents: u64 = if fraction.is_empty() { 0 } else { format!("{fraction:0<2}").parse().ok()? };
    if cents == 0 {
        return Some(format!("{whole} {unit}"));
    }
    Some(format!("{whole} {unit} {} {} {hundredths}", language.and, number(&cents.to_string(), language)?))
}

/// `5km`, `20°C`, `7%`.
fn measured(word: &str, language: &Language) -> Option<String> {
    if let Some(share) = word.strip_suffix('%') {
        return Some(format!("{} {}", number(share, language)?, language.percent));
    }
    let (unit, one, more) = language
        .units
        .iter()
        .find(|(unit, ..)| word.strip_suffix(unit).is_some_and(|number| number.ends_with(|c: char| c.is_ascii_digit())))?;
    count(word.strip_suffix(unit)?, one, more, language)
}

fn count(word: &str, one: &str, more: &str, language: &Language) -> Option<String> {
    Some(format!("{} {}", number(word, language)?, if word == "1" { one } else { more }))
}

/// `9-5`, `10–12`.
fn range(word: &str, language: &Language) -> Option<String> {
    let (from, to) = word.split_once(['-', '–'])?;
    let plain = |side: &str| !side.is_empty() && side.len() <= 4 && side.bytes().all(|byte| byte.is_ascii_digit());
    (plain(from) && plain(to)).then_some(())?;
    Some(format!("{} {} {}", number(from, language)?, language.to, number(to, language)?))
}

/// `1st`, `#5`, `~5`.
fn ranked(word: &str, language: &Language) -> Option<String> {
    if let Some(rest) = word.strip_prefix('#') {
        return Some(format!("{} {}", language.number, number(rest, language)?));
    }
    if let Some(rest) = word.strip_prefix(['~', '≈']) {
        return Some(format!("{} {}", language.about, number(rest, language)?));
    }
    let digits = ["st", "nd", "rd", "th"].iter().find_map(|end| word.strip_suffix(end)).filter(|_| language.spells_numbers)?;
    digits.parse().ok().map(ordinal)
}

/// A plain number: `-1,234.5`. Other languages leave it as it is.
fn number(word: &str, language: &Language) -> Option<String> {
    let (sign, plain) = match word.strip_prefix(['-', '−']) {
        Some(rest) => (format!("{} ", language.minus), rest),
        None => (String::new(), word.strip_prefix('+').unwrap_or(word)),
    };
    if plain.is_empty() || !plain.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if !language.spells_numbers {
        return plain.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ',')).then(|| format!("{sign}{plain}"));
    }
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    let grouped = whole.split(',').skip(1).all(|group| group.len() == 3);
    let digits: String = whole.chars().filter(|c| *c != ',').collect();
    let numeric = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !grouped || !numeric(&digits) || !numeric(fraction) || (plain.contains('.') && fraction.is_empty()) {
        return None;
    }
    let one_by_one =
        |digits: &str| digits.bytes().map(|digit| language.digits[usize::from(digit - b'0')]).collect::<Vec<_>>().join(" ");
    // An account, a code: it counts nothing.
    if (digits.len() > 1 && digits.starts_with('0')) || (digits.len() >= LONG && !whole.contains(',')) {
        return Some(one_by_one(&digits)).filter(|_| fraction.is_empty());
    }
    let value: u64 = digits.parse().ok()?;
    let is_year =
        (1_900..=2_099).contains(&value) && digits.len() == 4 && whole == digits && fraction.is_empty() && sign.is_empty();
    let said = if is_year { year(value) } else { cardinal(value) };
    let fraction = if fraction.is_empty() { String::new() } else { format!(" point {}", one_by_one(fraction)) };
    Some(format!("{sign}{said}{fraction}"))
}

/// Digits from which an ungrouped number is read one by one.
const LONG: usize = 7;

/// A word of letters, with signs in it that would be read out or swallowed.
fn letters(word: &str, language: &Language) -> String {
    let mut out = String::with_capacity(word.len());
    for c in word.chars() {
        match c {
            '&' => out.push_str(&format!(" {} ", language.and)),
            '@' => out.push_str(&format!(" {} ", language.at)),
            '%' => out.push_str(&format!(" {}", language.percent)),
            '/' | '\\' | '_' | '|' | '<' | '>' | '{' | '}' | '^' | '*' | '#' => out.push(' '),
            '°' => out.push_str(" degrees"),
            c => out.push(c),
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}
