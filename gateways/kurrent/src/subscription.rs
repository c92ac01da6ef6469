//! Following a stream or the log: what there is, then what comes. Whoever is slow is told from the log, not from memory. It
//! never ends well: clients take such an end for a reason to ask again without a pause.

use crate::door::requested;
use crate::filter::Matcher;
use crate::name::Name;
use crate::no::No;
use crate::outward::{IdForm, timestamp};
use crate::read::ask::{AllFrom, Ask, From, What};
use crate::read::{Allowed, Answers, Pace, one_by_one, told};
use crate::store::{Store, TOMBSTONE};
use futures_util::stream;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::port::event_log::{Direction, Filter, Follow, Page, Position, Record, Revision};
use stele_proto::kurrent::client::streams::read_resp::{self, Content};
use tokio::sync::watch;
use uuid::Uuid;

/// How often a silent subscription looks whether its caller is still let in.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Begins a subscription.
pub async fn begin(
    store: Arc<Store>,
    ask: Ask,
    stop: watch::Receiver<bool>,
    seat: impl Send + 'static,
    allowed: impl Allowed,
) -> Result<Answers, No> {
    let (phase, matcher) = match ask.what {
        What::Stream { stream, from } => (of_stream(&store, stream, from).await?, None),
        What::All { from, filter } => (of_all(&store, from).await?, filter),
    };
    let subscription = Subscription {
        phase,
        matcher,
        form: ask.form,
        links: ask.links,
        pace: Pace::new(),
        caught_up: false,
        looked_at: 0,
        store,
        stop,
        ended: false,
    };
    let state = (subscription, seat, allowed.clone(), true);
    let batches = stream::unfold(state, async |(mut subscription, seat, allowed, first)| {
        if subscription.ended {
            return None;
        }
        let batch = if first { Ok(vec![confirmation()]) } else { subscription.batch(&allowed).await };
        subscription.ended = batch.is_err();
        Some((batch, (subscription, seat, allowed, false)))
    });
    Ok(one_by_one(batches, allowed))
}

fn confirmation() -> Content {
    let subscription_id = Uuid::new_v4().to_string();
    Content::Confirmation(read_resp::SubscriptionConfirmation { subscription_id })
}

struct Subscription {
    store: Arc<Store>,
    phase: Phase,
    matcher: Option<Matcher>,
    form: IdForm,
    links: bool,
    pace: Pace,
    /// Whether everything that there was has been told.
    caught_up: bool,
    /// Events since the last checkpoint.
    looked_at: u64,
    stop: watch::Receiver<bool>,
    ended: bool,
}

enum Phase {
    /// A stream's history, from this revision on. What is appended meanwhile is read here too.
    History { stream: Name, next: u64 },
    /// A stream, as it grows.
    Stream { stream: Name, follow: Box<dyn Follow>, next: u64 },
    /// The log. `told` is the last position that was looked at.
    All { follow: Box<dyn Follow>, told: Position },
}

async fn of_stream(store: &Store, stream: Name, from: From) -> Result<Phase, No> {
    let shown = store.shown(&stream).await?;
    let first = shown.map_or(0, |shown| shown.first);
    let next = match from {
        From::Start => first,
        From::Revision(revision) => revision.saturating_add(1).max(first),
        // Of a stream that is deleted, what comes next comes after what was.
        From::End => store.last(&stream).await?.map_or(0, |last| last.revision.next().0),
    };
    Ok(Phase::History { stream, next })
}

async fn of_all(store: &Store, from: AllFrom) -> Result<Phase, No> {
    let told = match from {
        AllFrom::Start => Position::START,
        AllFrom::End => store.log.head().await?,
        AllFrom::Position(at) => at,
    };
    Ok(Phase::All { follow: store.log.follow(told.next(), Filter::all()), told })
}

impl Subscription {
    async fn batch(
        &mut self,
        allowed: &(impl Fn() -> Result<(), No> + Send + Sync),
    ) -> Result<Vec<Content>, No> {
        allowed()?;
        if *self.stop.borrow() {
            return Err(No::Closing);
        }
        let contents = match &self.phase {
            Phase::History { stream, next } => {
                let (stream, next) = (stream.clone(), *next);
                self.history(stream, next).await?
            }
            Phase::All { told, .. } if !self.caught_up && *told >= self.store.log.head().await? => {
                vec![self.now_caught_up()]
            }
            Phase::All { .. } | Phase::Stream { .. } => self.live(allowed).await?,
        };
        // A reading of which nothing matches must leave others their turn.
        tokio::task::yield_now().await;
        Ok(contents)
    }

    /// The next page of a stream's history; at its end, the stream is followed.
    async fn history(&mut self, stream: Name, next: u64) -> Result<Vec<Content>, No> {
        // Whatever comes after this place is not in the page that is empty.
        let head = self.store.log.head().await?;
        let limit = self.pace.limit(u64::MAX);
        let from = Revision(next);
        let page = self.store.log.read_stream(stream.stream(), from, Direction::Forward, limit).await?;
        let Some(last) = page.last() else {
            let filter = Filter::categories(&[stream.stream().category()]);
            let follow = self.store.log.follow(head.next(), filter);
            self.phase = Phase::Stream { stream, follow, next };
            return Ok(vec![self.now_caught_up()]);
        };
        self.pace.saw(&page);
        self.phase = Phase::History { next: last.revision.next().0, stream: stream.clone() };
        let shown = self.store.shown(&stream).await?;
        let mut contents = Vec::with_capacity(page.len());
        for record in &page {
            if shown.is_none_or(|shown| shown.shows(record)) {
                contents.extend(told(&self.store, record, self.form, self.links).await?);
            }
        }
        Ok(contents)
    }

    /// What comes, when it comes.
    async fn live(
        &mut self,
        allowed: &(impl Fn() -> Result<(), No> + Send + Sync),
    ) -> Result<Vec<Content>, No> {
        let page = loop {
            let limit = self.pace.limit(u64::MAX);
            let follow = match &mut self.phase {
                Phase::Stream { follow, .. } | Phase::All { follow, .. } => follow,
                Phase::History { .. } => return Ok(vec![]),
            };
            tokio::select! {
                biased;
                () = requested(&mut self.stop) => return Err(No::Closing),
                page = follow.next(limit) => break page?,
                () = tokio::time::sleep(LOOK_EVERY) => allowed()?,
            }
        };
        self.pace.saw(&page.records);
        let mut contents = vec![];
        if self.caught_up && !page.caught_up() && page.records.len() > 1 {
            self.caught_up = false;
            contents.push(self.behind());
        }
        for record in &page.records {
            self.tell(record, &mut contents).await?;
        }
        self.moved_to(&page);
        if !self.caught_up && page.caught_up() {
            contents.push(self.now_caught_up());
        }
        Ok(contents)
    }

    async fn tell(&mut self, record: &Record, contents: &mut Vec<Content>) -> Result<(), No> {
        let wanted = match &mut self.phase {
            Phase::Stream { stream, next, .. } => {
                let wanted = record.stream == *stream.stream() && record.revision.0 >= *next;
                if wanted && &*record.event_type == TOMBSTONE && !self.store.writes.is_desks(stream) {
                    return Err(No::Deleted(stream.clone()));
                }
                if wanted {
                    *next = record.revision.next().0;
                }
                wanted
            }
            Phase::All { .. } | Phase::History { .. } => match &mut self.matcher {
                Some(matcher) => matcher.wants_in_turn(record).await?,
                None => true,
            },
        };
        if wanted {
            contents.extend(told(&self.store, record, self.form, self.links).await?);
        }
        if let Some(matcher) = &self.matcher {
            self.looked_at += 1;
            if self.looked_at >= matcher.checkpoint_every {
                self.looked_at = 0;
                contents.push(self.checkpoint(record.position));
            }
        }
        Ok(())
    }

    fn moved_to(&mut self, page: &Page) {
        if let Phase::All { told, .. } = &mut self.phase {
            *told = Position(page.next.0.saturating_sub(1));
        }
    }

    fn checkpoint(&self, at: Position) -> Content {
        Content::Checkpoint(read_resp::Checkpoint {
            commit_position: at.0,
            prepare_position: at.0,
            timestamp: Some(timestamp(self.store.clock.now())),
        })
    }

    /// Where it is: the last revision of a stream, the last position of the log.
    fn place(&self) -> (Option<i64>, Option<read_resp::Position>) {
        match &self.phase {
            Phase::History { next, .. } | Phase::Stream { next, .. } => {
                let last = next.checked_sub(1).map(|last| i64::try_from(last).unwrap_or(i64::MAX));
                (Some(last.unwrap_or(-1)), None)
            }
            Phase::All { told, .. } => {
                let at = read_resp::Position { commit_position: told.0, prepare_position: told.0 };
                (None, Some(at))
            }
        }
    }

    fn now_caught_up(&mut self) -> Content {
        self.caught_up = true;
        let (stream_revision, position) = self.place();
        let timestamp = Some(timestamp(self.store.clock.now()));
        Content::CaughtUp(read_resp::CaughtUp { timestamp, stream_revision, position })
    }

    fn behind(&self) -> Content {
        let (stream_revision, position) = self.place();
        let timestamp = Some(timestamp(self.store.clock.now()));
        Content::FellBehind(read_resp::FellBehind { timestamp, stream_revision, position })
    }
}
