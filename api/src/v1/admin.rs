//! `/api/v1/admin`: the node itself, for the operator.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::V1;
use crate::node_gate::{ActorState, LeftOutRow, NodeState};
use crate::problem::Problem;

/// The node.
#[derive(Serialize, ToSchema)]
pub(super) struct NodeShown {
    /// node.name.
    name: String,
    /// Of the program.
    version: &'static str,
    /// Seconds since its start.
    uptime_s: u64,
    /// Whether it takes no new calls.
    draining: bool,
    /// Calls that are up.
    calls: usize,
    /// node.max_calls.
    calls_max: usize,
    /// How busy the machine's cores were in the last two seconds, 0 to 1.
    cpu_busy: f64,
    /// Counts the changes of what calls are answered by; alike on nodes that are up to date.
    revision: u64,
    /// Rows of the database that cannot be used, and so are left out.
    left_out: Vec<LeftOutShown>,
    /// Its actors by kind.
    actors: Vec<ActorShown>,
}

/// A row that is left out.
#[derive(Serialize, ToSchema)]
pub(super) struct LeftOutShown {
    /// Its id.
    id: String,
    /// What it is.
    #[schema(example = "assistant")]
    kind: &'static str,
    /// Why.
    reason: String,
}

/// Actors of a kind.
#[derive(Serialize, ToSchema)]
pub(super) struct ActorShown {
    /// The kind.
    #[schema(example = "call")]
    actor: &'static str,
    /// How often one died, since the node's start.
    restarts: u64,
    /// The deepest mailbox of one in the last full second.
    mailbox_depth: u32,
    /// Messages that were dropped because a mailbox was full, since the node's start.
    mailbox_dropped: u64,
}

impl From<NodeState> for NodeShown {
    fn from(state: NodeState) -> Self {
        let left_out = state.left_out.into_iter();
        let actors = state.actors.into_iter();
        Self {
            name: state.name,
            version: env!("CARGO_PKG_VERSION"),
            uptime_s: state.uptime.as_secs(),
            draining: state.draining,
            calls: state.calls,
            calls_max: state.calls_max,
            cpu_busy: state.cpu_busy,
            revision: state.revision,
            left_out: left_out.map(|LeftOutRow { id, kind, reason }| LeftOutShown { id, kind, reason }).collect(),
            actors: actors
                .map(|ActorState { actor, restarts, mailbox_depth, mailbox_dropped }| ActorShown {
                    actor,
                    restarts,
                    mailbox_depth,
                    mailbox_dropped,
                })
                .collect(),
        }
    }
}

/// Tells of the node that is asked.
#[utoipa::path(get, path = "/api/v1/admin/node", tag = "admin", responses((status = 200, body = NodeShown)))]
pub(super) async fn node(State(api): State<Arc<V1>>) -> Result<Json<NodeShown>, Problem> {
    Ok(Json(api.node()?.state().into()))
}

/// Reads the node's configuration file and the certificate of SIP again, as SIGHUP does. A file with a mistake changes nothing.
#[utoipa::path(post, path = "/api/v1/admin/reload", tag = "admin", responses((status = 200, body = NodeShown), (status = 422)))]
pub(super) async fn reload(State(api): State<Arc<V1>>) -> Result<Json<NodeShown>, Problem> {
    let node = api.node()?;
    node.reload().await.map_err(|mistakes| {
        let mut wrong = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the configuration stays as it was");
        for (key, reason) in mistakes {
            wrong.add(&key, reason);
        }
        wrong
    })?;
    Ok(Json(node.state().into()))
}

/// Drains the node, as SIGTERM does: it takes no new calls, lets the others end for node.drain_timeout_s, and ends.
#[utoipa::path(post, path = "/api/v1/admin/drain", tag = "admin", responses((status = 202, body = NodeShown)))]
pub(super) async fn drain(State(api): State<Arc<V1>>) -> Result<(StatusCode, Json<NodeShown>), Problem> {
    let node = api.node()?;
    node.drain();
    Ok((StatusCode::ACCEPTED, Json(NodeShown { draining: true, ..node.state().into() })))
}
