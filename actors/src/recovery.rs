//! After a crash: calls that were left open are closed, their recordings made playable.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use media::wav::{self, Repair, WavFormat};
use store::{CallId, HangupCause, RecordingState, Store, StoreWrite, WallTime};

use crate::config::NodeConfig;
use crate::recorder::path_of;
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
    let data_dir = config.data_dir.clone();
    let writing = lost.into_iter().flat_map(|call| call.writing);
    let repair_all = move || writing.map(|recording| repaired(&data_dir, recording.call, recording.path)).collect();
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
        let data_dir = shared.config.data_dir.clone();
        match tokio::task::spawn_blocking(move || repaired(&data_dir, call, path_of(call))).await {
            Ok(write) => shared.store.tell(StoreMsg::Write(write)),
            Err(error) => tracing::error!(call = %call, %error, "a recording stays open until the next start"),
        }
    });
}

/// Repairs a recording; what the record is to say of it.
fn repaired(data_dir: &Path, call: CallId, path: String) -> StoreWrite {
    let (state, duration, bytes, note) = match repair(&data_dir.join(&path)) {
        Ok((duration, bytes)) => (RecordingState::Repaired, duration, bytes, "cut short by a crash".to_owned()),
        Err(error) => (RecordingState::Failed, Duration::ZERO, 0, error.to_string()),
    };
    StoreWrite::RecordingClosed { call, path, state, duration, bytes, note: Some(note) }
}

/// Puts the header right; the length of the audio and of the file.
fn repair(path: &Path) -> std::io::Result<(Duration, u64)> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut length = file.metadata()?.len();
    let mut header = Vec::with_capacity(wav::HEADER);
    Read::by_ref(&mut file).take(wav::HEADER as u64).read_to_end(&mut header)?;
    match wav::repair(&header, length).map_err(std::io::Error::other)? {
        Repair::Intact => {}
        Repair::Patch { header, file_length } => {
            file.set_len(file_length)?;
            write_header(&mut file, &header)?;
            file.sync_all()?;
            length = file_length;
        }
    }
    let samples = length.saturating_sub(wav::HEADER as u64) / u64::from(WavFormat::RECORDING.block());
    Ok((WavFormat::RECORDING.rate.duration_of(samples), length))
}

/// Writes a header over the one at the front.
pub(crate) fn write_header(file: &mut File, header: &[u8]) -> std::io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(header)?;
    file.seek(SeekFrom::End(0))?;
    Ok(())
}
