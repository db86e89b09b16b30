//! Frames as the protocol sheet shows them.

use super::*;
use crate::tools::Tool;

fn sent(session: &mut RealtimeSession) -> Vec<Value> {
    let mut frames = Vec::new();
    while let Some(output) = session.poll_output() {
        if let Output::Send { frame: Frame::Text(frame), .. } = output {
            frames.push(serde_json::from_str(frame.as_str()).unwrap());
        }
    }
    frames
}

/// From the first socket.
fn socket(input: LinkInput) -> Input {
    Input::Link { link: LinkId(1), input }
}

fn session_update(config: RealtimeConfig) -> Value {
    let now = Instant::now();
    let mut session = RealtimeSession::new(config, 1);
    for input in [Input::Started, socket(LinkInput::Opened)] {
        while session.poll_output().is_some() {}
        session.handle_input(now, input);
    }
    sent(&mut session).remove(0)
}

#[test]
fn the_session_is_set_up_as_the_sheet_says_with_our_turn_taking() {
    let lookup =
        Tool { name: "lookup".into(), description: "...".into(), parameters: json!({ "type": "object", "properties": {} }) };
    let update = session_update(RealtimeConfig {
        instructions: "You answer phone calls for Example Co.".into(),
        transcription: Some(Transcription { model: "gpt-4o-mini-transcribe".into(), language: Some("en".into()) }),
        tools: vec![lookup],
        ..silent()
    });
    let expected: Value = serde_json::from_str(
        r#"{"type":"session.update","event_id":"session","session":{
          "type":"realtime",
          "instructions":"You answer phone calls for Example Co.",
          "output_modalities":["audio"],
          "audio":{
            "input":{
              "format":{"type":"audio/pcmu"},
              "transcription":{"model":"gpt-4o-mini-transcribe","language":"en"},
              "turn_detection":null},
            "output":{"format":{"type":"audio/pcmu"},"voice":"marin"}},
          "tools":[{"type":"function","name":"lookup","description":"...","parameters":{"type":"object","properties":{}}}],
          "tool_choice":"auto"}}"#,
    )
    .unwrap();
    assert_eq!(update, expected);
}

#[test]
fn an_a_law_leg_has_an_a_law_session() {
    let config = RealtimeConfig { codec: Codec::Pcma, transcription: None, ..silent() };
    let audio = &session_update(config)["session"]["audio"];
    assert_eq!(audio["input"], json!({ "format": { "type": "audio/pcma" }, "transcription": null, "turn_detection": null }));
    assert_eq!(audio["output"]["format"], json!({ "type": "audio/pcma" }));
}

#[test]
fn a_voice_has_a_speed_when_it_is_not_its_own() {
    let speed = |speed| session_update(RealtimeConfig { speed, ..silent() })["session"]["audio"]["output"]["speed"].clone();
    assert_eq!((speed(1.0), speed(1.1)), (Value::Null, json!(1.1)));
}

#[test]
fn frames_are_the_sheets() {
    let now = Instant::now();
    let mut session = RealtimeSession::new(silent(), 1);
    let mut run = |input| {
        while session.poll_output().is_some() {}
        session.handle_input(now, input);
        sent(&mut session)
    };
    let text = |line: &str| socket(LinkInput::Text(event(line).into()));
    run(Input::Started);
    run(socket(LinkInput::Opened));
    let mut frame = PcmFrame::silence(Codec::Pcmu);
    frame.encoded = vec![0xFF, 0xFF, 0x7F];
    run(Input::Audio(Arc::new(frame)));
    run(Input::CallerStarted { at: now });
    assert_eq!(
        run(Input::CallerFinished { last_speech_at: now, speech: Duration::ZERO }),
        [
            json!({ "type": "input_audio_buffer.append", "audio": "//9/" }),
            json!({ "type": "input_audio_buffer.commit" }),
            json!({ "type": "response.create", "event_id": "response-1" }),
        ]
    );
    run(text("created resp_1"));
    run(text("delta resp_1 item_1 80"));
    run(text("call resp_1 call_x completed"));
    assert_eq!(
        run(Input::ToolResult { call_id: "call_x".into(), output: r#"{"ok":true}"#.into() }),
        [serde_json::from_str::<Value>(
            r#"{"type":"conversation.item.create","item":{"type":"function_call_output","call_id":"call_x","output":"{\"ok\":true}"}}"#
        )
        .unwrap()]
    );
    assert_eq!(
        run(Input::BargeInCommitted { prompt: PromptId(0), heard: Duration::from_millis(7) }),
        [
            json!({ "type": "response.cancel", "response_id": "resp_1" }),
            json!({ "type": "conversation.item.truncate", "item_id": "item_1", "content_index": 0, "audio_end_ms": 7 }),
        ]
    );
}

#[test]
fn the_first_message_calls_no_tool_and_is_quoted_safely() {
    let frame: Value = serde_json::from_str(&frames::say(1, "She said \"hi\"\n\\o/")).unwrap();
    let instructions = "Say exactly this to the caller, word for word, and nothing else: She said \"hi\"\n\\o/";
    assert_eq!(
        frame,
        json!({ "type": "response.create", "event_id": "response-1",
                "response": { "tool_choice": "none", "instructions": instructions } })
    );
}

#[test]
fn every_event_of_the_sheet_that_asks_for_nothing_is_known() {
    let mut run = Run::new(silent());
    run.play("started\nconnected");
    run.log.clear();
    for kind in [
        "session.created",
        "session.updated",
        "conversation.created",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.truncated",
        "input_audio_buffer.cleared",
        "response.output_item.added",
        "response.content_part.added",
        "response.content_part.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
    ] {
        run.play(&json!({ "type": kind, "event_id": "event_1" }).to_string());
    }
    run.expect("");
    assert_eq!(run.session.take_stats(), RealtimeStats::default());
}

#[test]
fn what_was_said_stays_out_of_logs() {
    let input = socket(LinkInput::Text("my card is 4111".into()));
    assert!(!format!("{input:?}").contains("4111"));
    let output = Output::ToolCall { call_id: "c".into(), name: "f".into(), arguments: "4111".into() };
    assert!(!format!("{output:?}").contains("4111"));
}
