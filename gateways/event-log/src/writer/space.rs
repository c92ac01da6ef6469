//! Room that is there before it is needed: zeros behind the last commit, and a zeroed file for the next segment. An
//! fdatasync over bytes that the file system has already placed and written once is the cheapest there is: it changes
//! no length and no extent.
//!
//! Zeros are written where the writer does not write: while they are on their way from some offset on, no group goes
//! past it. They are written through a handle of their own, since the operating system tells a failed fsync once to
//! each: the writer's own handle must not miss a failure that was told to somebody else.

use crate::ahead::{Ahead, Ticket};
use crate::format::{PREPARED_FILE, to_u64, to_usize};
use crate::storage::{Access, Secrecy, Storage, StorageFile, is_out_of_room, write_all_at};
use std::io;
use std::sync::Arc;

/// The first zeros behind the commits of a segment that has none: 256 KiB. A small log stays small.
const STEP_BYTES_MIN: u64 = 256 * 1024;

/// Most zeros that are written at a time behind commits: 16 MiB.
const STEP_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Zeros of one write: 1 MiB.
const CHUNK_BYTES: u64 = 1024 * 1024;

/// Zeros after which they are made durable: 32 MiB. Each time the file system commits its journal, which groups wait
/// for; with fewer zeros more groups do, with more zeros they wait longer behind them.
const SYNC_EVERY_BYTES: u64 = 32 * 1024 * 1024;

/// The room of the segment that is written to, and of the next.
pub struct Space {
    storage: Arc<dyn Storage>,
    ahead: Ahead,
    segment_bytes: u64,
    /// The file of the active segment.
    name: String,
    /// From the end of the last commit to here the active segment is zero.
    zeroed: u64,
    extending: Option<Ticket<u64>>,
    next: Next,
    /// Where the last commit ended when there was no room for more zeros; it is tried again a little later.
    refused_at: Option<u64>,
}

/// The file of the next segment.
enum Next {
    Missing,
    Preparing(Ticket<Arc<dyn StorageFile>>),
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
        if end > self.zeroed { self.extended() } else { Ok(()) }
    }

    /// What a group has been written past was no zeros.
    pub fn written_to(&mut self, end: u64) {
        self.zeroed = self.zeroed.max(end);
    }

    /// Sees to it that there is room behind `end` soon. Anything but a full disk is an error that ends the writer.
    pub fn look_ahead(&mut self, end: u64) -> io::Result<()> {
        if self.extending.as_ref().is_some_and(Ticket::is_done) {
            self.extended()?;
        }
        let step = self.zeroed.clamp(STEP_BYTES_MIN, STEP_BYTES_MAX);
        let refused = self.refused_at.is_some_and(|at| end < at + STEP_BYTES_MIN);
        if refused {
            return Ok(());
        }
        let to = (self.zeroed + step).min(self.segment_bytes);
        if self.extending.is_none() && self.zeroed < to && self.zeroed - end < step / 2 {
            self.extend(to)?;
        }
        if matches!(self.next, Next::Missing) && end > self.segment_bytes / 2 {
            self.prepare();
        }
        Ok(())
    }

    /// The zeroed file for the next segment, when there is one.
    pub fn take_next(&mut self) -> Option<Arc<dyn StorageFile>> {
        match std::mem::replace(&mut self.next, Next::Missing) {
            Next::Missing => None,
            // Without it the segment begins in a file that grows.
            Next::Preparing(ticket) => ticket.wait().ok(),
        }
    }

    /// A segment has begun in a file that is zero from its header to `zeroed`. Returns the name of the one before it,
    /// when there are zeros left behind its end.
    pub fn begin_segment(
        &mut self,
        name: String,
        zeroed: u64,
        end_before: u64,
    ) -> io::Result<Option<String>> {
        self.extended()?;
        let before = std::mem::replace(&mut self.name, name);
        let spare = self.zeroed > end_before;
        (self.zeroed, self.refused_at) = (zeroed, None);
        Ok(spare.then_some(before))
    }

    /// Gives back all room that is not needed to keep what is there: the disk is full, or the log is closed.
    pub fn give_back(&mut self, file: &dyn StorageFile, end: u64) -> io::Result<()> {
        drop(self.extended());
        if self.take_next().is_some() {
            self.storage.remove(PREPARED_FILE)?;
        }
        file.set_len(end)?;
        file.sync()?;
        (self.zeroed, self.refused_at) = (end, Some(end));
        Ok(())
    }

    /// Takes note of zeros that were on their way.
    fn extended(&mut self) -> io::Result<()> {
        let Some(ticket) = self.extending.take() else {
            return Ok(());
        };
        match ticket.wait() {
            Ok(to) => self.zeroed = to,
            Err(error) if is_out_of_room(&error) => self.refused_at = Some(self.zeroed),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn extend(&mut self, to: u64) -> io::Result<()> {
        let (storage, name, from) = (Arc::clone(&self.storage), self.name.clone(), self.zeroed);
        let ticket = self.ahead.start("stele-log-space", move || {
            let file = storage.open(&name, Access::Write)?;
            let written = zero(&*file, from, to);
            if written.as_ref().is_err_and(is_out_of_room) {
                // A part that is there takes the room that a commit may need.
                file.set_len(from)?;
            }
            written.map(|()| to)
        });
        self.extending = Some(ticket);
        if self.ahead == Ahead::InLine { self.extended() } else { Ok(()) }
    }

    fn prepare(&mut self) {
        let (storage, to) = (Arc::clone(&self.storage), self.segment_bytes);
        let ticket = self.ahead.start("stele-log-next", move || {
            let file = storage.create(PREPARED_FILE, Secrecy::Shared)?;
            match zero(&*file, 0, to) {
                Ok(()) => Ok(file),
                Err(error) => {
                    storage.remove(PREPARED_FILE)?;
                    Err(error)
                }
            }
        });
        self.next = Next::Preparing(ticket);
    }
}

/// Writes zeros, durably.
fn zero(file: &dyn StorageFile, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; to_usize(CHUNK_BYTES.min(to - from))];
    let (mut at, mut unsynced) = (from, 0);
    while at < to {
        let chunk = zeros.get(..to_usize(to - at).min(zeros.len())).unwrap_or_default();
        write_all_at(file, chunk, at)?;
        at += to_u64(chunk.len());
        unsynced += to_u64(chunk.len());
        if unsynced >= SYNC_EVERY_BYTES || at == to {
            file.sync()?;
            unsynced = 0;
        }
    }
    Ok(())
}
