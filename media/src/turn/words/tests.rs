//! Completeness and kinds of words, by table.

use super::*;

#[track_caller]
fn check_completeness(language: &str, cases: &[(&str, f32)]) {
    for &(text, expected) in cases {
        assert_eq!(completeness(text, language), expected, "{language}: {text}");
    }
}

#[track_caller]
fn check_kinds(language: &str, cases: &[(&str, Spoken)]) {
    for &(text, expected) in cases {
        assert_eq!(classify(text, language), expected, "{language}: {text}");
    }
}

#[test]
fn a_sentence_does_not_end_where_its_next_word_must_follow() {
    for text in [
        "I would like to",
        "i am calling about the",
        "My name is",
        "I need it because",
        "It was on Monday and",
        "Can I have, um",
        "So I thought, well...",
        "First of all,",
        // A transcriber ends what it is given with a full stop.
        "I would like to.",
    ] {
        assert_eq!(completeness(text, "en"), GOES_ON, "{text}");
    }
}

#[test]
fn thanks_answers_and_full_stops_end_a_turn() {
    let ends = ["yes", "No.", "I would like a table for two, please", "okay thank you", "It does not work.", "How much is it?"];
    for text in ends {
        assert_eq!(completeness(text, "en"), IS_OVER, "{text}");
    }
}

#[test]
fn without_punctuation_a_whole_sentence_is_likely_over() {
    check_completeness(
        "en",
        &[
            ("what are your opening hours", LIKELY_OVER),
            ("my router does not work anymore", MAY_BE_OVER),
            ("the red one", MAY_BE_OVER),
            ("tomorrow", UNKNOWN),
            ("", UNKNOWN),
            ("?!", UNKNOWN),
        ],
    );
}

#[test]
fn a_clause_or_a_greeting_alone_wants_more() {
    check_completeness(
        "en",
        &[
            ("if it is possible", MAY_GO_ON),
            ("good morning", MAY_GO_ON),
            ("okay right", MAY_GO_ON),
            ("if it rains tomorrow we will stay at home", MAY_BE_OVER),
            ("when do you close", LIKELY_OVER),
        ],
    );
}

#[test]
fn numbers_names_and_addresses_go_on_until_they_can_be_whole() {
    check_completeness(
        "en",
        &[
            ("my number is five five five", MAY_GO_ON),
            ("it is 555 12", MAY_GO_ON),
            ("it is 555 1234", MAY_BE_OVER),
            ("five five five one two three four", MAY_BE_OVER),
            ("a table for two", MAY_BE_OVER),
            ("that is spelled j o h", MAY_GO_ON),
            ("john dot", GOES_ON),
            ("john smith at gmail", MAY_GO_ON),
            ("john@gmail", MAY_GO_ON),
            ("john smith at gmail dot com", IS_OVER),
        ],
    );
}

#[test]
fn every_language_has_its_own_words() {
    check_completeness(
        "de-AT",
        &[("ich möchte einen Termin für", GOES_ON), ("ja, bitte", IS_OVER), ("mein Anschluss geht nicht", MAY_BE_OVER)],
    );
    check_completeness(
        "es",
        &[("quisiera una mesa para", GOES_ON), ("no, gracias", IS_OVER), ("cuánto cuesta la habitación", LIKELY_OVER)],
    );
    check_completeness(
        "fr",
        &[("je voudrais", GOES_ON), ("oui, merci", IS_OVER), ("à quelle heure êtes-vous ouverts ?", IS_OVER)],
    );
    check_completeness(
        "it_IT",
        &[("vorrei prenotare un tavolo per", GOES_ON), ("sì, grazie", IS_OVER), ("il mio telefono, ehm", GOES_ON)],
    );
    check_completeness("fi", &[("haluaisin varata", UNKNOWN), ("kyllä.", UNKNOWN)]);
    check_completeness("", &[("yes", UNKNOWN)]);
}

#[test]
fn backchannels_commands_and_the_rest() {
    use Spoken::{Backchannel, Command, Other};
    let english = [
        ("Uh-huh.", Backchannel),
        ("mm hmm", Backchannel),
        ("mm", Backchannel),
        ("okay", Backchannel),
        ("yeah, right", Backchannel),
        ("Oh, I see.", Backchannel),
        ("no problem", Backchannel),
        ("Stop!", Command),
        ("no", Command),
        ("No, I meant Tuesday", Command),
        ("wait a minute", Command),
        ("okay, hold on", Command),
        ("yeah but stop that", Other),
        ("I cannot stop thinking about it", Other),
        ("yeah okay right sure thanks", Other),
        ("what about Tuesday", Other),
        ("", Other),
    ];
    check_kinds("en-US", &english);
    check_kinds("de", &[("genau", Backchannel), ("Moment mal", Command), ("das geht nicht", Other)]);
    check_kinds("es", &[("sí, claro", Backchannel), ("espere", Command), ("mañana", Other)]);
    check_kinds("fr", &[("d'accord", Backchannel), ("attendez", Command), ("demain", Other)]);
    check_kinds("it", &[("va bene", Backchannel), ("un attimo", Command), ("domani", Other)]);
    check_kinds("fi", &[("stop", Other)]);
}
