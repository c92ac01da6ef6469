//! Keeps a state of the tables every so many events: behind the log, in bursts, with rests in between.

use super::{Past, PastError, thin};
use crate::compare;
use crate::observe;
use crate::parking::{self, Parked};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{Filter, Follow, Page, Position};
use stele_domain::port::read_store::{Batch, ReadStore, StoreError};
use stele_domain::port::state_store::{Histories, StateStore};
use tokio::sync::watch;
use tokio::time::Instant;

/// Records that are folded between two rests.
const STEP_RECORDS: u64 = 512;

/// Facts about parked events that are read in one go.
const FACTS_PAGE: usize = 100;

/// How states are kept.
#[derive(Debug, Clone)]
pub struct KeeperOptions {
    /// How many events lie between two states.
    pub every_events: u64,
    /// Most states that are kept: when there are more, a quarter of them is forgotten, those that leave the smallest gaps.
    pub states_max: usize,
    /// Most bytes that they may take on the disk: when they take more, half of them are forgotten, until only the newest two
    /// are left; then no more are kept.
    pub disk_bytes_max: u64,
    /// How long is rested after some work, in percent of the time that the work took.
    pub rest_percent: u32,
    /// First wait after something failed; doubles each time.
    pub retry_first: Duration,
    /// Longest such wait.
    pub retry_max: Duration,
}

impl Default for KeeperOptions {
    fn default() -> Self {
        Self {
            every_events: 10_000,
            states_max: 4_096,
            disk_bytes_max: 16 << 30,
            rest_percent: 100,
            retry_first: Duration::from_secs(1),
            retry_max: Duration::from_mins(1),
        }
    }
}

/// How the states are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// As they are.
    AsTheyAre,
    /// Empty: what stood there is thrown away.
    Anew,
}

/// Opens the states. Blocks; the words of an error are for people, and whether beginning anew mends it stands beside them.
pub type Opener = Arc<dyn Fn(Opened) -> Result<Arc<dyn StateStore>, (String, bool)> + Send + Sync>;

/// Keeps the states of a [`Past`].
pub struct Keeper {
    past: Arc<Past>,
    open: Opener,
    options: KeeperOptions,
    stop: watch::Receiver<bool>,
}

/// Why a stretch was not kept, and what helps.
enum Trouble {
    /// Waiting may help.
    Passing(String),
    /// The states are of another log, or damaged: they are made anew.
    Worthless(String),
}

impl Keeper {
    /// A keeper, and what ends it. Nothing happens before [`Keeper::run`].
    #[must_use]
    pub fn new(past: Arc<Past>, open: Opener, options: KeeperOptions) -> (Self, watch::Sender<bool>) {
        let (end, stop) = watch::channel(false);
        (Self { past, open, options, stop }, end)
    }

    /// Keeps states until it is told to end. Whatever goes wrong is said and tried again; nobody waits for it.
    pub async fn run(mut self) {
        let mut how = Opened::AsTheyAre;
        let mut wait = self.options.retry_first;
        // Whether they were thrown away and nothing was kept since: then what makes them worthless may last.
        let mut bare = false;
        while !*self.stop.borrow() {
            let trouble = match self.opened(how).await {
                Ok(states) => {
                    how = Opened::AsTheyAre;
                    let trouble = self.keep(&states, &mut wait, &mut bare).await;
                    self.past.put(None);
                    trouble
                }
                Err(trouble) => Some(trouble),
            };
            match trouble {
                None => return,
                Some(Trouble::Worthless(why)) => {
                    how = Opened::Anew;
                    if std::mem::replace(&mut bare, true) {
                        self.rest_before_again(&why, &mut wait).await;
                    } else {
                        observe::states_thrown_away(&why);
                    }
                }
                Some(Trouble::Passing(why)) => self.rest_before_again(&why, &mut wait).await,
            }
        }
    }

    async fn rest_before_again(&mut self, why: &str, wait: &mut Duration) {
        observe::states_not_kept(why, *wait);
        self.rest(*wait).await;
        *wait = (*wait * 2).min(self.options.retry_max);
    }

    async fn opened(&self, how: Opened) -> Result<Arc<dyn StateStore>, Trouble> {
        let open = Arc::clone(&self.open);
        let opened = tokio::task::spawn_blocking(move || open(how)).await;
        let opened = opened.map_err(|ended| Trouble::Passing(ended.to_string()))?;
        opened.map_err(|(why, mended)| if mended { Trouble::Worthless(why) } else { Trouble::Passing(why) })
    }

    /// Keeps states until there is a reason not to; `None` when told to end.
    async fn keep(
        &mut self,
        states: &Arc<dyn StateStore>,
        wait: &mut Duration,
        bare: &mut bool,
    ) -> Option<Trouble> {
        let mut at = match self.recognised(&**states).await {
            Ok(at) => at,
            Err(trouble) => return Some(trouble),
        };
        let mut facts = match self.facts(at).await {
            Ok(facts) => facts,
            Err(trouble) => return Some(trouble),
        };
        self.past.put(Some(Arc::clone(states)));
        observe::states_open(at);
        loop {
            let next = Position(at.0.saturating_add(self.options.every_events));
            match self.awaited(at, next, &mut *facts).await {
                Ok(true) => {}
                Ok(false) => return None,
                Err(trouble) => return Some(trouble),
            }
            match self.room(&**states).await {
                Ok(true) => {}
                Ok(false) => {
                    let bytes = self.options.disk_bytes_max;
                    observe::states_not_kept(
                        &format!("the newest two take more than {bytes} bytes"),
                        self.options.retry_max,
                    );
                    if self.rest(self.options.retry_max).await {
                        return None;
                    }
                    continue;
                }
                Err(error) => return Some(trouble(&error)),
            }
            let began = Instant::now();
            match self.stretch(&**states, at, next).await {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(trouble(&error)),
            }
            (*wait, *bare) = (self.options.retry_first, false);
            at = next;
            let bytes = states.disk_bytes().await.unwrap_or(0);
            observe::state_kept(at, bytes, began.elapsed());
        }
    }

    /// Makes room for one more state; false when there is none and nothing to forget.
    async fn room(&self, states: &dyn StateStore) -> Result<bool, PastError> {
        let kept = states.kept().await?;
        if kept.len() >= self.options.states_max {
            forget(states, &kept, self.options.states_max / 4 * 3).await?;
        }
        loop {
            let bytes = states.disk_bytes().await?;
            if bytes <= self.options.disk_bytes_max {
                return Ok(true);
            }
            let kept = states.kept().await?;
            if kept.len() <= 2 {
                return Ok(false);
            }
            forget(states, &kept, kept.len() / 2).await?;
            if states.kept().await?.len() == kept.len() {
                // Somebody reads those that could go: the next time.
                return Ok(true);
            }
        }
    }

    /// Where the states end, when they are of this log.
    async fn recognised(&self, states: &dyn StateStore) -> Result<Position, Trouble> {
        let newest = states.fork(Position(u64::MAX), Histories::PassBy).await;
        let newest = newest.map_err(|error| trouble(&error.into()))?;
        let at = super::begun(&*newest).await.map_err(|error| trouble(&error))?;
        for schema in states.schemas().iter().filter(|schema| !schema.shared) {
            let checkpoint = newest.checkpoint(schema.projection).await;
            let checkpoint = checkpoint.map_err(|error| trouble(&error.into()))?;
            let here = self.event_at(checkpoint.position).await.map_err(|error| trouble(&error))?;
            if checkpoint.position != at || checkpoint.event_id != here {
                let why = format!("the states up to position {} are not of this log", checkpoint.position);
                return Err(Trouble::Worthless(why));
            }
        }
        Ok(at)
    }

    /// What is said of parked events from now on. States that may have been folded before something was said of an event in
    /// them are worth nothing: when they were folded, nobody knows any more.
    async fn facts(&self, newest: Position) -> Result<Box<dyn Follow>, Trouble> {
        let log = &self.past.log;
        let head = log.head().await.map_err(|error| trouble(&error.into()))?;
        let mut late = None;
        let told = Parked::told(&**log, |recorded, fact| {
            if recorded.position > newest && fact.position() <= newest {
                late = late.or(Some(fact.position()));
            }
        });
        told.await.map_err(|error| trouble(&error.into()))?;
        match late {
            Some(position) => Err(parked_since(position)),
            None => Ok(log.follow(head.next(), parking::filter())),
        }
    }

    async fn event_at(&self, position: Position) -> Result<Option<EventId>, PastError> {
        if position == Position::START {
            return Ok(None);
        }
        let page = self.past.log.read_all(position, &Filter::all(), 1).await?;
        let found = page.records.first().filter(|record| record.position == position);
        Ok(found.map(|record| record.event_id))
    }

    /// Waits until the log has come to `position`, when the newest state is at `newest`; false when told to end before.
    async fn awaited(
        &mut self,
        newest: Position,
        position: Position,
        facts: &mut dyn Follow,
    ) -> Result<bool, Trouble> {
        let mut follow = self.past.log.follow(position, Filter::all());
        loop {
            tokio::select! {
                biased;
                _ = self.stop.wait_for(|stop| *stop) => return Ok(false),
                () = self.past.spoiled.notified() => {
                    return Err(Trouble::Worthless("somebody found them damaged".to_owned()));
                }
                page = facts.next(FACTS_PAGE) => match page {
                    Ok(page) => heard(&self.past, newest, &page)?,
                    Err(error) => return Err(trouble(&error.into())),
                },
                page = follow.next(1) => match page {
                    Ok(page) => {
                        observe::states_behind(newest, page.head);
                        if page.head >= position {
                            return Ok(true);
                        }
                    }
                    Err(error) => return Err(trouble(&error.into())),
                },
            }
        }
    }

    /// Folds one stretch and keeps what it comes to; false when told to end before.
    async fn stretch(
        &mut self,
        states: &dyn StateStore,
        from: Position,
        to: Position,
    ) -> Result<bool, PastError> {
        let fork = states.fork(from, Histories::PassBy).await?;
        let onto: &dyn ReadStore = &*fork;
        let mut at = from;
        while at < to {
            let began = Instant::now();
            at = Position(at.0.saturating_add(STEP_RECORDS).min(to.0));
            compare::fold_to(&*self.past.log, onto, self.past.projections, at, |_| {}).await?;
            if self.rest(began.elapsed() * self.options.rest_percent / 100).await {
                return Ok(false);
            }
        }
        let event_id = self.event_at(to).await?;
        let named = |batch: Batch| Batch { event_id, ..batch };
        states.keep(fork.changes()?.into_iter().map(named).collect()).await?;
        Ok(true)
    }

    /// Rests for a while; true when told to end.
    async fn rest(&mut self, span: Duration) -> bool {
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => true,
            () = tokio::time::sleep(span) => false,
        }
    }
}

/// Forgets so many of the states that at most `most` are left.
async fn forget(states: &dyn StateStore, kept: &[Position], most: usize) -> Result<(), PastError> {
    let began = Instant::now();
    let gone = thin::forgotten(kept, most);
    let count = gone.len();
    states.forget(gone).await?;
    observe::states_forgotten(count, states.disk_bytes().await?, began.elapsed());
    Ok(())
}

/// Folded states are not what follows from the log any more when something new is said of parked events, and neither are
/// kept ones with the event in them.
fn heard(past: &Past, newest: Position, page: &Page) -> Result<(), Trouble> {
    for (_, fact) in page.records.iter().filter_map(parking::fact) {
        past.forget_folded();
        if fact.position() <= newest {
            return Err(parked_since(fact.position()));
        }
    }
    Ok(())
}

fn parked_since(position: Position) -> Trouble {
    Trouble::Worthless(format!(
        "what is said of the parked event at position {position} is newer than they are"
    ))
}

fn trouble(error: &PastError) -> Trouble {
    let words = stele_domain::causes::with_causes(error);
    if error.is_damage() {
        return Trouble::Worthless(words);
    }
    match error {
        PastError::Store(
            StoreError::Damaged(_)
            | StoreError::Conflict { .. }
            | StoreError::OtherVersion { .. }
            | StoreError::Undigested { .. }
            | StoreError::UnknownProjection(_)
            | StoreError::UnknownTable(_)
            | StoreError::BadQuery { .. }
            | StoreError::Misfit(_)
            | StoreError::Refused { .. }
            | StoreError::Invalid(_),
        ) => Trouble::Worthless(words),
        PastError::Store(
            StoreError::Unavailable(_)
            | StoreError::Elsewhere(_)
            | StoreError::Rebuilding { .. }
            | StoreError::OldTables { .. },
        )
        | PastError::BeyondHead { .. }
        | PastError::Future { .. }
        | PastError::Busy
        | PastError::NotOpen
        | PastError::TooFar { .. }
        | PastError::TablesBehind { .. }
        | PastError::Log(_)
        | PastError::Fold(_)
        | PastError::Ended(_) => Trouble::Passing(words),
    }
}
