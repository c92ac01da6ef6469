//! Follows the log and keeps every projection up to date: the only part of this crate that does I/O.
//!
//! All projections of a runner take the same pages in the same order, so between two pages they stand at one
//! position; each has its own checkpoint all the same, and one that starts behind the others catches up first.
//! A runner that finds somebody else at work on its projections stops.

mod error;
mod handle;
mod state;

pub use error::RunnerError;
pub use handle::{Handle, Hold, Waited};
pub use state::{ProjectionStatus, State, Status};

use crate::fold::{self, FoldError, Item, Place};
use crate::observe;
use crate::projection::Registered;
use handle::Wish;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::causes::with_causes;
use stele_domain::ids::EventId;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Filter, Follow, LogError, Page, Position};
use stele_domain::port::read_store::{Batch, ReadStore, StoreError};
use stele_domain::time::Timestamp;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, MissedTickBehavior};

/// How a runner works.
#[derive(Debug, Clone)]
pub struct Options {
    /// Most records that are folded between two checkpoints.
    pub batch_records_max: usize,
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

    async fn work(&mut self) -> Result<(), RunnerError> {
        let mut wait = self.options.retry_first;
        while let Err(error) = self.take_up().await {
            if !error.is_transient() {
                return Err(error);
            }
            // The store may be away when the process starts, and the desk goes on without its tables.
            observe::not_taken_up(&error, millis(wait));
            self.publish(State::Blocked { why: with_causes(&error) });
            if self.pause_for(&mut wait).await == Waiting::ToldToStop {
                return Ok(());
            }
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
            tokio::select! {
                biased;
                _ = self.wish.changed() => {}
                _ = beat.tick() => self.beat().await,
                page = follow.next(self.options.batch_records_max),
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

    /// Finds out where every projection is.
    async fn take_up(&mut self) -> Result<(), RunnerError> {
        self.head = self.log.head().await?;
        let mut ends = BTreeMap::new();
        for place in &mut self.places {
            let projection = place.projection;
            let (at, found) = Place::of(&*self.store, &projection).await?;
            if at.version != 0 && at.version != projection.version {
                return Err(RunnerError::Store(StoreError::OtherVersion {
                    projection: projection.name.to_owned(),
                    stored: at.version,
                    offered: projection.version,
                }));
            }
            if at.position > self.head {
                let (at, head) = (at.position, self.head);
                return Err(RunnerError::AheadOfLog { projection: projection.name, at, head });
            }
            *place = found;
            if let Some(stored) = at.event_id {
                ends.entry(at.position).or_insert((projection.name, stored));
            }
        }
        for (at, (projection, stored)) in ends {
            let found = event_at(&*self.log, at).await?;
            if found != Some(stored) {
                return Err(RunnerError::OtherLog { projection, at, stored, found });
            }
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

    /// Folds a page into every projection.
    async fn take(&mut self, page: Page, wish: Wish) -> Result<Waiting, RunnerError> {
        let to = Position(page.next.0.saturating_sub(1));
        let recorded_at = page.records.last().map(|record| record.recorded_at);
        let end = page.records.last().filter(|record| record.position == to).map(|record| record.event_id);
        let items = fold::read(page.records);
        let turn = self.turn.clone();
        let _turn = turn.lock().await;
        if self.own.has_others() {
            return self.look_anew().await;
        }
        let advanced = self.advance(&items, to, end).await?;
        if advanced != Waiting::Over {
            return Ok(advanced);
        }
        self.head = page.head.max(self.head);
        self.folded_recorded_at = recorded_at.or(self.folded_recorded_at);
        self.kept_at = Some(self.clock.now());
        let state = if wish == Wish::Drain { State::Draining } else { self.working() };
        if state == State::Live {
            observe::caught_up(self.head);
        }
        self.publish(state);
        Ok(Waiting::Over)
    }

    /// Brings every projection to `to`, however often the store has to be asked.
    async fn advance(
        &mut self,
        items: &[Item],
        to: Position,
        end: Option<EventId>,
    ) -> Result<Waiting, RunnerError> {
        let mut wait = self.options.retry_first;
        loop {
            match self.keep(items, to, end).await {
                Ok(()) => {
                    if wait > self.options.retry_first {
                        observe::store_recovered();
                    }
                    return Ok(Waiting::Over);
                }
                Err(error) if error.is_transient() => {
                    observe::store_unavailable(&error, millis(wait));
                    self.publish(State::Blocked { why: with_causes(&error) });
                    if self.pause_for(&mut wait).await == Waiting::ToldToStop {
                        return Ok(Waiting::ToldToStop);
                    }
                    self.look_again(to).await;
                }
                Err(error) if error.went_back() => return self.go_back(&error).await,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Folds and keeps what is missing up to `to`, all projections in one go where the store can.
    async fn keep(&mut self, items: &[Item], to: Position, end: Option<EventId>) -> Result<(), FoldError> {
        let mut batches = vec![];
        let mut folded = vec![];
        let mut parked = vec![];
        let mut trouble = None;
        for (i, place) in self.places.iter().enumerate().filter(|(_, place)| place.position < to) {
            match place.fold(&*self.store, items, to).await {
                Ok(made) => {
                    batches.push(Batch { event_id: end, ..made.batch });
                    folded.push((i, made.digests));
                    parked.extend(made.parked);
                }
                // What is folded is kept all the same: on a bad line, progress must not need a long run of luck.
                Err(error) if error.is_transient() => {
                    trouble = Some(error);
                    break;
                }
                Err(error) => return Err(error),
            }
            // Folding from zero is long work; others on this thread get their turn.
            tokio::task::yield_now().await;
        }
        let at = self.least();
        self.store.apply_all(batches).await.map_err(|source| FoldError::Keep { at, source })?;
        for (i, digests) in folded {
            self.places[i].kept(to, digests);
        }
        // Told once, when it is kept: a store that is away makes the same events be folded again.
        for row in &parked {
            observe::parked(row);
        }
        self.parked = self.parked.saturating_add(u64::try_from(parked.len()).unwrap_or(u64::MAX));
        trouble.map_or(Ok(()), Err)
    }

    /// Batches may have been kept although nobody said so.
    async fn look_again(&mut self, to: Position) {
        for place in self.places.iter_mut().filter(|place| place.position < to) {
            if let Ok((at, found)) = Place::of(&*self.store, &place.projection).await
                && at.position == to
            {
                *place = found;
            }
        }
    }

    /// The store lost its last batches in a crash: they are folded again.
    async fn go_back(&mut self, error: &FoldError) -> Result<Waiting, RunnerError> {
        let before = self.least();
        let looked = self.look_anew().await?;
        if looked == Waiting::WentBack {
            observe::went_back(error, before, self.least());
        }
        Ok(looked)
    }

    /// Finds out again where the tables are, however often the store has to be asked.
    async fn look_anew(&mut self) -> Result<Waiting, RunnerError> {
        let mut wait = self.options.retry_first;
        loop {
            match self.take_up().await {
                Ok(()) => return Ok(Waiting::WentBack),
                Err(passing) if passing.is_transient() => {
                    self.publish(State::Blocked { why: with_causes(&passing) });
                    if self.pause_for(&mut wait).await == Waiting::ToldToStop {
                        return Ok(Waiting::ToldToStop);
                    }
                }
                Err(other) => return Err(other),
            }
        }
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

    /// Everything up to here is in every table.
    fn least(&self) -> Position {
        self.places.iter().map(|place| place.position).min().unwrap_or(self.head)
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
        };
        let projections: Vec<_> = self.places.iter().map(status).collect();
        let (head, heartbeat_at) = (self.head, self.clock.now());
        let (kept_at, parked) = (self.kept_at, self.parked);
        self.status.send_replace(Status { state, head, heartbeat_at, kept_at, parked, projections });
    }
}

/// The id of the event at a place of the log.
async fn event_at(log: &dyn EventLog, at: Position) -> Result<Option<EventId>, LogError> {
    let page = log.read_all(at, &Filter::all(), 1).await?;
    Ok(page.records.first().filter(|record| record.position == at).map(|record| record.event_id))
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
