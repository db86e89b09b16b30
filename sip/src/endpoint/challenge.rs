//! 401 and 407 to requests of ours: the request goes out once more, with credentials (RFC 3261 §22.2, §22.3).
//!
//! ```text
//! request (CSeq 1) -> 401, nonce a -> request (CSeq 2, answer to a) -> 200          later ones carry an answer from the beginning
//!                                                                   -> 401, stale -> request (CSeq 3, answer to b) -> ...
//!                                                                   -> 401 twice  -> the refusal is told
//! ```

use std::collections::VecDeque;
use std::mem;
use std::time::Instant;

use super::clients::ClientUser;
use super::usages::Phase;
use super::ways::{Rest, Way};
use super::{DialogId, Endpoint};
use crate::digest::{Credentials, DigestClient};
use crate::flow::Transmit;
use crate::message::{CSeq, Request, Response, StatusCode, name};

impl Endpoint {
    /// What requests of this dialog answer challenges with: of a call of ours from its [`invite`](Self::invite) on, to be told right after
    /// it; of a call that came, for BYE and what else is ours to send. Nothing for a dialog that is gone.
    pub fn authorize(&mut self, dialog: &DialogId, credentials: Credentials) {
        let usage = self.usages.find(dialog).and_then(|number| self.usages.table.get_mut(&number));
        if let Some(usage) = usage {
            usage.digest = Some(Box::new(DigestClient::new(credentials)));
        }
    }

    /// 401 to the INVITE that waits, with these values of WWW-Authenticate (RFC 3261 §22.2); the caller comes again with another one.
    /// Nothing when none waits.
    pub fn challenge(&mut self, now: Instant, dialog: &DialogId, values: &[String]) {
        let Some(number) = self.usages.find(dialog) else {
            return;
        };
        let usage = self.usages.table.get_mut(&number).filter(|usage| matches!(usage.phase, Phase::Invited));
        let Some(pending) = usage.and_then(|usage| usage.pending.take()) else {
            return;
        };
        let mut response = self.response(&pending.request, StatusCode::UNAUTHORIZED, &dialog.local_tag);
        for value in values {
            response.headers.push(name::WWW_AUTHENTICATE, value.as_str());
        }
        self.respond(now, pending.transaction, &response);
        self.finish(number);
    }

    /// A response to the request of this transaction came. True when it was a challenge and the request is under way again, as a
    /// transaction of its own; else its user is to be told.
    pub(super) fn answer_challenge(&mut self, now: Instant, id: u64, response: &Response) -> bool {
        let Some(transaction) = self.clients.table.get(&id).filter(|_| response.status.is_final()) else {
            return false;
        };
        let (user, mut request) = (transaction.user, transaction.request.clone());
        let Some(digest) = self.digest_of(user) else {
            return false;
        };
        if !matches!(response.status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED) {
            digest.handle_accepted();
            return false;
        }
        if digest.handle_challenge(response).is_err() || !self.is_wanted(user) {
            return false;
        }
        let Some(number) = self.next_cseq(user) else {
            return false;
        };
        request.headers.remove(name::VIA);
        request.headers.set(name::CSEQ, CSeq::new(number, request.method.clone()).to_string());
        self.authorize_request(user, &mut request);
        self.send_in_place(now, id, request);
        true
    }

    /// Answers the challenges that its user has met already.
    pub(super) fn authorize_request(&mut self, user: ClientUser, request: &mut Request) {
        if self.digest_of(user).is_none() {
            return;
        }
        let cnonce = self.new_token();
        if let Some(digest) = self.digest_of(user) {
            digest.authorize(request, &cnonce);
        }
    }

    /// In the place of a transaction that is over: the same way, and the same others if it fails.
    fn send_in_place(&mut self, now: Instant, id: u64, request: Request) {
        let Some(transaction) = self.clients.table.get_mut(&id) else {
            return;
        };
        let rest = mem::replace(&mut transaction.rest, Rest::Ways(VecDeque::new()));
        let user = mem::replace(&mut transaction.user, ClientUser::Nobody);
        let Transmit { flow, peer, .. } = transaction.transmit.clone();
        let next = self.send_request(now, Way { flow, peer, at_any_length: false }, rest, request, user);
        self.follow(user, next);
    }

    fn digest_of(&mut self, user: ClientUser) -> Option<&mut DigestClient> {
        match user {
            ClientUser::Outside(number) => self.outsides.get_mut(&number)?.series.digest.as_mut(),
            ClientUser::Nobody => None,
            ClientUser::Bye(number)
            | ClientUser::Invite(number)
            | ClientUser::Reinvite(number)
            | ClientUser::Update(number)
            | ClientUser::Notify(number)
            | ClientUser::Refer(number) => self.usages.table.get_mut(&number)?.digest.as_deref_mut(),
        }
    }

    fn next_cseq(&mut self, user: ClientUser) -> Option<u32> {
        match user {
            ClientUser::Outside(number) => Some(self.outsides.get_mut(&number)?.series.next_cseq()),
            ClientUser::Nobody => None,
            ClientUser::Refer(number) => {
                let usage = self.usages.table.get_mut(&number)?;
                let cseq = usage.dialog.next_number();
                usage.transfers.renumber(cseq);
                Some(cseq)
            }
            ClientUser::Bye(number)
            | ClientUser::Invite(number)
            | ClientUser::Reinvite(number)
            | ClientUser::Update(number)
            | ClientUser::Notify(number) => Some(self.usages.table.get_mut(&number)?.dialog.next_number()),
        }
    }
}
