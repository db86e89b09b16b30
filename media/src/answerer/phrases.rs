//! What machines say and people who pick up do not.

/// Parts of their greetings, in lower case; each is long enough that no person says it on picking up.
const PHRASES: &[&str] = &[
    // English
    "leave a message",
    "leave me a message",
    "leave your message",
    "leave your name",
    "leave a voicemail",
    "after the tone",
    "after the beep",
    "at the tone",
    "is not available",
    "not available to take",
    "can't come to the phone",
    "cannot come to the phone",
    "can't take your call",
    "cannot take your call",
    "you have reached",
    "you've reached",
    "voice mail",
    "voicemail",
    "voice messaging system",
    "mailbox",
    "record your message",
    "press one",
    "press 1",
    "number you have dialed",
    "number you have dialled",
    // German
    "nach dem signalton",
    "nach dem ton",
    "nach dem piep",
    "hinterlassen sie",
    "eine nachricht",
    "anrufbeantworter",
    "mobilbox",
    "nicht erreichbar",
    "vorübergehend nicht",
    // French
    "après le bip",
    "après le signal",
    "laissez un message",
    "laisser un message",
    "répondeur",
    "messagerie",
    "n'est pas disponible",
    // Spanish
    "después de la señal",
    "después del tono",
    "deje su mensaje",
    "deje un mensaje",
    "buzón de voz",
    // Italian
    "dopo il segnale",
    "lasciare un messaggio",
    "lasciate un messaggio",
    "segreteria telefonica",
    // Dutch
    "na de piep",
    "na de toon",
    "spreek een bericht in",
    "laat een bericht achter",
];

/// Whether this is what machines say; as a transcriber writes it, in English, German, French, Spanish, Italian and Dutch.
pub fn is_machine(words: &str) -> bool {
    let words = words.to_lowercase().replace('\u{2019}', "'");
    PHRASES.iter().any(|phrase| words.contains(phrase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_give_themselves_away_and_people_do_not() {
        let machines = [
            "Hi, you\u{2019}ve reached Ann.",
            "Please leave a message after the tone.",
            "Der Teilnehmer ist vorübergehend nicht erreichbar.",
            "Bitte hinterlassen Sie eine Nachricht nach dem Signalton.",
            "Bonjour, laissez un message après le bip.",
            "For sales, press 1.",
        ];
        for words in machines {
            assert!(is_machine(words), "{words}");
        }
        for words in ["Hello?", "Ann Baker speaking, who is this?", "Ja bitte?", "Schmidt.", "Allô ?", "Diga.", "Pronto!", ""] {
            assert!(!is_machine(words), "{words}");
        }
    }
}
