//! Ends a dialog as its state wants, when we want it or the transport fails.

use std::time::Instant;

use super::clients::ClientUser;
use super::usages::{AfterAck, Cancel, Phase};
use super::{DialogId, Endpoint, Event};
use crate::flow::Flow;
use crate::message::{Method, StatusCode, name};

impl Endpoint {
    /// Ends a dialog; [`Event::Terminated`] follows, now or when the peer has answered or not. `reason` is the value of a
    /// Reason header (RFC 3326): `Q.850;cause=16;text="Normal call clearing"`.
    ///
    /// ```text
    /// unanswered, theirs          480
    /// unanswered, ours            CANCEL, once a 1xx is there (RFC 3261 §9.1); BYE if a 2xx came first; nothing if it was not sent yet
    /// answered by us, no ACK yet  BYE after the ACK, or after 64*T1 (RFC 3261 §15)
    /// answered                    BYE; a re-INVITE that waits gets 487
    /// ```
    pub fn hang_up(&mut self, now: Instant, dialog: &DialogId, reason: Option<&str>) {
        let Some(number) = self.usages.find(dialog) else {
            return;
        };
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        let reason = reason.map(str::to_owned);
        match (&mut usage.phase, &mut usage.unacked) {
            (Phase::Invited, _) => {
                self.refuse_pending(now, number, StatusCode::TEMPORARILY_UNAVAILABLE, None);
                self.finish(number);
            }
            (Phase::Inviting { client, cancel: cancel @ Cancel::No }, _) => {
                *cancel = Cancel::Wanted { reason: reason.clone() };
                let client = *client;
                match self.clients.table.get(&client) {
                    // It waits to be sent, so nobody has to be told.
                    None => self.finish(number),
                    Some(client) if client.is_proceeding_invite() => self.send_cancel(now, number, reason.as_deref()),
                    Some(_) => {}
                }
            }
            (Phase::Established, Some(unacked)) => unacked.then = AfterAck::HangUp { reason },
            (Phase::Established, None) => self.send_bye(now, number, reason.as_deref()),
            (Phase::Inviting { .. } | Phase::Ending, _) => {}
        }
    }

    /// Whatever is open in the dialog ends with it.
    pub(super) fn send_bye(&mut self, now: Instant, number: u64, reason: Option<&str>) {
        let Some(name) = self.usages.table.get(&number).map(|usage| usage.name.clone()) else {
            return;
        };
        self.send_due_ack(number, None);
        self.refuse_asked(now, number);
        self.refuse_pending(now, number, StatusCode::REQUEST_TERMINATED, None);
        self.refuse_update(now, &name, StatusCode::REQUEST_TERMINATED);
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        usage.phase = Phase::Ending;
        usage.unacked = None;
        let reinvite = usage.reinvite.take();
        let mut bye = usage.dialog.request(Method::BYE);
        let (seen, uri) = (usage.flow, usage.dialog.next_hop().clone());
        bye.headers.push(name::USER_AGENT, self.config.user_agent.as_str());
        if let Some(reason) = reason {
            bye.headers.push(name::REASON, reason);
        }
        if let Some(reinvite) = reinvite {
            self.remove_client(reinvite.client);
        }
        self.send_in_dialog(now, seen, uri, bye, ClientUser::Bye(number));
    }

    /// The flow does not work any more: a connection closed or could not be opened, or a datagram could not be sent (RFC 3261 §8.1.3.1,
    /// §17.2.4). No input of its own: it may be told while the outputs are drained.
    ///
    /// Our requests on it take their next way. Without one they have failed: an INVITE reads as refused with 503, a BYE ends the dialog
    /// all the same. A caller whose connection is gone before our answer reads as cancelled. Answered calls live on: the next request
    /// may be luckier. Looks at every transaction, which is fine for something as rare as this.
    pub fn handle_transport_error(&mut self, now: Instant, flow: &Flow) {
        let clients = self.clients.table.iter().filter(|(_, client)| client.transmit.flow == *flow);
        let mut clients: Vec<u64> = clients.map(|(id, _)| *id).collect();
        clients.sort_unstable();
        for client in clients {
            self.fail_over(now, client);
            if let Some(transaction) = self.remove_client(client)
                && self.is_waited_for(client, transaction.user)
            {
                self.fail_user(now, transaction.user);
            }
        }
        if !flow.transport.is_reliable() {
            return;
        }
        let servers = self.servers.table.iter().filter(|(_, server)| server.reply == *flow);
        let servers: Vec<(u64, Option<u64>)> = servers.map(|(id, server)| (*id, server.usage)).collect();
        for (server, usage) in servers {
            self.remove_server(server);
            if let Some(number) = usage {
                self.lose_pending(number, server);
            }
        }
    }

    /// Whether a re-INVITE's transaction is the one that its dialog waits for, and not one that was answered.
    fn is_waited_for(&self, client: u64, user: ClientUser) -> bool {
        let ClientUser::Reinvite(number) = user else {
            return true;
        };
        let reinvite = self.usages.table.get(&number).and_then(|usage| usage.reinvite.as_ref());
        reinvite.is_some_and(|reinvite| reinvite.client == client)
    }

    /// A request cannot be sent on any way.
    pub(super) fn fail_user(&mut self, now: Instant, user: ClientUser) {
        match user {
            ClientUser::Bye(number) => self.finish(number),
            ClientUser::Invite(number) => self.fail_invite(number),
            ClientUser::Reinvite(number) => self.fail_reinvite(now, number, StatusCode::SERVICE_UNAVAILABLE),
            ClientUser::Update(number) => self.fail_update(now, number),
            ClientUser::Nobody => {}
            ClientUser::Outside(number) => self.lose_outside(number),
            ClientUser::Notify(number) => self.handle_notify_response(now, number, None),
            ClientUser::Refer(number) => self.handle_refer_lost(number, StatusCode::SERVICE_UNAVAILABLE),
        }
    }

    /// Our INVITE cannot be sent. After its answer that only means that no ACK can be repeated.
    fn fail_invite(&mut self, number: u64) {
        let Some(usage) = self.usages.table.get(&number) else {
            return;
        };
        let Phase::Inviting { cancel, .. } = &usage.phase else {
            return;
        };
        if let Cancel::No = cancel {
            self.refuse_ourselves(usage.name.clone(), "no way to the callee".to_owned());
        }
        self.finish(number);
    }

    /// The transaction of an INVITE is gone with its connection.
    fn lose_pending(&mut self, number: u64, server: u64) {
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        if usage.pending.take_if(|pending| pending.transaction == server).is_some() && matches!(usage.phase, Phase::Invited) {
            let dialog = usage.name.clone();
            self.events.push_back(Event::Cancelled { dialog, reason: None });
            self.finish(number);
        }
    }
}
