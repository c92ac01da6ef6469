//! The rows of one live table in the order of their keys, one page ahead of whoever takes them, and what they come to.

use crate::digest::{History, Lattice, Room};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use stele_domain::port::read_store::{
    Cursor, Digest, PAGE_ROWS_MAX, ReadStore, Row, ScanQuery, StoreError, Table,
};
use tokio::task::JoinHandle;

/// What rows come to, whatever a store says.
pub(super) enum Sum {
    Parts(BTreeMap<u64, History>),
    Whole(Box<Lattice>),
}

/// A walk through a table.
pub(super) struct Walk {
    table: &'static Table,
    rows: VecDeque<Row>,
    coming: Option<Coming>,
    /// Old rows that the store had dropped when it was asked last.
    pub cut_rows: u64,
    sum: Sum,
}

/// A page that is being fetched. Nobody waits for it any more when this is dropped.
struct Coming(JoinHandle<Result<Fetched, StoreError>>);

struct Fetched {
    asking: Asking,
    rows: Vec<Row>,
    next: Option<Cursor>,
    cut_rows: u64,
    sum: Sum,
}

struct Asking {
    store: Arc<dyn ReadStore>,
    table: &'static Table,
    query: ScanQuery,
    /// Rows behind this position are none of the audit's.
    until: Option<i64>,
}

impl Sum {
    fn of(table: &Table) -> Self {
        if table.append_only { Self::Parts(BTreeMap::new()) } else { Self::Whole(Box::default()) }
    }

    pub fn add(&mut self, table: &Table, row: &Row, room: &mut Room) {
        match self {
            Self::Parts(parts) => parts.entry(table.part_of(row)).or_default().append(table, row, room),
            Self::Whole(lattice) => lattice.add(table, row, room),
        }
    }

    /// As a store keeps them; parts without rows are left out.
    pub fn digests(&self, table: &Table) -> BTreeMap<u64, Digest> {
        let name = table.name;
        let of_part = |(part, history): (&u64, &History)| {
            let value = history.value().into();
            (*part, Digest { table: name, part: *part, rows: history.rows(), value })
        };
        match self {
            Self::Parts(parts) => parts.iter().map(of_part).collect(),
            Self::Whole(lattice) if lattice.is_empty() => BTreeMap::new(),
            Self::Whole(lattice) => {
                let digest = Digest { table: name, part: 0, rows: lattice.rows(), value: lattice.value() };
                BTreeMap::from([(0, digest)])
            }
        }
    }
}

impl Asking {
    async fn fetch(mut self, mut sum: Sum) -> Result<Fetched, StoreError> {
        let answer = self.store.scan(self.table.name, &self.query).await?;
        let (mut rows, mut next) = (answer.value.rows, answer.value.next);
        if let Some(until) = self.until {
            let asked = rows.len();
            rows.retain(|row| self.table.position_of(row) <= until);
            // Keys of histories begin with the position: what follows is later still.
            next = next.filter(|_| rows.len() == asked || !self.table.append_only);
        }
        let mut room = Room::default();
        for row in &rows {
            sum.add(self.table, row, &mut room);
        }
        self.query.after.clone_from(&next);
        Ok(Fetched { asking: self, rows, next, cut_rows: answer.cut_rows, sum })
    }
}

impl Walk {
    /// Asks a store for a table, page by page; `of` names the projection whose rows of a shared table are meant.
    pub fn through(
        store: &Arc<dyn ReadStore>,
        table: &'static Table,
        of: Option<&str>,
        until: Option<i64>,
    ) -> Self {
        let query = ScanQuery::by_key(PAGE_ROWS_MAX);
        let query = match of {
            Some(projection) => query.filter("projection", projection),
            None => query,
        };
        let asking = Asking { store: Arc::clone(store), table, query, until };
        let coming = Some(Coming(tokio::spawn(asking.fetch(Sum::of(table)))));
        Self { table, rows: VecDeque::new(), coming, cut_rows: 0, sum: Sum::of(table) }
    }

    /// The next row, without taking it.
    ///
    /// # Errors
    ///
    /// As the store.
    pub async fn peek(&mut self) -> Result<Option<&Row>, StoreError> {
        while self.rows.is_empty()
            && let Some(mut coming) = self.coming.take()
        {
            let fetched =
                (&mut coming.0).await.map_err(|ended| StoreError::Unavailable(Box::new(ended)))??;
            let Fetched { asking, rows, next, cut_rows, sum } = fetched;
            self.rows = rows.into();
            self.cut_rows = cut_rows;
            if next.is_some() {
                self.coming = Some(Coming(tokio::spawn(asking.fetch(sum))));
            } else {
                self.sum = sum;
            }
        }
        Ok(self.rows.front())
    }

    /// Takes the row that was seen.
    pub fn take(&mut self) -> Option<Row> {
        self.rows.pop_front()
    }

    /// What all rows come to, once they have been taken.
    pub fn digests(&self) -> BTreeMap<u64, Digest> {
        self.sum.digests(self.table)
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.0.abort();
    }
}
