//! A call of ours that takes another one's place, because that one's peer asked for it.

use sip::message::StatusCode;
use tokio::sync::oneshot;

use super::{Calls, CallsMsg, PlaceRefusal};
use crate::call::{CallMsg, Predecessor, Purpose};
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
        let news = match self.admit_route(&asked) {
            Ok(mut admitted) => {
                let route = &mut admitted.route;
                for own in route.others.iter_mut().map(|other| &mut other.headers).chain([&mut route.headers]) {
                    own.extend(headers.iter().cloned());
                }
                let (placed, _) = oneshot::channel();
                match self.start_placed(admitted, Purpose::Successor(predecessor), placed, me).await {
                    Ok(id) => self.find(id).map(|mailbox| CallMsg::SuccessorCalled(id, mailbox)),
                    Err(refusal) => Some(failed(refusal.status().0)),
                }
            }
            Err(PlaceRefusal::Asked(_)) => Some(failed(StatusCode::FORBIDDEN)),
            Err(PlaceRefusal::Node(refusal)) => Some(failed(refusal.status().0)),
        };
        news.into_iter().for_each(|news| drop(call.send(news)));
    }

    fn find(&self, id: store::CallId) -> Option<Mailbox<CallMsg>> {
        self.children.values().find(|child| child.id == id).map(|child| child.mailbox.clone())
    }
}

fn failed(status: StatusCode) -> CallMsg {
    CallMsg::SuccessorNews(crate::call::SuccessorNews::Failed(status))
}
