//! The runs as past states: which there are, what they come to, and stores that begin with one.

use super::forget::Begun;
use super::fork::StateFork;
use super::walk::{Moment, Walk};
use super::write::STATES;
use super::{RunStore, Runs, States, aside, keys};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{Direction, Position};
use stele_domain::port::read_store::{Batch, Schema, StoreError};
use stele_domain::port::state_store::{DigestsOf, Fork, Histories, StateStore};

impl Runs {
    fn every_state(&self) -> Result<(), StoreError> {
        if self.options.states == States::Every {
            return Ok(());
        }
        Err(StoreError::Invalid("these runs were opened for the newest state only".to_owned()))
    }

    /// The positions of the states up to one, in an order.
    pub fn states(
        &self,
        up_to: Position,
        direction: Direction,
    ) -> impl Iterator<Item = Result<Position, StoreError>> {
        let snapshot = self.snapshot();
        let high = [STATES, &up_to.0.to_be_bytes(), &[0]].concat().min(keys::end_of(STATES));
        let mut entries = Walk::new(&snapshot, &self.marks, (STATES.to_vec(), high), direction, Moment::Only);
        let mut found = vec![];
        // Only the last one is ever asked for backwards.
        let limit = if direction == Direction::Backward { 1 } else { usize::MAX };
        while found.len() < limit
            && let Some(entry) = entries.next()
        {
            found.push(entry.map_err(|error| self.failed(error)).and_then(|(name, _)| {
                let position = name.strip_prefix(STATES).and_then(|bytes| bytes.try_into().ok());
                let position = position.map(|bytes| Position(u64::from_be_bytes(bytes)));
                position.ok_or_else(|| self.damaged("a state without a position"))
            }));
        }
        found.into_iter()
    }

    /// The newest state at or before a position; the beginning, where nothing is, when there is none.
    pub fn state_before(&self, position: Position) -> Result<Position, StoreError> {
        self.states(position, Direction::Backward).next().unwrap_or(Ok(Position::START))
    }

    fn digests_at(&self, position: Position) -> Result<Vec<DigestsOf>, StoreError> {
        if self.state_before(position)? != position {
            let why = format!("no state is kept at position {position}");
            return Err(StoreError::Invalid(why));
        }
        let of = |projection| {
            let (_, digests) = self.digests(projection, Moment::UpTo(position.0))?;
            Ok(DigestsOf { projection, digests })
        };
        self.tables.projections().map(of).collect()
    }
}

impl StateStore for RunStore {
    fn schemas(&self) -> &[Schema] {
        &self.0.tables.schemas
    }

    fn kept(&self) -> PortFuture<'_, Result<Vec<Position>, StoreError>> {
        Box::pin(async move {
            let all = |runs: &Runs| {
                runs.every_state()?;
                runs.states(Position(u64::MAX), Direction::Forward).collect()
            };
            aside(&self.0, all).await
        })
    }

    fn digests_at(&self, position: Position) -> PortFuture<'_, Result<Vec<DigestsOf>, StoreError>> {
        Box::pin(async move {
            let of_all = move |runs: &Runs| {
                runs.every_state()?;
                runs.digests_at(position)
            };
            aside(&self.0, of_all).await
        })
    }

    fn fork(
        &self,
        position: Position,
        histories: Histories,
    ) -> PortFuture<'_, Result<Arc<dyn Fork>, StoreError>> {
        Box::pin(async move {
            let runs = self.0.clone();
            let forked = move |on: &Runs| {
                on.every_state()?;
                let begun = Begun::before(runs, position)?;
                Ok(Arc::new(StateFork::of(begun, histories)?) as Arc<dyn Fork>)
            };
            aside(&self.0, forked).await
        })
    }

    fn keep(&self, changes: Vec<Batch>) -> PortFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let kept = move |runs: &Runs| {
                runs.every_state()?;
                runs.keep(changes)
            };
            aside(&self.0, kept).await
        })
    }

    fn is_writable(&self) -> bool {
        !self.0.shut.load(Ordering::Relaxed)
    }

    fn forget(&self, positions: Vec<Position>) -> PortFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let forgotten = move |runs: &Runs| {
                runs.every_state()?;
                runs.forget(&positions)?;
                runs.settle()
            };
            aside(&self.0, forgotten).await
        })
    }

    fn disk_bytes(&self) -> PortFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move { aside(&self.0, Runs::disk_bytes).await })
    }
}
