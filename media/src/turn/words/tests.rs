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
fn a_full_stop_ends_a_turn() {
    let ends = ["No.", "I would like a table for two, please.", "It does not work.", "How much is it?"];
    for text in ends {
        assert_eq!(completeness(text, "en"), IS_OVER, "{text}");
    }
    assert_eq!(completeness("Good morning.", "en"), UNKNOWN, "a greeting alone");
}

#[track_caller]
fn check_stops(language: &str, expected: Stop, texts: &[&str]) {
    for text in texts {
        assert_eq!(stop(text, language), Some(expected), "{language}: {text}");
    }
}

#[test]
fn what_must_go_on_is_told_from_what_may_end() {
    check_stops(
        "en",
        Stop::Open,
        &["could you", "i was going to", "there are", "and then we", "it is not", "the man with the", "um"],
    );
    check_stops(
        "en",
        Stop::Wanting,
        &["i need", "yes i think", "could you send me", "do you have", "i would like a small", "a very nice", "it was quite"],
    );
    check_stops(
        "en",
        Stop::Subordinate,
        &["if it is possible", "when i press the button", "well before we start", "what we ordered", "it is fine but if you"],
    );
    check_stops("en", Stop::Opener, &["good morning", "okay so", "hello", "sorry excuse me"]);
    check_stops("en", Stop::Topic, &["my telephone", "the number on the card"]);
}

#[test]
fn what_may_end_is_told_by_what_it_is() {
    check_stops("en", Stop::Answer, &["yes", "of course", "tomorrow", "yes tomorrow"]);
    check_stops("en", Stop::Fragment, &["ten past seven", "on the first of july", "two tickets to york"]);
    check_stops("en", Stop::Clause, &["my router does not work", "i paid by card", "if it rains tomorrow we will stay at home"]);
    check_stops("en", Stop::Settled, &["no i cannot see it", "we can do that", "it came yesterday", "i tried to log in again"]);
    check_stops(
        "en",
        Stop::Question,
        &["when do you close", "are you open on sundays", "what do you need", "what time is it", "how are you", "who is it for"],
    );
    check_stops("en", Stop::Closed, &["yes please", "thank you goodbye", "i think that is all"]);
    assert_eq!((stop("", "en"), stop("yes", "fi")), (None, None));
}

#[test]
fn what_speaks_for_an_end_is_more_complete_than_what_speaks_against_it() {
    let against = [Stop::Open, Stop::Wanting, Stop::Subordinate, Stop::Opener, Stop::Topic];
    for stop in STOPS {
        assert_eq!(stop.completeness() < UNKNOWN, against.contains(&stop), "{stop:?}");
    }
    assert_eq!((log_odds(0.5), log_odds(0.0), log_odds(1.0)), (0.0, -LOG_ODDS_MAX, LOG_ODDS_MAX));
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
            ("a table for two", Stop::Fragment.completeness()),
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
    check_stops("de-AT", Stop::Open, &["ich möchte einen Termin für"]);
    check_stops("de", Stop::Wanting, &["ich brauche"]);
    check_stops("de", Stop::Subordinate, &["wenn es möglich wäre"]);
    check_stops("de", Stop::Closed, &["ja, bitte"]);
    check_stops("de", Stop::Clause, &["mein Anschluss geht nicht"]);
    check_stops("es", Stop::Open, &["quisiera una mesa para"]);
    check_stops("es", Stop::Closed, &["no, gracias"]);
    check_stops("es", Stop::Question, &["cuánto cuesta la habitación"]);
    check_stops("fr", Stop::Open, &["je voudrais"]);
    check_stops("fr", Stop::Closed, &["oui, merci"]);
    check_stops("it_IT", Stop::Open, &["vorrei prenotare un tavolo per", "il mio telefono, ehm"]);
    check_stops("it", Stop::Answer, &["sì", "domani"]);
    check_completeness("fr", &[("à quelle heure êtes-vous ouverts ?", IS_OVER)]);
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
