//! Rows on their way to the lake: from where it ends to the end of the partition, some at a time. Whoever is cut short goes
//! on there.

use super::reading::in_the_lake;
use super::{Difference, ShelfOf, TierError, Tierer, Where};
use crate::tier::rows::Sum;
use stele_domain::operations::tiering::{PartitionTiered, State};
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::Row;
use stele_domain::port::tiering::{KeptDigest, Partition};

impl Tierer {
    /// Refuses rows in the tables that are not what was kept of them.
    pub(super) async fn live_is(
        &self,
        history: &ShelfOf,
        partition: &Partition,
        kept: &[KeptDigest],
    ) -> Result<(), TierError> {
        let mut sum = Sum::default();
        let mut pages = self.pages(history, partition.from, partition.to);
        while let Some(rows) = pages.next().await? {
            for row in &rows {
                sum.add(history, row);
            }
        }
        let Some(what) = sum.differs(history, kept) else { return Ok(()) };
        Err(TierError::Differs(Difference {
            table: partition.table.to_owned(),
            from: partition.from,
            to: partition.to,
            place: Where::Tables,
            what,
        }))
    }

    /// Puts what the lake lacks of a partition there.
    pub(super) async fn copy(
        &self,
        history: &ShelfOf,
        partition: &Partition,
        known: &State,
    ) -> Result<(), TierError> {
        let last = Position(partition.to.0.saturating_sub(1));
        let mut after = self.lake.position(history.shelf).await?;
        if after >= last {
            return Ok(());
        }
        self.lacks_nothing_older(history, partition, known, after)?;
        let table = history.shelf.table;
        let at = |row: &Row| Position(u64::try_from(table.position_of(row)).unwrap_or_default());
        let mut waiting: Vec<Row> = vec![];
        let from = if after == Position::START { partition.from } else { partition.from.max(after.next()) };
        let mut pages = self.pages(history, from, partition.to);
        while let Some(rows) = pages.next().await? {
            waiting.extend(rows);
            // All rows of a position go together, and more of the last one may come.
            let open = waiting.last().map_or(Position::START, at);
            let whole = waiting.partition_point(|row| at(row) < open);
            if waiting.len() >= self.rows_max && whole > 0 {
                let rest = waiting.split_off(whole);
                let rows = std::mem::replace(&mut waiting, rest);
                let to = rows.last().map_or(after, at);
                self.lake.append(history.shelf, after, to, rows).await?;
                after = to;
            }
        }
        Ok(self.lake.append(history.shelf, after, last, waiting).await?)
    }

    /// Refuses to put rows behind older ones that the lake had and has no more: it takes rows in the order of the log only, so
    /// that these could never come back to their place.
    fn lacks_nothing_older(
        &self,
        history: &ShelfOf,
        partition: &Partition,
        known: &State,
        after: Position,
    ) -> Result<(), TierError> {
        let lost = known.all().map(|one| &one.tiered).find(|PartitionTiered { span, lake, .. }| {
            span.table == history.shelf.table.name
                && span.version == history.shelf.version
                && span.to_position <= partition.from.0
                && span.to_position.saturating_sub(1) > after.0
                && lake == self.lake.url()
        });
        let Some(PartitionTiered { span, .. }) = lost else { return Ok(()) };
        let what = format!(
            "rows from {} to {}, which are older and go first, were there and are there no more",
            span.from_position, span.to_position
        );
        Err(in_the_lake(&history.span(partition.from, partition.to), what))
    }
}
