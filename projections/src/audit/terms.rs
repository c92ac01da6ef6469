//! What can be compared of one projection, and up to where: decided before anything is folded.

use super::AuditError;
use super::findings::NotLookedAt;
use super::live::{Live, Seen, Standing};
use crate::digest::Digests;
use crate::fold::Newer;
use crate::projection::Registered;
use std::sync::Arc;
use stele_domain::causes::with_causes;
use stele_domain::port::event_log::{EventLog, Filter, Position};
use stele_domain::port::read_store::{DIGEST_PART, PAGE_ROWS_MAX, ReadStore, ScanQuery, StoreError, Table};

/// How far apart projections may be that are kept one after the other, in positions: a batch of a runner that catches up.
const TOGETHER: u64 = 4_096;

/// Where an audit ends.
#[derive(Clone, Copy)]
pub(super) enum Goal<'n> {
    /// Where the tables are.
    Tables,
    /// Where it was asked to.
    Asked(Position),
    /// In front of what a newer build wrote, wherever it was asked to.
    Before(&'n Newer),
}

impl Goal<'_> {
    pub fn position(self) -> Option<Position> {
        match self {
            Self::Tables => None,
            Self::Asked(position) => Some(position),
            Self::Before(newer) => Some(Position(newer.at.0.saturating_sub(1))),
        }
    }
}

/// The terms of one projection.
pub(super) struct Terms {
    /// Up to where it is folded.
    pub to: Position,
    live: Option<Seen>,
    /// What is wrong with it as a whole: then nothing is compared.
    pub why: Option<String>,
    pub not_looked_at: Vec<NotLookedAt>,
}

impl Terms {
    /// Looks at where the projection is, and whether it can be there.
    pub async fn of(
        log: &dyn EventLog,
        head: Position,
        goal: Goal<'_>,
        projection: &Registered,
        live: Option<&Live>,
    ) -> Result<Self, AuditError> {
        let found = live.and_then(|live| live.of(projection.name));
        let alone =
            |why, not_looked_at| Self { to: goal.position().unwrap_or(head), live: None, why, not_looked_at };
        let Some(seen) = found else { return Ok(alone(None, vec![])) };
        let name = projection.name;
        let unseen =
            |why: String| vec![NotLookedAt { what: format!("the tables of projection {name}"), why }];
        let standing = Arc::clone(&seen.standing);
        let at = standing.checkpoint;
        if at.version != 0 && at.version != projection.version {
            let why = format!(
                "their rows were made by version {} and this build folds version {}: rebuild the projection, or audit with \
                 the build that made them",
                at.version, projection.version
            );
            return Ok(alone(None, unseen(why)));
        }
        if at.position == Position::START {
            let rows = rows_there(&*seen.store, projection).await?;
            if rows > 0 {
                // Whoever took the checkpoint away did not write the rows.
                let why = format!("its checkpoint is missing: {rows} rows stand there that are not judged");
                return Ok(alone(Some(why.clone()), unseen(why)));
            }
        }
        if at.position > head {
            let why = format!(
                "its tables are at position {} and the log ends at {head}: the log was cut, or is an older copy, or another \
                 one",
                at.position
            );
            return Ok(alone(Some(why.clone()), unseen(why)));
        }
        if let Some(stored) = at.event_id {
            let page = log.read_all(at.position, &Filter::all(), 1).await?;
            let record = page.records.first().filter(|record| record.position == at.position);
            if record.map(|record| record.event_id) != Some(stored) {
                let why = format!(
                    "its tables were folded from another log: they name event {} at position {}, and this log has {} there",
                    stored.0,
                    at.position,
                    record.map_or_else(|| "none".to_owned(), |record| record.event_id.0.to_string()),
                );
                return Ok(alone(Some(why.clone()), unseen(why)));
            }
        }
        let mut terms = Self { to: at.position, live: Some(seen), why: None, not_looked_at: vec![] };
        terms.bounded(projection, goal);
        terms.undigested(projection, &standing);
        Ok(terms)
    }

    /// Ends where the audit does.
    fn bounded(&mut self, projection: &Registered, goal: Goal<'_>) {
        let at = self.to;
        let Some(end) = goal.position().filter(|end| *end != at) else { return };
        if end > at {
            let why = match goal {
                Goal::Before(newer) => format!("the tables are at position {at}, and {}", cut_short(newer)),
                Goal::Tables | Goal::Asked(_) => {
                    format!("the tables are at position {at}; ask again when they have come to {end}")
                }
            };
            let what = format!("projection {} after position {}", projection.name, self.to);
            self.not_looked_at.push(NotLookedAt { what, why });
            return;
        }
        let states = projection.tables.iter().filter(|table| !table.append_only);
        let names: Vec<&str> = states.map(|table| table.name).collect();
        if !names.is_empty() {
            let why = match goal {
                Goal::Before(newer) => {
                    format!("their rows change, and they show position {at}: {}", cut_short(newer))
                }
                Goal::Tables | Goal::Asked(_) => format!(
                    "their rows change, and they show position {at} and not {end}: an audit without a position compares them"
                ),
            };
            let what = format!("the rows of {}", names.join(", "));
            self.not_looked_at.push(NotLookedAt { what, why });
        }
        self.to = end;
    }

    /// Says so when others have come further than a moment can explain, and nobody asked for a position.
    pub fn behind(&mut self, projection: &Registered, others: Position) {
        let far = self.to == Position::START || others.0.saturating_sub(self.to.0) > TOGETHER;
        if self.live.is_some() && self.to < others && far {
            let why =
                format!("its tables are there, and others at {others}: `stele status` says what holds it up");
            let what = format!("projection {} after position {}", projection.name, self.to);
            self.not_looked_at.push(NotLookedAt { what, why });
        }
    }

    fn undigested(&mut self, projection: &Registered, standing: &Standing) {
        let why = match &standing.digests {
            Err(why) => why.clone(),
            Ok(stored) => match Digests::of(projection, stored.clone()) {
                Ok(_) => return,
                Err(malformed) => {
                    // Rows are compared all the same: they may be in order.
                    self.why = Some(with_causes(&malformed));
                    return;
                }
            },
        };
        let what = format!("the stored digests of projection {}", projection.name);
        self.not_looked_at.push(NotLookedAt { what, why });
    }

    /// Where the rows are that are compared.
    pub fn rows(&self) -> Option<&Seen> {
        self.live.as_ref()
    }

    /// Whether the tables are where the fold ends: then rows that may change can be compared, and a row behind the end
    /// follows from nothing.
    pub fn is_there(&self) -> bool {
        self.live.as_ref().is_some_and(|seen| seen.standing.checkpoint.position == self.to)
    }

    /// The last position of rows that are compared; none when all are.
    pub fn until(&self) -> Option<i64> {
        (!self.is_there()).then(|| i64::try_from(self.to.0).unwrap_or(i64::MAX))
    }

    /// What the store has kept beside the rows.
    pub fn stored(&self, projection: &Registered) -> Option<Digests> {
        let stored = self.live.as_ref()?.standing.digests.as_ref().ok()?.clone();
        Digests::of(projection, stored).ok()
    }

    /// Whether a kept digest is one of rows up to the end: all are when the tables are there, else those of parts of a
    /// history that end before.
    pub fn says(&self, table: &Table, part: u64) -> bool {
        let ended = part.saturating_add(1).saturating_mul(DIGEST_PART) <= self.to.0.saturating_add(1);
        self.is_there() || (table.append_only && ended)
    }
}

/// How many rows stand in the tables of a projection.
async fn rows_there(store: &dyn ReadStore, projection: &Registered) -> Result<u64, StoreError> {
    let mut rows = 0_u64;
    for table in projection.tables {
        let mut query = ScanQuery::by_key(PAGE_ROWS_MAX);
        loop {
            let page = store.scan(table.name, &query).await?.value;
            rows = rows.saturating_add(u64::try_from(page.rows.len()).unwrap_or(u64::MAX));
            if page.next.is_none() {
                break;
            }
            query.after = page.next;
        }
    }
    Ok(rows)
}

/// Why an audit ends in front of an event.
fn cut_short(newer: &Newer) -> String {
    let Newer { at, event_type, .. } = newer;
    let end = at.0.saturating_sub(1);
    format!(
        "the audit ends at position {end}, because the event at position {at} ({event_type}) is of a newer build"
    )
}
