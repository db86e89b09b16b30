//! Speech of a text as it is produced: pieces of audio with their characters, and when each is due.
//!
//! ```text
//! text          first piece       every piece / speed      mark
//!   |-- first_audio --|----|----|----|---------------------|
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::script::Script;

/// Speech of one character, milliseconds: 190 words a minute.
pub(super) const CHAR_MS: u64 = 60;
/// Characters in a piece of audio: 240 ms.
const PIECE_CHARS: usize = 4;
/// Time between two bytes of a drip.
pub(super) const DRIP: Duration = Duration::from_millis(200);
/// Most pieces and marks that wait in a stream: forty minutes of speech. Text beyond that is not spoken.
const QUEUE_MAX: usize = 10_000;
/// Bytes that a drip has before it ends: five minutes.
pub(super) const DRIP_BYTES_MAX: usize = 1_500;

/// A piece of speech.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Spoken {
    /// Where the audio of this stream stands before the piece, milliseconds.
    pub from_ms: u64,
    /// Length; 0 is a single byte of a drip.
    pub ms: u64,
    /// The characters that are spoken in it, each of [`CHAR_MS`].
    pub text: String,
}

/// What comes out next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Next<M> {
    Audio(Spoken),
    Mark(M),
}

/// How fast a stream speaks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tempo {
    pub first_audio: Duration,
    pub speed: f64,
    pub drip: bool,
}

/// One stream of speech; marks of type `M` keep their place in it.
#[derive(Debug)]
pub(super) struct Speaker<M> {
    queue: VecDeque<(Instant, Next<M>)>,
    /// When the last of the queue is produced.
    free_at: Option<Instant>,
    position_ms: u64,
}

impl Tempo {
    /// The tempo for a text: a turn of the script that says it may have its own delay.
    pub(super) fn of(script: &Script, text: &str, speed: f64, drip: bool) -> Self {
        let turn = script.saying(text).and_then(|place| script.turns[place].first_audio_ms);
        Self { first_audio: Duration::from_millis(turn.unwrap_or(script.pace.first_audio_ms)), speed, drip }
    }
}

impl<M> Speaker<M> {
    pub(super) fn new() -> Self {
        Self { queue: VecDeque::new(), free_at: None, position_ms: 0 }
    }

    /// Speaks a text after what is being spoken.
    pub(super) fn say(&mut self, now: Instant, text: &str, tempo: Tempo) {
        if self.queue.len() >= QUEUE_MAX {
            return;
        }
        let busy = self.free_at.filter(|free| *free > now);
        let mut due = busy.unwrap_or(now + tempo.first_audio);
        let chars: Vec<char> = text.chars().collect();
        if tempo.drip {
            let bytes = (chars.len() * usize::try_from(CHAR_MS).unwrap_or(1) * 8).min(DRIP_BYTES_MAX);
            for _ in 0..bytes {
                self.queue.push_back((due, Next::Audio(Spoken { from_ms: self.position_ms, ms: 0, text: String::new() })));
                due += DRIP;
            }
            self.free_at = Some(due);
            return;
        }
        for piece in chars.chunks(PIECE_CHARS) {
            let ms = piece.len() as u64 * CHAR_MS;
            let spoken = Spoken { from_ms: self.position_ms, ms, text: piece.iter().collect() };
            self.queue.push_back((due, Next::Audio(spoken)));
            self.position_ms += ms;
            due += Duration::from_millis(ms).div_f64(tempo.speed);
        }
        self.free_at = Some(due);
    }

    /// Puts a mark after what is being spoken.
    pub(super) fn mark(&mut self, now: Instant, mark: M) {
        let due = self.queue.back().map_or(now, |(due, _)| *due).max(now);
        if self.queue.len() >= 2 * QUEUE_MAX {
            self.queue.pop_back();
        }
        self.queue.push_back((due, Next::Mark(mark)));
    }

    /// Forgets what was not spoken yet.
    pub(super) fn clear(&mut self) {
        self.queue.clear();
        self.free_at = None;
    }

    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// When [`Speaker::pop`] has something.
    pub(super) fn due(&self) -> Option<Instant> {
        self.queue.front().map(|(due, _)| *due)
    }

    /// Audio that was taken for speaking so far, milliseconds.
    pub(super) fn position_ms(&self) -> u64 {
        self.position_ms
    }

    pub(super) fn pop(&mut self, now: Instant) -> Option<Next<M>> {
        self.queue.pop_front_if(|(due, _)| *due <= now).map(|(_, next)| next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story(speaker: &mut Speaker<char>, begin: Instant) -> String {
        let mut got = Vec::new();
        while let Some(due) = speaker.due() {
            let at = (due - begin).as_millis();
            got.push(match speaker.pop(due) {
                Some(Next::Audio(Spoken { from_ms, ms, text })) => format!("{at}:{from_ms}+{ms}{text:?}"),
                Some(Next::Mark(mark)) => format!("{at}:{mark}"),
                None => "NOT DUE".to_owned(),
            });
        }
        got.join(" ")
    }

    #[test]
    fn text_becomes_pieces_at_the_pace_of_production() {
        let (begin, mut speaker) = (Instant::now(), Speaker::new());
        let tempo = Tempo { first_audio: Duration::from_millis(100), speed: 4.0, drip: false };
        speaker.say(begin, "Hi there.", tempo);
        speaker.mark(begin, 'A');
        speaker.say(begin, "Yes", tempo);
        speaker.mark(begin, 'B');
        assert_eq!(
            story(&mut speaker, begin),
            "100:0+240\"Hi t\" 160:240+240\"here\" 220:480+60\".\" 220:A 235:540+180\"Yes\" 235:B"
        );
        speaker.say(begin, "more", tempo);
        speaker.clear();
        speaker.mark(begin, 'C');
        assert_eq!(story(&mut speaker, begin), "0:C");
    }

    #[test]
    fn a_stream_keeps_no_more_than_its_bound() {
        let (begin, mut speaker) = (Instant::now(), Speaker::new());
        let tempo = Tempo { first_audio: Duration::ZERO, speed: 4.0, drip: false };
        for _ in 0..3 * QUEUE_MAX {
            speaker.say(begin, "text", tempo);
            speaker.mark(begin, 'M');
        }
        assert_eq!(speaker.queue.len(), 2 * QUEUE_MAX);
    }

    #[test]
    fn a_drip_is_a_byte_each_200_ms() {
        let (begin, mut speaker) = (Instant::now(), Speaker::<char>::new());
        speaker.say(begin, "Hi", Tempo { first_audio: Duration::ZERO, speed: 4.0, drip: true });
        let got = story(&mut speaker, begin);
        assert!(got.starts_with("0:0+0\"\" 200:0+0\"\" 400:"), "{got}");
        assert_eq!(got.split("+0").count(), 961);
    }
}
