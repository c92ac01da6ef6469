//! A live reading: a task that keeps one stream open, begins again where it was when the stream ends, and hands pages
//! over one at a time.
//!
//! The task and not the caller waits for the connection, so a caller that gives up waiting loses nothing. The owner begins
//! no reading past the end of its log; who asks for what is to come waits here until the log has come there.

use super::Clients;
use crate::failure::{error, garbled, unreachable};
use crate::identity::Known;
use crate::observe;
use crate::page::page_in;
use crate::wire::filter_out;
use std::hash::RandomState;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::backoff::{Backoff, jitter};
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{Filter, Follow, LogError, Page, Position};
use stele_proto::log::v1 as proto;
use tokio::sync::{mpsc, watch};
use tonic::{Response, Status, Streaming};

/// Waits between attempts to begin again.
const WAIT_MIN: Duration = Duration::from_millis(50);
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Longest time until a reading begins to answer.
const BEGIN_MAX: Duration = Duration::from_secs(5);
/// Pages that are fetched ahead of the caller.
const AHEAD: usize = 1;

/// A live reading of another process's log.
pub(super) struct RemoteFollow {
    state: State,
    /// A page of which a part was handed over, because the caller wanted less.
    rest: Option<Page>,
}

enum State {
    /// Nobody has asked yet.
    Fresh(Option<Box<Reading>>),
    /// The task ends when nobody listens any more.
    Running(mpsc::Receiver<Result<Page, LogError>>),
}

impl RemoteFollow {
    pub(super) fn new(
        clients: watch::Receiver<Clients>,
        known: Arc<Known>,
        from: Position,
        filter: Filter,
    ) -> Self {
        let reading = Reading { clients, known, from: from.max(Position(1)), filter };
        Self { state: State::Fresh(Some(Box::new(reading))), rest: None }
    }

    async fn next_page(&mut self, limit: usize) -> Result<Page, LogError> {
        if let State::Fresh(reading) = &mut self.state
            && let Some(reading) = reading.take()
        {
            let (sender, receiver) = mpsc::channel(AHEAD);
            tokio::spawn(reading.run(sender));
            self.state = State::Running(receiver);
        }
        let page = match self.rest.take() {
            Some(page) => page,
            None => match &mut self.state {
                // Nothing is awaited after this, so nothing is lost when the caller gives up.
                State::Running(pages) => pages.recv().await.unwrap_or_else(|| Err(gone()))?,
                State::Fresh(_) => return Err(gone()),
            },
        };
        let (now, rest) = cut(page, limit);
        self.rest = rest;
        Ok(now)
    }
}

fn gone() -> LogError {
    unreachable("the reading has ended".to_owned())
}

/// As many records as the caller wants, and the rest for the next time.
fn cut(mut page: Page, limit: usize) -> (Page, Option<Page>) {
    if page.records.len() <= limit {
        return (page, None);
    }
    let later = page.records.split_off(limit);
    let next = later.first().map_or(page.next, |record| record.position);
    let rest = Page { records: later, next: page.next, head: page.head };
    (Page { records: page.records, next, head: page.head }, Some(rest))
}

impl Follow for RemoteFollow {
    fn next(&mut self, limit: usize) -> PortFuture<'_, Result<Page, LogError>> {
        Box::pin(self.next_page(limit))
    }
}

/// Where a reading is.
struct Reading {
    clients: watch::Receiver<Clients>,
    known: Arc<Known>,
    from: Position,
    filter: Filter,
}

impl Reading {
    /// Reads until the caller is gone. Each interruption is handed over once; it ends none.
    async fn run(mut self: Box<Self>, pages: mpsc::Sender<Result<Page, LogError>>) {
        let mut backoff = Backoff::new(WAIT_MIN, WAIT_MAX);
        loop {
            let Err(error) = self.read_on(&pages, &mut backoff).await else { return };
            let wait = backoff.wait(jitter(&RandomState::new()));
            observe::interrupted(self.from, &error, wait);
            if pages.send(Err(error)).await.is_err() {
                return;
            }
            tokio::select! {
                biased;
                () = pages.closed() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// One stream, to its end; `Ok` when the caller is gone.
    async fn read_on(
        &mut self,
        pages: &mpsc::Sender<Result<Page, LogError>>,
        backoff: &mut Backoff,
    ) -> Result<(), LogError> {
        let (mut stream, mut at) = self.begin().await?;
        loop {
            let message = tokio::select! {
                biased;
                () = pages.closed() => return Ok(()),
                message = stream.message() => message,
            };
            let message = match message {
                Ok(Some(message)) => message,
                Ok(None) => return Err(unreachable("the log's owner has ended the reading".to_owned())),
                Err(status) => return Err(error(&status)),
            };
            let mut page = page_in(&message.page).map_err(|error| garbled(&error))?;
            if page.next < at {
                return Err(unreachable(format!("the reading went back from {at} to {}", page.next)));
            }
            backoff.reset();
            self.known.saw(page.head);
            let waiting = at < self.from;
            at = page.next;
            if waiting && at <= self.from {
                continue;
            }
            page.records.retain(|record| record.position >= self.from);
            self.from = at;
            if pages.send(Ok(page)).await.is_err() {
                return Ok(());
            }
        }
    }

    /// A stream, and where it begins: at the end of the log where more was asked for.
    async fn begin(&self) -> Result<(Streaming<proto::FollowResponse>, Position), LogError> {
        let mut client = self.clients.borrow().readings.clone();
        let head = self.answer(client.head(proto::HeadRequest {})).await?;
        let at = self.from.min(Position(head.position).next());
        let request = proto::FollowRequest { from: at.0, filter: Some(filter_out(&self.filter)) };
        Ok((self.answer(client.follow(request)).await?, at))
    }

    /// Waits for an answer of the log that is meant, not for ever.
    async fn answer<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, LogError> {
        match tokio::time::timeout(BEGIN_MAX, call).await {
            Ok(Ok(response)) => self.known.heard(response.metadata()).map(|()| response.into_inner()),
            Ok(Err(status)) => Err(error(&status)),
            Err(_) => Err(unreachable(format!("no answer within {} s", BEGIN_MAX.as_secs()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::cut;
    use std::sync::Arc;
    use stele_domain::ids::{EventId, derived};
    use stele_domain::port::event_log::{Page, Position, Record, Revision, StreamId};
    use stele_domain::time::Timestamp;

    fn page(positions: &[u64]) -> Page {
        let record = |position: &u64| Record {
            position: Position(*position),
            stream: StreamId::new("order-1").unwrap(),
            revision: Revision(*position),
            event_id: EventId(derived("test", &[&position.to_string()])),
            event_type: Arc::from("test.Happened"),
            data: Arc::from([]),
            metadata: Arc::from([]),
            recorded_at: Timestamp::from_micros(0),
        };
        Page { records: positions.iter().map(record).collect(), next: Position(20), head: Position(19) }
    }

    #[test]
    fn a_page_that_is_larger_than_wanted_is_handed_over_in_parts_without_a_gap() {
        let (mut rest, mut seen, mut nexts) = (Some(page(&[3, 7, 8, 15])), vec![], vec![]);
        while let Some(page) = rest {
            let (now, later) = cut(page, 3);
            seen.extend(now.records.iter().map(|record| record.position.0));
            nexts.push((now.next.0, now.caught_up()));
            rest = later;
        }
        assert_eq!(seen, [3, 7, 8, 15]);
        assert_eq!(nexts, [(15, false), (20, true)]);
    }
}
