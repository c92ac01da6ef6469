//! The end of the log on disk: where groups are written, and what happens when the disk refuses.

use super::Writer;
use crate::format::{CHECKPOINTS_FILE, SEGMENT_HEADER_BYTES, to_u64};
use crate::frame;
use crate::index::Index;
use crate::observe;
use crate::recovery::add_segment;
use crate::segment;
use crate::storage::{StorageFile, is_out_of_room, write_all_at};
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
    /// As the port tells it.
    pub fn into_error(self) -> LogError {
        match self {
            Self::Full => LogError::Full,
            Self::Stopped(why) => LogError::Stopped(why),
        }
    }
}

/// A group that is durable.
pub struct Written {
    /// Offset of each commit's frame and the offset after it, in order.
    pub frames: Vec<(u64, u64)>,
    /// Bytes written.
    pub bytes: u64,
}

/// The segment that is written to.
struct Active {
    file: Arc<dyn StorageFile>,
    first: u64,
    end: u64,
}

impl Writer {
    /// Writes the payloads of a group as frames and makes them durable.
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
        self.buffer.clear();
        let log = self.shared.log;
        let frames: Vec<(u64, u64)> = payloads
            .map(|payload| frame::append(&mut self.buffer, log, active.first, active.end, payload))
            .collect();
        let written = Written { frames, bytes: to_u64(self.buffer.len()) };
        if let Err(error) = write_all_at(&*active.file, &self.buffer, active.end) {
            return Err(Self::after_failed_write(&active, &error));
        }
        let begun = Instant::now();
        if let Err(error) = active.file.sync() {
            let name = segment::file_name(active.first);
            return Err(Failure::Stopped(format!("fsync of {name}: {error}")));
        }
        observe::synced(begun.elapsed());
        Ok(written)
    }

    /// Adds a checkpoint over all that is in the index.
    pub fn add_checkpoint(&mut self, index: &Index) -> Result<(), Failure> {
        let Err(error) = self.checkpoints.add(index, &self.shared.signer) else {
            return Ok(());
        };
        if !is_out_of_room(&error) {
            return Err(Failure::Stopped(format!("writing {CHECKPOINTS_FILE}: {error}")));
        }
        let cut = cut_back(&*self.checkpoints.file, self.checkpoints.end);
        cut.map_err(|again| Failure::Stopped(format!("cutting {CHECKPOINTS_FILE} back: {again}")))?;
        Err(Failure::Full)
    }

    fn active(&self) -> Result<Active, Failure> {
        let index = self.shared.index();
        let last = index.segments().last();
        last.map(|last| Active { file: Arc::clone(&last.file), first: last.first, end: last.end })
            .ok_or_else(|| Failure::Stopped("the log has no segment".to_owned()))
    }

    /// Seals the active segment with a checkpoint and begins the next.
    fn roll(&mut self) -> Result<(), Failure> {
        let shared = Arc::clone(&self.shared);
        self.add_checkpoint(&shared.index())?;
        let name = segment::file_name(shared.index().head() + 1);
        let added = add_segment(&*self.storage, &mut shared.index_mut());
        match added {
            Ok(()) => {
                observe::sealed(&shared.directory, &name);
                Ok(())
            }
            Err(LogError::Full) => {
                self.remove_segment(&name)?;
                Err(Failure::Full)
            }
            Err(error) => Err(Failure::Stopped(with_source(&error))),
        }
    }

    /// Takes back a segment for which there was no room.
    fn remove_segment(&self, name: &str) -> Result<(), Failure> {
        let removed = match self.storage.remove(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        };
        let gone = removed.and_then(|()| self.storage.sync_directory());
        gone.map_err(|error| Failure::Stopped(format!("removing {name} after the disk was full: {error}")))
    }

    /// A full disk is survived when what was written can be taken back; anything else ends the writer.
    fn after_failed_write(active: &Active, error: &io::Error) -> Failure {
        let name = segment::file_name(active.first);
        if !is_out_of_room(error) {
            return Failure::Stopped(format!("writing {name}: {error}"));
        }
        match cut_back(&*active.file, active.end) {
            Ok(()) => Failure::Full,
            Err(again) => Failure::Stopped(format!("cutting {name} back after the disk was full: {again}")),
        }
    }
}

fn cut_back(file: &dyn StorageFile, len: u64) -> io::Result<()> {
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
