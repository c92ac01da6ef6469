//! The event log: one order of facts for everyone, appended to and never changed.
//!
//! [`EmbeddedLog`] keeps it in files that one process owns; [`MemoryLog`] keeps it nowhere. Both are
//! `domain::port::event_log::EventLog`, whose documentation is their contract. `FORMAT.md` describes every byte
//! on disk. This crate decodes no event: what a record means is for others.
#![forbid(unsafe_code)]

#[cfg(not(target_pointer_width = "64"))]
compile_error!("the event log counts bytes in 64 bits");

mod archive;
mod backup;
mod beside;
mod embedded;
mod entries;
mod export;
mod import;
mod memory;
mod ndjson;
mod options;
mod pace;
mod recovery;
mod stat;
mod verify;
mod witness;

pub mod checkpoint;
pub mod fuzzing;
pub mod note;
pub mod simulated_disk;
pub mod storage;
pub mod tree;

mod plan;
mod validate;

mod ahead;
mod hash;
mod leaves;

mod follow;
mod read;
mod shared;
mod writer;

mod cache;
mod index;
mod positions;
mod recent;
mod scan;
mod walk;
mod window;

mod errors;
mod format;
mod frame;
mod observe;
mod segment;

pub use archive::{
    ARCHIVE_CACHE_BYTES_DEFAULT, Archive, ArchiveError, ArchiveOptions, ArchiveStat, Archived, Brought, Keep,
    KeepPace, Reach, archive_stat,
};
pub use backup::{Backup, BackupError, BackupOptions, backup};
pub use beside::{BesideError, diagnose};
pub use embedded::{ConsistencyProof, EmbeddedLog, InclusionProof, InvalidProof};
pub use entries::{Chunk, ChunkEntries, Entries, Entry};
pub use export::{ExportError, ExportOptions, Exported, export};
pub use import::{ImportError, Imported, import};
pub use memory::MemoryLog;
pub use observe::announce;
pub use options::{
    CACHE_BYTES_DEFAULT, Options, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN,
};
pub use pace::Grown;
pub use recovery::{CutTail, OpenReport};
pub use stat::{Growth, Rates, Stat, rates};
pub use verify::{
    SignedConsistency, VerifyError, VerifyOptions, VerifyReport, prove_consistency, prove_consistency_on,
    verify, verify_on, verify_watched,
};
pub use witness::{
    COSIGNED_FILE, Contradiction, Witness, WitnessAt, WitnessError, WitnessOptions, cosigned_in,
};
