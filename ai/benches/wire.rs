//! The hot frames of one AI call: what the caller's and the agent's audio cost as JSON.
//!
//! Budget, one core: 100 calls make 2,500 appends and 2,500 to 5,000 deltas a second, and as many Media Streams frames
//! each way on a Twilio leg. At 2 us each that is 1.5 % of a core, 0.015 % a call.

use std::hint::black_box;
use std::time::Instant;

use ai::engine::{Engine, Input, Output, ProviderInput};
use ai::media_streams::{CommandWriter, StreamEvent};
use ai::realtime::{RealtimeConfig, RealtimeSession};
use divan::Bencher;
use media::codec::Codec;
use media::frame::{PcmFrame, SharedFrame};

fn main() {
    divan::main();
}

/// A session whose response is active.
fn session(now: Instant) -> RealtimeSession {
    let config = RealtimeConfig { first_message: Some("Hello.".into()), ..RealtimeConfig::default() };
    let mut session = RealtimeSession::new(config, 1);
    let created = r#"{"type":"response.created","response":{"id":"resp_1"}}"#;
    for input in [Input::Started, Input::Provider(ProviderInput::Connected), Input::Provider(ProviderInput::Text(created.into()))]
    {
        session.handle_input(now, input);
        while session.poll_output().is_some() {}
    }
    session
}

/// A delta as the server sends it, with `octets` of audio.
fn delta(octets: usize) -> String {
    let media = CommandWriter::new("").media(&vec![0x7F; octets]);
    let payload = media.split('"').rev().nth(1).unwrap_or_default().to_owned();
    format!(
        concat!(
            r#"{{"type":"response.output_audio.delta","event_id":"event_CJ2zd8wFzWnRbwTGVZdpu","response_id":"resp_1","#,
            r#""item_id":"item_CJ2zdKiBA8zHOTrUZjbwZ","output_index":0,"content_index":0,"delta":"{}"}}"#
        ),
        payload
    )
}

/// Budget: 2 us for 20 ms, 10 us for 500 ms.
#[divan::bench(args = [160, 800, 4_000])]
fn delta_to_audio(bencher: Bencher<'_, '_>, octets: usize) {
    let now = Instant::now();
    let mut session = session(now);
    let text = delta(octets);
    bencher.with_inputs(|| text.as_str().into()).bench_local_values(|text| {
        session.handle_input(now, Input::Provider(ProviderInput::Text(text)));
        while let Some(output) = session.poll_output() {
            black_box(output);
        }
    });
}

/// Budget: 1 us a frame, of which every second is sent.
#[divan::bench]
fn frame_to_append(bencher: Bencher<'_, '_>) {
    let now = Instant::now();
    let mut session = session(now);
    session.handle_input(now, Input::CallerStarted { at: now });
    let frame = SharedFrame::new(PcmFrame::silence(Codec::Pcmu));
    bencher.bench_local(|| {
        session.handle_input(now, Input::Audio(SharedFrame::clone(&frame)));
        while let Some(output) = session.poll_output() {
            if let Output::Send(frame) = output {
                black_box(frame);
            }
        }
    });
}

/// Budget: 1 us, decoded into a buffer that is used again.
#[divan::bench]
fn media_in(bencher: Bencher<'_, '_>) {
    let payload = delta(160).split('"').rev().nth(1).unwrap_or_default().to_owned();
    let text = format!(
        concat!(
            r#"{{"event":"media","sequenceNumber":"4","streamSid":"MZ00000000000000000000000000000001","#,
            r#""media":{{"track":"inbound","chunk":"3","timestamp":"61","payload":"{}"}}}}"#
        ),
        payload
    );
    let mut audio = Vec::new();
    bencher.bench_local(|| {
        audio.clear();
        if let Ok(StreamEvent::Media(media)) = StreamEvent::parse(black_box(&text)) {
            black_box(media.payload.decode_into(&mut audio).is_ok());
        }
    });
    assert_eq!(audio.len(), 160);
}

/// Budget: 0.5 us.
#[divan::bench]
fn media_out(bencher: Bencher<'_, '_>) {
    let writer = CommandWriter::new("MZ00000000000000000000000000000001");
    let audio = [0x7F; 160];
    bencher.bench_local(|| writer.media(black_box(&audio)));
}
