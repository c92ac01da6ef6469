//! Copies a log to another directory, beside the process that writes to it. Sealed segments and their indexes are shared
//! by hard links where that is possible, for nobody writes to them again; the last segment of the copy is a file of its
//! own, because whoever opens the copy writes to it. The copy is verified before it is called one.

use crate::archive::{ArchiveStat, Entry, MANIFEST_FILE, Manifest, Reach, archive_stat};
use crate::beside::{Beside, BesideError, End, Part};
use crate::checkpoint::{Checkpoint, read_blocks, to_block};
use crate::errors::storage as failed;
use crate::format::{CHECKPOINTS_FILE, KEY_FILE, PUBLIC_KEY_FILE, SECTOR_BYTES, to_u64, to_usize};
use crate::index;
use crate::note::NoteError;
use crate::storage::DirectoryStorage;
use crate::verify::{VerifyError, VerifyOptions, VerifyReport, verify};
use crate::window::{SCAN_CHUNK_BYTES, Window};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
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
    /// Where archived segments are. Nothing is asked of it, unless the copy ends within an archived segment.
    pub archive: Reach,
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
    /// What is in the archive: it is a part of the copy, and was not looked at.
    pub archived: ArchiveStat,
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
    let log = Beside::open(source, &options.archive)?;
    let signed = options.durable.as_deref().map(|note| Checkpoint::open(note, log.verifier()));
    let signed = signed.transpose().map_err(BackupError::Checkpoint)?;
    if signed.is_none() {
        // How the log ends is for whoever knows what damage is: here it would only be left out.
        let last = log.segments().last().map(|part| Position(part.header.first));
        let archive = options.archive.clone();
        let end = verify(source, &VerifyOptions { from: last, archive, ..VerifyOptions::default() })?;
        if end.owned {
            return Err(BackupError::Owned);
        }
    }
    let end = log.end(signed.as_ref().map(|checkpoint| checkpoint.size))?;
    if target.exists() {
        return Err(BackupError::Exists(target.display().to_string()));
    }
    DirBuilder::new().mode(0o700).create(target).map_err(|error| refused("making", "", target, error))?;
    let archived = Manifest::default();
    let mut copying = Copying { source, target, links: !options.copy, linked: 0, copied_bytes: 0, archived };
    copying.files(&log, &end)?;
    copying.manifest(&log)?;
    copying.checkpoints(&log, signed.as_ref(), options.durable.as_deref())?;
    for directory in [Some(target), target.parent().filter(|parent| !parent.as_os_str().is_empty())] {
        let Some(directory) = directory else { continue };
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(|error| refused("syncing", "", directory, error))?;
    }
    let Copying { linked, copied_bytes, .. } = copying;
    let archived = archive_stat(target).map_err(|error| refused("reading", MANIFEST_FILE, target, error))?;
    // What is in the archive was verified before it was put there. The checkpoint from outside is among those of the copy.
    let options = if archived.segments == 0 {
        VerifyOptions { against: options.durable.clone(), ..VerifyOptions::default() }
    } else {
        VerifyOptions { from: Some(Position(archived.local_from)), ..VerifyOptions::default() }
    };
    let verified = verify(target, &options)?;
    if verified.stat.head.0 != end.position {
        return Err(BesideError::Short { wanted: end.commits, found: verified.stat.commits }.into());
    }
    Ok(Backup { verified, linked, copied_bytes, archived })
}

/// A copy on its way.
struct Copying<'a> {
    source: &'a Path,
    target: &'a Path,
    /// Whether files may be shared.
    links: bool,
    linked: u64,
    copied_bytes: u64,
    /// Segments of the copy that are in the archive only.
    archived: Manifest,
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
                let copied = self.copy_start(part, end.offset)?;
                if copied != end.offset {
                    let what = format!("the segment should have {} bytes and has {copied}", end.offset);
                    let file = part.name.clone();
                    return Err(BesideError::Damaged { file, offset: copied, what }.into());
                }
                continue;
            }
            self.share_or_enter(part)?;
            // Also of an archived segment, so that nothing is fetched to open the copy.
            let index = index::file_name(part.header.first);
            // It is made after its segment is sealed, and made again when it is lost.
            if self.source.join(&index).exists() {
                self.share(&index)?;
            }
        }
        Ok(())
    }

    /// Takes a sealed segment over: its file, or else what says that it is in the archive, where it may have gone a moment
    /// ago.
    fn share_or_enter(&mut self, part: &Part) -> Result<(), BackupError> {
        let gone = match self.shared(&part.name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => error,
            shared => return shared.map_err(|error| refused("copying", &part.name, self.source, error)),
        };
        let unread = |error| refused("reading", MANIFEST_FILE, self.source, error);
        let storage = DirectoryStorage::open(self.source).map_err(unread)?;
        let manifest = Manifest::load(&storage).map_err(unread)?;
        let Some(entry) = manifest.get(part.header.first) else {
            // It came back a moment ago, or it is nowhere.
            let shared = self.shared(&part.name);
            return shared.map_err(|_| refused("reading", &part.name, self.source, gone));
        };
        self.archived.add(Entry::clone(entry));
        Ok(())
    }

    /// What says which segments are in the archive, where some are.
    fn manifest(&mut self, log: &Beside) -> Result<(), BackupError> {
        if self.archived.is_empty() {
            return Ok(());
        }
        let text = self.archived.encode(log.log());
        self.written(MANIFEST_FILE, 0o644, |file| file.write_all(text.as_bytes()))?;
        self.copied_bytes += to_u64(text.len());
        Ok(())
    }

    /// Copies the first bytes of a segment from wherever they are; returns how many there were.
    fn copy_start(&mut self, part: &Part, bytes: u64) -> Result<u64, BackupError> {
        let mut window = Window::new(Arc::clone(part.file()), SCAN_CHUNK_BYTES);
        let copied = self.written(&part.name, 0o644, |file| {
            let mut at = 0;
            while at < bytes {
                let piece = window.slice(at, to_usize(bytes - at).min(SCAN_CHUNK_BYTES))?;
                if piece.is_empty() {
                    break;
                }
                file.write_all(piece)?;
                at += to_u64(piece.len());
            }
            Ok(at)
        })?;
        self.copied_bytes += copied;
        Ok(copied)
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
        self.shared(name).map_err(|error| refused("copying", name, self.target, error))
    }

    /// The same, with what the operating system said.
    fn shared(&mut self, name: &str) -> io::Result<()> {
        let (from, to) = (self.source.join(name), self.target.join(name));
        // Another file system, or one without links: whatever it is, a copy does as well.
        if self.links && std::fs::hard_link(&from, &to).is_ok() {
            File::open(&to).and_then(|file| file.sync_all())?;
            self.linked += 1;
            return Ok(());
        }
        let mut from = File::open(from)?;
        self.copied_bytes += self.created(name, 0o644, |file| io::copy(&mut from, file))?;
        Ok(())
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
        self.created(name, mode, write).map_err(|error| refused("copying", name, self.target, error))
    }

    fn created<T>(
        &self,
        name: &str,
        mode: u32,
        write: impl FnOnce(&mut File) -> io::Result<T>,
    ) -> io::Result<T> {
        let created = OpenOptions::new().write(true).create_new(true).mode(mode).open(self.target.join(name));
        created.and_then(|mut file| {
            let written = write(&mut file)?;
            file.sync_all()?;
            Ok(written)
        })
    }
}

/// What a disk refused. In the words of the log, so that no room is no room wherever it was missing.
fn refused(action: &'static str, name: &str, directory: &Path, error: io::Error) -> BackupError {
    let name = if name.is_empty() { "the directory" } else { name };
    BesideError::Storage(failed(action, name, &directory.display().to_string(), error)).into()
}
