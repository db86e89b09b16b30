//! What is known of a caller when the call begins: asked for as it arrives, and waited for no longer than a caller would notice.

use std::fmt::Debug;
use std::time::Duration;

use ai::engine::Words;
use store::{CallId, OrganizationId, PhoneNumber};
use tokio::sync::oneshot;

/// How long a call waits for what is known of its caller, while it rings; then it goes on without. A healthy database takes a few
/// milliseconds.
const RECALL_MAX: Duration = Duration::from_millis(250);

/// Remembers callers from call to call.
pub trait CallerMemory: Debug + Send + Sync {
    /// Looks up what an organization knows of whoever has this number, what matters most first, on a thread of its own choice. A dropped sender says
    /// that it could not.
    fn recall(&self, organization: OrganizationId, from: PhoneNumber) -> oneshot::Receiver<Vec<Words>>;
}

/// What is known of the caller of one call.
#[derive(Default)]
pub(crate) enum Recall {
    /// Nobody was asked.
    #[default]
    Off,
    /// Not here yet.
    Asked(oneshot::Receiver<Vec<Words>>),
    /// For every engine of the call.
    Known(Vec<Words>),
}

impl Recall {
    /// Waits for what was asked for.
    pub(crate) async fn known(&mut self, call: CallId) -> &[Words] {
        self.known_within(RECALL_MAX, call).await
    }

    async fn known_within(&mut self, limit: Duration, call: CallId) -> &[Words] {
        if let Self::Asked(answer) = self {
            let (outcome, notes) = match tokio::time::timeout(limit, answer).await {
                Ok(Ok(notes)) if notes.is_empty() => ("none", notes),
                Ok(Ok(notes)) => ("found", notes),
                Ok(Err(_)) => ("failed", Vec::new()),
                Err(_) => ("late", Vec::new()),
            };
            if matches!(outcome, "failed" | "late") {
                tracing::warn!(call = %call, outcome, "what is known of the caller could not be looked up");
            }
            metrics::counter!("offhook_memory_recalls_total", "outcome" => outcome).increment(1);
            *self = Self::Known(notes);
        }
        match self {
            Self::Known(notes) => notes,
            Self::Off | Self::Asked(_) => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a call gets to know when there is no time to wait.
    async fn check(mut recall: Recall, expected: &[&str]) {
        let expected: Vec<Words> = expected.iter().map(|note| Words::from(*note)).collect();
        let id = CallId::generate();
        assert_eq!(recall.known_within(Duration::ZERO, id).await, expected);
        // A second engine of the call gets the same.
        assert_eq!(recall.known(id).await, expected);
    }

    #[tokio::test]
    async fn what_is_known_is_kept_for_the_whole_call() {
        let (answer, asked) = oneshot::channel();
        answer.send(vec!["likes tea".into()]).expect("it is waited for");
        check(Recall::Asked(asked), &["likes tea"]).await;
        check(Recall::Off, &[]).await;
    }

    #[tokio::test]
    async fn a_call_goes_on_without_what_is_late_or_lost() {
        let (late, asked) = oneshot::channel();
        check(Recall::Asked(asked), &[]).await;
        assert!(late.send(vec!["likes tea".into()]).is_err(), "nobody waits any more");
        let (lost, asked) = oneshot::channel();
        drop(lost);
        check(Recall::Asked(asked), &[]).await;
    }
}
