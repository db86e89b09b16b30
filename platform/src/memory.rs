//! What is remembered of callers from call to call: offered to the model, told by it, and erased on demand.

mod tool;

use std::time::Duration;

use ai::engine::Words;
use store::{CallId, Caller, MemorySource, NewMemory, OrganizationId, PhoneNumber, Store, StoreError, Transcript, WallTime};

pub use self::tool::RememberTool;

/// The memories of all callers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Memories {
    store: Store,
}

/// Where something to remember comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Whose call it was told in.
    pub organization: OrganizationId,
    /// The number of who told it.
    pub from: PhoneNumber,
    /// The call it was told in.
    pub call: CallId,
    /// The assistant it was told.
    pub assistant: String,
    /// How long it is kept, unless it is told again: `memory.retention_days` of the assistant.
    pub retention: Duration,
}

/// Why something is not remembered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The caller's doing: there is no number to remember it by.
    #[error("the caller withheld the number")]
    Anonymous,
    /// The model's: it gave nothing to remember.
    #[error("there is nothing to remember")]
    Empty,
    /// The network's or the disk's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Memories {
    /// Over this database.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// What an organization remembers of whoever has this number, what was confirmed last first; nothing of who withholds it.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn recall(
        &self,
        organization: &OrganizationId,
        from: &PhoneNumber,
        now: WallTime,
    ) -> Result<Vec<Words>, StoreError> {
        let Some(caller) = Caller::of(from) else { return Ok(Vec::new()) };
        let memories = self.store.memories(organization, &caller, now).await?;
        Ok(memories.iter().map(|memory| Words::from(memory.text.reveal())).collect())
    }

    /// Remembers what the model asks for while a call goes on; more than [`MEMORY_BYTES_MAX`](store::MEMORY_BYTES_MAX) is cut off.
    ///
    /// # Errors
    /// [`MemoryError::Anonymous`], [`MemoryError::Empty`], [`MemoryError::Store`].
    pub async fn remember(&self, origin: &Origin, text: &Words, now: WallTime) -> Result<(), MemoryError> {
        let caller = Caller::of(&origin.from).ok_or(MemoryError::Anonymous)?;
        let text = text.as_str().trim();
        if text.is_empty() {
            return Err(MemoryError::Empty);
        }
        let memory = NewMemory {
            organization: origin.organization.clone(),
            caller,
            text: Transcript::new(text),
            call: origin.call,
            assistant: origin.assistant.clone(),
            source: MemorySource::Tool,
            at: now,
            expires_at: WallTime::from_micros(now.micros().saturating_add(origin.retention.as_micros() as i64)),
        };
        Ok(self.store.remember(&memory).await?)
    }

    /// Forgets all of a caller. Answers how many memories went; 0 for a number that is withheld.
    ///
    /// # Errors
    /// As [`Store::erase_memories`].
    pub async fn erase(&self, from: &PhoneNumber) -> Result<u64, StoreError> {
        match Caller::of(from) {
            Some(caller) => self.store.erase_memories(&caller).await,
            None => Ok(0),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn origin(from: &str) -> Origin {
        Origin {
            organization: OrganizationId::operator(),
            from: PhoneNumber::new(from),
            call: CallId::generate(),
            assistant: "demo".to_owned(),
            retention: DAY,
        }
    }

    async fn told(memories: &Memories, from: &str, seconds: i64) -> String {
        let now = WallTime::from_micros(seconds * 1_000_000);
        let told = memories.recall(&OrganizationId::operator(), &PhoneNumber::new(from), now).await.unwrap();
        told.iter().map(Words::as_str).collect::<Vec<_>>().join(", ")
    }

    #[tokio::test]
    async fn what_is_told_is_recalled_until_it_expires_or_is_erased() {
        let memories = Memories::new(Store::open("sqlite::memory:").await.unwrap());
        let at = WallTime::from_micros(0);
        memories.remember(&origin("+4930123"), &"likes tea ".into(), at).await.unwrap();
        memories.remember(&origin("+4930124"), &"likes coffee".into(), at).await.unwrap();
        assert_eq!(told(&memories, "4930123", 1).await, "likes tea");
        assert_eq!(told(&memories, "+4930123", 86_400).await, "");
        assert_eq!(memories.erase(&PhoneNumber::new("+4930123")).await.unwrap(), 1);
        assert_eq!(told(&memories, "+4930123", 1).await, "");
        assert_eq!(told(&memories, "+4930124", 1).await, "likes coffee");
    }

    #[tokio::test]
    async fn each_organization_remembers_for_itself() {
        let memories = Memories::new(Store::open("sqlite::memory:").await.unwrap());
        let new = store::NewOrganization {
            name: "a".to_owned(),
            domain: String::new(),
            description: String::new(),
            plan: String::new(),
        };
        let act = store::Act { actor: "node", address: "", at: WallTime::from_micros(0) };
        let there = memories.store.create_organization(&new, &act).await.unwrap().id;
        let theirs = Origin { organization: there.clone(), ..origin("+4930123") };
        memories.remember(&theirs, &"likes tea".into(), WallTime::from_micros(0)).await.unwrap();
        assert_eq!(told(&memories, "+4930123", 1).await, "");
        let known = memories.recall(&there, &PhoneNumber::new("+4930123"), WallTime::from_micros(1)).await.unwrap();
        assert_eq!(known.iter().map(Words::as_str).collect::<Vec<_>>(), ["likes tea"]);
    }

    #[tokio::test]
    async fn nobody_is_remembered_who_withholds_the_number() {
        let memories = Memories::new(Store::open("sqlite::memory:").await.unwrap());
        let at = WallTime::from_micros(0);
        let refused = memories.remember(&origin("anonymous"), &"likes tea".into(), at).await.unwrap_err();
        assert_eq!(refused.to_string(), "the caller withheld the number");
        assert_eq!(told(&memories, "anonymous", 1).await, "");
        assert_eq!(memories.erase(&PhoneNumber::new("anonymous")).await.unwrap(), 0);
        let refused = memories.remember(&origin("+1"), &" ".into(), at).await.unwrap_err();
        assert_eq!(refused.to_string(), "there is nothing to remember");
    }

    #[tokio::test]
    async fn a_database_that_is_away_is_told_apart() {
        let store = Store::open("sqlite::memory:").await.unwrap();
        store.close().await;
        let refused = Memories::new(store).remember(&origin("+1"), &"x".into(), WallTime::from_micros(0)).await.unwrap_err();
        assert!(matches!(refused, MemoryError::Store(error) if error.is_transient()));
    }
}
