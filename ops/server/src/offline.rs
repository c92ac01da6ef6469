//! A log whose desk does not run: opened for as long as a command needs it, to tell a story, to compare, to look, or
//! to make the first key. The directory is owned meanwhile, so that a desk that runs on it is never worked around.

pub(crate) mod keys;

use crate::cli::on_opening;
use crate::cli::progress::Progress;
use crate::config::Config;
use crate::exit::Failure;
use crate::wiring::{SystemClock, log_failure};
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use stele_domain::port::event_log::{EventLog, Position};
use stele_event_log::{EmbeddedLog, Options};
use stele_projections::compare::fold_to;
use stele_projections::models;
use stele_read_store::MemoryStore;

/// Whether the log of the configured desk can be looked at without the desk: only on the desk's own machine.
pub(crate) fn possible(config: &Config) -> bool {
    config.client.server.is_none() && holds_something(&config.log_dir())
}

/// Opens the log in a directory, works with it, and gives it up again.
pub(crate) async fn with<T, F>(
    directory: &Path,
    work: impl FnOnce(Arc<EmbeddedLog>) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    if !holds_something(directory) {
        return Err(Failure::usage(format!("there is no log in {}", directory.display())));
    }
    open(directory, work).await
}

/// The same; a log that is not there is begun.
async fn open<T, F>(directory: &Path, work: impl FnOnce(Arc<EmbeddedLog>) -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let (path, options) = (directory.to_owned(), Options::new(Arc::new(SystemClock)));
    let opened = tokio::task::spawn_blocking(move || EmbeddedLog::open(&path, options)).await;
    let opened = opened.map_err(|error| Failure::error(&error))?;
    let (log, _) = opened.map_err(|error| on_opening(&error, directory))?;
    let log = Arc::new(log);
    let worked = work(Arc::clone(&log)).await;
    let closed = log.close().await;
    let worked = worked?;
    closed.map_err(|error| log_failure(&error))?;
    Ok(worked)
}

/// The tables as they follow from the log in a directory, up to a position or to its end.
pub(crate) async fn folded(
    directory: &Path,
    to: Option<Position>,
    progress: &Progress,
) -> Result<(MemoryStore, Position), Failure> {
    let store =
        MemoryStore::new(&stele_projections::schemas(models::ALL)).map_err(|error| Failure::error(&error))?;
    let head = with(directory, |log| fold(log, &store, to, progress)).await?;
    Ok((store, head))
}

async fn fold(
    log: Arc<EmbeddedLog>,
    store: &MemoryStore,
    to: Option<Position>,
    progress: &Progress,
) -> Result<Position, Failure> {
    let head = log.head().await.map_err(|error| log_failure(&error))?;
    let to = to.unwrap_or(head);
    progress.total(to.0);
    let folded = fold_to(&*log, store, models::ALL, to, |at| progress.done(at.0)).await;
    folded.map_err(|error| Failure::error(&error))?;
    Ok(head)
}

/// A directory that is empty, or not there, would become a new log by being opened.
fn holds_something(directory: &Path) -> bool {
    std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some())
}
