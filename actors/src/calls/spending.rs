//! What calls of ours cost, counted by the second: who may be called, whose call must end, and what is written down.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use store::{CallId, StoreWrite};

use super::{Calls, CallsMsg, PlaceRefusal, Refusal};
use crate::call::CallMsg;
use crate::mailbox::Mailbox;
use crate::route::{NoRoute, PlaceCall};
use crate::spend::{Fare, Talk, Unaffordable};
use crate::store::StoreMsg;
use crate::trunk::config::TrunkConfig;
use crate::trunk::number::tidy;

/// Between two looks at the calls that cost something.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a call of ours costs, and how long it has talked.
pub(super) struct Bill {
    fare: Fare,
    talk: Arc<Talk>,
}

impl Calls {
    /// Holds back what the first minute costs; `None` where that is nobody's money: without a trunk, and without a cap.
    pub(super) fn afford(&mut self, asked: &PlaceCall, trunk: Option<&TrunkConfig>) -> Result<Option<Fare>, PlaceRefusal> {
        let Some(trunk) = trunk else { return Ok(None) };
        let written = asked.to.reveal();
        let number = tidy(written);
        self.purse.admit(SystemTime::now(), number.as_deref().unwrap_or(written)).map_err(|reason| {
            self.count_by(Some(trunk), Refusal::Spend(reason));
            match reason {
                Unaffordable::NoPrice => PlaceRefusal::Asked(NoRoute::new("to", reason.to_string())),
                Unaffordable::Day | Unaffordable::Hour => PlaceRefusal::Node(Refusal::Spend(reason)),
            }
        })
    }

    /// The call was not begun.
    pub(super) fn give_back(&mut self, fare: Option<Fare>) {
        fare.into_iter().for_each(|mut fare| self.purse.release(&mut fare));
    }

    /// The call is under way.
    pub(super) fn bill(&mut self, call: CallId, fare: Option<Fare>, talk: Arc<Talk>, me: &Mailbox<CallsMsg>) {
        let Some(fare) = fare else { return };
        match self.children.values_mut().find(|child| child.id == call) {
            Some(child) => child.bill = Some(Bill { fare, talk }),
            None => self.give_back(Some(fare)),
        }
        self.alarm.set(Some(Instant::now() + LOOK_EVERY), me, || CallsMsg::SpendDue);
    }

    /// By the second, as long as there are such calls: counts what they owe, and ends those that there is no money for.
    pub(super) fn count_spending(&mut self, me: &Mailbox<CallsMsg>) {
        self.alarm.rang();
        let (now, wall) = (Instant::now(), SystemTime::now());
        let mut billed = false;
        for child in self.children.values_mut() {
            let Some(Bill { fare, talk }) = &mut child.bill else { continue };
            billed = true;
            if talk.lasted(now).is_some_and(|lasted| self.purse.charge(wall, fare, lasted)) {
                tracing::warn!(call = %child.id, "the cap on spending is reached: the agent takes leave");
                metrics::counter!("offhook_spend_ended_calls_total").increment(1);
                drop(child.mailbox.send(CallMsg::MoneySpent));
            }
        }
        self.write_spending(wall);
        let due = billed.then(|| now + LOOK_EVERY);
        self.alarm.set(due, me, || CallsMsg::SpendDue);
    }

    /// The call is over.
    pub(super) fn settle(&mut self, call: CallId, bill: Option<Bill>) {
        let Some(Bill { mut fare, talk }) = bill else { return };
        let (now, wall) = (Instant::now(), SystemTime::now());
        if let Some(lasted) = talk.lasted(now) {
            self.purse.charge(wall, &mut fare, lasted);
        }
        self.purse.release(&mut fare);
        self.shared.store.tell(StoreMsg::Write(StoreWrite::CallCharged { call, micros: fare.cost() }));
        self.write_spending(wall);
    }

    fn write_spending(&mut self, wall: SystemTime) {
        for spent in self.purse.take_changed() {
            let node = self.shared.config.name.clone();
            self.shared.store.tell(StoreMsg::Write(StoreWrite::MoneySpent { node, spent }));
        }
        let (hour, day) = self.purse.totals(wall);
        for (window, micros) in [("hour", hour), ("day", day)] {
            metrics::gauge!("offhook_spend_micros", "window" => window).set(micros as f64);
        }
    }
}
