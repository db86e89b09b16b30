//! A call of ours that takes another one's place, because that one's peer asked for it.

use sip::message::StatusCode;
use store::HangupCause;
use tokio::sync::oneshot;

use super::{Admitted, Calls, CallsMsg, PlaceRefusal};
use crate::call::{CallMsg, Predecessor, Purpose, SuccessorNews};
use crate::mailbox::Mailbox;
use crate::route::PlaceCall;

/// Somebody who is to be called in another one's place.
#[derive(Debug)]
pub struct PlaceInstead {
    /// Whom to call, over which trunk, and who talks.
    pub asked: PlaceCall,
    /// What the INVITE says beside: whom it replaces, and on whose word.
    pub headers: Vec<(String, String)>,
    /// The call whose place it takes.
    pub predecessor: Predecessor,
}

impl Calls {
    /// Calls somebody in another one's place. What stands in the way that call is told, as the status for its peer.
    pub(super) async fn place_instead(&mut self, wanted: PlaceInstead, me: &Mailbox<CallsMsg>) {
        let PlaceInstead { asked, headers, predecessor } = wanted;
        let call = predecessor.call.clone();
        let placed = match self.admit_route(&asked) {
            Ok(mut admitted) => {
                let route = &mut admitted.route;
                for own in route.others.iter_mut().map(|other| &mut other.headers).chain([&mut route.headers]) {
                    own.extend(headers.iter().cloned());
                }
                self.place_successor(admitted, predecessor, me).await
            }
            Err(PlaceRefusal::Asked(_)) => Err(StatusCode::FORBIDDEN),
            Err(PlaceRefusal::Node(refusal)) => Err(refusal.status().0),
        };
        if let Err(status) = placed {
            drop(call.send(CallMsg::SuccessorNews(SuccessorNews::Failed(status))));
        }
    }

    async fn place_successor(
        &mut self,
        admitted: Admitted,
        predecessor: Predecessor,
        me: &Mailbox<CallsMsg>,
    ) -> Result<(), StatusCode> {
        let call = predecessor.call.clone();
        let (placed, _) = oneshot::channel();
        let started = self.start_placed(admitted, Purpose::Successor(predecessor), placed, me).await;
        let id = started.map_err(|refusal| refusal.status().0)?;
        if let Some(mailbox) = self.find(id)
            && call.send(CallMsg::SuccessorCalled(id, mailbox)).is_err()
        {
            // Whose place it was to take has hung up meanwhile.
            self.tell_one(id, CallMsg::HangUp(HangupCause::OperatorHangup));
        }
        Ok(())
    }

    fn find(&self, id: store::CallId) -> Option<Mailbox<CallMsg>> {
        self.children.values().find(|child| child.id == id).map(|child| child.mailbox.clone())
    }
}
