//! Where rows that may change are folded: runs on the disk with a bound on their memory, empty at the beginning, gone at the
//! end. In the data directory, or, where that can't be written to, among the operating system's temporary files.

use crate::exit::{Code, Failure};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use stele_domain::port::read_store::{ReadStore, Schema, StoreError};
use stele_domain::port::state_store::Histories;
use stele_read_store::{Orders, RunOptions, RunStore, States};
use tempfile::TempDir;

/// Where the rooms are, in the data directory.
const FOLDER: &str = "audit-room";

/// How their names begin among temporary files.
const ELSEWHERE: &str = "stele-audit-room-";

/// A place for rooms, which goes with the value.
pub(super) struct Place {
    folder: TempDir,
    opened: AtomicU64,
    memory_bytes: u64,
}

impl Place {
    /// In a folder of the log's owner, for rooms of so much memory each, in bytes.
    pub(super) fn in_folder(folder: &Path, memory_bytes: u64) -> Result<Self, Failure> {
        let folder = match made_in(folder) {
            Err(error) if crate::cli::of_disk(&error) == Some(Code::Unwritable) => elsewhere(folder, &error)?,
            made => made.map_err(|error| no_room(&folder.display().to_string(), &error))?,
        };
        Ok(Self { folder, opened: AtomicU64::new(0), memory_bytes })
    }

    /// An empty room.
    pub(super) fn open(&self, schemas: &[Schema]) -> Result<Arc<dyn ReadStore>, StoreError> {
        let room = self.folder.path().join(self.opened.fetch_add(1, Ordering::Relaxed).to_string());
        let (histories, states) = (Histories::PassBy, States::Newest);
        // The rows of a table are compared in the order of their keys.
        let orders = Orders::Key;
        let options = RunOptions { memory_bytes: self.memory_bytes, histories, states, orders };
        let store = RunStore::open(&room, schemas, options);
        let store = store.map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        Ok(Arc::new(store))
    }
}

fn made_in(folder: &Path) -> io::Result<TempDir> {
    // There is one audit at a time: what stands there was left by one that was killed.
    match std::fs::remove_dir_all(folder.join(FOLDER)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    tempfile::Builder::new().prefix(FOLDER).rand_bytes(0).tempdir_in(folder)
}

/// A room for a data directory that nothing may be written to. Others have theirs in the same place.
fn elsewhere(folder: &Path, refused: &io::Error) -> Result<TempDir, Failure> {
    let made = tempfile::Builder::new().prefix(ELSEWHERE).tempdir();
    made.map_err(|error| {
        no_room(&format!("{} ({refused}), nor among the temporary files", folder.display()), &error)
            .advise("name a directory with room in the environment: TMPDIR=/a/directory stele audit")
    })
}

fn no_room(place: &str, error: &io::Error) -> Failure {
    let code = crate::cli::of_disk(error).unwrap_or(Code::Error);
    Failure::new(code, format!("no room for the audit in {place}: {error}"))
}
