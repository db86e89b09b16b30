//! Works at the campaigns: notes which calls are over, claims who is next, has the node dial, until it is stopped.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use store::{
    Act, AttemptEnd, AttemptOver, Campaign, CampaignId, CampaignLook, CampaignStatus, ContactNext, ContactOutcome, DIAL_LEASE,
    DialPlan, Pulse, Store, StoreError, WallTime,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::plan::{later, plan, ready_at};
use super::retry::next;
use super::{DialWish, Dialed, Dialer, MachineAction, OnMachine, Settings, list};

/// How often all is looked at when nobody told of anything new.
const POLL: Duration = Duration::from_secs(1);
/// The same after the database gave no answer.
const POLL_AFTER_ERROR: Duration = Duration::from_secs(15);
/// How often the leases are renewed: three times before they are over.
const RENEW: Duration = Duration::from_secs(DIAL_LEASE.as_secs() / 4);
/// How soon the next look may follow one that found something: events of calls come in crowds.
const PAUSE: Duration = Duration::from_millis(50);
/// Who is claimed while the node cannot dial waits so long at least.
const PUT_BACK_MIN: Duration = Duration::from_secs(5);

/// The work; it goes on until it is stopped.
pub struct Runner {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Runner {
    /// Starts the work. What a process of the name `node` was at when it ended is judged first: by the records of its calls, which must
    /// be closed by now; what these do not tell, nobody knows.
    #[must_use]
    pub fn start(store: Store, dialer: Arc<dyn Dialer>, node: String) -> Self {
        let (stop, stopped) = oneshot::channel();
        let worker = Worker { store, dialer, node, resting: HashMap::new() };
        Self { stop, task: tokio::spawn(worker.work(stopped)) }
    }

    /// Dials nobody any more. Calls that are up go on, and are judged at the next start.
    pub async fn stop(self) {
        let _ended_already = self.stop.send(());
        let _panicked = self.task.await;
    }
}

struct Worker {
    store: Store,
    dialer: Arc<dyn Dialer>,
    node: String,
    /// Campaigns whose calls cannot go out for now, and until when.
    resting: HashMap<CampaignId, Instant>,
}

impl Worker {
    async fn work(mut self, mut stopped: oneshot::Receiver<()>) {
        let mut news = self.store.news();
        let mut released = false;
        let mut renewed: Option<Instant> = None;
        loop {
            news.mark_unchanged();
            let step = async {
                if !released {
                    self.store.release_attempts(&self.node).await?;
                    released = true;
                }
                if renewed.is_none_or(|last| last.elapsed() >= RENEW) {
                    if renewed.is_none() {
                        // What was released is judged before anything is renewed; later on, what is renewed late was ours all the time.
                        self.note_ends().await?;
                    }
                    self.store.renew_attempts(&self.node, WallTime::now()).await?;
                    renewed = Some(Instant::now());
                }
                self.step().await
            };
            let wait = match step.await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!(%error, "campaigns wait for the database");
                    POLL_AFTER_ERROR
                }
            };
            let nap = async {
                tokio::time::sleep(wait.min(PAUSE)).await;
                tokio::select! {
                    _ = news.changed(), if wait <= POLL => {}
                    () = tokio::time::sleep(wait.saturating_sub(PAUSE)) => {}
                }
            };
            tokio::select! {
                _ = &mut stopped => break,
                () = nap => {}
            }
        }
    }

    /// One look at everything; answers when to look next.
    async fn step(&mut self) -> Result<Duration, StoreError> {
        self.note_ends().await?;
        let looks = self.store.look_at_campaigns(WallTime::now()).await?;
        metrics::gauge!("offhook_campaigns_running").set(looks.len() as f64);
        let mut wait = POLL;
        for look in looks {
            if look.is_over {
                self.finish(&look.campaign).await?;
            } else if let Some(soon) = self.dial_next(look).await? {
                wait = wait.min(soon);
            }
        }
        Ok(wait)
    }

    /// Judges the attempts whose calls are over.
    async fn note_ends(&self) -> Result<(), StoreError> {
        loop {
            let over = self.store.attempts_over(WallTime::now()).await?;
            if over.is_empty() {
                return Ok(());
            }
            for one in over {
                self.note_end(&one).await?;
            }
        }
    }

    async fn note_end(&self, over: &AttemptOver) -> Result<(), StoreError> {
        let (now, outcome) = (WallTime::now(), over.outcome());
        let ended = over.call.as_ref().and_then(|call| call.ended_at).unwrap_or(now);
        let next = match Settings::of(&over.campaign.settings) {
            Ok(settings) => next(&settings.rules(), &over.before, outcome, ended),
            Err(_) => ContactNext::Done,
        };
        let cause = over.call.as_ref().and_then(|call| call.cause.map(|cause| cause.as_str().to_owned()));
        let end = AttemptEnd { outcome, detail: cause, next };
        if self.store.end_attempt(&over.attempt, &end, now).await? {
            count(outcome);
            let (call, campaign) = (over.attempt.call, over.campaign.id);
            tracing::info!(%call, %campaign, outcome = outcome.as_str(), again = next != ContactNext::Done, "an attempt of a campaign is over");
        }
        Ok(())
    }

    async fn finish(&self, campaign: &Campaign) -> Result<(), StoreError> {
        let act = Act { actor: "node", address: "", at: WallTime::now() };
        let place = (&campaign.organization, campaign.id);
        let done = self.store.move_campaign(place, &[CampaignStatus::Running], CampaignStatus::Finished, None, &act).await?;
        if done.is_some() {
            tracing::info!(campaign = %campaign.id, "a campaign is finished");
        }
        Ok(())
    }

    /// Claims the next contact of a campaign if it may be, and has it dialled; answers when there may be another one to claim.
    async fn dial_next(&mut self, look: CampaignLook) -> Result<Option<Duration>, StoreError> {
        let CampaignLook { campaign, under_way, is_due, .. } = look;
        let is_resting = self.resting.get(&campaign.id).is_some_and(|until| *until > Instant::now());
        if !is_due || under_way >= campaign.concurrency || is_resting || !self.dialer.takes_calls() {
            return Ok(None);
        }
        let now = WallTime::now();
        let ready = ready_at(campaign.dialed_at, campaign.gap);
        if ready > now {
            return Ok(Some(ready.since(now)));
        }
        let settings = match Settings::of(&campaign.settings) {
            Ok(settings) => settings,
            Err(error) => return self.pause(&campaign, &error.to_string()).await.map(|()| None),
        };
        let windows = settings.opening_hours();
        // Of settings that were changed since the look, the next look knows.
        let planned = |pulse: Pulse<'_>| match pulse.campaign.version == campaign.version {
            true => plan(pulse, &windows, now),
            false => DialPlan::default(),
        };
        let claimed = self.store.claim_contact(campaign.id, (&self.node, now), planned).await?;
        let Some((contact, attempt)) = claimed.dial else {
            return Ok(claimed.look_again.then_some(Duration::ZERO));
        };
        let wish = DialWish {
            call: attempt.call,
            to: contact.phone.clone(),
            from: settings.from.clone().map(store::PhoneNumber::new),
            assistant: settings.assistant_id.clone(),
            trunk: settings.trunk_id.clone(),
            variables: list::variables(&contact.variables),
            on_machine: on_machine(&settings),
        };
        tracing::info!(call = %attempt.call, campaign = %campaign.id, attempt = attempt.number, "a campaign dials");
        match self.dialer.dial(wish).await {
            Dialed::Placed => {}
            Dialed::Later { reason, after } => {
                tracing::info!(campaign = %campaign.id, reason, "a campaign waits");
                let after = after.max(PUT_BACK_MIN);
                self.resting.insert(campaign.id, Instant::now() + after);
                self.store.unclaim_contact(&attempt, later(WallTime::now(), after)).await?;
            }
            Dialed::Wrong { field: "to", reason } => {
                let end = AttemptEnd { outcome: ContactOutcome::InvalidNumber, detail: Some(reason), next: ContactNext::Done };
                if self.store.end_attempt(&attempt, &end, WallTime::now()).await? {
                    count(end.outcome);
                }
            }
            Dialed::Wrong { field, reason } => {
                self.store.unclaim_contact(&attempt, WallTime::now()).await?;
                self.pause(&campaign, &format!("{field}: {reason}")).await?;
            }
        }
        Ok(Some(campaign.gap))
    }

    /// A campaign that cannot go on as it is waits for somebody who mends it.
    async fn pause(&self, campaign: &Campaign, why: &str) -> Result<(), StoreError> {
        tracing::warn!(campaign = %campaign.id, why, "a campaign is paused");
        let act = Act { actor: "node", address: "", at: WallTime::now() };
        let place = (&campaign.organization, campaign.id);
        self.store.move_campaign(place, &[CampaignStatus::Running], CampaignStatus::Paused, Some(why), &act).await.map(drop)
    }
}

fn on_machine(settings: &Settings) -> Option<OnMachine> {
    match settings.on_machine {
        MachineAction::Ignore => None,
        MachineAction::HangUp => Some(OnMachine::HangUp),
        MachineAction::LeaveMessage => Some(OnMachine::Say(settings.message.clone().unwrap_or_default())),
    }
}

fn count(outcome: ContactOutcome) {
    metrics::counter!("offhook_campaign_attempts_total", "outcome" => outcome.as_str()).increment(1);
}
