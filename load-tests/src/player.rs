//! Twilio's playback buffer: audio in real time, marks when heard, clear.
//!
//! ```text
//! media media mark(a) media clear       arrivals
//! [=======playing======]mark(a)[==|     a is echoed when what came before it was heard; clear drops the rest
//! ```
//! Pure: one input, then drain [`Player::poll_played`].

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

/// Audio is told in pieces of 20 ms.
const FRAME_BYTES: usize = 160;
/// Most audio waiting: five minutes. More is refused, as Twilio refuses it with error 31931.
pub const WAITING_MAX: Duration = Duration::from_secs(300);

/// What was played.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Played {
    /// Up to 20 ms of audio, heard from `at` on.
    Audio {
        /// When its first sample was heard.
        at: Instant,
        /// G.711 mu-law.
        bytes: Bytes,
    },
    /// A mark to echo.
    Mark(String),
}

/// The pure core.
#[derive(Debug, Default)]
pub struct Player {
    waiting: VecDeque<(Instant, Played)>,
    busy_until: Option<Instant>,
}

impl Player {
    /// Takes audio. False when the buffer is full: nothing of it is played.
    pub fn handle_media(&mut self, now: Instant, mut audio: Bytes) -> bool {
        let mut start = self.busy_until.map_or(now, |busy| busy.max(now));
        if start > now + WAITING_MAX {
            return false;
        }
        while !audio.is_empty() {
            let bytes = audio.split_to(audio.len().min(FRAME_BYTES));
            let before = start;
            start += length(&bytes);
            self.waiting.push_back((before, Played::Audio { at: before, bytes }));
        }
        self.busy_until = Some(start);
        true
    }

    /// Takes a mark, which is due when all audio before it was heard.
    pub fn handle_mark(&mut self, now: Instant, name: String) {
        let due = self.busy_until.map_or(now, |busy| busy.max(now));
        self.waiting.push_back((due, Played::Mark(name)));
    }

    /// Drops what was not heard yet; all waiting marks are due at once.
    pub fn handle_clear(&mut self, now: Instant) {
        self.waiting.retain(|(start, played)| *start <= now || matches!(played, Played::Mark(_)));
        for (due, _) in &mut self.waiting {
            *due = now.min(*due);
        }
        self.busy_until = None;
    }

    /// The next piece or mark whose time has come, until `None`.
    pub fn poll_played(&mut self, now: Instant) -> Option<Played> {
        self.waiting.front().filter(|(due, _)| *due <= now)?;
        self.waiting.pop_front().map(|(_, played)| played)
    }
}

fn length(bytes: &[u8]) -> Duration {
    Duration::from_micros(bytes.len() as u64 * 125)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each word happens `@ms`: `mN` media of N ms, `clear`, anything else a mark. Polled every 10 ms.
    fn check(inputs: &str, want: &str) {
        let start = Instant::now();
        let mut player = Player::default();
        let mut got = Vec::new();
        for ms in (0..1_000).step_by(10) {
            let now = start + Duration::from_millis(ms);
            for word in inputs.split_whitespace() {
                let Some((what, at)) = word.split_once('@') else { panic!("no time: {word}") };
                if at.parse() != Ok(ms) {
                    continue;
                }
                match what.strip_prefix('m').and_then(|length| length.parse::<usize>().ok()) {
                    Some(length) => assert!(player.handle_media(now, vec![0xFF; length * 8].into())),
                    None if what == "clear" => player.handle_clear(now),
                    None => player.handle_mark(now, what.to_owned()),
                }
            }
            while let Some(played) = player.poll_played(now) {
                got.push(match played {
                    Played::Audio { at, .. } => format!("{}", at.duration_since(start).as_millis()),
                    Played::Mark(name) => format!("{name}@{ms}"),
                });
            }
        }
        assert_eq!(got.join(" "), want, "{inputs}");
    }

    #[test]
    fn audio_is_played_in_real_time_however_it_comes() {
        check("m60@0 m20@100", "0 20 40 100");
        check("m20@0 m20@10 m20@40", "0 20 40");
    }

    #[test]
    fn a_mark_is_echoed_when_its_audio_was_heard() {
        check("a@0 m60@10 b@10 m20@20 c@20", "a@0 10 30 50 b@70 70 c@90");
    }

    #[test]
    fn clear_drops_audio_and_echoes_all_marks_at_once() {
        check("m100@0 a@0 b@0 clear@30 m20@50", "0 20 a@30 b@30 50");
    }

    #[test]
    fn a_full_buffer_refuses_more() {
        let (mut player, now) = (Player::default(), Instant::now());
        let minute = Bytes::from(vec![0xFF; 8_000 * 60]);
        let frame = Bytes::from_static(&[0xFF; 160]);
        assert!((0..6).all(|_| player.handle_media(now, minute.clone())));
        assert!(!player.handle_media(now, frame.clone()));
        player.handle_clear(now);
        assert!(player.handle_media(now, frame.clone()));
    }
}
