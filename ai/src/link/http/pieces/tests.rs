//! Bodies in, pieces out: however the network cuts them.

use proptest::prelude::*;

use super::*;

fn pieces(answer: Answer, chunks: &[&[u8]]) -> Result<Vec<String>, EngineError> {
    let mut pieces = Pieces::new(answer);
    let mut out = Vec::new();
    for chunk in chunks {
        pieces.feed(Bytes::copy_from_slice(chunk), &mut out)?;
    }
    pieces.finish(&mut out);
    let told = |input: &LinkInput| match input {
        LinkInput::Binary(octets) => format!("{} octets", octets.len()),
        LinkInput::Text(text) => text.as_str().to_owned(),
        other => format!("{other:?}"),
    };
    Ok(out.iter().map(told).collect())
}

/// The events of `body`, whole and octet by octet, parted by `|`.
fn check(body: &str, expected: &str) {
    let whole = pieces(Answer::Events, &[body.as_bytes()]).map(|events| events.join("|"));
    assert_eq!(whole.as_deref(), Ok(expected), "{body:?}");
    let single: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
    let single = pieces(Answer::Events, &single).map(|events| events.join("|"));
    assert_eq!(single.as_deref(), Ok(expected), "{body:?} octet by octet");
}

#[test]
fn an_event_is_its_data() {
    check("data: {\"a\":1}\n\ndata: [DONE]\n\n", "{\"a\":1}|[DONE]");
    check("event: message_start\nid: 7\nretry: 10\ndata: x\n\n", "x");
    check("data:no space\n\ndata:  two\n\ndata\n\n", "no space| two|");
}

#[test]
fn every_line_end_will_do() {
    check("data: a\r\n\r\ndata: b\r\rdata: c\n\n", "a|b|c");
    check("data: a\r\ndata: b\r\n\r\n", "a\nb");
    check("\r\n\n\rdata: a\n\n", "a");
}

#[test]
fn comments_other_fields_and_empty_events_are_skipped() {
    check(": keep-alive\n\n: OPENROUTER PROCESSING\n\ndata: a\n: in between\n\n\n\nevent: ping\n\n", "a");
    check("database: x\ndat: y\n data: z\n\n", "");
    check("\u{feff}data: a\n\n", "a");
}

#[test]
fn a_last_event_needs_no_empty_line_but_a_whole_line() {
    check("data: a\n\ndata: [DONE]\n", "a|[DONE]");
    check("data: a\n\ndata: {\"cut", "a");
}

#[test]
fn characters_may_be_cut_anywhere_and_rubbish_is_replaced() {
    check("data: Grüße 😀\n\n", "Grüße 😀");
    let rubbish = pieces(Answer::Events, &[b"data: a\xff\xfe\n\n"]);
    assert_eq!(rubbish, Ok(vec!["a\u{fffd}\u{fffd}".to_owned()]));
}

#[test]
fn lines_and_wholes_and_octets() {
    let body: &[&[u8]] = &[b"{\"a\":", b"1}\r\n\n{\"b\"", b":2}"];
    assert_eq!(pieces(Answer::Lines, body), Ok(vec!["{\"a\":1}".to_owned(), "{\"b\":2}".to_owned()]));
    assert_eq!(pieces(Answer::Whole, body), Ok(vec!["{\"a\":1}\r\n\n{\"b\":2}".to_owned()]));
    assert_eq!(pieces(Answer::Whole, &[]), Ok(vec![String::new()]));
    assert_eq!(pieces(Answer::Bytes, body), Ok(vec!["5 octets".to_owned(), "9 octets".to_owned(), "3 octets".to_owned()]));
    let long = vec![0; MAX_PIECE + 1];
    assert_eq!(pieces(Answer::Bytes, &[&long]), Ok(vec![format!("{MAX_PIECE} octets"), "1 octets".to_owned()]));
}

#[test]
fn what_is_too_long_is_refused() {
    let told = |answer, chunk: &[u8], times| {
        let chunks = vec![chunk; times];
        pieces(answer, &chunks).map_or_else(|error| error.to_string(), |pieces| format!("{} pieces", pieces.len()))
    };
    let half = vec![b'x'; MAX_TEXT / 2];
    assert_eq!(told(Answer::Whole, &half, 2), "1 pieces");
    assert_eq!(told(Answer::Whole, &half, 3), "provider broke the protocol: line is over 1048576 bytes");
    assert_eq!(told(Answer::Events, &half, 3), "provider broke the protocol: line is over 1048576 bytes");
    let data = [b"data: ".as_slice(), &half, b"\n"].concat();
    assert_eq!(told(Answer::Events, &data, 2), "provider broke the protocol: event is over 1048576 bytes");
    assert_eq!(told(Answer::Bytes, &half, 32), "1024 pieces");
    assert_eq!(told(Answer::Bytes, &half, 33), "provider broke the protocol: answer is over 16777216 bytes");
}

proptest! {
    #[test]
    fn cuts_change_nothing(body in "(data: ?[a-zé]{0,3}|:c|event: x|\r|\n|\r\n|\\PC)*", cuts: Vec<prop::sample::Index>) {
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        ends.extend([0, body.len()]);
        ends.sort_unstable();
        let chunks: Vec<&[u8]> = ends.windows(2).map(|ends| &body.as_bytes()[ends[0]..ends[1]]).collect();
        for answer in [Answer::Events, Answer::Lines, Answer::Whole] {
            prop_assert_eq!(pieces(answer, &chunks), pieces(answer, &[body.as_bytes()]));
        }
    }

    #[test]
    fn any_octets_are_taken(octets: Vec<u8>) {
        for answer in [Answer::Bytes, Answer::Events, Answer::Lines, Answer::Whole] {
            prop_assert!(pieces(answer, &[&octets]).is_ok());
        }
    }
}
