//! One table of one projection: the rows that follow from the log beside those that are there, both in the order of
//! their keys.

use super::findings::{Deed, OfLost, OfPart, OfRow, OfTable, ROWS_NAMED_MAX, Verdict};
use super::pages::{Held, Pages};
use super::walk::{Asking, Walk};
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
    live: Beside,
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

/// How live rows are compared.
enum Beside {
    /// There are none.
    Nothing,
    /// All were the same so far.
    Pages(Pages),
    /// Something was not, or the store has dropped the oldest: one by one from there on.
    Rows(Walk),
}

/// A row that differs.
pub(super) struct Named {
    pub key: Key,
    /// Where the row that follows from the log stands.
    pub folded_at: Option<i64>,
}

impl Compared {
    /// With nothing to compare with, unless somebody can be asked.
    pub fn new(table: &'static Table, live: Option<Asking>) -> Self {
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
        let live = live.map_or(Beside::Nothing, |asking| Beside::Pages(Pages::of(asking)));
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
    pub async fn folded(&mut self, row: Row) -> Result<(), StoreError> {
        match &mut self.live {
            Beside::Nothing => {
                self.found.rows_folded = self.found.rows_folded.saturating_add(1);
                Ok(())
            }
            Beside::Pages(pages) => match pages.hold(row).await? {
                Some(held) => self.held(held).await,
                None => Ok(()),
            },
            Beside::Rows(_) => self.beside(&row).await,
        }
    }

    /// What came of a page.
    async fn held(&mut self, held: Held) -> Result<(), StoreError> {
        match held {
            Held::Same(rows) => {
                let rows = u64::try_from(rows).unwrap_or(u64::MAX);
                self.found.rows_folded = self.found.rows_folded.saturating_add(rows);
                self.count_live(rows);
            }
            Held::Other(rows) => {
                self.walks();
                for row in rows {
                    self.beside(&row).await?;
                }
            }
        }
        Ok(())
    }

    /// From here on row by row.
    fn walks(&mut self) {
        if let Beside::Pages(pages) = &self.live {
            self.live = Beside::Rows(pages.walk());
        }
    }

    /// A row that follows from the log beside the next one that is there.
    async fn beside(&mut self, row: &Row) -> Result<(), StoreError> {
        let before = self.found.rows_folded;
        self.found.rows_folded = before.saturating_add(1);
        let key = self.table.key_of(row);
        self.added_before(|other| *other < key).await?;
        let Beside::Rows(walk) = &mut self.live else { return Ok(()) };
        let there = walk.peek().await?.is_some_and(|live| self.table.key_of(live) == key);
        let cut_rows = walk.cut_rows;
        match there.then(|| walk.take()).flatten() {
            Some(live) => {
                self.count_live(1);
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

    /// No row is still to follow from the log: none at all, or none up to a position in a history, whose keys begin with it.
    ///
    /// # Errors
    ///
    /// As the store.
    pub async fn folded_all(&mut self, until: Option<i64>) -> Result<(), StoreError> {
        while let Beside::Pages(pages) = &mut self.live
            && let Some(held) = pages.rest().await?
        {
            self.held(held).await?;
        }
        self.walks();
        let table = self.table;
        self.added_while(|row| until.is_none_or(|last| table.position_of(row) <= last)).await
    }

    async fn added_before(&mut self, is_before: impl Fn(&Key) -> bool) -> Result<(), StoreError> {
        let table = self.table;
        self.added_while(|row| is_before(&table.key_of(row))).await
    }

    /// The next rows that are there, and that follow from nothing.
    async fn added_while(&mut self, goes_on: impl Fn(&Row) -> bool) -> Result<(), StoreError> {
        loop {
            let Beside::Rows(walk) = &mut self.live else { return Ok(()) };
            if !walk.peek().await?.is_some_and(&goes_on) {
                return Ok(());
            }
            let Some(row) = walk.take() else { return Ok(()) };
            self.count_live(1);
            self.found.rows_added = self.found.rows_added.saturating_add(1);
            self.name(Deed::Added, self.table.key_of(&row), Some(&row), None);
        }
    }

    fn count_live(&mut self, more: u64) {
        self.found.rows_live = self.found.rows_live.map(|rows| rows.saturating_add(more));
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

    /// The digests of the rows that are there, whatever the store says. Where each was found equal to the row that follows
    /// from the log, they come to the same, part by part, but for parts of which the store has dropped rows. Where any
    /// differs, or where what the rows come to is in doubt since something else is stored, all are read once more and digested.
    ///
    /// # Errors
    ///
    /// As the store.
    async fn scanned(&self, folded: &Parts, doubted: bool) -> Result<Option<Parts>, StoreError> {
        let digests = match &self.live {
            Beside::Nothing => return Ok(None),
            Beside::Rows(walk) if doubted || self.found.rows_different() > 0 => walk.digests().await?,
            Beside::Pages(_) | Beside::Rows(_) => return Ok(Some(folded.clone())),
        };
        Ok(Some(digests.into_iter().map(|digest| (digest.part, digest)).collect()))
    }

    /// Whether all rows of a part were there to be digested.
    fn is_whole(&self, part: u64) -> bool {
        !self.cut_parts.contains(&part)
    }

    /// The table and the rows that it names. `stored` is what the store has kept, and `says` of which parts that says
    /// anything. Where the store has dropped rows it says nothing, unless the table is a history.
    ///
    /// # Errors
    ///
    /// As the store.
    pub async fn finish(
        mut self,
        folded: &Parts,
        stored: Option<&Parts>,
        says: impl Fn(u64) -> bool,
    ) -> Result<(OfTable, Vec<Named>), StoreError> {
        let stored = stored.filter(|_| self.table.append_only || self.found.rows_older == 0);
        let all = stored.into_iter().chain([folded]).flat_map(|parts| parts.keys().copied());
        let mut judged = all.filter(|part| says(*part) && self.is_whole(*part));
        let doubted = judged.any(|part| stored.is_some_and(|kept| kept.get(&part) != folded.get(&part)));
        let scanned = self.scanned(folded, doubted).await?;
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
        Ok((self.found, self.named))
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
