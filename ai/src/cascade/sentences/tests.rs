//! Texts and their pieces, streamed whole and letter by letter.

use proptest::prelude::*;

use super::*;

fn pieces(chunks: &[&str]) -> Vec<String> {
    let mut sentences = Sentences::default();
    let mut pieces = Vec::new();
    for chunk in chunks {
        sentences.push(chunk);
        while let Some(piece) = sentences.next_piece() {
            pieces.push(piece);
        }
    }
    pieces.extend(sentences.finish());
    pieces
}

/// The pieces of `text` when it streams letter by letter, with `|` between them.
fn check(text: &str, expected: &str) {
    let letters: Vec<String> = text.chars().map(String::from).collect();
    let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
    assert_eq!(pieces(&letters).join("|"), expected);
}

#[test]
fn sentences_end_at_their_marks() {
    check("Hello. How are you? Fine!", "Hello.| How are you?| Fine!");
    check("He said \"stop.\" Then he left.", "He said \"stop.\"| Then he left.");
    check("Really?! Yes.", "Really?!| Yes.");
    check("**Bold.** Next one.", "**Bold.**| Next one.");
    check("no mark at the end", "no mark at the end");
    check("One line\nAnother line\n", "One line\n|Another line\n");
    check("", "");
    check("...", "");
}

#[test]
fn numbers_abbreviations_and_addresses_are_not_cut() {
    check("It is 3.14 or 1,000.50 euros.", "It is 3.14 or 1,000.50 euros.");
    check("Ask Dr. Smith or Mr. J. Doe. They know.", "Ask Dr. Smith or Mr. J. Doe.| They know.");
    check("Fruit, e.g. apples, i.e. food.", "Fruit, e.g. apples, i.e. food.");
    check("At 5 p.m. we close.", "At 5 p.m. we close.");
    check("We close at 5 p.m. Come early.", "We close at 5 p.m.| Come early.");
    check("Acme Inc. is here, etc. and more.", "Acme Inc. is here, etc. and more.");
    check(
        "See https://example.com/a?b=c. Or mail a.b@example.com. Good?",
        "See https://example.com/a?b=c.| Or mail a.b@example.com.| Good?",
    );
    check("Das ist z.B. gut. Wirklich.", "Das ist z.B. gut.| Wirklich.");
    check("1. First\n2. Second\n", "1. First\n|2. Second\n");
    check("The answer is 7. Next.", "The answer is 7.| Next.");
}

#[test]
fn an_ellipsis_ends_only_what_a_capital_follows() {
    check("Well... I think so. Let me see... ok. Hm… yes.", "Well...| I think so.| Let me see... ok.| Hm… yes.");
}

#[test]
fn the_first_piece_is_short_and_later_ones_are_whole() {
    check(
        "I can certainly help you with that, since we have many rooms, and all are free. And breakfast, which many like, is included.",
        "I can certainly help you with that,| since we have many rooms, and all are free.| And breakfast, which many like, is included.",
    );
    check("Yes, of course, we do that. Good, I will.", "Yes, of course, we do that.| Good, I will.");
}

#[test]
fn scripts_without_spaces_are_cut_at_their_own_marks() {
    check("こんにちは。元気ですか？はい！", "こんにちは。|元気ですか？|はい！");
}

#[test]
fn a_sentence_without_an_end_is_cut_at_a_comma_or_a_space() {
    let long = format!("Go. {}, {}", "word ".repeat(30).trim_end(), "word ".repeat(60));
    let cut = pieces(&[&long]);
    assert!(cut.iter().all(|piece| piece.chars().count() <= MAX_PIECE), "{cut:?}");
    assert!(cut[1].ends_with("word,"), "{cut:?}");
    let solid = "x".repeat(700);
    assert_eq!(pieces(&[&solid]).iter().map(String::len).collect::<Vec<_>>(), [300, 300, 100]);
}

proptest! {
    #[test]
    fn pieces_joined_are_the_text_however_it_streams(text in "([A-Za-z]{1,8}[.,!?]?[ \n]|Dr\\. |3\\.14 |。|…|[a-z]\\.[a-z]\\. ){0,40}[a-z]", at in 0usize..200) {
        let whole = pieces(&[&text]);
        prop_assert_eq!(whole.concat(), text.clone());
        let at = text.floor_char_boundary(at.min(text.len()));
        let split = pieces(&[&text[..at], &text[at..]]);
        prop_assert_eq!(split.concat(), text);
    }
}
