//! One table of one projection: the rows that follow from the log beside those that are there, both in the order of
//! their keys.

use super::findings::{Deed, OfLost, OfPart, OfRow, OfTable, ROWS_NAMED_MAX, Verdict};
use super::walk::Walk;
use crate::digest;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Digest, Key, Row, StoreError, Table};

/// Digests of a table by part.
pub(super) type Parts = BTreeMap<u64, Digest>;

/// The comparison of one table, while it goes on.
pub(super) struct Compared {
    table: &'static Table,
    live: Option<Walk>,
    /// The lowest position of any row that is there, where the store has dropped older ones.
    oldest_left: Option<i64>,
    /// Where rows may be missing because they are in a lake; none where the store drops rows for their age.
    left: Option<Vec<Range<u64>>>,
    /// Parts of which the store has dropped rows.
    cut_parts: BTreeSet<u64>,
    found: OfTable,
    /// The rows that are named, by key, for whoever looks for their last events.
    named: Vec<Named>,
}

/// A row that differs.
pub(super) struct Named {
    pub key: Key,
    /// Where the row that follows from the log stands.
    pub folded_at: Option<i64>,
}

impl Compared {
    /// With nothing to compare with, unless there is a walk.
    pub fn new(table: &'static Table, live: Option<Walk>) -> Self {
        let found = OfTable {
            table: table.name.to_owned(),
            history: table.append_only,
            verdict: Verdict::NotCompared,
            rows_folded: 0,
            rows_live: live.as_ref().map(|_| 0),
            rows_older: 0,
            lost: None,
            rows_changed: 0,
            rows_deleted: 0,
            rows_added: 0,
            parts: vec![],
            differences: vec![],
            tiered: vec![],
        };
        Self { table, live, oldest_left: None, left: None, cut_parts: BTreeSet::new(), found, named: vec![] }
    }

    /// In a store that has dropped all rows below this position, if it has dropped any.
    pub fn cut_below(self, oldest_left: Option<i64>) -> Self {
        Self { oldest_left, ..self }
    }

    /// In a store that drops rows of these positions and of no others, if that is known.
    pub fn left_to(self, left: Option<Vec<Range<u64>>>) -> Self {
        Self { left, ..self }
    }

    /// The next row that follows from the log.
    ///
    /// # Errors
    ///
    /// As the store.
    pub async fn folded(&mut self, row: &Row) -> Result<(), StoreError> {
        let before = self.found.rows_folded;
        self.found.rows_folded = before.saturating_add(1);
        if self.live.is_none() {
            return Ok(());
        }
        let key = self.table.key_of(row);
        self.added_before(|other| *other < key).await?;
        let Some(walk) = &mut self.live else { return Ok(()) };
        let there = walk.peek().await?.is_some_and(|live| self.table.key_of(live) == key);
        let cut_rows = walk.cut_rows;
        match there.then(|| walk.take()).flatten() {
            Some(live) => {
                self.count_live();
                if live != *row {
                    self.found.rows_changed = self.found.rows_changed.saturating_add(1);
                    self.name(Deed::Changed, key, Some(&live), Some(row));
                }
            }
            None if self.is_older(row, before, cut_rows) => {
                self.cut_parts.insert(self.table.part_of(row));
                self.dropped(row);
            }
            None => {
                self.found.rows_deleted = self.found.rows_deleted.saturating_add(1);
                self.name(Deed::Deleted, key, None, Some(row));
            }
        }
        Ok(())
    }

    /// No row up to this position is still to follow from the log. For histories, whose keys begin with the position.
    ///
    /// # Errors
    ///
    /// As the store.
    pub async fn folded_up_to(&mut self, position: u64) -> Result<(), StoreError> {
        let last = i64::try_from(position).unwrap_or(i64::MAX);
        let table = self.table;
        self.added_while(|row| table.position_of(row) <= last).await
    }

    /// No row at all is still to follow from the log.
    ///
    /// # Errors
    ///
    /// As the store.
    pub async fn folded_all(&mut self) -> Result<(), StoreError> {
        self.added_while(|_| true).await
    }

    async fn added_before(&mut self, is_before: impl Fn(&Key) -> bool) -> Result<(), StoreError> {
        let table = self.table;
        self.added_while(|row| is_before(&table.key_of(row))).await
    }

    /// The next rows that are there, and that follow from nothing.
    async fn added_while(&mut self, goes_on: impl Fn(&Row) -> bool) -> Result<(), StoreError> {
        loop {
            let Some(walk) = &mut self.live else { return Ok(()) };
            if !walk.peek().await?.is_some_and(&goes_on) {
                return Ok(());
            }
            let Some(row) = walk.take() else { return Ok(()) };
            self.count_live();
            self.found.rows_added = self.found.rows_added.saturating_add(1);
            self.name(Deed::Added, self.table.key_of(&row), Some(&row), None);
        }
    }

    fn count_live(&mut self) {
        self.found.rows_live = self.found.rows_live.map(|rows| rows.saturating_add(1));
    }

    /// Whether the store says to have dropped this row: always those with the lowest positions first.
    fn is_older(&self, row: &Row, folded_before: u64, cut_rows: u64) -> bool {
        if self.table.append_only {
            return folded_before < cut_rows;
        }
        let before_all = self.oldest_left.is_none_or(|oldest| self.table.position_of(row) < oldest);
        before_all && self.found.rows_older < cut_rows
    }

    /// Counts a row that the store says to have dropped: among the old ones, or as lost.
    fn dropped(&mut self, row: &Row) {
        let position = u64::try_from(self.table.position_of(row)).unwrap_or_default();
        if self.left.as_ref().is_none_or(|left| left.iter().any(|span| span.contains(&position))) {
            self.found.rows_older = self.found.rows_older.saturating_add(1);
            return;
        }
        // Histories are folded in the order of their positions.
        let first =
            || OfLost { rows: 0, from_position: Position(position), last_position: Position(position) };
        let lost = self.found.lost.get_or_insert_with(first);
        lost.rows = lost.rows.saturating_add(1);
        lost.last_position = Position(position);
    }

    fn name(&mut self, deed: Deed, key: Key, live: Option<&Row>, folded: Option<&Row>) {
        if self.named.len() >= ROWS_NAMED_MAX {
            return;
        }
        let words = |row: &Row| self.table.json(row);
        self.found.differences.push(OfRow {
            deed,
            key: key.to_string(),
            live: live.map(words),
            folded: folded.map(words),
            last_event: None,
        });
        self.named.push(Named { key, folded_at: folded.map(|row| self.table.position_of(row)) });
    }

    /// The digest of the rows that were there, but for parts of which some were dropped.
    fn scanned(&self) -> Option<Parts> {
        self.live.as_ref().map(Walk::digests)
    }

    /// Whether all rows of a part were there to be digested.
    fn is_whole(&self, part: u64) -> bool {
        !self.cut_parts.contains(&part)
    }

    /// The table and the rows that it names. `stored` is what the store has kept, and `says` of which parts that says
    /// anything. Where the store has dropped rows it says nothing, unless the table is a history.
    pub fn finish(
        mut self,
        folded: &Parts,
        stored: Option<&Parts>,
        says: impl Fn(u64) -> bool,
    ) -> (OfTable, Vec<Named>) {
        let scanned = self.scanned();
        let stored = stored.filter(|_| self.table.append_only || self.found.rows_older == 0);
        let said = stored.into_iter().flat_map(|parts| parts.keys().copied()).filter(|part| says(*part));
        let there = scanned.iter().chain([folded]).flat_map(|parts| parts.keys().copied());
        let parts: BTreeSet<u64> = there.chain(said).collect();
        for part in parts {
            let seen = scanned.as_ref().filter(|_| self.is_whole(part));
            let kept = stored.filter(|_| says(part));
            self.found.parts.push(of_part(part, folded.get(&part), kept, seen));
        }
        let rows = match self.found.rows_live {
            Some(_) => Verdict::same(self.found.rows_different() == 0 && self.found.lost.is_none()),
            None => Verdict::NotCompared,
        };
        let parts = self.found.parts.iter().map(|part| part.verdict);
        self.found.verdict = Verdict::of(parts.chain([rows]));
        (self.found, self.named)
    }
}

fn of_part(part: u64, folded: Option<&Digest>, stored: Option<&Parts>, scanned: Option<&Parts>) -> OfPart {
    let side = |parts: Option<&Parts>| parts.map(|parts| parts.get(&part).cloned());
    let (stored, scanned) = (side(stored), side(scanned));
    let same = |side: &Option<Option<Digest>>| match side {
        Some(digest) => Verdict::same(digest.as_ref() == folded),
        None => Verdict::NotCompared,
    };
    let rows = folded.map_or(0, |digest| digest.rows);
    let counted = stored.as_ref().and_then(Option::as_ref).map(|digest| digest.rows);
    OfPart {
        part,
        rows,
        rows_stored: counted.filter(|counted| *counted != rows),
        folded: folded.map(digest::short),
        verdict: Verdict::of([same(&stored), same(&scanned)]),
        stored: stored.flatten().as_ref().map(digest::short),
        scanned: scanned.flatten().as_ref().map(digest::short),
        tiered: None,
    }
}
