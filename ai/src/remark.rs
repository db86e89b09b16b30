//! What an agent says of its own accord: it asks after a silent caller, tells that the time is short, and takes leave.

use crate::engine::Words;
use crate::language::Language;

/// Why the agent speaks though nobody asked it to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Occasion {
    /// The caller talked with somebody else, who is gone; the agent is back.
    Back,
    /// The longest call is nearly reached.
    Closing,
    /// The model ended the call without a word.
    Farewell,
    /// The caller does not answer, and the call ends with this; unless the caller speaks after all.
    Gone,
    /// Somebody who was to take the caller's call left before; the caller, who was on hold, is back with the agent.
    NotTaken,
    /// The caller's network put the agent through to somebody else.
    PutThrough,
    /// The caller is silent.
    StillThere,
    /// The longest call is reached, and the call ends with this.
    TimeUp,
}

impl Occasion {
    /// Label of metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Back => "back",
            Self::Closing => "closing",
            Self::Farewell => "farewell",
            Self::Gone => "gone",
            Self::NotTaken => "not_taken",
            Self::PutThrough => "put_through",
            Self::StillThere => "still_there",
            Self::TimeUp => "time_up",
        }
    }

    /// Whether it takes the place of what is being made or heard: the call ends with it, whatever the caller says, or whoever that was
    /// meant for has gone. Any other remark is forgotten when something is being made, or the caller speaks.
    pub const fn cuts(self) -> bool {
        matches!(self, Self::Farewell | Self::NotTaken | Self::TimeUp)
    }

    /// What a model is told, in the caller's place, when it is to find the words.
    pub const fn situation(self) -> &'static str {
        match self {
            Self::Back => {
                "(The other person has left the line, and the caller is alone with you again. Say so in one short sentence, and ask how \
                 you can help.)"
            }
            Self::Closing => "(The time for this call is nearly over. Say so in one short sentence, and go on.)",
            Self::Farewell => "(The call ends now. Say goodbye in a few words.)",
            Self::Gone => "(The caller still says nothing. The call ends now: say goodbye in a few words.)",
            Self::NotTaken => {
                "(The person who was to take the call has left the line. You speak with the caller again, who was on hold and heard \
                 nothing. Say in one short sentence that it did not work, and ask how you can help.)"
            }
            Self::PutThrough => {
                "(You have been put through to another person, who hears you now in the place of the one you spoke with, and may know \
                 nothing of it. Greet them in one short sentence, and go on with what the call is about.)"
            }
            Self::StillThere => "(The caller says nothing. Ask in a few words whether they are still there.)",
            Self::TimeUp => "(The time for this call is over. Say so, and say goodbye, in a few words.)",
        }
    }
}

/// Something to say, as a part of the conversation that answers nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remark {
    /// Why.
    pub occasion: Occasion,
    /// The words; `None`: the model's own, or English where there is no model.
    pub text: Option<Words>,
}

/// An assistant's words for such occasions. An empty text leaves them to the model.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Phrases {
    /// Asks after a silent caller.
    pub still_there: String,
    /// Tells that the longest call is nearly reached.
    pub closing: String,
    /// Takes leave.
    pub goodbye: String,
}

impl Phrases {
    /// The phrases of a language; empty ones where we know none, and where the language is the caller's.
    pub fn of(language: &Language) -> Self {
        let code = language.code().unwrap_or_default();
        let row = PHRASES.iter().find(|(known, _)| *known == code);
        let [still_there, closing, goodbye] = row.map_or([""; 3], |(_, phrases)| *phrases).map(str::to_owned);
        Self { still_there, closing, goodbye }
    }

    /// What to say.
    pub fn remark(&self, occasion: Occasion) -> Remark {
        let text = self.text(occasion);
        Remark { occasion, text: (!text.is_empty()).then(|| text.into()) }
    }

    /// The words for an occasion; empty: there are none.
    pub fn text(&self, occasion: Occasion) -> &str {
        match occasion {
            // Left to the model in every language.
            Occasion::Back | Occasion::NotTaken | Occasion::PutThrough => "",
            Occasion::Closing => &self.closing,
            Occasion::StillThere => &self.still_there,
            Occasion::Farewell | Occasion::Gone | Occasion::TimeUp => &self.goodbye,
        }
    }
}

/// What an agent without a model says when it is back.
pub(crate) const BACK: &str = "You are back with me. How can I help you?";

/// What it says to whom it was put through to.
pub(crate) const PUT_THROUGH: &str = "Hello. You have been put through to me. How can I help you?";

/// By ISO 639-1: still there, closing, goodbye.
const PHRASES: &[(&str, [&str; 3])] = &[
    ("cs", ["Jste tam ještě?", "Čas tohoto hovoru se blíží ke konci.", "Na shledanou."]),
    ("da", ["Er du der stadig?", "Tiden til denne samtale er snart gået.", "Farvel."]),
    ("de", ["Sind Sie noch da?", "Die Zeit für dieses Gespräch ist fast um.", "Auf Wiederhören."]),
    ("en", ["Are you still there?", "The time for this call is nearly over.", "Goodbye."]),
    ("es", ["¿Sigue ahí?", "El tiempo de esta llamada está por terminar.", "Adiós."]),
    ("fi", ["Oletteko vielä siellä?", "Tämän puhelun aika on kohta lopussa.", "Kuulemiin."]),
    ("fr", ["Êtes-vous toujours là ?", "Le temps prévu pour cet appel est presque écoulé.", "Au revoir."]),
    ("it", ["È ancora in linea?", "Il tempo per questa chiamata sta per finire.", "Arrivederci."]),
    ("ja", ["もしもし、聞こえていますか。", "このお電話の時間はまもなく終わります。", "失礼いたします。"]),
    ("nl", ["Bent u er nog?", "De tijd voor dit gesprek is bijna om.", "Tot ziens."]),
    ("no", ["Er du der fortsatt?", "Tiden for denne samtalen er snart ute.", "Ha det bra."]),
    ("pl", ["Czy nadal jesteśmy połączeni?", "Czas tej rozmowy dobiega końca.", "Do widzenia."]),
    ("pt", ["Ainda está aí?", "O tempo desta chamada está quase a terminar.", "Até logo."]),
    ("ru", ["Вы ещё на линии?", "Время этого разговора подходит к концу.", "До свидания."]),
    ("sv", ["Är du kvar?", "Tiden för det här samtalet är snart slut.", "Hej då."]),
    ("tr", ["Hâlâ orada mısınız?", "Bu görüşmenin süresi dolmak üzere.", "Hoşça kalın."]),
    ("uk", ["Ви ще на лінії?", "Час цієї розмови добігає кінця.", "До побачення."]),
    ("zh", ["您还在吗？", "这次通话的时间快到了。", "再见。"]),
];

#[cfg(test)]
const ALL: [Occasion; 8] = [
    Occasion::Back,
    Occasion::Closing,
    Occasion::Farewell,
    Occasion::Gone,
    Occasion::NotTaken,
    Occasion::PutThrough,
    Occasion::StillThere,
    Occasion::TimeUp,
];

/// A remark as scripts of tests have it: the occasion, and the words where there are any.
#[cfg(test)]
pub(crate) fn scripted(line: &str) -> Remark {
    let (occasion, text) = line.split_once(' ').unwrap_or((line, ""));
    let occasion = ALL.into_iter().find(|known| known.as_str() == occasion);
    Remark { occasion: occasion.unwrap_or_else(|| panic!("{line}")), text: (!text.is_empty()).then(|| text.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(language: &str, expected: [&str; 8]) {
        let phrases = Phrases::of(&language.parse().unwrap_or(Language::Auto));
        let said = ALL.map(|occasion| phrases.remark(occasion).text.map_or("the model's".to_owned(), Words::into_string));
        assert_eq!(said, expected, "{language}");
    }

    #[test]
    fn a_language_has_its_phrases_and_the_model_finds_what_is_missing() {
        check(
            "de",
            [
                "the model's",
                "Die Zeit für dieses Gespräch ist fast um.",
                "Auf Wiederhören.",
                "Auf Wiederhören.",
                "the model's",
                "the model's",
                "Sind Sie noch da?",
                "Auf Wiederhören.",
            ],
        );
        check("cy", ["the model's"; 8]);
        check("auto", ["the model's"; 8]);
    }

    #[test]
    fn the_list_is_in_order_and_its_languages_are_known() {
        assert!(PHRASES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (code, phrases) in PHRASES {
            let language = code.parse::<Language>().unwrap_or(Language::Auto);
            assert!(language.offline_voice().is_some() && phrases.iter().all(|text| !text.is_empty()), "{code}");
        }
    }

    #[test]
    fn only_what_nobody_can_take_back_cuts() {
        let cutting: Vec<&str> = ALL.iter().filter(|occasion| occasion.cuts()).map(|occasion| occasion.as_str()).collect();
        assert_eq!(cutting, ["farewell", "not_taken", "time_up"]);
    }
}
