//! Forgets what organizations keep no longer: files first, then the rows that name them.
//!
//! The pace is stated: [`CALLS_AT_ONCE`] calls, then [`PAUSE`]. A batch is one transaction that also says how far the sweep has come, so
//! it goes on there whenever it is cut off, and two nodes never do the same twice.

use std::path::PathBuf;
use std::time::Duration;

use store::{LIST_MAX, OrganizationId, Page, RetentionClass, RetentionDays, Store, WallTime};
use tokio::task::JoinHandle;

use crate::privacy::{inside, remove};

/// Calls of a batch: a transaction of a few milliseconds.
pub const CALLS_AT_ONCE: u32 = 50;

/// Between two batches: 250 calls a second at most, and the database is everybody else's nine tenths of the time.
pub const PAUSE: Duration = Duration::from_millis(200);

/// Between two sweeps. What is kept is counted in days.
const EVERY: Duration = Duration::from_secs(3_600);

/// After the start of the node, which has other things to do first.
const FIRST: Duration = Duration::from_secs(10);

const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

/// Why a batch was not swept.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Store(#[from] store::StoreError),
    #[error("{0}: {1}")]
    Disk(PathBuf, std::io::Error),
}

/// Sweeps, as a node.
#[derive(Clone, Debug)]
pub struct Sweeper {
    /// The records.
    pub store: Store,
    /// Where recordings lie.
    pub data_dir: PathBuf,
    /// Whose these are.
    pub node: String,
    /// How long an organization keeps what that has said nothing of it.
    pub days: RetentionDays<u32>,
}

impl Sweeper {
    /// Sweeps every hour, until the task is aborted.
    #[must_use]
    pub fn start(self) -> JoinHandle<()> {
        tokio::spawn(async move {
            tokio::time::sleep(FIRST).await;
            loop {
                self.sweep_all(WallTime::now()).await;
                tokio::time::sleep(EVERY).await;
            }
        })
    }

    /// Sweeps all organizations once, as of `now`.
    pub async fn sweep_all(&self, now: WallTime) {
        let mut page = Page { limit: LIST_MAX, after: None };
        loop {
            let rows = match self.store.all_retention(&page).await {
                Ok(rows) => rows,
                Err(error) => return tracing::warn!(%error, "what is too old stays for now"),
            };
            let Some((last, _)) = rows.last() else { return };
            page.after = Some(last.to_string());
            for (organization, said) in &rows {
                let days = said.days.or(&self.days);
                for class in RetentionClass::ALL {
                    let days = days.of(*class);
                    if days > 0
                        && let Err(error) = self.sweep((organization, *class), days, now).await
                    {
                        tracing::warn!(%organization, class = class.as_str(), %error, "what is too old stays for now");
                    }
                }
            }
        }
    }

    async fn sweep(&self, what: (&OrganizationId, RetentionClass), days: u32, now: WallTime) -> Result<(), Trouble> {
        let before = WallTime::from_micros(now.micros().saturating_sub(i64::from(days) * DAY_MICROS));
        let (organization, class) = (what.0, what.1.as_str());
        while let Some(batch) = self.store.sweep_batch(what, &self.node, before, CALLS_AT_ONCE).await? {
            for path in batch.files.iter().filter_map(|file| inside(&self.data_dir, file)) {
                remove(&path).await.map_err(|error| Trouble::Disk(path, error))?;
            }
            if let Some(removed) = self.store.sweep(what, &self.node, &batch).await? {
                metrics::counter!("offhook_retention_removed_total", "class" => class).increment(removed);
                metrics::counter!("offhook_retention_bytes_total").increment(batch.bytes);
            }
            tokio::time::sleep(PAUSE).await;
        }
        let swept = self.store.end_sweep(what, &self.node, now).await?;
        if swept.removed > 0 {
            tracing::info!(%organization, class, removed = swept.removed, bytes = swept.bytes, "what was too old is gone");
        }
        Ok(())
    }
}
