//! Background of a call: the caller's noise, which the engine hears less of, and a room under the agent, which the caller hears.
#![allow(clippy::unwrap_used)]

#[path = "support/bot.rs"]
mod bot;
mod support;

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bot::{Bot, Stream};
use media::codec::Codec;
use media::units::{Dbov, SampleRate};
use media::wav::{self, WavFormat};
use serde_json::{Value, json};
use support::media_stream::{MediaStream, token, webhook};
use support::{Folder, Server, load, rtp_range, speech, stereo};

/// A server whose assistant is the bot at this URL, with these lines more for it.
fn server(bot: &Bot, own: &str, sections: &str) -> Server {
    let url = bot.url();
    Server::start(&format!(
        "[rtp]\nport_range = \"{}\"\n[node]\nmax_calls = 16\n[[assistants]]\nname = \"demo\"\n{own}\n\
         [assistants.engine]\nkind = \"stream\"\nurl = \"{url}\"\n{sections}",
        rtp_range(16)
    ))
}

/// The recording of the tests with white noise 15 dB under its voice.
fn noisy_speech(folder: &Path) -> PathBuf {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state.cast_signed() >> 16) as f32 / 32_768.0 * 1_000.0
    };
    let clean = stereo::read_mono(&speech()).0.into_iter();
    // `as` saturates.
    let noisy: Vec<u8> = clean.flat_map(|sample| ((f32::from(sample) + noise()) as i16).to_le_bytes()).collect();
    let path = folder.join("noisy.wav");
    let format = WavFormat { channels: 1, rate: SampleRate::HZ_8000 };
    std::fs::write(&path, [&wav::header(format, noisy.len() as u64)[..], &noisy].concat()).unwrap();
    path
}

/// Samples of a `media` message.
fn samples(message: &Value) -> Vec<i16> {
    let octets = STANDARD.decode(message["media"]["payload"].as_str().unwrap()).unwrap();
    let mut samples = Vec::new();
    Codec::Pcmu.decode(&octets, &mut samples);
    samples
}

/// All that the bot hears until the call ends.
fn heard(stream: &mut Stream) -> Vec<i16> {
    std::iter::from_fn(|| stream.next("media")).flat_map(|message| samples(&message)).collect()
}

/// Voice over noise, dB: the loudest tenth of the frames against the quietest, once the noise is known. Frames in which nothing was sent
/// are neither.
fn clearness(samples: &[i16]) -> f32 {
    let levels = samples.chunks_exact(160).skip(150).map(|frame| Dbov::of(frame).0);
    let mut levels: Vec<f32> = levels.filter(|level| *level > -70.0).collect();
    assert!(levels.len() > 300, "{} frames", levels.len());
    levels.sort_by(f32::total_cmp);
    levels[levels.len() * 9 / 10] - levels[levels.len() / 10]
}

#[test]
fn the_engine_hears_less_of_the_noise_and_the_recording_all_of_it() {
    let folder = Folder::new();
    let noisy = noisy_speech(folder.path());
    let sent = clearness(&stereo::read_mono(&noisy).0);
    for (own, gained) in [("background_denoising = true", 7.0..20.0), ("", -1.0..1.0)] {
        let bot = Bot::start();
        let server = server(&bot, own, "");
        let target = server.sip.to_string();
        let audio = noisy.to_str().unwrap().to_owned();
        let call = std::thread::spawn(move || {
            load(&["sip", "--target", &target, "--hold", "13", "--say", "continuous", "--audio", &audio, "--allow-failures"])
        });
        let (mut stream, _) = bot.started();
        let engine = clearness(&heard(&mut stream));
        call.join().unwrap();
        let ended = server.ended_calls(1).remove(0);
        let [caller, _] = stereo::read(&server.recording(&ended));
        let recorded = clearness(&caller.0);
        println!("{own}: sent {sent} dB, heard {engine} dB, recorded {recorded} dB");
        assert!(gained.contains(&(engine - sent)), "{own}: {sent} dB were sent and {engine} dB heard");
        assert!((recorded - sent).abs() < 1.0, "{own}: {sent} dB were sent and {recorded} dB recorded");
    }
}

/// Levels that the caller heard and that were recorded of the agent, in a call of four seconds in which a tone is said in the middle.
fn levels(own: &str) -> [f32; 2] {
    let folder = Folder::new();
    let tape = folder.path().join("call.wav");
    let bot = Bot::start();
    let server = server(&bot, "", own);
    let (target, path) = (server.sip.to_string(), tape.to_str().unwrap().to_owned());
    let call = std::thread::spawn(move || {
        load(&["sip", "--target", &target, "--hold", "4", "--say", "silent", "--save-wav", &path, "--allow-failures"])
    });
    let (mut stream, _) = bot.started();
    stream.hear(100);
    stream.say(200);
    stream.mark("said");
    stream.wait("mark");
    while stream.next("media").is_some() {}
    call.join().unwrap();
    let ended = server.ended_calls(1).remove(0);
    [tape, server.recording(&ended)].map(|path| {
        let [_, agent] = stereo::read(&path);
        let mut levels: Vec<f32> = agent.0.chunks_exact(160).map(|frame| Dbov::of(frame).0).collect();
        assert!(levels.iter().any(|level| *level > -15.0), "the tone is heard");
        levels.sort_by(f32::total_cmp);
        levels[levels.len() / 2]
    })
}

#[test]
fn a_caller_hears_the_room_while_the_agent_is_silent_and_nothing_when_there_is_none() {
    for level in levels("[assistants.ambience]\nsound = \"room\"\nlevel_dbov = -40\n") {
        assert!((-44.0..-36.0).contains(&level), "{level} dBov");
    }
    for level in levels("") {
        assert!(level < -70.0, "{level} dBov");
    }
}

#[test]
fn a_file_is_heard_over_twilio_too() {
    let folder = Folder::new();
    let file = noisy_speech(folder.path());
    let bot = Bot::start();
    let server = server(&bot, "", &format!("[assistants.ambience]\nsound = \"file\"\nfile = {file:?}\nlevel_dbov = -30\n"));
    let (_, twiml) = webhook(server.http, "/twilio/voice", "CA1");
    let mut twilio = MediaStream::start(server.http, "CA1", &token(&twiml));
    let (mut stream, _) = bot.started();
    let silent: Vec<i16> = (0..150).flat_map(|_| samples(&twilio.wait("media").unwrap())).collect();
    let level = Dbov::of(&silent).0;
    assert!((-38.0..-22.0).contains(&level), "{level} dBov");
    twilio.send(&json!({"event": "stop", "streamSid": "MZ1", "stop": {"accountSid": "AC1", "callSid": "CA1"}}));
    stream.wait("stop");
}
