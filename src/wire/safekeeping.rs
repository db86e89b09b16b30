//! What is kept and for how long, and who asks for it to be given out or erased.

use std::sync::Arc;

use platform::privacy::{Privacy, PrivacyConfig};
use platform::retention::Sweeper;
use store::{OrganizationId, Store};
use tokio::task::JoinHandle;

use super::Live;
use crate::config::Config;

/// What keeps and forgets, for as long as the node runs.
pub(super) struct Safekeeping {
    pub(super) privacy: Privacy,
    working: JoinHandle<()>,
    sweeping: JoinHandle<()>,
}

impl Safekeeping {
    /// Sets it going.
    pub(super) async fn start(config: &Config, store: &Store, live: &Arc<Live>) -> anyhow::Result<Self> {
        let live = Arc::clone(live);
        let own_numbers = move |organization: &OrganizationId| {
            let known = live.known.load();
            let rows = known.config.numbers.iter().filter(|row| row.organization == *organization);
            rows.map(|row| row.number.as_str().to_owned()).collect()
        };
        let (data_dir, node) = (config.node.data_dir.clone(), config.node.name.clone());
        let about = PrivacyConfig {
            data_dir: data_dir.clone(),
            node: node.clone(),
            exports_kept: config.retention.exports,
            own_numbers: Arc::new(own_numbers),
        };
        let privacy = Privacy::open(store.clone(), about).await?;
        let sweeper = Sweeper { store: store.clone(), data_dir, node, days: config.retention.days };
        Ok(Self { working: privacy.start(), sweeping: sweeper.start(), privacy })
    }

    /// Wherever it is: the next start resumes.
    pub(super) fn stop(&self) {
        self.working.abort();
        self.sweeping.abort();
    }
}
