//! JSON as peers really write it: scalars of the wrong kind, strings borrowed where they can be, and fast appending.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_PAD_INDIFFERENT};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A scalar whatever its kind, so that one odd field cannot spoil a message. `null` and absent are the same.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Field<'a> {
    #[default]
    Absent,
    Number(u64),
    /// A bool, an array, an object, a negative number or a fraction: never what we look for.
    Other,
    /// Borrowed from the message unless it has escapes.
    Text(Cow<'a, str>),
}

impl<'a> Field<'a> {
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text, or empty.
    pub(crate) fn owned(self) -> String {
        self.into_text().unwrap_or_default().into_owned()
    }

    /// A number, also one written as a string.
    pub(crate) fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Absent | Self::Other => None,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Field::Number(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(u64::try_from(number).map_or(Field::Other, Field::Number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        let whole = number >= 0.0 && number.fract() == 0.0;
        Ok(if whole { Field::Number(number as u64) } else { Field::Other })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Field::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Field::Absent)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }
}

/// Appends `text` as a JSON string with its quotes (RFC 8259 §7).
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut plain = 0;
    for (index, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[plain..index]);
        plain = index + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            control => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.push_str("\\u00");
                out.push(HEX[usize::from(control >> 4)].into());
                out.push(HEX[usize::from(control & 0xF)].into());
            }
        }
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

/// `head`, `audio` in base64, and `tail`, in one allocation.
pub(crate) fn with_base64(head: &str, audio: &[u8], tail: &str) -> String {
    let mut out = String::with_capacity(head.len() + audio.len().div_ceil(3) * 4 + tail.len());
    out.push_str(head);
    STANDARD.encode_string(audio, &mut out);
    out.push_str(tail);
    out
}

/// Appends `audio` in base64.
pub(crate) fn push_base64(out: &mut String, audio: &[u8]) {
    STANDARD.encode_string(audio, out);
}

/// Appends a number in decimal, without the machinery of `format!`.
pub(crate) fn push_number(out: &mut String, number: u64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    let mut rest = number;
    while rest > 0 || first == digits.len() {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend(digits[first..].iter().map(|digit| char::from(*digit)));
}

/// Appends what `text` encodes to `out`; padding is optional. `None`, and `out` as it was, when it is not base64.
pub(crate) fn decode_base64(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let before = out.len();
    let decoded = STANDARD_PAD_INDIFFERENT.decode_vec(text, out).ok();
    if decoded.is_none() {
        out.truncate(before);
    }
    decoded
}

/// The first line of `text`, cut to 200 bytes: enough of a peer's words for a log.
pub(crate) fn line(text: &str) -> String {
    const LONGEST: usize = 200;
    let first = text.lines().next().unwrap_or_default();
    first[..first.floor_char_boundary(LONGEST)].to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn check(json: &str, number: Option<u64>, text: Option<&str>) {
        let field: Field<'_> = serde_json::from_str(json).unwrap();
        assert_eq!((field.number(), field.text()), (number, text), "{json}");
    }

    #[test]
    fn scalars_are_read_whatever_their_kind() {
        check("5", Some(5), None);
        check("5.0", Some(5), None);
        check("\"61\"", Some(61), Some("61"));
        check("\"a\\nb\"", None, Some("a\nb"));
        for odd in ["null", "true", "-1", "5.5", "[1,{}]", "{\"a\":[2]}"] {
            check(odd, None, None);
        }
    }

    #[test]
    fn plain_strings_are_borrowed() {
        let field: Field<'_> = serde_json::from_str("\"plain\"").unwrap();
        assert!(matches!(field, Field::Text(Cow::Borrowed("plain"))));
    }

    #[test]
    fn base64_without_padding_is_read_and_rubbish_leaves_the_buffer() {
        let mut out = vec![1];
        assert_eq!(decode_base64("/38", &mut out), Some(()));
        assert_eq!(decode_base64("/3 8", &mut out), None);
        assert_eq!(out, [1, 0xFF, 0x7F]);
    }

    #[test]
    fn a_line_is_cut_between_characters() {
        assert_eq!(line("first\nsecond"), "first");
        assert_eq!(line(&"é".repeat(150)).len(), 200);
        assert_eq!(line(&format!("x{}", "é".repeat(150))).len(), 199);
        assert_eq!(line(""), "");
    }

    #[test]
    fn numbers_are_written_as_the_library_writes_them() {
        for number in [0, 9, 10, 4_711, u64::MAX] {
            let mut out = String::new();
            push_number(&mut out, number);
            assert_eq!(out, number.to_string());
        }
    }

    proptest! {
        #[test]
        fn any_string_survives_the_way_out_and_in(text in "\\PC*|[\\x00-\\x1f\"\\\\]*") {
            let mut json = String::new();
            push_string(&mut json, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }

        #[test]
        fn any_audio_survives_the_way_out_and_in(audio: Vec<u8>) {
            let json = with_base64("", &audio, "");
            let mut back = Vec::new();
            prop_assert!(decode_base64(&json, &mut back).is_some());
            prop_assert_eq!(back, audio);
        }
    }
}
