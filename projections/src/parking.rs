//! What a projection can't take in is parked: a fact of the log first, then the fold goes on without it.
//!
//! The facts decide what every later fold leaves out, whoever folds and with whatever build: so tables with a gap follow
//! from the log like all others, and two who fold agree. Trouble of the store that passes parks nothing.

use crate::fold::{FoldError, Folded, Page, Place};
use crate::models::parked_events::ParkedRow;
use crate::projection::Registered;
use std::collections::BTreeMap;
use stele_domain::codec;
use stele_domain::decider::Decider as _;
use stele_domain::event::{Event, Meta, Recorded};
use stele_domain::ids::{Actor, CorrelationId, EventId, derived};
use stele_domain::operations::event::Event as Operations;
use stele_domain::operations::parking::event::Event as Fact;
use stele_domain::operations::parking::{Command, Parking, Phase, STREAM, State};
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{
    Direction, EventLog, Expected, Filter, LogError, NewRecord, Position, Record, Revision, StreamId,
};
use stele_domain::port::read_store::{Batch, ReadStore, StoreError};

/// Most events that wait for a person in one version of a projection. Whoever would park one more stops instead: that is no
/// odd event any more, but a fault of the build or of the database.
pub const PARKED_MAX: usize = 100;

/// Facts that are read in one go.
const PAGE: usize = 1_000;
/// How often a fact is decided anew because somebody else has written there.
const ATTEMPTS_MAX: u32 = 16;
/// Who says it.
const ACTOR: &str = "service:projections";

/// Which events are left out of which tables, as the log says.
#[derive(Debug, Clone, Default)]
pub struct Parked {
    state: State,
    /// The last fact.
    last: Option<Revision>,
}

impl Parked {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// As the log.
    pub async fn of(log: &dyn EventLog) -> Result<Self, LogError> {
        Self::told(log, |_, _| {}).await
    }

    /// The same; each fact is told, oldest first.
    ///
    /// # Errors
    ///
    /// As [`Parked::of`].
    pub async fn told(
        log: &dyn EventLog,
        mut tell: impl FnMut(&Recorded, &Fact) + Send,
    ) -> Result<Self, LogError> {
        let stream = stream()?;
        let mut parked = Self::default();
        loop {
            let from = parked.last.map_or(Revision(0), |last| Revision(last.0.saturating_add(1)));
            let page = log.read_stream(&stream, from, Direction::Forward, PAGE).await?;
            for record in &page {
                parked.last = Some(record.revision);
                // One that can't be read leaves nothing out, for anybody: it is parked itself.
                if let Some((recorded, fact)) = fact(record) {
                    parked.state = Parking::evolve(std::mem::take(&mut parked.state), &fact);
                    tell(&recorded, &fact);
                }
            }
            if page.len() < PAGE {
                return Ok(parked);
            }
        }
    }

    /// All of it.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What a projection leaves out, and why.
    #[must_use]
    pub fn left_out(&self, projection: &Registered) -> BTreeMap<Position, String> {
        let known = self.state.of(projection.name, projection.version);
        let out = known.filter(|(_, entry)| match entry.phase {
            Phase::Parked | Phase::Skipped => true,
            Phase::Retried => false,
        });
        out.map(|(at, entry)| (at, entry.reason.clone())).collect()
    }

    fn waiting(&self, projection: &Registered) -> usize {
        let known = self.state.of(projection.name, projection.version);
        known.filter(|(_, entry)| entry.phase == Phase::Parked).count()
    }
}

/// Who parks.
#[derive(Clone, Copy)]
pub(crate) struct Parker<'p> {
    pub log: &'p dyn EventLog,
    pub clock: &'p dyn Clock,
}

impl Parker<'_> {
    /// What a projection makes of a stretch of the log. What it can't fold is written down before that.
    pub async fn folded(
        &self,
        place: &mut Place,
        store: &dyn ReadStore,
        page: &Page,
        to: Position,
    ) -> Result<Folded, FoldError> {
        loop {
            let made = place.fold(store, page, to).await?;
            let news = made.parked.iter().filter(|row| !place.left_out.contains_key(&row.position));
            let news: Vec<ParkedRow> = news.cloned().collect();
            if news.is_empty() {
                return Ok(made);
            }
            self.park(place, &news).await?;
        }
    }

    /// Folds and keeps one projection alone. An event whose rows the store refuses is found by halving, and parked.
    /// What was parked on the way.
    pub async fn keep(
        &self,
        place: &mut Place,
        store: &dyn ReadStore,
        page: &Page,
        to: Position,
        end: Option<EventId>,
    ) -> Result<Vec<ParkedRow>, FoldError> {
        let mut parked = vec![];
        let mut goal = to;
        while place.position < to {
            let made = self.folded(place, store, page, goal).await?;
            let batch = Batch { event_id: end.filter(|_| goal == to), ..made.batch };
            match store.apply(batch).await {
                Ok(()) => {
                    place.kept(goal, made.digests);
                    parked.extend(made.parked);
                    goal = to;
                }
                Err(StoreError::Refused { table, why }) => {
                    let folds = page.between(place.projection.folds, place.position, goal);
                    let suspects = folds.iter().filter(|item| !place.left_out.contains_key(&item.position()));
                    let suspects: Vec<_> = suspects.collect();
                    match suspects.as_slice() {
                        // No event is left that could be blamed.
                        [] => return Err(place.refused(StoreError::Refused { table, why })),
                        [one] => {
                            let why = format!("table {table}: {why}");
                            let row = one.parked(place.projection.name, &why);
                            self.park(place, &[row]).await?;
                        }
                        several => goal = several[several.len() / 2 - 1].position(),
                    }
                }
                Err(error) => return Err(place.refused(error)),
            }
        }
        Ok(parked)
    }

    /// Writes down that a projection goes on without these events. Whoever was first has said it for all.
    async fn park(&self, place: &mut Place, rows: &[ParkedRow]) -> Result<(), FoldError> {
        let projection = place.projection;
        let failed = |source| FoldError::Parking { projection: projection.name, source };
        let mut attempts = 0_u32;
        let known = loop {
            let known = Parked::of(self.log).await.map_err(failed)?;
            let mut records = self.facts(&known, &projection, rows).map_err(failed)?;
            if records.is_empty() {
                break known;
            }
            let room = PARKED_MAX.saturating_sub(known.waiting(&projection));
            if room == 0 {
                let said = known.left_out(&projection);
                let next = rows.iter().find(|row| !said.contains_key(&row.position));
                let at = next.map_or(place.position, |row| row.position);
                let why = next.map_or_else(String::new, |row| row.error.clone());
                return Err(FoldError::TooManyParked { projection: projection.name, at, why });
            }
            records.truncate(room);
            let expected = known.last.map_or(Expected::NoStream, Expected::Exactly);
            match self.log.append(&stream().map_err(failed)?, expected, records).await {
                Ok(_) => {}
                Err(LogError::Conflict { .. }) if attempts < ATTEMPTS_MAX => {}
                Err(error) => return Err(failed(error)),
            }
            attempts = attempts.saturating_add(1);
        };
        place.left_out = known.left_out(&projection);
        // There was nothing more to say of any of them: each is parked or skipped in this version.
        let missing = rows.iter().find(|row| !place.left_out.contains_key(&row.position));
        assert!(
            missing.is_none(),
            "{} takes in what the log says it leaves out: {missing:?}",
            projection.name
        );
        Ok(())
    }

    fn facts(
        &self,
        known: &Parked,
        projection: &Registered,
        rows: &[ParkedRow],
    ) -> Result<Vec<NewRecord>, LogError> {
        let mut records = vec![];
        for row in rows {
            let command = Command::Park {
                projection: projection.name.to_owned(),
                version: projection.version,
                position: row.position,
                event_type: row.event_type.clone(),
                reason: row.error.clone(),
                at: self.clock.now(),
            };
            // Whoever folds is refused nothing.
            for fact in Parking::decide(&known.state, command).unwrap_or_default() {
                records.push(self.record(fact)?);
            }
        }
        Ok(records)
    }

    fn record(&self, fact: Fact) -> Result<NewRecord, LogError> {
        let invalid = |error: &dyn std::error::Error| LogError::Invalid(error.to_string());
        let said = match &fact {
            Fact::EventParked(parked) => [
                parked.projection.clone(),
                parked.version.to_string(),
                parked.position.to_string(),
                parked.attempt.to_string(),
            ],
            Fact::ParkedRetried(_) | Fact::ParkedSkipped(_) => Default::default(),
        };
        let id = derived("parked", &said.each_ref().map(String::as_str));
        let meta = Meta {
            correlation_id: CorrelationId(id),
            causation_id: None,
            command: None,
            actor: Actor::try_from(ACTOR.to_owned()).map_err(|error| invalid(&error))?,
            origin: None,
            occurred_at: self.clock.now(),
            schema: codec::SCHEMA_VERSION,
        };
        let event = Event::Operations(Operations::Parking(fact));
        codec::to_record(EventId(id), &event, &meta).map_err(|error| invalid(&error))
    }
}

/// What a record says of a parked event, if that is what it is about.
pub(crate) fn fact(record: &Record) -> Option<(Recorded, Fact)> {
    let recorded = codec::recorded(record).ok()?;
    let Event::Operations(Operations::Parking(fact)) = &recorded.event else { return None };
    let fact = fact.clone();
    Some((recorded, fact))
}

/// Wants the facts about parked events, and little else.
pub(crate) fn filter() -> Filter {
    Filter::categories(&[STREAM.split_once('-').map_or(STREAM, |(category, _)| category)])
}

fn stream() -> Result<StreamId, LogError> {
    StreamId::new(STREAM).map_err(|error| LogError::Invalid(error.to_string()))
}
