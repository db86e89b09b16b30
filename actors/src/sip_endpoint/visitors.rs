//! Who calls, and what trunks ask.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ractor::ActorId;
use sip::dialog::DialogId;
use sip::endpoint::{Flow, RequestId, Series};
use sip::message::{Request, Response, StatusCode};

use super::{Owner, SipEndpoint};
use crate::calls::CallsMsg;
use crate::trunk::door::{Entry, Visitor};
use crate::trunk::{Errand, TrunkMsg};

impl SipEndpoint {
    /// Somebody calls: those who may are told to Calls.
    pub(super) fn handle_invited(&mut self, dialog: DialogId, invite: Box<Request>, flow: Flow) {
        let now = Instant::now();
        let visitor = Visitor { source: flow.remote.ip(), certificate_names: self.streams.names(&flow), invite: &invite };
        let all = self.trunks.all();
        let trunks = all.iter().map(|entry| &*entry.config);
        let trunk = match self.door.judge(now, trunks, visitor) {
            Entry::Open(place) => place.and_then(|place| all.get(place)).map(|entry| Arc::clone(&entry.config)),
            Entry::Challenged(values) => {
                metrics::counter!("offhook_sip_challenges_total").increment(1);
                return self.endpoint.challenge(now, &dialog, &values);
            }
            Entry::Shut(reason) => {
                metrics::counter!("offhook_calls_rejected_total", "reason" => reason).increment(1);
                return self.endpoint.refuse(now, &dialog, StatusCode::FORBIDDEN, None);
            }
        };
        self.watch.claim(&dialog.call_id);
        self.owners.insert(dialog.clone(), Owner::Awaited { since: now, from: flow.remote.ip(), events: Vec::new() });
        if self.calls.send(CallsMsg::SipInvited { dialog: dialog.clone(), invite, flow, trunk }).is_err() {
            self.endpoint.refuse(now, &dialog, StatusCode::SERVICE_UNAVAILABLE, Some(Duration::from_secs(1)));
        }
    }

    pub(super) fn tell_asker(&mut self, request: RequestId, response: Option<Box<Response>>, series: Box<Series>) {
        if let Some((errand, trunk)) = self.asked.remove(&request) {
            let _trunk_died = trunk.send(TrunkMsg::Ended { errand, response, series });
        }
    }

    /// Forgets what a trunk does not wait for any more.
    pub(super) fn abandon(&mut self, errand: Errand, trunk: ActorId) {
        for (id, _) in self.asked.extract_if(|_, (other, asker)| *other == errand && asker.id() == trunk) {
            self.endpoint.abandon(id);
        }
    }
}
