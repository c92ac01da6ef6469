//! Room that is there before it is needed: zeros behind the last commit, and a zeroed file for the next segment. An
//! fdatasync over bytes that the file system has already placed and written once is the cheapest there is: it changes
//! no length and no extent.
//!
//! Zeros are written where the writer does not write: while they are on their way from some offset on, no group goes
//! past it. They are written through a handle of their own, since the operating system tells a failed fsync once to
//! each: the writer's own handle must not miss a failure that was told to somebody else.

mod next;
mod pace;

pub use next::Prepared;

use crate::ahead::{Ahead, Ticket};
use crate::format::{to_u64, to_usize};
use crate::storage::{Access, Storage, StorageFile, is_out_of_room};
use next::Next;
use pace::{Paced, Spare};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// The first zeros behind the commits of a segment that has none: 256 KiB. A small log stays small.
const STEP_BYTES_MIN: u64 = 256 * 1024;

/// Most zeros that are written at a time behind commits: 16 MiB.
const STEP_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The part of a segment after which the next is prepared, an eighth: the zeros take as long as the rest is written. A
/// small log has no use for them.
const PREPARED_AFTER: u64 = 8;

/// Most files that are prepared: each of them is open.
const FILES_MAX: usize = 256;

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
    /// How many files are always wanted; without any there is as little room as does.
    files: usize,
    /// Bytes of the segments that were filled since the log was opened.
    filled: u64,
    /// Where the last commit ended when there was no room for more zeros; it is tried again a little later.
    refused_at: Option<u64>,
}

/// What room there is to be.
pub struct Wanted {
    /// When a segment is full.
    pub segment_bytes: u64,
    /// Zeros that are wanted behind the segment that is written to; 0 for as little as does.
    pub behind: u64,
    /// Told how many bytes of them there are.
    pub prepared: Arc<AtomicU64>,
}

impl Space {
    /// The room of a log that is opened: its last segment is zero from its commits to `zeroed`.
    pub fn new(storage: Arc<dyn Storage>, ahead: Ahead, wanted: Wanted, name: String, zeroed: u64) -> Self {
        let Wanted { segment_bytes, behind, prepared } = wanted;
        let files = to_usize(behind.div_ceil(segment_bytes)).min(FILES_MAX);
        let next = Next::new(Arc::clone(&storage), ahead, segment_bytes, prepared);
        let (extending, filled, refused_at) = (None, 0, None);
        Self { storage, ahead, segment_bytes, name, zeroed, extending, next, files, filled, refused_at }
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
        // While there is plenty, zeros for later segments wait for a calm moment.
        let standing = (self.zeroed - end).saturating_add(self.next.standing());
        let plenty = self.files > 0 && standing >= self.segment_bytes && standing >= self.behind() / 2;
        if let Some(paced) = self.next.pace() {
            let at = self.filled + end;
            if plenty { paced.passed(at) } else { paced.gone_on_to(at) }
        }
        self.extend_behind(end)?;
        let wanted = self.files_wanted(end);
        let there = self.next.look_ahead();
        if there < wanted {
            let paced = self.paced(0, self.filled + end);
            self.next.prepare(wanted - there, paced);
        }
        Ok(())
    }

    /// Has zeros written behind the last commit, which ends at `end`, when there are few.
    fn extend_behind(&mut self, end: u64) -> io::Result<()> {
        let step = self.zeroed.clamp(STEP_BYTES_MIN, STEP_BYTES_MAX);
        let refused = self.refused_at.is_some_and(|at| end < at + STEP_BYTES_MIN);
        let to = (self.zeroed + step).min(self.segment_bytes);
        if !refused && self.extending.is_none() && self.zeroed < to && self.zeroed - end < step / 2 {
            self.extend(to, end)?;
        }
        Ok(())
    }

    /// How many segments there are to be zeros for by now.
    fn files_wanted(&self, end: u64) -> usize {
        if self.files == 0 { usize::from(end > self.segment_bytes / PREPARED_AFTER) } else { self.files }
    }

    /// Bytes of the files that are always wanted.
    fn behind(&self) -> u64 {
        self.segment_bytes.saturating_mul(to_u64(self.files))
    }

    /// The zeroed file for the next segment, when there is one.
    pub fn take_next(&mut self) -> Option<Prepared> {
        self.next.take()
    }

    /// Whether there are files for the next segments, or will be.
    pub fn has_next(&self) -> bool {
        self.next.is_any()
    }

    /// Takes back the files for the next segments.
    pub fn drop_next(&mut self) -> io::Result<()> {
        self.next.drop_all()
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
        self.next.try_again();
        self.filled += end_before;
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
            let written = pace.zero(&*file, from..to, 0);
            if written.as_ref().is_err_and(is_out_of_room) {
                // A part that is there takes the room that a commit may need.
                file.set_len(from)?;
            }
            written
        });
        self.extending = Some((paced, ticket));
        if self.ahead == Ahead::InLine { self.extended() } else { Ok(()) }
    }

    /// The pace of zeros that begin now. Where they are written in line they are all written at once.
    fn paced(&self, from: u64, end: u64) -> Paced {
        let spare = if self.files == 0 { Spare::Never } else { Spare::WhileCalm };
        let paced = Paced::new(from, end, spare);
        if self.ahead == Ahead::InLine {
            paced.hurry();
        }
        paced
    }
}
