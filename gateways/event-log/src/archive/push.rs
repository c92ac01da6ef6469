//! Moves segments into the archive and back. Every step is durable before the next one begins, and beginning again from
//! the first is harmless: put where nothing is, compare what is there, enter it, and only then remove the file.

use super::BROUGHT_UNFINISHED_FILE;
use super::error::ArchiveError;
use super::fetch::{Archive, measured};
use super::keeper::Gate;
use super::manifest::{Entry, Manifest};
use super::view::{ArchivedFile, View};
use crate::format::{CHECKPOINTS_FILE, SEGMENT_HEADER_BYTES, to_u64, to_usize};
use crate::index::{self, Extent};
use crate::segment;
use crate::shared::Shared;
use crate::storage::{Access, Secrecy, Storage, StorageFile, write_all_at};
use crate::verify::{VerifyError, VerifyOptions, verify_knowing};
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use stele_domain::port::blob_store::{BLOB_BYTES_MAX, BlobName, Put};
use stele_domain::port::event_log::Position;
use stele_domain::time::Timestamp;

/// Bytes that are copied at a time: 1 MiB.
const COPY_BYTES: usize = 1024 * 1024;

/// What stays in the directory. A sealed segment is archived when none of these holds it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// The newest sealed segments that stay.
    pub segments: u64,
    /// The newest sealed segments stay until they have this many bytes.
    pub bytes: u64,
    /// Segments whose last commit is younger than this stay, in milliseconds.
    pub age_ms: i64,
    /// The segments of the newest events stay. The log compares appends with its last 65,536 events: with fewer here, the
    /// first append after a start may have to wait for the archive.
    pub events: u64,
    /// Segments that reach this position stay.
    pub before: Option<Position>,
}

impl Default for Keep {
    /// All but what the log compares appends with.
    fn default() -> Self {
        Self { segments: 0, bytes: 0, age_ms: 0, events: to_u64(crate::recent::RECENT_RECORDS), before: None }
    }
}

/// What was archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Archived {
    /// Segments that are in the archive now and were in the directory.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Segments that stay only because they hold the newest events.
    pub held_by_events: u64,
}

/// What was brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Brought {
    /// Segments that are in the directory now and were in the archive.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What is to be archived.
#[derive(Debug, Clone, Default)]
pub struct Due {
    /// The segments, oldest first.
    pub segments: Vec<Extent>,
    /// Segments that stay only because they hold the newest events.
    pub held_by_events: u64,
    /// Segments that wait for their index files.
    pub without_index: u64,
}

/// Moves segments of a log whose owner this process is.
pub struct Mover {
    /// What readers see.
    pub shared: Arc<Shared>,
    /// The directory, without its archive.
    pub storage: Arc<dyn Storage>,
    /// Where segments go.
    pub archive: Arc<Archive>,
    /// Shut when the log is closed.
    pub gate: Arc<Gate>,
}

impl Mover {
    /// The segments that are to be archived, oldest first.
    pub fn due(&self, keep: &Keep, now: Timestamp) -> Result<Due, ArchiveError> {
        let head = self.shared.head();
        let sealed: Vec<Extent> = {
            let index = self.shared.index();
            let segments = index.segments();
            segments
                .iter()
                .take(segments.len().saturating_sub(1))
                .map(crate::index::Segment::extent)
                .collect()
        };
        let sealed = Self::that_may_go(sealed, keep, now);
        let mut due = Due::default();
        let sealed = self.gate.not_away(sealed);
        if sealed.is_empty() {
            return Ok(due);
        }
        let names = self.storage.list().map_err(disk("listing", "the files"))?;
        let is_here = |name: &str| names.binary_search_by(|known| known.as_str().cmp(name)).is_ok();
        for extent in sealed {
            if !is_here(&segment::file_name(extent.first)) {
                self.gate.is_away(extent.first);
            } else if (extent.next_position() - 1).saturating_add(keep.events) > head {
                due.held_by_events += 1;
            } else if is_here(&index::file_name(extent.first)) {
                due.segments.push(extent);
            } else {
                // It was sealed a moment ago, or there was no room for its index, which would be fetched for later.
                due.without_index += 1;
            }
        }
        Ok(due)
    }

    /// Those of all sealed segments that nothing holds back but the newest events, oldest first.
    fn that_may_go(sealed: Vec<Extent>, keep: &Keep, now: Timestamp) -> Vec<Extent> {
        let mut going = vec![];
        let (mut newer_segments, mut newer_bytes) = (0, 0);
        for extent in sealed.into_iter().rev() {
            let next = extent.next_position();
            let stays = newer_segments < keep.segments
                || newer_bytes < keep.bytes
                || now.millis_since(extent.recorded_at) < keep.age_ms
                || keep.before.is_some_and(|before| next > before.0);
            newer_segments += 1;
            newer_bytes += extent.end;
            if !stays {
                going.push(extent);
            }
        }
        going.reverse();
        going
    }

    /// Archives one segment; returns how many bytes it has, `None` when somebody else has archived it meanwhile. Blocks, and
    /// is for threads that no runtime drives.
    pub fn archive(&self, extent: &Extent) -> Result<Option<u64>, ArchiveError> {
        let name = segment::file_name(extent.first);
        let _turn = self.gate.turn();
        let names = self.storage.list().map_err(disk("listing", "the files"))?;
        if names.binary_search(&name).is_err() && self.manifest()?.get(extent.first).is_some() {
            return Ok(None);
        }
        self.is_the_archive(&name)?;
        let (entry, bytes) = self.measured(extent, &name)?;
        self.put(&name, &entry, bytes)?;
        let length = entry.length;
        let open = self.gate.enter(&name)?;
        let mut manifest = self.manifest()?;
        manifest.add(entry.clone());
        self.store(manifest)?;
        // From here on the file is not needed. Readers of it have it open.
        let archived = ArchivedFile::new(Arc::new(entry), Arc::clone(&self.archive));
        self.shared.index_mut().moved(extent.first, Arc::new(archived));
        let removed = self.storage.remove(&name).and_then(|()| self.storage.sync_directory());
        drop(open);
        removed.map_err(disk("removing", &name))?;
        self.gate.is_away(extent.first);
        Ok(Some(length))
    }

    /// Asks, once in the life of a process and before anything is put, whether what was archived there before is there. A
    /// disk that is not mounted leaves an empty directory behind, and whatever was put into that would be hidden later.
    fn is_the_archive(&self, name: &str) -> Result<(), ArchiveError> {
        if self.gate.is_known() {
            return Ok(());
        }
        let open = self.gate.enter(name)?;
        let manifest = self.manifest()?;
        drop(open);
        let newest = manifest.entries().rev().find(|entry| entry.url == self.archive.url());
        match newest.map(|newest| self.archive.length(newest)) {
            // One object that is lost is told to whoever reads it.
            None | Some(Ok(_) | Err(ArchiveError::Missing { .. })) => self.gate.know(),
            Some(Err(error)) => return Err(error),
        }
        Ok(())
    }

    /// Puts a segment where nothing is, or finds it there; and reads it back.
    fn put(&self, name: &str, entry: &Entry, bytes: Vec<u8>) -> Result<(), ArchiveError> {
        let put = match self.archive.length(entry) {
            Ok(_) => Put::There,
            Err(ArchiveError::Missing { .. } | ArchiveError::Elsewhere { .. }) => {
                self.archive.put(name, &entry.object, bytes)?
            }
            Err(error) => return Err(error),
        };
        let (object, store) = (entry.object.to_string(), self.archive.url().to_owned());
        let segment = name.to_owned();
        let error = match self.archive.compare(entry, |_, _| Ok(())) {
            Ok(None) => return Ok(()),
            Ok(Some(error)) | Err(error) => error,
        };
        Err(match (put, error) {
            (Put::There, ArchiveError::Other { .. }) if self.archive.has_everything(&entry.object) => {
                let what = "it says that it has objects which nobody has put there, too".to_owned();
                ArchiveError::NotKept { segment, object, store, what }
            }
            (Put::There, ArchiveError::Other { .. }) => ArchiveError::Taken { segment, object, store },
            (Put::Kept, ArchiveError::Other { what, .. }) => {
                ArchiveError::NotKept { segment, object, store, what }
            }
            // Several puts at once may each be told that there is an object.
            (Put::Kept | Put::There, ArchiveError::Missing { .. } | ArchiveError::Elsewhere { .. }) => {
                let what = "it is not there".to_owned();
                ArchiveError::NotKept { segment, object, store, what }
            }
            (Put::Kept | Put::There, error) => error,
        })
    }

    /// Brings the segments that hold any of these positions back into the directory. Blocks, and is for threads that no
    /// runtime drives.
    pub fn bring_back(&self, positions: &RangeInclusive<u64>) -> Result<Brought, ArchiveError> {
        let mut brought = Brought::default();
        let manifest = self.manifest()?;
        for entry in manifest.entries() {
            if entry.first > *positions.end() || entry.first + entry.records <= *positions.start() {
                continue;
            }
            let name = entry.segment();
            let here = self.storage.list().map_err(disk("listing", "the files"))?.contains(&name);
            if !here {
                self.copy_back(entry, &name)?;
                brought.segments += 1;
                brought.bytes += entry.length;
            }
            // A segment that is here and in the manifest was on its way when a process died.
            let open = self.gate.enter(&name)?;
            let file = self.storage.open(&name, Access::Read).map_err(disk("opening", &name))?;
            self.shared.index_mut().moved(entry.first, file);
            self.gate.is_back(entry.first);
            let mut left = self.manifest()?;
            left.remove(entry.first);
            self.store(left)?;
            drop(open);
        }
        Ok(brought)
    }

    /// How many segments are in the archive and not here.
    pub fn archived(&self) -> Result<u64, ArchiveError> {
        let names = self.storage.list().map_err(disk("listing", "the files"))?;
        let manifest = self.manifest()?;
        let gone = manifest.entries().filter(|entry| names.binary_search(&entry.segment()).is_err());
        Ok(to_u64(gone.count()))
    }

    /// A segment's entry and its bytes, when it is what was written and a signed checkpoint is over all of it.
    fn measured(&self, extent: &Extent, name: &str) -> Result<(Entry, Vec<u8>), ArchiveError> {
        if extent.end > BLOB_BYTES_MAX {
            let (segment, bytes, most) = (name.to_owned(), extent.end, BLOB_BYTES_MAX);
            return Err(ArchiveError::TooLarge { segment, bytes, most });
        }
        let file = self.storage.open(name, Access::Read).map_err(disk("opening", name))?;
        let bytes = Arc::new(Held(read_start(&*file, extent.end).map_err(disk("reading", name))?));
        self.verified(extent, name, &bytes)?;
        // What was verified is what is archived: the disk is not asked a second time.
        let bytes = Arc::try_unwrap(bytes).map_or_else(|shared| shared.0.clone(), |held| held.0);
        let (length, sha256) = measured(&bytes);
        let object = format!("{}/{name}", self.shared.log.as_hyphenated());
        let object = BlobName::new(&object).map_err(|error| disk("naming", name)(io::Error::other(error)))?;
        let entry = Entry {
            first: extent.first,
            length,
            sha256,
            first_commit: extent.first_commit,
            commits: extent.commits,
            records: extent.records,
            url: self.archive.url().to_owned(),
            object,
            header: bytes.get(..SEGMENT_HEADER_BYTES).unwrap_or_default().to_vec(),
        };
        Ok((entry, bytes))
    }

    /// Checks the bytes of a segment: every frame, the tree, the header of the segment after it, and that a checkpoint
    /// that was signed when it was sealed is over all of it.
    fn verified(&self, extent: &Extent, name: &str, bytes: &Arc<Held>) -> Result<(), ArchiveError> {
        let unverified =
            |error| ArchiveError::Unverified { segment: name.to_owned(), source: Arc::new(error) };
        let damaged = |file: &str, offset, what| {
            unverified(VerifyError::Damaged { file: file.to_owned(), offset, what })
        };
        let content = Arc::clone(bytes) as Arc<dyn StorageFile>;
        // Nothing is fetched for this, and nothing but this segment is read.
        let here = View::with(Arc::clone(&self.storage), name, content);
        let only = Some(Position(extent.first));
        let options = VerifyOptions { from: only, to: only, ..VerifyOptions::default() };
        let found = verify_knowing(&here, &options, self.gate.signed()).map_err(unverified)?;
        let stat = &found.stat;
        let whole = (extent.commits, extent.records, extent.end, extent.next_position() - 1);
        if (stat.commits, stat.events, stat.bytes, stat.head.0) != whole {
            let what = format!("the segment ends here, after {} of {} commits", stat.commits, extent.commits);
            return Err(damaged(name, stat.bytes, what));
        }
        if !found.signed_at_end {
            let what = format!("no checkpoint is over the end of segment {name}");
            return Err(damaged(CHECKPOINTS_FILE, 0, what));
        }
        Ok(())
    }

    fn copy_back(&self, entry: &Arc<Entry>, name: &str) -> Result<(), ArchiveError> {
        let fetched = self.archive.read(entry)?;
        let open = self.gate.enter(name)?;
        let copied = || -> io::Result<()> {
            super::remove_if_there(&*self.storage, BROUGHT_UNFINISHED_FILE)?;
            let file = self.storage.create(BROUGHT_UNFINISHED_FILE, Secrecy::Shared)?;
            let mut at = 0;
            while at < entry.length {
                let piece = read_piece(&*fetched, at, entry.length)?;
                write_all_at(&*file, &piece, at)?;
                at += to_u64(piece.len());
            }
            file.sync()?;
            self.storage.rename(BROUGHT_UNFINISHED_FILE, name)?;
            self.storage.sync_directory()
        };
        let copied = copied().map_err(disk("bringing back", name));
        if copied.is_err() {
            // A part that is there takes the room that a commit may need; what can't be removed is, at the next start.
            drop(super::remove_if_there(&*self.storage, BROUGHT_UNFINISHED_FILE));
        }
        drop(open);
        copied
    }

    /// The manifest. Only the owner of the directory writes it, so it is read once.
    fn manifest(&self) -> Result<Manifest, ArchiveError> {
        self.gate.manifest(|| Manifest::load(&*self.storage).map_err(of_manifest))
    }

    fn store(&self, manifest: Manifest) -> Result<(), ArchiveError> {
        let stored = manifest.store(&*self.storage, self.shared.log);
        // After an error nobody knows which one is there.
        self.gate.keep_manifest(stored.is_ok().then_some(manifest));
        stored.map_err(disk("writing", super::MANIFEST_FILE))
    }
}

/// The bytes of a segment, in memory.
struct Held(Vec<u8>);

impl StorageFile for Held {
    fn len(&self) -> io::Result<u64> {
        Ok(to_u64(self.0.len()))
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = self.0.get(to_usize(offset)..).unwrap_or_default();
        let count = rest.len().min(into.len());
        if let (Some(space), Some(rest)) = (into.get_mut(..count), rest.get(..count)) {
            space.copy_from_slice(rest);
        }
        Ok(count)
    }

    fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// An operation on the directory that failed.
fn disk(action: &'static str, file: &str) -> impl FnOnce(io::Error) -> ArchiveError {
    let file = file.to_owned();
    move |source| ArchiveError::Disk { action, file, source: Arc::new(source) }
}

/// A manifest that can't be read, or is not what was written.
fn of_manifest(error: io::Error) -> ArchiveError {
    ArchiveError::behind(&error).cloned().unwrap_or_else(|| disk("reading", super::MANIFEST_FILE)(error))
}

/// The first `len` bytes of a file, which has as many.
fn read_start(file: &dyn StorageFile, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(to_usize(len));
    while to_u64(bytes.len()) < len {
        bytes.extend_from_slice(&read_piece(file, to_u64(bytes.len()), len)?);
    }
    Ok(bytes)
}

/// Some bytes at `at`, where the file has `len` of them or more.
fn read_piece(file: &dyn StorageFile, at: u64, len: u64) -> io::Result<Vec<u8>> {
    let mut piece = vec![0; to_usize(len - at).min(COPY_BYTES)];
    loop {
        match file.read_at(&mut piece, at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                piece.truncate(count);
                return Ok(piece);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
