//! From the log into the next tables: one reader for all projections, one writer for each, a few pages between them.

use super::tell::Mark;
use super::{Job, RebuildError};
use crate::fold::{Page as Items, Place};
use crate::observe;
use crate::parking::Parker;
use std::sync::Arc;
use stele_domain::ids::EventId;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Filter, Position};
use stele_domain::port::read_store::{Claim, ReadStore, RebuildPhase};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// Pages that may wait in front of each writer: the slowest keeps no more alive than this and the one it writes.
const PAGES_WAITING: usize = 1;

/// A stretch of the log, read once for all projections.
struct Page {
    items: Items,
    /// Its last position, and the event there.
    to: Position,
    end: Option<EventId>,
}

impl Job {
    /// Brings all next tables close to the live ones, round after round, while those go on.
    pub(super) async fn filled(
        &self,
        claim: &dyn Claim,
        mut places: Vec<Place>,
    ) -> Result<Vec<Place>, RebuildError> {
        let mut before = u64::MAX;
        loop {
            let mut goals = vec![];
            let mut missing = 0;
            for place in &places {
                let goal = self.goal(place).await?;
                missing = missing.max(goal.0.saturating_sub(place.position.0));
                goals.push(goal);
                if let Some(mark) = self.told.mark(place.projection.name) {
                    mark.at(place.position);
                    mark.to(goal);
                }
            }
            // A log that grows faster than it is folded is caught up with while its runner is held.
            if missing <= self.parts.options.close || missing >= before {
                return Ok(places);
            }
            before = missing;
            places = self.round(claim, places, &goals).await?;
        }
    }

    /// Where the next tables go to: to where the live ones are, or past rows of another definition to the end of the log.
    pub(super) async fn goal(&self, place: &Place) -> Result<Position, RebuildError> {
        let at = self.parts.live.checkpoint(place.projection.name).await?;
        let head = self.parts.log.head().await?;
        if at.position > head {
            let projection = place.projection.name;
            return Err(RebuildError::Short { projection, at: at.position, head });
        }
        let other = at.version != 0 && at.version != place.projection.version;
        Ok(if other { head } else { at.position })
    }

    async fn round(
        &self,
        claim: &dyn Claim,
        places: Vec<Place>,
        goals: &[Position],
    ) -> Result<Vec<Place>, RebuildError> {
        let next = claim.next();
        let permits = Arc::new(Semaphore::new(self.parts.options.writers.max(1)));
        let from = places.iter().map(|place| place.position).min().unwrap_or_default();
        let to = goals.iter().copied().max().unwrap_or_default();
        let mut writers = JoinSet::new();
        let mut feeds = vec![];
        for (order, (place, goal)) in places.into_iter().zip(goals).enumerate() {
            let Some(mark) = self.told.mark(place.projection.name) else { continue };
            let (feed, pages) = mpsc::channel(PAGES_WAITING);
            feeds.push(feed);
            let writer = Writer {
                place,
                goal: *goal,
                next: Arc::clone(&next),
                permits: Arc::clone(&permits),
                mark,
                log: Arc::clone(&self.parts.log),
                clock: Arc::clone(&self.parts.clock),
            };
            writers.spawn(async move { (order, writer.run(pages).await) });
        }
        let mut reader = JoinSet::new();
        reader.spawn(read(
            Arc::clone(&self.parts.log),
            feeds,
            from,
            to,
            self.parts.options.batch_records_max,
        ));
        let mut ticks = interval(self.parts.options.tell);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut filled = vec![];
        loop {
            tokio::select! {
                biased;
                _ = ticks.tick() => self.tell_all(claim, RebuildPhase::Folding).await?,
                ended = writers.join_next() => match ended {
                    Some(Ok((order, place))) => filled.push((order, place?)),
                    Some(Err(lost)) => return Err(RebuildError::Lost(lost.to_string())),
                    None => break,
                },
            }
        }
        if let Some(ended) = reader.join_next().await {
            ended.map_err(|lost| RebuildError::Lost(lost.to_string()))??;
        }
        filled.sort_by_key(|(order, _)| *order);
        Ok(filled.into_iter().map(|(_, place)| place).collect())
    }
}

/// Reads the log up to a position, for all who have not come so far. It ends early when one of them has.
async fn read(
    log: Arc<dyn EventLog>,
    feeds: Vec<mpsc::Sender<Arc<Page>>>,
    from: Position,
    to: Position,
    records_max: usize,
) -> Result<(), RebuildError> {
    let everything = Filter::all();
    let mut at = from;
    while at < to {
        let page = log.read_all(at.next(), &everything, records_max).await?;
        let last = Position(page.next.0.saturating_sub(1));
        if last <= at {
            break;
        }
        let items = Items::read(page.records);
        let last = items.until(last);
        let (end, newer) = (items.ends_with(last), items.newer().filter(|newer| newer.at <= to).cloned());
        let page = Arc::new(Page { items, to: last, end });
        for feed in &feeds {
            if feed.send(Arc::clone(&page)).await.is_err() {
                return Ok(());
            }
        }
        if let Some(newer) = newer {
            return Err(newer.into());
        }
        at = last;
    }
    Ok(())
}

/// Fills the next tables of one projection.
struct Writer {
    place: Place,
    goal: Position,
    next: Arc<dyn ReadStore>,
    permits: Arc<Semaphore>,
    mark: Mark,
    log: Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
}

impl Writer {
    async fn run(mut self, mut pages: mpsc::Receiver<Arc<Page>>) -> Result<Place, RebuildError> {
        while let Some(page) = pages.recv().await {
            if self.place.position >= self.goal || page.to <= self.place.position {
                continue;
            }
            let _permit = self.permits.acquire().await;
            let to = page.to.min(self.goal);
            let end = page.end.filter(|_| to == page.to);
            let keeper = Parker { log: &*self.log, clock: &*self.clock };
            keep(keeper, &mut self.place, &*self.next, &page.items, (to, end)).await?;
            self.mark.at(to);
        }
        Ok(self.place)
    }
}

/// Folds a stretch into one projection's next tables, and names the event that it ends with. What they can't take in is
/// parked like in the live ones.
pub(super) async fn keep(
    keeper: Parker<'_>,
    place: &mut Place,
    next: &dyn ReadStore,
    items: &Items,
    (to, end): (Position, Option<EventId>),
) -> Result<(), RebuildError> {
    for row in keeper.keep(place, next, items, to, end).await? {
        observe::parked(&row);
    }
    Ok(())
}
