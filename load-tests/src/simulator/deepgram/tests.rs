//! Deepgram's protocols in virtual time.
#![allow(clippy::unwrap_used)]

use serde_json::Value;

use super::*;
use crate::simulator::faults::Fault;
use crate::simulator::provider::Provider;
use crate::simulator::route::Open;
use crate::simulator::story::{Client, Story};

const SCRIPT: &str = "[[turns]]\nheard = \"Where is it?\"\ntext = \"On its way. Good day!\"\n[[turns]]\nheard = \"Bye.\"";
const RAW: &str = "encoding=mulaw&sample_rate=8000";

fn tell(event: &Value) -> String {
    let mut word = event["event"].as_str().or(event["type"].as_str()).unwrap().to_owned();
    let heard = event["transcript"].as_str().or(event["channel"]["alternatives"][0]["transcript"].as_str());
    word += &heard.map(|heard| format!("{heard:?}")).unwrap_or_default();
    for flag in ["is_final", "speech_final", "from_finalize"] {
        word += if event[flag] == true { &flag[..2] } else { "" };
    }
    for name in ["sequence_id", "turn_index", "code", "trigger"] {
        if !event[name].is_null() && (name != "sequence_id" || event["turn_index"].is_null()) {
            word += &format!("#{}", event[name]);
        }
    }
    word
}

fn open(ask: Open, query: &str) -> Result<Story, String> {
    Client::new(Provider::Deepgram, SCRIPT).open(ask, query, tell)
}

#[test]
fn listen_gives_interim_results_and_a_final_one() {
    let query = format!("model=nova-3&{RAW}&interim_results=true&vad_events=true&utterance_end_ms=1000");
    let mut story = open(listen, &query).unwrap();
    assert_eq!(
        story.run("quiet 100\nspeak 700\nquiet 1200"),
        "160:SpeechStarted 180:Results\"Where\" 400:Results\"Where is\" 950:Results\"Where is it?\"issp 1950:UtteranceEnd"
    );
    assert_eq!(story.run("speak 200\nquiet 200"), "2060:SpeechStarted 2350:Results\"Bye.\"issp");
}

#[test]
fn listen_finalizes_and_closes_by_the_clients_wish() {
    let mut story = open(listen, &format!("model=nova-3&{RAW}")).unwrap();
    assert_eq!(story.run("speak 200\n{\"type\":\"Finalize\"}"), "200:Results\"Where is it?\"isfr");
    assert_eq!(story.run("{\"type\":\"Finalize\"}"), "200:Results\"\"isfr");
    assert_eq!(story.run("{\"type\":\"CloseStream\"}"), "200:Metadata 200:CLOSE 1000");
}

#[test]
fn listen_without_audio_ends_and_a_keepalive_helps_only_after_the_first() {
    let query = format!("model=nova-3&{RAW}");
    let mut story = open(listen, &query).unwrap();
    assert_eq!(story.run("+5000\n{\"type\":\"KeepAlive\"}\n+5000").split(' ').next(), Some("10000:CLOSE"));
    let mut story = open(listen, &query).unwrap();
    let kept = "quiet 20\n+9000\n{\"type\":\"KeepAlive\"}\n+9000\n{\"type\":\"KeepAlive\"}\n+9990";
    assert_eq!(story.run(kept), "");
    assert!(story.run("+10").starts_with("28020:CLOSE 1011"));
    let mut story = open(listen, &query).unwrap();
    assert_eq!(story.run("binary"), "0:CLOSE 1011");
    assert_eq!(open(listen, &query).unwrap().run("{\"type\":\"Song\"}"), "0:CLOSE 1008");
}

#[test]
fn bad_parameters_are_refused() {
    let check = |ask, query: &str, want: &str| {
        let got = open(ask, query).err().unwrap_or_else(|| "taken".to_owned());
        assert!(got.starts_with("400") && got.contains(want), "{query}: {got}");
    };
    check(listen, "model=nova-3&encoding=mulaw", "encoding needs sample_rate");
    check(listen, "model=nova-3&sample_rate=8000", "sample_rate needs encoding");
    check(listen, &format!("model=nova-3&{RAW}&utterance_end_ms=1000"), "needs interim_results");
    check(listen, &format!("model=nova-3&{RAW}&interim_results=yes"), "neither true nor false");
    check(listen, &format!("model=nova-3&{RAW}&keywords=a"), "use keyterm");
    check(listen, &format!("model=gpt&{RAW}"), "no such model");
    check(flux, &format!("model=flux-general-en&{RAW}&interim_results=true"), "unknown query parameter interim_results");
    check(flux, &format!("model=flux-general-en&{RAW}&eager_eot_threshold=0.8&eot_threshold=0.7"), "eager_eot_threshold");
    check(flux, RAW, "model is missing");
    check(speak, "model=aura-2-thalia-en&encoding=mulaw&sample_rate=44100", "sample_rate");
    check(speak, "model=aura-2-thalia-en&encoding=mulaw&container=none", "container");
    check(flux_speak, "model=aura-2-thalia-en", "no such model");
}

#[test]
fn flux_tells_turns() {
    let mut story = open(flux, &format!("model=flux-general-en&{RAW}&eager_eot_threshold=0.4")).unwrap();
    assert_eq!(
        story.run("speak 200\nquiet 100\nspeak 400\nquiet 200"),
        "0:Connected#0 60:StartOfTurn\"\"#0 80:Update\"Where\"#0 280:EagerEndOfTurn\"Where is it?\"#0 \
         320:TurnResumed\"Where is\"#0 320:Update\"Where is\"#0 780:EagerEndOfTurn\"Where is it?\"#0 \
         850:EndOfTurn\"Where is it?\"#0#\"model\""
    );
    let configure = "{\"type\":\"Configure\",\"thresholds\":{\"eot_threshold\":0.99}}\n\
        {\"type\":\"Configure\",\"thresholds\":{\"eot_threshold\":0.8}}";
    assert_eq!(story.run(configure), "900:ConfigureFailure#8#\"INVALID_VALUE\" 900:ConfigureSuccess#9");
    assert_eq!(
        story.run("speak 100\n{\"type\":\"ForceEndTurn\"}\n{\"type\":\"CloseStream\"}"),
        "960:StartOfTurn\"\"#1 1000:EndOfTurn\"Bye.\"#1#\"manual\" 1000:CLOSE 1000"
    );
}

#[test]
fn aura_speaks_sentences_and_flushes() {
    let mut story = open(speak, "encoding=mulaw&sample_rate=8000").unwrap();
    let sent = "{\"type\":\"Speak\",\"text\":\"Hi you. Bye\"}\n+300\n{\"type\":\"Flush\"}\n+300";
    assert_eq!(
        story.run(sent),
        "0:Metadata 100:1920B 160:1440B 400:1920B 400:Flushed#0",
        "the first sentence at once, the rest at the flush"
    );
    let cleared = "{\"type\":\"Speak\",\"text\":\"Too late. Really\"}\n{\"type\":\"Clear\"}\n+1000\n{\"type\":\"Close\"}";
    assert_eq!(story.run(cleared), "600:Cleared#1 1600:CLOSE 1000");
    let many = "{\"type\":\"Flush\"}\n".repeat(21);
    assert!(open(speak, RAW).unwrap().run(&many).ends_with("0:Flushed#19 0:Warning#\"EXCESSIVE_FLUSH\""));
    assert_eq!(open(speak, RAW).unwrap().run("binary"), "0:Metadata 0:CLOSE 1003");
}

#[test]
fn flux_speech_is_by_turns() {
    let mut story = open(flux_speak, &format!("model=flux-alexis-en&{RAW}")).unwrap();
    assert_eq!(
        story.run("{\"type\":\"Flush\"}\n{\"type\":\"Speak\",\"text\":\"Hi\"}\n{\"type\":\"Close\"}\n+200"),
        "0:Connected 0:Warning#\"NO_ACTIVE_SPEECH\" 0:SpeechStarted 100:960B 100:SpeechMetadata 100:Flushed \
         100:SessionMetadata 100:CLOSE 1000"
    );
}

#[test]
fn one_request_is_spoken_with_the_container_that_was_asked_for() {
    let mut client = Client::new(Provider::Deepgram, SCRIPT);
    let bytes = |story: &str| story.len();
    let raw = client.ask(speak_once, "encoding=mulaw&container=none", "{\"text\":\"Hi there\"}");
    let wav = client.ask(speak_once, "encoding=mulaw", "{\"text\":\"Hi there\"}");
    assert!(raw.starts_with("100:") && wav.starts_with("100:RIFF") && bytes(&wav) > bytes(&raw));
    assert!(client.ask(speak_once, "encoding=mulaw", &format!("{{\"text\":\"{}\"}}", "a".repeat(2_401))).starts_with("413"));
    assert!(client.ask(speak_once, "", "{\"text\":\"Hi\"}").starts_with("400"));
    client.fault = Some(Fault::Drip);
    let mut story = client.open(speak, RAW, tell).unwrap();
    let dripped = story.run("{\"type\":\"Speak\",\"text\":\"Hi\"}\n{\"type\":\"Flush\"}\n+500");
    assert_eq!(dripped, "0:Metadata 100:1B 300:1B 500:1B");
}

#[test]
fn a_turn_brings_its_fault_where_it_says() {
    let script = "[[turns]]\nheard = \"a\"\nfault = \"reset\"\nfault_stage = \"stt\"\nfault_times = 1";
    let client = Client::new(Provider::Deepgram, script);
    let mut story = client.open(listen, &format!("model=nova-3&{RAW}"), tell).unwrap();
    let got = story.run("speak 200\nquiet 200\nspeak 200\nquiet 200");
    assert_eq!(got, "60:Arm(Reset) 350:Results\"a\"issp 750:Results\"a\"issp");
}
