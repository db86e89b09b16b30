//! What is taken out, and what stays.

use std::borrow::Cow;

use super::Redaction;

const ALL: Redaction = Redaction { card_numbers: true, emails: true, ibans: true };

fn check(rows: &[(&str, &str)]) {
    for (said, kept) in rows {
        assert_eq!(ALL.text(said), *kept, "{said}");
    }
}

/// What must stay as it is, to the letter.
fn stays(texts: &[&str]) {
    for text in texts {
        assert!(matches!(ALL.text(text), Cow::Borrowed(same) if same == *text), "{text} became {}", ALL.text(text));
    }
}

#[test]
fn card_numbers_go_however_they_are_grouped() {
    check(&[
        ("It is 4111111111111111.", "It is [card number]."),
        ("4111 1111 1111 1111", "[card number]"),
        ("4111-1111-1111-1111, valid 12/26", "[card number], valid 12/26"),
        ("4111.1111.1111.1111", "[card number]"),
        ("Amex 3782 822463 10005 please", "Amex [card number] please"),
        ("5555 5555 5555 4444 and 6011 1111 1111 1117", "[card number] and [card number]"),
        ("Diners 30569309025904", "Diners [card number]"),
        ("2223 0031 2200 3222", "[card number]"),
        ("4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1", "[card number]"),
    ]);
}

#[test]
fn card_numbers_go_when_they_are_spoken() {
    let ones = "one one one";
    check(&[
        (&format!("my card is four {ones}, one {ones}, one {ones}, one {ones} thanks"), "my card is [card number] thanks"),
        ("four triple one double one double one double one double one double one double one", "[card number]"),
        ("forty-one eleven eleven eleven eleven eleven eleven eleven", "[card number]"),
        ("forty one eleven eleven eleven eleven eleven eleven eleven", "[card number]"),
        ("vier eins eins eins eins eins eins eins eins eins eins eins eins eins eins eins", "[card number]"),
        ("quatre un un un un un un un un un un un un un un un", "[card number]"),
        ("cuatro uno uno uno uno uno uno uno uno uno uno uno uno uno uno uno", "[card number]"),
        ("4111 one one one one 1111 double one 11", "[card number]"),
    ]);
}

#[test]
fn numbers_that_are_no_cards_stay() {
    stays(&[
        "",
        "order 4111111111111112",
        "order 4111 1111 1111 1112 of Monday",
        // Fits the check, and begins as no card does.
        "1234567890123452",
        // Part of it would fit.
        "94111111111111111",
        "411111111111111100000000",
        "+49 3012 3456 7890",
        "+4111111111111111",
        "one two three, one two three",
        "I have two dogs and one cat",
        "20261122080000",
        "4111 1111 and then 1111 1111",
    ]);
}

#[test]
fn ibans_go_and_numbers_that_fail_their_check_stay() {
    check(&[
        ("DE89370400440532013000", "[IBAN]"),
        ("Es ist DE89 3704 0044 0532 0130 00, danke", "Es ist [IBAN], danke"),
        ("gb29 nwbk 6016 1331 9268 19", "[IBAN]"),
        ("FR14 2004 1010 0505 0001 3M02 606", "[IBAN]"),
        ("NO9386011117947", "[IBAN]"),
        ("D E eight nine 3704 0044 0532 0130 double zero", "[IBAN]"),
        ("D E acht neun drei sieben null vier null null vier vier null fünf drei zwei null eins drei null null null", "[IBAN]"),
    ]);
    stays(&[
        "DE88370400440532013000",
        "DE89 3704 0044 0532 0130 0",
        "DE89 3704 0044 0532 0130 001",
        "XX89370400440532013000",
        "de",
        "DE89",
    ]);
}

#[test]
fn email_addresses_go_written_and_said() {
    check(&[
        ("ada@example.com", "[e-mail]"),
        ("Write to ada.lovelace+calls@mail.example.co.uk.", "Write to [e-mail]."),
        ("<müller@bücher.example>", "<[e-mail]>"),
        ("ada at example dot com", "[e-mail]"),
        ("it is ada dot lovelace at mail dot example dot com, yes", "it is [e-mail], yes"),
        ("ada underscore l at my dash shop dot de", "[e-mail]"),
        ("ada Punkt lovelace ät example Punkt de", "[e-mail]"),
        ("ada arobase exemple point fr", "[e-mail]"),
        ("ada arroba ejemplo punto es", "[e-mail]"),
    ]);
    stays(&["@home", "a@b", "ada@", "at noon", "meet me at five", "look at that dot", "1@2.3", "ada@example."]);
}

#[test]
fn only_what_is_asked_for_goes() {
    let text = "4111111111111111 DE89370400440532013000 ada@example.com";
    assert_eq!(Redaction::default().text(text), text);
    let one = |redaction: Redaction| redaction.text(text).into_owned();
    assert_eq!(
        one(Redaction { card_numbers: true, ..Redaction::default() }),
        "[card number] DE89370400440532013000 ada@example.com"
    );
    assert_eq!(one(Redaction { ibans: true, ..Redaction::default() }), "4111111111111111 [IBAN] ada@example.com");
    assert_eq!(one(Redaction { emails: true, ..Redaction::default() }), "4111111111111111 DE89370400440532013000 [e-mail]");
}

#[test]
fn json_stays_json() {
    let check = |json: &str, kept: &str| assert_eq!(ALL.json(json), kept, "{json}");
    check(r#"{"card":4111111111111111,"n":42}"#, r#"{"card":"[card number]","n":42}"#);
    check(
        r#"{"a":["ada@example.com",{"iban":"DE89 3704 0044 0532 0130 00"}],"b":true}"#,
        r#"{"a":["[e-mail]",{"iban":"[IBAN]"}],"b":true}"#,
    );
    check(r#"{ "n" : 1 }"#, r#"{ "n" : 1 }"#);
    check("not JSON: ada@example.com", "not JSON: [e-mail]");
}

proptest::proptest! {
    #[test]
    fn any_text_is_read(text in ".{0,200}", digits in "[0-9 a-eäDE@.]{0,80}") {
        let _ = ALL.text(&text);
        let once = ALL.text(&digits).into_owned();
        proptest::prop_assert_eq!(ALL.text(&once).into_owned(), once);
    }
}
