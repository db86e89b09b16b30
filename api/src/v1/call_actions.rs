//! What a call can be told, as the API has it.

use axum::http::StatusCode;
use serde::Deserialize;
use store::PhoneNumber;
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::{CallAction, CallWish, JoinPart};

/// What a call is to do.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CallActionWish {
    /// What.
    action: ActionName,
    /// Of `join`: the other call.
    #[schema(min_length = 1, max_length = 128)]
    call_id: Option<String>,
    /// Of `join`: what this call does there; none: it talks.
    part: Option<PartName>,
    /// Of `transfer`: whom to call, as when a call is placed.
    #[schema(min_length = 1, max_length = 384, example = "+4930123456")]
    to: Option<String>,
    /// Of `transfer`: who calls.
    #[schema(min_length = 1, max_length = 384)]
    from: Option<String>,
    /// Of `transfer`: the trunk that carries it.
    #[schema(min_length = 1, max_length = 128)]
    trunk_id: Option<String>,
}

/// The name of an action.
#[derive(Clone, Copy, Deserialize, PartialEq, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ActionName {
    /// To end.
    Hangup,
    /// In its conference: music for its party.
    Hold,
    /// To come into a conference with another call.
    Join,
    /// To leave its conference; its agent comes back.
    Leave,
    /// In its conference: its party is heard by nobody.
    Mute,
    /// In its conference: its party talks, as at first.
    Resume,
    /// To have somebody called, who talks with the caller then; the agent leaves.
    Transfer,
}

/// What a call does in a conference that it joins.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum PartName {
    /// It talks, and the agents leave.
    Talks,
    /// It hears all, and is heard by nobody.
    ListensIn,
    /// As that, and the other call's party hears it.
    Whispers,
}

impl CallActionWish {
    /// What is to be done.
    ///
    /// # Errors
    /// 422 with each field that is missing, or belongs to another action.
    pub(super) fn read(self) -> Result<CallAction, Problem> {
        let mut wrong = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the request cannot be taken as it is");
        let given = [
            ("call_id", self.call_id.is_some(), ActionName::Join),
            ("part", self.part.is_some(), ActionName::Join),
            ("to", self.to.is_some(), ActionName::Transfer),
            ("from", self.from.is_some(), ActionName::Transfer),
            ("trunk_id", self.trunk_id.is_some(), ActionName::Transfer),
        ];
        for (field, _, _) in given.iter().filter(|(_, given, of)| *given && *of != self.action) {
            wrong.add(field, "belongs to another action");
        }
        let action = match self.action {
            ActionName::Hangup => Some(CallAction::HangUp),
            ActionName::Hold => Some(CallAction::Hold),
            ActionName::Leave => Some(CallAction::Leave),
            ActionName::Mute => Some(CallAction::Mute),
            ActionName::Resume => Some(CallAction::Resume),
            ActionName::Join => match self.call_id.as_deref().map(str::parse) {
                Some(Ok(call)) => Some(CallAction::Join(call, self.part.map_or(JoinPart::Talks, PartName::wanted))),
                Some(Err(_)) => refuse(&mut wrong, "call_id", "is not the id of a call"),
                None => refuse(&mut wrong, "call_id", "is missing"),
            },
            ActionName::Transfer => match self.to {
                Some(to) => Some(CallAction::Transfer(CallWish {
                    to: PhoneNumber::new(to),
                    from: self.from.map(PhoneNumber::new),
                    assistant: None,
                    trunk: self.trunk_id,
                    on_machine: None,
                })),
                None => refuse(&mut wrong, "to", "is missing"),
            },
        };
        action.filter(|_| !wrong.has_fields()).ok_or(wrong)
    }
}

impl PartName {
    fn wanted(self) -> JoinPart {
        match self {
            Self::Talks => JoinPart::Talks,
            Self::ListensIn => JoinPart::ListensIn,
            Self::Whispers => JoinPart::Whispers,
        }
    }
}

fn refuse(wrong: &mut Problem, field: &str, reason: &str) -> Option<CallAction> {
    wrong.add(field, reason);
    None
}
