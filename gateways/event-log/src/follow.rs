//! A live reading of a log, the same over every implementation.

use std::pin::Pin;
use std::sync::Arc;
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{Filter, Follow, LogError, Page, Position};
use tokio::sync::watch;

/// What a follower needs of a log.
pub trait Pages: Send + Sync + 'static {
    /// Reads the log from a position.
    fn page(self: &Arc<Self>, from: Position, filter: &Arc<Filter>, limit: usize) -> Looked;

    /// Wakes when the head has moved.
    fn watch_head(&self) -> watch::Receiver<u64>;
}

/// What came of asking for a page.
pub enum Looked {
    /// It was in memory.
    Here(Page),
    /// Somebody has to wait for it.
    OnTheWay(Reading),
}

/// A page that is being read.
pub type Reading = Pin<Box<dyn Future<Output = Result<Page, LogError>> + Send>>;

/// A reading that goes on for ever.
pub struct Follower<P> {
    pages: Arc<P>,
    head: watch::Receiver<u64>,
    from: Position,
    filter: Arc<Filter>,
    /// The page that was asked for last, until it is handed over. It outlives whoever asked for it and went away: one that
    /// looks away now and then gets a page that takes longer than that all the same, and is told why there is none.
    reading: Option<Reading>,
}

impl<P: Pages> Follower<P> {
    /// Follows `pages` from a position (inclusive).
    pub fn new(pages: Arc<P>, from: Position, filter: Filter) -> Self {
        let head = pages.watch_head();
        Self { pages, head, from: from.max(Position(1)), filter: Arc::new(filter), reading: None }
    }

    async fn next_page(&mut self, limit: usize) -> Result<Page, LogError> {
        while self.reading.is_none() && limit > 0 && self.from.0 > *self.head.borrow_and_update() {
            // The sender lives as long as the pages do.
            self.head.changed().await.map_err(|error| LogError::Unreachable(Box::new(error)))?;
        }
        let reading = match &mut self.reading {
            Some(reading) => reading,
            none => match self.pages.page(self.from, &self.filter, limit) {
                Looked::Here(page) => {
                    self.from = page.next;
                    return Ok(page);
                }
                Looked::OnTheWay(reading) => none.insert(reading),
            },
        };
        let read = reading.await;
        // Nothing is awaited from here on: the page is handed over, or it will be read again.
        self.reading = None;
        let page = shortened(read?, limit);
        self.from = page.next;
        Ok(page)
    }
}

impl<P: Pages> Follow for Follower<P> {
    fn next(&mut self, limit: usize) -> PortFuture<'_, Result<Page, LogError>> {
        Box::pin(self.next_page(limit))
    }
}

/// A page for whoever wants fewer records now than when it was asked for.
fn shortened(mut page: Page, limit: usize) -> Page {
    if let Some(first_left_out) = page.records.get(limit) {
        page.next = first_left_out.position;
        page.records.truncate(limit);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::shortened;
    use stele_domain::ids::EventId;
    use stele_domain::port::event_log::{Page, Position, Record, Revision, StreamId};
    use uuid::Uuid;

    fn page(positions: &[u64], next: u64) -> Page {
        let record = |position: &u64| Record {
            position: Position(*position),
            stream: StreamId::new("order-1").unwrap(),
            revision: Revision(*position),
            event_id: EventId(Uuid::nil()),
            event_type: "order.Placed".into(),
            data: [].into(),
            metadata: [].into(),
            recorded_at: stele_domain::time::Timestamp::default(),
        };
        Page { records: positions.iter().map(record).collect(), next: Position(next), head: Position(90) }
    }

    #[test]
    fn a_page_that_was_asked_for_with_more_room_goes_on_where_it_is_cut() {
        for (limit, left, next) in [(0, 0, 3), (1, 1, 7), (2, 2, 20), (3, 3, 40), (9, 3, 40)] {
            let page = shortened(page(&[3, 7, 20], 40), limit);
            assert_eq!((page.records.len(), page.next), (left, Position(next)), "at most {limit}");
        }
    }
}
