//! The closed vocabularies of the records, each with the word that the database, the API and the metrics use.

use std::fmt;
use std::str::FromStr;

/// A word that is not in the vocabulary it was read for.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{word}` is not a {vocabulary}")]
pub struct UnknownText {
    /// The type it was read as.
    pub vocabulary: &'static str,
    /// The word.
    pub word: String,
}

macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word that stands for it in the database, the API and metric labels.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownText;

            fn from_str(word: &str) -> Result<Self, UnknownText> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownText { vocabulary: stringify!($name), word: word.to_owned() }),
                }
            }
        }
    };
}

pub(crate) use vocabulary;

vocabulary! {
    /// What the caller's leg speaks.
    LegKind {
        /// SIP with RTP.
        Sip = "sip",
        /// Twilio Media Streams over a WebSocket.
        Twilio = "twilio",
        /// A session of a browser, by WebRTC.
        Webrtc = "webrtc",
        /// A session's own WebSocket, typed or spoken.
        Ws = "ws",
    }
}

vocabulary! {
    /// Where a session is in its life; follows from its times.
    SessionStatus {
        /// Nobody has connected yet.
        Created = "created",
        /// Somebody is connected.
        Active = "active",
        /// Over.
        Ended = "ended",
        /// Nobody connected in time.
        Expired = "expired",
    }
}

vocabulary! {
    /// What somebody is in an organization; each may do all that those after it may.
    UserRole {
        /// Everything, the organization itself too.
        Owner = "owner",
        /// People, keys and what calls are made of.
        Admin = "admin",
        /// Calls, and what comes of them.
        Agent = "agent",
        /// Looks only.
        Viewer = "viewer",
    }
}

vocabulary! {
    /// What a row of the directory is; in the audit log too.
    ResourceKind {
        /// Who answers.
        Assistant = "assistant",
        /// A value that the organization keeps.
        Configuration = "configuration",
        /// Something that is on or off for the organization.
        FeatureFlag = "feature_flag",
        /// An MCP server.
        McpServer = "mcp_server",
        /// A number that is called.
        PhoneNumber = "phone_number",
        /// An HTTP tool.
        Tool = "tool",
        /// A carrier.
        Trunk = "trunk",
    }
}

vocabulary! {
    /// Who called whom.
    Direction {
        /// The peer called us.
        Inbound = "inbound",
        /// We called the peer.
        Outbound = "outbound",
    }
}

vocabulary! {
    /// Where a call is in its life; follows from its times.
    CallStatus {
        /// Ours, and the callee's telephone does not ring yet.
        Dialing = "dialing",
        /// Not answered yet.
        Ringing = "ringing",
        /// Answered and going on.
        Answered = "answered",
        /// Over.
        Ended = "ended",
    }
}

vocabulary! {
    /// How a call ended, in the few words of the `outcome` metric label; follows from [`HangupCause`].
    Outcome {
        /// Both sides talked and one of them hung up, or the conversation was done.
        Completed = "completed",
        /// The caller gave up before an answer.
        Cancelled = "cancelled",
        /// The called side did not take it.
        Rejected = "rejected",
        /// Nobody picked up.
        Unanswered = "unanswered",
        /// It broke.
        Failed = "failed",
    }
}

vocabulary! {
    /// Why a call ended.
    HangupCause {
        /// The assistant's script came to its end.
        Completed = "completed",
        /// The caller hung up.
        CallerHangup = "caller_hangup",
        /// The callee of a call of ours hung up.
        CalleeHangup = "callee_hangup",
        /// Someone ended it by the API.
        OperatorHangup = "operator_hangup",
        /// The agent hung up, for example by its `end_call` tool.
        AgentHangup = "agent_hangup",
        /// The caller said nothing, was asked for in vain, and the agent hung up.
        CallerSilent = "caller_silent",
        /// The other party of a conference hung up, and nobody was left to talk to.
        BridgeEnded = "bridge_ended",
        /// The call goes on with somebody else, to whom the agent put it through; the detail says whom.
        Transferred = "transferred",
        /// Another call took its place, as the peer wished.
        Replaced = "replaced",
        /// The longest call was reached, and the agent hung up.
        MaxDuration = "max_duration",
        /// A call of ours: the cap on spending was reached, and the agent hung up.
        SpendCap = "spend_cap",
        /// The caller gave up before the answer; of a call of ours, we did.
        Cancelled = "cancelled",
        /// A call of ours: the callee is on the telephone.
        Busy = "busy",
        /// A call of ours: it rang, and nobody picked up.
        NoAnswer = "no_answer",
        /// A call of ours: there is no such number.
        InvalidNumber = "invalid_number",
        /// A call of ours: the callee, or a policy on the way, refused it.
        Declined = "declined",
        /// A call of ours: the callee does not want calls like it, or an analysis took it for unwanted (RFC 8197, RFC 8688).
        Unwanted = "unwanted",
        /// A call of ours: the way to the callee is down or has no room.
        Unavailable = "unavailable",
        /// Another phone took the call before we answered.
        AnsweredElsewhere = "answered_elsewhere",
        /// Refused: the node was at its limit of calls.
        RejectedBusy = "rejected_busy",
        /// Refused: the node was draining.
        RejectedDraining = "rejected_draining",
        /// Refused: nobody answers the called number.
        UnknownNumber = "unknown_number",
        /// Refused: the usage of its organization is at the hard limit.
        UsageLimit = "usage_limit",
        /// Refused: no codec in common.
        NoCodec = "no_codec",
        /// Refused: the caller's number is not vouched for as the operator demands.
        IdentityRefused = "identity_refused",
        /// We answered and the peer never confirmed (no ACK, or no media stream).
        NotConfirmed = "not_confirmed",
        /// No audio came for `rtp.timeout_s`, or the media socket was lost.
        MediaTimeout = "media_timeout",
        /// The peer's network ended an answered call for a fault of its own; the detail says which.
        PeerFailed = "peer_failed",
        /// The node ended it because the drain time was over.
        Drained = "drained",
        /// The node stopped without closing it; written at the next start.
        NodeLost = "node_lost",
        /// One of its actors panicked and could not be restarted.
        Crashed = "crashed",
        /// Anything else; the detail says what.
        Failed = "failed",
    }
}

impl HangupCause {
    /// The coarse outcome of this cause.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Completed | Self::CallerHangup | Self::CalleeHangup | Self::OperatorHangup => Outcome::Completed,
            Self::AgentHangup | Self::BridgeEnded => Outcome::Completed,
            Self::CallerSilent | Self::MaxDuration | Self::SpendCap | Self::Drained => Outcome::Completed,
            Self::Replaced | Self::Transferred => Outcome::Completed,
            Self::AnsweredElsewhere | Self::Cancelled => Outcome::Cancelled,
            Self::RejectedBusy | Self::RejectedDraining | Self::UnknownNumber | Self::NoCodec | Self::UsageLimit => {
                Outcome::Rejected
            }
            Self::Busy | Self::InvalidNumber | Self::Declined | Self::Unwanted => Outcome::Rejected,
            Self::NoAnswer => Outcome::Unanswered,
            Self::Unavailable => Outcome::Failed,
            Self::IdentityRefused => Outcome::Rejected,
            Self::NotConfirmed | Self::MediaTimeout | Self::NodeLost | Self::Crashed => Outcome::Failed,
            Self::PeerFailed | Self::Failed => Outcome::Failed,
        }
    }
}

vocabulary! {
    /// Where the analysis of a call is in its life.
    AnalysisState {
        /// To be done, or being done.
        Pending = "pending",
        /// Done; the findings are there.
        Done = "done",
        /// Not to be done; the reason says why.
        Skipped = "skipped",
        /// Given up; the reason says why.
        Failed = "failed",
    }
}

vocabulary! {
    /// How a caller felt.
    Sentiment {
        /// Content.
        Positive = "positive",
        /// Neither, or both.
        Neutral = "neutral",
        /// Discontent.
        Negative = "negative",
    }
}

vocabulary! {
    /// Where a memory of a caller comes from.
    MemorySource {
        /// The look at a call after its end.
        Analysis = "analysis",
        /// The model, by the tool `remember` while the call went on.
        Tool = "tool",
    }
}

vocabulary! {
    /// What a check of the caller's number found.
    IdentityVerdict {
        /// Signed by whom the operator trusts.
        Passed = "passed",
        /// There is a signature, and it does not hold.
        Failed = "failed",
        /// There is no signature.
        None = "none",
        /// There is a signature, and it could not be checked.
        Unverifiable = "unverifiable",
    }
}

vocabulary! {
    /// Who spoke in a turn.
    Role {
        /// The person on the telephone.
        Caller = "caller",
        /// Our side.
        Agent = "agent",
    }
}

vocabulary! {
    /// File format of a recording.
    RecordingFormat {
        /// Stereo WAV: caller left, agent right.
        Wav = "wav",
    }
}

vocabulary! {
    /// Where a recording's file is in its life.
    RecordingState {
        /// Being written, or left so by a crash.
        Writing = "writing",
        /// Closed as it should be.
        Complete = "complete",
        /// Left by a crash, and its header put right at the next start.
        Repaired = "repaired",
        /// Not usable, or cut short; the note says why.
        Failed = "failed",
    }
}

vocabulary! {
    /// Something that happened, as events and webhooks call it.
    EventKind {
        /// A call came in, or one of ours goes out.
        CallStarted = "call.started",
        /// It was answered.
        CallAnswered = "call.answered",
        /// It is over.
        CallEnded = "call.ended",
        /// What was found out about it is there.
        CallAnalyzed = "call.analyzed",
        /// A recording of it can be had.
        RecordingReady = "recording.ready",
        /// Somebody has said something.
        TurnCompleted = "turn.completed",
        /// The model has used a tool.
        ToolCalled = "tool.called",
        /// A caller was found to be promising, or not.
        LeadScored = "lead.scored",
        /// A session began.
        SessionStarted = "session.started",
        /// A session is over.
        SessionEnded = "session.ended",
        /// What a call has used of providers is known.
        UsageRecorded = "usage.recorded",
        /// A campaign goes on, or not.
        CampaignUpdated = "campaign.updated",
        /// A node takes calls.
        NodeStarted = "node.started",
        /// A node takes no new calls.
        NodeDraining = "node.draining",
        /// A node has ended in good order.
        NodeStopped = "node.stopped",
    }
}

vocabulary! {
    /// How a webhook is told.
    WebhookKind {
        /// Signed, by Standard Webhooks.
        Standard = "standard",
        /// A line of text for each lead, as Slack and many others take it.
        Slack = "slack",
    }
}

vocabulary! {
    /// Where a delivery of a webhook is in its life.
    DeliveryState {
        /// It is to be tried, now or later.
        Pending = "pending",
        /// The other side took it.
        Delivered = "delivered",
        /// It was given up, and can be sent again by hand.
        Dead = "dead",
    }
}

vocabulary! {
    /// How far somebody is with a lead.
    LeadStatus {
        /// Nobody has looked at it.
        New = "new",
        /// Somebody has been in touch.
        Contacted = "contacted",
        /// It is what it seemed.
        Qualified = "qualified",
        /// A customer.
        Won = "won",
        /// Nothing came of it.
        Lost = "lost",
    }
}

vocabulary! {
    /// What kind of thing went wrong, or was out of the ordinary, in a call that went on.
    IncidentKind {
        /// An actor of the call was restarted.
        ActorRestarted = "actor_restarted",
        /// The recording has a gap or stopped.
        RecordingFault = "recording_fault",
        /// A provider failed or was too slow.
        ProviderFailed = "provider_failed",
        /// Another engine took the call over.
        FellBack = "fell_back",
        /// A call came into the conference that this call is in, or does something else there now; the source is its id.
        BridgeJoined = "bridge_joined",
        /// A call left that conference; the source is its id.
        BridgeLeft = "bridge_left",
    }
}

vocabulary! {
    /// Where a document of the knowledge base is in its life.
    DocumentStatus {
        /// To be read and cut, or being so; an earlier version of it is found meanwhile.
        Pending = "pending",
        /// Found.
        Ready = "ready",
        /// Not readable; the reason says why. An earlier version of it is still found.
        Failed = "failed",
        /// To be removed; not found any more.
        Deleting = "deleting",
    }
}

vocabulary! {
    /// Where a document of the knowledge base comes from.
    DocumentOrigin {
        /// The configuration file, which keeps it in step.
        File = "file",
        /// Someone gave it.
        Upload = "upload",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! check_words {
        ($($name:ident),+) => {
            $(for value in $name::ALL {
                assert_eq!(value.as_str().parse::<$name>(), Ok(*value));
            })+
        };
    }

    #[test]
    fn every_word_reads_back() {
        check_words!(AnalysisState, MemorySource, Sentiment);
        check_words!(
            CallStatus,
            Direction,
            DocumentOrigin,
            DocumentStatus,
            HangupCause,
            IdentityVerdict,
            IncidentKind,
            LegKind,
            Outcome,
            RecordingFormat,
            RecordingState,
            Role,
            SessionStatus
        );
    }

    #[test]
    fn an_unknown_word_is_refused_by_name() {
        let error = "fax".parse::<LegKind>().err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("`fax` is not a LegKind"));
    }

    #[test]
    fn every_cause_has_its_outcome() {
        let of = |wanted: Outcome| {
            let causes = HangupCause::ALL.iter().filter(|cause| cause.outcome() == wanted);
            causes.map(|cause| cause.as_str()).collect::<Vec<_>>().join(" ")
        };
        let ends = "completed caller_hangup callee_hangup operator_hangup agent_hangup caller_silent bridge_ended transferred replaced \
                    max_duration spend_cap drained";
        assert_eq!(of(Outcome::Completed), ends);
        assert_eq!(of(Outcome::Cancelled), "cancelled answered_elsewhere");
        let refusals = "busy invalid_number declined unwanted rejected_busy rejected_draining unknown_number usage_limit no_codec identity_refused";
        assert_eq!(of(Outcome::Rejected), refusals);
        assert_eq!(of(Outcome::Unanswered), "no_answer");
        assert_eq!(of(Outcome::Failed), "unavailable not_confirmed media_timeout peer_failed node_lost crashed failed");
    }
}
