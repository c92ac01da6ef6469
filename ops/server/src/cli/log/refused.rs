//! What is wrong with a directory, as the end of a run: each kind of trouble has its words, its advice and its exit code.

use super::super::verify;
use crate::exit::{Code, Failure, chain};
use crate::wiring::{log_failure, lost};
use std::path::Path;
use stele_domain::port::event_log::LogError;
use stele_event_log::{
    ArchiveError, BackupError, BesideError, ExportError, ImportError, VerifyError, diagnose,
};

/// What to do about a log that is not what was written.
const EVIDENCE: &str = "nothing was changed. Keep the directory as it is: it is evidence. Restore the newest backup that verifies";

/// What to look at where the archive does not let this process in.
pub(in crate::cli) const KEPT_OUT: &str = "this will not pass by itself: look at the credentials (log.archive.access_key_id and its secret; without them what \
     AWS_ACCESS_KEY_ID and its kin say), at the policy of the bucket, which must let them list, read and put (of a directory: its \
     rights), and whether it is the one that is meant";

/// What answers where the archive should.
const NO_STORE: &str = "nothing was moved. A web server, a proxy or a page to log in answers so, and is no store that speaks S3: see that \
     the URL and log.archive.endpoint name the store, and that nobody stands between";

/// A log that can't be opened. Of a damaged one it says whether a segment is missing or another log's.
pub(crate) fn on_opening(error: &LogError, directory: &Path) -> Failure {
    match error {
        LogError::Damaged { .. } => {
            diagnose(directory).map_or_else(|| log_failure(error), |told| beside(&told))
        }
        LogError::Conflict { .. }
        | LogError::Invalid(_)
        | LogError::Full
        | LogError::Stopped(_)
        | LogError::Owned { .. }
        | LogError::Denied(_)
        | LogError::Lost(_)
        | LogError::Unreachable(_) => log_failure(error),
    }
}

/// A directory that can't be read as a log.
pub(in crate::cli) fn beside(error: &BesideError) -> Failure {
    let words = chain(error);
    match error {
        BesideError::NotALog { .. } => Failure::usage(words).advise("name the directory of a log"),
        BesideError::Foreign { .. } => Failure::new(Code::Foreign, words).advise(
            "nothing was changed. Move the file to the log that it belongs to; if one of this log's was replaced by it, \
             restore the newest backup that verifies",
        ),
        BesideError::Missing { .. } => Failure::new(Code::Missing, words)
            .advise("nothing was changed. Put the segment back, or restore the newest backup that verifies"),
        BesideError::Damaged { .. } | BesideError::Short { .. } => {
            Failure::new(Code::Mismatch, words).advise(EVIDENCE)
        }
        BesideError::Storage(error) => log_failure(error),
    }
}

/// A log that does not verify.
pub(super) fn unverified(error: &VerifyError, directory: &Path) -> Failure {
    verify::unverified(error, directory)
}

fn owned(words: String) -> Failure {
    Failure::new(Code::Conflict, words)
        .advise("ask on the desk's machine, as its user, while the desk answers")
}

pub(super) fn export(error: &ExportError, directory: &Path) -> Failure {
    match error {
        ExportError::Beside(error) => beside(error),
        ExportError::Verify(error) => unverified(error, directory),
        ExportError::Owned => owned(chain(error)),
        ExportError::Range { .. } => Failure::usage(chain(error)),
        ExportError::Checkpoint(_) => Failure::new(Code::Conflict, chain(error))
            .advise("the desk that answers is not the one that owns this log"),
        ExportError::Write(source) => Failure::new(of_disk(source).unwrap_or(Code::Error), chain(error)),
    }
}

pub(super) fn backup(error: &BackupError, directory: &Path) -> Failure {
    match error {
        BackupError::Beside(error) => beside(error),
        BackupError::Verify(error) => unverified(error, directory),
        BackupError::Owned => owned(chain(error)),
        BackupError::Checkpoint(_) => Failure::new(Code::Conflict, chain(error))
            .advise("the desk that answers is not the one that owns this log"),
        BackupError::Exists(_) => Failure::new(Code::Conflict, chain(error)),
    }
}

/// A segment that can't be archived, or can't be fetched.
pub(crate) fn archive(error: &ArchiveError) -> Failure {
    let words = chain(error);
    match error {
        ArchiveError::Missing { .. } | ArchiveError::Other { .. } => lost(words),
        ArchiveError::Taken { .. } => Failure::new(Code::Conflict, words),
        ArchiveError::Elsewhere { .. } => Failure::new(Code::Unavailable, words)
            .advise("nothing was put there. Mount the disk, or name the directory or the bucket that the segments are in"),
        ArchiveError::Denied { .. } => Failure::new(Code::Unauthorised, words).advise(KEPT_OUT),
        ArchiveError::NotKept { .. } => Failure::new(Code::Unavailable, words).advise(NO_STORE),
        ArchiveError::Unreachable { .. } | ArchiveError::Late { .. } | ArchiveError::Busy { .. } => {
            Failure::new(Code::Unavailable, words).advise("the rest of the log is served; see that the archive answers")
        }
        ArchiveError::NoStore { .. } => Failure::usage(words)
            .advise("or fetch the segments first, where the archive is within reach: stele log archive --fetch"),
        ArchiveError::Cache { source, .. } | ArchiveError::Disk { source, .. } => {
            Failure::new(of_disk(source).unwrap_or(Code::Error), words)
        }
        ArchiveError::Manifest { .. } => Failure::new(Code::Mismatch, format!("the event log is damaged: {words}"))
            .advise("nothing was changed. Restore the file from the newest backup that verifies"),
        ArchiveError::Unverified { .. } => Failure::new(Code::Mismatch, words).advise(EVIDENCE),
        ArchiveError::TooLarge { .. } | ArchiveError::Closed { .. } => Failure::new(Code::Error, words),
    }
}

pub(super) fn import(error: &ImportError, directory: &Path) -> Failure {
    let words = chain(error);
    match error {
        ImportError::NotEmpty(_) => Failure::new(Code::Conflict, words),
        ImportError::Malformed { .. }
        | ImportError::TooLong { .. }
        | ImportError::NotFromTheBeginning { .. } => Failure::usage(words),
        ImportError::Gap { .. } | ImportError::Cut { .. } => {
            Failure::new(Code::Missing, words).advise("nothing was kept. Export the log again")
        }
        ImportError::Digest { .. } => {
            Failure::new(Code::Mismatch, words).advise("nothing was kept. Export the log again")
        }
        ImportError::Read(source) => Failure::new(of_disk(source).unwrap_or(Code::Error), words),
        ImportError::Log(LogError::Conflict { .. }) => Failure::new(Code::Missing, words)
            .advise("nothing was kept. A revision does not follow the one before it: export the log again"),
        ImportError::Log(error) => log_failure(error),
        ImportError::Verify(error) => unverified(error, directory),
    }
}

/// What an error of the operating system says of the disk; `None` when it is about something else.
pub(crate) fn of_disk(error: &std::io::Error) -> Option<Code> {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    if matches!(error.kind(), StorageFull | QuotaExceeded) {
        return Some(Code::Full);
    }
    matches!(error.kind(), ReadOnlyFilesystem | PermissionDenied).then_some(Code::Unwritable)
}

/// The same of an error that was caused by one.
pub(crate) fn of_error(error: &(dyn std::error::Error + 'static)) -> Option<Code> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(code) = error.downcast_ref().and_then(of_disk) {
            return Some(code);
        }
        cause = error.source();
    }
    None
}
