//! Waiting for a checkpoint: at once when this process moves it, by looking now and then when another one does.
//!
//! Looking instead of being notified: it works through connection poolers and on standbys, costs nothing while
//! nobody waits, and one look serves everybody who waits.

use super::PostgresStore;
use std::collections::BTreeMap;
use std::time::Duration;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Schema, StoreError};
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

/// How far every projection is, as far as this process knows.
pub struct Reached {
    known: BTreeMap<&'static str, watch::Sender<Position>>,
    /// When somebody looked last; held while looking.
    looked: Mutex<Option<Instant>>,
    poll: Duration,
}

impl Reached {
    pub fn new(schemas: &[&Schema], poll: Duration) -> Self {
        let known = schemas.iter().map(|s| (s.projection, watch::Sender::new(Position::START))).collect();
        Self { known, looked: Mutex::new(None), poll }
    }

    /// A checkpoint has moved.
    pub fn moved(&self, projection: &str, to: Position) {
        if let Some(known) = self.known.get(projection) {
            known.send_if_modified(|at| {
                let later = to > *at;
                *at = (*at).max(to);
                later
            });
        }
    }

    /// The server lost what it had, or is a new one.
    pub fn went_back(&self, projection: &str, to: Position) {
        if let Some(known) = self.known.get(projection) {
            known.send_if_modified(|at| std::mem::replace(at, (*at).min(to)) > to);
        }
    }

    fn at(&self, projection: &str) -> Position {
        self.known.get(projection).map_or(Position::START, |known| *known.borrow())
    }
}

impl PostgresStore {
    pub(super) async fn wait_for(
        &self,
        projection: &str,
        position: Position,
    ) -> Result<Position, StoreError> {
        self.schema(projection)?;
        let known = self.reached.known.get(projection);
        let known = known.ok_or_else(|| StoreError::UnknownProjection(projection.to_owned()))?;
        let mut watch = known.subscribe();
        self.ready().await?;
        loop {
            self.look_around().await?;
            let moved = tokio::time::timeout(self.reached.poll, watch.wait_for(|at| *at >= position)).await;
            match moved {
                Ok(Ok(at)) => return Ok(*at),
                Ok(Err(closed)) => return Err(StoreError::Unavailable(Box::new(closed))),
                Err(_) => {}
            }
        }
    }

    /// Asks the server where every projection is, unless somebody did just now.
    async fn look_around(&self) -> Result<(), StoreError> {
        let mut looked = self.reached.looked.lock().await;
        if looked.is_some_and(|at| at.elapsed() < self.reached.poll) {
            return Ok(());
        }
        let names: Vec<&str> = self.reached.known.keys().copied().collect();
        let before: Vec<Position> = names.iter().map(|name| self.reached.at(name)).collect();
        let all = self.stored_checkpoints(&names).await?;
        for (name, before) in names.iter().zip(before) {
            let at = all.get(*name).map_or(Position::START, |at| at.position);
            // What is moved while we ask is later than what was known before.
            if at < before {
                self.reached.went_back(name, at);
            } else {
                self.reached.moved(name, at);
            }
        }
        *looked = Some(Instant::now());
        Ok(())
    }
}
