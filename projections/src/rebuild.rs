//! Folding projections anew while their tables serve: from zero into next tables, compared with the live ones at one
//! position, and swapped for them. Nobody who reads notices; a rebuild that is cut short goes on where it was.
//!
//! What the next tables are and how they take the place of the live ones is the store's
//! ([`Rebuilding`]); nothing here knows of schemas or locks.

mod compare;
mod error;
mod fill;
mod service;
mod settle;
mod tell;

pub use compare::{Compared, PartDifference, Side};
pub use error::RebuildError;
pub use service::{Known, Rebuilds};

use crate::fold::Place;
use crate::observe;
use crate::parking::Parked;
use crate::projection::Registered;
use crate::runner::Handle;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::causes::with_causes;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Position};
use stele_domain::port::read_store::{Claim, ReadStore, RebuildPhase, Rebuilding, StoreError, Wanted};
use tell::Told;
use tokio::time::Instant;

/// How a rebuild works.
#[derive(Debug, Clone)]
pub struct Options {
    /// Most records that are folded between two checkpoints of the next tables.
    pub batch_records_max: usize,
    /// How many projections are written at once.
    pub writers: usize,
    /// How often it says how far it is.
    pub tell: Duration,
    /// From how many missing records on the live runner is not yet held for the rest.
    pub close: u64,
    /// Longest wait of a swap for those who read; others wait behind it meanwhile.
    pub swap_patience: Duration,
    /// Pause between two tries to swap.
    pub swap_pause: Duration,
    /// How long the live tables may be behind the next ones, or be read without a pause, before it is given up.
    pub settle: Duration,
    /// First wait after the log or the store did not answer; doubles each time.
    pub retry_first: Duration,
    /// Longest such wait.
    pub retry_max: Duration,
    /// How long the log or the store may be away before it is given up.
    pub outage: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            batch_records_max: 4_096,
            writers: 4,
            tell: Duration::from_secs(1),
            close: 1_024,
            swap_patience: Duration::from_millis(20),
            swap_pause: Duration::from_millis(50),
            settle: Duration::from_mins(1),
            retry_first: Duration::from_millis(100),
            retry_max: Duration::from_secs(5),
            outage: Duration::from_mins(5),
        }
    }
}

/// What is asked for.
#[derive(Clone)]
pub struct Asked {
    /// Which.
    pub projections: Vec<Registered>,
    /// Who asks, for whoever is refused meanwhile.
    pub by: String,
    /// Whether what an interrupted rebuild has left is thrown away.
    pub from_zero: bool,
    /// Whether tables are swapped that differ: the next ones follow from the log, whatever the live ones are.
    pub despite_difference: bool,
}

/// How the rebuild of one projection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Which.
    pub projection: &'static str,
    /// The definition that was folded.
    pub version: u32,
    /// The definition of the rows that served.
    pub live_version: u32,
    /// Where they were compared.
    pub position: Position,
    /// What the comparison said.
    pub compared: Compared,
    /// How long the swap took, waiting for readers included; `None` when nothing was swapped.
    pub swap: Option<Duration>,
}

/// What a rebuild stands on.
#[derive(Clone)]
pub struct Rebuilder {
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// The live tables.
    pub live: Arc<dyn ReadStore>,
    /// The next ones.
    pub tables: Arc<dyn Rebuilding>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The runner of the live tables; `None` when it is in another process, or nowhere.
    pub runner: Option<Handle>,
    /// How.
    pub options: Options,
}

/// A rebuild that has its next tables. Dropping it interrupts it.
pub struct Job {
    parts: Rebuilder,
    asked: Asked,
    claim: Option<Box<dyn Claim>>,
    told: Told,
    done: Vec<Outcome>,
    /// What is being swapped, until it is known whether it was.
    swapping: Option<Outcome>,
    /// Shown to whoever watches this process, while it is.
    at_work: Option<observe::Rebuilt>,
}

impl Rebuilder {
    /// Takes the next tables of all that is asked for, or says why not. Nothing is folded before [`Job::run`].
    ///
    /// # Errors
    ///
    /// [`RebuildError::Store`] with [`StoreError::Rebuilding`] when somebody is at it, with [`StoreError::OldTables`]
    /// when replaced tables are still there.
    pub async fn begin(&self, asked: Asked) -> Result<Job, RebuildError> {
        let told = Told::of(&asked, &*self.live, self.clock.now()).await?;
        let mut job = Job {
            parts: self.clone(),
            asked,
            claim: None,
            told,
            done: vec![],
            swapping: None,
            at_work: None,
        };
        let claim = job.claimed(job.asked.from_zero).await?;
        job.tell_all(&*claim, RebuildPhase::Folding).await?;
        job.claim = Some(claim);
        job.at_work = Some(observe::Rebuilt::begins(&job.asked.projections));
        for projection in &job.asked.projections {
            observe::rebuild_begins(projection.name, projection.version, &job.asked.by);
        }
        Ok(job)
    }
}

impl Job {
    /// Folds, compares and swaps; an outage is waited for. What came of each projection, in the order asked.
    ///
    /// # Errors
    ///
    /// [`RebuildError`]; what was folded stays for the next rebuild, and what was swapped is swapped.
    pub async fn run(mut self) -> Result<Vec<Outcome>, RebuildError> {
        let mut wait = self.parts.options.retry_first;
        let mut moved = (Instant::now(), self.told.least());
        loop {
            match self.once().await {
                Ok(()) => return Ok(self.done),
                Err(error) => {
                    if self.told.least() > moved.1 {
                        moved = (Instant::now(), self.told.least());
                        wait = self.parts.options.retry_first;
                    }
                    if !error.is_transient() || moved.0.elapsed() > self.parts.options.outage {
                        return Err(self.gave_up(error).await);
                    }
                    observe::rebuild_waits(&error, wait);
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(self.parts.options.retry_max);
                }
            }
        }
    }

    /// All that is left to do, as far as it goes.
    async fn once(&mut self) -> Result<(), RebuildError> {
        let claim = if let Some(claim) = self.claim.take() {
            claim
        } else {
            // It was lost with its connection, and what is in the tables is still there.
            self.find_the_lost_swap().await?;
            if self.left().is_empty() {
                return Ok(());
            }
            self.claimed(false).await?
        };
        let next = claim.next();
        let parked = Parked::of(&*self.parts.log).await?;
        let mut places = vec![];
        for projection in self.left() {
            places.push(Place::of(&*next, &projection).await?.1.leaving_out(&parked));
        }
        let projections = self.left();
        let looked = compare::live_rows(&self.parts, &projections);
        let filled = self.filled(&*claim, places);
        let (looked, places) = tokio::join!(looked, filled);
        let (mut looked, places) = (looked?, places?);
        for place in places {
            let differences = looked.remove(place.projection.name).unwrap_or_default();
            let outcome = self.settled(&*claim, place, differences).await?;
            self.swapping = None;
            self.done.push(outcome);
        }
        Ok(())
    }

    /// A swap whose answer was lost has happened when what it replaces is there.
    async fn find_the_lost_swap(&mut self) -> Result<(), RebuildError> {
        let Some(outcome) = self.swapping.clone() else { return Ok(()) };
        let old = self.parts.tables.old_tables().await?;
        if old.iter().any(|old| old.projection == outcome.projection) {
            self.done.push(outcome);
        }
        self.swapping = None;
        Ok(())
    }

    fn left(&self) -> Vec<Registered> {
        let done = |projection: &&Registered| self.done.iter().all(|done| done.projection != projection.name);
        self.asked.projections.iter().filter(done).copied().collect()
    }

    async fn claimed(&self, from_zero: bool) -> Result<Box<dyn Claim>, RebuildError> {
        let projections = self.left().iter().map(|projection| projection.name).collect();
        let wanted = Wanted { projections, by: self.asked.by.clone(), from_zero };
        Ok(self.parts.tables.claim(wanted).await?)
    }

    /// Says why it ended to whoever looks later, if it can be said.
    async fn gave_up(&self, error: RebuildError) -> RebuildError {
        let why = with_causes(&error);
        observe::rebuild_ended_early(&error, self.left().len());
        if let Ok(claim) = self.claimed(false).await {
            for projection in self.left() {
                let note =
                    self.told.note(projection.name, RebuildPhase::Interrupted, &why, self.parts.clock.now());
                if let Some(note) = note
                    && claim.note(note).await.is_err()
                {
                    break;
                }
            }
        }
        error
    }

    async fn tell_all(&self, claim: &dyn Claim, phase: RebuildPhase) -> Result<(), StoreError> {
        for projection in self.left() {
            if let Some(note) = self.told.note(projection.name, phase, "", self.parts.clock.now()) {
                observe::rebuild_is(&note);
                claim.note(note).await?;
            }
        }
        Ok(())
    }
}

/// Differences by projection.
type Differences = BTreeMap<&'static str, Vec<PartDifference>>;
