//! The audit: whether the tables are what follows from the log, row by row.
//!
//! The log is folded from zero by the same definitions that the runner folds with. Rows of histories are compared as they
//! come and forgotten; rows that may change are kept in a room that spills to the disk, and compared at the end. So memory
//! is bounded whatever the length of the log: by some stretches of it, a few pages of every history, and that room.
//!
//! Rows that went to a lake are read there, and held beside the same fold part by part.
//!
//! That the log itself is what was written is not asked here: whoever calls has verified it.

mod compared;
mod course;
mod feed;
mod findings;
mod live;
mod pages;
mod terms;
mod tiered;
mod trail;
mod walk;

pub use findings::{
    Deed, FILES_NAMED_MAX, Findings, NotLookedAt, OfFile, OfLost, OfPart, OfProjection, OfRow, OfTable,
    OfTiered, ParkedThere, ROWS_NAMED_MAX, Touch, Verdict,
};
pub use live::{Leaving, Live};
pub use tiered::Lake;

use crate::fold::{self, FoldError, Newer};
use crate::parking::Parked;
use crate::projection::Registered;
use course::Course;
use feed::{Feed, Next, Stretch};
use std::ops::ControlFlow;
use std::sync::Arc;
use stele_domain::port::event_log::{EventLog, LogError, Position};
use stele_domain::port::read_store::{ReadStore, Schema, StoreError};
use terms::{Goal, Terms};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

/// After how many stretches the tables are asked something, whether there is a need or not: the log is verified first and read
/// for long, and a server gives up a moment that nobody asks about.
const STRETCHES_UNASKED: u64 = 256;

/// Stretches that may wait in front of each projection: the slowest keeps no more alive than this and the one it folds.
const STRETCHES_WAITING: usize = 1;

/// Why an audit came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The log can't be read.
    #[error("the log can't be read")]
    Log(#[from] LogError),
    /// The log can't be folded.
    #[error("the log can't be folded")]
    Fold(#[from] FoldError),
    /// Tables can't be read.
    #[error("the tables can't be read")]
    Store(#[from] StoreError),
    /// The log does not reach the position.
    #[error("the log ends at {head}, before position {position}")]
    Short {
        /// Where it ends.
        head: Position,
        /// What was asked for.
        position: Position,
    },
    /// Part of the audit ended by itself, so that it would be one of less than all.
    #[error("part of the audit ended by itself, which is a mistake of this build: {0}")]
    Lost(String),
    /// The room in which rows are folded dropped some: a mistake of whoever opened it.
    #[error("the room of the audit has dropped {rows} rows of table {table}: it must keep all")]
    Forgetful {
        /// The table.
        table: &'static str,
        /// How many.
        rows: u64,
    },
}

/// Opens an empty store for rows that are folded. It must keep all of them.
pub type Room<'a> = dyn Fn(&[Schema]) -> Result<Arc<dyn ReadStore>, StoreError> + Send + Sync + 'a;

/// What is to be audited.
#[derive(Clone, Copy)]
pub struct Audit<'a> {
    /// The log, verified.
    pub log: &'a Arc<dyn EventLog>,
    /// These projections, from zero.
    pub projections: &'a [Registered],
    /// Up to here; otherwise up to where the tables are.
    pub position: Option<Position>,
    /// Where rows that may change are folded.
    pub room: &'a Room<'a>,
    /// Told what was handed out to be folded, and how far it goes.
    pub tell: &'a (dyn Fn(Position, Position) + Sync),
    /// The lake that old rows of histories went to.
    pub lake: Lake<'a>,
    /// How many projections are folded at once, what each waits for included. Reading and decoding the log, and reading the live
    /// rows, go on beside that.
    pub at_once: usize,
}

impl Audit<'_> {
    /// Folds the log and compares. Without live tables it says what follows from the log, and that nothing was compared.
    ///
    /// # Errors
    ///
    /// [`AuditError`]: then nothing was found, for or against.
    pub async fn run(&self, live: Option<&Live>) -> Result<Findings, AuditError> {
        let head = self.log.head().await?;
        if let Some(position) = self.position.filter(|position| *position > head) {
            return Err(AuditError::Short { head, position });
        }
        let goal = self.position.map_or(Goal::Tables, Goal::Asked);
        match self.up_to(head, goal, live).await? {
            ControlFlow::Continue(findings) => Ok(findings),
            // What is before it can be compared: from zero again, for terms are made before anything is folded.
            ControlFlow::Break(newer) => {
                let found = self.up_to(head, Goal::Before(&newer), live).await?;
                let ControlFlow::Continue(mut findings) = found else {
                    let head = Position(newer.at.0.saturating_sub(1));
                    return Err(AuditError::Short { head, position: newer.at });
                };
                findings.not_looked_at.insert(0, beyond(&newer));
                Ok(findings)
            }
        }
    }

    async fn up_to(
        &self,
        head: Position,
        goal: Goal<'_>,
        live: Option<&Live>,
    ) -> Result<ControlFlow<Box<Newer>, Findings>, AuditError> {
        let parked = Parked::of(&**self.log).await?;
        let tiered = tiered::known(&**self.log, head).await?;
        let mut terms = Vec::with_capacity(self.projections.len());
        for projection in self.projections {
            terms.push(Terms::of(&**self.log, head, goal, projection, live).await?);
        }
        if goal.position().is_none() {
            let seen = terms.iter().filter(|terms| terms.rows().is_some());
            let furthest = seen.map(|terms| terms.to).max().unwrap_or_default();
            for (terms, projection) in terms.iter_mut().zip(self.projections) {
                terms.behind(projection, furthest);
            }
        }
        let each = self.projections.iter().zip(terms);
        let courses: Vec<Course> =
            each.map(|(projection, terms)| Course::begin(projection, &parked, &tiered, terms)).collect();
        let room = (self.room)(&fold::schemas(self.projections))?;
        let end = courses.iter().map(Course::target).max().unwrap_or_default();
        let mut feed = Feed::up_to(self.log, end);
        let under_way = UnderWay::begin(courses, &room, self.at_once);
        let (mut cut, mut read) = (None, 0_u64);
        while let Some(next) = feed.next().await {
            match next {
                Ok(Next::Stretch(stretch)) => {
                    if let Some(live) = live.filter(|_| read.is_multiple_of(STRETCHES_UNASKED))
                        && let Err(error) = live.ask().await
                    {
                        cut = Some(Err(error.into()));
                        break;
                    }
                    read = read.saturating_add(1);
                    let to = stretch.to;
                    if !under_way.take(Arc::from(stretch)).await {
                        break;
                    }
                    (self.tell)(to, end);
                }
                Ok(Next::Newer(newer)) => {
                    cut = Some(Ok(ControlFlow::Break(newer)));
                    break;
                }
                Err(error) => {
                    cut = Some(Err(error));
                    break;
                }
            }
        }
        // Whatever ended it: nobody works in the room any more when this returns.
        let courses = under_way.ended().await?;
        if let Some(cut) = cut {
            return cut;
        }
        if courses.iter().any(|course| !course.is_there()) {
            return Err(AuditError::Lost("the log was not read to the end".to_owned()));
        }
        let mut findings = Findings { position: end, projections: vec![], not_looked_at: vec![] };
        for course in courses {
            let mut arrived = course.arrive(&*room).await?;
            if arrived.found.tables.iter().any(|table| !table.differences.is_empty()) {
                self.trail(&mut arrived.found, &arrived.named).await?;
            }
            findings.projections.push(arrived.found);
            findings.not_looked_at.extend(arrived.not_looked_at);
        }
        self.look_into_the_lake(tiered, &mut findings).await;
        Ok(ControlFlow::Continue(findings))
    }
}

/// Every projection on its way, so many at a time, none more than a stretch or two ahead of the others.
struct UnderWay {
    feeds: Vec<mpsc::Sender<Arc<Stretch>>>,
    /// In which order they began, for they end in any.
    courses: JoinSet<Result<(usize, Course), AuditError>>,
}

impl UnderWay {
    fn begin(begun: Vec<Course>, room: &Arc<dyn ReadStore>, at_once: usize) -> Self {
        let permits = Arc::new(Semaphore::new(at_once.max(1)));
        let (mut feeds, mut courses) = (vec![], JoinSet::new());
        for (order, mut course) in begun.into_iter().enumerate() {
            let (feed, mut stretches) = mpsc::channel::<Arc<Stretch>>(STRETCHES_WAITING);
            feeds.push(feed);
            let (room, permits) = (Arc::clone(room), Arc::clone(&permits));
            courses.spawn(async move {
                while let Some(stretch) = stretches.recv().await {
                    let _permit = permits.acquire().await;
                    course.take(&*room, &stretch).await?;
                    // Long work: others on this thread get their turn.
                    tokio::task::yield_now().await;
                }
                Ok((order, course))
            });
        }
        Self { feeds, courses }
    }

    /// Hands a stretch to all; false when one of them has ended before its time.
    async fn take(&self, stretch: Arc<Stretch>) -> bool {
        for feed in &self.feeds {
            if feed.send(Arc::clone(&stretch)).await.is_err() {
                return false;
            }
        }
        true
    }

    /// All of them, where they are after the last stretch, once every one has ended; otherwise the first error.
    async fn ended(self) -> Result<Vec<Course>, AuditError> {
        let Self { feeds, mut courses } = self;
        drop(feeds);
        let (mut arrived, mut failed) = (vec![], None);
        while let Some(ended) = courses.join_next().await {
            match ended.unwrap_or_else(|lost| Err(AuditError::Lost(lost.to_string()))) {
                Ok(course) => arrived.push(course),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        arrived.sort_by_key(|(order, _)| *order);
        let courses = arrived.into_iter().map(|(_, course)| course).collect();
        failed.map_or(Ok(courses), Err)
    }
}

fn beyond(newer: &Newer) -> NotLookedAt {
    NotLookedAt {
        what: format!("everything from position {} on", newer.at),
        why: format!(
            "event {} there is none that this build can read ({}): audit with the build that wrote it",
            newer.event_type, newer.why
        ),
    }
}
