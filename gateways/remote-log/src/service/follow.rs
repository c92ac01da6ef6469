//! Live readings that are served: pages as the log gives them, except that empty ones are gathered, so that a reader of
//! a quiet category is not told of every append to the others. Whose credential is taken back or has run out is told so,
//! and nothing after that.

use super::Stands;
use crate::failure::{denied, malformed, status};
use crate::observe;
use crate::page::page_out;
use crate::wire::Malformed;
use futures_util::Stream;
use futures_util::stream;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::access::Caller;
use stele_domain::port::event_log::{EventLog, Filter, Follow, Page, Position};
use stele_proto::log::v1 as proto;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use tonic::Status;

/// Most live readings at the same time. A process has about ten.
const READINGS_MAX: usize = 512;
/// Most records of one page: enough that what a page costs besides its records does not count.
const PAGE_RECORDS: usize = 1_024;
/// How long the news that nothing matched may wait.
const EMPTY_EVERY: Duration = Duration::from_millis(50);

/// How often a reading of which nothing comes looks whether its caller is still let in.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The pages of one reading.
pub type Pages = Pin<Box<dyn Stream<Item = Result<proto::FollowResponse, Status>> + Send>>;

/// All readings of a service.
#[derive(Clone)]
pub(super) struct Readings {
    log: Arc<dyn EventLog>,
    stands: Stands,
    seats: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

/// One reading.
struct Reading {
    follow: Box<dyn Follow>,
    caller: Caller,
    stands: Stands,
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
    pub(super) fn new(log: Arc<dyn EventLog>, stands: Stands, stop: watch::Receiver<bool>) -> Self {
        Self { log, stands, seats: Arc::new(Semaphore::new(READINGS_MAX)), stop }
    }

    /// Begins a reading. What is to come can't be asked for by number: it would be waited for in silence, and whatever
    /// came before it would be left out.
    pub(super) async fn begin(
        &self,
        caller: Caller,
        from: Position,
        filter: Filter,
    ) -> Result<Pages, Status> {
        let head = self.log.head().await.map_err(|error| status(&error))?;
        if from > head.next() {
            let words = format!(
                "a reading from {from}, and the log ends at {head}: begin at {} at most",
                head.next()
            );
            return Err(malformed(&Malformed(words)));
        }
        let full = || Status::resource_exhausted(format!("{READINGS_MAX} readings are open, no more fit"));
        let permit = Arc::clone(&self.seats).try_acquire_owned().map_err(|_| full())?;
        let actor = caller.actor.as_str().to_owned();
        observe::following(&actor, from, READINGS_MAX.saturating_sub(self.seats.available_permits()));
        let reading = Reading {
            follow: self.log.follow(from, filter),
            caller,
            stands: Arc::clone(&self.stands),
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
            page = self.next() => page,
        };
        match &page {
            Ok(_) => self.sent_at = Some(Instant::now()),
            Err(_) => self.ended = true,
        }
        let answer = page.map(|page| proto::FollowResponse { page: page_out(&page) });
        Some((answer, self))
    }

    /// The next page, for somebody who may still have it when it is there.
    async fn next(&mut self) -> Result<Page, Status> {
        self.still_taken()?;
        let page = loop {
            tokio::select! {
                biased;
                page = self.follow.next(PAGE_RECORDS) => break page.map_err(|error| status(&error))?,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            self.still_taken()?;
        };
        let page = self.gathered(page).await?;
        self.still_taken()?;
        Ok(page)
    }

    fn still_taken(&self) -> Result<(), Status> {
        (self.stands)(&self.caller).map_err(|why| {
            observe::no_longer_let_in(self.caller.actor.as_str(), &why);
            denied(why)
        })
    }

    /// A page worth sending: news that nothing matched waits for more of its kind.
    async fn gathered(&mut self, mut page: Page) -> Result<Page, Status> {
        let Some(due) = self.sent_at.map(|sent_at| sent_at + EMPTY_EVERY) else { return Ok(page) };
        while page.records.is_empty() && Instant::now() < due {
            tokio::select! {
                biased;
                // Asking again loses nothing: what it has moved past without a match stands in the page at hand.
                later = self.follow.next(PAGE_RECORDS) => page = later.map_err(|error| status(&error))?,
                () = tokio::time::sleep_until(due) => {}
            }
        }
        Ok(page)
    }
}
