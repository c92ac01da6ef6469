//! The index of a sealed segment in a file of its own. A little of it is kept in memory; a look-up reads the rest.

use super::filter::{Filter, hash_of};
use super::layout::{FENCE_EVERY, HEAD_BYTES, Layout, MARK_BYTES, POSITION_BYTES, Places, STREAM_BYTES};
use super::layout::{StreamEntry, put_u32};
use super::pages::{Owner, Pages, Unusable, file_len};
use super::{Extent, Held, Mark, Part};
use crate::errors::{damaged, storage as failed};
use crate::format::{to_u32, to_u64, to_usize, u32_at, u64_at};
use crate::storage::StorageFile;
use crate::tree::{Frontier, Hash, SUBTREE_LEAVES};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use stele_domain::port::event_log::{LogError, StreamId};
use uuid::Uuid;

/// What the tree adds in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreePart {
    /// Roots of the subtrees of 256 commits that end in it.
    pub roots: Vec<Hash>,
    /// The edge of the tree over all commits up to its end.
    pub frontier: Frontier,
}

/// Positions that are put into pages at once.
const POSITIONS_AT_ONCE: usize = 1_024;

/// The name of the index file of the segment whose first record has position `first`.
#[must_use]
pub fn file_name(first: u64) -> String {
    format!("{first:020}.idx")
}

/// The bytes of the index file of a segment.
#[must_use]
pub fn encode(log: Uuid, part: &Part, tree: &TreePart) -> Vec<u8> {
    let mut streams: Vec<_> =
        part.streams().map(|(name, held)| (hash_of(name.as_str()), name, held)).collect();
    streams.sort_unstable_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
    let (filter, extent) = (Filter::of(streams.iter().map(|(hash, ..)| *hash)), part.extent());
    let mut categories = vec![];
    for (category, count) in part.categories() {
        put_u32(&mut categories, &[count, to_u64(category.len())]);
        categories.extend_from_slice(category.as_bytes());
    }
    let layout = Layout {
        extent,
        roots: to_u64(tree.roots.len()),
        peaks: to_u64(tree.frontier.peaks().len()),
        category_bytes: to_u64(categories.len()),
        filter_blocks: filter.blocks(),
        marks: to_u64(part.marks().len()),
        name_bytes: streams.iter().map(|(_, name, _)| to_u64(name.as_str().len())).sum(),
    };
    let mut pages = Pages::with_room(Owner { log, first: extent.first }, layout.places().positions.end);
    pages.put(&layout.encode(log));
    tree.frontier.peaks().iter().chain(&tree.roots).for_each(|hash| pages.put(hash));
    pages.put(&categories);
    for (hash, ..) in streams.iter().step_by(to_usize(FENCE_EVERY)) {
        pages.put(&hash.to_le_bytes());
    }
    let mut piece = vec![];
    let numbers =
        |mark: &Mark| [mark.position - extent.first, mark.commit - extent.first_commit, mark.offset];
    for mark in part.marks().iter().step_by(to_usize(FENCE_EVERY)) {
        put_piece(&mut pages, &mut piece, |piece| put_u32(piece, &numbers(mark)));
    }
    put_piece(&mut pages, &mut piece, |piece| filter.encode(piece));
    for mark in part.marks() {
        put_piece(&mut pages, &mut piece, |piece| put_u32(piece, &numbers(mark)));
    }
    let (mut name_at, mut positions_at) = (0, 0);
    for (hash, name, held) in &streams {
        let (name_len, count) = (to_u64(name.as_str().len()), held.positions.len());
        let entry = StreamEntry {
            hash: *hash,
            first_revision: held.first_revision,
            name_at: to_u32(name_at),
            name_len: to_u32(name_len),
            positions_at: to_u32(positions_at),
            count: to_u32(count),
        };
        put_piece(&mut pages, &mut piece, |piece| entry.encode(piece));
        (name_at, positions_at) = (name_at + name_len, positions_at + count);
    }
    for (_, name, _) in &streams {
        pages.put(name.as_str().as_bytes());
    }
    put_positions(&mut pages, &streams, extent.first);
    pages.file()
}

/// Adds the positions of each stream, counted from the first of the segment.
fn put_positions(pages: &mut Pages, streams: &[(u64, &StreamId, &Held)], first: u64) {
    let full = POSITIONS_AT_ONCE * to_usize(POSITION_BYTES);
    let mut piece = Vec::with_capacity(full);
    let mut add = |position: u64| {
        put_u32(&mut piece, &[position - first]);
        if piece.len() == full {
            pages.put(&piece);
            piece.clear();
            // Whoever writes to the log goes first.
            std::thread::yield_now();
        }
    };
    // Each stream's at one go: to stop within takes longer than a position does.
    for (.., held) in streams {
        held.positions.iter().for_each(&mut add);
    }
    pages.put(&piece);
}

/// Adds what `fill` makes of an empty `piece`.
fn put_piece(pages: &mut Pages, piece: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    piece.clear();
    fill(piece);
    pages.put(piece);
}

/// The index file of a segment, open for look-ups.
pub struct IndexFile {
    file: Arc<dyn StorageFile>,
    owner: Owner,
    extent: Extent,
    places: Places,
    categories: BTreeMap<String, u64>,
    stream_fences: Vec<u64>,
    mark_fences: Vec<Mark>,
    filter: Filter,
}

impl IndexFile {
    /// Opens the index of the segment that begins with `first`; returns the tree's part beside it.
    pub fn open(file: Arc<dyn StorageFile>, log: Uuid, first: u64) -> Result<(Self, TreePart), Unusable> {
        let owner = Owner { log, first };
        let wrong = |what| Unusable::Wrong { offset: 0, what };
        let layout = Layout::decode(&owner.read(&*file, 0..HEAD_BYTES)?, log, first)?;
        let places = layout.places();
        if file.len().map_err(Unusable::Unread)? != file_len(places.positions.end) {
            return Err(wrong("the index has another length than it says"));
        }
        let resident = owner.read(&*file, HEAD_BYTES..places.filter.end)?;
        let section = |place: &Range<u64>| {
            resident
                .get(to_usize(place.start - HEAD_BYTES)..to_usize(place.end - HEAD_BYTES))
                .unwrap_or_default()
        };
        let hashes = |place| section(place).as_chunks::<32>().0.to_vec();
        let size = layout.extent.first_commit + layout.extent.commits;
        let frontier = Frontier::from_parts(size, hashes(&places.peaks));
        let frontier = frontier.ok_or_else(|| wrong("the index has another number of peaks than commits"))?;
        if layout.roots != size / SUBTREE_LEAVES - layout.extent.first_commit / SUBTREE_LEAVES {
            return Err(wrong("the index has another number of roots than subtrees end in it"));
        }
        let fences = section(&places.stream_fences).as_chunks::<8>().0;
        let marks = section(&places.mark_fences).chunks_exact(to_usize(MARK_BYTES));
        let opened = Self {
            owner,
            extent: layout.extent,
            categories: categories(section(&places.categories))
                .ok_or_else(|| wrong("the categories can't be read"))?,
            stream_fences: fences.iter().map(|fence| u64::from_le_bytes(*fence)).collect(),
            mark_fences: marks.filter_map(|bytes| mark(bytes, &layout.extent)).collect(),
            filter: Filter::decode(section(&places.filter))
                .ok_or_else(|| wrong("the index has no filter"))?,
            file,
            places: places.clone(),
        };
        Ok((opened, TreePart { roots: hashes(&places.roots), frontier }))
    }

    /// What the index covers.
    #[must_use]
    pub fn extent(&self) -> &Extent {
        &self.extent
    }

    /// How many records each category has here.
    #[must_use]
    pub fn categories(&self) -> &BTreeMap<String, u64> {
        &self.categories
    }

    /// Whether a stream may have records here; asks nothing of the disk.
    #[must_use]
    pub fn may_have(&self, hash: u64) -> bool {
        self.filter.may_have(hash)
    }

    /// What is here of a stream.
    pub fn find(&self, hash: u64, stream: &StreamId) -> Result<Option<StreamEntry>, LogError> {
        let mut block = to_u64(self.stream_fences.partition_point(|fence| *fence < hash)).saturating_sub(1);
        while block * FENCE_EVERY < self.extent.streams {
            let to = self.extent.streams.min((block + 1) * FENCE_EVERY);
            let entries = self.items(&self.places.streams, block * FENCE_EVERY..to, STREAM_BYTES)?;
            for entry in entries.chunks_exact(to_usize(STREAM_BYTES)).filter_map(StreamEntry::decode) {
                if entry.hash > hash {
                    return Ok(None);
                }
                if entry.hash == hash && self.name(&entry)? == stream.as_str().as_bytes() {
                    return Ok(Some(entry));
                }
            }
            block += 1;
        }
        Ok(None)
    }

    /// Positions of a stream's records, the first of those that are here being 0.
    pub fn positions(&self, entry: &StreamEntry, nth: Range<u64>) -> Result<Vec<u64>, LogError> {
        let (at, count) = (u64::from(entry.positions_at), u64::from(entry.count));
        let range = at + nth.start.min(count)..at + nth.end.min(count);
        let bytes = self.items(&self.places.positions, range, POSITION_BYTES)?;
        let positions = bytes.as_chunks::<4>().0.iter();
        Ok(positions.map(|bytes| self.extent.first + u64::from(u32::from_le_bytes(*bytes))).collect())
    }

    /// A commit at or before the first one for which `stands` no longer holds.
    pub fn mark(&self, stands: impl Fn(&Mark) -> bool) -> Result<Option<Mark>, LogError> {
        let Some(block) = to_u64(self.mark_fences.partition_point(&stands)).checked_sub(1) else {
            return Ok(None);
        };
        let count = (self.places.marks.end - self.places.marks.start) / MARK_BYTES;
        let range = block * FENCE_EVERY..count.min((block + 1) * FENCE_EVERY);
        let bytes = self.items(&self.places.marks, range, MARK_BYTES)?;
        Ok(self.marks(&bytes)?.into_iter().take_while(stands).last())
    }

    /// The whole index, to go on with.
    pub fn load(&self) -> Result<Part, LogError> {
        let names = self.read(self.places.names.clone())?;
        let positions = self.read(self.places.positions.clone())?;
        let streams = self.read(self.places.streams.clone())?;
        let marks = self.read(self.places.marks.clone())?;
        let wrong = || damaged(&file_name(self.extent.first), 0, "the index contradicts itself");
        let mut part = Part::resume(self.extent);
        for entry in streams.chunks_exact(to_usize(STREAM_BYTES)).filter_map(StreamEntry::decode) {
            let name = slice(&names, entry.name_at, entry.name_len, 1);
            let stream = name
                .and_then(|name| std::str::from_utf8(name).ok())
                .and_then(|name| StreamId::new(name).ok());
            let here = slice(&positions, entry.positions_at, entry.count, 4).ok_or_else(wrong)?;
            let here = here
                .as_chunks::<4>()
                .0
                .iter()
                .map(|bytes| self.extent.first + u64::from(u32::from_le_bytes(*bytes)));
            part.hold(&stream.ok_or_else(wrong)?, entry.first_revision, here).ok_or_else(wrong)?;
        }
        part.put_marks(self.marks(&marks)?);
        if part.extent() == self.extent { Ok(part) } else { Err(wrong()) }
    }

    /// Marks one after the other, all of them in the segment.
    fn marks(&self, bytes: &[u8]) -> Result<Vec<Mark>, LogError> {
        let marks = bytes.chunks_exact(to_usize(MARK_BYTES)).map(|bytes| mark(bytes, &self.extent));
        let outside = "the index names a commit outside of its segment";
        marks.collect::<Option<_>>().ok_or_else(|| damaged(&file_name(self.extent.first), 0, outside))
    }

    fn name(&self, entry: &StreamEntry) -> Result<Vec<u8>, LogError> {
        let at = u64::from(entry.name_at);
        self.items(&self.places.names, at..at + u64::from(entry.name_len), 1)
    }

    /// Some of the items of a section.
    fn items(&self, section: &Range<u64>, items: Range<u64>, item_bytes: u64) -> Result<Vec<u8>, LogError> {
        let range = section.start + items.start * item_bytes..section.start + items.end * item_bytes;
        if range.start > range.end || range.end > section.end {
            return Err(damaged(&file_name(self.extent.first), 0, "the index points past its own end"));
        }
        self.read(range)
    }

    fn read(&self, range: Range<u64>) -> Result<Vec<u8>, LogError> {
        let name = file_name(self.extent.first);
        self.owner.read(&*self.file, range).map_err(|unusable| match unusable {
            Unusable::Unread(error) => failed("reading", &name, "the log", error),
            Unusable::Wrong { offset, what } => damaged(&name, offset, what),
        })
    }
}

fn slice(bytes: &[u8], at: u32, count: u32, item_bytes: u64) -> Option<&[u8]> {
    let from = u64::from(at) * item_bytes;
    bytes.get(to_usize(from)..to_usize(from + u64::from(count) * item_bytes))
}

fn mark(bytes: &[u8], extent: &Extent) -> Option<Mark> {
    let number = |at| u32_at(bytes, at).map(u64::from);
    let within = |at, count: u64| number(at).filter(|nth| *nth < count);
    let position = extent.first + within(0, extent.records)?;
    let commit = extent.first_commit + within(4, extent.commits)?;
    let offset = number(8).filter(|offset| *offset < extent.end)?;
    Some(Mark { position, commit, offset })
}

fn categories(mut bytes: &[u8]) -> Option<BTreeMap<String, u64>> {
    let mut categories = BTreeMap::new();
    while !bytes.is_empty() {
        let numbers = u64_at(bytes, 0)?.to_le_bytes();
        let (count, len) = (u32_at(&numbers, 0)?, u32_at(&numbers, 4)?);
        let (name, rest) = bytes.get(8..)?.split_at_checked(to_usize(len.into()))?;
        categories.insert(std::str::from_utf8(name).ok()?.to_owned(), count.into());
        bytes = rest;
    }
    Some(categories)
}
