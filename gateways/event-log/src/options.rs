//! How a log is opened.

use crate::ahead::Ahead;
use crate::archive::{Keep, KeepPace, Reach};
use std::sync::Arc;
use stele_domain::port::clock::Clock;

/// Segment size where nothing else is asked for: 64 MiB.
pub const SEGMENT_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;

/// Smallest segment size, for tests.
pub const SEGMENT_BYTES_MIN: u64 = 8 * 1024;

/// Largest segment size: offsets within a group are kept in 32 bits.
pub const SEGMENT_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Bytes of commits in the last segment from which on it is sealed when the log is closed: 4 MiB. Less is read in a moment.
const SEALED_AT_CLOSE_BYTES: u64 = 4 * 1024 * 1024;

/// Cache size where nothing else is asked for: 32 MiB.
pub const CACHE_BYTES_DEFAULT: usize = 32 * 1024 * 1024;

/// How a log is opened.
#[derive(Clone)]
pub struct Options {
    /// Tells when a commit is recorded.
    pub clock: Arc<dyn Clock>,
    /// A segment is sealed when the next group would make it longer than this, in bytes. Held between
    /// [`SEGMENT_BYTES_MIN`] and [`SEGMENT_BYTES_MAX`].
    pub segment_bytes: u64,
    /// Memory for the last records, in bytes.
    pub cache_bytes: usize,
    /// Where sealed segments may be that are not in the directory.
    pub archive: Reach,
    /// What stays in the directory, where segments are archived while the log is written to.
    pub keep: Option<Keep>,
    /// How often that is done, and tried again.
    pub keep_pace: KeepPace,
    /// Zeros that are kept ready behind the segment that is written to, in bytes: whole segments, at most 256 of them; 0 for as
    /// little as does. So much is written at the pace of the disk alone; zeros are made anew while the log is calm.
    pub room_bytes: u64,
    pub(crate) ahead: Ahead,
    pub(crate) sealed_at_close: u64,
}

impl Options {
    /// The defaults, with a clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            cache_bytes: CACHE_BYTES_DEFAULT,
            archive: Reach::default(),
            keep: None,
            keep_pace: KeepPace::default(),
            room_bytes: 0,
            ahead: Ahead::Beside,
            sealed_at_close: SEALED_AT_CLOSE_BYTES,
        }
    }

    /// With segments of about this many bytes.
    #[must_use]
    pub fn with_segment_bytes(self, segment_bytes: u64) -> Self {
        Self { segment_bytes: segment_bytes.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX), ..self }
    }

    /// With zeros for at least this many bytes kept ready.
    #[must_use]
    pub fn with_room_bytes(self, room_bytes: u64) -> Self {
        Self { room_bytes, ..self }
    }

    /// With room prepared, and segments sealed, by the writer itself between two groups and not beside it. Slower, and
    /// every change of the disk has its place in one order: for tests that count them.
    #[must_use]
    pub fn in_line(self) -> Self {
        Self { ahead: Ahead::InLine, ..self }
    }

    /// With the last segment sealed when the log is closed, if it has as many bytes of commits as this: opening it reads
    /// an index then, and not what is in it.
    #[must_use]
    pub fn sealed_at_close_from(self, bytes: u64) -> Self {
        Self { sealed_at_close: bytes, ..self }
    }

    /// With the archive that sealed segments are in, or go to.
    #[must_use]
    pub fn with_archive(self, archive: Reach) -> Self {
        Self { archive, ..self }
    }

    /// With segments archived while the log is written to, but for what is to stay. Needs an archive.
    #[must_use]
    pub fn archiving_all_but(self, keep: Keep) -> Self {
        Self { keep: Some(keep), ..self }
    }

    /// With segments archived, and tried again, as often as this.
    #[must_use]
    pub fn archiving_at(self, keep_pace: KeepPace) -> Self {
        Self { keep_pace, ..self }
    }

    /// With a cache of this many bytes.
    #[must_use]
    pub fn with_cache_bytes(self, cache_bytes: usize) -> Self {
        Self { cache_bytes, ..self }
    }
}
