//! Whether the live tables are what the log says: their rows against the digests that were kept with them, and these
//! against the digests of what was folded anew.

use super::{Differences, RebuildError, Rebuilder};
use crate::digest::{self, Difference, Digests, Scanned};
use crate::fold::Place;
use crate::models::parked_events::ParkedRow;
use crate::observe;
use crate::projection::{Registered, TableRow as _};
use std::collections::BTreeSet;
use std::fmt;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{
    Cell, Digest, PAGE_ROWS_MAX, ReadStore, Retention, ScanQuery, StoreError,
};

/// What a comparison said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// The live tables are, row for row, what follows from the log.
    Equal,
    /// They are not; these parts differ.
    Different(Vec<PartDifference>),
    /// One of both lacks events that the other has taken in: parked ones that were tried again, or that no longer fit.
    OtherGaps(Vec<Position>),
    /// The rows that served were made by another definition: nothing can be compared.
    OtherDefinition,
    /// They were kept by a build without digests: nothing can be compared.
    NoDigests,
}

/// Which two sides of a part don't agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The live rows as they stand, and the digest that was kept with them: somebody else changed rows.
    Rows,
    /// The digest that was kept with the live rows, and that of the rows folded anew.
    Folded,
}

/// One part of a table that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartDifference {
    /// The table.
    pub table: &'static str,
    /// Which part of it: positions divided by [`DIGEST_PART`](stele_domain::port::read_store::DIGEST_PART) in
    /// histories, zero in others.
    pub part: u64,
    /// What disagrees.
    pub side: Side,
    /// How many rows it has, and how many it should have.
    pub rows: (u64, u64),
    /// What it comes to and what it should come to, in short; empty for no rows.
    pub digests: (String, String),
}

impl PartDifference {
    /// `one` is what is there, `other` what should be.
    pub(super) fn of(side: Side, difference: &Difference) -> Self {
        let Difference { table, part, one, other } = difference;
        let rows = |digest: &Option<_>| digest.as_ref().map_or(0, |digest: &Digest| digest.rows);
        let short = |digest: &Option<_>| digest.as_ref().map_or_else(String::new, digest::short);
        Self { table, part: *part, side, rows: (rows(one), rows(other)), digests: (short(one), short(other)) }
    }
}

impl fmt::Display for PartDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (there, wanted) = self.rows;
        let short = |digest: &str| digest.get(..16).unwrap_or("nothing").to_owned();
        let what = match self.side {
            Side::Rows => "its live rows are not those that were kept",
            Side::Folded => "what was kept is not what follows from the log",
        };
        write!(
            f,
            "{} part {}: {what} ({there} rows, {}; should be {wanted}, {})",
            self.table,
            self.part,
            short(&self.digests.0),
            short(&self.digests.1)
        )
    }
}

/// The live rows of these projections against the digests that were kept with them, as of one moment. Rows of another
/// definition, or without digests, say nothing.
pub(super) async fn live_rows(
    parts: &Rebuilder,
    projections: &[Registered],
) -> Result<Differences, RebuildError> {
    let still = parts.live.still().await?;
    let mut all = Differences::new();
    for projection in projections {
        let at = still.checkpoint(projection.name).await?;
        if at.version != projection.version {
            continue;
        }
        let scanned = match digest::scan(&*still, projection).await {
            Ok(scanned) => scanned,
            Err(digest::ScanError::Store { source: StoreError::Undigested { .. }, .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        let differences = of_rows(&scanned);
        observe::rebuild_looked(projection.name, scanned.as_of, differences.len());
        all.insert(projection.name, differences);
    }
    Ok(all)
}

/// Where a store has dropped rows, nothing can be said of what is left in that part.
fn of_rows(scanned: &Scanned) -> Vec<PartDifference> {
    let all = scanned.found.differences(&scanned.stored);
    let first_left = |table| {
        let parts = scanned.found.to_vec();
        parts
            .iter()
            .filter(|digest| digest.table == table)
            .map(|digest| digest.part)
            .min()
            .unwrap_or(u64::MAX)
    };
    let gone = |difference: &&Difference| {
        let table = crate::models::table(difference.table);
        if table.is_some_and(|table| !table.append_only) {
            return scanned.cut_rows.contains_key(difference.table);
        }
        let missing = difference.one.as_ref().map_or(0, |digest| digest.rows)
            < difference.other.as_ref().map_or(0, |digest| digest.rows);
        scanned.cut_rows.contains_key(difference.table)
            && missing
            && difference.part <= first_left(difference.table)
    };
    all.iter().filter(|difference| !gone(difference)).map(|one| PartDifference::of(Side::Rows, one)).collect()
}

/// Tables whose rows change and of which a store with little room has dropped some: their digests say nothing any more, so
/// the rows that are left are compared instead. Which tables these are, and what differs. Both sides stand still.
pub(super) async fn of_what_is_left(
    live: &dyn ReadStore,
    next: &dyn ReadStore,
    projection: &Registered,
) -> Result<(BTreeSet<&'static str>, Vec<PartDifference>), RebuildError> {
    let mut cut = BTreeSet::new();
    for table in
        projection.tables.iter().filter(|table| !table.append_only && table.retention != Retention::All)
    {
        for side in [live, next] {
            if side.scan(table.name, &ScanQuery::by_key(1)).await?.cut_rows > 0 {
                cut.insert(table.name);
            }
        }
    }
    if cut.is_empty() {
        return Ok((cut, vec![]));
    }
    let (live, next) = (digest::scan(live, projection).await?, digest::scan(next, projection).await?);
    let differences = live.found.differences(&next.found);
    let left = differences.iter().filter(|difference| cut.contains(difference.table));
    let left = left.map(|one| PartDifference::of(Side::Folded, one)).collect();
    Ok((cut, left))
}

/// Events that only one of the two has taken in.
pub(super) async fn other_gaps(live: &dyn ReadStore, next: &Place) -> Result<Vec<Position>, RebuildError> {
    let mut gaps: BTreeSet<Position> =
        next.left_out.keys().copied().filter(|at| *at <= next.position).collect();
    let name = Cell::text(next.projection.name);
    let mut after = None;
    loop {
        let query = ScanQuery::newest(PAGE_ROWS_MAX).filter("projection", name.clone()).after(after);
        let page = live.scan(ParkedRow::TABLE.name, &query).await?.value;
        for row in &page.rows {
            let at = Position(u64::try_from(ParkedRow::TABLE.position_of(row)).unwrap_or_default());
            if !gaps.remove(&at) {
                gaps.insert(at);
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(gaps.into_iter().collect());
        }
    }
}

/// What was kept with the live rows against what was folded anew.
pub(super) fn of_kept(live: &Digests, folded: &Digests) -> Vec<PartDifference> {
    live.differences(folded).iter().map(|one| PartDifference::of(Side::Folded, one)).collect()
}
