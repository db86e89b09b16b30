//! The tools of a call: run beside the actor, told to the call, recorded. See [`Tools`].

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ai::engine::{Input, Past, Words};
use ai::redact::Redaction;
use ai::tools::builtin::BuiltIn;
use ai::tools::digits::{Collected, Collector, DigitsWanted};
use ai::tools::email::EmailDesk;
use ai::tools::toolbox::{Called, Offer};
use ai::tools::vault::Vault;
use ai::tools::{self, CallInfo, Source, ToolCall, ToolKind, ToolOutcome, ToolRules, ToolRunner, ToolStatus};
use futures_util::FutureExt as _;
use media::dtmf::Digit;
use serde_json::json;
use store::{CallId, StoreWrite, ToolUse, Transcript, WallTime};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::transfer::Transferring;
use super::{AiArgs, AiMsg, AiSession};
use crate::alarm::{Alarm, Owned};
use crate::call::CallMsg;
use crate::leg::LegMsg;
use crate::mailbox::{Mailbox, Port};
use crate::store::StoreMsg;

/// Tools of one call that run at once, as many as a model may call in one response. The next is refused.
const RUNNING_MAX: usize = 16;

/// A tool that runs longer than this is slow: the caller hears that something happens.
const FILLER_AFTER: Duration = Duration::from_millis(1_500);

/// The tools of one call.
///
/// ```text
/// engine --ToolCall--> AiSession --> task on the node's runtime --ToolEnded--> Call --ToolDone--> AiSession of then --> engine
/// ```
///
/// The result goes by way of the call, which keeps it: so it reaches the next session if this one dies meanwhile, as the past or as a
/// message. What is run to its end when the call is over is still recorded.
pub(super) struct Tools {
    pub(super) offer: Offer,
    filler: Option<Words>,
    desk: Desk,
    info: Arc<CallInfo>,
    runtime: Handle,
    running: Vec<Running>,
    /// Something was said for what is running.
    filled: bool,
    /// Results that came before the call was answered again.
    early: Vec<Input>,
    answered: bool,
    collecting: Option<Collecting>,
    pub(super) transferring: Option<Transferring>,
    alarm: Alarm,
    email: EmailDesk,
    vault: Vault,
}

/// Where calls of tools are written down.
#[derive(Clone)]
struct Desk {
    call: CallId,
    mailbox: Mailbox<CallMsg>,
    store: Port<StoreMsg>,
    /// Of the next; each session of a call has a range of its own.
    number: u64,
    /// What is taken out of what is written down.
    redaction: Redaction,
}

/// A tool that runs.
struct Running {
    number: u64,
    rules: ToolRules,
    cancel: oneshot::Sender<()>,
    /// Says when it is slow.
    late: Owned,
}

/// Digits that are being collected.
struct Collecting {
    collector: Collector,
    wanted: DigitsWanted,
    slip: Slip,
}

/// One call of a tool, until its end is written down.
pub(super) struct Slip {
    desk: Desk,
    call_id: String,
    name: String,
    known: bool,
    kind: ToolKind,
    sensitive: bool,
    arguments: Words,
    began: Instant,
    began_at: WallTime,
}

/// What the call is told of a tool that ended.
#[derive(Debug)]
pub struct ToolReport {
    /// Identity of the call of the tool, as the model gave it.
    pub call_id: String,
    /// Of the call of the tool in its session.
    pub number: u64,
    /// The tool's name; `None`: there is no such tool.
    pub name: Option<Arc<str>>,
    /// How it ended.
    pub status: ToolStatus,
    /// What the model is told; `None`: nothing.
    pub output: Option<Words>,
    /// What the output is based on.
    pub sources: Vec<Source>,
    /// How long it took.
    pub took: Duration,
}

impl Tools {
    pub(super) fn new(args: &AiArgs) -> Self {
        let toolbox = &args.engine.assistant().tools;
        let desk = Desk {
            call: args.call_id,
            mailbox: args.call.clone(),
            store: args.store.clone(),
            number: args.session << 32,
            redaction: args.engine.assistant().redaction,
        };
        Self {
            offer: if args.introduction.twilio.is_some() { toolbox.offer().without_refer() } else { toolbox.offer() },
            filler: toolbox.filler.as_deref().map(Words::from),
            early: Vec::new(),
            desk,
            info: Arc::clone(&args.info),
            runtime: args.runtime.clone(),
            running: Vec::new(),
            filled: false,
            answered: false,
            collecting: None,
            transferring: None,
            alarm: Alarm::default(),
            email: EmailDesk::default(),
            vault: Vault::default(),
        }
    }

    /// Whether nobody is to hear the caller now: the digits that are being typed are nobody's business.
    pub(super) fn is_deaf(&self) -> bool {
        self.collecting.as_ref().is_some_and(|collecting| collecting.collector.is_sensitive())
    }

    /// Whether the caller waits for a tool, or types for one.
    pub(super) fn are_busy(&self) -> bool {
        !self.running.is_empty() || self.collecting.is_some() || self.transferring.is_some()
    }

    /// Whether the call is up.
    pub(super) fn is_answered(&self) -> bool {
        self.answered
    }

    /// The call is up: what came before that may be told to the engine now.
    pub(super) fn answered(&mut self) -> Vec<Input> {
        self.answered = true;
        std::mem::take(&mut self.early)
    }

    /// The end of a tool: what the engine is told of it now.
    pub(super) fn done(&mut self, number: u64, call_id: String, output: Words) -> Option<Input> {
        self.running.retain(|running| running.number != number);
        self.filled &= !self.running.is_empty();
        let input = Input::ToolResult { call_id, output };
        if self.answered {
            return Some(input);
        }
        self.early.push(input);
        None
    }

    /// What to say because a tool takes long, once for all that run at a time.
    /// When the agent is not `silent`, that is looked at again later.
    pub(super) fn late(&mut self, number: u64, silent: bool, me: &Mailbox<AiMsg>) -> Option<Input> {
        let slow = self.running.iter_mut().find(|running| running.number == number)?;
        let filler = self.filler.clone().filter(|_| !self.filled)?;
        if !silent {
            slow.late = look_later(number, me);
            return None;
        }
        self.filled = true;
        Some(Input::Say(filler))
    }

    /// The caller takes the turn, or the call ends: gives up what may be given up.
    pub(super) fn give_up(&mut self) {
        for running in self.running.extract_if(.., |running| running.rules.cancel_on_barge_in) {
            let _ended_already = running.cancel.send(());
        }
        if let Some(open) = self.transferring.take_if(|transferring| transferring.is_open()) {
            open.give_up("the caller spoke: call it again if it is still wanted");
        }
    }

    /// The call ends.
    pub(super) fn finish(&mut self) {
        self.give_up();
        self.stop_collecting();
    }

    /// Digits that are being collected end with the session: the model, if there is one yet, is to ask for them again.
    fn stop_collecting(&mut self) {
        if let Some(transferring) = self.transferring.take() {
            transferring.give_up("it was interrupted, and it is not known what became of it");
        }
        let Some(Collecting { wanted, slip, .. }) = self.collecting.take() else { return };
        if wanted.sensitive {
            self.desk.tell_call(CallMsg::RecordingPaused(false));
        }
        let reason = "it was interrupted: ask the caller to type the digits again";
        slip.end(&ToolOutcome::not_done(ToolStatus::Cancelled, reason));
    }

    fn slip(&mut self, call_id: String, name: &str, arguments: Words) -> Slip {
        let known = self.offer.known(name);
        let desk = self.desk.clone();
        self.desk.number += 1;
        Slip {
            desk,
            call_id,
            name: name.to_owned(),
            known: known.is_some(),
            kind: known.map_or(ToolKind::BuiltIn, |known| known.kind),
            // What nobody knows may be anything.
            sensitive: known.is_none_or(|known| known.rules.sensitive),
            // Longer ones are refused, and not kept for a next session either.
            arguments: if arguments.as_str().len() > tools::MAX_ARGUMENTS { "{}".into() } else { arguments },
            began: Instant::now(),
            began_at: WallTime::now(),
        }
    }

    /// Starts a tool on the node's runtime: nothing that it does takes time from the media threads.
    fn start(&mut self, slip: Slip, runner: &Arc<dyn ToolRunner>, call: ToolCall, me: &Mailbox<AiMsg>) {
        if self.running.len() == RUNNING_MAX {
            return slip.end(&ToolOutcome::not_done(ToolStatus::Refused, "too many tools run already"));
        }
        let rules = runner.rules(&call.name);
        let mut call = call;
        let vault = rules.sensitive.then(|| self.vault.clone());
        if let Some(vault) = &vault {
            vault.reveal(&mut call.arguments);
        }
        let number = slip.desk.number;
        let (cancel, cancelled) = oneshot::channel();
        let running = AssertUnwindSafe(runner.run(call)).catch_unwind();
        self.runtime.spawn(async move {
            let outcome = tokio::select! {
                outcome = running => outcome.unwrap_or_else(|_| broken()),
                () = wanted(cancelled) => given_up(),
            };
            let outcome = match vault {
                Some(vault) => ToolOutcome { output: vault.scrub(outcome.output.into_string()).into(), ..outcome },
                None => outcome,
            };
            slip.end(&outcome);
        });
        self.running.push(Running { number, rules, cancel, late: look_later(number, me) });
    }

    fn collect(&mut self, now: Instant, slip: Slip, wanted: DigitsWanted, me: &Mailbox<AiMsg>) {
        if self.collecting.is_some() {
            return slip.end(&ToolOutcome::not_done(ToolStatus::Refused, "digits are being collected already"));
        }
        let collector = Collector::new(now, wanted.clone());
        if wanted.sensitive {
            self.desk.tell_call(CallMsg::RecordingPaused(true));
        }
        self.alarm.set(Some(collector.poll_timeout()), me, || AiMsg::DigitsDue);
        self.collecting = Some(Collecting { collector, wanted, slip });
    }

    /// The caller has had a turn.
    pub(super) fn caller_finished(&mut self) {
        self.email.caller_answered();
    }

    /// A key for the collection, if there is one; false when the engine is to have it.
    pub(super) fn press(&mut self, now: Instant, digit: Digit, me: &Mailbox<AiMsg>) -> bool {
        self.email.caller_answered();
        let Some(collecting) = &mut self.collecting else { return false };
        let collected = collecting.collector.press(now, digit.to_char());
        self.collected(collected, me);
        true
    }

    /// The time of the collection may be over.
    pub(super) fn digits_due(&mut self, now: Instant, me: &Mailbox<AiMsg>) {
        self.alarm.rang();
        let Some(collecting) = &mut self.collecting else { return };
        let collected = collecting.collector.handle_timeout(now);
        self.collected(collected, me);
    }

    fn collected(&mut self, collected: Option<Collected>, me: &Mailbox<AiMsg>) {
        let Some(collected) = collected else {
            let due = self.collecting.as_ref().map(|collecting| collecting.collector.poll_timeout());
            return self.alarm.set(due, me, || AiMsg::DigitsDue);
        };
        let Some(Collecting { wanted, slip, .. }) = self.collecting.take() else { return };
        if wanted.sensitive {
            self.desk.tell_call(CallMsg::RecordingPaused(false));
        }
        slip.end(&match collected {
            Collected::Digits(digits) if wanted.sensitive => {
                let count = digits.expose().len();
                let reference = self.vault.keep(digits);
                ToolOutcome::ok(json!({ "ok": true, "digits": count, "reference": reference }).to_string())
            }
            Collected::Digits(digits) => ToolOutcome::ok(json!({ "ok": true, "digits": digits.expose() }).to_string()),
            Collected::TooFew(count) => {
                let reason = format!("the caller typed {count} digits, and at least {} are needed", wanted.min);
                ToolOutcome::not_done(ToolStatus::Failed, &reason)
            }
            Collected::Late(count) => {
                let reason = format!("the caller typed {count} digits within {} s, and did not finish", wanted.timeout.as_secs());
                ToolOutcome::not_done(ToolStatus::Timeout, &reason)
            }
        });
    }
}

impl Drop for Tools {
    /// Also when the session dies: the call hears of it before or after the next session begins, and tells that one either way.
    fn drop(&mut self) {
        self.stop_collecting();
    }
}

fn look_later(number: u64, me: &Mailbox<AiMsg>) -> Owned {
    let me = me.clone();
    Owned(tokio::spawn(async move {
        tokio::time::sleep(FILLER_AFTER).await;
        let _ended_meanwhile = me.send(AiMsg::ToolLate(number));
    }))
}

/// Ends when the tool is to be given up; a session that died gives up nothing.
async fn wanted(cancelled: oneshot::Receiver<()>) {
    if cancelled.await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn given_up() -> ToolOutcome {
    ToolOutcome::not_done(ToolStatus::Cancelled, "it was given up, because the caller spoke: call it again if it is still needed")
}

/// A panic in a tool is ours; the call goes on.
fn broken() -> ToolOutcome {
    ToolOutcome::not_done(ToolStatus::Failed, "the tool is broken")
}

impl Desk {
    fn tell_call(&self, message: CallMsg) {
        // A call that takes no messages is over, and nobody waits for the result.
        let _over = self.mailbox.send(message);
    }
}

impl Slip {
    /// Writes down that it began.
    fn begin(&self) {
        self.write(None, None);
        let (call_id, name, arguments) = (self.call_id.clone(), self.name.clone(), self.arguments.clone());
        self.desk.tell_call(CallMsg::ToolBegan(Past::ToolCalled { call_id, name, arguments }));
    }

    /// Writes down how it ended, and has the model told.
    pub(super) fn end(self, outcome: &ToolOutcome) {
        self.close(outcome.status, Some(outcome.output.clone()), outcome.sources.clone());
    }

    pub(super) fn close(self, status: ToolStatus, output: Option<Words>, sources: Vec<Source>) {
        let took = self.began.elapsed();
        metrics::counter!("offhook_tool_calls_total", "outcome" => status.as_str()).increment(1);
        metrics::histogram!("offhook_tool_seconds", "kind" => self.kind.as_str()).record(took);
        self.write(Some(status), Some(took));
        let name = self.known.then(|| Arc::from(self.name.as_str()));
        let (call_id, number) = (self.call_id, self.desk.number);
        let report = ToolReport { call_id, number, name, status, output, sources, took };
        self.desk.tell_call(CallMsg::ToolEnded(Box::new(report)));
    }

    fn write(&self, outcome: Option<ToolStatus>, duration: Option<Duration>) {
        let used = ToolUse {
            call: self.desk.call,
            number: self.desk.number,
            name: self.name.clone(),
            kind: self.kind.as_str().to_owned(),
            arguments: (!self.sensitive).then(|| Transcript::new(self.desk.redaction.json(self.arguments.as_str()))),
            started_at: self.began_at,
            outcome: outcome.map(|status| status.as_str().to_owned()),
            duration,
        };
        self.desk.store.tell(StoreMsg::Write(StoreWrite::ToolUsed(used)));
    }
}

impl AiSession {
    /// Runs a tool, or refuses it with words for the model.
    pub(super) fn run_tool(&mut self, now: Instant, call_id: String, name: &str, arguments: Words, me: &Mailbox<AiMsg>) {
        let called = self.tools.offer.resolve(name, arguments.as_str());
        let slip = self.tools.slip(call_id, name, arguments);
        slip.begin();
        match called {
            Err(error) => slip.end(&error.into()),
            Ok(Called::BuiltIn(built_in)) => self.run_built_in(now, slip, built_in, me),
            Ok(Called::Transfer(wish)) => self.begin_transfer(now, slip, wish, me),
            Ok(Called::Runner { runner, name, arguments }) => {
                let call = ToolCall { name, arguments, call: Arc::clone(&self.tools.info) };
                self.tools.start(slip, &runner, call, me);
            }
        }
    }

    fn run_built_in(&mut self, now: Instant, slip: Slip, built_in: BuiltIn, me: &Mailbox<AiMsg>) {
        let outcome = match built_in {
            BuiltIn::CollectDigits(wanted) => return self.tools.collect(now, slip, wanted, me),
            BuiltIn::CollectEmail { email, confirmed } => self.tools.email.handle(&email, confirmed),
            BuiltIn::EndCall { .. } if self.tools.transferring.is_some() => {
                let reason = "the caller is being put through: when that works, the call is over for you";
                ToolOutcome::not_done(ToolStatus::Refused, reason)
            }
            BuiltIn::EndCall { .. } => {
                // No output: it would make the model speak again, after its goodbye.
                slip.close(ToolStatus::Ok, None, Vec::new());
                return self.hang_up("tool", true);
            }
            BuiltIn::GetTime { zone } => match tools::clock::time_now(zone.as_deref()) {
                Ok(time) => ToolOutcome::ok(time),
                Err(error) => error.into(),
            },
            BuiltIn::SendDtmf { digits } => {
                let digits = digits.chars().filter_map(Digit::from_char).collect();
                self.ports.leg.tell(LegMsg::SendDtmf(digits));
                ToolOutcome::ok(tools::success())
            }
        };
        slip.end(&outcome);
    }
}
