//! What is read, in which order, and by how many wake-ups.

use std::sync::{Arc, Mutex};

use super::*;
use crate::worker::{Failure, Worker, spawn_root};

/// A letter by its lane and number.
#[derive(Clone, Copy, Debug)]
enum Note {
    Audio(u32),
    Lazy(u32),
    Signal(u32),
}

impl Letter for Note {
    const KIND: ActorKind = ActorKind::Vad;
    const AUDIO_MAX: u32 = 3;
    const LAZY_MAX: usize = 3;
    const SIGNALS_MAX: u32 = 2;

    fn lane(&self) -> Lane {
        match self {
            Self::Audio(_) => Lane::Audio,
            Self::Lazy(_) => Lane::Lazy,
            Self::Signal(_) => Lane::Signal,
        }
    }
}

/// Writes down what it reads.
struct Reader(Arc<Mutex<Vec<String>>>);

impl Worker for Reader {
    type Msg = Note;
    type Args = Arc<Mutex<Vec<String>>>;

    async fn start(read: Self::Args, _: &Mailbox<Note>) -> Result<Self, Failure> {
        Ok(Self(read))
    }

    async fn handle(&mut self, note: Note, _: &Mailbox<Note>) -> Result<(), Failure> {
        let mut read = self.0.lock().expect("no reader panics");
        read.push(match note {
            Note::Audio(number) => format!("a{number}"),
            Note::Lazy(number) => format!("l{number}"),
            Note::Signal(number) => format!("s{number}"),
        });
        Ok(())
    }
}

/// Sends these to a reader that is at rest, `|` lets it read, and compares what it has read: a word in brackets was not taken.
fn check(notes: &str, want: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers");
    runtime.block_on(async {
        let read = Arc::new(Mutex::new(Vec::new()));
        let (mailbox, _ends) = spawn_root::<Reader>(Arc::clone(&read)).await.expect("a reader starts");
        for word in notes.split_whitespace() {
            if word == "|" {
                // Far more turns than the letters here take.
                for _ in 0..50 {
                    tokio::task::yield_now().await;
                }
                read.lock().expect("no reader panics").push("|".to_owned());
                continue;
            }
            let (lane, number) = word.split_at(1);
            let number = number.parse().expect("a number");
            let note = match lane {
                "a" => Note::Audio(number),
                "l" => Note::Lazy(number),
                _ => Note::Signal(number),
            };
            if mailbox.send(note).is_err() {
                read.lock().expect("no reader panics").push(format!("({word})"));
            }
        }
        assert_eq!(read.lock().expect("no reader panics").join(" "), want, "{notes}");
    });
}

#[test]
fn a_signal_past_the_bound_is_refused_and_the_oldest_audio_goes() {
    check("s1 s2 s3 |", "(s3) s1 s2 |");
    check("a1 a2 a3 a4 a5 |", "a3 a4 a5 |");
    // A reader that stands still: past twice the bound the newest goes.
    check("a1 a2 a3 a4 a5 a6 a7 |", "(a7) a4 a5 a6 |");
}

#[test]
fn lazy_letters_wake_nobody_until_there_are_enough() {
    check("l1 l2 l3 | l4 |", "| l1 l2 l3 l4 |");
    // l4 woke the reader, which has not run: l5 may not wait. What comes after does.
    check("l1 l2 l3 l4 l5 | l6 l7 |", "l1 l2 l3 l4 l5 | |");
}

#[test]
fn lazy_letters_come_before_the_next_of_another_lane() {
    check("l1 | a2 |", "| l1 a2 |");
    check("l1 l2 s3 |", "l1 l2 s3 |");
}

#[test]
fn lazy_letters_overtake_nothing() {
    check("s1 l2 a3 l4 |", "s1 l2 a3 l4 |");
    check("a1 l2 l3 |", "a1 l2 l3 |");
    // l4 woke the reader, which has not run: l5 goes behind it.
    check("l1 l2 l3 l4 l5 |", "l1 l2 l3 l4 l5 |");
}

#[test]
fn of_lazy_letters_too_the_oldest_that_woke_somebody_goes() {
    check("l1 l2 l3 l4 l5 l6 l7 |", "l1 l2 l3 l5 l6 l7 |");
}
