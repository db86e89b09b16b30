//! What calls are answered by, now: the file with the rows of the database beside it. Running calls end as they began.
//!
//! ```text
//! SIGHUP, POST /admin/reload ─► file, read whole ──┐   a mistake changes nothing, and each is told
//!                                                  ├─► Known ─► Directory, tools, profiles, plans: the next call finds them
//! a change here, or the revision ─► rows ──────────┘   a database that is away: those of before
//! each second (another node's)
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actors::config::{Directory, TrunkConfig};
use actors::node::NodeHandle;
use ai::net::guard::Guard;
use ai::tools::mcp::McpServer;
use arc_swap::ArcSwap;
use platform::analysis::Analyst;
use platform::knowledge::Service;
use store::{OrganizationId, Resource, ResourceKind, Store, StoreError};
use tokio::sync::Mutex;

use super::cascade::Breakers;
use super::reload::{Changes, outcome, refuse, section, taken_over};
use super::tools::Tools;
use super::{Clients, analysis, assistants, knowledge, node, sealing};
use crate::config::{Config, Environment, LeftOut, Merged, Problem, Problems};
use crate::telemetry;

/// How often the revision is looked at: a change on another node is here a second later, and costs one row meanwhile.
const LOOKED_AT_EACH: Duration = Duration::from_secs(1);

/// Puts what has changed into effect.
pub struct Live {
    pub(super) node: NodeHandle,
    pub(super) database: Store,
    pub(super) knowledge: Service,
    pub(super) analyst: Arc<Analyst>,
    pub(super) clients: Clients,
    pub(super) breakers: Breakers,
    pub(super) environment: Environment,
    /// The file that is read again.
    pub(super) file: Option<PathBuf>,
    /// One change at a time.
    pub(super) running: Mutex<Running>,
    pub(super) known: ArcSwap<Known>,
    /// Those of the file that the node was started with.
    pub(super) trunks_of_file: Vec<TrunkConfig>,
    pub(super) began: Instant,
}

/// What is in effect and has a life of its own.
pub struct Running {
    pub(super) tools: Tools,
    /// As `offhook check` prints it; what needs a restart stays as it was at the start.
    pub(super) lines: Vec<String>,
}

/// What is known of file and database.
#[derive(Debug)]
pub struct Known {
    /// The file alone.
    pub file: Config,
    /// Both.
    pub config: Config,
    /// Rows of the database.
    pub rows: Vec<Resource>,
    /// Those of them that cannot be used.
    pub left_out: Vec<LeftOut>,
    inactive: Vec<OrganizationId>,
    /// How often rows were changed.
    pub revision: u64,
}

impl Known {
    /// Reads the rows.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn read(file: Config, database: &Store, environment: &Environment) -> Result<Self, StoreError> {
        // First: rows that are newer than it are read again, and no older ones are taken for them.
        let revision = database.directory_revision().await?;
        let (rows, inactive) = (database.directory().await?, database.inactive_organizations().await?);
        Ok(Self::of(file, (rows, inactive, revision), environment))
    }

    fn of(file: Config, stored: (Vec<Resource>, Vec<OrganizationId>, u64), environment: &Environment) -> Self {
        let (rows, inactive, revision) = stored;
        let Merged { config, left_out } = file.with_rows(&rows, &inactive, environment);
        Self { file, config, rows, left_out, inactive, revision }
    }

    /// The directory of calls.
    pub(super) fn directory(&self, tools: &Tools, breakers: &Breakers) -> anyhow::Result<Directory> {
        let mut directory = node::directory(&self.config, tools, breakers)?;
        for row in self.rows.iter().filter(|row| row.kind == ResourceKind::FeatureFlag) {
            let enabled = row.fields.get("enabled").and_then(serde_json::Value::as_bool).unwrap_or(false);
            directory.flags.entry(row.organization.clone()).or_default().insert(row.name.clone(), enabled);
        }
        Ok(directory)
    }

    /// Tells of each row that is not used, unless that was told `before`.
    pub(super) fn tell_left_out(&self, before: &[LeftOut]) {
        for LeftOut { id, kind, problems } in &self.left_out {
            if !before.iter().any(|other| other.id == *id && other.problems == *problems) {
                let reason = problems.to_string().replace('\n', ", ");
                tracing::error!(kind = kind.as_str(), %id, reason, "a row of the database is left out");
            }
        }
    }
}

impl Live {
    /// What is known now.
    pub fn known(&self) -> Arc<Known> {
        self.known.load_full()
    }

    /// The actors.
    pub fn node(&self) -> &NodeHandle {
        &self.node
    }

    /// Since the start.
    pub fn uptime(&self) -> Duration {
        self.began.elapsed()
    }

    /// What holds requests that others word to public addresses.
    pub fn guard(&self) -> &Guard {
        &self.clients.guard
    }

    /// The MCP server of an organization that is kept connected, since an assistant uses it.
    pub async fn mcp_server(&self, organization: &OrganizationId, name: &str) -> Option<Arc<McpServer>> {
        self.running.lock().await.tools.server(organization, name)
    }

    /// The environment that the file was read with.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Reads the file and the certificate of SIP again.
    ///
    /// # Errors
    /// Every mistake in the file; then nothing changes.
    pub async fn read_again(&self) -> Result<(), Problems> {
        self.node.reload_certificate();
        // Before the file is read: of two reloads the later one reads later.
        let mut running = self.running.lock().await;
        let done = match Config::load(self.file.as_deref(), &self.environment) {
            Ok(config) => self.put_with_keys(&mut running, config).await,
            Err(problems) => Err(problems),
        };
        match &done {
            Ok(()) => outcome("taken"),
            Err(problems) => refuse(&problems.to_string()),
        }
        done
    }

    /// Looks whether rows were changed, and puts them into effect.
    ///
    /// # Errors
    /// The database is away; what was known stays.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        if self.database.directory_revision().await? == self.known.load().revision {
            return Ok(());
        }
        let mut running = self.running.lock().await;
        let before = self.known.load_full();
        if self.database.directory_revision().await? == before.revision {
            return Ok(());
        }
        let known = Known::read(before.file.clone(), &self.database, &self.environment).await?;
        if let Err(problems) = self.take(&mut running, known) {
            tracing::error!(%problems, "the rows of the database cannot be put into effect");
        }
        Ok(())
    }

    /// Looks each second, for as long as the process lives.
    pub async fn watch(self: Arc<Self>) {
        let mut away = false;
        loop {
            tokio::time::sleep(LOOKED_AT_EACH).await;
            match self.catch_up().await {
                Ok(()) if away => {
                    away = false;
                    tracing::info!("the database answers again, and calls are answered by what it says");
                }
                Ok(()) => {}
                Err(error) if !away => {
                    away = true;
                    tracing::warn!(%error, "the database is away, and calls are answered by what was known before");
                }
                Err(_) => {}
            }
        }
    }

    /// Takes the master key as it is now: rows may be sealed with a new one already. When the rest is refused, it goes with it.
    async fn put_with_keys(&self, running: &mut Running, config: Config) -> Result<(), Problems> {
        let refused = |error: anyhow::Error| Problems(vec![Problem::new("security", format!("{error:#}"))]);
        let seals = self.database.seals();
        let (before, keys) = (seals.keys(), sealing::load(config.security.master_key.clone()).await.map_err(refused)?);
        sealing::check(&self.database, &keys).await.map_err(refused)?;
        seals.replace(keys);
        let done = self.put(running, config).await;
        match &done {
            Err(_) => seals.put_back(before),
            Ok(()) if !before.ids().eq(seals.keys().ids()) => sealing::tell(&seals.keys()),
            Ok(()) => {}
        }
        done
    }

    async fn put(&self, running: &mut Running, config: Config) -> Result<(), Problems> {
        let before = self.known.load_full();
        let now = config.effective();
        let known = match Known::read(config.clone(), &self.database, &self.environment).await {
            Ok(known) => known,
            Err(error) => {
                tracing::warn!(%error, "the database is away: its rows stay as they were");
                let stored = (before.rows.clone(), before.inactive.clone(), before.revision);
                Known::of(config, stored, &self.environment)
            }
        };
        self.take(running, known)?;
        let changes = Changes::between(&running.lines, &now);
        let waits = |line: &String| !taken_over(section(line));
        let kept = running.lines.iter().filter(|line| waits(line)).cloned();
        running.lines = kept.chain(now.into_iter().filter(|line| !waits(line))).collect();
        changes.tell(self.file.as_deref());
        Ok(())
    }

    fn take(&self, running: &mut Running, known: Known) -> Result<(), Problems> {
        let tools = running.tools.changed(&known.config);
        let directory = known.directory(&tools, &self.breakers);
        let directory = directory.map_err(|error| Problems(vec![Problem::new("tools", format!("{error:#}"))]))?;
        known.tell_left_out(&self.known.load().left_out);
        telemetry::preset(&assistants::providers(&known.config));
        self.knowledge.set_profiles(knowledge::profiles(&known.config));
        self.analyst.set_plans(analysis::plans(&known.config, &self.clients.http));
        // The file's are as they were at the start: TLS and the front door's list of the known are made then.
        let of_rows = known.config.trunks.iter().skip(known.file.trunks.len());
        let trunks: Vec<TrunkConfig> = self.trunks_of_file.iter().chain(of_rows).cloned().collect();
        if trunks.iter().ne(self.node.shared.trunks.all().iter().map(|entry| &*entry.config)) {
            self.node.change_trunks(trunks);
        }
        self.node.shared.directory.store(Arc::new(directory));
        running.tools = tools;
        self.known.store(Arc::new(known));
        Ok(())
    }
}
