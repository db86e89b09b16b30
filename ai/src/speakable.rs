//! Text as it is spoken.

/// How text becomes speech.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Speakable {
    /// ISO 639-1.
    pub language: String,
    /// Words and how they are said, whole words, in any case.
    pub pronunciations: Vec<(String, String)>,
}

impl Speakable {
    /// `text` as a synthesizer should be given it.
    pub fn speak(&self, text: &str) -> String {
        text.trim().to_owned()
    }
}
