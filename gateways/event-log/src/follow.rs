//! A live reading of a log, the same over every implementation.

use std::pin::Pin;
use std::sync::Arc;
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{Filter, Follow, LogError, Page, Position};
use tokio::sync::watch;

/// What a follower needs of a log.
pub trait Pages: Send + Sync + 'static {
    /// What one page leaves for the next, so that it need not look for its place again.
    type Place: Default + Send;

    /// Reads the log from a position.
    fn page(self: &Arc<Self>, from: Position, filter: &Arc<Filter>, limit: usize) -> Looked<Self::Place>;

    /// Begins to read the page after one that was read, when that takes time: it is waited for later. Nothing where a look
    /// at the memory will do, or nobody can read while others work.
    fn ahead(
        self: &Arc<Self>,
        from: Position,
        filter: &Arc<Filter>,
        limit: usize,
        place: Self::Place,
    ) -> Option<Reading<Self::Place>>;

    /// Wakes when the head has moved.
    fn watch_head(&self) -> watch::Receiver<u64>;
}

/// What came of asking for a page.
pub enum Looked<Place> {
    /// It was in memory.
    Here(Page),
    /// Somebody has to wait for it.
    OnTheWay(Reading<Place>),
}

/// A page that is being read, and the place where the next begins.
pub type Reading<Place> = Pin<Box<dyn Future<Output = (Result<Page, LogError>, Place)> + Send>>;

/// A reading that goes on for ever.
pub struct Follower<P: Pages> {
    pages: Arc<P>,
    head: watch::Receiver<u64>,
    from: Position,
    filter: Arc<Filter>,
    /// The page that was asked for last, until it is handed over. It outlives whoever asked for it and went away: one that
    /// looks away now and then gets a page that takes longer than that all the same, and is told why there is none. Who is
    /// behind has the next page read while they work on the one before, so it may be older than the question for it.
    reading: Option<Reading<P::Place>>,
    /// Whether that was begun before anybody asked for it.
    ahead: bool,
}

/// Records of pages that are read before anybody asks for them, at most.
const AHEAD_RECORDS_MAX: usize = 4_096;

/// After a page with more data than this none is read ahead: 1 MiB. Who stands still holds one page for a long time.
const AHEAD_BYTES_MAX: usize = 1024 * 1024;

impl<P: Pages> Follower<P> {
    /// Follows `pages` from a position (inclusive).
    pub fn new(pages: Arc<P>, from: Position, filter: Filter) -> Self {
        let head = pages.watch_head();
        let (from, filter) = (from.max(Position(1)), Arc::new(filter));
        Self { pages, head, from, filter, reading: None, ahead: false }
    }

    async fn next_page(&mut self, limit: usize) -> Result<Page, LogError> {
        if limit == 0 {
            let head = Position(*self.head.borrow());
            return Ok(Page { records: vec![], next: self.from, head });
        }
        loop {
            match self.read(limit).await {
                // Whatever it was may have passed by long ago.
                Err(_) if std::mem::take(&mut self.ahead) => {}
                Err(error) => return Err(error),
                Ok((page, place)) => return Ok(self.hand_over(page, place, limit)),
            }
        }
    }

    /// The next page, as it was read; it is the next until it has been handed over.
    async fn read(&mut self, limit: usize) -> Result<(Page, P::Place), LogError> {
        while self.reading.is_none() && self.from.0 > *self.head.borrow_and_update() {
            // The sender lives as long as the pages do.
            self.head.changed().await.map_err(|error| LogError::Unreachable(Box::new(error)))?;
        }
        let reading = match &mut self.reading {
            Some(reading) => reading,
            none => match self.pages.page(self.from, &self.filter, limit) {
                Looked::Here(page) => return Ok((page, P::Place::default())),
                Looked::OnTheWay(reading) => none.insert(reading),
            },
        };
        let (read, place) = reading.await;
        // Nothing is awaited from here on: the page is handed over, or it will be read again.
        self.reading = None;
        read.map(|page| (page, place))
    }

    /// Moves on behind a page, and has the next one read where that takes time.
    fn hand_over(&mut self, page: Page, place: P::Place, limit: usize) -> Page {
        let mut page = shortened(page, limit);
        self.from = page.next;
        page.head = page.head.max(Position(*self.head.borrow()));
        let bytes: usize = page.records.iter().map(|record| record.data.len() + record.metadata.len()).sum();
        if !page.caught_up() && bytes <= AHEAD_BYTES_MAX {
            let limit = limit.min(AHEAD_RECORDS_MAX);
            self.reading = self.pages.ahead(self.from, &self.filter, limit, place);
        }
        self.ahead = self.reading.is_some();
        page
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
