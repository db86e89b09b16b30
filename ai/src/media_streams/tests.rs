//! The protocol sheet's messages, read and written, and what peers get wrong.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::engine::Words;

const CONNECTED: &str = r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#;
const START: &str = r#"{"event":"start","sequenceNumber":"1","streamSid":"MZ00000000000000000000000000000001",
 "start":{"streamSid":"MZ00000000000000000000000000000001","accountSid":"AC0","callSid":"CA0",
          "tracks":["inbound"],"customParameters":{"session":"opaque-token"},
          "mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}}"#;
const MEDIA: &str = r#"{"event":"media","sequenceNumber":"4","streamSid":"MZ0",
 "media":{"track":"inbound","chunk":"3","timestamp":"61","payload":"//9/fw=="}}"#;
const DTMF: &str = r#"{"event":"dtmf","streamSid":"MZ0","sequenceNumber":"9","dtmf":{"track":"inbound_track","digit":"5"}}"#;
const MARK: &str = r#"{"event":"mark","sequenceNumber":"12","streamSid":"MZ0","mark":{"name":"utt-7"}}"#;
const STOP: &str = r#"{"event":"stop","sequenceNumber":"99","streamSid":"MZ0","stop":{"accountSid":"AC0","callSid":"CA0"}}"#;

/// One line for what a frame of the telephone's side means.
fn read(text: &str) -> String {
    match StreamEvent::parse(text) {
        Ok(StreamEvent::Connected) => "connected".to_owned(),
        Ok(StreamEvent::Start(start)) => {
            let parameters: Vec<_> =
                start.custom_parameters.iter().map(|(name, value)| format!("{name}={}", value.as_str())).collect();
            format!("start {} {} {} [{}]", start.stream_sid, start.call_sid, start.account_sid, parameters.join(" "))
        }
        Ok(StreamEvent::Media(media)) => {
            let mut audio = Vec::new();
            match media.payload.decode_into(&mut audio) {
                Ok(()) => format!("media {:?} {:?} {:?} {audio:02x?}", media.track, media.chunk, media.timestamp),
                Err(error) => error.to_string(),
            }
        }
        Ok(StreamEvent::Dtmf { digit }) => format!("dtmf {digit}"),
        Ok(StreamEvent::Mark { name }) => format!("mark {name}"),
        Ok(StreamEvent::Stop) => "stop".to_owned(),
        Ok(StreamEvent::Unknown { event }) => format!("unknown {event}"),
        Err(error) => error.to_string(),
    }
}

fn check(table: &[(&str, &str)]) {
    for (text, expected) in table {
        assert_eq!(read(text), *expected, "{text}");
    }
}

#[test]
fn the_sheets_events_are_understood() {
    check(&[
        (CONNECTED, "connected"),
        (START, "start MZ00000000000000000000000000000001 CA0 AC0 [session=opaque-token]"),
        (MEDIA, "media Inbound Some(3) Some(61ms) [ff, ff, 7f, 7f]"),
        (DTMF, "dtmf 5"),
        (MARK, "mark utt-7"),
        (STOP, "stop"),
    ]);
}

#[test]
fn numbers_may_be_numbers_and_much_may_be_missing() {
    check(&[
        (r#"{"event":"media","media":{"chunk":3,"timestamp":61.0,"payload":""}}"#, "media Inbound Some(3) Some(61ms) []"),
        (r#"{"event":"media","media":{"payload":"/w","track":"outbound"}}"#, "media Outbound None None [ff]"),
        (r#"{"event":"dtmf","dtmf":{"digit":5}}"#, "dtmf 5"),
        (r#"{"event":"dtmf","dtmf":{"digit":"a"}}"#, "dtmf A"),
        (
            r#"{"event":"start","start":{"streamSid":"MZ1","callSid":"CA1","mediaFormat":{"sampleRate":"8000"},
                "customParameters":{"a":1,"b":null,"c":[2],"d":"\"x\""}}}"#,
            r#"start MZ1 CA1  [a=1 d="x"]"#,
        ),
        (r#"{"event":"upgraded","new":{"field":[1,2]}}"#, "unknown upgraded"),
    ]);
}

#[test]
fn errors_name_the_field() {
    check(&[
        ("", "not a message: EOF while parsing a value at line 1 column 0"),
        (r#"{"event":"media","media":{"payload":"AA"#, "not a message: EOF while parsing a string at line 1 column 39"),
        ("7", "not a message: invalid type: integer `7`, expected a message as an object at line 1 column 1"),
        (
            r#"{"event":"media","media":7}"#,
            "not a message: invalid type: integer `7`, expected field media as an object at line 1 column 26",
        ),
        (r#"{"media":{}}"#, "field event is missing"),
        (r#"{"event":[]}"#, "field event is not valid"),
        (r#"{"event":"media"}"#, "field media is missing"),
        (r#"{"event":"media","media":{}}"#, "field media.payload is missing"),
        (r#"{"event":"media","media":{"payload":"!"}}"#, "field media.payload is not valid"),
        (r#"{"event":"media","media":{"payload":"","chunk":"x"}}"#, "field media.chunk is not valid"),
        (r#"{"event":"media","media":{"payload":"","timestamp":-1}}"#, "field media.timestamp is not valid"),
        (r#"{"event":"media","media":{"payload":"","track":"both"}}"#, "field media.track is not valid"),
        (r#"{"event":"mark"}"#, "field mark is missing"),
        (r#"{"event":"mark","mark":{}}"#, "field mark.name is missing"),
        (r#"{"event":"dtmf"}"#, "field dtmf is missing"),
        (r#"{"event":"dtmf","dtmf":{"digit":"12"}}"#, "field dtmf.digit is not valid"),
        (r#"{"event":"start"}"#, "field start is missing"),
        (r#"{"event":"start","start":{"callSid":"CA0"}}"#, "field start.streamSid is missing"),
        (r#"{"event":"start","start":{"streamSid":"MZ0"}}"#, "field start.callSid is missing"),
        (
            r#"{"event":"start","start":{"mediaFormat":{"encoding":"audio/opus"}}}"#,
            "field start.mediaFormat.encoding is not audio/x-mulaw, 8000 Hz, 1 channel",
        ),
        (
            r#"{"event":"start","start":{"mediaFormat":{"sampleRate":16000}}}"#,
            "field start.mediaFormat.sampleRate is not audio/x-mulaw, 8000 Hz, 1 channel",
        ),
        (
            r#"{"event":"start","start":{"mediaFormat":{"channels":2}}}"#,
            "field start.mediaFormat.channels is not audio/x-mulaw, 8000 Hz, 1 channel",
        ),
    ]);
}

#[test]
fn a_frame_over_the_bound_is_refused_unread() {
    let text = " ".repeat(MAX_FRAME + 1);
    assert_eq!(read(&text), "frame of 1048577 bytes is over 1048576");
    assert_eq!(StreamCommand::parse(&text, "MZ0"), Err(StreamError::TooLong { length: MAX_FRAME + 1 }));
}

#[test]
fn commands_are_written_as_the_sheet_shows() {
    let writer = CommandWriter::new("MZ0");
    assert_eq!(writer.media(&[0xFF, 0xFF, 0x7F]), r#"{"event":"media","streamSid":"MZ0","media":{"payload":"//9/"}}"#);
    assert_eq!(writer.mark("utt-7"), r#"{"event":"mark","streamSid":"MZ0","mark":{"name":"utt-7"}}"#);
    assert_eq!(writer.clear(), r#"{"event":"clear","streamSid":"MZ0"}"#);
}

#[test]
fn commands_are_read_as_twilio_reads_them() {
    let parse = |text| StreamCommand::parse(text, "MZ0");
    let media = parse(r#"{"event":"media","streamSid":"MZ0","media":{"payload":"//9/"}}"#).unwrap();
    let StreamCommand::Media { payload } = media else { panic!("{media:?}") };
    let mut audio = vec![1];
    payload.decode_into(&mut audio).unwrap();
    assert_eq!(audio, [1, 0xFF, 0xFF, 0x7F]);
    let mark = parse(r#"{"event":"mark","streamSid":"MZ0","mark":{"name":"utt-7"}}"#);
    assert_eq!(mark, Ok(StreamCommand::Mark { name: "utt-7".into() }));
    assert_eq!(parse(r#"{"event":"clear","streamSid":"MZ0"}"#), Ok(StreamCommand::Clear));
    assert_eq!(parse(r#"{"event":"hold","streamSid":"MZ0"}"#), Ok(StreamCommand::Unknown { event: "hold".into() }));
    for (text, field) in [
        (r#"{"event":"clear","streamSid":"MZ1"}"#, Err(StreamError::Invalid { field: "streamSid" })),
        (r#"{"event":"clear"}"#, Err(StreamError::Missing { field: "streamSid" })),
        (r#"{"event":"media","streamSid":"MZ0"}"#, Err(StreamError::Missing { field: "media" })),
        (r#"{"event":"mark","streamSid":"MZ0"}"#, Err(StreamError::Missing { field: "mark" })),
        (r#"{"event":"mark","streamSid":"MZ0","mark":{}}"#, Err(StreamError::Missing { field: "mark.name" })),
    ] {
        assert_eq!(parse(text), field, "{text}");
    }
}

#[test]
fn events_are_written_as_twilio_writes_them() {
    let mut writer = EventWriter::new("MZ0");
    let mut start = Start { call_sid: "CA0".into(), account_sid: "AC0".into(), ..Start::default() };
    start.custom_parameters.insert("from".into(), Words::from("+1"));
    start.custom_parameters.insert("quote".into(), Words::from("\""));
    let ms = Duration::from_millis;
    let written = [
        writer.connected(),
        writer.start(&start),
        writer.media(ms(0), &[0xFF]),
        writer.media(ms(20), &[]),
        writer.dtmf('#'),
        writer.mark("utt-7"),
        writer.stop(&start),
    ];
    assert_eq!(
        written,
        [
            CONNECTED,
            concat!(
                r#"{"event":"start","sequenceNumber":"1","streamSid":"MZ0","start":{"streamSid":"MZ0","#,
                r#""accountSid":"AC0","callSid":"CA0","tracks":["inbound"],"customParameters":{"from":"+1","quote":"\""},"#,
                r#""mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}}"#
            ),
            concat!(
                r#"{"event":"media","sequenceNumber":"2","streamSid":"MZ0","#,
                r#""media":{"track":"inbound","chunk":"1","timestamp":"0","payload":"/w=="}}"#
            ),
            concat!(
                r#"{"event":"media","sequenceNumber":"3","streamSid":"MZ0","#,
                r#""media":{"track":"inbound","chunk":"2","timestamp":"20","payload":""}}"#
            ),
            r##"{"event":"dtmf","sequenceNumber":"4","streamSid":"MZ0","dtmf":{"track":"inbound_track","digit":"#"}}"##,
            r#"{"event":"mark","sequenceNumber":"5","streamSid":"MZ0","mark":{"name":"utt-7"}}"#,
            r#"{"event":"stop","sequenceNumber":"6","streamSid":"MZ0","stop":{"accountSid":"AC0","callSid":"CA0"}}"#,
        ]
    );
    assert_eq!(read(&written[1]), "start MZ0 CA0 AC0 [from=+1 quote=\"]");
}

#[test]
fn parameters_stay_out_of_logs() {
    let start = StreamEvent::parse(START).unwrap();
    assert!(!format!("{start:?}").contains("opaque-token"));
}

proptest! {
    #[test]
    fn any_text_is_an_event_or_an_error(text in "\\PC*") {
        let _ = StreamEvent::parse(&text);
        let _ = StreamCommand::parse(&text, "MZ0");
    }

    #[test]
    fn any_damage_to_a_message_is_an_event_or_an_error(
        which in 0_usize..6, at in 0_usize..400, byte in 0_u8..128, cut: bool
    ) {
        let mut bytes = [CONNECTED, START, MEDIA, DTMF, MARK, STOP][which].as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes.truncate(if cut { at } else { bytes.len() });
        read(std::str::from_utf8(&bytes).unwrap());
    }
}
