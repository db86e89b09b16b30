//! The talk of one call over a WebSocket: what is said each 20 ms, and what is heard of what came and was played.

use std::sync::Arc;
use std::time::{Duration, Instant};

use media::codec::Codec;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::caller::{Caller, Keys};
use crate::crowd::Crowd;
use crate::ear::{Ear, Moment};
use crate::mouth::{Mouth, Piece};
use crate::narrate::Narrator;
use crate::player::{Played, Player};

/// A call that its server ends this shortly before its time has not failed.
pub(crate) const EARLY: Duration = Duration::from_millis(200);

/// Buffer that a socket is read into, which is filled with zeros before every read: the default of 128 KiB is far too much
/// for messages of 20 ms.
const READ_BUFFER: usize = 4 << 10;

/// How callers set up their sockets.
pub(crate) fn socket_config() -> WebSocketConfig {
    let mut config = WebSocketConfig::default();
    config.read_buffer_size = READ_BUFFER;
    config
}

/// One call's mouth, ear and playback buffer.
pub(crate) struct Talk {
    pub player: Player,
    pub narrator: Option<Narrator>,
    /// When the call was answered.
    pub answered: Instant,
    crowd: Arc<Crowd>,
    mouth: Mouth,
    ear: Ear,
    keys: Keys,
    heard: bool,
    scratch: Vec<i16>,
}

impl Talk {
    /// The talk of call `number`, answered now.
    pub(crate) fn new(crowd: &Arc<Crowd>, caller: &Caller, narrator: Option<Narrator>, number: u64) -> Self {
        let answered = Instant::now();
        let Caller { voice, manner, marks, .. } = caller;
        Self {
            player: Player::default(),
            narrator,
            answered,
            crowd: Arc::clone(crowd),
            mouth: Mouth::new(Arc::clone(voice), Codec::Pcmu, *manner, *marks, number as usize),
            ear: Ear::new(*marks),
            keys: caller.keys(answered),
            heard: false,
            scratch: Vec::new(),
        }
    }

    /// What to say now, which was due then, and the key to press.
    pub(crate) fn speak(&mut self, due: Instant) -> (Piece, Option<char>) {
        let now = Instant::now();
        let piece = self.mouth.next_frame(now, &mut self.ear).piece;
        self.crowd.tally().record_sends(now.saturating_duration_since(due), 1);
        let key = self.keys.poll_key(now);
        if let Some(key) = key {
            self.tell(&format!("caller presses {key}"));
        }
        (piece, key)
    }

    /// Hears what was played by now; gives the next mark that is to be echoed, until none.
    pub(crate) fn hear(&mut self, now: Instant) -> Option<String> {
        while let Some(played) = self.player.poll_played(now) {
            match played {
                Played::Audio { at, bytes } => {
                    self.scratch.clear();
                    Codec::Pcmu.decode(&bytes, &mut self.scratch);
                    self.ear.handle_audio(at, &self.scratch);
                }
                Played::Mark(name) => return Some(name),
            }
        }
        self.ear.handle_time(now);
        while let Some(moment) = self.ear.poll_moment() {
            self.handle_moment(now, moment);
        }
        None
    }

    /// Tells a person what happens.
    pub(crate) fn tell(&self, what: &str) {
        tell(self.narrator.as_ref(), what);
    }

    fn handle_moment(&mut self, now: Instant, moment: Moment) {
        let mut tally = self.crowd.tally();
        if let Moment::AgentStarted(at) = moment
            && !self.heard
        {
            self.heard = true;
            tally.measures.first_audio_ms.record(at.saturating_duration_since(self.answered));
        }
        tally.handle_moment(moment);
        if let Some(narrator) = &mut self.narrator {
            println!("{}", narrator.moment(now, moment));
        }
    }
}

/// Tells a person what happens before there is a talk.
pub(crate) fn tell(narrator: Option<&Narrator>, what: &str) {
    if let Some(narrator) = narrator {
        println!("{}", narrator.line(Instant::now(), what));
    }
}
