//! What is done with a segment when the next has begun: the zeros behind it are cut off, and its index goes into a file.
//! Nothing depends on either. What could not be done is kept, and tried again with the next segment.

use crate::ahead::{Ahead, Ticket};
use crate::index::{self, IndexFile, Part, TreePart};
use crate::storage::{Access, Storage};
use std::io;
use std::sync::Arc;
use uuid::Uuid;

/// A sealed segment.
#[derive(Clone)]
pub struct Sealed {
    /// Its index, which stays in memory until it is in a file.
    pub part: Arc<Part>,
    /// What its index file says of the tree.
    pub tree: Arc<TreePart>,
    /// The file that has zeros behind its end, and where that is.
    pub spare: Option<(String, u64)>,
}

/// Sealed segments whose index files are being written.
pub struct Sealing {
    ticket: Ticket<Stored>,
    segments: Vec<Sealed>,
}

/// How far that came.
struct Stored {
    files: Vec<IndexFile>,
    failed: Option<io::Error>,
}

/// What became of it.
pub struct Outcome {
    /// Index files that are there now.
    pub files: Vec<IndexFile>,
    /// Segments that are still without.
    pub left: Vec<Sealed>,
    /// What kept them from having one.
    pub failed: Option<io::Error>,
}

impl Sealing {
    /// Begins with the first of these segments, and ends with the last, or at the first failure.
    pub fn start(ahead: Ahead, storage: Arc<dyn Storage>, log: Uuid, segments: Vec<Sealed>) -> Self {
        let all = segments.clone();
        let ticket = ahead.start("stele-log-seal", move || {
            let mut stored = Stored { files: vec![], failed: None };
            for segment in &all {
                match seal(&*storage, log, segment) {
                    Ok(file) => stored.files.push(file),
                    Err(error) => {
                        stored.failed = Some(error);
                        break;
                    }
                }
            }
            Ok(stored)
        });
        Self { ticket, segments }
    }

    /// Whether [`Self::wait`] returns at once.
    pub fn is_done(&self) -> bool {
        self.ticket.is_done()
    }

    /// How it ended, when it has.
    pub fn wait(self) -> Outcome {
        // Without a thread nothing was done.
        let Stored { files, failed } =
            self.ticket.wait().unwrap_or_else(|error| Stored { files: vec![], failed: Some(error) });
        let left = self.segments.into_iter().skip(files.len()).collect();
        Outcome { files, left, failed }
    }
}

fn seal(storage: &dyn Storage, log: Uuid, segment: &Sealed) -> io::Result<IndexFile> {
    if let Some((name, end)) = &segment.spare {
        super::active::cut_back(&*storage.open(name, Access::Write)?, *end)?;
    }
    index::store(storage, log, &segment.part, &segment.tree)
}
