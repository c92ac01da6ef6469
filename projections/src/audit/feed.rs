//! The log, read and decoded ahead of whoever folds it.

use super::AuditError;
use crate::fold::{Newer, Page};
use std::sync::Arc;
use stele_domain::port::event_log::{EventLog, Filter, Position};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Most records that are folded in one go.
const STRETCH_RECORDS_MAX: usize = 4_096;

/// Stretches that are ready and wait, before they wait once more in front of each projection.
const STRETCHES_READY_MAX: usize = 2;

/// Everything of ours up to a position.
pub(super) struct Stretch {
    pub page: Page,
    pub to: Position,
}

/// What comes next.
pub(super) enum Next {
    /// Something to fold.
    Stretch(Box<Stretch>),
    /// Nothing any more: a newer build has written what follows.
    Newer(Box<Newer>),
}

/// A reading of the log from its beginning to a position.
pub(super) struct Feed {
    stretches: mpsc::Receiver<Result<Next, AuditError>>,
    reader: JoinHandle<()>,
}

impl Feed {
    pub fn up_to(log: &Arc<dyn EventLog>, position: Position) -> Self {
        let (ready, stretches) = mpsc::channel(STRETCHES_READY_MAX);
        let log = Arc::clone(log);
        let reader = tokio::spawn(async move {
            let mut at = Position::START;
            while at < position {
                let next = next(&*log, at, position).await;
                let over = match &next {
                    Ok(Next::Stretch(stretch)) => {
                        at = stretch.to;
                        false
                    }
                    Ok(Next::Newer(_)) | Err(_) => true,
                };
                if ready.send(next).await.is_err() || over {
                    return;
                }
            }
        });
        Self { stretches, reader }
    }

    /// What comes next; `None` after the position.
    pub async fn next(&mut self) -> Option<Result<Next, AuditError>> {
        self.stretches.recv().await
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn next(log: &dyn EventLog, after: Position, end: Position) -> Result<Next, AuditError> {
    let page = log.read_all(after.next(), &Filter::all(), STRETCH_RECORDS_MAX).await?;
    let to = Position(page.next.0.saturating_sub(1)).min(end);
    if to <= after {
        return Err(AuditError::Short { head: after, position: end });
    }
    // Decoding is work for a processor, and whoever folds has one of their own.
    let decoded = tokio::task::spawn_blocking(move || Page::read(page.records)).await;
    let page = decoded.map_err(|ended| AuditError::Lost(ended.to_string()))?;
    Ok(match page.newer().filter(|newer| newer.at <= end) {
        Some(newer) => Next::Newer(Box::new(newer.clone())),
        None => Next::Stretch(Box::new(Stretch { page, to })),
    })
}
