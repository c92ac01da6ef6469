//! Copies a log to another directory, beside the process that writes to it. Sealed segments and their indexes are shared
//! by hard links where that is possible, for nobody writes to them again; the last segment of the copy is a file of its
//! own, because whoever opens the copy writes to it. The copy is verified before it is called one.

use crate::beside::{Beside, BesideError, End};
use crate::checkpoint::{Checkpoint, read_blocks, to_block};
use crate::errors::storage as failed;
use crate::format::{CHECKPOINTS_FILE, KEY_FILE, PUBLIC_KEY_FILE, SECTOR_BYTES, to_u64, to_usize};
use crate::index;
use crate::note::NoteError;
use crate::verify::{VerifyError, VerifyOptions, VerifyReport, verify};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use stele_domain::port::event_log::Position;

/// Longest checkpoints file that is copied: that of a million checkpoints, 512 MiB.
const CHECKPOINTS_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// How a log is copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackupOptions {
    /// A checkpoint by the log's owner, who is running: the copy ends with what it signs. Without it nobody may own the
    /// log, and the copy has every commit that is whole.
    pub durable: Option<String>,
    /// Copies sealed segments, too, and shares no file with the log.
    pub copy: bool,
}

/// What became of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// The copy, as it was verified.
    pub verified: VerifyReport,
    /// Files that are shared with the log.
    pub linked: u64,
    /// Bytes that were copied.
    pub copied_bytes: u64,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The log can't be read.
    #[error(transparent)]
    Beside(#[from] BesideError),
    /// Somebody owns the log, and has not said how much of it is durable.
    #[error("somebody is writing to the log, and no checkpoint says what of it is durable")]
    Owned,
    /// The checkpoint is not one of this log.
    #[error("the checkpoint is not one of this log")]
    Checkpoint(#[source] NoteError),
    /// There is something where the copy should be.
    #[error("{0} is there already: a backup never overwrites")]
    Exists(String),
    /// The log, or the copy of it, is not what was written.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

/// Copies the log in `source` to `target`, which must not be there. Blocks. After an error, what is in `target` is of no
/// use.
///
/// # Errors
///
/// [`BackupError::Beside`] for whatever the disks refuse; the log itself is never changed.
pub fn backup(source: &Path, target: &Path, options: &BackupOptions) -> Result<Backup, BackupError> {
    let log = Beside::open(source)?;
    let signed = options.durable.as_deref().map(|note| Checkpoint::open(note, log.verifier()));
    let signed = signed.transpose().map_err(BackupError::Checkpoint)?;
    if signed.is_none() {
        // How the log ends is for whoever knows what damage is: here it would only be left out.
        let last = log.segments().last().map(|part| Position(part.header.first));
        let end = verify(source, &VerifyOptions { from: last, ..VerifyOptions::default() })?;
        if end.owned {
            return Err(BackupError::Owned);
        }
    }
    let end = log.end(signed.as_ref().map(|checkpoint| checkpoint.size))?;
    if target.exists() {
        return Err(BackupError::Exists(target.display().to_string()));
    }
    DirBuilder::new().mode(0o700).create(target).map_err(|error| refused("making", "", target, error))?;
    let mut copying = Copying { source, target, links: !options.copy, linked: 0, copied_bytes: 0 };
    copying.files(&log, &end)?;
    copying.checkpoints(&log, signed.as_ref(), options.durable.as_deref())?;
    for directory in [Some(target), target.parent().filter(|parent| !parent.as_os_str().is_empty())] {
        let Some(directory) = directory else { continue };
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(|error| refused("syncing", "", directory, error))?;
    }
    let against = VerifyOptions { against: options.durable.clone(), ..VerifyOptions::default() };
    let verified = verify(target, &against)?;
    if verified.stat.commits != end.commits {
        return Err(BesideError::Short { wanted: end.commits, found: verified.stat.commits }.into());
    }
    let Copying { linked, copied_bytes, .. } = copying;
    Ok(Backup { verified, linked, copied_bytes })
}

/// A copy on its way.
struct Copying<'a> {
    source: &'a Path,
    target: &'a Path,
    /// Whether files may be shared.
    links: bool,
    linked: u64,
    copied_bytes: u64,
}

impl Copying<'_> {
    /// Key, segments and indexes.
    fn files(&mut self, log: &Beside, end: &End) -> Result<(), BackupError> {
        self.copy(KEY_FILE, u64::MAX, 0o600)?;
        self.copy(PUBLIC_KEY_FILE, u64::MAX, 0o644)?;
        for (nth, part) in log.segments().iter().enumerate().take(end.segment + 1) {
            // The last one also where it is sealed: whoever opens the copy goes on writing in it, and the log's own
            // segment must not change by that. An index of it may cover more than is copied.
            if nth == end.segment {
                let copied = self.copy(&part.name, end.offset, 0o644)?;
                if copied != end.offset {
                    let what = format!("the segment should have {} bytes and has {copied}", end.offset);
                    let file = part.name.clone();
                    return Err(BesideError::Damaged { file, offset: copied, what }.into());
                }
                continue;
            }
            self.share(&part.name)?;
            let index = index::file_name(part.header.first);
            // It is made after its segment is sealed, and made again when it is lost.
            if self.source.join(&index).exists() {
                self.share(&index)?;
            }
        }
        Ok(())
    }

    /// The checkpoints that the copy reaches, and last the one that says how far it goes.
    fn checkpoints(
        &mut self,
        log: &Beside,
        signed: Option<&Checkpoint>,
        note: Option<&str>,
    ) -> Result<(), BackupError> {
        let mut bytes = vec![];
        let path = self.source.join(CHECKPOINTS_FILE);
        let read = File::open(path).and_then(|file| file.take(CHECKPOINTS_BYTES_MAX).read_to_end(&mut bytes));
        read.map_err(|error| refused("reading", CHECKPOINTS_FILE, self.source, error))?;
        let stored = match read_blocks(&bytes, log.verifier()) {
            // The owner may be in the middle of adding the last one.
            Err(fault) if signed.is_some() && fault.offset + to_u64(SECTOR_BYTES) >= to_u64(bytes.len()) => {
                bytes.truncate(to_usize(fault.offset));
                read_blocks(&bytes, log.verifier())
            }
            stored => stored,
        };
        let stored = stored.map_err(|fault| BesideError::Damaged {
            file: CHECKPOINTS_FILE.to_owned(),
            offset: fault.offset,
            what: fault.what,
        })?;
        let reached = |size: u64| signed.is_none_or(|signed| size <= signed.size);
        let kept = stored.checkpoints.iter().take_while(|(_, checkpoint)| reached(checkpoint.size)).count();
        bytes.truncate(kept * SECTOR_BYTES);
        let last = kept.checked_sub(1).and_then(|last| stored.checkpoints.get(last));
        if let (Some(signed), Some(note)) = (signed, note)
            && last.is_none_or(|(_, last)| last.size != signed.size)
        {
            bytes.extend_from_slice(&to_block(note));
        }
        self.written(CHECKPOINTS_FILE, 0o644, |file| file.write_all(&bytes))?;
        self.copied_bytes += to_u64(bytes.len());
        Ok(())
    }

    /// Shares a file that nobody writes to any more, or copies it where files can't be shared.
    fn share(&mut self, name: &str) -> Result<(), BackupError> {
        let (from, to) = (self.source.join(name), self.target.join(name));
        // Another file system, or one without links: whatever it is, a copy does as well.
        if self.links && std::fs::hard_link(&from, &to).is_ok() {
            let synced = File::open(&to).and_then(|file| file.sync_all());
            synced.map_err(|error| refused("syncing", name, self.target, error))?;
            self.linked += 1;
            return Ok(());
        }
        self.copy(name, u64::MAX, 0o644).map(|_| ())
    }

    /// Copies at most `bytes_max` bytes of a file, durably; returns how many there were.
    fn copy(&mut self, name: &str, bytes_max: u64, mode: u32) -> Result<u64, BackupError> {
        let from = File::open(self.source.join(name));
        let from = from.map_err(|error| refused("reading", name, self.source, error))?;
        let copied = self.written(name, mode, |file| io::copy(&mut from.take(bytes_max), file))?;
        self.copied_bytes += copied;
        Ok(copied)
    }

    fn written<T>(
        &self,
        name: &str,
        mode: u32,
        write: impl FnOnce(&mut File) -> io::Result<T>,
    ) -> Result<T, BackupError> {
        let created = OpenOptions::new().write(true).create_new(true).mode(mode).open(self.target.join(name));
        let written = created.and_then(|mut file| {
            let written = write(&mut file)?;
            file.sync_all()?;
            Ok(written)
        });
        written.map_err(|error| refused("copying", name, self.target, error))
    }
}

/// What a disk refused. In the words of the log, so that no room is no room wherever it was missing.
fn refused(action: &'static str, name: &str, directory: &Path, error: io::Error) -> BackupError {
    let name = if name.is_empty() { "the directory" } else { name };
    BesideError::Storage(failed(action, name, &directory.display().to_string(), error)).into()
}
