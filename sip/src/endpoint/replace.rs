//! An INVITE that takes the place of another dialog (RFC 3891).

use std::time::Instant;

use super::incoming::Incoming;
use super::usages::Phase;
use super::{DialogId, Endpoint, Event};
use crate::message::{StatusCode, name};
use crate::reason::Reason;
use crate::replaces::Replaces;

impl Endpoint {
    /// The dialog that an INVITE is to replace; `None` when it does not say so. Who replaces must come from where the dialog's peer is,
    /// the same PBX or carrier: whoever learned the tags elsewhere is not let into a call.
    ///
    /// # Errors
    /// 400 for what is not one Replaces, 481 for a dialog that is not there, 486 for an answered one that was to be replaced early only, 603
    /// for one that ends, 403 for a stranger.
    pub(super) fn find_replaced(&self, incoming: &Incoming) -> Result<Option<u64>, StatusCode> {
        let mut values = incoming.request.headers.get_all(name::REPLACES);
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let replaces: Replaces = value.parse().map_err(|_| StatusCode::BAD_REQUEST)?;
        if values.next().is_some() {
            return Err(StatusCode::BAD_REQUEST);
        }
        let found = replaces.dialogs().find_map(|dialog| self.usages.find_for_request(&dialog));
        let found = found.and_then(|number| Some((number, self.usages.table.get(&number)?)));
        let (number, usage) = found.ok_or(StatusCode::CALL_DOES_NOT_EXIST)?;
        match usage.phase {
            _ if usage.flow.remote.ip() != incoming.flow.remote.ip() => Err(StatusCode::FORBIDDEN),
            Phase::Ending => Err(StatusCode::DECLINE),
            Phase::Established if replaces.early_only => Err(StatusCode::BUSY_HERE),
            // A ringing call of the peer's cannot be picked up by another one (RFC 3891 §3).
            Phase::Invited => Err(StatusCode::CALL_DOES_NOT_EXIST),
            Phase::Established | Phase::Inviting { .. } => Ok(Some(number)),
        }
    }

    /// The INVITE was answered: the dialog whose place it takes ends.
    pub(super) fn give_way(&mut self, now: Instant, replaced: u64, by: &DialogId) {
        let Some(usage) = self.usages.table.get(&replaced).filter(|usage| !matches!(usage.phase, Phase::Ending)) else {
            return;
        };
        let dialog = usage.name.clone();
        self.events.push_back(Event::Replaced { dialog: dialog.clone(), by: by.clone() });
        self.hang_up(now, &dialog, Some(&Reason::sip(200, "replaced").to_string()));
    }
}
