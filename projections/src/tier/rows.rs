//! Rows of a stretch of a history, from the tables, and what rows come to.

use super::{ShelfOf, Tierer};
use crate::digest::{History, Room};
use std::collections::BTreeMap;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{
    Cursor, DIGEST_PART, Digest, PAGE_ROWS_MAX, ReadStore, Row, ScanQuery, StoreError, Table,
};
use stele_domain::port::tiering::KeptDigest;

/// What rows of a history come to, by who wrote them and part. They come in the order of their keys.
#[derive(Default)]
pub(super) struct Sum {
    parts: BTreeMap<(&'static str, u64), History>,
    strangers: u64,
    room: Room,
}

impl Sum {
    pub(super) fn add(&mut self, history: &ShelfOf, row: &Row) {
        let table = history.shelf.table;
        let Some(writer) = history.writer(row) else {
            self.strangers = self.strangers.saturating_add(1);
            return;
        };
        let part = self.parts.entry((writer, table.part_of(row))).or_default();
        part.append(table, row, &mut self.room);
    }

    /// What is not as it was kept; nothing where all is.
    pub(super) fn differs(&self, history: &ShelfOf, kept: &[KeptDigest]) -> Option<String> {
        if self.strangers > 0 {
            return Some(format!("{} rows of projections that this build knows not", self.strangers));
        }
        let found = self.digests(history);
        let by_part = |all: &[KeptDigest]| -> BTreeMap<(&'static str, u64), Digest> {
            all.iter().map(|one| ((one.projection, one.digest.part), one.digest.clone())).collect()
        };
        let (found, kept) = (by_part(&found), by_part(kept));
        let part = found.keys().chain(kept.keys()).find(|part| found.get(part) != kept.get(part))?;
        let rows = |side: &BTreeMap<_, Digest>| side.get(part).map_or(0, |digest| digest.rows);
        let short = |side: &BTreeMap<_, Digest>| {
            side.get(part).map_or("nothing".to_owned(), |digest| {
                crate::digest::short(digest).get(..16).unwrap_or_default().to_owned()
            })
        };
        Some(format!(
            "part {} of {} has {} rows that come to {}, and {} that come to {} were kept",
            part.1,
            part.0,
            rows(&found),
            short(&found),
            rows(&kept),
            short(&kept)
        ))
    }

    /// Whether there were rows of projections that this build knows not.
    pub(super) fn has_strangers(&self) -> bool {
        self.strangers > 0
    }

    pub(super) fn digests(&self, history: &ShelfOf) -> Vec<KeptDigest> {
        let table = history.shelf.table.name;
        let one = |((projection, part), hash): (&(&'static str, u64), &History)| KeptDigest {
            projection,
            digest: Digest { table, part: *part, rows: hash.rows(), value: hash.value().into() },
        };
        self.parts.iter().map(one).collect()
    }
}

impl Tierer {
    /// What was kept of a stretch while its rows were written, by who wrote them and part; `None` where the rows are not of
    /// this build's definitions.
    pub(super) async fn kept(
        &self,
        history: &ShelfOf,
        from: Position,
        to: Position,
    ) -> Result<Option<Vec<KeptDigest>>, StoreError> {
        let parts = |position: Position| position.0.checked_div(DIGEST_PART).unwrap_or_default();
        let mut all = vec![];
        for (projection, version) in &history.writers {
            let (at, digests) = self.tables.digests(projection).await?;
            if at.position < to || at.version != *version {
                return Ok(None);
            }
            let here = digests.into_iter().filter(|digest| {
                digest.table == history.shelf.table.name
                    && digest.rows > 0
                    && (parts(from)..parts(to)).contains(&digest.part)
            });
            all.extend(here.map(|digest| KeptDigest { projection, digest }));
        }
        all.sort_by_key(|one| (one.projection, one.digest.part));
        Ok(Some(all))
    }

    /// The rows of a stretch that are in the tables, page by page, by key.
    pub(super) fn pages(&self, history: &ShelfOf, from: Position, to: Position) -> Pages<'_> {
        let table = history.shelf.table;
        // Behind the lowest place of the position before, so that no row of this one is passed over.
        let before = from.0.checked_sub(1).and_then(|before| i64::try_from(before).ok());
        let after = before.map(|before| Cursor::lowest_at(table, before));
        let query = ScanQuery::by_key(PAGE_ROWS_MAX).after(after);
        Pages { tables: &*self.tables, table, query, from, to, cut_rows: 0, ended: false }
    }
}

/// Rows of a stretch that are in the tables.
pub(super) struct Pages<'t> {
    tables: &'t dyn ReadStore,
    table: &'static Table,
    query: ScanQuery,
    from: Position,
    to: Position,
    cut_rows: u64,
    ended: bool,
}

impl Pages<'_> {
    /// How many rows the table had lost to partitions that were taken away, at the moment of the last page.
    pub(super) fn cut_rows(&self) -> u64 {
        self.cut_rows
    }

    /// The next ones, which may be none; `None` when there are no more.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Row>>, StoreError> {
        if self.ended {
            return Ok(None);
        }
        let answer = self.tables.scan(self.table.name, &self.query).await?;
        self.cut_rows = answer.cut_rows;
        let page = answer.value;
        let at = |row: &Row| u64::try_from(self.table.position_of(row)).unwrap_or_default();
        let beyond = page.rows.last().is_some_and(|row| at(row) >= self.to.0);
        let inside = self.from.0..self.to.0;
        let rows: Vec<Row> = page.rows.into_iter().filter(|row| inside.contains(&at(row))).collect();
        self.ended = beyond || page.next.is_none();
        self.query.after = page.next;
        Ok(Some(rows))
    }
}
