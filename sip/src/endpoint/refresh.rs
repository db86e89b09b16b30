//! The refreshes of a session (RFC 4028): ours by UPDATE, or by INVITE where the peer takes no UPDATE, and a BYE when one is missing.

use std::time::Instant;

use super::clients::ClientUser;
use super::reinvite::is_gone;
use super::session::Session;
use super::usages::Phase;
use super::{Endpoint, Event};
use crate::message::{Method, Response, StatusCode};

/// What our BYE says when nobody refreshed the session.
const EXPIRED: &str = "SIP;cause=408;text=\"Session expired\"";

impl Endpoint {
    /// A refresh of the session is due, or one of the peer's is missing.
    pub(super) fn handle_session_due(&mut self, now: Instant, number: u64) {
        let Some(usage) = self.usages.table.get_mut(&number).filter(|usage| matches!(usage.phase, Phase::Established)) else {
            return;
        };
        let busy = usage.is_busy();
        let Some(session) = &mut usage.session else {
            return;
        };
        if session.bye_at <= now {
            let dialog = usage.name.clone();
            self.events.push_back(Event::SessionExpired { dialog });
            return self.send_bye(now, number, Some(EXPIRED));
        }
        if session.refresh_at.is_none_or(|at| at > now) {
            return;
        }
        if busy {
            // What is open now refreshes the session too, or makes room.
            return session.refresh_later(now);
        }
        session.refresh_at = None;
        match (usage.peer_updates, usage.local_sdp.clone()) {
            (true, _) => self.send_update(now, number),
            (false, Some(sdp)) => self.begin_reinvite(now, number, Some(sdp), true),
            (false, None) => {}
        }
    }

    fn send_update(&mut self, now: Instant, number: u64) {
        if let Some(usage) = self.usages.table.get_mut(&number) {
            usage.is_refreshing = true;
        }
        let request = self.session_request(number, Method::UPDATE, None);
        self.send_session_request(now, number, request, ClientUser::Update(number));
    }

    /// Our UPDATE could not be sent: perhaps later.
    pub(super) fn fail_update(&mut self, now: Instant, number: u64) {
        if let Some(usage) = self.usages.table.get_mut(&number) {
            usage.is_refreshing = false;
            if let Some(session) = &mut usage.session {
                session.refresh_later(now);
            }
            self.rearm_usage(number);
        }
    }

    /// The answer to our UPDATE; `None`: there is none.
    pub(super) fn handle_update_response(&mut self, now: Instant, number: u64, response: Option<&Response>) {
        let status = response.map_or(StatusCode::REQUEST_TIMEOUT, |response| response.status);
        let raised =
            response.is_some_and(|response| status == StatusCode::INTERVAL_TOO_SMALL && self.raise_least(number, response));
        let Some(usage) = self.usages.table.get_mut(&number).filter(|_| status.is_final()) else {
            return;
        };
        if !std::mem::take(&mut usage.is_refreshing) || !matches!(usage.phase, Phase::Established) {
            return;
        }
        match (status, response) {
            (_, Some(response)) if status.is_success() => {
                usage.dialog.refresh_target(&response.headers);
                usage.session = Session::agreed(now, &response.headers);
            }
            _ if raised => return self.send_update(now, number),
            (StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED, _) => {
                usage.peer_updates = false;
                if let Some(session) = &mut usage.session {
                    session.refresh_at = Some(now);
                }
                return self.handle_session_due(now, number);
            }
            _ if is_gone(status) => {
                let dialog = usage.name.clone();
                self.events.push_back(Event::ReinviteRefused { dialog, status });
                self.send_bye(now, number, None);
            }
            _ => return self.fail_update(now, number),
        }
        self.rearm_usage(number);
    }
}
