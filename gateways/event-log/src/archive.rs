//! Sealed segments in a blob store, and reading them as if they were here. `FORMAT.md` §12 describes what is kept.
//!
//! Above this the log knows of no archive: [`View`] is a directory in which archived segments are files that are fetched
//! when they are read. What can go wrong with a store goes wrong for the positions that are in it, and for nothing else;
//! the writer never waits for one.

mod error;
mod fetch;
mod keeper;
mod manifest;
mod push;
mod view;

pub use error::ArchiveError;
pub use fetch::{ARCHIVE_CACHE_BYTES_DEFAULT, Archive, ArchiveOptions, never_wait_here};
pub use keeper::{Gate, KeepPace, Keeper};
pub use manifest::{Entry, Manifest};
pub use push::{Archived, Brought, Keep, Mover};
pub use view::View;

use crate::segment;
use crate::storage::{DirectoryStorage, Storage};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Name of the file that says which segments are in the archive.
pub const MANIFEST_FILE: &str = "archive";

/// What it is called until it is whole.
const MANIFEST_UNFINISHED_FILE: &str = "archive.tmp";

/// What a segment that is brought back is called until it is whole.
const BROUGHT_UNFINISHED_FILE: &str = "fetched.tmp";

/// The archive, where it is within reach. Without it archived segments are named, and their content can't be read.
#[derive(Clone, Default)]
pub struct Reach(Option<Arc<Archive>>);

impl Reach {
    /// Within reach.
    #[must_use]
    pub fn of(archive: Arc<Archive>) -> Self {
        Self(Some(archive))
    }

    /// The archive.
    #[must_use]
    pub fn archive(&self) -> Option<&Arc<Archive>> {
        self.0.as_ref()
    }
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reach").field(&self.0.as_ref().map(|archive| archive.url())).finish()
    }
}

impl PartialEq for Reach {
    /// The same archive, by the same hand.
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

impl Eq for Reach {}

/// A log's directory with its archived segments.
///
/// # Errors
///
/// Where there is no such directory.
pub(crate) fn directory(path: &Path, reach: &Reach) -> io::Result<View> {
    Ok(View::new(Arc::new(DirectoryStorage::open(path)?), reach.0.clone()))
}

/// What is in the archive of a log, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArchiveStat {
    /// Segments that are in the archive and not in the directory.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their events.
    pub events: u64,
    /// The first position that no archived segment stands in front of: from there on everything is in the directory.
    pub local_from: u64,
    /// Where they were put, each place once.
    pub urls: Vec<String>,
}

/// Counts what is in the archive, as the directory says it. Asks no archive.
///
/// # Errors
///
/// What keeps the directory from being read.
pub fn archive_stat(path: &Path) -> io::Result<ArchiveStat> {
    stat_on(&DirectoryStorage::open(path)?)
}

/// The same on any storage.
pub(crate) fn stat_on(storage: &dyn Storage) -> io::Result<ArchiveStat> {
    let names = storage.list()?;
    let mut stat = ArchiveStat { local_from: 1, ..ArchiveStat::default() };
    for entry in Manifest::load(storage)?.entries() {
        if names.binary_search(&entry.segment()).is_ok() {
            continue;
        }
        stat.segments += 1;
        stat.bytes += entry.length;
        stat.events += entry.records;
        // By the name of what follows: how many records the segment has is only told here.
        let follows = names.iter().filter_map(|name| segment::first_position(name));
        stat.local_from =
            follows.into_iter().find(|first| *first > entry.first).unwrap_or(entry.first + entry.records);
        if !stat.urls.contains(&entry.url) {
            stat.urls.push(entry.url.clone());
        }
    }
    Ok(stat)
}

/// Removes what an archiving, or a bringing back, left that did not finish. Only for the owner of the directory.
pub(crate) fn tidy(storage: &dyn Storage) -> io::Result<()> {
    manifest::remove_unfinished(storage)?;
    remove_if_there(storage, BROUGHT_UNFINISHED_FILE)
}

fn remove_if_there(storage: &dyn Storage, name: &str) -> io::Result<()> {
    match storage.remove(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
