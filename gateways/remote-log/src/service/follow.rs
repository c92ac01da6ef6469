//! Live readings that are served: pages as the log gives them, except that empty ones are gathered, so that a reader of
//! a quiet category is not told of every append to the others.

use crate::failure::status;
use crate::observe;
use crate::wire::page_out;
use futures_util::Stream;
use futures_util::stream;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::access::Caller;
use stele_domain::port::event_log::{EventLog, Filter, Follow, LogError, Page, Position};
use stele_proto::log::v1 as proto;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use tonic::Status;

/// Most live readings at the same time. A process has about ten.
const READINGS_MAX: usize = 512;
/// Most records of one page.
const PAGE_RECORDS: usize = 512;
/// How long the news that nothing matched may wait.
const EMPTY_EVERY: Duration = Duration::from_millis(50);

/// The pages of one reading.
pub type Pages = Pin<Box<dyn Stream<Item = Result<proto::FollowResponse, Status>> + Send>>;

/// All readings of a service.
#[derive(Clone)]
pub(super) struct Readings {
    log: Arc<dyn EventLog>,
    seats: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

/// One reading.
struct Reading {
    follow: Box<dyn Follow>,
    stop: watch::Receiver<bool>,
    /// When the last page was sent.
    sent_at: Option<Instant>,
    ended: bool,
    _seat: Seat,
}

/// Gives its place back when the reading ends, however it ends.
struct Seat {
    seats: Arc<Semaphore>,
    actor: String,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.permit = None;
        observe::left(&self.actor, READINGS_MAX.saturating_sub(self.seats.available_permits()));
    }
}

impl Readings {
    pub(super) fn new(log: Arc<dyn EventLog>, stop: watch::Receiver<bool>) -> Self {
        Self { log, seats: Arc::new(Semaphore::new(READINGS_MAX)), stop }
    }

    pub(super) fn begin(&self, caller: &Caller, from: Position, filter: Filter) -> Result<Pages, Status> {
        let full = || Status::resource_exhausted(format!("{READINGS_MAX} readings are open, no more fit"));
        let permit = Arc::clone(&self.seats).try_acquire_owned().map_err(|_| full())?;
        let actor = caller.actor.as_str().to_owned();
        observe::following(&actor, from, READINGS_MAX.saturating_sub(self.seats.available_permits()));
        let reading = Reading {
            follow: self.log.follow(from, filter),
            stop: self.stop.clone(),
            sent_at: None,
            ended: false,
            _seat: Seat { seats: Arc::clone(&self.seats), actor, permit: Some(permit) },
        };
        Ok(Box::pin(stream::unfold(reading, Reading::step)))
    }
}

impl Reading {
    async fn step(mut self) -> Option<(Result<proto::FollowResponse, Status>, Self)> {
        if self.ended {
            return None;
        }
        let mut stop = self.stop.clone();
        let page = tokio::select! {
            biased;
            // A sender that is gone is the wish too.
            _ = stop.wait_for(|stop| *stop) => return None,
            page = self.gathered() => page,
        };
        let answer = match page {
            Ok(page) => {
                self.sent_at = Some(Instant::now());
                Ok(proto::FollowResponse { page: Some(page_out(&page)) })
            }
            Err(error) => {
                self.ended = true;
                Err(status(&error))
            }
        };
        Some((answer, self))
    }

    /// The next page worth sending.
    async fn gathered(&mut self) -> Result<Page, LogError> {
        let mut page = self.follow.next(PAGE_RECORDS).await?;
        let Some(due) = self.sent_at.map(|sent_at| sent_at + EMPTY_EVERY) else { return Ok(page) };
        while page.records.is_empty() && Instant::now() < due {
            tokio::select! {
                biased;
                // Asking again loses nothing: what it has moved past without a match stands in the page at hand.
                later = self.follow.next(PAGE_RECORDS) => page = later?,
                () = tokio::time::sleep_until(due) => {}
            }
        }
        Ok(page)
    }
}
