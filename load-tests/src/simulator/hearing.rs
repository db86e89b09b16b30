//! What speech to text makes of audio: it finds speech by level, and the words are the script's.
//!
//! ```text
//! audio      speech...............|  silence
//! events     Started  Words Words |---- silence_needed ----| Ended
//!                                 |-- eager_after --| Eager     (Resumed when speech goes on)
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::faults::{Fault, Stage};
use super::provider::Provider;
use super::server::Shared;
use super::sound::Format;
use super::speaker::DRIP;
use crate::speech;

/// Level above which audio is speech, dBov: between line noise (-60) and a quiet voice (-35).
const SPEECH_DBOV: f32 = -42.0;
/// Below the loudest speech so far by this much, audio is a recording's own noise.
const NOISE_BELOW_PEAK_DB: f32 = 24.0;
/// While audio is above this, dBov, the pause is one within a recording, and the utterance is not over.
const HUM_DBOV: f32 = -46.0;
/// But not for longer than this, milliseconds: longer pauses part the utterances of a recording.
const HUM_MS_MAX: u64 = 1_000;
/// Audio is judged in blocks this long, milliseconds.
const BLOCK_MS: u64 = 10;
/// Speech this long starts an utterance: shorter sounds are clicks.
const ONSET_MS: u64 = 60;
/// A spoken word takes this long where the script does not say how long the caller speaks.
const WORD_MS: u64 = 300;
/// A pause this long ends every utterance, whatever its `heard_ms`.
const PAUSE_MS_MAX: u64 = 3_000;

/// What was noticed. Times are milliseconds of audio since the session began.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Noticed {
    /// Speech began; a turn of the script with a fault brings it.
    Started { at_ms: u64, fault: Option<Fault> },
    /// One word more is known.
    Words,
    /// The utterance may be over.
    Eager,
    /// It was not.
    Resumed,
    /// It is over.
    Ended,
}

/// Words of an utterance with their times, milliseconds of audio.
pub(super) type Words = Vec<(String, u64, u64)>;

/// How long silences must be. Fixed when the session begins.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Patience {
    /// Silence that ends an utterance, where the protocol's client asked for more than the script's `stt_final_ms`.
    pub endpointing: Duration,
    /// Silence after which it may be over.
    pub eager_after: Option<Duration>,
}

/// One stream of audio.
#[derive(Debug)]
pub(super) struct Hearing {
    shared: Arc<Shared>,
    provider: Provider,
    format: Format,
    patience: Patience,
    drip: bool,
    rest: Vec<u8>,
    samples: u64,
    voiced_ms: u64,
    /// Level of the loudest speech so far, dBov.
    peak: f32,
    utterances: usize,
    now: Option<Utterance>,
    noticed: VecDeque<Noticed>,
}

#[derive(Debug)]
struct Utterance {
    turn: usize,
    start_ms: u64,
    /// End of the last speech: in audio, and when it arrived.
    voiced_until_ms: u64,
    voiced_at: Instant,
    /// End of the last sound above silence, in audio.
    hum_until_ms: u64,
    words: usize,
    eager: bool,
}

impl Hearing {
    pub(super) fn new(shared: Arc<Shared>, provider: Provider, format: Format, patience: Patience, fault: Option<Fault>) -> Self {
        Self {
            shared,
            provider,
            format,
            patience,
            drip: fault == Some(Fault::Drip),
            rest: Vec::new(),
            samples: 0,
            voiced_ms: 0,
            peak: f32::NEG_INFINITY,
            utterances: 0,
            now: None,
            noticed: VecDeque::new(),
        }
    }

    /// Takes audio that arrived at `now`.
    pub(super) fn handle_audio(&mut self, now: Instant, octets: &[u8]) {
        self.rest.extend_from_slice(octets);
        let block = self.format.bytes(BLOCK_MS);
        let whole = self.rest.len() - self.rest.len() % block;
        let audio: Vec<u8> = self.rest.drain(..whole).collect();
        let count = (whole / block) as u64;
        for (index, octets) in audio.chunks(block).enumerate() {
            // The last block was spoken just now, and those before it earlier.
            let behind = Duration::from_millis((count - 1 - index as u64) * BLOCK_MS);
            self.handle_block(now.checked_sub(behind).unwrap_or(now), octets);
        }
        self.handle_timeout(now);
    }

    fn handle_block(&mut self, now: Instant, octets: &[u8]) {
        let level = speech::level(&self.format.decode(octets));
        let loud = level > SPEECH_DBOV.max(self.peak - NOISE_BELOW_PEAK_DB);
        self.samples += (octets.len() / self.format.sample_bytes()) as u64;
        let at_ms = self.audio_ms();
        if let Some(utterance) = self.now.as_mut().filter(|_| level > HUM_DBOV) {
            utterance.hum_until_ms = at_ms;
        }
        if !loud {
            self.voiced_ms = 0;
            return;
        }
        self.voiced_ms += BLOCK_MS;
        if self.voiced_ms >= ONSET_MS {
            self.peak = self.peak.max(level);
        }
        match &mut self.now {
            Some(utterance) => {
                (utterance.voiced_until_ms, utterance.voiced_at) = (at_ms, now);
                if std::mem::take(&mut utterance.eager) {
                    self.noticed.push_back(Noticed::Resumed);
                }
                self.hear_words();
            }
            None if self.voiced_ms >= ONSET_MS => self.start(now, at_ms),
            None => {}
        }
    }

    fn start(&mut self, now: Instant, at_ms: u64) {
        let turn = self.shared.script.hearing(self.utterances);
        let fault = self.shared.turn_fault(turn, Stage::Stt, self.provider);
        self.drip |= fault == Some(Fault::Drip);
        let start_ms = at_ms.saturating_sub(self.voiced_ms);
        self.now = Some(Utterance {
            turn,
            start_ms,
            voiced_until_ms: at_ms,
            voiced_at: now,
            hum_until_ms: at_ms,
            words: 0,
            eager: false,
        });
        self.noticed.push_back(Noticed::Started { at_ms: start_ms, fault });
    }

    fn hear_words(&mut self) {
        let Some(utterance) = &mut self.now else { return };
        let turn = &self.shared.script.turns[utterance.turn];
        let words = turn.heard.split_whitespace().count();
        let word_ms = if turn.heard_ms > 0 { turn.heard_ms / (words.max(1) as u64) } else { WORD_MS };
        let spoken = (utterance.voiced_until_ms - utterance.start_ms) / word_ms.max(1);
        // The last word is only known at the end.
        if utterance.words as u64 <= spoken && utterance.words + 1 < words {
            utterance.words += 1;
            self.noticed.push_back(Noticed::Words);
        }
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.eager_due().is_some_and(|due| due <= now)
            && self.has_been_quiet()
            && let Some(utterance) = &mut self.now
        {
            utterance.eager = true;
            self.noticed.push_back(Noticed::Eager);
        }
        if self.end_due().is_some_and(|due| due <= now) && self.has_been_quiet() {
            self.noticed.push_back(Noticed::Ended);
        }
    }

    /// Ends an utterance by the client's wish; says whether there was one.
    pub(super) fn finish(&mut self) -> bool {
        if self.now.is_some() {
            self.noticed.push_back(Noticed::Ended);
        }
        self.now.is_some()
    }

    /// Changes when an utterance may be over.
    pub(super) fn set_eager(&mut self, after: Option<Duration>) {
        self.patience.eager_after = after;
    }

    /// What was noticed; after [`Noticed::Ended`] the caller takes [`Hearing::take`].
    pub(super) fn poll(&mut self) -> Option<Noticed> {
        self.noticed.pop_front()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        if !self.has_been_quiet() {
            return None;
        }
        [self.eager_due(), self.end_due()].into_iter().flatten().min()
    }

    /// The words known so far.
    pub(super) fn known(&self) -> Words {
        self.now.as_ref().map(|utterance| self.words(utterance, utterance.words)).unwrap_or_default()
    }

    /// All words of the utterance, known or not.
    pub(super) fn whole(&self) -> Words {
        self.now.as_ref().map(|utterance| self.words(utterance, usize::MAX)).unwrap_or_default()
    }

    /// All words of an utterance that has ended. Later speech is another one.
    pub(super) fn take(&mut self) -> Words {
        let words = self.whole();
        self.now = None;
        self.voiced_ms = 0;
        self.utterances += 1;
        words
    }

    pub(super) fn is_speaking(&self) -> bool {
        self.now.is_some()
    }

    /// Length of all audio so far, milliseconds.
    pub(super) fn audio_ms(&self) -> u64 {
        self.samples * 1_000 / u64::from(self.format.rate)
    }

    /// Where the utterance began.
    pub(super) fn start_ms(&self) -> u64 {
        self.now.as_ref().map_or_else(|| self.audio_ms(), |utterance| utterance.start_ms)
    }

    fn words(&self, utterance: &Utterance, count: usize) -> Words {
        let all: Vec<&str> = self.shared.script.turns[utterance.turn].heard.split_whitespace().collect();
        let span = utterance.voiced_until_ms - utterance.start_ms;
        let at = |index: usize| utterance.start_ms + span * index as u64 / all.len().max(1) as u64;
        all.iter().take(count).enumerate().map(|(index, word)| ((*word).to_owned(), at(index), at(index + 1))).collect()
    }

    /// Silence must be heard, not only be due: a client that sends nothing has ended nothing. Half of it will do, since
    /// packets come late.
    fn has_been_quiet(&self) -> bool {
        let Some(utterance) = &self.now else { return false };
        let needed = self.patience.eager_after.filter(|_| !utterance.eager).unwrap_or_else(|| self.silence_needed(utterance));
        let hum_counts = self.audio_ms() - utterance.voiced_until_ms < HUM_MS_MAX;
        let since = if hum_counts { utterance.hum_until_ms } else { utterance.voiced_until_ms };
        let heard = self.audio_ms() - since;
        u128::from(heard) >= needed.as_millis().min(u128::from(PAUSE_MS_MAX)) / 2
    }

    fn eager_due(&self) -> Option<Instant> {
        let utterance = self.now.as_ref().filter(|utterance| !utterance.eager)?;
        Some(utterance.voiced_at + self.patience.eager_after?)
    }

    fn end_due(&self) -> Option<Instant> {
        let utterance = self.now.as_ref()?;
        let turn = &self.shared.script.turns[utterance.turn];
        let spoken = utterance.voiced_until_ms - utterance.start_ms;
        let silence = self.silence_needed(utterance);
        let silence = if spoken < turn.heard_ms { silence.max(Duration::from_millis(PAUSE_MS_MAX)) } else { silence };
        Some(utterance.voiced_at + silence)
    }

    fn silence_needed(&self, utterance: &Utterance) -> Duration {
        let turn = &self.shared.script.turns[utterance.turn];
        let scripted = Duration::from_millis(turn.stt_final_ms.unwrap_or(self.shared.script.pace.stt_final_ms));
        let slow = if self.drip { DRIP * u32::try_from(turn.heard.chars().count()).unwrap_or(1) } else { Duration::ZERO };
        scripted.max(self.patience.endpointing) + slow
    }
}

/// The text of some words.
pub(super) fn text(words: &Words) -> String {
    words.iter().map(|(word, ..)| word.as_str()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::simulator::script::Script;

    fn hearing_of(script: &str, patience: Patience) -> Hearing {
        let shared = Arc::new(Shared::of(Script::parse(script).unwrap()));
        Hearing::new(shared, Provider::Deepgram, Format::MULAW, patience, None)
    }

    /// A letter is 20 ms: `s` speech, `S` loud speech, `n` noise of -40 dBov, `.` silence. Times are of the audio.
    fn check(script: &str, eager_ms: u64, audio: &str, want: &str) {
        let eager_after = (eager_ms > 0).then(|| Duration::from_millis(eager_ms));
        let mut hearing = hearing_of(script, Patience { endpointing: Duration::ZERO, eager_after });
        let begin = Instant::now();
        let mut got = Vec::new();
        for (index, letter) in audio.chars().enumerate() {
            let sample = match letter {
                'S' => 12_000,
                's' => 3_000,
                'n' => 328,
                _ => 0,
            };
            let at = index as u64 * 20 + 20;
            hearing.handle_audio(begin + Duration::from_millis(at), &speech::encode(media::codec::Codec::Pcmu, &[sample; 160]));
            while let Some(noticed) = hearing.poll() {
                got.push(match noticed {
                    Noticed::Started { at_ms, .. } => format!("{at}:started@{at_ms}"),
                    Noticed::Words => format!("{at}:{:?}", text(&hearing.known())),
                    Noticed::Ended => format!("{at}:ended {:?}", text(&hearing.take())),
                    other => format!("{at}:{other:?}"),
                });
            }
        }
        assert_eq!(got.join(" "), want, "{audio}");
    }

    const WORDS: &str = "[[turns]]\nheard = \"one two three\"\n[[turns]]\nheard = \"four\"";

    #[test]
    fn words_come_one_by_one_and_all_of_them_at_the_end() {
        check(
            WORDS,
            0,
            "...ssssssssssssssssssss............ssss..........",
            "120:started@60 140:\"one\" 360:\"one two\" 620:ended \"one two three\" 760:started@700 940:ended \"four\"",
        );
    }

    #[test]
    fn a_short_pause_ends_nothing_and_a_click_starts_nothing() {
        check(WORDS, 0, "..ss......ssss......ssss....", "260:started@200 280:\"one\"");
    }

    #[test]
    fn an_eager_end_is_taken_back_when_speech_goes_on() {
        let want = "60:started@0 80:\"one\" 140:Eager 180:Resumed 300:\"one two\" 360:Eager 460:ended \"one two three\"";
        check(WORDS, 60, "ssss....sssssss..............", want);
    }

    #[test]
    fn a_recordings_noise_is_no_speech_and_no_silence() {
        let pauses = format!("SSSSSnn{}SSSSnn..........", "n".repeat(20));
        check(WORDS, 0, &pauses, "60:started@0 80:\"one\" 560:\"one two\" 780:ended \"one two three\"");
        let long = format!("SSSSS{}SSSS", "n".repeat(60));
        let want = "60:started@0 80:\"one\" 1100:ended \"one two three\" 1360:started@1300";
        check(WORDS, 0, &long, want);
    }

    /// As the virtual callers say it: an utterance of the recording, and then digital silence.
    #[test]
    fn each_utterance_of_the_built_in_recording_ends_on_time() {
        let recording = speech::Recording::built_in().unwrap();
        for utterance in recording.utterances.clone() {
            let mut hearing = hearing_of(WORDS, Patience::default());
            let begin = Instant::now();
            let last = utterance.clone().filter(|frame| recording.speech(*frame)).max().unwrap() + 1 - utterance.start;
            let silence = std::iter::repeat_n([0; 160].as_slice(), 30);
            let mut ends = Vec::new();
            for (index, frame) in (1..).zip(utterance.clone().map(|frame| recording.frame(frame)).chain(silence)) {
                hearing
                    .handle_audio(begin + Duration::from_millis(index * 20), &speech::encode(media::codec::Codec::Pcmu, frame));
                while let Some(noticed) = hearing.poll() {
                    if noticed == Noticed::Ended {
                        hearing.take();
                        ends.push(index * 20 - last as u64 * 20);
                    }
                }
            }
            // A packet late at most, and what lies within one.
            assert!(matches!(ends[..], [130..=180]), "{utterance:?}: {ends:?}");
        }
    }

    #[test]
    fn a_turn_that_says_how_long_it_is_goes_on_over_pauses() {
        let script = "[[turns]]\nheard = \"one two\"\nheard_ms = 600";
        check(script, 0, "ssssssssss..........ssssssssss..........", "60:started@0 80:\"one\" 760:ended \"one two\"");
    }
}
