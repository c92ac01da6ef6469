//! Room that is there before it is needed: zeros behind the last commit, and a zeroed file for the next segment. An
//! fdatasync over bytes that the file system has already placed and written once is the cheapest there is: it changes
//! no length and no extent.
//!
//! Zeros are written where the writer does not write: while they are on their way from some offset on, no group goes
//! past it. They are written through a handle of their own, since the operating system tells a failed fsync once to
//! each: the writer's own handle must not miss a failure that was told to somebody else.

mod pace;

use crate::ahead::{Ahead, Ticket};
use crate::format::PREPARED_FILE;
use crate::observe;
use crate::storage::{Access, Secrecy, Storage, StorageFile, is_out_of_room, remove_if_there};
use pace::Paced;
use std::io;
use std::sync::Arc;

/// The first zeros behind the commits of a segment that has none: 256 KiB. A small log stays small.
const STEP_BYTES_MIN: u64 = 256 * 1024;

/// Most zeros that are written at a time behind commits: 16 MiB.
const STEP_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The part of a segment after which the next is prepared, an eighth: the zeros take as long as the rest is written. A
/// small log has no use for them.
const PREPARED_AFTER: u64 = 8;

/// The room of the segment that is written to, and of the next.
pub struct Space {
    storage: Arc<dyn Storage>,
    ahead: Ahead,
    segment_bytes: u64,
    /// The file of the active segment.
    name: String,
    /// From the end of the last commit to here the active segment is zero.
    zeroed: u64,
    /// Zeros on their way. Dropped, their pace ends them before their ticket waits for them.
    extending: Option<(Paced, Ticket<u64>)>,
    next: Next,
    /// Where the last commit ended when there was no room for more zeros; it is tried again a little later.
    refused_at: Option<u64>,
}

/// The file of the next segment.
enum Next {
    Missing,
    Preparing(Paced, Ticket<Arc<dyn StorageFile>>),
}

impl Space {
    /// The room of a log that is opened: its last segment is zero from its commits to `zeroed`.
    pub fn new(
        storage: Arc<dyn Storage>,
        ahead: Ahead,
        segment_bytes: u64,
        name: String,
        zeroed: u64,
    ) -> Self {
        let (extending, refused_at) = (None, None);
        Self { storage, ahead, segment_bytes, name, zeroed, extending, next: Next::Missing, refused_at }
    }

    /// Waits until nothing but the writer writes before `end`.
    pub fn clear_to(&mut self, end: u64) -> io::Result<()> {
        if end <= self.zeroed {
            return Ok(());
        }
        if let Some((paced, _)) = &self.extending {
            paced.hurry();
        }
        self.extended()
    }

    /// What a group has been written past was no zeros.
    pub fn written_to(&mut self, end: u64) {
        self.zeroed = self.zeroed.max(end);
    }

    /// Sees to it that there is room behind `end` soon. Anything but a full disk is an error that ends the writer.
    pub fn look_ahead(&mut self, end: u64) -> io::Result<()> {
        if self.extending.as_ref().is_some_and(|(_, ticket)| ticket.is_done()) {
            self.extended()?;
        }
        if let Some((paced, _)) = &self.extending {
            paced.gone_on_to(end);
        }
        if let Next::Preparing(paced, _) = &self.next {
            paced.gone_on_to(end);
        }
        let step = self.zeroed.clamp(STEP_BYTES_MIN, STEP_BYTES_MAX);
        let refused = self.refused_at.is_some_and(|at| end < at + STEP_BYTES_MIN);
        if refused {
            return Ok(());
        }
        let to = (self.zeroed + step).min(self.segment_bytes);
        if self.extending.is_none() && self.zeroed < to && self.zeroed - end < step / 2 {
            self.extend(to, end)?;
        }
        if matches!(self.next, Next::Missing) && end > self.segment_bytes / PREPARED_AFTER {
            self.prepare(end);
        }
        Ok(())
    }

    /// The zeroed file for the next segment, when there is one.
    pub fn take_next(&mut self) -> Option<Arc<dyn StorageFile>> {
        match std::mem::replace(&mut self.next, Next::Missing) {
            Next::Missing => None,
            // Without it the segment begins in a file that grows.
            Next::Preparing(paced, ticket) => {
                paced.hurry();
                let prepared = ticket.wait();
                prepared.inspect_err(|error| observe::not_prepared(&self.storage.describe(), error)).ok()
            }
        }
    }

    /// Takes back the file for the next segment.
    pub fn drop_next(&mut self) -> io::Result<()> {
        if let Next::Preparing(paced, ticket) = std::mem::replace(&mut self.next, Next::Missing) {
            paced.end();
            // A part of a file has removed itself.
            if ticket.wait().is_ok() {
                self.storage.remove(PREPARED_FILE)?;
            }
        }
        Ok(())
    }

    /// A segment has begun in a file that is zero from its header to `zeroed`. Returns the name of the one before it,
    /// when there are zeros left behind its end.
    pub fn begin_segment(
        &mut self,
        name: String,
        zeroed: u64,
        end_before: u64,
    ) -> io::Result<Option<String>> {
        self.end_extending()?;
        let before = std::mem::replace(&mut self.name, name);
        let spare = self.zeroed > end_before;
        (self.zeroed, self.refused_at) = (zeroed, None);
        Ok(spare.then_some(before))
    }

    /// Gives back all room that is not needed to keep what is there: the disk is full, or the log is closed.
    pub fn give_back(&mut self, file: &dyn StorageFile, end: u64) -> io::Result<()> {
        drop(self.end_extending());
        self.drop_next()?;
        file.set_len(end)?;
        file.sync()?;
        (self.zeroed, self.refused_at) = (end, Some(end));
        Ok(())
    }

    /// Takes note of zeros that were on their way.
    fn extended(&mut self) -> io::Result<()> {
        let Some((_, ticket)) = self.extending.take() else {
            return Ok(());
        };
        match ticket.wait() {
            Ok(to) => self.zeroed = to,
            Err(error) if is_out_of_room(&error) => self.refused_at = Some(self.zeroed),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Has no more zeros written than there are.
    fn end_extending(&mut self) -> io::Result<()> {
        if let Some((paced, _)) = &self.extending {
            paced.end();
        }
        self.extended()
    }

    fn extend(&mut self, to: u64, end: u64) -> io::Result<()> {
        let (storage, name, from) = (Arc::clone(&self.storage), self.name.clone(), self.zeroed);
        let paced = self.paced(from, end);
        let pace = paced.pace();
        let ticket = self.ahead.start("stele-log-space", move || {
            let file = storage.open(&name, Access::Write)?;
            let written = pace.zero(&*file, from, to);
            if written.as_ref().is_err_and(is_out_of_room) {
                // A part that is there takes the room that a commit may need.
                file.set_len(from)?;
            }
            written
        });
        self.extending = Some((paced, ticket));
        if self.ahead == Ahead::InLine { self.extended() } else { Ok(()) }
    }

    fn prepare(&mut self, end: u64) {
        let (storage, to) = (Arc::clone(&self.storage), self.segment_bytes);
        let paced = self.paced(0, end);
        let pace = paced.pace();
        let ticket = self.ahead.start("stele-log-next", move || {
            // One that could not be removed when it was to be must not be in the way of every one after it.
            remove_if_there(&*storage, PREPARED_FILE)?;
            let file = storage.create(PREPARED_FILE, Secrecy::Shared)?;
            let unfinished = match pace.zero(&*file, 0, to) {
                Ok(zeroed) if zeroed == to => return Ok(file),
                Ok(_) => io::ErrorKind::Interrupted.into(),
                Err(error) => error,
            };
            storage.remove(PREPARED_FILE)?;
            Err(unfinished)
        });
        self.next = Next::Preparing(paced, ticket);
    }

    /// The pace of zeros that begin now. Where they are written in line they are all written at once.
    fn paced(&self, from: u64, end: u64) -> Paced {
        let paced = Paced::new(from, end);
        if self.ahead == Ahead::InLine {
            paced.hurry();
        }
        paced
    }
}
