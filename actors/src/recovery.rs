//! After a crash: calls that were left open are closed, their recordings made playable.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use store::{CallId, HangupCause, Keyring, RecordingState, Store, StoreWrite, WallTime};

use crate::config::NodeConfig;
use crate::recorder::{path_of, repair};
use crate::shared::Shared;
use crate::store::{BATCH_MAX, StoreMsg};

/// A Recorder that is ended in the middle of a write leaves that write under way; a disk takes less than this for it.
const LAST_WRITE: Duration = Duration::from_millis(500);

/// Closes every record that this node's name left open, and repairs its recording.
///
/// # Errors
/// When the database cannot be asked: a node that does not know what it lost must not start.
pub(crate) async fn close_lost(config: &NodeConfig, database: &Store, cause: HangupCause) -> Result<(), String> {
    let lost = database.close_lost(&config.name, cause, WallTime::now()).await.map_err(|error| error.to_string())?;
    if lost.is_empty() {
        return Ok(());
    }
    tracing::warn!(calls = lost.len(), "calls were lost and are closed now");
    let (data_dir, keys) = (config.data_dir.clone(), database.seals().keys());
    let writing = lost.into_iter().flat_map(|call| call.writing);
    let repair_all = move || writing.map(|recording| repaired(&data_dir, &keys, recording.call, recording.path)).collect();
    let writes: Vec<StoreWrite> = tokio::task::spawn_blocking(repair_all).await.map_err(|error| error.to_string())?;
    for batch in writes.chunks(BATCH_MAX) {
        database.write_batch(batch).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Closes the recording of a call whose Recorder died, beside the actors. If the node ends first, its next start does it.
pub(crate) fn close_recording(shared: &Arc<Shared>, call: CallId) {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        tokio::time::sleep(LAST_WRITE).await;
        let (data_dir, keys) = (shared.config.data_dir.clone(), shared.seals.keys());
        match tokio::task::spawn_blocking(move || repaired(&data_dir, &keys, call, path_of(call))).await {
            Ok(write) => shared.store.tell(StoreMsg::Write(write)),
            Err(error) => tracing::error!(call = %call, %error, "a recording stays open until the next start"),
        }
    });
}

/// Repairs a recording; what the record is to say of it.
fn repaired(data_dir: &Path, keys: &Keyring, call: CallId, path: String) -> StoreWrite {
    let (state, duration, bytes, note) = match repair(&data_dir.join(&path), keys) {
        Ok((duration, bytes)) => (RecordingState::Repaired, duration, bytes, "cut short by a crash".to_owned()),
        Err(error) => (RecordingState::Failed, Duration::ZERO, 0, error.to_string()),
    };
    StoreWrite::RecordingClosed { call, path, state, duration, bytes, note: Some(note) }
}
