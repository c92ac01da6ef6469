//! One page into every projection: folded, kept in one go, and asked again for as long as the store does not answer.

use super::{Runner, RunnerError, State, Waiting, Wish, millis};
use crate::fold::{FoldError, Page as Items, Place};
use crate::models::parked_events::ParkedRow;
use crate::observe;
use crate::parking::{Parked, Parker};
use std::sync::Arc;
use stele_domain::causes::with_causes;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{Page, Position};
use stele_domain::port::read_store::{Batch, StoreError};
use tokio::time::Instant;

impl Runner {
    /// Folds a page into every projection that has no fault.
    pub(super) async fn take(&mut self, page: Page, wish: Wish) -> Result<Waiting, RunnerError> {
        let recorded_at = page.records.last().map(|record| record.recorded_at);
        let items = Items::read(page.records);
        let to = items.until(Position(page.next.0.saturating_sub(1)));
        let end = items.ends_with(to);
        let turn = self.turn.clone();
        let _turn = turn.lock().await;
        if self.own.has_others() {
            return self.look_anew().await;
        }
        let advanced = self.advance(&items, to, end).await?;
        if advanced != Waiting::Over {
            return Ok(advanced);
        }
        if let Some(newer) = items.newer() {
            self.head = page.head.max(self.head);
            return Err(newer.clone().into());
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
        items: &Items,
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
    async fn keep(&mut self, items: &Items, to: Position, end: Option<EventId>) -> Result<(), FoldError> {
        let mut batches = vec![];
        let mut folded = vec![];
        let mut parked = vec![];
        let mut trouble = None;
        let mut faults = vec![];
        let log = Arc::clone(&self.log);
        let keeper = Parker { log: &*log, clock: &*self.clock };
        let healthy = |place: &Place| !self.faults.contains_key(place.projection.name);
        let due =
            self.places.iter_mut().enumerate().filter(|(_, place)| healthy(place) && place.position < to);
        for (i, place) in due {
            match keeper.folded(place, &*self.store, items, to).await {
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
                // What one projection can't do is nothing that the others have to wait for.
                Err(error) if !error.went_back() => faults.push((place.projection.name, error)),
                Err(error) => return Err(error),
            }
            // Folding from zero is long work; others on this thread get their turn.
            tokio::task::yield_now().await;
        }
        for (name, error) in faults {
            self.faulted(name, error)?;
        }
        let at = self.least();
        match self.store.apply_all(batches).await {
            Ok(()) => {
                for (i, digests) in folded {
                    self.places[i].kept(to, digests);
                }
            }
            Err(StoreError::Refused { .. }) => {
                let due: Vec<usize> = folded.iter().map(|(i, _)| *i).collect();
                parked = self.keep_each(&due, items, to, end).await?;
            }
            Err(source) => return Err(FoldError::Keep { at, source }),
        }
        // Told once, when it is kept: a store that is away makes the same events be folded again.
        for row in &parked {
            observe::parked(row);
        }
        self.parked = self.parked.saturating_add(u64::try_from(parked.len()).unwrap_or(u64::MAX));
        trouble.map_or(Ok(()), Err)
    }

    /// The store refuses a row of one of them: each is kept alone, and the event is found and parked.
    async fn keep_each(
        &mut self,
        due: &[usize],
        items: &Items,
        to: Position,
        end: Option<EventId>,
    ) -> Result<Vec<ParkedRow>, FoldError> {
        let log = Arc::clone(&self.log);
        let mut parked = vec![];
        // A store that keeps one after the other has kept some.
        self.look_again(to).await;
        for i in due {
            let keeper = Parker { log: &*log, clock: &*self.clock };
            let place = &mut self.places[*i];
            let name = place.projection.name;
            match keeper.keep(place, &*self.store, items, to, end).await {
                Ok(rows) => parked.extend(rows),
                Err(error) if error.is_transient() || error.went_back() => return Err(error),
                Err(error) => self.faulted(name, error)?,
            }
        }
        Ok(parked)
    }

    /// One projection stops; an error when it was the last one that worked.
    fn faulted(&mut self, name: &'static str, error: FoldError) -> Result<(), FoldError> {
        observe::projection_faulted(name, &error);
        if matches!(error, FoldError::TooManyParked { .. } | FoldError::Parking { .. }) {
            self.crowded.insert(name);
        }
        self.faults.insert(name, with_causes(&error));
        if self.faults.len() == self.places.len() { Err(error) } else { Ok(()) }
    }

    /// Whether a projection that could not be taken up can be by now. Looked at now and then.
    pub(super) async fn mended(&mut self) -> bool {
        if self.faults.is_empty() || self.look_at.is_some_and(|at| Instant::now() < at) {
            return false;
        }
        self.look_at = Some(Instant::now() + self.options.fault_rest);
        let mut mended = false;
        let Ok(parked) = Parked::of(&*self.log).await else { return false };
        let Ok(head) = self.log.head().await else { return false };
        for place in &mut self.places {
            let name = place.projection.name;
            // What stopped in the middle of the log stops there again, unless people have decided on what is parked.
            let goes_on = place.position == Position::START || self.crowded.contains(name);
            if !self.faults.contains_key(name) || !goes_on {
                continue;
            }
            let Ok((at, found)) = super::taken_up(&*self.store, &place.projection).await else { continue };
            if super::of_this_log(&*self.log, head, name, &at).await.is_ok() {
                *place = found.leaving_out(&parked);
                self.faults.remove(name);
                self.crowded.remove(name);
                observe::projection_mended(name);
                mended = true;
            }
        }
        mended
    }

    /// Batches may have been kept although nobody said so.
    async fn look_again(&mut self, to: Position) {
        for place in self.places.iter_mut().filter(|place| place.position < to) {
            if let Ok((at, found)) = Place::of(&*self.store, &place.projection).await
                && at.position == to
            {
                let left_out = std::mem::take(&mut place.left_out);
                *place = Place { left_out, ..found };
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
    pub(super) async fn look_anew(&mut self) -> Result<Waiting, RunnerError> {
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
}
