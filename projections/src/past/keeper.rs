//! Keeps a state of the tables every so many events: behind the log, in bursts, with rests in between.

use super::opening::Opening;
use super::trouble::Trouble;
use super::{Past, PastError, thin};
use crate::compare;
use crate::observe;
use crate::parking::{self, Parked};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{EventLog, Filter, Follow, LogError, Page, Position};
use stele_domain::port::read_store::{Batch, ReadStore};
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
    /// How long those who still read states are waited for before these are thrown away, or opened again.
    pub readers_wait_max: Duration,
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
            readers_wait_max: Duration::from_secs(10),
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
/// States that somebody still reads are not thrown away: that is an error, and passes.
pub type Opener = Arc<dyn Fn(Opened) -> Result<Arc<dyn StateStore>, (String, bool)> + Send + Sync>;

/// Keeps the states of a [`Past`].
pub struct Keeper {
    past: Arc<Past>,
    open: Opener,
    options: KeeperOptions,
    stop: watch::Receiver<bool>,
}

/// States that stand open and are kept.
struct Keeping<'k> {
    opening: &'k Arc<Opening>,
    /// Where the newest one is; nothing where one was written and it is not known whether it is there.
    newest: Option<Position>,
    facts: Facts,
}

/// What came of a try to keep one more state.
enum Step {
    Kept,
    NoRoom,
    ToldToEnd,
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
                    let (opening, left) = Opening::of(states);
                    let trouble = self.keep(&opening, &mut wait, &mut bare).await;
                    self.past.put(None);
                    drop(opening);
                    if trouble.is_some() {
                        self.until_unread(&left).await;
                    }
                    trouble
                }
                Err(trouble) => Some(trouble),
            };
            match trouble {
                None => return,
                Some(Trouble::Shut) => {}
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
        let span = self.doubling(wait);
        observe::states_not_kept(why, span);
        self.rest(span).await;
    }

    /// How long is waited now; the next time it is twice as long.
    fn doubling(&self, wait: &mut Duration) -> Duration {
        let now = *wait;
        *wait = (now * 2).min(self.options.retry_max);
        now
    }

    async fn opened(&self, how: Opened) -> Result<Arc<dyn StateStore>, Trouble> {
        let open = Arc::clone(&self.open);
        let opened = tokio::task::spawn_blocking(move || open(how)).await;
        let opened = opened.map_err(|ended| Trouble::Passing(ended.to_string()))?;
        opened.map_err(|(why, mended)| if mended { Trouble::Worthless(why) } else { Trouble::Passing(why) })
    }

    /// Waits until nobody reads the states any more. Who reads too long is not waited for: then it is the opener who finds
    /// them in use.
    async fn until_unread(&mut self, left: &watch::Sender<()>) {
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => {}
            () = left.closed() => {}
            () = tokio::time::sleep(self.options.readers_wait_max) => {}
        }
    }

    /// Keeps states until there is a reason not to; `None` when told to end. Once they are open, what passes is waited for while
    /// they stand open: those who ask are answered.
    async fn keep(
        &mut self,
        opening: &Arc<Opening>,
        wait: &mut Duration,
        bare: &mut bool,
    ) -> Option<Trouble> {
        let states = &**opening.states();
        let at = match self.recognised(states).await {
            Ok(at) => at,
            Err(trouble) => return Some(trouble),
        };
        let facts = match self.facts(at).await {
            Ok(facts) => facts,
            Err(trouble) => return Some(trouble),
        };
        self.past.put(Some(Arc::clone(opening)));
        observe::states_open(at);
        let mut keeping = Keeping { opening, newest: Some(at), facts };
        loop {
            let (why, span) = match self.step(&mut keeping).await {
                Ok(Step::Kept) => {
                    (*wait, *bare) = (self.options.retry_first, false);
                    continue;
                }
                Ok(Step::NoRoom) => {
                    let bytes = self.options.disk_bytes_max;
                    (format!("the newest two take more than {bytes} bytes"), self.options.retry_max)
                }
                Ok(Step::ToldToEnd) => return None,
                Err(Trouble::Passing(why)) => (why, self.doubling(wait)),
                Err(trouble @ (Trouble::Shut | Trouble::Worthless(_))) => return Some(trouble),
            };
            observe::states_not_kept(&why, span);
            match self.rest_open(span, &mut keeping).await {
                Ok(true) => return None,
                Ok(false) if states.is_writable() => {}
                Ok(false) => return Some(Trouble::Shut),
                Err(trouble) => return Some(trouble),
            }
        }
    }

    /// Keeps one more state, when the log has come far enough.
    async fn step(&mut self, keeping: &mut Keeping<'_>) -> Result<Step, Trouble> {
        let opening = keeping.opening;
        let states = &**opening.states();
        let at = match keeping.newest {
            Some(at) => at,
            None => self.recognised(states).await?,
        };
        keeping.newest = Some(at);
        let next = Position(at.0.saturating_add(self.options.every_events));
        if !self.awaited(at, next, keeping).await? {
            return Ok(Step::ToldToEnd);
        }
        if !self.room(states).await.map_err(|error| Trouble::of(&error))? {
            return Ok(Step::NoRoom);
        }
        let began = Instant::now();
        let Some(changes) = self.stretch(states, at, next).await.map_err(|error| Trouble::of(&error))? else {
            return Ok(Step::ToldToEnd);
        };
        if let Err(error) = states.keep(changes).await {
            // It may be there all the same.
            keeping.newest = self.recognised(states).await.ok();
            return Err(Trouble::of(&error.into()));
        }
        keeping.newest = Some(next);
        let bytes = states.disk_bytes().await.unwrap_or(0);
        observe::state_kept(next, bytes, began.elapsed());
        Ok(Step::Kept)
    }

    /// Rests while the states stand open, and hears what makes them worthless meanwhile; true when told to end.
    async fn rest_open(&mut self, span: Duration, keeping: &mut Keeping<'_>) -> Result<bool, Trouble> {
        let now = Instant::now();
        let until = now + span;
        let mut listens_at = now;
        loop {
            // A fact is heard once: not before it is known which states it is beside.
            let (newest, known) = (keeping.newest.unwrap_or_default(), keeping.newest.is_some());
            let listens = known && listens_at <= Instant::now();
            tokio::select! {
                biased;
                _ = self.stop.wait_for(|stop| *stop) => return Ok(true),
                () = keeping.opening.spoiled() => return Err(Trouble::spoiled()),
                () = tokio::time::sleep_until(until) => return Ok(false),
                page = keeping.facts.next(), if listens => match page {
                    Ok(page) => heard(&self.past, newest, &page)?,
                    Err(_) => listens_at = Instant::now() + self.options.retry_first,
                },
                () = tokio::time::sleep_until(listens_at), if known && !listens => {}
            }
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
        let newest = newest.map_err(|error| Trouble::of(&error.into()))?;
        let at = super::begun(&*newest).await.map_err(|error| Trouble::of(&error))?;
        for schema in states.schemas().iter().filter(|schema| !schema.shared) {
            let checkpoint = newest.checkpoint(schema.projection).await;
            let checkpoint = checkpoint.map_err(|error| Trouble::of(&error.into()))?;
            let here = self.event_at(checkpoint.position).await.map_err(|error| Trouble::of(&error))?;
            if checkpoint.position != at || checkpoint.event_id != here {
                let why = format!("the states up to position {} are not of this log", checkpoint.position);
                return Err(Trouble::Worthless(why));
            }
        }
        Ok(at)
    }

    /// What is said of parked events from now on. States that may have been folded before something was said of an event in
    /// them are worth nothing: when they were folded, nobody knows any more.
    async fn facts(&self, newest: Position) -> Result<Facts, Trouble> {
        let log = &self.past.log;
        let head = log.head().await.map_err(|error| Trouble::of(&error.into()))?;
        let mut late = None;
        let told = Parked::told(&**log, |recorded, fact| {
            if recorded.position > newest && fact.position() <= newest {
                late = late.or(Some(fact.position()));
            }
        });
        told.await.map_err(|error| Trouble::of(&error.into()))?;
        match late {
            Some(position) => Err(Trouble::parked_since(position)),
            None => Ok(Facts::since(Arc::clone(log), head.next())),
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
        keeping: &mut Keeping<'_>,
    ) -> Result<bool, Trouble> {
        let mut follow = self.past.log.follow(position, Filter::all());
        loop {
            tokio::select! {
                biased;
                _ = self.stop.wait_for(|stop| *stop) => return Ok(false),
                () = keeping.opening.spoiled() => return Err(Trouble::spoiled()),
                page = keeping.facts.next() => match page {
                    Ok(page) => heard(&self.past, newest, &page)?,
                    Err(error) => return Err(Trouble::of(&error.into())),
                },
                page = follow.next(1) => match page {
                    Ok(page) => {
                        observe::states_behind(newest, page.head);
                        if page.head >= position {
                            return Ok(true);
                        }
                    }
                    Err(error) => return Err(Trouble::of(&error.into())),
                },
            }
        }
    }

    /// What one stretch comes to; `None` when told to end before.
    async fn stretch(
        &mut self,
        states: &dyn StateStore,
        from: Position,
        to: Position,
    ) -> Result<Option<Vec<Batch>>, PastError> {
        let fork = states.fork(from, Histories::PassBy).await?;
        let onto: &dyn ReadStore = &*fork;
        let mut at = from;
        while at < to {
            let began = Instant::now();
            at = Position(at.0.saturating_add(STEP_RECORDS).min(to.0));
            compare::fold_to(&*self.past.log, onto, self.past.projections, at, |_| {}).await?;
            if self.rest(began.elapsed() * self.options.rest_percent / 100).await {
                return Ok(None);
            }
        }
        let event_id = self.event_at(to).await?;
        let named = |batch: Batch| Batch { event_id, ..batch };
        Ok(Some(fork.changes()?.into_iter().map(named).collect()))
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

/// What is said of parked events, as it is said.
struct Facts {
    log: Arc<dyn EventLog>,
    follow: Box<dyn Follow>,
    /// From where nothing was handed over yet.
    next: Position,
}

impl Facts {
    fn since(log: Arc<dyn EventLog>, next: Position) -> Self {
        let follow = log.follow(next, parking::filter());
        Self { log, follow, next }
    }

    /// The next ones. Cancelling it loses none, and neither does an error: from there they are followed anew.
    async fn next(&mut self) -> Result<Page, LogError> {
        let page = self.follow.next(FACTS_PAGE).await;
        match &page {
            Ok(page) => self.next = page.next,
            Err(_) => self.follow = self.log.follow(self.next, parking::filter()),
        }
        page
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
            return Err(Trouble::parked_since(fact.position()));
        }
    }
    Ok(())
}
