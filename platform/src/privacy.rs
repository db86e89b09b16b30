//! What is known of a person, given out or erased when somebody of the organization asks for it.
//!
//! A wish is a row of the database ([`store::PrivacyJob`]), done by a worker in steps that may each be repeated: wherever it is cut off,
//! the next start goes on. Files go before the rows that name them. Who it was about is forgotten at the end; a keyed hash stays, in the
//! audit log and in the signed report.

mod erase;
mod export;
mod report;
mod runner;

use std::fmt;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use store::{
    Act, NewPrivacyJob, OrganizationId, PRIVACY_JOBS_OPEN_MAX, PrivacyFile, PrivacyJob, PrivacyKind, Store, StoreError, Subject,
};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub use report::{Forged, Signer};

/// The numbers at which an organization itself is called.
pub type OwnNumbers = Arc<dyn Fn(&OrganizationId) -> Vec<String> + Send + Sync>;

/// What the service needs to know of its node.
#[derive(Clone)]
pub struct PrivacyConfig {
    /// Where recordings lie, and exports are to.
    pub data_dir: PathBuf,
    /// Whose files these are.
    pub node: String,
    /// How long the file of an export is kept.
    pub exports_kept: Duration,
    /// Who is no person: erasing one's own number would erase every call.
    pub own_numbers: OwnNumbers,
}

impl fmt::Debug for PrivacyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivacyConfig").field("data_dir", &self.data_dir).field("node", &self.node).finish_non_exhaustive()
    }
}

/// Takes wishes, and does them. Cheap to clone.
#[derive(Clone)]
pub struct Privacy {
    store: Store,
    signer: Arc<Signer>,
    config: PrivacyConfig,
    wake: Arc<Notify>,
}

impl fmt::Debug for Privacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Privacy").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Why a wish is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The organization is called at this number itself.
    #[error("is a number of the organization itself, and no person's")]
    OwnNumber,
    /// There are enough to be done.
    #[error("{PRIVACY_JOBS_OPEN_MAX} exports and erasures are to be done already, and no more may be")]
    TooMany,
    /// The database's, or ours.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a try came to nothing.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}: {1}")]
    Disk(PathBuf, std::io::Error),
    /// Another try would come to nothing too.
    #[error("{0}")]
    Hopeless(String),
}

/// What a try came to.
enum Outcome {
    /// The end.
    Done(Box<PrivacyJob>),
    /// Something is in the way: why, and the node that must go on; `""`: any.
    Waits(String, String),
    /// Another claim has the job.
    Lost,
}

impl Privacy {
    /// Over the records; [`Privacy::start`] sets it going.
    ///
    /// # Errors
    /// The store's.
    pub async fn open(store: Store, config: PrivacyConfig) -> Result<Self, StoreError> {
        let signer = Arc::new(Signer::open(&store).await?);
        Ok(Self { store, signer, config, wake: Arc::new(Notify::new()) })
    }

    /// The records.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Takes a wish. A call of the person that goes on, or begins before it is done, is waited for and belongs to it.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn request(
        &self,
        organization: &OrganizationId,
        (kind, subject): (PrivacyKind, Subject),
        act: &Act<'_>,
    ) -> Result<PrivacyJob, Refused> {
        if (self.config.own_numbers)(organization).iter().any(|number| subject.is_party(number)) {
            return Err(Refused::OwnNumber);
        }
        let new = NewPrivacyJob { kind, subject_hash: self.signer.hash(&subject), subject };
        let made = self.store.create_privacy_job(organization, &new, act).await?.ok_or(Refused::TooMany)?;
        self.wake.notify_one();
        Ok(made)
    }

    /// Where the file of an export is; `None`: on another node.
    #[must_use]
    pub fn file(&self, file: &PrivacyFile) -> Option<PathBuf> {
        (file.node == self.config.node).then(|| inside(&self.config.data_dir, &file.path)).flatten()
    }

    /// Does what is to be done, until the task is aborted: what it is at is begun again later.
    #[must_use]
    pub fn start(&self) -> JoinHandle<()> {
        tokio::spawn(self.clone().work())
    }
}

/// A path of the database, in the data folder and nowhere else.
pub(crate) fn inside(data_dir: &Path, path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    let ours = path.components().all(|part| matches!(part, Component::Normal(_)));
    ours.then(|| data_dir.join(path))
}

/// Removes a file that may be gone already.
pub(crate) async fn remove(path: &Path) -> std::io::Result<()> {
    match tokio::fs::remove_file(path).await {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
