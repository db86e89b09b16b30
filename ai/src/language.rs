//! Which language a call is held in: as the configuration says it, as a model is told, and as espeak-ng speaks it.

use std::fmt;
use std::str::FromStr;

/// The codes of ISO 639-1 and 639-3, the name that a model knows, and espeak-ng's voice.
const LANGUAGES: &[(&str, &str, &str, &str)] = &[
    ("af", "afr", "Afrikaans", "af"),
    ("ar", "ara", "Arabic", "ar"),
    ("az", "aze", "Azerbaijani", "az"),
    ("be", "bel", "Belarusian", "be"),
    ("bg", "bul", "Bulgarian", "bg"),
    ("bn", "ben", "Bengali", "bn"),
    ("bs", "bos", "Bosnian", "bs"),
    ("ca", "cat", "Catalan", "ca"),
    ("cs", "ces", "Czech", "cs"),
    ("cy", "cym", "Welsh", "cy"),
    ("da", "dan", "Danish", "da"),
    ("de", "deu", "German", "de"),
    ("el", "ell", "Greek", "el"),
    ("en", "eng", "English", "en-us"),
    ("es", "spa", "Spanish", "es"),
    ("et", "est", "Estonian", "et"),
    ("eu", "eus", "Basque", "eu"),
    ("fa", "fas", "Persian", "fa"),
    ("fi", "fin", "Finnish", "fi"),
    ("fr", "fra", "French", "fr-fr"),
    ("ga", "gle", "Irish", "ga"),
    ("gu", "guj", "Gujarati", "gu"),
    ("he", "heb", "Hebrew", "he"),
    ("hi", "hin", "Hindi", "hi"),
    ("hr", "hrv", "Croatian", "hr"),
    ("hu", "hun", "Hungarian", "hu"),
    ("hy", "hye", "Armenian", "hy"),
    ("id", "ind", "Indonesian", "id"),
    ("is", "isl", "Icelandic", "is"),
    ("it", "ita", "Italian", "it"),
    ("ja", "jpn", "Japanese", "ja"),
    ("ka", "kat", "Georgian", "ka"),
    ("kk", "kaz", "Kazakh", "kk"),
    ("kn", "kan", "Kannada", "kn"),
    ("ko", "kor", "Korean", "ko"),
    ("lt", "lit", "Lithuanian", "lt"),
    ("lv", "lav", "Latvian", "lv"),
    ("mk", "mkd", "Macedonian", "mk"),
    ("ml", "mal", "Malayalam", "ml"),
    ("mr", "mar", "Marathi", "mr"),
    ("ms", "msa", "Malay", "ms"),
    ("mt", "mlt", "Maltese", "mt"),
    ("ne", "nep", "Nepali", "ne"),
    ("nl", "nld", "Dutch", "nl"),
    ("no", "nor", "Norwegian", "nb"),
    ("pa", "pan", "Punjabi", "pa"),
    ("pl", "pol", "Polish", "pl"),
    ("pt", "por", "Portuguese", "pt"),
    ("ro", "ron", "Romanian", "ro"),
    ("ru", "rus", "Russian", "ru"),
    ("sk", "slk", "Slovak", "sk"),
    ("sl", "slv", "Slovenian", "sl"),
    ("sq", "sqi", "Albanian", "sq"),
    ("sr", "srp", "Serbian", "sr"),
    ("sv", "swe", "Swedish", "sv"),
    ("sw", "swa", "Swahili", "sw"),
    ("ta", "tam", "Tamil", "ta"),
    ("te", "tel", "Telugu", "te"),
    ("th", "tha", "Thai", "th"),
    ("tr", "tur", "Turkish", "tr"),
    ("uk", "ukr", "Ukrainian", "uk"),
    ("ur", "urd", "Urdu", "ur"),
    ("vi", "vie", "Vietnamese", "vi"),
    ("zh", "zho", "Mandarin Chinese", "cmn"),
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

    /// The language that a provider names, by a code of two or three letters, a tag (`pt-BR`) or in English (`german`); `None` for
    /// one that is not in our list.
    pub fn heard(text: &str) -> Option<Self> {
        let text = text.trim().to_lowercase();
        let code = text.split(['-', '_']).next().unwrap_or_default();
        let named = |name: &str| {
            let name = name.to_lowercase();
            name == text || name.strip_suffix(text.as_str()).is_some_and(|rest| rest.ends_with(' '))
        };
        let known = |(two, three, name, _): &&(&str, &str, &str, &str)| *two == code || *three == code || named(name);
        LANGUAGES.iter().find(known).and_then(|(two, ..)| two.parse().ok())
    }

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
        Some(row(code).map_or(code, |(_, _, name, _)| name))
    }

    /// The espeak-ng voice that speaks it; `None` when it is the caller's, or espeak-ng cannot.
    pub fn offline_voice(&self) -> Option<&'static str> {
        row(self.code()?).map(|(.., voice)| *voice)
    }
}

fn row(code: &str) -> Option<&'static (&'static str, &'static str, &'static str, &'static str)> {
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
    fn providers_name_languages_in_several_ways() {
        for (text, expected) in [
            ("de", "de"),
            ("pt-BR", "pt"),
            ("zh_Hant", "zh"),
            ("deu", "de"),
            ("english", "en"),
            ("Chinese", "zh"),
            ("ese", "none"),
            ("xx", "none"),
            ("multi", "none"),
            ("", "none"),
        ] {
            let heard = Language::heard(text).map_or("none".to_owned(), |language| language.to_string());
            assert_eq!(heard, expected, "{text}");
        }
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
