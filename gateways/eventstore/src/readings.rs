//! Live readings, on a thread of their own.
//!
//! A reading that the server ends without an error never comes back from the client crate, and takes its thread along. Here
//! that thread is nobody else's, its pulse stops, and whoever waits is told.

use crate::address::Address;
use crate::connection::Connection;
use crate::failure::{failed, unreachable};
use crate::observe;
use crate::read::{after, head, narrowed};
use crate::record::{position, recorded};
use eventstore::{SubscribeToAllOptions, Subscription, SubscriptionEvent};
use std::hash::RandomState;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use stele_domain::backoff::{Backoff, jitter};
use stele_domain::port::event_log::{Filter, LogError, Position, Record};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Readings that wait to be begun.
const ASKS_MAX: usize = 64;
/// What a reading tells ahead of its reader.
const AHEAD: usize = 64;
/// The thread shows so often that it is alive.
const PULSE_EVERY: Duration = Duration::from_millis(500);
/// Longest time until it takes an ask.
const TAKEN_MAX: Duration = Duration::from_secs(15);
/// Waits between attempts to begin again.
const WAIT_MIN: Duration = Duration::from_millis(50);
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Longest time until the server confirms a reading.
const CONFIRMED_MAX: Duration = Duration::from_secs(5);

/// What a reading tells.
pub enum Told {
    /// It has begun; the log ended here at that moment.
    Begun(Position),
    /// A record that is wanted.
    Record(Box<Record>),
    /// Everything up to here was looked at.
    Looked(Position),
    /// Everything was looked at that was there: up to here, where the server says so.
    CaughtUp(Option<Position>),
}

/// A reading as its reader holds it.
pub type Telling = mpsc::Receiver<Result<Told, LogError>>;

/// Where readings are begun.
#[derive(Clone)]
pub struct Readings {
    asks: mpsc::Sender<Ask>,
    pulse: Arc<AtomicU64>,
}

struct Ask {
    from: Position,
    filter: Filter,
    told: mpsc::Sender<Result<Told, LogError>>,
}

impl Readings {
    /// Begins the thread. It ends when nobody holds this any more.
    pub fn begin(address: Address) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (asks, asked) = mpsc::channel(ASKS_MAX);
        let pulse = Arc::new(AtomicU64::new(0));
        let beating = Arc::clone(&pulse);
        let work = move || runtime.block_on(answer(address, asked, beating));
        std::thread::Builder::new().name("event-store".to_owned()).spawn(work)?;
        Ok(Self { asks, pulse })
    }

    /// Begins a reading.
    pub async fn read(&self, from: Position, filter: Filter) -> Result<Telling, LogError> {
        let (told, telling) = mpsc::channel(AHEAD);
        let ask = self.asks.send(Ask { from, filter, told });
        match timeout(TAKEN_MAX, ask).await {
            Ok(Ok(())) => Ok(telling),
            Ok(Err(_)) | Err(_) => Err(hangs()),
        }
    }

    /// How often the thread has shown that it is alive.
    pub fn beats(&self) -> u64 {
        self.pulse.load(Ordering::Acquire)
    }
}

/// What a thread that shows nothing means.
pub fn hangs() -> LogError {
    LogError::Stopped(
        "the KurrentDB client does not come back from a reading that the server has ended: start this process again"
            .to_owned(),
    )
}

/// The work of the thread.
async fn answer(address: Address, mut asks: mpsc::Receiver<Ask>, pulse: Arc<AtomicU64>) {
    let connection = Arc::new(Connection::new(address));
    tokio::spawn(async move {
        loop {
            pulse.fetch_add(1, Ordering::AcqRel);
            tokio::time::sleep(PULSE_EVERY).await;
        }
    });
    while let Some(ask) = asks.recv().await {
        let Ask { from, filter, told } = ask;
        let reading = Reading { connection: Arc::clone(&connection), from: from.max(Position(1)), filter };
        tokio::spawn(reading.run(told));
    }
}

/// Where a reading is.
struct Reading {
    connection: Arc<Connection>,
    from: Position,
    filter: Filter,
}

impl Reading {
    /// Reads until the reader is gone. Each interruption is told once; it ends none.
    async fn run(mut self, told: mpsc::Sender<Result<Told, LogError>>) {
        let mut backoff = Backoff::new(WAIT_MIN, WAIT_MAX);
        loop {
            let Err(error) = self.read_on(&told, &mut backoff).await else { return };
            let wait = backoff.wait(jitter(&RandomState::new()));
            observe::interrupted(self.from, &error, wait);
            if told.send(Err(error)).await.is_err() {
                return;
            }
            tokio::select! {
                biased;
                () = told.closed() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// One subscription, to its end; `Ok` when the reader is gone.
    async fn read_on(
        &mut self,
        told: &mpsc::Sender<Result<Told, LogError>>,
        backoff: &mut Backoff,
    ) -> Result<(), LogError> {
        let head = head(&self.connection).await?;
        let lent = self.connection.lend()?;
        // A place beyond the head is none of the server's.
        let begin = self.from.min(head.next());
        let options = SubscribeToAllOptions::default().position(after(begin)).filter(narrowed(&self.filter));
        let options = lent.signed(options, SubscribeToAllOptions::authenticated);
        let mut reading = lent.client.subscribe_to_all(&options).await;
        if told.send(Ok(Told::Begun(head))).await.is_err() {
            return Ok(());
        }
        let mut confirmed = false;
        loop {
            let event = tokio::select! {
                biased;
                () = told.closed() => return Ok(()),
                event = next(&mut reading, confirmed) => event?,
            };
            let news = match event {
                Ok(event) => event,
                Err(error) => {
                    self.connection.failed(lent.generation, &error);
                    return Err(failed(error));
                }
            };
            if !confirmed {
                confirmed = true;
                self.connection.held(lent.generation);
                backoff.reset();
            }
            if let Some(news) = self.news(news)
                && told.send(Ok(news)).await.is_err()
            {
                return Ok(());
            }
        }
    }

    /// What of it the reader wants to know.
    fn news(&mut self, event: SubscriptionEvent) -> Option<Told> {
        match event {
            SubscriptionEvent::EventAppeared(event) => {
                let event = event.get_original_event();
                let at = position(event);
                if at < self.from {
                    return None;
                }
                self.from = at.next();
                let wanted =
                    recorded(event).filter(|record| self.filter.wants(&record.stream, &record.event_type));
                Some(wanted.map_or(Told::Looked(at), |record| Told::Record(Box::new(record))))
            }
            SubscriptionEvent::Checkpoint(at) => {
                let at = Position(at.commit);
                self.from = self.from.max(at.next());
                Some(Told::Looked(at))
            }
            SubscriptionEvent::CaughtUp(until) => {
                let until = until.and_then(|until| until.position).map(|at| Position(at.commit));
                Some(Told::CaughtUp(until))
            }
            SubscriptionEvent::Confirmed(_)
            | SubscriptionEvent::FellBehind(_)
            | SubscriptionEvent::FirstStreamPosition(_)
            | SubscriptionEvent::LastStreamPosition(_)
            | SubscriptionEvent::LastAllPosition(_) => None,
        }
    }
}

/// The next event; the first one must come soon.
async fn next(
    reading: &mut Subscription,
    confirmed: bool,
) -> Result<eventstore::Result<SubscriptionEvent>, LogError> {
    if confirmed {
        return Ok(reading.next_subscription_event().await);
    }
    let seconds = CONFIRMED_MAX.as_secs();
    timeout(CONFIRMED_MAX, reading.next_subscription_event())
        .await
        .map_err(|_| unreachable(format!("the reading was not confirmed within {seconds} s")))
}
