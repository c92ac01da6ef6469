//! The commits of one segment, and what follows them.

use super::streams::Runs;
use super::watch::Told;
use super::{Roots, Scan, evidence};
use crate::errors::{damaged, storage as failed};
use crate::format::{frame_start, to_u64, to_usize};
use crate::frame::Place;
use crate::frame::inspect::{Found, inspect};
use crate::frame::payload::Payload;
use crate::index::{CommitEntry, Extent, IndexFile, Part};
use crate::leaves::Leaves;
use crate::segment::SegmentHeader;
use crate::storage::StorageFile;
use crate::tree::{Hash, SUBTREE_LEAVES, SubtreeStore};
use crate::window::{SCAN_CHUNK_BYTES, Window};
use std::sync::Arc;
use stele_domain::port::event_log::LogError;

/// A segment to be scanned by itself: everything that came before it is in its header.
pub struct Segment<'a> {
    /// Its file's name.
    pub name: &'a str,
    /// Its file.
    pub file: Arc<dyn StorageFile>,
    /// Its header, which is checked against the log before it by somebody else.
    pub header: &'a SegmentHeader,
    /// Whether no segment follows it.
    pub last: bool,
    /// How many commits are known to have been durable, from a checkpoint.
    pub known: u64,
}

/// What a segment consists of.
pub struct ScannedSegment {
    /// The index file covers more than there is: the segment has lost something, or the file says too much.
    pub index_too_long: Option<LogError>,
    /// The index file is not what follows from the segment, and everything that it should cover is there.
    pub index_wrong: Option<LogError>,
    /// Its commits and records.
    pub content: Content,
    /// The tree that goes on from its header.
    pub tree: SubtreeStore,
    /// Bytes of a write that did not finish, without the zeros that the file ends with; 0 when there is none.
    pub torn_bytes: u64,
    /// Everything before this offset was durable when the last commit was written.
    pub durable: u64,
    /// Root of the tree over the number of commits that was asked for, when it is reached here.
    pub root_at_size: Option<Hash>,
}

/// Commits and records of a segment.
pub enum Content {
    /// As they were read.
    Part(Box<Part>),
    /// As they were read, when nothing will be looked up.
    Runs(Runs),
    /// As an index file says.
    File(Arc<IndexFile>),
}

impl ScannedSegment {
    /// What it covers.
    pub fn extent(&self) -> Extent {
        match &self.content {
            Content::Part(part) => part.extent(),
            Content::Runs(runs) => runs.extent,
            Content::File(file) => *file.extent(),
        }
    }
}

/// What a look at one place leads to.
enum Step {
    Commit { durable: u64 },
    Stop,
    Suspect(&'static str),
    InFlight,
}

/// Reads and checks all commits of a segment.
pub fn scan(
    scan: &Scan<'_>,
    mut roots: Roots<'_>,
    segment: &Segment<'_>,
) -> Result<ScannedSegment, LogError> {
    let start = scan.start(segment.header)?;
    let mut told = Told::new(scan.aids.watch.as_ref());
    let mut cursor = Cursor {
        place: Place { log: scan.log, segment: segment.header.first, offset: 0 },
        window: Window::new(Arc::clone(&segment.file), SCAN_CHUNK_BYTES),
        directory: scan.storage.describe(),
        name: segment.name,
        durable: start.part.extent().end,
        part: start.part,
        leaves: Leaves::new(&scan.aids.hashers),
    };
    roots.skip_to(&start.tree)?;
    let mut grown = Grown { tree: start.tree, roots, waiting: vec![] };
    let (mut expected, mut index_wrong) = (start.expected, start.wrong);
    let torn_bytes = loop {
        cursor.place.offset = frame_start(cursor.part.extent().end);
        let step = cursor.step(segment.last && scan.being_written);
        if step.is_err() {
            // Of two things that are wrong the first one is named.
            grown.finish(&mut cursor.leaves)?;
        }
        match step? {
            Step::Commit { durable } => {
                cursor.durable = durable;
                cursor.leaves.settle(|leaf| grown.push(leaf))?;
                told.up_to(cursor.part.extent().end);
                if let Some(index) = expected.take_if(|index| index.ends_at(&cursor.part)) {
                    grown.finish(&mut cursor.leaves)?;
                    index_wrong = index.compare(scan, &cursor.part, &grown.tree)?;
                }
            }
            Step::Stop => break 0,
            Step::InFlight => break cursor.torn_bytes()?,
            Step::Suspect(what) => {
                grown.finish(&mut cursor.leaves)?;
                cursor.rule_out_damage(segment, what)?;
                break cursor.torn_bytes()?;
            }
        }
    };
    grown.finish(&mut cursor.leaves)?;
    told.whole(&segment.file);
    let Cursor { part, durable, .. } = cursor;
    let content = Content::Part(Box::new(part));
    let index_too_long = expected.map(|index| index.too_long());
    let Grown { tree, roots, .. } = grown;
    let root_at_size = roots.root_at_size;
    Ok(ScannedSegment { index_too_long, index_wrong, content, tree, torn_bytes, durable, root_at_size })
}

/// The tree as it grows, and the checkpoints that it has yet to reach.
struct Grown<'a> {
    tree: SubtreeStore,
    roots: Roots<'a>,
    /// Leaves of a subtree that has begun: the whole of it is hashed in less time than its leaves one by one.
    waiting: Vec<Hash>,
}

impl Grown<'_> {
    fn push(&mut self, leaf: Hash) -> Result<(), LogError> {
        if self.waiting.is_empty() && !self.tree.begins_subtree() {
            self.tree.push(leaf);
            return self.roots.compare(&self.tree);
        }
        self.waiting.push(leaf);
        let waiting = to_u64(self.waiting.len());
        if self.roots.has_one_at(self.tree.size() + waiting) {
            return self.settle();
        }
        if waiting == SUBTREE_LEAVES {
            self.tree.push_subtree(&self.waiting);
            self.waiting.clear();
        }
        Ok(())
    }

    /// Adds all that was pushed to the tree.
    fn settle(&mut self) -> Result<(), LogError> {
        for leaf in self.waiting.drain(..) {
            self.tree.push(leaf);
            self.roots.compare(&self.tree)?;
        }
        Ok(())
    }

    /// Adds all leaves that there are.
    fn finish(&mut self, leaves: &mut Leaves<'_>) -> Result<(), LogError> {
        leaves.finish(|leaf| self.push(leaf))?;
        self.settle()
    }
}

struct Cursor<'a> {
    place: Place,
    window: Window,
    directory: String,
    name: &'a str,
    part: Part,
    leaves: Leaves<'a>,
    durable: u64,
}

impl Cursor<'_> {
    fn step(&mut self, in_flight: bool) -> Result<Step, LogError> {
        let (start, before) = (self.place.offset, self.part.extent().end);
        let padding = self.read(before, to_usize(start - before))?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(damaged(self.name, before, "there should be zeros between commits"));
        }
        let (directory, name) = (&self.directory, self.name);
        let found = inspect(&mut self.window, self.place);
        let step = match found.map_err(|error| failed("reading", name, directory, error))? {
            Found::Commit { header, payload, end } => {
                let durable = start - u64::from(header.back);
                if durable < self.durable || durable > before {
                    return Err(damaged(name, start, "the commit names a durable end that can't be"));
                }
                let entered = enter(&mut self.part, &mut self.leaves, payload, start, end);
                entered.map_err(|what| damaged(name, start, what))?;
                return Ok(Step::Commit { durable });
            }
            Found::Blank => Step::Suspect("a commit is not there any more"),
            Found::Unfinished => Step::Suspect("a part of the commit is not there any more"),
            Found::Damaged(_) if in_flight => Step::InFlight,
            Found::Damaged(what) => return Err(damaged(name, start, what)),
        };
        if self.is_blank_from(start)? {
            return Ok(Step::Stop);
        }
        Ok(if in_flight { Step::InFlight } else { step })
    }

    /// An unfinished write is possible only where nothing says that the place was durable already.
    fn rule_out_damage(&mut self, segment: &Segment<'_>, what: &str) -> Result<(), LogError> {
        let start = self.place.offset;
        let refuse = |why: String| Err(damaged(segment.name, start, format!("{what}: {why}")));
        if !segment.last {
            return refuse("a segment follows, so it was durable".to_owned());
        }
        if self.part.extent().next_commit() < segment.known {
            return refuse(format!("a stored checkpoint over {} commits includes it", segment.known));
        }
        let later = evidence::of_later_commit(&mut self.window, self.place);
        let later = later.map_err(|error| failed("reading", self.name, &self.directory, error))?;
        match later {
            Some(offset) => refuse(format!("the commit at byte {offset} was written after it was durable")),
            None => Ok(()),
        }
    }

    fn torn_bytes(&mut self) -> Result<u64, LogError> {
        let written = self.window.written_end(self.part.extent().end);
        let written = written.map_err(|error| failed("reading", self.name, &self.directory, error))?;
        Ok(written - self.part.extent().end)
    }

    fn read(&mut self, offset: u64, wanted: usize) -> Result<&[u8], LogError> {
        let (directory, name) = (&self.directory, self.name);
        self.window.slice(offset, wanted).map_err(|error| failed("reading", name, directory, error))
    }

    fn is_blank_from(&mut self, offset: u64) -> Result<bool, LogError> {
        let (directory, name) = (&self.directory, self.name);
        self.window.is_blank_from(offset).map_err(|error| failed("reading", name, directory, error))
    }
}

/// Enters a commit; says what is wrong with it otherwise.
fn enter(
    part: &mut Part,
    leaves: &mut Leaves<'_>,
    bytes: &[u8],
    offset: u64,
    end: u64,
) -> Result<(), String> {
    let payload = Payload::read(bytes)?;
    if part.extent().next_commit() > 0 && payload.recorded_at < part.extent().recorded_at {
        return Err("the commit was recorded before the one before it".to_owned());
    }
    leaves.add(part.extent().next_position(), bytes);
    part.add_commit(CommitEntry { offset, end, recorded_at: payload.recorded_at });
    for record in payload.records() {
        let record = record?;
        let stream = record.stream;
        if !part.add_read(stream, record.revision).map_err(|error| error.to_string())? {
            return Err(format!("revision {} is not the next of stream {stream}", record.revision));
        }
    }
    Ok(())
}
