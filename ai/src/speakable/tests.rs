//! What is written, and what is said.

use proptest::prelude::*;

use super::*;

fn check_in(language: &str, rows: &[(&str, &str)]) {
    let speakable = Speakable { language: language.to_owned(), pronunciations: Vec::new() };
    for (written, said) in rows {
        assert_eq!(speakable.speak(written), *said, "{language}: {written}");
    }
}

fn check(rows: &[(&str, &str)]) {
    check_in("en", rows);
}

#[test]
fn plain_sentences_stay_as_they_are() {
    check(&[
        ("Hello, how are you?", "Hello, how are you?"),
        (" That's \"fine\" (really). ", "That's \"fine\" (really)."),
        ("e.g. this; i.e. that...", "e.g. this; i.e. that..."),
        ("well-known", "well-known"),
        ("", ""),
    ]);
}

#[test]
fn markdown_and_emoji_go() {
    check(&[
        ("**Bold** and *italic* and `code` and ~~gone~~.", "Bold and italic and code and gone."),
        ("# Title\n\n- first\n- second", "Title first second"),
        ("> quoted", "quoted"),
        ("See [our page](https://example.com/x) now.", "See our page now."),
        ("![a cat](cat.png) sleeps", "a cat sleeps"),
        ("```rust\nlet x\n```", "let x"),
        ("| a | b |\n|---|---|\n| c | d |", "a, b c, d"),
        ("Great! 🎉👍🏽 Done ✅", "Great! Done"),
        ("half of **a pair", "half of a pair"),
        ("__init__ and snake_case", "init and snake case"),
        ("---", ""),
    ]);
}

#[test]
fn numbers_are_words() {
    check(&[
        ("I have 0, 7 and 42 of them.", "I have zero, seven and forty-two of them."),
        ("1,234,567 people", "one million two hundred thirty-four thousand five hundred sixty-seven people"),
        ("100 or 1000", "one hundred or one thousand"),
        ("It is 3.14.", "It is three point one four."),
        ("-5 degrees", "minus five degrees"),
        ("the 1st, 2nd, 3rd, 12th and 21st", "the first, second, third, twelfth and twenty-first"),
        ("in 1984 and 2026 and 2005", "in nineteen eighty-four and twenty twenty-six and two thousand five"),
        ("code 0042", "code zero zero four two"),
        ("order 12345678", "order one two three four five six seven eight"),
        ("open 9-5", "open nine to five"),
        ("#5 and ~10", "number five and about ten"),
        ("7%", "seven percent"),
        ("12.5 %", "twelve point five percent"),
    ]);
}

#[test]
fn money_is_said_with_its_name() {
    check(&[
        ("$5", "five dollars"),
        ("$1", "one dollar"),
        ("$5.50.", "five dollars and fifty cents."),
        ("$1,299.99", "one thousand two hundred ninety-nine dollars and ninety-nine cents"),
        ("€20 or 20€ or 20 €", "twenty euros or twenty euros or twenty euros"),
        ("£3.05", "three pounds and five pence"),
        ("$3 million.", "three million dollars."),
    ]);
}

#[test]
fn dates_and_times_are_said_as_people_do() {
    check(&[
        ("on 2026-11-21.", "on November twenty-first, twenty twenty-six."),
        ("7/4/1999", "July fourth, nineteen ninety-nine"),
        ("at 14:30", "at fourteen thirty"),
        ("at 9:05 am", "at nine oh five a m"),
        ("at 2:30pm", "at two thirty p m"),
        ("at 5 p.m.", "at five p m"),
        ("at 10:00.", "at ten o'clock."),
        ("99:99", "99:99"),
    ]);
}

#[test]
fn telephone_numbers_are_digits() {
    check(&[
        ("Call 555-123-4567.", "Call five five five, one two three, four five six seven."),
        ("(555) 123-4567", "five five five, one two three, four five six seven"),
        ("+1 555 123 4567", "plus one, five five five, one two three, four five six seven"),
        ("+491701234567", "plus four nine one seven zero one two three four five six seven"),
        ("030 1234567", "zero three zero, one two three four five six seven"),
    ]);
}

#[test]
fn addresses_are_spelled() {
    check(&[
        ("Mail j.doe@example.com.", "Mail j dot doe at example dot com."),
        ("first_last-x+y@mail.example.org", "first underscore last dash x plus y at mail dot example dot org"),
        ("https://www.example.com/docs/a?b=c", "w w w dot example dot com slash docs slash a"),
        ("Visit example.com, please.", "Visit example dot com, please."),
        ("http://localhost/", "localhost"),
        ("agent007@example.io", "agent zero zero seven at example dot io"),
    ]);
}

#[test]
fn units_and_symbols_have_names() {
    check(&[
        ("5km, 1 km, 80 km/h", "five kilometers, one kilometer, eighty kilometers per hour"),
        ("20°C", "twenty degrees Celsius"),
        ("2.5 kg", "two point five kilograms"),
        ("R&D and Q & A", "R and D and Q and A"),
        ("1 + 1 = 2", "one plus one equals two"),
        ("and/or", "and or"),
    ]);
}

#[test]
fn other_languages_have_their_own_words() {
    check_in(
        "de",
        &[
            ("j.doe@example.com", "j Punkt doe ät example Punkt com"),
            ("Es kostet 5,50 €.", "Es kostet 5 Euro und 50 Cent."),
            ("7% & mehr", "7 Prozent und mehr"),
            ("um 14:30", "um 14 Uhr 30"),
            ("am 21.11.2026", "am 21. November 2026"),
            ("10 km", "10 Kilometer"),
            ("+49 30 1234567", "plus vier neun, drei null, eins zwei drei vier fünf sechs sieben"),
        ],
    );
    check_in(
        "es",
        &[
            ("ana@example.es", "ana arroba example punto es"),
            ("20 %", "20 por ciento"),
            ("21/11/2026", "21 de noviembre de 2026"),
        ],
    );
    check_in("fr", &[("3 €", "3 euros"), ("à 14:30", "à 14 heures 30"), ("5 km/h", "5 kilomètres par heure")]);
}

#[test]
fn pronunciations_are_of_whole_words_in_any_case() {
    let pronunciations = vec![("Offhook".to_owned(), "off hook".to_owned()), ("Ngữ".to_owned(), "noo".to_owned())];
    let speakable = Speakable { language: "en".to_owned(), pronunciations };
    assert_eq!(speakable.speak("Offhook, OFFHOOK and offhooks by ngữ."), "off hook, off hook and offhooks by noo.");
    assert_eq!(speakable.speak("**offhook**"), "off hook");
}

proptest! {
    #[test]
    fn any_text_can_be_spoken_and_no_mark_of_markdown_is_left(text in "\\PC{0,200}") {
        for language in ["en", "de", "es", "fr", ""] {
            let said = Speakable { language: language.to_owned(), pronunciations: vec![("a".into(), "b".into())] }.speak(&text);
            prop_assert!(!said.contains('`'), "{}", said);
        }
    }

    #[test]
    fn texts_of_numbers_and_signs_do_not_panic(text in "[-+$€£0-9.,:/%#~@() a-c\u{b0}]{0,60}") {
        Speakable::default().speak(&text);
    }
}
