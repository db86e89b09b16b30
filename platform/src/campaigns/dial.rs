//! What a campaign asks of the node.

use std::pin::Pin;
use std::time::Duration;

use store::{CallId, PhoneNumber};

/// A call that a campaign wants placed, under an id that is on the record already.
#[derive(Clone, Debug)]
pub struct DialWish {
    /// The id that the call is to have.
    pub call: CallId,
    /// Whom to call: E.164, with +.
    pub to: PhoneNumber,
    /// Who calls; `None`: nobody who says so.
    pub from: Option<PhoneNumber>,
    /// Who talks, by name.
    pub assistant: String,
    /// What carries it, by name; `None`: as the node finds.
    pub trunk: Option<String>,
    /// What is known of the person, for the assistant's prompt and first message.
    pub variables: Vec<(String, String)>,
    /// What is done when a machine answers; `None`: nobody listens for one.
    pub on_machine: Option<OnMachine>,
}

/// What is done when a machine answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum OnMachine {
    /// The call ends.
    HangUp,
    /// This is said after its beep; then the call ends.
    Say(String),
}

/// What became of a wish.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Dialed {
    /// The call is being made, or may be: its record will tell.
    Placed,
    /// The node or the trunk is full, or away: nothing has left.
    Later {
        /// Why, in words.
        reason: String,
        /// When to try again.
        after: Duration,
    },
    /// It cannot be placed as it was asked for: nothing has left.
    Wrong {
        /// What is at fault, as the API names it: `to` is the contact's, all else the campaign's.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// Places calls. Fulfilled by the node.
pub trait Dialer: Send + Sync + 'static {
    /// Whether new calls are taken at all.
    fn takes_calls(&self) -> bool;

    /// Places a call; answers within some seconds.
    fn dial(&self, wish: DialWish) -> Pin<Box<dyn Future<Output = Dialed> + Send + '_>>;
}
