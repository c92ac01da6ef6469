//! Read models as of any position of the log: a kept state from before it, and the events in between folded onto it.
//!
//! [`Keeper`] keeps the states, behind the runner and independent of it; [`Past`] answers. Neither changes a table, and
//! no decision is made from either.

mod cache;
mod error;
mod keeper;
mod moment;
mod opening;
mod thin;
mod trouble;
mod view;

pub use error::PastError;
pub use keeper::{Keeper, KeeperOptions, Opened, Opener};
pub use moment::{AsOf, position, written};

use crate::compare;
use crate::observe;
use crate::projection::Registered;
use cache::Cache;
use opening::Opening;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use stele_domain::port::event_log::{EventLog, Position};
use stele_domain::port::read_store::ReadStore;
use stele_domain::port::state_store::{Fork, Histories, StateStore};
use stele_domain::time::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use view::View;

/// How past states are asked for.
#[derive(Debug, Clone)]
pub struct PastOptions {
    /// How many questions about the past are answered at once, whether or not a state has to be folded for them: room of
    /// their own, so that questions after what is now find theirs.
    pub readings_max: usize,
    /// How many states are folded at once.
    pub folds_max: usize,
    /// How many more questions may wait for that.
    pub waiting_max: usize,
    /// Most bytes of folded states that are remembered. One is, whatever its size.
    pub cache_bytes_max: usize,
    /// Most events that are folded for one question.
    pub fold_events_max: u64,
    /// Most bytes of memory that one folded state may take.
    pub fold_bytes_max: usize,
    /// Where the tables are behind: how long a question waits for them.
    pub tables_wait_max: Duration,
    /// How many events of the histories before the position are there at least, where the tables don't keep all of them.
    pub history_events_min: u64,
}

impl Default for PastOptions {
    fn default() -> Self {
        Self {
            readings_max: 8,
            folds_max: 2,
            waiting_max: 6,
            cache_bytes_max: 64 << 20,
            fold_events_max: 200_000,
            fold_bytes_max: 128 << 20,
            tables_wait_max: Duration::from_secs(5),
            history_events_min: 10_000,
        }
    }
}

/// Events that are folded between two looks at how much memory they take.
const STEP_EVENTS: u64 = 4_096;

/// Where the states are at the moment; nothing while they are being opened.
type Slot = RwLock<Option<Arc<Opening>>>;

/// Answers as of positions in the past.
pub struct Past {
    log: Arc<dyn EventLog>,
    live: Arc<dyn ReadStore>,
    /// What becomes of histories in a folded state: passed by where the tables keep all of them.
    histories: Histories,
    projections: &'static [Registered],
    options: PastOptions,
    states: Slot,
    cache: Mutex<Cache>,
    readings: Arc<Semaphore>,
    folds: Arc<Semaphore>,
    /// Those who fold and those who wait.
    askers: Arc<Semaphore>,
}

impl Past {
    /// Answers from `live` where it keeps whole histories, and from the states that a keeper will keep.
    #[must_use]
    pub fn new(
        log: Arc<dyn EventLog>,
        live: Arc<dyn ReadStore>,
        histories: Histories,
        projections: &'static [Registered],
        options: PastOptions,
    ) -> Arc<Self> {
        let cache = Mutex::new(Cache::of(options.cache_bytes_max));
        let readings = Arc::new(Semaphore::new(options.readings_max));
        let folds = Arc::new(Semaphore::new(options.folds_max));
        let askers = Arc::new(Semaphore::new(options.folds_max.saturating_add(options.waiting_max)));
        let states = Slot::default();
        Arc::new(Self { log, live, histories, projections, options, states, cache, readings, folds, askers })
    }

    /// A place among those who ask about the past, for as long as it is held.
    ///
    /// # Errors
    ///
    /// [`PastError::Busy`] when there is none.
    pub fn enter(&self) -> Result<Reader, PastError> {
        let place = Arc::clone(&self.readings).try_acquire_owned();
        place.map(Reader).map_err(|_| {
            let error = PastError::Busy;
            observe::past_refused(&error);
            error
        })
    }

    /// Every table as it was when the log ended at `position`.
    ///
    /// # Errors
    ///
    /// [`PastError`].
    pub async fn at(self: &Arc<Self>, position: Position) -> Result<Arc<dyn ReadStore>, PastError> {
        let head = self.log.head().await?;
        if position > head {
            return Err(PastError::BeyondHead { position, head });
        }
        if let Some(view) = self.cached(position) {
            return Ok(view);
        }
        let view = match self.turn().await {
            Ok(turn) => match self.cached(position) {
                // Folded by somebody else meanwhile.
                Some(view) => return Ok(view),
                None => self.folded(position, turn).await,
            },
            Err(error) => Err(error),
        };
        if let Err(error) = &view {
            observe::past_refused(error);
        }
        view.map(|view| view as Arc<dyn ReadStore>)
    }

    /// The position that is meant: itself, or the last record that was written down at or before a time.
    ///
    /// # Errors
    ///
    /// [`PastError`].
    pub async fn position(&self, as_of: AsOf, now: Timestamp) -> Result<Position, PastError> {
        position(&*self.log, as_of, now).await
    }

    /// The positions at which states are kept, rising.
    ///
    /// # Errors
    ///
    /// [`PastError::NotOpen`], [`PastError::Store`].
    pub async fn kept(&self) -> Result<Vec<Position>, PastError> {
        let opening = self.opening()?;
        Ok(opening.states().kept().await?)
    }

    /// The states, where they are open: for whoever compares their digests.
    ///
    /// # Errors
    ///
    /// [`PastError::NotOpen`].
    pub fn states(&self) -> Result<Arc<dyn StateStore>, PastError> {
        self.opening().map(|opening| Arc::clone(opening.states()))
    }

    fn opening(&self) -> Result<Arc<Opening>, PastError> {
        let slot = self.states.read().unwrap_or_else(PoisonError::into_inner);
        slot.clone().ok_or(PastError::NotOpen)
    }

    fn cached(&self, position: Position) -> Option<Arc<dyn ReadStore>> {
        let found = self.cache.lock().unwrap_or_else(PoisonError::into_inner).find(position);
        found.map(|view| view as Arc<dyn ReadStore>)
    }

    /// A place among those who fold. Who finds too many waiting does not wait.
    async fn turn(&self) -> Result<Turn, PastError> {
        let asker = Arc::clone(&self.askers).try_acquire_owned().map_err(|_| PastError::Busy)?;
        let fold = Arc::clone(&self.folds).acquire_owned().await.map_err(|_| PastError::Busy)?;
        Ok(Turn { _asker: asker, _fold: fold })
    }

    async fn folded(self: &Arc<Self>, position: Position, turn: Turn) -> Result<Arc<View>, PastError> {
        let began = Instant::now();
        let era = self.cache.lock().unwrap_or_else(PoisonError::into_inner).era();
        let opening = self.opening()?;
        let forked = self.forked(&opening, position, turn).await;
        let (fork, from) = forked.map_err(|error| opening.refused(error))?;
        let live = match self.histories {
            Histories::Keep => None,
            Histories::PassBy => {
                self.live_reached(position).await?;
                Some(Arc::clone(&self.live))
            }
        };
        observe::past_folded(position, from, began.elapsed());
        let bytes = fork.bytes();
        let view = Arc::new(View::of(fork, live, position, opening));
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.keep(position, Arc::clone(&view), bytes, era);
        drop(cache);
        Ok(view)
    }

    /// A state from before the position with what lies in between folded onto it, and where it began.
    async fn forked(
        self: &Arc<Self>,
        opening: &Arc<Opening>,
        position: Position,
        turn: Turn,
    ) -> Result<(Arc<dyn Fork>, Position), PastError> {
        let earlier = match self.histories {
            Histories::PassBy => position,
            Histories::Keep => Position(position.0.saturating_sub(self.options.history_events_min)),
        };
        let fork = opening.states().fork(earlier, self.histories).await?;
        let from = begun(&*fork).await?;
        if position.0.saturating_sub(from.0) > self.options.fold_events_max {
            return Err(PastError::TooFar { position, kept: from });
        }
        let past = Arc::clone(self);
        let (onto, held) = (Arc::clone(&fork), Arc::clone(opening));
        // On a thread of its own: folding is work, and the runtime's threads are the desk's. The turn goes with it: it ends
        // with the work, also when whoever asked has left. So do the states, which are let go of after their fork.
        let runtime = tokio::runtime::Handle::current();
        let folding = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let folded = runtime.block_on(past.fold(&*onto, from, position));
            drop(onto);
            drop(held);
            folded
        });
        folding.await.map_err(|ended| PastError::Ended(Box::new(ended)))??;
        Ok((fork, from))
    }

    /// Folds what lies between the state and the position, as long as there is memory for it.
    async fn fold(&self, onto: &dyn Fork, from: Position, position: Position) -> Result<(), PastError> {
        let mut at = from;
        let store: &dyn ReadStore = onto;
        while at < position {
            at = Position(at.0.saturating_add(STEP_EVENTS).min(position.0));
            compare::fold_to(&*self.log, store, self.projections, at, |_| {}).await?;
            if onto.bytes() > self.options.fold_bytes_max {
                return Err(PastError::TooFar { position, kept: from });
            }
        }
        Ok(())
    }

    /// The histories are read from the tables: these must have come as far.
    async fn live_reached(&self, position: Position) -> Result<(), PastError> {
        let until = Instant::now() + self.options.tables_wait_max;
        for projection in self.projections {
            let reached = self.live.reached(projection.name, position);
            if let Ok(reached) = tokio::time::timeout_at(until, reached).await {
                reached?;
                continue;
            }
            let at = self.live.checkpoint(projection.name).await?.position;
            return Err(PastError::TablesBehind { projection: projection.name, at, position });
        }
        Ok(())
    }

    /// What the keeper opened, or nothing any more. What was folded onto it is forgotten with it.
    fn put(&self, opening: Option<Arc<Opening>>) {
        *self.states.write().unwrap_or_else(PoisonError::into_inner) = opening;
        self.forget_folded();
    }

    /// Has nobody answered from what was folded until now.
    fn forget_folded(&self) {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A place among those who ask about the past, given back when it is dropped.
#[derive(Debug)]
pub struct Reader(#[expect(dead_code, reason = "held, never looked at")] OwnedSemaphorePermit);

/// A place among those who fold.
struct Turn {
    _asker: OwnedSemaphorePermit,
    _fold: OwnedSemaphorePermit,
}

/// Where a fork begins.
async fn begun(fork: &dyn Fork) -> Result<Position, PastError> {
    let mut from: Option<Position> = None;
    for schema in fork.schemas().iter().filter(|schema| !schema.shared) {
        let at = fork.checkpoint(schema.projection).await?.position;
        from = Some(from.map_or(at, |from| from.min(at)));
    }
    Ok(from.unwrap_or_default())
}
