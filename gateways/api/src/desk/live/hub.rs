//! The shared reading of the log: what happened lately, and a bell for each set of topics that somebody wants.

use super::topics::{Topic, Topics};
use crate::observe;
use crate::problem::Problem;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;
use stele_domain::port::event_log::{EventLog, Filter, Follow, Page, Position, Record};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Most events that are remembered.
const TOLD_MAX: usize = 4_096;
/// Most bytes of events that are remembered: 8 MiB.
const TOLD_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Events that are read in one go.
const PAGE: usize = 256;
/// How long a page rests before listeners are woken: what follows from its first event comes within moments, and hundreds
/// of listeners would take the machine from it. They are then told of all of it at once.
const REST: Duration = Duration::from_millis(5);
/// How long the reading rests after the log failed it.
const FAILED_REST: Duration = Duration::from_secs(1);

/// An event that listeners are told.
#[derive(Debug)]
pub(crate) struct Told {
    /// What it is about.
    pub(crate) topic: &'static Topic,
    topics: Topics,
    /// As it is kept.
    pub(crate) record: Record,
    frame: OnceLock<Bytes>,
    message: OnceLock<Bytes>,
}

impl Told {
    /// The event, if it is of a topic.
    pub(crate) fn of(record: Record) -> Option<Self> {
        let (topic, topics) = Topics::of(&record.event_type)?;
        Some(Self { topic, topics, record, frame: OnceLock::new(), message: OnceLock::new() })
    }

    /// Its form on the wire, made once for all who hear of it.
    pub(crate) fn frame(&self, make: impl FnOnce(&Self) -> Bytes) -> Bytes {
        self.frame.get_or_init(|| make(self)).clone()
    }

    /// Its form at the gRPC door, made once too.
    pub(crate) fn message(&self, make: impl FnOnce(&Self) -> Bytes) -> Bytes {
        self.message.get_or_init(|| make(self)).clone()
    }

    fn bytes(&self) -> usize {
        self.record.data.len().saturating_add(self.record.metadata.len())
    }
}

/// What a listener finds.
pub(super) enum Taken {
    /// Events, and how far the reading has come with them.
    Page { told: Vec<Arc<Told>>, next: Position, head: Position },
    /// It is further back than is remembered: the log has it.
    Forgotten,
    /// The log can't be read.
    Failed(Problem),
}

/// Starts the reading when the first listener comes, and ends it when the last one goes.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    now: Mutex<Weak<Running>>,
}

impl Hub {
    pub(super) async fn running(&self, log: &Arc<dyn EventLog>) -> Result<Arc<Running>, Problem> {
        if let Some(running) = locked(&self.now).upgrade() {
            return Ok(running);
        }
        let head = log.head().await?;
        let mut now = locked(&self.now);
        if let Some(running) = now.upgrade() {
            return Ok(running);
        }
        let running = Running::after(head, log.follow(head.next(), Filter::all()));
        *now = Arc::downgrade(&running);
        Ok(running)
    }
}

/// Reads until nobody listens.
async fn read(mut follow: Box<dyn Follow>, hub: Weak<Running>) {
    loop {
        let page = follow.next(PAGE).await;
        if page.is_ok() {
            tokio::time::sleep(REST).await;
        }
        let Some(running) = hub.upgrade() else { return };
        match page {
            Ok(page) => running.keep(page),
            Err(error) => {
                observe::live_failed(&error);
                running.fail(Problem::from(error));
                drop(running);
                tokio::time::sleep(FAILED_REST).await;
                let Some(running) = hub.upgrade() else { return };
                // At a quiet log the next page may be hours away, and whoever comes till then finds a log that answers.
                running.recover();
            }
        }
    }
}

/// The reading while somebody listens.
#[derive(Debug)]
pub(super) struct Running {
    lately: Mutex<Lately>,
    bells: Mutex<BTreeMap<Topics, watch::Sender<Position>>>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What happened lately.
#[derive(Debug)]
struct Lately {
    told: VecDeque<Arc<Told>>,
    bytes: usize,
    /// Everything from here on is remembered.
    first: Position,
    /// The first position that was not looked at.
    next: Position,
    head: Position,
    /// For as long as the reading rests after it.
    failed: Option<Problem>,
}

impl Running {
    fn after(head: Position, follow: Box<dyn Follow>) -> Arc<Self> {
        Arc::new_cyclic(|weak: &Weak<Self>| {
            let task = tokio::spawn(read(follow, Weak::clone(weak)));
            Self {
                lately: Mutex::new(Lately::after(head)),
                bells: Mutex::default(),
                task: task.abort_handle(),
            }
        })
    }

    /// A bell that rings when there is something new of these topics.
    pub(super) fn bell(&self, topics: Topics) -> watch::Receiver<Position> {
        let mut bells = locked(&self.bells);
        // Nobody waits for these any more.
        bells.retain(|_, bell| bell.receiver_count() > 0);
        bells.entry(topics).or_insert_with(|| watch::Sender::new(Position::START)).subscribe()
    }

    /// At most `limit` events of these topics from a position on.
    pub(super) fn take(&self, from: Position, topics: Topics, limit: usize) -> Taken {
        locked(&self.lately).take(from, topics, limit)
    }

    /// Whether what happened from a position on is no longer remembered.
    pub(super) fn has_forgotten(&self, from: Position) -> bool {
        from < locked(&self.lately).first
    }

    fn keep(&self, page: Page) {
        let Page { records, next, head } = page;
        let told: Vec<Arc<Told>> = records.into_iter().filter_map(Told::of).map(Arc::new).collect();
        let news = told.iter().map(|told| told.topics).reduce(Topics::and);
        locked(&self.lately).keep(told, next, head);
        if let Some(news) = news {
            self.ring(next, news);
        }
    }

    fn fail(&self, why: Problem) {
        let mut lately = locked(&self.lately);
        lately.failed = Some(why);
        let next = lately.next;
        drop(lately);
        self.ring(next, Topics::ALL);
    }

    fn recover(&self) {
        locked(&self.lately).failed = None;
    }

    fn ring(&self, next: Position, news: Topics) {
        for (topics, bell) in locked(&self.bells).iter() {
            if topics.meets(news) {
                bell.send_replace(next);
            }
        }
    }
}

impl Lately {
    fn after(head: Position) -> Self {
        let next = head.next();
        Self { told: VecDeque::new(), bytes: 0, first: next, next, head, failed: None }
    }

    fn keep(&mut self, told: Vec<Arc<Told>>, next: Position, head: Position) {
        self.bytes = told.iter().fold(self.bytes, |sum, told| sum.saturating_add(told.bytes()));
        self.told.extend(told);
        (self.next, self.head, self.failed) = (next, head, None);
        while self.told.len() > TOLD_MAX || self.bytes > TOLD_BYTES_MAX {
            let Some(oldest) = self.told.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.bytes());
            self.first = oldest.record.position.next();
        }
    }

    fn take(&self, from: Position, topics: Topics, limit: usize) -> Taken {
        if let Some(why) = &self.failed {
            return Taken::Failed(why.clone());
        }
        if from < self.first {
            return Taken::Forgotten;
        }
        let begin = self.told.partition_point(|told| told.record.position < from);
        let mut wanted = self.told.range(begin..).filter(|told| told.topics.meets(topics));
        let told: Vec<Arc<Told>> = wanted.by_ref().take(limit).map(Arc::clone).collect();
        let next = match (wanted.next(), told.last()) {
            (Some(_), Some(last)) => last.record.position.next(),
            (None | Some(_), _) => self.next,
        };
        Taken::Page { told, next, head: self.head }
    }
}

/// The lock; what it guards is whole between any two statements, so a panic elsewhere spoils nothing.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{FAILED_REST, Running, Taken};
    use crate::desk::live::Topics;
    use std::time::Duration;
    use stele_domain::port::PortFuture;
    use stele_domain::port::event_log::{Follow, LogError, Page, Position};

    /// A quiet log that was away for a moment.
    struct Once(bool);

    impl Follow for Once {
        fn next(&mut self, _: usize) -> PortFuture<'_, Result<Page, LogError>> {
            if std::mem::replace(&mut self.0, false) {
                return Box::pin(std::future::ready(Err(LogError::Unreachable("gone".into()))));
            }
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_log_that_is_back_fails_nobody_who_comes_later() {
        let running = Running::after(Position(7), Box::new(Once(true)));
        let mut bell = running.bell(Topics::ALL);
        bell.changed().await.unwrap();
        let failed = running.take(Position(8), Topics::ALL, 1);
        let Taken::Failed(problem) = failed else { panic!("whoever listens hears of it") };
        assert_eq!((problem.said().status, problem.said().code.as_str()), (503, "log-unavailable"));
        tokio::time::sleep(FAILED_REST + Duration::from_millis(1)).await;
        let later = running.take(Position(8), Topics::ALL, 1);
        assert!(matches!(later, Taken::Page { head: Position(7), .. }), "nothing has happened since");
    }
}
