//! The last event that touched a row: of a row that follows from the log into a history it stands in the row, of all other
//! rows somebody has to watch the key while the log is folded once more.
//!
//! A row that nothing up to the end of the audit touched is watched on to the end of the log: tables may say to be at an
//! earlier position than they are.

use super::compared::Named;
use super::feed::{Feed, Next};
use super::findings::{OfProjection, Touch};
use super::{Audit, AuditError};
use crate::fold::{Folded, Place};
use crate::parking::Parked;
use crate::projection::Registered;
use std::collections::BTreeMap;
use stele_domain::port::event_log::{EventLog, Filter, Position};
use stele_domain::port::read_store::{Change, Key, ReadStore, RowKey, Table};

/// Rows that are watched, and the position of the last event that touched each.
type Watched = BTreeMap<RowKey, Option<Position>>;

impl Audit<'_> {
    /// Finds the last event of every row that is named.
    pub(super) async fn trail(
        &self,
        found: &mut OfProjection,
        named: &[Vec<Named>],
    ) -> Result<(), AuditError> {
        let projection = self.projections.iter().find(|projection| projection.name == found.projection);
        let Some(projection) = projection else { return Ok(()) };
        let mut watched = watched(projection, named);
        if !watched.is_empty() {
            self.watch(projection, found.position, &mut watched).await?;
        }
        for (table, rows) in found.tables.iter_mut().zip(named) {
            for (difference, row) in table.differences.iter_mut().zip(rows) {
                let folded_at = row.folded_at.filter(|_| table.history);
                let of_key = |(key, at): (&RowKey, &Option<Position>)| {
                    (key.table == table.table && key.key == row.key).then_some(*at).flatten()
                };
                let position = match folded_at {
                    Some(at) => u64::try_from(at).ok().map(Position),
                    None => watched.iter().find_map(of_key),
                };
                if let Some(position) = position {
                    difference.last_event = touch(&**self.log, position).await?;
                }
            }
        }
        Ok(())
    }

    /// Folds one projection once more. Of rows that nothing up to `to` has touched, it is told what came after.
    async fn watch(
        &self,
        projection: &Registered,
        to: Position,
        watched: &mut Watched,
    ) -> Result<(), AuditError> {
        let room = (self.room)(&crate::fold::schemas(std::slice::from_ref(projection)))?;
        let parked = Parked::of(&**self.log).await?;
        let mut place = Place::start(*projection).leaving_out(&parked);
        self.follow(&*room, &mut place, to, watched).await?;
        if place.position < to {
            return Err(AuditError::Lost("the log was not read to the end".to_owned()));
        }
        let untouched = watched.iter().filter(|(_, last)| last.is_none());
        let mut untouched: Watched = untouched.map(|(row, _)| (row.clone(), None)).collect();
        if !untouched.is_empty() {
            let head = self.log.head().await?;
            // Nobody asked for what is there, and nothing says that it can be folded: as far as it can, it is told.
            let _ = self.follow(&*room, &mut place, head, &mut untouched).await;
            watched.extend(untouched);
        }
        Ok(())
    }

    /// Goes on to a position. Where a stretch touches a watched row, it is folded event by event.
    async fn follow(
        &self,
        room: &dyn ReadStore,
        place: &mut Place,
        to: Position,
        watched: &mut Watched,
    ) -> Result<(), AuditError> {
        let projection = place.projection;
        let mut feed = Feed::up_to(self.log, to);
        while let Some(next) = feed.next().await {
            let Next::Stretch(stretch) = next? else { break };
            if stretch.to <= place.position {
                continue;
            }
            let whole = place.fold(room, &stretch.page, stretch.to).await?;
            if !whole.batch.changes.iter().any(|change| watched.contains_key(&row_of(&projection, change))) {
                keep(room, place, stretch.to, whole).await?;
                continue;
            }
            while place.position < stretch.to {
                let next = place.position.next();
                let folded = place.fold(room, &stretch.page, next).await?;
                for change in &folded.batch.changes {
                    if let Some(last) = watched.get_mut(&row_of(&projection, change)) {
                        *last = Some(next);
                    }
                }
                keep(room, place, next, folded).await?;
            }
        }
        Ok(())
    }
}

fn watched(projection: &Registered, named: &[Vec<Named>]) -> Watched {
    let tables = projection.tables.iter().zip(named);
    let rows = tables.flat_map(|(table, rows)| {
        let unknown = rows.iter().filter(|row| !table.append_only || row.folded_at.is_none());
        unknown.map(|row| RowKey { table: table.name, key: row.key.clone() })
    });
    rows.map(|row| (row, None)).collect()
}

/// Histories are not kept: nobody reads them here.
async fn keep(
    room: &dyn ReadStore,
    place: &mut Place,
    to: Position,
    folded: Folded,
) -> Result<(), AuditError> {
    let Folded { mut batch, digests, .. } = folded;
    let is_history =
        |name: &str| crate::digest::table_of(&place.projection, name).is_some_and(|table| table.append_only);
    batch.changes.retain(|change| match change {
        Change::Put { table, .. } => !is_history(table),
        Change::Delete(_) => true,
    });
    batch.digests.retain(|digest| !is_history(digest.table));
    room.apply(batch).await?;
    place.kept(to, digests);
    Ok(())
}

fn row_of(projection: &Registered, change: &Change) -> RowKey {
    match change {
        Change::Put { table, row } => {
            let key = |table: &Table| table.key_of(row);
            let key = crate::digest::table_of(projection, table).map_or_else(|| Key(vec![]), key);
            RowKey { table, key }
        }
        Change::Delete(gone) => gone.clone(),
    }
}

/// The event at a position.
async fn touch(log: &dyn EventLog, position: Position) -> Result<Option<Touch>, AuditError> {
    let page = log.read_all(position, &Filter::all(), 1).await?;
    let record = page.records.into_iter().next().filter(|record| record.position == position);
    Ok(record.map(|record| Touch {
        position,
        event_type: record.event_type.to_string(),
        event_id: record.event_id,
    }))
}
