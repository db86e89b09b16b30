//! One turn of one stage with a provider, outside of any call: for checks of keys and settings, and of the adapters themselves.

use std::time::Duration;

use bytes::Bytes;
use media::codec::Codec;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::engine::{EngineError, Words};
use crate::link::http::HttpClient;
use crate::link::socket::{self, Socket};
use crate::link::{Frame, LinkInput, Target};
use crate::responder::{Conversation, Responded, Responder, Stop, ToolCall};
use crate::synthesizer::{SpeechId, Synthesized, Synthesizer};
use crate::transcriber::{Intake, Transcribed, Transcriber};

/// Caller audio goes out in frames of a call's length, in real time.
const FRAME: Duration = Duration::from_millis(20);
const FRAME_OCTETS: usize = 160;

/// How long a transcriber that finds turns by itself is given silence after words that it has told as final.
const SETTLED: Duration = Duration::from_millis(1_500);

/// A speech of 1961, in the public domain: 16-bit samples at 8 kHz, and how many of them are said in its first words.
const SPEECH: &[u8] = include_bytes!("../../../media/tests/data/jfk_8k.wav");
const SAMPLE: usize = 8 * 2_400;

/// Octets of `codec` in which somebody says "And so, my fellow Americans".
pub fn sample(codec: Codec) -> Vec<u8> {
    let octets = SPEECH.get(media::wav::HEADER..).unwrap_or_default().chunks_exact(2).take(SAMPLE);
    let samples: Vec<i16> = octets.map(|octets| i16::from_le_bytes([octets[0], octets[1]])).collect();
    let mut encoded = Vec::with_capacity(SAMPLE);
    codec.encode(&samples, &mut encoded);
    encoded
}

/// What a model answered.
#[derive(Debug, Default)]
pub struct Answered {
    /// Its words.
    pub text: String,
    /// What it called.
    pub calls: Vec<ToolCall>,
    /// Why it ended.
    pub stop: Option<Stop>,
    /// From the request to the first words or call.
    pub first: Duration,
}

/// What a synthesizer spoke.
#[derive(Debug, Default)]
pub struct Spoken {
    /// Octets in the synthesizer's format, a piece each.
    pub audio: Vec<Vec<u8>>,
    /// Text that was told with a time, a piece each.
    pub aligned: Vec<String>,
    /// From asking, the socket being open, to the first audio.
    pub first: Duration,
}

/// What a transcriber understood.
#[derive(Debug, Default)]
pub struct Heard {
    /// Its final words.
    pub text: String,
    /// Whether it thought that the turn was over.
    pub end_of_turn: bool,
    /// From the end of the audio to the last word.
    pub last: Duration,
}

/// Asks a model, and reads its answer within `limit`.
///
/// # Errors
/// As the model's adapter and its link; [`EngineError::Reported`] past the limit.
pub async fn answer(
    client: &HttpClient,
    responder: &dyn Responder,
    conversation: &Conversation<'_>,
    limit: Duration,
) -> Result<Answered, EngineError> {
    let answer = async {
        let asked = Instant::now();
        let mut pieces = client.open(responder.request(conversation)?).await?;
        let (mut reader, mut answered) = (responder.reader(), Answered::default());
        while let Some(input) = pieces.recv().await {
            let mut out = Vec::new();
            match input {
                LinkInput::Text(text) => reader.handle(text.as_str(), &mut out)?,
                LinkInput::Closed { error } => return Err(error),
                LinkInput::Binary(_) | LinkInput::Ended | LinkInput::Opened => {}
            }
            for said in out {
                if answered.first.is_zero() {
                    answered.first = asked.elapsed();
                }
                match said {
                    Responded::Done(stop) => answered.stop = Some(stop),
                    Responded::Text(words) => answered.text.push_str(words.as_str()),
                    Responded::ToolCall(call) => answered.calls.push(call),
                    Responded::Used(_) => {}
                }
            }
        }
        match answered.stop {
            Some(_) => Ok(answered),
            None => Err(EngineError::Closed { code: None, reason: "answer without an end".to_owned() }),
        }
    };
    within(limit, answer).await
}

/// Speaks `texts`, a piece each, within `limit`.
///
/// # Errors
/// As [`answer`].
pub async fn speak(
    client: &HttpClient,
    synthesizer: &mut dyn Synthesizer,
    texts: &[&str],
    limit: Duration,
) -> Result<Spoken, EngineError> {
    let speak = async {
        let empty = || (vec![Vec::new(); texts.len()], vec![String::new(); texts.len()]);
        let (audio, aligned) = empty();
        let mut speaking = Speaking { spoken: Spoken { audio, aligned, first: Duration::ZERO }, done: 0, asked: Instant::now() };
        if let Some(target) = synthesizer.socket()? {
            let mut socket = socket::connect(&target).await?;
            synthesizer.reset();
            speaking.asked = Instant::now();
            let mut next = 0;
            while speaking.done < texts.len() {
                while next < texts.len() && next <= speaking.done + synthesizer.pieces_ahead() {
                    let mut frames = Vec::new();
                    synthesizer.speak(SpeechId(next as u64), &texts[next].into(), &mut frames);
                    send(&socket, frames).await?;
                    next += 1;
                }
                let input = socket.events.recv().await.ok_or_else(lost)?;
                speaking.handle(synthesizer, None, &input)?;
            }
            return Ok(speaking.spoken);
        }
        for (index, text) in texts.iter().enumerate() {
            let mut pieces = client.open(synthesizer.request(&Words::from(*text))?).await?;
            while let Some(input) = pieces.recv().await {
                speaking.handle(synthesizer, Some(SpeechId(index as u64)), &input)?;
            }
        }
        if speaking.done < texts.len() { Err(lost()) } else { Ok(speaking.spoken) }
    };
    within(limit, speak).await
}

struct Speaking {
    spoken: Spoken,
    done: usize,
    asked: Instant,
}

impl Speaking {
    fn handle(
        &mut self,
        synthesizer: &mut dyn Synthesizer,
        request: Option<SpeechId>,
        input: &LinkInput,
    ) -> Result<(), EngineError> {
        if let LinkInput::Closed { error } = input {
            return Err(error.clone());
        }
        let mut out = Vec::new();
        synthesizer.handle(request, input, &mut out)?;
        for said in out {
            match said {
                Synthesized::Aligned { speech, text, .. } => {
                    if let Some(aligned) = self.spoken.aligned.get_mut(speech.0 as usize) {
                        aligned.push_str(text.as_str());
                    }
                }
                Synthesized::Audio { speech, audio } => {
                    if self.spoken.first.is_zero() {
                        self.spoken.first = self.asked.elapsed();
                    }
                    if let Some(piece) = self.spoken.audio.get_mut(speech.0 as usize) {
                        piece.extend_from_slice(&audio);
                    }
                }
                Synthesized::Done { .. } => self.done += 1,
                Synthesized::Failed { error, .. } => return Err(error),
            }
        }
        Ok(())
    }
}

/// Has `octets` of a telephone's codec written down, in real time and within `limit`.
///
/// # Errors
/// As [`answer`].
pub async fn transcribe(
    client: &HttpClient,
    transcriber: &mut dyn Transcriber,
    (codec, octets): (Codec, &[u8]),
    limit: Duration,
) -> Result<Heard, EngineError> {
    let transcribe = async {
        if transcriber.intake() == Intake::Utterances {
            let target = transcriber.request(codec, octets)?;
            return by_request(client, transcriber, target).await;
        }
        let socket = socket::connect(&transcriber.socket()?).await?;
        transcriber.reset();
        by_socket(socket, transcriber, codec, octets).await
    };
    within(limit, transcribe).await
}

async fn by_request(client: &HttpClient, transcriber: &mut dyn Transcriber, target: Target) -> Result<Heard, EngineError> {
    let (asked, mut hearing) = (Instant::now(), Hearing::default());
    let mut pieces = client.open(target).await?;
    while let Some(input) = pieces.recv().await {
        hearing.handle(transcriber, &input)?;
    }
    if !hearing.flushed {
        return Err(lost());
    }
    Ok(Heard { last: asked.elapsed(), ..hearing.heard })
}

async fn by_socket(
    mut socket: Socket,
    transcriber: &mut dyn Transcriber,
    codec: Codec,
    octets: &[u8],
) -> Result<Heard, EngineError> {
    let continuous = transcriber.intake() == Intake::Continuous;
    let silence = [codec.row().silence; FRAME_OCTETS];
    let mut frames = octets.chunks(FRAME_OCTETS);
    let mut hearing = Hearing::default();
    let mut clock = interval(FRAME);
    clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut ended: Option<Instant> = None;
    loop {
        tokio::select! {
            input = socket.events.recv() => hearing.handle(transcriber, &input.ok_or_else(lost)?)?,
            _ = clock.tick() => {
                let frame = frames.next();
                if frame.is_none() && ended.is_none() {
                    ended = Some(Instant::now());
                    (hearing.flushed, hearing.heard.end_of_turn) = (false, false);
                    if let Some(flush) = transcriber.flush() {
                        send(&socket, vec![flush]).await?;
                    }
                }
                // Who finds turns by itself has to hear the silence after one.
                let audio = frame.or(continuous.then_some(&silence));
                let audio = audio.and_then(|audio| transcriber.audio(Bytes::copy_from_slice(audio)));
                send(&socket, audio.into_iter().collect()).await?;
            }
        }
        let Some(ended) = ended else { continue };
        let settled = hearing.interim.is_empty() && !hearing.heard.text.is_empty() && ended.elapsed() > SETTLED;
        if hearing.flushed || hearing.heard.end_of_turn || continuous && settled {
            let last = hearing.at.map_or(Duration::ZERO, |at| at.saturating_duration_since(ended));
            send(&socket, transcriber.farewell().into_iter().collect()).await?;
            return Ok(Heard { last, ..hearing.heard });
        }
    }
}

#[derive(Default)]
struct Hearing {
    heard: Heard,
    interim: String,
    flushed: bool,
    /// When the last final words came.
    at: Option<Instant>,
}

impl Hearing {
    fn handle(&mut self, transcriber: &mut dyn Transcriber, input: &LinkInput) -> Result<(), EngineError> {
        if let LinkInput::Closed { error } = input {
            return Err(error.clone());
        }
        let mut out = Vec::new();
        transcriber.handle(input, &mut out)?;
        for said in out {
            match said {
                Transcribed::Final(words) => {
                    let gap = if self.heard.text.is_empty() { "" } else { " " };
                    self.heard.text = format!("{}{gap}{}", self.heard.text, words.as_str());
                    self.interim.clear();
                    self.at = Some(Instant::now());
                }
                Transcribed::Interim(words) => self.interim = words.into_string(),
                Transcribed::Flushed => self.flushed = true,
                Transcribed::EndOfTurn => self.heard.end_of_turn = true,
                Transcribed::EagerEnd | Transcribed::Language(_) | Transcribed::Resumed => {}
                Transcribed::SpeechStarted | Transcribed::Used(_) => {}
            }
        }
        Ok(())
    }
}

async fn send(socket: &Socket, frames: Vec<Frame>) -> Result<(), EngineError> {
    for frame in frames {
        socket.send.send(frame).await.map_err(|mpsc::error::SendError(_)| lost())?;
    }
    Ok(())
}

fn lost() -> EngineError {
    EngineError::Closed { code: None, reason: "ended before all was said".to_owned() }
}

async fn within<T>(limit: Duration, trial: impl Future<Output = Result<T, EngineError>>) -> Result<T, EngineError> {
    let late = |_| EngineError::Reported { code: "late".to_owned(), message: format!("no end within {} s", limit.as_secs()) };
    timeout(limit, trial).await.map_err(late)?
}
