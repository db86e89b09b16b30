//! What the front doors ask of the node about itself, and about what its calls are answered by.

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use store::{OrganizationId, ResourceId, ResourceKind};

/// The node, as those who set it up see it. It checks rows as those of its file, and has each change in effect for the next call.
pub trait NodeGate: fmt::Debug + Send + Sync + 'static {
    /// Whether a row can be, beside the file and all that other nodes have written.
    fn check<'a>(&'a self, wish: RowWish<'a>) -> BoxFuture<'a, Result<RowHead, RowRefusal>>;

    /// Rows of the file, which are the operator's.
    fn of_file(&self, kind: ResourceKind) -> Vec<FileRow>;

    /// Rows were changed: the next call finds them so. Answers when it does, or the database is away; then it is tried again.
    fn changed(&self) -> BoxFuture<'_, ()>;

    /// Uses an HTTP tool of an organization once, for 8 s at most; `None`: there is none of this name that can be used.
    fn run_tool<'a>(
        &'a self,
        organization: &'a OrganizationId,
        name: &'a str,
        arguments: Value,
    ) -> BoxFuture<'a, Option<ToolRan>>;

    /// What an MCP server of an organization offers: name, description and schema of each tool; `None`: it was not reached within 8 s.
    fn mcp_tools<'a>(
        &'a self,
        organization: &'a OrganizationId,
        name: &'a str,
    ) -> BoxFuture<'a, Option<Vec<(String, String, Value)>>>;

    /// What is known of the trunk of this name; `None`: there is none.
    fn trunk(&self, name: &str) -> Option<TrunkState>;

    /// How it is.
    fn state(&self) -> NodeState;

    /// Reads its file again.
    ///
    /// # Errors
    /// Every mistake, its key and the reason; then nothing changes.
    fn reload(&self) -> BoxFuture<'_, Result<(), Vec<(String, String)>>>;

    /// Takes no new calls, lets the others end, and ends.
    fn drain(&self);
}

/// What came of the use of a tool.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ToolRan {
    /// How it ended, in a word.
    pub status: &'static str,
    /// What a model would read.
    pub output: String,
    /// How long it took.
    pub took: Duration,
}

/// What a node knows of a trunk.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TrunkState {
    /// Whether its registrar leads calls to this node; `None`: none is asked to.
    pub registered: Option<bool>,
    /// Its targets, and in a word how each is.
    pub targets: Vec<(String, &'static str)>,
}

/// How a node is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeState {
    /// `node.name`.
    pub name: String,
    /// Since its start.
    pub uptime: Duration,
    /// Whether it takes no new calls.
    pub draining: bool,
    /// Calls that are up.
    pub calls: usize,
    /// `node.max_calls`.
    pub calls_max: usize,
    /// How busy the machine's cores are, 0 to 1.
    pub cpu_busy: f64,
    /// The revision of what its calls are answered by.
    pub revision: u64,
    /// Rows that cannot be used.
    pub left_out: Vec<LeftOutRow>,
    /// Its actors by kind.
    pub actors: Vec<ActorState>,
}

/// A row of the database that is not used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LeftOutRow {
    /// Its id.
    pub id: String,
    /// What it is.
    pub kind: &'static str,
    /// Why.
    pub reason: String,
}

/// Actors of a kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ActorState {
    /// The kind.
    pub actor: &'static str,
    /// Deaths since the node's start.
    pub restarts: u64,
    /// The deepest mailbox in the last second.
    pub mailbox_depth: u32,
    /// What was dropped since the node's start.
    pub mailbox_dropped: u64,
}

/// A row that somebody wants.
#[derive(Clone, Copy, Debug)]
pub struct RowWish<'a> {
    /// Whose it is to be.
    pub organization: &'a OrganizationId,
    /// What it is.
    pub kind: ResourceKind,
    /// Which it is, if it is there already.
    pub id: Option<ResourceId>,
    /// All of it.
    pub fields: &'a Map<String, Value>,
}

/// What of a row the records keep apart.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RowHead {
    /// What may stand once.
    pub name: String,
    /// Rows that it needs.
    pub uses: Vec<ResourceId>,
}

/// Why a row cannot be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RowRefusal {
    /// Fields, and what is wrong with each.
    Fields(Vec<(String, String)>),
    /// The file has it, in words.
    OfFile(String),
    /// The records cannot be asked.
    Away,
}

/// A row of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileRow {
    /// What the file calls it.
    pub id: String,
    /// All that the file says of it.
    pub fields: Map<String, Value>,
}
