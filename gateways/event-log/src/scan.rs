//! Reads a whole log from its first byte, checks everything that can be checked, and says how it ends. Changes
//! nothing: recovery acts on what is found here, and `verify` reports it.

mod beside;
mod evidence;
mod frames;
mod headers;
mod indexed;
mod streams;
#[cfg(test)]
mod tests;
mod watch;

use crate::checkpoint::{self, Checkpoint, Signed, Stored};
use crate::errors::{damaged, storage as failed};
use crate::format::{CHECKPOINTS_FILE, SECTOR_BYTES, SEGMENT_HEADER_BYTES, to_u64, to_usize};
use crate::index::{self, Index, Known, Part, TreePart};
use crate::leaves::Hashers;
use crate::note::NoteVerifier;
use crate::observe;
use crate::segment::{self, SegmentHeader};
use crate::storage::{Access, Storage, read_all};
use crate::tree::{Hash, SubtreeStore};
use crate::window::Window;
use frames::{Content, ScannedSegment};
use headers::HeaderFound;
pub use indexed::Indexes;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use stele_domain::port::event_log::LogError;
use streams::{Prints, Streams};
use uuid::Uuid;
pub use watch::Watch;

/// Longest checkpoints file that is read: a million checkpoints, 512 MiB.
pub const CHECKPOINTS_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// How a log is scanned.
pub struct Scan<'a> {
    /// Where it is.
    pub storage: &'a dyn Storage,
    /// What segments are opened for.
    pub access: Access,
    /// Whose segments they must be.
    pub log: Uuid,
    /// Checks the checkpoints.
    pub verifier: &'a NoteVerifier,
    /// Somebody is writing at this moment: what follows the last whole commit is on its way.
    pub being_written: bool,
    /// A number of commits whose tree is of interest.
    pub at_size: Option<u64>,
    /// What becomes of index files.
    pub indexes: Indexes,
    /// Segments that hold none of these positions are left out.
    pub positions: RangeInclusive<u64>,
    /// What it works with.
    pub aids: Aids<'a>,
}

/// What a scan works with.
#[derive(Default)]
pub struct Aids<'a> {
    hashers: Hashers,
    prints: Prints,
    watch: Option<Watch<'a>>,
    signed: Option<&'a Signed>,
}

impl<'a> Aids<'a> {
    /// With somebody who is told how far it is.
    #[must_use]
    pub fn watched(watch: Watch<'a>) -> Self {
        Self { watch: Some(watch), ..Self::default() }
    }

    /// For whoever scans the same log again and again.
    #[must_use]
    pub fn knowing(signed: &'a Signed) -> Self {
        Self { signed: Some(signed), ..Self::default() }
    }
}

/// What a scan found.
pub struct Scanned {
    /// All that is whole; of a log that is verified, only what segments cover.
    pub index: Index,
    /// How many records each category has, of a log that is verified.
    pub categories: BTreeMap<String, u64>,
    /// The tree over all commits that are whole.
    pub tree: SubtreeStore,
    /// How the last segment ends.
    pub tail: Tail,
    /// The stored checkpoints; `None` when there is no such file.
    pub stored: Option<Stored>,
    /// In the last segment, everything before this offset was durable when its last commit was written.
    pub durable: u64,
    /// Root of the tree over the number of commits that was asked for, when there are so many.
    pub root_at_size: Option<Hash>,
    /// The position that the first segment which was looked at begins with.
    pub first: u64,
    /// Whether there are segments that were not looked at.
    pub partial: bool,
    /// The first index file that is not what follows from its segment, of a log that is verified.
    pub index_wrong: Option<LogError>,
}

/// How a log ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tail {
    /// With a whole commit, or a header; after it there is free space, if anything.
    Clean,
    /// With a write that did not finish, from `offset` to the end of the file.
    Torn {
        /// The file.
        file: String,
        /// Offset after the last whole commit.
        offset: u64,
        /// Bytes from there to the end of the file.
        bytes: u64,
    },
    /// With a segment that was being created.
    Unborn {
        /// The file.
        file: String,
    },
}

/// Reads and checks the checkpoints of a log.
fn stored_checkpoints(scan: &Scan<'_>) -> Result<Option<Stored>, LogError> {
    let (storage, verifier) = (scan.storage, scan.verifier);
    let directory = storage.describe();
    let failure = |error| failed("reading", CHECKPOINTS_FILE, &directory, error);
    let file = match storage.open(CHECKPOINTS_FILE, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failure(error)),
    };
    let bytes = read_all(&*file, CHECKPOINTS_BYTES_MAX).map_err(failure)?;
    let read = |bytes: &[u8]| match scan.aids.signed {
        Some(signed) => checkpoint::read_blocks_once(bytes, verifier, signed),
        None => checkpoint::read_blocks(bytes, verifier),
    };
    let stored = match read(&bytes) {
        // The owner may be in the middle of adding the last one.
        Err(fault) if scan.being_written && fault.offset + to_u64(SECTOR_BYTES) >= to_u64(bytes.len()) => {
            read(bytes.get(..to_usize(fault.offset)).unwrap_or_default())
        }
        stored => stored,
    };
    stored.map(Some).map_err(|fault| damaged(CHECKPOINTS_FILE, fault.offset, fault.what))
}

impl Scan<'_> {
    /// Scans everything: segments beside each other, each from what its header says of the log before it, and then one
    /// after the other whether that is so.
    pub fn run(&self) -> Result<Scanned, LogError> {
        // Checkpoints first: a running owner adds commits before it adds checkpoints over them.
        let stored = stored_checkpoints(self)?;
        let checkpoints = stored.as_ref().map_or(&[][..], |stored| &stored.checkpoints);
        let known = checkpoints.last().map_or(0, |(_, checkpoint)| checkpoint.size);
        let all = self.segment_names()?;
        let (names, following) = self.of_interest(&all);
        if let Some(watch) = &self.aids.watch {
            watch.begin(self.storage, names);
        }
        let mut joined = self.begin(names, names.first() != all.first(), checkpoints)?;
        if all.is_empty() {
            Roots::after(checkpoints, 0, self.at_size).compare(&joined.tree)?;
        }
        let ahead = |nth: usize| {
            let name = names.get(nth)?;
            self.ahead(name, names.get(nth + 1).or(following), known, checkpoints)
        };
        beside::in_order(names.len(), ahead, |nth, scanned| {
            let Some(name) = names.get(nth) else { return Ok(()) };
            if !self.join(&mut joined, name, Some(name) == all.last(), known, checkpoints, scanned)? {
                joined.tail = Tail::Unborn { file: name.clone() };
            }
            Ok(())
        })?;
        if let Some(next) = following {
            // What follows says where this part must have ended. Without a header yet, nothing was sealed after it.
            let tree = joined.tree.frontier();
            headers::check(self, &joined.index, &tree, next, Some(next) == all.last(), known)?;
        }
        let Joined { index, categories, tree, tail, durable, root_at_size, .. } = joined;
        if index.commits() < known && following.is_none() {
            let (name, end) = last_of(&index, names);
            let what =
                format!("the log ends after commit {}, a stored checkpoint has {known}", index.commits());
            return Err(damaged(&name, end, what));
        }
        // A segment that lost something has been named before.
        let first = names.first().and_then(|name| segment::first_position(name)).unwrap_or(1);
        let partial = names.len() < all.len();
        let index_wrong = joined.index_wrong;
        let scanned = Scanned {
            index,
            categories,
            tree,
            tail,
            stored,
            durable,
            root_at_size,
            first,
            partial,
            index_wrong,
        };
        joined.index_too_long.map_or(Ok(scanned), Err)
    }

    /// Scans a segment whose header has yet to be compared with the log before it; `None` when it has none.
    fn ahead(
        &self,
        name: &str,
        next: Option<&String>,
        known: u64,
        checkpoints: &[(u64, Checkpoint)],
    ) -> Option<Result<ScannedSegment, LogError>> {
        let file = self.storage.open(name, self.access).ok()?;
        let mut window = Window::new(Arc::clone(&file), SEGMENT_HEADER_BYTES);
        let header = SegmentHeader::decode(window.slice(0, SEGMENT_HEADER_BYTES).ok()?).ok()?;
        let roots = || Roots::after(checkpoints, header.tree.size(), self.at_size);
        if let (Indexes::Used, Some(next)) = (self.indexes, next)
            && let Some(indexed) = self.indexed(&file, &header, next, roots())
        {
            return Some(indexed);
        }
        let (roots, last) = (roots(), next.is_none());
        Some(self.scanned(roots, &frames::Segment { name, file, header: &header, last, known }))
    }

    /// A segment that was read, and of it what is of interest later.
    fn scanned(&self, roots: Roots<'_>, segment: &frames::Segment<'_>) -> Result<ScannedSegment, LogError> {
        let scanned = frames::scan(self, roots, segment)?;
        let content = match (self.indexes, scanned.content) {
            (Indexes::Checked, Content::Part(part)) => {
                Content::Runs(streams::Runs::of(&part, &self.aids.prints))
            }
            (Indexes::Checked | Indexes::Used, content) => content,
        };
        Ok(ScannedSegment { content, ..scanned })
    }

    /// Joins a segment to those before it; false when it was being created.
    fn join(
        &self,
        joined: &mut Joined,
        name: &str,
        last: bool,
        known: u64,
        checkpoints: &[(u64, Checkpoint)],
        scanned: Option<Result<ScannedSegment, LogError>>,
    ) -> Result<bool, LogError> {
        let tree = joined.tree.frontier();
        let (header, file) = match headers::check(self, &joined.index, &tree, name, last, known)? {
            HeaderFound::Whole(header, file) => (header, file),
            HeaderFound::Unborn => return Ok(false),
        };
        // Without a header there was nothing to scan; a moment later there may be one.
        let scanned = if let Some(scanned) = scanned {
            scanned?
        } else {
            let roots = Roots::after(checkpoints, header.tree.size(), self.at_size);
            let file = Arc::clone(&file);
            self.scanned(roots, &frames::Segment { name, file, header: &header, last, known })?
        };
        joined.tail = tail_of(name, &scanned);
        joined.durable = scanned.durable;
        joined.root_at_size = joined.root_at_size.or(scanned.root_at_size);
        if let Content::Runs(runs) = &scanned.content {
            let wrong = joined.streams.go_on(runs, joined.partial);
            if !wrong.is_empty() {
                let file = Arc::clone(&file);
                return Err(self
                    .wrong_revision(&wrong, &frames::Segment { name, file, header: &header, last, known }));
            }
            for (category, count) in &runs.categories {
                *joined.categories.entry(category.clone()).or_default() += count;
            }
        }
        joined.index_too_long = joined.index_too_long.take().or(scanned.index_too_long);
        joined.index_wrong = joined.index_wrong.take().or(scanned.index_wrong);
        let scanned_tree = scanned.tree.part();
        joined.tree.join(scanned.tree);
        let known = match scanned.content {
            Content::File(index) => Known::File(index),
            // Whoever verifies a log looks up nothing in it.
            Content::Runs(runs) => Known::Sealed(Arc::new(Part::resume(runs.extent))),
            Content::Part(part) if last => Known::Open(part),
            Content::Part(part) => self.known(*part, &scanned_tree),
        };
        joined.index.add_segment(file, known);
        Ok(true)
    }

    /// Names the first record of these streams in a segment, none of which goes on where the log before it ends. The
    /// segment is read once more: of a log that is not damaged nobody asks for a name.
    fn wrong_revision(&self, wrong: &BTreeSet<streams::Print>, segment: &frames::Segment<'_>) -> LogError {
        let roots = Roots::after(&[], segment.header.tree.size(), None);
        let scanned = match frames::scan(self, roots, segment) {
            Ok(scanned) => scanned,
            Err(error) => return error,
        };
        let found = match &scanned.content {
            Content::Part(part) => streams::first_of(part, &self.aids.prints, wrong).map(|(first, what)| {
                let mark = part.mark(|mark| mark.position <= first);
                damaged(segment.name, mark.map_or(0, |mark| mark.offset), what)
            }),
            Content::File(_) | Content::Runs(_) => None,
        };
        found.unwrap_or_else(|| damaged(segment.name, 0, "a stream does not go on where it ended"))
    }

    /// The index of a sealed segment that had none, or had a wrong one.
    fn known(&self, part: Part, tree: &TreePart) -> Known {
        let name = index::file_name(part.extent().first);
        let there = self.storage.open(&name, Access::Read).is_ok();
        // Without room for a file it stays in memory.
        let Ok(file) = index::store(self.storage, self.log, &part, tree) else {
            return Known::Sealed(Arc::new(part));
        };
        observe::index_rebuilt(&self.storage.describe(), &name, there);
        Known::File(Arc::new(file))
    }

    /// The segments of interest, and the one that follows them.
    fn of_interest<'n>(&self, all: &'n [String]) -> (&'n [String], Option<&'n String>) {
        let begun_by = |position| all.partition_point(|name| segment::first_position(name) <= Some(position));
        let from = begun_by(*self.positions.start()).saturating_sub(1);
        let to = begun_by(*self.positions.end()).max(from);
        (all.get(from..to).unwrap_or_default(), all.get(to))
    }

    /// Begins with the first segment of `names`: from what its header says, when others are before it.
    fn begin(
        &self,
        names: &[String],
        others: bool,
        checkpoints: &[(u64, Checkpoint)],
    ) -> Result<Joined, LogError> {
        let Some(name) = names.first().filter(|_| others) else {
            return Ok(Joined::new(self.log));
        };
        let directory = self.storage.describe();
        let unread = |error| failed("reading", name, &directory, error);
        let file = self.storage.open(name, Access::Read).map_err(unread)?;
        let mut window = Window::new(file, SEGMENT_HEADER_BYTES);
        let header = SegmentHeader::decode(window.slice(0, SEGMENT_HEADER_BYTES).map_err(unread)?);
        let header = header.map_err(|what| damaged(name, 0, what))?;
        if header.log != self.log || Some(header.first) != segment::first_position(name) {
            return Err(damaged(name, 0, "the segment's header belongs to another segment"));
        }
        // When a segment is sealed, a checkpoint is signed over all commits up to there.
        let signed = checkpoints.iter().find(|(_, checkpoint)| checkpoint.size == header.tree.size());
        if signed.is_some_and(|(_, checkpoint)| checkpoint.root != header.tree.root()) {
            return Err(damaged(name, 80, "the tree before the segment is not the one that was signed"));
        }
        let tree = SubtreeStore::resume(&header.tree);
        Ok(Joined { index: Index::begin_with(&header), tree, partial: true, ..Joined::new(self.log) })
    }

    fn segment_names(&self) -> Result<Vec<String>, LogError> {
        let directory = self.storage.describe();
        let names = self.storage.list().map_err(|error| failed("listing", "the files", &directory, error))?;
        let names: Vec<String> = names.into_iter().filter(|name| segment::claims_to_be(name)).collect();
        match names.iter().find(|name| segment::first_position(name).is_none()) {
            Some(name) => {
                Err(damaged(name, 0, "the file is named like no segment of this log: move it elsewhere"))
            }
            None => Ok(names),
        }
    }
}

/// The segments that were found to follow each other.
struct Joined {
    index: Index,
    tree: SubtreeStore,
    /// The next revision of each stream, of a log that is verified.
    streams: Streams,
    /// How many records each category has in segments whose index was not kept.
    categories: BTreeMap<String, u64>,
    tail: Tail,
    durable: u64,
    root_at_size: Option<Hash>,
    /// Whether there are segments before the first one.
    partial: bool,
    /// The first index file that covers more than there is.
    index_too_long: Option<LogError>,
    /// The first index file that is not what follows from its segment.
    index_wrong: Option<LogError>,
}

impl Joined {
    fn new(log: Uuid) -> Self {
        Self {
            index: Index::new(log),
            tree: SubtreeStore::default(),
            streams: Streams::default(),
            categories: BTreeMap::new(),
            tail: Tail::Clean,
            durable: 0,
            root_at_size: None,
            partial: false,
            index_too_long: None,
            index_wrong: None,
        }
    }
}

fn tail_of(name: &str, scanned: &ScannedSegment) -> Tail {
    if scanned.torn_bytes == 0 {
        return Tail::Clean;
    }
    Tail::Torn { file: name.to_owned(), offset: scanned.extent().end, bytes: scanned.torn_bytes }
}

fn last_of(index: &Index, names: &[String]) -> (String, u64) {
    let whole =
        index.segments().last().map(|last| (segment::file_name(last.extent().first), last.extent().end));
    whole.unwrap_or_else(|| (names.first().cloned().unwrap_or_else(|| segment::file_name(1)), 0))
}

/// The stored checkpoints that the scan has not reached.
pub struct Roots<'a> {
    left: &'a [(u64, Checkpoint)],
    at_size: Option<u64>,
    root_at_size: Option<Hash>,
}

impl<'a> Roots<'a> {
    /// Those that a segment after `commits` commits can reach.
    fn after(checkpoints: &'a [(u64, Checkpoint)], commits: u64, at_size: Option<u64>) -> Self {
        let before = checkpoints.partition_point(|(_, checkpoint)| checkpoint.size <= commits);
        let left = if commits == 0 { checkpoints } else { checkpoints.get(before..).unwrap_or_default() };
        Self { left, at_size, root_at_size: None }
    }

    /// Passes over checkpoints within a tree that is not looked at leaf by leaf, and compares those of its size.
    fn skip_to(&mut self, tree: &SubtreeStore) -> Result<(), LogError> {
        let within = self.left.partition_point(|(_, checkpoint)| checkpoint.size < tree.size());
        self.left = self.left.get(within..).unwrap_or_default();
        self.compare(tree)
    }

    /// Whether a tree that grows to `size`, and was compared when it was smaller, is compared with one.
    fn has_one_at(&self, size: u64) -> bool {
        self.at_size == Some(size) || self.left.first().is_some_and(|(_, checkpoint)| checkpoint.size <= size)
    }

    /// Compares the tree with the checkpoints of its size.
    fn compare(&mut self, tree: &SubtreeStore) -> Result<(), LogError> {
        if self.at_size == Some(tree.size()) {
            self.root_at_size = Some(tree.frontier().root());
        }
        while let Some(((offset, checkpoint), rest)) = self.left.split_first() {
            if checkpoint.size > tree.size() {
                break;
            }
            if checkpoint.root != tree.frontier().root() {
                let what =
                    format!("the first {} commits are not those that were signed here", checkpoint.size);
                return Err(damaged(CHECKPOINTS_FILE, *offset, what));
            }
            self.left = rest;
        }
        Ok(())
    }
}
