//! Where rows that may change are folded: runs on the disk with a bound on their memory, empty at the beginning, gone at the
//! end.

use crate::exit::{Code, Failure};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use stele_domain::port::read_store::{ReadStore, Schema, StoreError};
use stele_domain::port::state_store::Histories;
use stele_read_store::{RunOptions, RunStore, States};
use tempfile::TempDir;

/// Where the rooms are, in the data directory.
const FOLDER: &str = "audit-room";

/// A place for rooms, which goes with the value.
pub(super) struct Place {
    folder: TempDir,
    opened: AtomicU64,
    memory_bytes: u64,
}

impl Place {
    /// In a folder of the log's owner, for rooms of so much memory each, in bytes.
    pub(super) fn in_folder(folder: &Path, memory_bytes: u64) -> Result<Self, Failure> {
        // There is one audit at a time: what stands there was left by one that was killed.
        let left = match std::fs::remove_dir_all(folder.join(FOLDER)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        };
        let made =
            left.and_then(|()| tempfile::Builder::new().prefix(FOLDER).rand_bytes(0).tempdir_in(folder));
        let folder = made.map_err(|error| {
            let code = crate::cli::of_disk(&error).unwrap_or(Code::Error);
            Failure::new(code, format!("no room for the audit in {}: {error}", folder.display()))
        })?;
        Ok(Self { folder, opened: AtomicU64::new(0), memory_bytes })
    }

    /// An empty room.
    pub(super) fn open(&self, schemas: &[Schema]) -> Result<Arc<dyn ReadStore>, StoreError> {
        let room = self.folder.path().join(self.opened.fetch_add(1, Ordering::Relaxed).to_string());
        let (histories, states) = (Histories::PassBy, States::Newest);
        let options = RunOptions { memory_bytes: self.memory_bytes, histories, states };
        let store = RunStore::open(&room, schemas, options);
        let store = store.map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        Ok(Arc::new(store))
    }
}
