//! What a message costs between two actors, on one thread without other work: waking a second core is not in it.

use std::time::Duration;

use actors::kind::ActorKind;
use actors::mailbox::{Lane, Letter, Mailbox};
use actors::worker::{Failure, Worker, spawn_root};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::workload::{Step, Workload};

pub const WORKLOADS: &[Workload] = &[
    // 400 ns each, counted in and out.
    Workload {
        name: "mailbox_hop_1000",
        what: "1,000 letters to one actor",
        budget: Duration::from_micros(400),
        counted: 20,
        start: mailbox_hop,
    },
    // 1 us each with its wake-up, as one tick of 100 calls is.
    Workload {
        name: "tick_of_400_actors",
        what: "a letter each to 400 actors",
        budget: Duration::from_micros(400),
        counted: 20,
        start: tick_of_actors,
    },
];

/// What the measured actor is told.
#[derive(Debug)]
enum Note {
    Frame,
    /// Answer that everything before is read.
    Last,
}

impl Letter for Note {
    const KIND: ActorKind = ActorKind::Vad;
    const AUDIO_MAX: u32 = 10_000;
    const SIGNALS_MAX: u32 = 10_000;

    fn lane(&self) -> Lane {
        match self {
            Self::Frame => Lane::Audio,
            Self::Last => Lane::Signal,
        }
    }
}

/// Reads and says when it has read the last.
struct Reader(mpsc::UnboundedSender<()>);

impl Worker for Reader {
    type Msg = Note;
    type Args = mpsc::UnboundedSender<()>;

    async fn start(done: Self::Args, _: &Mailbox<Note>) -> Result<Self, Failure> {
        Ok(Self(done))
    }

    async fn handle(&mut self, note: Note, _: &Mailbox<Note>) -> Result<(), Failure> {
        if let Note::Last = note {
            self.0.send(())?;
        }
        Ok(())
    }
}

/// Readers and the queue on which they say that they are done.
struct Readers {
    runtime: Runtime,
    mailboxes: Vec<Mailbox<Note>>,
    done: mpsc::UnboundedReceiver<()>,
}

impl Readers {
    fn start(count: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers");
        let (sender, done) = mpsc::unbounded_channel();
        let starts = (0..count).map(|_| runtime.block_on(spawn_root::<Reader>(sender.clone())).expect("a reader starts").0);
        let mailboxes = starts.collect();
        Self { runtime, mailboxes, done }
    }

    /// Sends each reader `frames` and the last note, and waits until all have read it.
    fn tell(&mut self, frames: usize) {
        for mailbox in &self.mailboxes {
            for _ in 0..frames {
                mailbox.send(Note::Frame).expect("below the bound");
            }
            mailbox.send(Note::Last).expect("below the bound");
        }
        self.runtime.block_on(async {
            for _ in &self.mailboxes {
                self.done.recv().await;
            }
        });
    }
}

fn mailbox_hop() -> Step {
    let mut readers = Readers::start(1);
    Box::new(move || readers.tell(999))
}

fn tick_of_actors() -> Step {
    let mut readers = Readers::start(400);
    Box::new(move || readers.tell(0))
}
