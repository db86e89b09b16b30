//! The kinds of actors, one name for each in metrics, logs and tables.

/// What an actor is, as metrics and logs name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActorKind {
    /// The AI side of one call.
    AiSession,
    /// One conversation.
    Call,
    /// Admission, and the parent of every call.
    Calls,
    /// Who talks with whom in one room.
    Conference,
    /// Ordering, concealment and playout of one RTP leg.
    JitterBuffer,
    /// One party's side of a call.
    Leg,
    /// The root of the tree.
    Node,
    /// The stereo file of one call.
    Recorder,
    /// SIP transports, transactions and dialogs of the process.
    SipEndpoint,
    /// The write queue to the database.
    Store,
    /// A carrier: registration and health.
    Trunk,
    /// Speech flags and turn-taking of one leg.
    Vad,
}

impl ActorKind {
    /// Every kind, in the order of its discriminant.
    pub const ALL: [Self; 12] = [
        Self::AiSession,
        Self::Call,
        Self::Calls,
        Self::Conference,
        Self::JitterBuffer,
        Self::Leg,
        Self::Node,
        Self::Recorder,
        Self::SipEndpoint,
        Self::Store,
        Self::Trunk,
        Self::Vad,
    ];

    /// The label value in metrics and the field value in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::AiSession => "ai_session",
            Self::Call => "call",
            Self::Calls => "calls",
            Self::Conference => "conference",
            Self::JitterBuffer => "jitter_buffer",
            Self::Leg => "leg",
            Self::Node => "node",
            Self::Recorder => "recorder",
            Self::SipEndpoint => "sip_endpoint",
            Self::Store => "store",
            Self::Trunk => "trunk",
            Self::Vad => "vad",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ActorKind;

    #[test]
    fn every_kind_stands_at_its_own_discriminant() {
        for (index, kind) in ActorKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index, "{}", kind.name());
        }
    }
}
