//! What a message costs between two actors.

#![allow(missing_docs)]

use actors::kind::ActorKind;
use actors::mailbox::{Lane, Letter, Mailbox};
use actors::worker::{Failure, Worker, spawn_root};
use divan::Bencher;
use divan::counter::ItemsCount;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

fn main() {
    divan::main();
}

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

// Budget: 1,000 letters to one actor, counted in and out, one core: 400 us, 400 ns each.
#[divan::bench]
fn mailbox_hop_1000(bencher: Bencher) {
    let mut readers = Readers::start(1);
    bencher.counter(ItemsCount::new(1_000_usize)).bench_local(|| readers.tell(999));
}

// Budget: one letter each to 400 actors, as one tick of 100 calls is, one core: 400 us, 1 us each with its wake-up.
#[divan::bench]
fn tick_of_400_actors(bencher: Bencher) {
    let mut readers = Readers::start(400);
    bencher.counter(ItemsCount::new(400_usize)).bench_local(|| readers.tell(0));
}
