//! A witness file: checkpoints in blocks of 512 bytes, as in the log's own file of them. It is only ever added to, but for
//! an end that was not finished, which is cut.

use super::disk::Disk;
use super::{WitnessError, holds};
use crate::checkpoint::{Checkpoint, note_in, to_block};
use crate::format::{SECTOR_BYTES, to_u64};
use crate::frame::sectors::is_blank;
use crate::note::NoteError;
use crate::shared::Shared;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stele_domain::port::event_log::LogError;

/// Longest witness file, in bytes: 131,072 checkpoints. `stele log verify --against` reads no longer one.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// One file, on a disk that is somebody else's.
pub(super) struct WitnessFile {
    path: PathBuf,
    disk: Disk,
}

impl WitnessFile {
    /// Nothing is opened yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, disk: Disk::default() }
    }

    /// Holds the log against the last checkpoint there, and returns it.
    pub(super) async fn look(&self, shared: &Arc<Shared>) -> Result<Option<Checkpoint>, WitnessError> {
        let (shared, path) = (Arc::clone(shared), self.path.clone());
        self.on_disk(move || Ok(Held::open(&shared, &path, None)?.last)).await
    }

    /// Adds the newest checkpoint, durably, once the last one there holds; returns it.
    pub(super) async fn add(
        &self,
        shared: &Arc<Shared>,
        known: Option<&Checkpoint>,
    ) -> Result<Checkpoint, WitnessError> {
        let (shared, path, known) = (Arc::clone(shared), self.path.clone(), known.cloned());
        self.on_disk(move || Held::open(&shared, &path, known.as_ref())?.add(&shared, &path)).await
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, WitnessError> + Send + 'static,
    ) -> Result<T, WitnessError> {
        let done = self.disk.run(work).await;
        done.unwrap_or_else(|error| Err(LogError::Unreachable(Box::new(error)).into()))
    }
}

/// The file, locked, with a last checkpoint that holds for the log.
struct Held {
    file: File,
    /// Where the next checkpoint belongs, in bytes.
    end: u64,
    last: Option<Checkpoint>,
}

impl Held {
    /// Opens and locks the file; the last checkpoint there must be borne out by the log, and may not be from before `known`.
    fn open(shared: &Shared, path: &Path, known: Option<&Checkpoint>) -> Result<Self, WitnessError> {
        let file = open(path)?;
        // Goes with the open file.
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(WitnessError::Busy { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => {
                return Err(WitnessError::Io { action: "locking", path: path.to_owned(), source });
            }
        }
        let (end, last) = last(&file, path, shared)?;
        if let Some(last) = last.as_ref().filter(|last| Some(*last) != known) {
            holds(shared, last, &path.display().to_string())?;
        }
        if let Some(known) = known
            && last.as_ref().is_none_or(|last| last.size < known.size)
        {
            let found = last.map_or(0, |last| last.size);
            return Err(WitnessError::Lost { path: path.to_owned(), had: known.size, found });
        }
        Ok(Self { file, end, last })
    }

    /// Adds the newest checkpoint, durably, unless it is there; returns it.
    fn add(mut self, shared: &Shared, path: &Path) -> Result<Checkpoint, WitnessError> {
        let io = |action: &'static str| {
            move |source: io::Error| WitnessError::Io { action, path: path.to_owned(), source }
        };
        let tree = shared.tree().frontier();
        let newest =
            Checkpoint { origin: shared.signer.name().to_owned(), size: tree.size(), root: tree.root() };
        if self.last.as_ref() == Some(&newest) {
            return Ok(newest);
        }
        let bytes = self.file.metadata().map_err(io("measuring"))?.len();
        if self.end + to_u64(SECTOR_BYTES) > FILE_BYTES_MAX {
            return Err(WitnessError::Long { path: path.to_owned(), bytes });
        }
        if bytes > self.end {
            // What did not finish is gone for good before anything is written over it.
            let cut = self.file.set_len(self.end).and_then(|()| self.file.sync_all());
            cut.map_err(io("cutting the unfinished end of"))?;
        }
        self.file.write_all(&to_block(&newest.note(&shared.signer))).map_err(io("writing"))?;
        self.file.sync_all().map_err(io("fsync of"))?;
        Ok(newest)
    }
}

/// Opens the file, and makes it where there is none.
fn open(path: &Path) -> Result<File, WitnessError> {
    let opened = OpenOptions::new().read(true).append(true).create(true).mode(0o644).open(path);
    let file =
        opened.map_err(|source| WitnessError::Io { action: "opening", path: path.to_owned(), source })?;
    if file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
        // A name that was just made is an entry of the directory.
        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(|source| WitnessError::Io {
            action: "fsync of the directory of",
            path: path.to_owned(),
            source,
        })?;
    }
    Ok(file)
}

/// The last whole checkpoint, and where it ends.
fn last(file: &File, path: &Path, shared: &Shared) -> Result<(u64, Option<Checkpoint>), WitnessError> {
    let io = |source| WitnessError::Io { action: "reading", path: path.to_owned(), source };
    let sector = to_u64(SECTOR_BYTES);
    let mut end = file.metadata().map_err(io)?.len() / sector * sector;
    let mut block = [0; SECTOR_BYTES];
    // Of the end of the file only the last block can be one that was not finished.
    for _ in 0..2 {
        let Some(offset) = end.checked_sub(sector) else { return Ok((0, None)) };
        file.read_exact_at(&mut block, offset).map_err(io)?;
        if !is_blank(&block) {
            return checkpoint(&block, path, offset, shared).map(|last| (end, Some(last)));
        }
        end = offset;
    }
    let source = NoteError::Malformed("there are zeros where checkpoints were");
    Err(WitnessError::Damaged { path: path.to_owned(), offset: end, source })
}

fn checkpoint(block: &[u8], path: &Path, offset: u64, shared: &Shared) -> Result<Checkpoint, WitnessError> {
    let damaged = |source| WitnessError::Damaged { path: path.to_owned(), offset, source };
    let note = note_in(block).map_err(damaged)?;
    let told = Checkpoint::unverified(&note).map_err(damaged)?;
    let log = shared.signer.name();
    if told.origin != log {
        let (found, log) = (told.origin, log.to_owned());
        return Err(WitnessError::Foreign { path: path.to_owned(), found, log });
    }
    Checkpoint::open(&note, shared.signer.verifier()).map_err(damaged)
}
