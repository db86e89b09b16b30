//! Which call owns which dialog; the front door lets pass what belongs to one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use sip::dialog::DialogId;
use sip::endpoint::Event;

use super::front::Front;
use crate::call::CallMsg;
use crate::mailbox::Mailbox;

/// Who is told of a dialog's events.
pub(super) enum Owner {
    /// Calls has been told; its call has not answered yet.
    Awaited {
        since: Instant,
        from: IpAddr,
        events: Vec<Event>,
    },
    Call(Mailbox<CallMsg>),
}

/// All dialogs that somebody owns or will own.
pub(super) struct Owners {
    table: HashMap<DialogId, Owner>,
    front: Arc<Front>,
}

impl Owners {
    pub fn new(front: Arc<Front>) -> Self {
        Self { table: HashMap::new(), front }
    }

    pub fn get(&self, dialog: &DialogId) -> Option<&Owner> {
        self.table.get(dialog)
    }

    pub fn get_mut(&mut self, dialog: &DialogId) -> Option<&mut Owner> {
        self.table.get_mut(dialog)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&DialogId, &Owner)> {
        self.table.iter()
    }

    /// Who owned it before.
    pub fn insert(&mut self, dialog: DialogId, owner: Owner) -> Option<Owner> {
        if !self.table.contains_key(&dialog) {
            self.front.learn_call(&dialog.call_id);
        }
        self.table.insert(dialog, owner)
    }

    pub fn remove(&mut self, dialog: &DialogId) -> Option<Owner> {
        let owner = self.table.remove(dialog)?;
        self.front.forget_call(&dialog.call_id);
        Some(owner)
    }
}
