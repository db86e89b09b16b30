//! Who works at campaigns, and how the node dials for them.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actors::call::OnMachine as Wanted;
use actors::calls::{CallsMsg, PlaceRefusal, Refusal};
use actors::node::NodeHandle;
use actors::route::{CallTerms, NoRoute, PlaceCall};
use platform::campaigns::{DialWish, Dialed, Dialer, OnMachine, Runner};
use store::Store;
use tokio::sync::oneshot;

/// A node that does not answer within this may have placed the call all the same.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// When to try again where nobody says it.
const AGAIN: Duration = Duration::from_secs(30);

/// Starts the work; the calls that the node lost before are closed by now.
pub(super) fn start(store: &Store, node: &NodeHandle, name: &str) -> Runner {
    Runner::start(store.clone(), Arc::new(NodeDialer(node.clone())), name.to_owned())
}

struct NodeDialer(NodeHandle);

impl Dialer for NodeDialer {
    fn takes_calls(&self) -> bool {
        !self.0.shared.draining()
    }

    fn dial(&self, wish: DialWish) -> Pin<Box<dyn Future<Output = Dialed> + Send + '_>> {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            if self.0.shared.calls.send(CallsMsg::Place(Box::new(asked(wish)), reply)).is_err() {
                return Dialed::Later { reason: "the node takes no calls".to_owned(), after: AGAIN };
            }
            match tokio::time::timeout(ANSWER_MAX, answer).await {
                Ok(Ok(Err(refusal))) => refused(refusal),
                // Without an answer it may be on its way: its record will tell, or nobody.
                Ok(Ok(Ok(_)) | Err(_)) | Err(_) => Dialed::Placed,
            }
        })
    }
}

fn asked(wish: DialWish) -> PlaceCall {
    let DialWish { call, to, from, assistant, trunk, variables, on_machine } = wish;
    let on_machine = on_machine.map(|action| match action {
        OnMachine::HangUp => Wanted::HangUp,
        OnMachine::Say(words) => Wanted::Say(words.into()),
    });
    let variables = variables.into_iter().map(|(name, value)| (name, value.into())).collect();
    let terms = CallTerms { id: Some(call), variables, on_machine };
    PlaceCall { to, from, assistant: Some(assistant), trunk, terms }
}

/// Nothing has left.
fn refused(refusal: PlaceRefusal) -> Dialed {
    match refusal {
        PlaceRefusal::Asked(NoRoute { field, reason }) => Dialed::Wrong { field, reason },
        PlaceRefusal::Node(refusal @ Refusal::Failed) => Dialed::Later { reason: refusal.to_string(), after: AGAIN },
        PlaceRefusal::Node(refusal) => Dialed::Later { reason: refusal.to_string(), after: refusal.status().1.unwrap_or(AGAIN) },
    }
}
