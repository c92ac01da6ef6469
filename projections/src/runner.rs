//! Follows the log and keeps every projection up to date: the only part of this crate that does I/O.
//!
//! All projections of a runner take the same pages in the same order, so between two pages they stand at one
//! position; each has its own checkpoint all the same, and one that starts behind the others catches up first. One that
//! can't go on stops alone, and says why; only an event that a newer build wrote stops them all, right before it.
//! A runner that finds somebody else at work on its projections stops.

mod error;
mod folding;
mod handle;
mod state;

pub use error::RunnerError;
pub use handle::{Handle, Hold, Waited};
pub use state::{ProjectionStatus, State, Status};

use crate::fold::Place;
use crate::observe;
use crate::parking::Parked;
use crate::projection::Registered;
use handle::Wish;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::causes::with_causes;
use stele_domain::ids::EventId;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Filter, Follow, LogError, Page, Position};
use stele_domain::port::read_store::{Checkpoint, ReadStore, StoreError};
use stele_domain::time::Timestamp;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, MissedTickBehavior};

/// How a runner works.
#[derive(Debug, Clone)]
pub struct Options {
    /// Most records that are folded between two checkpoints by a runner that has caught up.
    pub batch_records_max: usize,
    /// The same while it is behind by more than that: a row that many of them change is written once.
    pub catch_up_records_max: usize,
    /// How long the runner lets records gather behind the first one once it has caught up: fewer checkpoints, and
    /// rows a little later.
    pub gather: Duration,
    /// How often the runner says that it is alive, and looks at the log's head.
    pub heartbeat: Duration,
    /// First wait after the log or the store did not answer; doubles each time.
    pub retry_first: Duration,
    /// Longest such wait.
    pub retry_max: Duration,
    /// How long a runner that stays rests after a fault that waiting alone does not mend.
    pub fault_rest: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            batch_records_max: 256,
            catch_up_records_max: 4_096,
            gather: Duration::from_millis(5),
            heartbeat: Duration::from_secs(1),
            retry_first: Duration::from_millis(50),
            retry_max: Duration::from_secs(5),
            fault_rest: Duration::from_secs(15),
        }
    }
}

/// The runner. [`Runner::run`] works until it is told to end.
pub struct Runner {
    log: Arc<dyn EventLog>,
    store: Arc<dyn ReadStore>,
    clock: Arc<dyn Clock>,
    options: Options,
    /// Projections, where they are, and what their rows come to there.
    places: Vec<Place>,
    /// Projections that have stopped, and why; the others go on.
    faults: BTreeMap<&'static str, String>,
    /// Those of them that stopped for what is parked, and go on once a person has decided.
    crowded: BTreeSet<&'static str>,
    /// When those are looked at again.
    look_at: Option<Instant>,
    head: Position,
    /// When the log wrote down the last record that was folded.
    folded_recorded_at: Option<Timestamp>,
    /// When the last batch was kept.
    kept_at: Option<Timestamp>,
    parked: u64,
    wish: watch::Receiver<Wish>,
    status: watch::Sender<Status>,
    /// Held while a page is folded; whoever else holds it sees all projections at rest.
    turn: Arc<Mutex<()>>,
    /// Keeps the wishes open when every handle is gone: the runner works on then.
    own: Handle,
}

/// What came of a page, or of a wait that a wish may cut short.
#[derive(PartialEq, Eq)]
enum Waiting {
    Over,
    ToldToStop,
    /// The store lost what it had kept: the log is to be read again from where it is now.
    WentBack,
}

impl Runner {
    /// A runner for these projections, and what it is steered by. Nothing happens before [`Runner::run`].
    #[must_use]
    pub fn new(
        log: Arc<dyn EventLog>,
        store: Arc<dyn ReadStore>,
        clock: Arc<dyn Clock>,
        projections: &[Registered],
        options: Options,
    ) -> (Self, Handle) {
        let places: Vec<_> = projections.iter().map(|projection| Place::start(*projection)).collect();
        let status = watch::Sender::new(Status::starting(projections, clock.now()));
        let (wishes, wish) = watch::channel(Wish::Run);
        let turn = Arc::new(Mutex::new(()));
        let handle = Handle::new(wishes, status.subscribe(), turn.clone());
        let runner = Self {
            log,
            store,
            clock,
            options,
            places,
            faults: BTreeMap::new(),
            crowded: BTreeSet::new(),
            look_at: None,
            head: Position::START,
            folded_recorded_at: None,
            kept_at: None,
            parked: 0,
            wish,
            status,
            turn,
            own: handle.clone(),
        };
        (runner, handle)
    }

    /// Follows the log until [`Handle::stop`], or until [`Handle::drain`] and the head as of then.
    ///
    /// # Errors
    ///
    /// [`RunnerError`] when going on makes no sense; what is stored is in order all the same.
    pub async fn run(mut self) -> Result<(), RunnerError> {
        self.once().await
    }

    /// As [`Runner::run`], but a fault ends nothing: it stands in the status, and everything is looked at anew after
    /// [`Options::fault_rest`]. Whoever ends its cause (an old schema, another runner) finds the tables going on.
    pub async fn stay(mut self) {
        while self.once().await.is_err() {
            let mut rest = self.options.fault_rest;
            if self.pause_for(&mut rest).await == Waiting::ToldToStop {
                self.publish(State::Ended);
                return;
            }
        }
    }

    async fn once(&mut self) -> Result<(), RunnerError> {
        let outcome = self.work().await;
        match &outcome {
            Ok(()) => {
                observe::ended(self.least());
                self.publish(State::Ended);
            }
            Err(error) => {
                observe::faulted(error);
                self.publish(State::Faulted { why: with_causes(error) });
            }
        }
        outcome
    }

    /// Takes the projections up, however often the store has to be asked.
    async fn begin(&mut self) -> Result<Waiting, RunnerError> {
        let mut wait = self.options.retry_first;
        while let Err(error) = self.take_up().await {
            if !error.is_transient() {
                return Err(error);
            }
            // The store may be away when the process starts, and the desk goes on without its tables.
            observe::not_taken_up(&error, millis(wait));
            self.publish(State::Blocked { why: with_causes(&error) });
            if self.pause_for(&mut wait).await == Waiting::ToldToStop {
                return Ok(Waiting::ToldToStop);
            }
        }
        Ok(Waiting::Over)
    }

    async fn work(&mut self) -> Result<(), RunnerError> {
        if self.begin().await? == Waiting::ToldToStop {
            return Ok(());
        }
        observe::started(self.places.len(), self.least());
        let mut follow = self.log.follow(self.least().next(), Filter::all());
        let mut beat = tokio::time::interval(self.options.heartbeat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut wait = self.options.retry_first;
        let mut drain_to = None;
        let mut heard = Wish::Run;
        loop {
            // A wish may come at any time: before the first page, while one is folded, while an answer is awaited.
            let wish = *self.wish.borrow_and_update();
            if std::mem::replace(&mut heard, wish) != wish {
                self.heard(wish);
            }
            match wish {
                Wish::Stop => return Ok(()),
                Wish::Drain => {
                    let target = match drain_to {
                        Some(target) => target,
                        None => *drain_to.insert(self.log.head().await.unwrap_or(self.head)),
                    };
                    if self.least() >= target {
                        return Ok(());
                    }
                }
                Wish::Run | Wish::Pause => drain_to = None,
            }
            let records_max = self.records_max();
            tokio::select! {
                biased;
                _ = self.wish.changed() => {}
                _ = beat.tick() => {
                    self.beat().await;
                    if self.mended().await {
                        follow = self.log.follow(self.least().next(), Filter::all());
                    }
                }
                page = follow.next(records_max),
                    if wish != Wish::Pause => match page
                {
                    Ok(page) => {
                        if std::mem::replace(&mut wait, self.options.retry_first) > self.options.retry_first {
                            observe::log_recovered();
                        }
                        let page = self.gather(&mut *follow, page).await;
                        match self.take(page, wish).await? {
                            Waiting::Over => {}
                            Waiting::ToldToStop => return Ok(()),
                            Waiting::WentBack => {
                                follow = self.log.follow(self.least().next(), Filter::all());
                            }
                        }
                    }
                    Err(error) if error.is_transient() => {
                        observe::log_unavailable(&error, millis(wait));
                        self.publish(State::Blocked { why: with_causes(&error) });
                        if self.pause_for(&mut wait).await == Waiting::ToldToStop {
                            return Ok(());
                        }
                    }
                    Err(error) => return Err(error.into()),
                },
            }
        }
    }

    /// Finds out where every projection is. One that can't be taken up stops alone.
    async fn take_up(&mut self) -> Result<(), RunnerError> {
        self.head = self.log.head().await?;
        let parked = Parked::of(&*self.log).await?;
        self.faults.clear();
        self.crowded.clear();
        let all = self.places.len();
        for place in &mut self.places {
            let name = place.projection.name;
            let (at, found) = match taken_up(&*self.store, &place.projection).await {
                Ok(found) => found,
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    observe::projection_faulted(name, &error);
                    self.faults.insert(name, with_causes(&error));
                    *place = Place::start(place.projection);
                    if self.faults.len() == all {
                        return Err(error);
                    }
                    continue;
                }
            };
            of_this_log(&*self.log, self.head, name, &at).await?;
            *place = found.leaving_out(&parked);
        }
        self.publish(State::CatchingUp);
        Ok(())
    }

    fn heard(&self, wish: Wish) {
        let at = self.least();
        match wish {
            Wish::Pause => {
                observe::paused(at);
                self.publish(State::Paused);
            }
            Wish::Run => {
                observe::resumed(at);
                self.publish(self.working());
            }
            Wish::Drain => self.publish(State::Draining),
            Wish::Stop => {}
        }
    }

    /// Says that the runner is alive, with the head that the log has now.
    async fn beat(&mut self) {
        let state = self.status.borrow().state.clone();
        let head = self.log.head().await;
        let answers = head.is_ok();
        self.head = head.unwrap_or(self.head);
        self.publish(match state {
            State::CatchingUp | State::Live => self.working(),
            // Only the log can block between two pages, and an idle log brings no page to say that it is back.
            State::Blocked { .. } if answers => self.working(),
            State::Starting
            | State::Paused
            | State::Draining
            | State::Blocked { .. }
            | State::Ended
            | State::Faulted { .. } => state,
        });
    }

    /// Lets what follows from a first record come too: it comes within moments, and until then the machine is its
    /// own. Folding at once would cost every offer some of its time to answer.
    async fn gather(&self, follow: &mut dyn Follow, mut page: Page) -> Page {
        let room = self.options.batch_records_max.saturating_sub(page.records.len());
        if !page.caught_up() || page.records.is_empty() || room == 0 {
            return page;
        }
        tokio::time::sleep(self.options.gather).await;
        // Only what is there: an error comes again with the next page.
        if let Ok(Ok(more)) = tokio::time::timeout(Duration::ZERO, follow.next(room)).await {
            page.records.extend(more.records);
            (page.next, page.head) = (more.next, more.head);
        }
        page
    }

    /// Waits before trying again, and twice as long the next time.
    async fn pause_for(&mut self, wait: &mut Duration) -> Waiting {
        let until = Instant::now() + *wait;
        *wait = (*wait * 2).min(self.options.retry_max);
        loop {
            tokio::select! {
                biased;
                _ = self.wish.changed() => if *self.wish.borrow() == Wish::Stop {
                    return Waiting::ToldToStop;
                },
                () = tokio::time::sleep_until(until) => return Waiting::Over,
            }
        }
    }

    /// Everything up to here is in every table whose projection has no fault.
    fn least(&self) -> Position {
        let healthy = self.places.iter().filter(|place| !self.faults.contains_key(place.projection.name));
        healthy.map(|place| place.position).min().unwrap_or(self.head)
    }

    fn records_max(&self) -> usize {
        let behind = self.head.0.saturating_sub(self.least().0);
        let behind = usize::try_from(behind).unwrap_or(usize::MAX);
        let few = self.options.batch_records_max;
        if behind > few { few.max(self.options.catch_up_records_max) } else { few }
    }

    fn working(&self) -> State {
        if self.least() >= self.head { State::Live } else { State::CatchingUp }
    }

    fn publish(&self, state: State) {
        let behind_ms = |at: Timestamp| u64::try_from(self.clock.now().millis_since(at)).unwrap_or(0);
        let lag_ms = self.folded_recorded_at.map_or(0, behind_ms);
        let status = |Place { projection, position, .. }: &Place| ProjectionStatus {
            name: projection.name,
            version: projection.version,
            position: *position,
            lag_events: self.head.0.saturating_sub(position.0),
            lag_ms: if *position >= self.head { 0 } else { lag_ms },
            fault: self.faults.get(projection.name).cloned(),
        };
        let projections: Vec<_> = self.places.iter().map(status).collect();
        let (head, heartbeat_at) = (self.head, self.clock.now());
        let (kept_at, parked) = (self.kept_at, self.parked);
        self.status.send_replace(Status { state, head, heartbeat_at, kept_at, parked, projections });
    }
}

/// Where the store is with a projection, when its rows are of this version.
async fn taken_up(
    store: &dyn ReadStore,
    projection: &Registered,
) -> Result<(Checkpoint, Place), RunnerError> {
    let (at, place) = Place::of(store, projection).await?;
    if at.version != 0 && at.version != projection.version {
        return Err(RunnerError::Store(StoreError::OtherVersion {
            projection: projection.name.to_owned(),
            stored: at.version,
            offered: projection.version,
        }));
    }
    Ok((at, place))
}

/// Refuses rows that were folded from another log, or from more of it than there is.
async fn of_this_log(
    log: &dyn EventLog,
    head: Position,
    projection: &'static str,
    at: &Checkpoint,
) -> Result<(), RunnerError> {
    if at.position > head {
        return Err(RunnerError::AheadOfLog { projection, at: at.position, head });
    }
    if let Some(stored) = at.event_id {
        let found = event_at(log, at.position).await?;
        if found != Some(stored) {
            return Err(RunnerError::OtherLog { projection, at: at.position, stored, found });
        }
    }
    Ok(())
}

/// The id of the event at a place of the log.
async fn event_at(log: &dyn EventLog, at: Position) -> Result<Option<EventId>, LogError> {
    let page = log.read_all(at, &Filter::all(), 1).await?;
    Ok(page.records.first().filter(|record| record.position == at).map(|record| record.event_id))
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
