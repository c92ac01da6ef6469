//! A log whose desk is not asked: opened for as long as a command needs it, to tell a story, to compare, to look, or to make
//! the first key. Whoever may write owns the directory meanwhile, so that a desk that runs on it is never worked around;
//! whoever only looks owns nothing, changes nothing, and needs no right but that of reading.

pub(crate) mod keys;

mod beside;
mod stamp;
mod unchanged;

use crate::cli::on_opening;
use crate::cli::progress::Progress;
use crate::config::Config;
use crate::exit::{Code, Failure, chain};
use crate::wiring::{SystemClock, Within, log_failure, reading_archive};
use beside::Beside;
use stamp::Stamp;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use stele_domain::port::clock::Clock as _;
use stele_domain::port::event_log::{EventLog, LogError, Position};
use stele_domain::time::Timestamp;
use stele_event_log::storage::{DirectoryStorage, Storage as _};
use stele_event_log::{CutTail, EmbeddedLog, InclusionProof, Options};
use stele_projections::FoldError;
use stele_projections::compare::{CompareError, fold_to};
use stele_projections::models;
use stele_projections::past::{self, AsOf, PastError};
use stele_read_store::MemoryStore;

/// Whether the log of the desk that is talked to can be looked at without the desk: only on the desk's own machine.
pub(crate) fn possible(config: &Config) -> bool {
    config.has_the_log() && holds_a_log(&config.log_dir())
}

/// Opens the log in a directory, works with it, and gives it up again.
pub(crate) async fn with<T, F>(
    config: &Config,
    directory: &Path,
    work: impl FnOnce(Arc<EmbeddedLog>) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    there_is_one(directory)?;
    open(Some(config), directory, work).await
}

/// Reads the log in a directory, whoever owns it and whoever may write there: nothing is changed. What an owner writes
/// meanwhile is seen by asking where the log ends.
pub(crate) async fn reading<T, F>(
    config: &Config,
    directory: &Path,
    work: impl FnOnce(Arc<dyn EventLog>) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    read(Some(config), directory, work).await
}

/// The same; by the shipped defaults where there is no configuration.
async fn read<T, F>(
    config: Option<&Config>,
    directory: &Path,
    work: impl FnOnce(Arc<dyn EventLog>) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let (log, _archive) = beside(config, directory).await?;
    let reader: Arc<dyn EventLog> = Arc::<Beside>::clone(&log);
    let worked = work(reader).await;
    log.close().await;
    worked
}

/// A log that is only read. What is fetched from its archive lies in a place of its own, which goes with the value.
async fn beside(config: Option<&Config>, directory: &Path) -> Result<(Arc<Beside>, Within), Failure> {
    there_is_one(directory)?;
    let archive = config.map(|config| reading_archive(config, directory)).transpose()?.unwrap_or_default();
    let (path, reach) = (directory.to_owned(), archive.reach());
    let opened = tokio::task::spawn_blocking(move || Beside::open(&path, reach)).await;
    let log = Arc::new(opened.map_err(|error| Failure::error(&error))??);
    Ok((log, archive))
}

/// Proves that an event is in the log of a directory, under a checkpoint that the log has stored: for that it is only read.
/// What came after the last of them has to be signed, and only the log's owner signs: beside another, nobody knows what of it
/// is durable, and a log whose key has signed two things of one size can't be told from a forged one.
pub(crate) async fn proof(
    config: &Config,
    directory: &Path,
    position: Position,
) -> Result<InclusionProof, Failure> {
    let (log, archive) = beside(Some(config), directory).await?;
    let proof = log.proof(position).await;
    log.close().await;
    drop(archive);
    if let Some(proof) = proof.map_err(|error| unproved(&error))? {
        return Ok(proof);
    }
    with(config, directory, async |log| log.inclusion_proof(position).await.map_err(|error| unproved(&error)))
        .await
}

fn unproved(error: &LogError) -> Failure {
    match error {
        // There is no such event.
        LogError::Invalid(what) => Failure::new(Code::Error, what.clone()),
        LogError::Conflict { .. }
        | LogError::Full
        | LogError::Stopped(_)
        | LogError::Damaged { .. }
        | LogError::Lost(_)
        | LogError::Owned { .. }
        | LogError::Denied(_)
        | LogError::Unreachable(_) => log_failure(error),
    }
}

/// Keeps every desk away from the log while it is read. On a disk that this process may not write to it only asks whether one
/// is there, before and after.
pub(crate) async fn kept_still<T, F>(
    config: &Config,
    directory: &Path,
    work: impl FnOnce(Arc<dyn EventLog>) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    there_is_one(directory)?;
    match owned(Some(config), directory).await {
        Ok((log, archive)) => {
            let reader: Arc<dyn EventLog> = Arc::<EmbeddedLog>::clone(&log);
            let worked = work(reader).await;
            given_up(&log, &archive, worked).await
        }
        Err(failure) if failure.code == Code::Unwritable => {
            let before = nobody_writes(directory)?;
            let worked = reading(config, directory, work).await?;
            // A desk that began meanwhile has moved what was compared, also one that has ended again.
            if nobody_writes(directory)? != before {
                return Err(is_owned(directory, "it wrote there while this one read, and has ended"));
            }
            Ok(worked)
        }
        Err(failure) => Err(failure),
    }
}

/// That no desk runs on a directory that this process may not write to: others may, where it is mounted for them. What
/// changes with each that does.
fn nobody_writes(directory: &Path) -> Result<Stamp, Failure> {
    let unread = |error: std::io::Error| log_failure(&LogError::Unreachable(Box::new(error)));
    let stamp = Stamp::of(directory).map_err(unread)?;
    let owned = DirectoryStorage::open(directory).and_then(|storage| storage.is_owned()).map_err(unread)?;
    if owned {
        return Err(is_owned(directory, "it writes where this one may only read"));
    }
    Ok(stamp)
}

fn is_owned(directory: &Path, why: &str) -> Failure {
    let directory = directory.display().to_string();
    log_failure(&LogError::Owned { directory, owner: why.to_owned() })
}

/// The same by the shipped defaults, for a log with no configuration of its own.
pub(crate) async fn alone<T, F>(
    directory: &Path,
    work: impl FnOnce(Arc<EmbeddedLog>) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    there_is_one(directory)?;
    open(None, directory, work).await
}

/// The same; a log that is not there is begun.
async fn open<T, F>(
    config: Option<&Config>,
    directory: &Path,
    work: impl FnOnce(Arc<EmbeddedLog>) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let (log, archive) = owned(config, directory).await?;
    let worked = work(Arc::clone(&log)).await;
    given_up(&log, &archive, worked).await
}

/// Becomes the owner of a log. What is fetched from its archive lies in a place of its own, which goes with the value.
async fn owned(config: Option<&Config>, directory: &Path) -> Result<(Arc<EmbeddedLog>, Within), Failure> {
    let archive = config.map(|config| reading_archive(config, directory)).transpose()?.unwrap_or_default();
    let options = Options::new(Arc::new(SystemClock)).with_archive(archive.reach());
    let path = directory.to_owned();
    let opened = tokio::task::spawn_blocking(move || EmbeddedLog::open(&path, options)).await;
    let opened = opened.map_err(|error| Failure::error(&error))?;
    let (log, report) = opened.map_err(|error| on_opening(&error, directory))?;
    if let Some(CutTail { file, offset, bytes, quarantine }) = &report.cut {
        // Whoever only looks has changed something by it, after a crash that they may want to examine.
        eprintln!(
            "the log ended with a write that had not finished, as after a crash: {bytes} bytes of {file} at byte {offset} \
             are in {quarantine} now, beside it; it was never acknowledged"
        );
    }
    Ok((Arc::new(log), archive))
}

/// Gives a log up that was worked with. Its archive is within reach until then.
async fn given_up<T>(log: &EmbeddedLog, _archive: &Within, worked: Result<T, Failure>) -> Result<T, Failure> {
    let closed = log.close().await;
    let worked = worked?;
    closed.map_err(|error| log_failure(&error))?;
    Ok(worked)
}

/// The tables as they follow from a log.
pub(crate) struct Folded {
    pub store: MemoryStore,
    /// Where the log ends.
    pub head: Position,
    /// When the last event that was folded was written down, where an earlier one than the last was asked for.
    pub time: Option<Timestamp>,
}

/// The tables as they follow from the log in a directory, as of a position or a time or to its end.
pub(crate) async fn folded(
    config: Option<&Config>,
    directory: &Path,
    to: Option<AsOf>,
    progress: &Progress,
) -> Result<Folded, Failure> {
    let store =
        MemoryStore::new(&stele_projections::schemas(models::ALL)).map_err(|error| Failure::error(&error))?;
    let (head, time) = read(config, directory, |log| fold(log, &store, to, progress)).await?;
    Ok(Folded { store, head, time })
}

async fn fold(
    log: Arc<dyn EventLog>,
    store: &MemoryStore,
    to: Option<AsOf>,
    progress: &Progress,
) -> Result<(Position, Option<Timestamp>), Failure> {
    let head = log.head().await.map_err(|error| log_failure(&error))?;
    let (to, time) = match to {
        None => (head, None),
        Some(as_of) => {
            let to =
                past::position(&*log, as_of, SystemClock.now()).await.map_err(|error| refused(&error))?;
            (to, past::written(&*log, to).await.map_err(|error| refused(&error))?)
        }
    };
    if to > head {
        return Err(refused(&PastError::BeyondHead { position: to, head }));
    }
    progress.total(to.0);
    let folded = fold_to(&*log, store, models::ALL, to, |at| progress.done(at.0)).await;
    folded.map_err(|error| unfolded(&error))?;
    Ok((head, time))
}

/// How a fold ends that comes to nothing: where the log can't be read, that is told as of the log.
fn unfolded(error: &CompareError) -> Failure {
    match error {
        CompareError::Log(error) | CompareError::Fold(FoldError::Parking { source: error, .. }) => {
            log_failure(error)
        }
        CompareError::Fold(_)
        | CompareError::Newer(_)
        | CompareError::Store(_)
        | CompareError::Short { .. }
        | CompareError::Moved { .. }
        | CompareError::OutOfOrder(_) => Failure::error(error),
    }
}

/// How a question about the past ends that has no answer.
fn refused(error: &PastError) -> Failure {
    match error {
        PastError::BeyondHead { .. } | PastError::Future { .. } => Failure::usage(chain(error)),
        PastError::Log(error) => log_failure(error),
        PastError::Fold(error) => unfolded(error),
        PastError::Busy
        | PastError::NotOpen
        | PastError::TooFar { .. }
        | PastError::TablesBehind { .. }
        | PastError::Store(_)
        | PastError::Ended(_) => Failure::error(error),
    }
}

fn there_is_one(directory: &Path) -> Result<(), Failure> {
    if holds_a_log(directory) {
        return Ok(());
    }
    Err(Failure::usage(format!("there is no log in {}", directory.display())))
}

/// Whether somebody began a log there. A directory without one would become a new log by being opened, whatever else is
/// in it: what a file system or a backup puts there is none.
fn holds_a_log(directory: &Path) -> bool {
    let of_a_log = |name: &Path| {
        name == Path::new("key")
            || name == Path::new("checkpoints")
            || name.extension().is_some_and(|end| end == "seg")
    };
    std::fs::read_dir(directory)
        .is_ok_and(|entries| entries.flatten().any(|entry| of_a_log(Path::new(&entry.file_name()))))
}
