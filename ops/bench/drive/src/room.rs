//! A log with room for a burst: zeros stand ready before it is measured, as they do in raw's file. How the log comes by
//! them is the log's affair.

use crate::SystemClock;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stele_event_log::{EmbeddedLog, Options};

/// Zeros that stand ready, in bytes: more than a run of some seconds fills.
pub const ROOM_BYTES: u64 = 6 * 1024 * 1024 * 1024;
/// How long they may take.
const WITHIN: Duration = Duration::from_mins(2);
/// How often is looked whether they are there.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A log that is new and as shipped, but for so many bytes of zeros, which are waited for.
///
/// # Errors
///
/// When it can't be opened, or when the zeros are not there after two minutes: the disk is too small, or too slow.
pub async fn open(directory: &Path, room: u64) -> anyhow::Result<EmbeddedLog> {
    let options = Options::new(Arc::new(SystemClock)).with_room_bytes(room);
    let (log, _) = EmbeddedLog::open(directory, options)?;
    let begun = Instant::now();
    while log.prepared_bytes() < room {
        let there = log.prepared_bytes();
        anyhow::ensure!(begun.elapsed() < WITHIN, "{there} of {room} bytes of zeros are there");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(log)
}
