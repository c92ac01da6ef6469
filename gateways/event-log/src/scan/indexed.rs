//! Index files in a scan: believed where a log is opened and they fit the segments around them, and compared byte for
//! byte with what they should be where a log is verified.

use super::{Roots, Scan, ScannedSegment};
use crate::errors::{damaged, storage as failed};
use crate::format::{SEGMENT_HEADER_BYTES, to_u64};
use crate::index::{self, Extent, IndexFile, Part, TreePart, Unusable};
use crate::segment::SegmentHeader;
use crate::storage::{Access, StorageFile};
use crate::tree::SubtreeStore;
use crate::window::Window;
use std::io;
use std::sync::Arc;
use stele_domain::port::event_log::LogError;

/// What is compared of an index file at a time: 256 KiB.
const PIECE_BYTES: usize = 256 * 1024;

/// What becomes of index files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indexes {
    /// They stand for the segments that they fit.
    Used,
    /// They are compared with the segments.
    Checked,
}

/// Where the scan of a segment begins.
pub struct Start {
    /// What is known.
    pub part: Part,
    /// The tree up to there.
    pub tree: SubtreeStore,
    /// An index file that is to be compared with what it should be.
    pub expected: Option<Expected>,
    /// What is wrong with an index file that can't even be compared. It follows from its segment, so whatever else is wrong is
    /// named before it, and without anything else no event is affected.
    pub wrong: Option<LogError>,
}

/// An index file as it is.
pub struct Expected {
    name: String,
    end: u64,
    file: Arc<dyn StorageFile>,
}

impl Expected {
    /// Whether the index covers what the file says it does.
    pub fn ends_at(&self, part: &Part) -> bool {
        part.extent().end == self.end
    }

    /// Compares the file with the index that covers as much; says where it is another one.
    pub fn compare(
        &self,
        scan: &Scan<'_>,
        part: &Part,
        tree: &SubtreeStore,
    ) -> Result<Option<LogError>, LogError> {
        let right = index::encode(scan.log, part, &tree.part());
        let directory = scan.storage.describe();
        let unread = |error: io::Error| failed("reading", &self.name, &directory, error);
        let mut window = Window::new(Arc::clone(&self.file), PIECE_BYTES);
        let mut at = 0;
        for piece in right.chunks(PIECE_BYTES) {
            let there = window.slice(to_u64(at), piece.len()).map_err(unread)?;
            if there != piece {
                let same = there.iter().zip(piece).take_while(|(there, right)| there == right).count();
                return Ok(Some(self.wrong(at + same)));
            }
            at += piece.len();
        }
        let whole = self.file.len().map_err(unread)? == to_u64(at);
        Ok((!whole).then(|| self.wrong(at)))
    }

    /// The segment never came to where the file says that it covers it.
    pub fn too_long(&self) -> LogError {
        let what = "the index covers commits that its segment does not have: the segment has lost them";
        damaged(&self.name, 0, what)
    }

    fn wrong(&self, at: usize) -> LogError {
        damaged(&self.name, to_u64(at), "the index is not that of its segment")
    }
}

impl Scan<'_> {
    /// The sealed segment as its index file says, when that fits the header that follows it.
    pub(super) fn indexed(
        &self,
        file: &Arc<dyn StorageFile>,
        header: &SegmentHeader,
        next: &str,
        mut roots: Roots<'_>,
    ) -> Option<Result<ScannedSegment, LogError>> {
        let (index, tree_part) = self.fitting(file, header)?;
        let next = self.storage.open(next, Access::Read).ok()?;
        let next = SegmentHeader::decode(
            Window::new(next, SEGMENT_HEADER_BYTES).slice(0, SEGMENT_HEADER_BYTES).ok()?,
        );
        if !continues(&next.ok()?, index.extent(), &tree_part) {
            return None;
        }
        let durable = index.extent().end;
        let tree = SubtreeStore::resume(&header.tree).gone_on(tree_part);
        if let Err(error) = roots.skip_to(&tree) {
            return Some(Err(error));
        }
        let root_at_size = roots.root_at_size;
        let content = super::Content::File(Arc::new(index));
        Some(Ok(ScannedSegment {
            index_too_long: None,
            index_wrong: None,
            content,
            tree,
            torn_bytes: 0,
            durable,
            root_at_size,
        }))
    }

    /// Where the scan of a segment begins. The last one is always read, whatever index it may have: it will be written to,
    /// and nothing is added to what is damaged.
    pub(super) fn start(&self, header: &SegmentHeader) -> Result<Start, LogError> {
        let found = match self.indexes {
            Indexes::Checked => self.expected(header)?,
            Indexes::Used => None,
        };
        let (expected, wrong) = match found {
            Some(Ok(expected)) => (Some(expected), None),
            Some(Err(wrong)) => (None, Some(wrong)),
            None => (None, None),
        };
        Ok(Start { part: Part::begin(header), tree: SubtreeStore::resume(&header.tree), expected, wrong })
    }

    /// The index file of a segment, when it covers no more than there is.
    fn fitting(&self, file: &Arc<dyn StorageFile>, header: &SegmentHeader) -> Option<(IndexFile, TreePart)> {
        let (index, tree) = index::open(self.storage, self.log, header.first).ok()?;
        let extent = index.extent();
        let fits = extent.first_commit == header.tree.size() && extent.end <= file.len().ok()?;
        fits.then_some((index, tree))
    }

    /// The index file that is to be compared, when there is one, or what is wrong with it.
    fn expected(&self, header: &SegmentHeader) -> Result<Option<Result<Expected, LogError>>, LogError> {
        let (name, directory) = (index::file_name(header.first), self.storage.describe());
        let unread = |error: io::Error| failed("reading", &name, &directory, error);
        let file = match self.storage.open(&name, Access::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unread(error)),
        };
        match IndexFile::open(Arc::clone(&file), self.log, header.first) {
            Ok((index, _)) => Ok(Some(Ok(Expected { end: index.extent().end, name, file }))),
            Err(Unusable::Unread(error)) => Err(unread(error)),
            Err(Unusable::Wrong { offset, what }) => Ok(Some(Err(damaged(&name, offset, what)))),
        }
    }
}

/// Whether a segment's header goes on where an index ends.
fn continues(next: &SegmentHeader, extent: &Extent, tree: &TreePart) -> bool {
    next.first == extent.next_position()
        && next.previous_first == extent.first
        && next.previous_end == extent.end
        && next.recorded_before == extent.recorded_at
        && next.tree == tree.frontier
}
