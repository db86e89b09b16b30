//! Numbers that carry a check: cards and bank accounts.

use std::ops::Range;

use super::tokens::{Token, groups};

/// Digits of a card number (ISO/IEC 7812).
const CARD: std::ops::RangeInclusive<usize> = 13..=19;

/// Lengths of IBANs by country, as in the registry of ISO 13616.
const IBANS: &[(usize, &str)] = &[
    (15, "NO"),
    (16, "BE"),
    (18, "DK FI FK FO GL NL SD"),
    (19, "MK SI"),
    (20, "AT BA EE KZ LT LU MN XK"),
    (21, "CH HR LI LV"),
    (22, "BG BH CR DE GB GE IE ME RS VA"),
    (23, "AE GI IL IQ OM SO TL"),
    (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
    (25, "LY PT"),
    (26, "IS TR"),
    (27, "BI DJ FR GR IT MC MR SM"),
    (28, "AL AZ BY CY DO GT HN HU LB NI PL SV"),
    (29, "BR EG PS QA UA"),
    (30, "JO KW MU YE"),
    (31, "MT SC"),
    (32, "LC"),
    (33, "RU"),
];

/// Card numbers: whole groups of digits, the most that fit.
pub(super) fn cards(text: &str, tokens: &[Token<'_>]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut next = 0;
    for first in 0..tokens.len() {
        // With a plus it is somebody's telephone.
        if first < next || text[..tokens[first].range.start].ends_with('+') {
            continue;
        }
        let mut digits = String::new();
        let mut best = None;
        for (place, token) in tokens.iter().enumerate().skip(first) {
            let joined = place == first || groups(&text[tokens[place - 1].range.end..token.range.start]);
            let Some(more) = token.digits.as_deref().filter(|_| joined) else { break };
            digits.push_str(more);
            if digits.len() > *CARD.end() {
                break;
            }
            if CARD.contains(&digits.len()) && begins_as_cards_do(&digits) && luhn(&digits) {
                best = Some(place);
            }
        }
        if let Some(last) = best {
            found.push(tokens[first].range.start..tokens[last].range.end);
            next = last + 1;
        }
    }
    found
}

/// Mastercard and Mir, the travel cards, Visa, Mastercard and Maestro, UnionPay and Discover.
fn begins_as_cards_do(digits: &str) -> bool {
    match digits.as_bytes() {
        [b'2', b'2'..=b'7', ..] | [b'3', b'0' | b'4'..=b'9', ..] => true,
        [first, ..] => matches!(first, b'4'..=b'6'),
        [] => false,
    }
}

fn luhn(digits: &str) -> bool {
    let weighed = digits.bytes().rev().enumerate().map(|(place, digit)| {
        let digit = u32::from(digit - b'0') << (place % 2);
        if digit > 9 { digit - 9 } else { digit }
    });
    weighed.sum::<u32>().is_multiple_of(10)
}

/// IBANs: whole groups, as many characters as the country has.
pub(super) fn ibans(text: &str, tokens: &[Token<'_>]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut next = 0;
    for first in 0..tokens.len() {
        if first < next {
            continue;
        }
        let mut iban = String::new();
        for (place, token) in tokens.iter().enumerate().skip(first) {
            if place > first && !groups(&text[tokens[place - 1].range.end..token.range.start]) {
                break;
            }
            iban.push_str(&token.digits.clone().unwrap_or_else(|| token.text.to_uppercase()));
            if !iban.is_ascii() || iban.len() > 34 {
                break;
            }
            let Some(length) = iban.get(..2).and_then(length_of) else {
                if iban.len() >= 2 {
                    break;
                }
                continue;
            };
            if iban.len() >= length {
                if iban.len() == length && fits(&iban) {
                    found.push(tokens[first].range.start..token.range.end);
                    next = place + 1;
                }
                break;
            }
        }
    }
    found
}

fn length_of(country: &str) -> Option<usize> {
    IBANS.iter().find(|(_, countries)| countries.split(' ').any(|one| one == country)).map(|(length, _)| *length)
}

/// ISO 7064, MOD 97-10: the first four behind the rest, letters as two digits.
fn fits(iban: &str) -> bool {
    let checks = iban.as_bytes().get(2..4).is_some_and(|digits| digits.iter().all(u8::is_ascii_digit));
    let turned = iban[4..].chars().chain(iban[..4].chars());
    let rest = turned.filter_map(|c| c.to_digit(36)).fold(0, |rest, value| {
        let shift = if value > 9 { 100 } else { 10 };
        (rest * shift + value) % 97
    });
    checks && rest == 1
}
