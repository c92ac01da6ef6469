//! Turns what went wrong underneath into the words of the port.

use crate::archive::{ArchiveError, MANIFEST_FILE};
use std::io;
use stele_domain::port::event_log::LogError;

/// A storage operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("{action} {file} in {directory} failed")]
pub struct StorageFailure {
    /// What was tried.
    pub action: &'static str,
    /// On which file.
    pub file: String,
    /// In which directory.
    pub directory: String,
    /// What the operating system said.
    #[source]
    pub source: io::Error,
}

/// A failed operation, as the port tells it: no room is its own answer.
pub fn storage(action: &'static str, file: &str, directory: &str, source: io::Error) -> LogError {
    if crate::storage::is_out_of_room(&source) {
        return LogError::Full;
    }
    // A manifest that is not what was written is damage like any other, with its place.
    if let Some(ArchiveError::Manifest { offset, what }) = ArchiveError::behind(&source) {
        return damaged(MANIFEST_FILE, *offset, what.clone());
    }
    let lost = ArchiveError::behind(&source).is_some_and(ArchiveError::is_loss);
    let failure = StorageFailure { action, file: file.to_owned(), directory: directory.to_owned(), source };
    // Asking again brings nothing back.
    if lost {
        return LogError::Lost(Box::new(failure));
    }
    LogError::Unreachable(Box::new(failure))
}

/// Damage, as the port tells it.
pub fn damaged(file: &str, offset: u64, what: impl Into<String>) -> LogError {
    LogError::Damaged { file: file.to_owned(), offset, what: what.into() }
}
