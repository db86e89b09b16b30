//! The tools `transfer_call` and `finish_transfer`: what is said before is heard first, then the call does it, and the model hears of it
//! when it is to say something.
//!
//! ```text
//! called ── a quiet moment, or waited for that ──► TransferWanted ──► Done: the agent leaves
//!    └── the caller speaks: given up                       ├────────► GoesOn: the model speaks with somebody else now
//!                                                          └────────► Failed: the model is told why
//! ```

use std::time::{Duration, Instant};

use ai::engine::{Input, Words};
use ai::tools::transfer::Wish;
use ai::tools::{ToolOutcome, ToolStatus};
use serde_json::json;

use super::manners::Scene;
use super::tools::Slip;
use super::{AiMsg, AiSession};
use crate::alarm::Owned;
use crate::call::CallMsg;
use crate::mailbox::Mailbox;

/// How long what is said before may take; then the caller is put through in the middle of it.
const WORDS_MAX: Duration = Duration::from_secs(15);

/// How far it is with a transfer.
#[derive(Clone, Debug)]
pub enum TransferStands {
    /// The agent is not needed any more.
    Done,
    /// It goes on, and this is what the model has to know.
    GoesOn(Words),
    /// Why the caller is still, or again, with the agent.
    Failed(String),
}

/// A transfer that the model asked for.
pub(super) struct Transferring {
    slip: Slip,
    wish: Wish,
    /// The call was told.
    asked: bool,
    until: Instant,
    /// Looks again then.
    _late: Owned,
}

impl AiSession {
    /// The model wants the caller put through, or says what comes of it.
    pub(super) fn begin_transfer(&mut self, now: Instant, slip: Slip, wish: Wish, me: &Mailbox<AiMsg>) {
        if self.tools.transferring.is_some() {
            return slip.end(&ToolOutcome::not_done(ToolStatus::Refused, "the caller is being put through already"));
        }
        if let Wish::PutThrough { to, .. } = &wish
            && self.turns.are_unanswered()
            && !to.say.is_empty()
        {
            self.next.push_back(Input::Say(to.say.as_str().into()));
        }
        let me = me.clone();
        let late = Owned(tokio::spawn(async move {
            tokio::time::sleep(WORDS_MAX).await;
            let _ended_meanwhile = me.send(AiMsg::TransferDue);
        }));
        self.tools.transferring = Some(Transferring { slip, wish, asked: false, until: now + WORDS_MAX, _late: late });
    }

    /// Tells the call, once what is said before was heard.
    pub(super) fn step_transfer(&mut self, now: Instant, scene: Scene) {
        let Some(transferring) = self.tools.transferring.as_mut().filter(|transferring| !transferring.asked) else { return };
        if scene.is_quiet() || now >= transferring.until {
            transferring.asked = true;
            let wish = transferring.wish.clone();
            self.tell_call(CallMsg::TransferWanted(wish));
        }
    }

    /// The call tells how far it is.
    pub(super) fn handle_transfer_stands(&mut self, stands: TransferStands) {
        let Some(transferring) = self.tools.transferring.take() else { return };
        match stands {
            // No output: nobody is to speak.
            TransferStands::Done => transferring.slip.close(ToolStatus::Ok, None, Vec::new()),
            TransferStands::GoesOn(told) => {
                let output = json!({ "ok": true, "now": told.as_str() }).to_string();
                transferring.slip.end(&ToolOutcome::ok(output));
            }
            TransferStands::Failed(reason) => {
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
