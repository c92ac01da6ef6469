//! A live reading of a log, the same over every implementation.

use std::sync::Arc;
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{Filter, Follow, LogError, Page, Position};
use tokio::sync::watch;

/// What a follower needs of a log.
pub trait Pages: Send + Sync + 'static {
    /// Reads the log from a position.
    fn page<'a>(
        &'a self,
        from: Position,
        filter: &'a Filter,
        limit: usize,
    ) -> PortFuture<'a, Result<Page, LogError>>;

    /// Wakes whenever the head moves.
    fn watch_head(&self) -> watch::Receiver<u64>;
}

/// A reading that goes on for ever.
pub struct Follower<P> {
    pages: Arc<P>,
    head: watch::Receiver<u64>,
    from: Position,
    filter: Filter,
}

impl<P: Pages> Follower<P> {
    /// Follows `pages` from a position (inclusive).
    pub fn new(pages: Arc<P>, from: Position, filter: Filter) -> Self {
        let head = pages.watch_head();
        Self { pages, head, from: from.max(Position(1)), filter }
    }

    async fn next_page(&mut self, limit: usize) -> Result<Page, LogError> {
        loop {
            if limit == 0 || self.from.0 <= *self.head.borrow_and_update() {
                let page = self.pages.page(self.from, &self.filter, limit).await?;
                // Nothing is awaited from here on: the page is handed over, or it will be read again.
                self.from = page.next;
                return Ok(page);
            }
            // The sender lives as long as the pages do.
            self.head.changed().await.map_err(|error| LogError::Unreachable(Box::new(error)))?;
        }
    }
}

impl<P: Pages> Follow for Follower<P> {
    fn next(&mut self, limit: usize) -> PortFuture<'_, Result<Page, LogError>> {
        Box::pin(self.next_page(limit))
    }
}
