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
    pub(crate) ahead: Ahead,
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
            ahead: Ahead::Beside,
        }
    }

    /// With segments of about this many bytes.
    #[must_use]
    pub fn with_segment_bytes(self, segment_bytes: u64) -> Self {
        Self { segment_bytes: segment_bytes.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX), ..self }
    }

    /// With room prepared, and segments sealed, by the writer itself between two groups and not beside it. Slower, and
    /// every change of the disk has its place in one order: for tests that count them.
    #[must_use]
    pub fn in_line(self) -> Self {
        Self { ahead: Ahead::InLine, ..self }
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
