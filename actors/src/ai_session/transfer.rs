//! The tool `transfer_call`: the caller is told first, then the call asks the peer to put him through, and the model hears of it only when
//! that came to nothing.
//!
//! ```text
//! called ── a quiet moment, or waited for that ──► TransferWanted ──► TransferEnded(Ok): the call ends
//!    └── the caller speaks: given up                       └────────► TransferEnded(Err): the model is told why
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use ai::engine::Input;
use ai::tools::transfer::Destination;
use ai::tools::{ToolOutcome, ToolStatus};

use super::manners::Scene;
use super::tools::Slip;
use super::{AiMsg, AiSession};
use crate::alarm::Owned;
use crate::call::CallMsg;
use crate::mailbox::Mailbox;

/// How long what is said before may take; then the caller is put through in the middle of it.
const WORDS_MAX: Duration = Duration::from_secs(15);

/// A transfer that the model asked for.
pub(super) struct Transferring {
    slip: Slip,
    to: Arc<Destination>,
    /// The call was told.
    asked: bool,
    until: Instant,
    /// Looks again then.
    _late: Owned,
}

impl AiSession {
    /// The model wants the caller put through.
    pub(super) fn begin_transfer(&mut self, now: Instant, slip: Slip, to: Arc<Destination>, me: &Mailbox<AiMsg>) {
        if self.tools.transferring.is_some() {
            return slip.end(&ToolOutcome::not_done(ToolStatus::Refused, "the caller is being put through already"));
        }
        if self.turns.are_unanswered() && !to.say.is_empty() {
            self.next.push_back(Input::Say(to.say.as_str().into()));
        }
        let me = me.clone();
        let late = Owned(tokio::spawn(async move {
            tokio::time::sleep(WORDS_MAX).await;
            let _ended_meanwhile = me.send(AiMsg::TransferDue);
        }));
        self.tools.transferring = Some(Transferring { slip, to, asked: false, until: now + WORDS_MAX, _late: late });
    }

    /// Tells the call, once what is said before was heard.
    pub(super) fn step_transfer(&mut self, now: Instant, scene: Scene) {
        let Some(transferring) = self.tools.transferring.as_mut().filter(|transferring| !transferring.asked) else { return };
        if scene.is_quiet() || now >= transferring.until {
            transferring.asked = true;
            let to = Arc::clone(&transferring.to);
            self.tell_call(CallMsg::TransferWanted(to));
        }
    }

    /// It is decided.
    pub(super) fn transfer_ended(&mut self, outcome: Result<(), String>) {
        let Some(transferring) = self.tools.transferring.take() else { return };
        match outcome {
            // No output: the call is over, and nobody is to speak.
            Ok(()) => transferring.slip.close(ToolStatus::Ok, None, Vec::new()),
            Err(reason) => {
                let reason = format!("{reason}; the caller is still with you");
                transferring.slip.end(&ToolOutcome::not_done(ToolStatus::Failed, &reason));
            }
        }
    }
}

impl Transferring {
    /// Whether it can still be taken back.
    pub(super) fn is_open(&self) -> bool {
        !self.asked
    }

    /// Gives it up.
    pub(super) fn give_up(self, reason: &str) {
        self.slip.end(&ToolOutcome::not_done(ToolStatus::Cancelled, reason));
    }
}
