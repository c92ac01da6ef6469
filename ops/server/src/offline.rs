//! A log whose desk does not run, folded from zero into tables of its own: to tell a story, or to compare.

use crate::exit::Failure;
use crate::wiring::{SystemClock, log_failure};
use std::path::Path;
use std::sync::Arc;
use stele_domain::port::event_log::{EventLog, Position};
use stele_event_log::{EmbeddedLog, Options};
use stele_projections::compare::fold_to;
use stele_projections::models;
use stele_read_store::MemoryStore;

/// The tables as they follow from the log in a directory, up to a position or to its end. The directory is owned
/// meanwhile, so a desk that runs on it is never read behind its back.
pub(crate) async fn folded(
    directory: &Path,
    to: Option<Position>,
) -> Result<(MemoryStore, Position), Failure> {
    if !directory.is_dir() {
        return Err(Failure::usage(format!("there is no log in {}", directory.display())));
    }
    let store =
        MemoryStore::new(&stele_projections::schemas(models::ALL)).map_err(|error| Failure::error(&error))?;
    let (path, options) = (directory.to_owned(), Options::new(Arc::new(SystemClock)));
    let opened = tokio::task::spawn_blocking(move || EmbeddedLog::open(&path, options)).await;
    let (log, _) = opened.map_err(|error| Failure::error(&error))?.map_err(|error| log_failure(&error))?;
    let folded = fold(&log, &store, to).await;
    let closed = log.close().await;
    let head = folded?;
    closed.map_err(|error| log_failure(&error))?;
    Ok((store, head))
}

async fn fold(log: &EmbeddedLog, store: &MemoryStore, to: Option<Position>) -> Result<Position, Failure> {
    let head = log.head().await.map_err(|error| log_failure(&error))?;
    let to = to.unwrap_or(head);
    fold_to(log, store, models::ALL, to, |_| {}).await.map_err(|error| Failure::error(&error))?;
    Ok(head)
}
