//! One projection on its way through the log: its rows are folded and held beside those that are there.

use super::AuditError;
use super::compared::{Compared, Named, Parts};
use super::feed::Stretch;
use super::findings::{NotLookedAt, OfProjection, OfTable, ParkedThere, Verdict};
use super::live::Leaving;
use super::terms::Terms;
use super::tiered::{AllKnown, spans_of};
use super::walk::Asking;
use crate::digest::{Digests, table_of};
use crate::fold::{Folded, Place};
use crate::models::parked_events;
use crate::parking::Parked;
use crate::projection::Registered;
use std::collections::BTreeMap;
use stele_domain::operations::parking::Entry;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{
    Batch, Change, Digest, PAGE_ROWS_MAX, ReadStore, Row, ScanQuery, StoreError, Table,
};

/// A projection, while it is folded.
pub(super) struct Course {
    place: Place,
    terms: Terms,
    /// Histories are compared on the way, a page at a time.
    histories: BTreeMap<&'static str, Compared>,
    /// What the log says of events that it could not take in.
    parked: Vec<ParkedThere>,
}

/// What came of it.
pub(super) struct Arrived {
    pub found: OfProjection,
    pub not_looked_at: Vec<NotLookedAt>,
    /// The rows that differ, in the order of the tables and of their differences.
    pub named: Vec<Vec<Named>>,
}

impl Course {
    pub fn begin(projection: &Registered, parked: &Parked, tiered: &AllKnown, terms: Terms) -> Self {
        let own = projection.tables.iter().map(|table| (table, None));
        let shared = parked_events::SCHEMA.tables.iter().map(|table| (table, Some(projection.name)));
        let histories = own.chain(shared).filter(|(table, _)| table.append_only);
        let compared = |(table, of): (&'static Table, Option<&str>)| {
            let live = terms.rows().map(|live| Asking::through(&live.store, table, of, terms.until()));
            let by_the_log = terms.rows().is_some_and(|live| live.leaving == Leaving::ByTheLog);
            let left = by_the_log.then(|| spans_of(table, tiered));
            (table.name, Compared::new(table, live).left_to(left))
        };
        let histories = histories.map(compared).collect();
        let entry = |(position, entry): (Position, &Entry)| ParkedThere {
            position,
            event_type: entry.event_type.clone(),
            reason: entry.reason.clone(),
            state: entry.phase.into(),
        };
        let known = parked.state().of(projection.name, projection.version);
        let known = known.filter(|(at, _)| *at <= terms.to).map(entry).collect();
        Self { place: Place::start(*projection).leaving_out(parked), terms, histories, parked: known }
    }

    pub fn target(&self) -> Position {
        self.terms.to
    }

    /// Whether it was folded as far as it goes.
    pub fn is_there(&self) -> bool {
        self.place.position == self.terms.to
    }

    /// Folds a stretch of the log. Rows that may change are kept in `room`, those of histories are compared and forgotten.
    pub async fn take(&mut self, room: &dyn ReadStore, stretch: &Stretch) -> Result<(), AuditError> {
        let to = stretch.to.min(self.terms.to);
        if to <= self.place.position {
            return Ok(());
        }
        let Folded { batch, digests, .. } = self.place.fold(room, &stretch.page, to).await?;
        let written = self.keep(room, batch).await?;
        self.place.kept(to, digests);
        for (table, row) in written {
            if let Some(compared) = self.histories.get_mut(table) {
                compared.folded(row).await?;
            }
        }
        Ok(())
    }

    /// Keeps the rows that may change, and hands back those that never will, by table and key.
    async fn keep(&self, room: &dyn ReadStore, batch: Batch) -> Result<Vec<(&'static str, Row)>, AuditError> {
        let is_history = |table: &str| self.histories.contains_key(table);
        let (mut written, mut changes) = (vec![], vec![]);
        for change in batch.changes {
            match change {
                Change::Put { table, row } if is_history(table) => written.push((table, row)),
                other @ (Change::Put { .. } | Change::Delete(_)) => changes.push(other),
            }
        }
        let digests: Vec<Digest> =
            batch.digests.into_iter().filter(|digest| !is_history(digest.table)).collect();
        room.apply(Batch { changes, digests, ..batch }).await?;
        Ok(written)
    }

    /// Compares what can only be compared at the end, and says what came of everything.
    pub async fn arrive(mut self, room: &dyn ReadStore) -> Result<Arrived, AuditError> {
        for compared in self.histories.values_mut() {
            compared.folded_all(self.terms.until()).await?;
        }
        let projection = self.place.projection;
        let folded = by_table(self.place.digests.to_vec());
        let stored = self.terms.stored(&projection).map(|digests: Digests| by_table(digests.to_vec()));
        let (mut tables, mut named) = (vec![], vec![]);
        let all = projection.tables.iter().chain(parked_events::SCHEMA.tables);
        for table in all.filter_map(|table| table_of(&projection, table.name)) {
            let compared = match self.histories.remove(table.name) {
                Some(compared) => compared,
                None => self.states(room, table).await?,
            };
            let nothing = Parts::new();
            let of_table =
                |parts: &BTreeMap<&'static str, Parts>| parts.get(table.name).cloned().unwrap_or_default();
            let stored = stored.as_ref().map(of_table);
            let parts = folded.get(table.name).unwrap_or(&nothing);
            let says = |part| self.terms.says(table, part);
            let (found, rows) = compared.finish(parts, stored.as_ref(), says).await?;
            tables.push(found);
            named.push(rows);
        }
        let why = self.terms.why.take();
        let verdict = match why {
            Some(_) => Verdict::Differs,
            None => Verdict::of(tables.iter().map(|table: &OfTable| table.verdict)),
        };
        let found = OfProjection {
            projection: projection.name.to_owned(),
            version: projection.version,
            position: self.place.position,
            verdict,
            why,
            parked: self.parked,
            tables,
        };
        Ok(Arrived { found, not_looked_at: self.terms.not_looked_at, named })
    }

    /// Compares a table whose rows change, now that nothing changes them any more.
    async fn states(&self, room: &dyn ReadStore, table: &'static Table) -> Result<Compared, AuditError> {
        let mut compared = match self.terms.rows().filter(|_| self.terms.is_there()) {
            Some(live) => {
                let asking = Asking::through(&live.store, table, None, None);
                Compared::new(table, Some(asking)).cut_below(oldest_left(&*live.store, table).await?)
            }
            None => Compared::new(table, None),
        };
        let mut query = ScanQuery::by_key(PAGE_ROWS_MAX);
        loop {
            let answer = room.scan(table.name, &query).await?;
            if answer.cut_rows > 0 {
                return Err(AuditError::Forgetful { table: table.name, rows: answer.cut_rows });
            }
            for row in answer.value.rows {
                compared.folded(row).await?;
            }
            if answer.value.next.is_none() {
                break;
            }
            query.after = answer.value.next;
        }
        compared.folded_all(None).await?;
        Ok(compared)
    }
}

/// The lowest position of any row of a table of which the store has dropped some: they are all older.
async fn oldest_left(store: &dyn ReadStore, table: &Table) -> Result<Option<i64>, StoreError> {
    if store.scan(table.name, &ScanQuery::by_key(1)).await?.cut_rows == 0 {
        return Ok(None);
    }
    let oldest = store.scan(table.name, &ScanQuery::newest(1).reversed()).await?;
    Ok(oldest.value.rows.first().map(|row| table.position_of(row)))
}

fn by_table(digests: Vec<Digest>) -> BTreeMap<&'static str, Parts> {
    let mut tables: BTreeMap<&'static str, Parts> = BTreeMap::new();
    for digest in digests {
        tables.entry(digest.table).or_default().insert(digest.part, digest);
    }
    tables
}
