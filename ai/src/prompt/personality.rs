//! How an assistant comes across: a few words for the model, and how its voice speaks.

use std::fmt;
use std::str::FromStr;

/// A preset. It adds to the assistant's own prompt and to its voice; both stay the operator's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Personality {
    /// As little as says it.
    Concise,
    /// Feelings first.
    Empathetic,
    /// Lively.
    Energetic,
    /// Polite and exact.
    Formal,
    /// Warm.
    Friendly,
}

impl Personality {
    /// Every preset, by its word in the configuration.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("concise", Self::Concise),
        ("empathetic", Self::Empathetic),
        ("energetic", Self::Energetic),
        ("formal", Self::Formal),
        ("friendly", Self::Friendly),
    ];

    /// What the model is told.
    pub fn fragment(self) -> &'static str {
        match self {
            Self::Concise => {
                "# Manner\nBe brief and to the point: answer first, in as few words as are clear and polite. No small talk, no \
                 repetition of what the caller said, no offers that nobody asked for."
            }
            Self::Empathetic => {
                "# Manner\nBe calm and caring. When the caller tells of trouble, name it in a few words and take it seriously before \
                 you help. Never hurry, never blame, never play feelings down."
            }
            Self::Energetic => {
                "# Manner\nBe lively and positive: active words, short sentences, a quick pace. Be glad with the caller when \
                 something works, and calm down at once when the caller is upset."
            }
            Self::Formal => {
                "# Manner\nBe polite and exact, in complete sentences, without slang, jokes or contractions. Use the formal form of \
                 address where the language has one, and the caller's family name with a title once you know it."
            }
            Self::Friendly => {
                "# Manner\nBe warm and natural, as a good colleague on the telephone: simple words, contractions, a light touch of \
                 humour where it fits. Use the caller's first name now and then once you know it."
            }
        }
    }

    /// How fast the voice speaks: a factor on its own rate, 0.9 to 1.1, which every provider with a rate allows.
    pub fn rate(self) -> f32 {
        match self {
            Self::Concise => 1.05,
            Self::Empathetic => 0.92,
            Self::Energetic => 1.1,
            Self::Formal => 0.97,
            Self::Friendly => 1.0,
        }
    }

    /// How even the voice is, 0 (moved) to 1 (monotonous), for voices that take it: ElevenLabs.
    pub fn stability(self) -> f32 {
        match self {
            Self::Concise | Self::Formal => 0.7,
            Self::Empathetic => 0.45,
            Self::Energetic => 0.35,
            Self::Friendly => 0.5,
        }
    }

    /// How much the voice's own style is brought out, 0 to 1, for voices that take it: ElevenLabs.
    pub fn style(self) -> f32 {
        match self {
            Self::Concise | Self::Formal => 0.0,
            Self::Empathetic | Self::Friendly => 0.2,
            Self::Energetic => 0.4,
        }
    }
}

impl fmt::Display for Personality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Self::ALL.iter().find(|(_, preset)| preset == self).map_or("", |(word, _)| word);
        f.write_str(word)
    }
}

/// A word that is no preset.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("is not one of concise, empathetic, energetic, formal, friendly")]
pub struct NoPersonality;

impl FromStr for Personality {
    type Err = NoPersonality;

    fn from_str(word: &str) -> Result<Self, NoPersonality> {
        Self::ALL.iter().find(|(known, _)| *known == word).map(|(_, preset)| *preset).ok_or(NoPersonality)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_has_a_word_a_manner_and_a_rate() {
        let words: Vec<&str> = Personality::ALL.iter().map(|(word, _)| *word).collect();
        assert_eq!(NoPersonality.to_string(), format!("is not one of {}", words.join(", ")));
        for (word, preset) in Personality::ALL {
            assert_eq!(word.parse(), Ok(*preset));
            assert_eq!(preset.to_string(), *word);
            assert!(preset.fragment().starts_with("# Manner\nBe "), "{word}");
            assert!((0.9..=1.1).contains(&preset.rate()), "{word}");
            assert!((0.0..=1.0).contains(&preset.stability()) && (0.0..=1.0).contains(&preset.style()), "{word}");
        }
        assert_eq!("rude".parse::<Personality>(), Err(NoPersonality));
    }
}
