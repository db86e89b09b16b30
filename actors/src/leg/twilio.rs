//! The wire of a Twilio leg: a WebSocket that carries Media Streams messages. The API holds the socket; here are its texts.
//!
//! Audio is paced by our own clock, one frame a tick, so Twilio's buffer stays nearly empty: a barge-in is silent at once, and what
//! was sent is what was heard. The end of a prompt is Twilio's echo of our mark.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ai::engine::Words;
use ai::media_streams::{CommandWriter, StreamError, StreamEvent};
use bytes::Bytes;
use media::dtmf::Digit;
use media::sendout::PromptId;
use media::units::FRAME;
use store::PhoneNumber;
use tokio::sync::mpsc;

use super::LegMsg;
use crate::ai_session::AiMsg;
use crate::alarm::Owned;
use crate::call::{CallPorts, LegClosed};
use crate::mailbox::Mailbox;

/// A call as Twilio's voice webhook tells of it.
#[derive(Clone, Debug)]
pub struct TwilioCall {
    /// Twilio's id of the call.
    pub call_sid: String,
    /// Who calls.
    pub from: PhoneNumber,
    /// Which of our numbers.
    pub to: PhoneNumber,
}

/// A media stream after its `start` message.
#[derive(Debug)]
pub struct StreamIo {
    /// Twilio's id of the stream; every message to it carries it.
    pub stream_sid: String,
    /// Twilio's id of the account; may be empty.
    pub account_sid: String,
    /// What the TwiML tells besides our token: nothing, unless another than ours was made for the call.
    pub parameters: Vec<(String, Words)>,
    /// Texts from Twilio. Its end is the end of the socket.
    pub incoming: mpsc::Receiver<String>,
    /// Texts to Twilio. Dropping it closes the socket in good order.
    pub outgoing: mpsc::Sender<String>,
}

/// A mark that Twilio has not echoed after this is taken as echoed: the prompt was sent, and the turn must go on.
const MARK_WAIT_MAX: Duration = Duration::from_secs(3);

/// Marks out at once: three seconds of one behind each frame. The oldest beyond is taken as echoed.
const MARKS_MAX: usize = 150;

/// What an echo of Twilio says was played.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Awaited {
    /// All before a mark of the engine.
    Mark(u64),
    /// A prompt.
    Prompt(PromptId),
}

impl Awaited {
    /// What the engine is told then.
    pub(super) fn played(self) -> AiMsg {
        match self {
            Self::Mark(mark) => AiMsg::Marked(mark),
            Self::Prompt(prompt) => AiMsg::PromptFinished(prompt),
        }
    }

    fn name(self) -> String {
        match self {
            Self::Mark(mark) => format!("mark-{mark}"),
            Self::Prompt(prompt) => format!("prompt-{}", prompt.0),
        }
    }
}

/// Twilio plays late when a mark comes back so much later than the quickest did: more than the way varies.
const LATE: Duration = Duration::from_millis(80);

/// How far Twilio is behind with playing. What is sent without a pause, an ambience, leaves it no time to catch up: its clock may be slower
/// than ours, and what the network held up comes at once.
#[derive(Default)]
struct Backlog {
    /// From a mark to its echo, at the quickest.
    quickest: Option<Duration>,
    /// Frames to leave out.
    frames: u32,
}

impl Backlog {
    /// A mark came back after this.
    fn returned(&mut self, after: Duration) {
        let quickest = self.quickest.map_or(after, |quickest| quickest.min(after));
        self.quickest = Some(quickest);
        let late = after - quickest;
        self.frames = if late > LATE { (late.as_millis() / FRAME.as_millis()) as u32 } else { 0 };
    }

    /// Whether the next frame is to be left out.
    fn skip(&mut self) -> bool {
        let behind = self.frames > 0;
        self.frames -= u32::from(behind);
        behind
    }
}

/// The marks that are out, and when each was sent; in the order in which Twilio will echo them.
#[derive(Default)]
struct Marks(VecDeque<(Awaited, Instant)>);

impl Marks {
    /// The first mark if it was played when this one was echoed: Twilio plays in order. Asked again until there is none; one that is
    /// not among them was cleared meanwhile.
    fn echoed(&mut self, name: &str) -> Option<(Awaited, Instant)> {
        let known = self.0.iter().any(|(awaited, _)| awaited.name() == name);
        self.0.pop_front_if(|_| known)
    }

    fn overdue(&mut self, now: Instant) -> Option<Awaited> {
        let many = self.0.len() > MARKS_MAX;
        let late = |(_, sent): &mut (Awaited, Instant)| many || now.duration_since(*sent) > MARK_WAIT_MAX;
        self.0.pop_front_if(late).map(|(awaited, _)| awaited)
    }
}

/// The sending side.
pub(super) struct TwilioOut {
    writer: CommandWriter,
    outgoing: mpsc::Sender<String>,
    /// A clear forgets them, since Twilio then echoes them unheard.
    marks: Marks,
    backlog: Backlog,
    dropped: u64,
    _reader: Owned,
}

impl TwilioOut {
    /// Starts the reader and the sending side.
    pub(super) fn start(stream: StreamIo, ports: CallPorts, me: &Mailbox<LegMsg>) -> Self {
        let StreamIo { stream_sid, incoming, outgoing, .. } = stream;
        let reader = Owned(tokio::spawn(read(incoming, ports, me.clone())));
        let (marks, backlog) = (Marks::default(), Backlog::default());
        Self { writer: CommandWriter::new(&stream_sid), outgoing, marks, backlog, dropped: 0, _reader: reader }
    }

    /// One frame of agent audio.
    pub(super) fn send(&mut self, audio: &[u8]) {
        self.text(self.writer.media(audio));
    }

    /// All before this is sent: asks to be told when it has been played.
    pub(super) fn mark(&mut self, awaited: Awaited, now: Instant) {
        self.text(self.writer.mark(&awaited.name()));
        self.marks.0.push_back((awaited, now));
    }

    /// Twilio echoed a mark: what has now been played, one at a time.
    pub(super) fn handle_mark(&mut self, name: &str, now: Instant) -> Option<Awaited> {
        let (awaited, sent) = self.marks.echoed(name)?;
        if awaited.name() == name {
            self.backlog.returned(now.saturating_duration_since(sent));
        }
        Some(awaited)
    }

    /// Whether a frame without the agent's voice is to be left out, so that Twilio catches up.
    pub(super) fn catch_up(&mut self) -> bool {
        self.backlog.skip()
    }

    /// What is taken as played because its echo is overdue, or too many are out.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<Awaited> {
        self.marks.overdue(now)
    }

    /// Throws away what Twilio has not played yet; the marks that it echoes now mean nothing.
    pub(super) fn clear(&mut self) {
        self.marks = Marks::default();
        self.backlog.frames = 0;
        self.text(self.writer.clear());
    }

    /// Queues a text. A socket that takes nothing for seconds is about to be closed by the API; until then audio is dropped.
    fn text(&mut self, text: String) {
        if self.outgoing.try_send(text).is_err() {
            self.dropped += 1;
        }
    }
}

async fn read(mut incoming: mpsc::Receiver<String>, ports: CallPorts, leg: Mailbox<LegMsg>) {
    let mut audio = Vec::with_capacity(1024);
    while let Some(text) = incoming.recv().await {
        audio.clear();
        match understand(&text, &mut audio) {
            Ok(Heard::Audio) => tell(&leg, LegMsg::CallerAudio(Bytes::copy_from_slice(&audio))),
            Ok(Heard::Digit(digit)) => ports.ai.tell(AiMsg::Dtmf(digit)),
            Ok(Heard::Mark(name)) => tell(&leg, LegMsg::Marked(name)),
            Ok(Heard::Stop) => tell(&leg, LegMsg::Closed(LegClosed::ByPeer)),
            Ok(Heard::Nothing) => {}
            Err(error) => {
                metrics::counter!("offhook_rtp_rejected_total", "reason" => "media_streams").increment(1);
                tracing::debug!(call = %ports.id, %error, "a Media Streams message was not understood");
            }
        }
    }
    tell(&leg, LegMsg::Closed(LegClosed::Lost("the media stream broke off".into())));
}

/// A leg that does not keep up has counted what it missed; one that has ended ends this reader too.
fn tell(leg: &Mailbox<LegMsg>, message: LegMsg) {
    let _counted_by_the_mailbox = leg.send(message);
}

/// What a message of Twilio means to a leg.
enum Heard {
    Audio,
    Digit(Digit),
    Mark(String),
    Nothing,
    Stop,
}

fn understand(text: &str, audio: &mut Vec<u8>) -> Result<Heard, StreamError> {
    Ok(match StreamEvent::parse(text)? {
        StreamEvent::Media(media) => {
            media.payload.decode_into(audio)?;
            Heard::Audio
        }
        StreamEvent::Dtmf { digit } => Digit::from_char(digit).map_or(Heard::Nothing, Heard::Digit),
        StreamEvent::Mark { name } => Heard::Mark(name.into_owned()),
        StreamEvent::Stop => Heard::Stop,
        _ => Heard::Nothing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Marks sent a second apart.
    fn sent(start: Instant, marks: impl IntoIterator<Item = Awaited>) -> Marks {
        let times = (0..).map(|second| start + Duration::from_secs(second));
        Marks(marks.into_iter().zip(times).collect())
    }

    fn all(mut next: impl FnMut() -> Option<Awaited>) -> Vec<String> {
        std::iter::from_fn(|| next().map(Awaited::name)).collect()
    }

    #[test]
    fn an_echo_stands_for_all_that_was_played_before_it() {
        let mut marks = sent(Instant::now(), [Awaited::Mark(1), Awaited::Prompt(PromptId(1)), Awaited::Mark(2)]);
        let mut echoed = |name| all(|| marks.echoed(name).map(|(awaited, _)| awaited));
        assert!(echoed("mark-7").is_empty());
        assert_eq!(echoed("prompt-1"), ["mark-1", "prompt-1"]);
        assert!(echoed("mark-1").is_empty());
        assert_eq!(echoed("mark-2"), ["mark-2"]);
    }

    #[test]
    fn what_twilio_has_not_played_yet_is_left_out_of_the_ambience() {
        let skipped = |after: &[u64]| {
            let mut backlog = Backlog::default();
            after.iter().for_each(|ms| backlog.returned(Duration::from_millis(*ms)));
            std::iter::from_fn(|| backlog.skip().then_some(())).count()
        };
        assert_eq!((skipped(&[]), skipped(&[400]), skipped(&[400, 480]), skipped(&[400, 481])), (0, 0, 0, 4));
        // The quickest counts, and the latest news.
        assert_eq!((skipped(&[900, 400]), skipped(&[400, 900]), skipped(&[400, 900, 410])), (0, 25, 0));
    }

    #[test]
    fn echoes_that_do_not_come_are_waited_for_no_longer_than_three_seconds() {
        let start = Instant::now();
        let mut marks = sent(start, [Awaited::Mark(1), Awaited::Mark(2)]);
        assert!(all(|| marks.overdue(start + MARK_WAIT_MAX)).is_empty());
        assert_eq!(all(|| marks.overdue(start + MARK_WAIT_MAX + Duration::from_millis(1))), ["mark-1"]);
        let mut marks = Marks((0..=MARKS_MAX as u64).map(|mark| (Awaited::Mark(mark), start)).collect());
        assert_eq!(all(|| marks.overdue(start)), ["mark-0"]);
    }
}
