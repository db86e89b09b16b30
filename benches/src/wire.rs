//! The hot frames of one AI call: what the caller's and the agent's audio cost as JSON.
//!
//! 100 calls make 1,000 appends of five frames and up to 5,000 deltas a second: at these budgets 1.5 % of a core, 0.015 % a
//! call. On Twilio legs 5,000 Media Streams messages each way are 0.75 % more.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ai::engine::{Engine, Input, Output};
use ai::link::{Frame, LinkId, LinkInput};
use ai::media_streams::{CommandWriter, StreamEvent};
use ai::openai::RealtimeEndpoint;
use ai::realtime::{RealtimeConfig, RealtimeSession};
use ai::stream::{StreamConfig, StreamSession};
use media::codec::Codec;
use media::frame::{PcmFrame, SharedFrame};

use crate::workload::{Step, Workload};

pub const WORKLOADS: &[Workload] = &[
    Workload {
        name: "bot_audio",
        what: "one message of an external bot's, 20 ms",
        budget: Duration::from_micros(2),
        counted: 500,
        start: bot_audio,
    },
    Workload {
        name: "bot_frame",
        what: "one frame of the caller's to an external bot",
        budget: Duration::from_nanos(700),
        counted: 500,
        start: bot_frame,
    },
    Workload {
        name: "delta_of_20_ms",
        what: "one delta of the agent's audio, 20 ms",
        budget: Duration::from_micros(2),
        counted: 500,
        start: || delta_to_audio(160),
    },
    Workload {
        name: "delta_of_500_ms",
        what: "the same, 500 ms",
        budget: Duration::from_micros(10),
        counted: 500,
        start: || delta_to_audio(4_000),
    },
    // Every fifth is sent, with the four before it.
    Workload {
        name: "frame_to_append",
        what: "one frame of the caller's audio",
        budget: Duration::from_micros(1),
        counted: 1_000,
        start: frame_to_append,
    },
    // Decoded into a buffer that is used again.
    Workload {
        name: "media_in",
        what: "one message of Twilio's",
        budget: Duration::from_micros(1),
        counted: 500,
        start: media_in,
    },
    Workload {
        name: "media_out",
        what: "one message to Twilio",
        budget: Duration::from_nanos(500),
        counted: 500,
        start: media_out,
    },
];

/// A session whose response is active.
fn session(now: Instant) -> RealtimeSession {
    let endpoint = RealtimeEndpoint { api_key: "sk-test".into(), ..RealtimeEndpoint::default() };
    let config = RealtimeConfig { endpoint, first_message: Some("Hello.".into()), ..RealtimeConfig::default() };
    let mut session = RealtimeSession::new(config, 1);
    let created = r#"{"type":"response.created","response":{"id":"resp_1"}}"#;
    for input in [Input::Started, socket(LinkInput::Opened), socket(LinkInput::Text(created.into()))] {
        session.handle_input(now, input);
        while session.poll_output().is_some() {}
    }
    session
}

/// A session whose bot has its `start`, and the id of its stream.
fn bot_session(now: Instant) -> (StreamSession, String) {
    let mut session = StreamSession::new(StreamConfig::default(), 1);
    let mut sid = String::new();
    for input in [Input::Ringing, socket(LinkInput::Opened), Input::Started] {
        session.handle_input(now, input);
        while let Some(output) = session.poll_output() {
            if let Output::Send { frame: Frame::Text(text), .. } = output
                && let Some((_, rest)) = text.as_str().split_once(r#""streamSid":""#)
            {
                sid = rest.chars().take_while(|c| *c != '"').collect();
            }
        }
    }
    (session, sid)
}

fn bot_audio() -> Step {
    let now = Instant::now();
    let (mut session, sid) = bot_session(now);
    let text = CommandWriter::new(&sid).media(&[0x7F; 160]);
    Box::new(move || {
        session.handle_input(now, socket(LinkInput::Text(text.as_str().into())));
        assert!(matches!(black_box(session.poll_output()), Some(Output::Audio { .. })));
    })
}

fn bot_frame() -> Step {
    let now = Instant::now();
    let (mut session, _) = bot_session(now);
    let frame = SharedFrame::new(PcmFrame::silence(Codec::Pcmu));
    Box::new(move || {
        session.handle_input(now, Input::Audio(SharedFrame::clone(&frame)));
        assert!(matches!(black_box(session.poll_output()), Some(Output::Send { .. })));
    })
}

/// From the session's first socket.
fn socket(input: LinkInput) -> Input {
    Input::Link { link: LinkId(1), input }
}

/// `octets` of audio as base64.
fn payload(octets: usize) -> String {
    let media = CommandWriter::new("").media(&vec![0x7F; octets]);
    media.split('"').rev().nth(1).unwrap_or_default().to_owned()
}

/// A delta as the server sends it, with `octets` of audio.
fn delta_to_audio(octets: usize) -> Step {
    let text = format!(
        concat!(
            r#"{{"type":"response.output_audio.delta","event_id":"event_CJ2zd8wFzWnRbwTGVZdpu","response_id":"resp_1","#,
            r#""item_id":"item_CJ2zdKiBA8zHOTrUZjbwZ","output_index":0,"content_index":0,"delta":"{}"}}"#
        ),
        payload(octets)
    );
    let now = Instant::now();
    let mut session = session(now);
    Box::new(move || {
        session.handle_input(now, socket(LinkInput::Text(text.as_str().into())));
        while let Some(output) = session.poll_output() {
            black_box(output);
        }
    })
}

fn frame_to_append() -> Step {
    let now = Instant::now();
    let mut session = session(now);
    session.handle_input(now, Input::CallerStarted { at: now });
    let frame = SharedFrame::new(PcmFrame::silence(Codec::Pcmu));
    Box::new(move || {
        session.handle_input(now, Input::Audio(SharedFrame::clone(&frame)));
        while let Some(output) = session.poll_output() {
            if let Output::Send { frame, .. } = output {
                black_box(frame);
            }
        }
    })
}

fn media_in() -> Step {
    let text = format!(
        concat!(
            r#"{{"event":"media","sequenceNumber":"4","streamSid":"MZ00000000000000000000000000000001","#,
            r#""media":{{"track":"inbound","chunk":"3","timestamp":"61","payload":"{}"}}}}"#
        ),
        payload(160)
    );
    let mut audio = Vec::new();
    Box::new(move || {
        audio.clear();
        if let Ok(StreamEvent::Media(media)) = StreamEvent::parse(black_box(&text)) {
            black_box(media.payload.decode_into(&mut audio).is_ok());
        }
        assert_eq!(audio.len(), 160);
    })
}

fn media_out() -> Step {
    let writer = CommandWriter::new("MZ00000000000000000000000000000001");
    let audio = [0x7F; 160];
    Box::new(move || {
        black_box(writer.media(black_box(&audio)));
    })
}
