//! The end of the log on disk: where groups are written, and what happens when the disk refuses.

use super::Writer;
use super::sealing::{Outcome, Sealed, Sealing};
use super::space::Prepared;
use crate::format::{CHECKPOINTS_FILE, SEGMENT_HEADER_BYTES, to_u64};
use crate::frame;
use crate::index::{Known, Part};
use crate::observe;
use crate::recovery::{create_segment, name_segment};
use crate::segment;
use crate::storage::{StorageFile, is_out_of_room, remove_if_there, write_all_at};
use std::io;
use std::sync::Arc;
use std::time::Instant;
use stele_domain::port::event_log::LogError;

/// Why a group was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// No room. Nothing was changed; the next group may have more luck.
    Full,
    /// What is on disk is not known any more.
    Stopped(String),
}

impl Failure {
    /// An operation on a file that failed for good.
    fn stopped(action: &str, file: &str, error: &io::Error) -> Self {
        Self::Stopped(format!("{action} {file}: {error}"))
    }

    /// As the port tells it.
    pub fn into_error(self) -> LogError {
        match self {
            Self::Full => LogError::Full,
            Self::Stopped(why) => LogError::Stopped(why),
        }
    }
}

/// A group that has been written.
pub struct Written {
    /// Where to.
    pub file: Arc<dyn StorageFile>,
    /// Its name.
    pub name: String,
    /// Offset of each commit's frame and the offset after it, in order.
    pub frames: Vec<(u64, u64)>,
    /// Bytes written.
    pub bytes: u64,
}

impl Written {
    /// Makes it durable.
    pub fn sync(&self) -> Result<(), Failure> {
        sync(&*self.file, &self.name)
    }
}

/// Makes what was written to a file durable.
pub fn sync(file: &dyn StorageFile, name: &str) -> Result<(), Failure> {
    let begun = Instant::now();
    file.sync().map_err(|error| Failure::stopped("fsync of", name, &error))?;
    observe::synced(begun.elapsed());
    Ok(())
}

/// The segment that is written to.
struct Active {
    file: Arc<dyn StorageFile>,
    first: u64,
    end: u64,
}

impl Writer {
    /// Writes the payloads of a group as frames. They are not durable yet.
    pub fn write<'p>(
        &mut self,
        payloads: impl Iterator<Item = &'p [u8]> + Clone,
    ) -> Result<Written, Failure> {
        let bytes: u64 =
            payloads.clone().map(|payload| to_u64(payload.len() + crate::format::FRAME_HEADER_BYTES)).sum();
        let mut active = self.active()?;
        if active.end > to_u64(SEGMENT_HEADER_BYTES) && active.end + bytes > self.segment_bytes {
            self.roll()?;
            active = self.active()?;
        }
        let name = segment::file_name(active.first);
        self.buffer.clear();
        let log = self.shared.log;
        let frames: Vec<(u64, u64)> = payloads
            .map(|payload| frame::append(&mut self.buffer, log, active.first, active.end, payload))
            .collect();
        let end = active.end + to_u64(self.buffer.len());
        self.space.clear_to(end).map_err(|error| Failure::stopped("making room in", &name, &error))?;
        if let Err(error) = write_all_at(&*active.file, &self.buffer, active.end) {
            return Err(self.after_failed_write(&active, &error));
        }
        self.space.written_to(end);
        Ok(Written { file: active.file, name, frames, bytes: to_u64(self.buffer.len()) })
    }

    /// Prepares room for what comes next. Nobody waits for it.
    pub fn look_ahead(&mut self) -> Result<(), Failure> {
        if self.sealing.as_ref().is_some_and(Sealing::is_done) {
            self.sealed();
        }
        let active = self.active()?;
        let ahead = self.space.look_ahead(active.end);
        ahead.map_err(|error| Failure::stopped("making room in", &segment::file_name(active.first), &error))
    }

    /// Gives the room for the next segments back to the disk.
    pub fn give_up_room(&mut self) -> Result<(), Failure> {
        let dropped = self.space.drop_next();
        dropped.map_err(|error| Failure::stopped("removing", "the room for the next segment", &error))
    }

    /// Seals the last segment of a log that is being closed, when there is enough in it: whoever opens the log reads its
    /// index and not its commits. Where that fails, they are read.
    pub fn seal_for_next_open(&mut self) -> Result<(), Failure> {
        let commits = self.active()?.end.saturating_sub(to_u64(SEGMENT_HEADER_BYTES));
        if commits == 0 || commits < self.sealed_at_close {
            return Ok(());
        }
        self.add_checkpoint()?;
        // Nobody writes into it any more, so nobody waits for its zeros.
        let dropped = self.give_up_room();
        // All that was offered is durable, and so is a checkpoint over it. What is left of a segment that could not begin
        // is known to whoever opens the log.
        match dropped.and_then(|()| self.roll()) {
            Ok(()) | Err(Failure::Full) => {}
            Err(Failure::Stopped(why)) => observe::not_sealed_at_close(&self.shared.directory, &why),
        }
        Ok(())
    }

    /// Leaves the files without the room that was prepared.
    pub fn give_back(&mut self) -> Result<(), Failure> {
        let active = self.active()?;
        self.sealed();
        let given = self.space.give_back(&*active.file, active.end);
        given.map_err(|error| Failure::stopped("cutting", &segment::file_name(active.first), &error))
    }

    /// Adds a checkpoint over all commits.
    pub fn add_checkpoint(&mut self) -> Result<(), Failure> {
        let tree = {
            let tree = self.shared.tree();
            if !tree.goes_on() {
                return Err(Failure::Stopped("hashes of the tree are missing".to_owned()));
            }
            tree.frontier()
        };
        let Err(error) = self.checkpoints.add(&tree, &self.shared.signer) else {
            return Ok(());
        };
        if !is_out_of_room(&error) {
            return Err(Failure::stopped("writing", CHECKPOINTS_FILE, &error));
        }
        let cut = cut_back(&*self.checkpoints.file, self.checkpoints.end);
        cut.map_err(|again| Failure::stopped("cutting back", CHECKPOINTS_FILE, &again))?;
        Err(Failure::Full)
    }

    fn active(&self) -> Result<Active, Failure> {
        let index = self.shared.index();
        let last = index.segments().last();
        last.map(|last| Active {
            file: Arc::clone(&last.file),
            first: last.extent().first,
            end: last.extent().end,
        })
        .ok_or_else(|| Failure::Stopped("the log has no segment".to_owned()))
    }

    /// Seals the active segment with a checkpoint and begins the next.
    fn roll(&mut self) -> Result<(), Failure> {
        let end_before = self.active()?.end;
        self.add_checkpoint()?;
        let shared = Arc::clone(&self.shared);
        let tree = shared.tree().frontier();
        // Only the writer adds segments: what is looked up here stays so while the disk works, and nobody who reads the
        // index waits for it.
        let header = shared.index().next_segment(&tree);
        let name = segment::file_name(header.first);
        let prepared = self.space.take_next();
        let unnamed = prepared.as_ref().map(|prepared| prepared.name.clone());
        let zeroed = if prepared.is_some() { self.segment_bytes } else { to_u64(SEGMENT_HEADER_BYTES) };
        let made = match prepared {
            Some(Prepared { name, file }) => {
                name_segment(&*self.storage, &header, &name, &*file).map(|()| file)
            }
            None => create_segment(&*self.storage, &header),
        };
        let file = match made {
            Ok(file) => file,
            Err(LogError::Full) => {
                self.remove_segment(&name, unnamed.as_deref())?;
                return Err(Failure::Full);
            }
            Err(error) => return Err(Failure::Stopped(with_source(&error))),
        };
        shared.index_mut().add_segment(file, Known::Open(Box::new(Part::begin(&header))));
        observe::sealed(&shared.directory, &name);
        shared.ring_sealed();
        let begun = self.space.begin_segment(name.clone(), zeroed, end_before);
        let spare = begun.map_err(|error| Failure::stopped("making room in", &name, &error))?;
        self.seal(spare, end_before);
        Ok(())
    }

    /// Cuts the zeros off the segment before the last, and puts its index into a file, and those of segments before it for
    /// which that has failed.
    fn seal(&mut self, spare: Option<String>, end: u64) {
        self.sealed();
        let Some(part) = self.shared.index().last_sealed() else {
            return;
        };
        let tree = Arc::new(self.shared.tree().part_from(part.extent().first_commit));
        let spare = spare.map(|name| (name, end));
        self.unsealed.push(Sealed { part, tree, spare });
        let segments = std::mem::take(&mut self.unsealed);
        let storage = Arc::clone(&self.storage);
        self.sealing = Some(Sealing::start(self.ahead, storage, self.shared.log, segments));
    }

    /// Takes note of the segments that were being sealed.
    fn sealed(&mut self) {
        let Some(sealing) = self.sealing.take() else {
            return;
        };
        let Outcome { files, left, failed } = sealing.wait();
        for file in files {
            self.shared.index_mut().filed(file);
        }
        self.unsealed = left;
        if let Some(error) = failed {
            observe::not_tidied(&self.shared.directory, &error);
            if is_out_of_room(&error)
                && let Err(Failure::Stopped(why)) = self.give_up_room()
            {
                // It is zeros, and nobody reads them.
                observe::not_prepared(&self.shared.directory, &io::Error::other(why));
            }
        }
    }

    /// Takes back a segment for which there was no room, under either of its names.
    fn remove_segment(&self, name: &str, unnamed: Option<&str>) -> Result<(), Failure> {
        let remove = |name: &str| remove_if_there(&*self.storage, name);
        let removed = remove(name).and_then(|()| unnamed.map_or(Ok(()), remove));
        let gone = removed.and_then(|()| self.storage.sync_directory());
        gone.map_err(|error| Failure::stopped("removing, after the disk was full,", name, &error))
    }

    /// A full disk is survived when what was written can be taken back; anything else ends the writer.
    fn after_failed_write(&mut self, active: &Active, error: &io::Error) -> Failure {
        let name = segment::file_name(active.first);
        if !is_out_of_room(error) {
            return Failure::stopped("writing", &name, error);
        }
        match self.space.give_back(&*active.file, active.end) {
            Ok(()) => Failure::Full,
            Err(again) => Failure::stopped("cutting back, after the disk was full,", &name, &again),
        }
    }
}

/// Cuts a file, durably.
pub fn cut_back(file: &dyn StorageFile, len: u64) -> io::Result<()> {
    file.set_len(len)?;
    file.sync()
}

/// An error with what lies behind it, on one line.
fn with_source(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
