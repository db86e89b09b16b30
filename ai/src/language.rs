//! Which language a call is held in: as the configuration says it, as a model is told, and as espeak-ng speaks it.

use std::fmt;
use std::str::FromStr;

/// Of ISO 639-1: the code, the name that a model knows, and espeak-ng's voice.
const LANGUAGES: &[(&str, &str, &str)] = &[
    ("af", "Afrikaans", "af"),
    ("ar", "Arabic", "ar"),
    ("az", "Azerbaijani", "az"),
    ("be", "Belarusian", "be"),
    ("bg", "Bulgarian", "bg"),
    ("bn", "Bengali", "bn"),
    ("bs", "Bosnian", "bs"),
    ("ca", "Catalan", "ca"),
    ("cs", "Czech", "cs"),
    ("cy", "Welsh", "cy"),
    ("da", "Danish", "da"),
    ("de", "German", "de"),
    ("el", "Greek", "el"),
    ("en", "English", "en-us"),
    ("es", "Spanish", "es"),
    ("et", "Estonian", "et"),
    ("eu", "Basque", "eu"),
    ("fa", "Persian", "fa"),
    ("fi", "Finnish", "fi"),
    ("fr", "French", "fr-fr"),
    ("ga", "Irish", "ga"),
    ("gu", "Gujarati", "gu"),
    ("he", "Hebrew", "he"),
    ("hi", "Hindi", "hi"),
    ("hr", "Croatian", "hr"),
    ("hu", "Hungarian", "hu"),
    ("hy", "Armenian", "hy"),
    ("id", "Indonesian", "id"),
    ("is", "Icelandic", "is"),
    ("it", "Italian", "it"),
    ("ja", "Japanese", "ja"),
    ("ka", "Georgian", "ka"),
    ("kk", "Kazakh", "kk"),
    ("kn", "Kannada", "kn"),
    ("ko", "Korean", "ko"),
    ("lt", "Lithuanian", "lt"),
    ("lv", "Latvian", "lv"),
    ("mk", "Macedonian", "mk"),
    ("ml", "Malayalam", "ml"),
    ("mr", "Marathi", "mr"),
    ("ms", "Malay", "ms"),
    ("mt", "Maltese", "mt"),
    ("ne", "Nepali", "ne"),
    ("nl", "Dutch", "nl"),
    ("no", "Norwegian", "nb"),
    ("pa", "Punjabi", "pa"),
    ("pl", "Polish", "pl"),
    ("pt", "Portuguese", "pt"),
    ("ro", "Romanian", "ro"),
    ("ru", "Russian", "ru"),
    ("sk", "Slovak", "sk"),
    ("sl", "Slovenian", "sl"),
    ("sq", "Albanian", "sq"),
    ("sr", "Serbian", "sr"),
    ("sv", "Swedish", "sv"),
    ("sw", "Swahili", "sw"),
    ("ta", "Tamil", "ta"),
    ("te", "Telugu", "te"),
    ("th", "Thai", "th"),
    ("tr", "Turkish", "tr"),
    ("uk", "Ukrainian", "uk"),
    ("ur", "Urdu", "ur"),
    ("vi", "Vietnamese", "vi"),
    ("zh", "Mandarin Chinese", "cmn"),
];

/// The language of an assistant's calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Language {
    /// The caller's, as it turns out.
    Auto,
    /// Always this one, by its ISO 639-1 code.
    Fixed([u8; 2]),
}

impl Language {
    /// English: the default.
    pub const ENGLISH: Self = Self::Fixed(*b"en");

    /// The code; `None` when it is the caller's.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Auto => None,
            // Only letters get in.
            Self::Fixed(code) => std::str::from_utf8(code).ok(),
        }
    }

    /// Its English name, as a model is told; of a language that is not in our list, its code.
    pub fn name(&self) -> Option<&str> {
        let code = self.code()?;
        Some(row(code).map_or(code, |(_, name, _)| name))
    }

    /// The espeak-ng voice that speaks it; `None` when it is the caller's, or espeak-ng cannot.
    pub fn offline_voice(&self) -> Option<&'static str> {
        row(self.code()?).map(|(_, _, voice)| *voice)
    }
}

fn row(code: &str) -> Option<&'static (&'static str, &'static str, &'static str)> {
    LANGUAGES.iter().find(|(known, ..)| *known == code)
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code().unwrap_or("auto"))
    }
}

/// A text that names no language.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("is neither an ISO 639-1 code (en) nor auto")]
pub struct NoLanguage;

impl FromStr for Language {
    type Err = NoLanguage;

    fn from_str(text: &str) -> Result<Self, NoLanguage> {
        match text.as_bytes() {
            b"auto" => Ok(Self::Auto),
            &[first @ b'a'..=b'z', second @ b'a'..=b'z'] => Ok(Self::Fixed([first, second])),
            _ => Err(NoLanguage),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, name: Option<&str>, voice: Option<&str>) {
        let language: Language = text.parse().unwrap_or(Language::Auto);
        assert_eq!((language.to_string().as_str(), language.name(), language.offline_voice()), (text, name, voice));
    }

    #[test]
    fn a_language_has_a_name_and_a_voice() {
        check("de", Some("German"), Some("de"));
        check("en", Some("English"), Some("en-us"));
        check("zh", Some("Mandarin Chinese"), Some("cmn"));
        check("xx", Some("xx"), None);
        check("auto", None, None);
    }

    #[test]
    fn the_list_is_in_order_and_has_each_code_once() {
        assert!(LANGUAGES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "e", "EN", "eng", "en-us", "Auto"] {
            assert_eq!(text.parse::<Language>(), Err(NoLanguage), "{text}");
        }
    }
}
