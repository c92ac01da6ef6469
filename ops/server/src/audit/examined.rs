//! The log's files, verified or not: what is wrong with them is a finding, and goes into the report.

use super::report::{CUT, Fault, INDEX, LogSaid, REWRITTEN};
use super::seen::Seen;
use super::{Place, Tell, VERIFYING};
use crate::cli::unverified;
use crate::exit::{Code, Failure, chain};
use crate::render::log::hex;
use stele_event_log::checkpoint::Checkpoint;
use stele_event_log::note::NoteSigner;
use stele_event_log::{
    ArchiveError, BesideError, VerifyError, VerifyOptions, VerifyReport, diagnose, verify_watched,
};
use tokio::sync::oneshot;

/// What came of it.
pub(crate) enum Examined {
    /// All of it is what was written.
    Whole(Box<VerifyReport>),
    /// It is not.
    Faulty(Fault),
}

/// Verifies every checksum, chain and signature, and holds the log against what others have seen of it. On a thread of its
/// own, which nobody waits for at the end of a process.
pub(super) async fn examine(place: &Place, seen: Option<Seen>, tell: Tell) -> Result<Examined, Failure> {
    let (told, verified) = oneshot::channel();
    let (directory, archive) = (place.directory.clone(), place.archive.clone());
    let against = seen.as_ref().and_then(|seen| seen.notes.clone());
    let work = move || {
        let options = VerifyOptions { archive, against, ..VerifyOptions::default() };
        let outcome = verify_watched(&directory, &options, &|done, total| tell(VERIFYING, done, total));
        // Whoever asked may be gone.
        drop(told.send(outcome));
    };
    let thread = std::thread::Builder::new().name("stele-audit".to_owned()).spawn(work);
    thread.map_err(|error| Failure::error(&error))?;
    let gone =
        |_| Failure::new(Code::Error, "verifying the log ended by itself, which is a mistake of this build");
    match verified.await.map_err(gone)? {
        Ok(report) => Ok(Examined::Whole(Box::new(report))),
        Err(error) => {
            let told = seen.as_ref().and_then(|seen| unseen(&error, seen));
            if let Some(fault) = told.or_else(|| fault(&error, place)) {
                return Ok(Examined::Faulty(fault));
            }
            seen.map_or(Ok(()), |seen| seen.usable(&error))?;
            Err(unverified(&error, &place.directory))
        }
    }
}

/// What others have seen of the log that is not there.
fn unseen(error: &VerifyError, seen: &Seen) -> Option<Fault> {
    let what = seen.against(error)?;
    let kind = if let VerifyError::Truncated { .. } = error { CUT } else { REWRITTEN };
    Some(Fault { kind: kind.to_owned(), file: seen.by.clone(), offset: 0, what })
}

/// What is wrong with the log, when it is not that it could not be looked at.
fn fault(error: &VerifyError, place: &Place) -> Option<Fault> {
    let fault = |kind: &str, file: &str, offset: u64| {
        let words = chain(error);
        Some(Fault { kind: kind.to_owned(), file: file.to_owned(), offset, what: words })
    };
    match error {
        VerifyError::Damaged { file, offset, .. } => match diagnose(&place.directory) {
            Some(told @ BesideError::Missing { .. }) => of_segment("missing", &told),
            Some(told @ BesideError::Foreign { .. }) => of_segment("foreign", &told),
            Some(
                BesideError::NotALog { .. }
                | BesideError::Damaged { .. }
                | BesideError::Short { .. }
                | BesideError::Storage(_),
            )
            | None => fault("damaged", file, *offset),
        },
        VerifyError::Index { file, offset, .. } => fault(INDEX, file, *offset),
        VerifyError::Unreadable(source) => match ArchiveError::behind(&**source) {
            Some(ArchiveError::Missing { .. } | ArchiveError::Other { .. }) => fault("archive", "archive", 0),
            Some(_) | None => None,
        },
        VerifyError::Truncated { .. }
        | VerifyError::Rewritten { .. }
        | VerifyError::Checkpoint(_)
        | VerifyError::NotALog { .. }
        | VerifyError::Order { .. }
        | VerifyError::Nowhere { .. } => None,
    }
}

fn of_segment(kind: &str, told: &BesideError) -> Option<Fault> {
    let what = chain(told);
    match told {
        BesideError::Missing { file, .. } | BesideError::Foreign { file, .. } => {
            Some(Fault { kind: kind.to_owned(), file: file.clone(), offset: 0, what })
        }
        BesideError::NotALog { .. }
        | BesideError::Damaged { .. }
        | BesideError::Short { .. }
        | BesideError::Storage(_) => None,
    }
}

impl Examined {
    /// What the report says of it, with a checkpoint over exactly what was verified.
    pub(super) fn said(self, signer: &NoteSigner) -> LogSaid {
        let origin = signer.name().to_owned();
        match self {
            Self::Whole(report) => {
                let (size, root) = (report.stat.commits, report.root);
                let checkpoint = Checkpoint { origin: origin.clone(), size, root }.note(signer);
                LogSaid {
                    origin,
                    verified: true,
                    fault: None,
                    commits: size,
                    events: report.stat.events,
                    segments: report.stat.segments,
                    bytes: report.stat.bytes,
                    root: hex(&root),
                    stored_checkpoints: report.checkpoints,
                    unfinished_bytes: report.unfinished_bytes,
                    checkpoint: Some(checkpoint),
                }
            }
            Self::Faulty(fault) => LogSaid::faulty(origin, fault),
        }
    }
}
