//! The way back: partitions come out of the lake, newest first. Each file is checked against its manifest before its rows are
//! written. As they stand in the tables then, they are held beside what was kept once more, in the transaction that shows
//! them: what differs is told, and never shown.

use super::rows::Sum;
use super::{Difference, ShelfOf, TierError, Tierer, Where};
use crate::observe;
use stele_domain::operations::tiering::{Command, Known, PartitionRestored, PartitionTiered, State};
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Row, StoreError};
use stele_domain::port::tiering::Partition;
use stele_domain::time::Timestamp;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The partitions, newest first, those included that were there already and are held from now on.
    pub partitions: Vec<PartitionTiered>,
    /// No retention takes them away before.
    pub held_until: Timestamp,
}

impl Tierer {
    /// Brings back every partition of a table from the one with this position on. They stay for `held_ms`.
    ///
    /// # Errors
    ///
    /// [`TierError::NotTiered`]; [`TierError::Differs`] where the lake does not have what was kept, or something else came into
    /// the tables: that partition and older ones did not come back, and nobody saw a row of it.
    pub async fn restore(
        &self,
        table: &str,
        position: Position,
        held_ms: i64,
        mut tell: impl FnMut(&PartitionTiered),
    ) -> Result<Restored, TierError> {
        let history = ShelfOf::of(table)?;
        let known = self.facts.known().await?;
        let live = self.histories.partitions(None).await?;
        let live: Vec<Partition> = live.into_iter().filter(|one| one.table == table).collect();
        let held_until = Timestamp::from_millis(self.clock.now().millis().saturating_add(held_ms));
        let mut partitions = self.tiered_from(&history, &known, position);
        if partitions.first().is_none_or(|first| first.span.from_position > position.0) {
            return Err(TierError::NotTiered { table: table.to_owned(), position });
        }
        partitions.reverse();
        for tiered in &partitions {
            tell(tiered);
            self.come_back(&history, tiered, &live, held_until).await?;
        }
        Ok(Restored { partitions, held_until })
    }

    /// What is in the lake of a history, from the partition with a position on, oldest first.
    pub(super) fn tiered_from(
        &self,
        history: &ShelfOf,
        known: &State,
        position: Position,
    ) -> Vec<PartitionTiered> {
        let version = history.shelf.version;
        let of_it = |known: &&Known| {
            let PartitionTiered { span, lake, .. } = &known.tiered;
            span.table == history.shelf.table.name
                && span.version == version
                && span.to_position > position.0
                && lake == self.lake.url()
        };
        known.all().filter(of_it).map(|known| known.tiered.clone()).collect()
    }

    async fn come_back(
        &self,
        history: &ShelfOf,
        tiered: &PartitionTiered,
        live: &[Partition],
        held_until: Timestamp,
    ) -> Result<(), TierError> {
        let span = &tiered.span;
        let (from, to) = (Position(span.from_position), Position(span.to_position));
        if !live.iter().any(|one| one.from == from && one.to == to) {
            let Some(kept) = self.kept(history, from, to).await? else {
                let what = "the tables are being folded anew: their rows come back by themselves";
                return Err(TierError::Differs(difference(tiered, Where::Tables, what)));
            };
            // All of it is proved before the first row is written.
            let manifest = self.prove_again(history, tiered, &kept).await?;
            self.histories.begin_restore(history.shelf.table.name, from, to).await?;
            let mut groups = self.groups(history, span, &manifest.files);
            while let Some(rows) = groups.next().await? {
                self.histories.restore_rows(history.shelf.table.name, rows).await?;
            }
            let mut sum = Sum::default();
            let mut look = |row: Option<&Row>| {
                let Some(row) = row else { return sum.differs(history, &kept).map_or(Ok(()), Err) };
                sum.add(history, row);
                Ok(())
            };
            let name = history.shelf.table.name;
            let shown = self.histories.finish_restore(name, from, to, manifest.rows, &mut look).await;
            shown.map_err(|error| not_shown(tiered, error))?;
            observe::tiering_restored(tiered);
        }
        let restored = PartitionRestored {
            span: span.clone(),
            rows: tiered.rows,
            digest: tiered.digest.clone(),
            held_until,
            at: self.clock.now(),
        };
        Ok(self.facts.record(Command::Restore(restored)).await?)
    }
}

/// What the store said to whoever wanted to show a partition.
fn not_shown(tiered: &PartitionTiered, error: StoreError) -> TierError {
    if let StoreError::Damaged(what) = error {
        return TierError::Differs(difference(tiered, Where::Tables, &what));
    }
    error.into()
}

fn difference(tiered: &PartitionTiered, place: Where, what: &str) -> Difference {
    Difference {
        table: tiered.span.table.clone(),
        from: Position(tiered.span.from_position),
        to: Position(tiered.span.to_position),
        place,
        what: what.to_owned(),
    }
}
