//! One table in memory: its rows, how much of it is kept, and how it is asked.

use super::Usage;
use super::history::History;
use super::name::Name;
use super::tree::Tree;
use crate::packed::Packed;
use stele_domain::port::read_store::{
    Cell, Key, Order, PAGE_ROWS_MAX, Retention, ScanQuery, StoreError, Table,
};

/// The rows of one table.
#[derive(Clone)]
pub struct Shelf {
    table: Table,
    rows: Rows,
    bytes: usize,
    cut_rows: u64,
}

#[derive(Clone)]
enum Rows {
    /// Where a row never changes.
    History(History),
    Tree(Tree),
}

impl Shelf {
    pub fn new(table: Table) -> Self {
        let indexed = table.indexes.iter().filter_map(|name| table.index_of(name));
        let rows = if table.append_only {
            Rows::History(History::new(indexed))
        } else {
            Rows::Tree(Tree::new(indexed, table.key_is_position()))
        };
        Self { table, rows, bytes: 0, cut_rows: 0 }
    }

    pub fn usage(&self) -> Usage {
        Usage { table: self.table.name, rows: self.len(), bytes: self.bytes, cut_rows: self.cut_rows }
    }

    pub fn get(&self, key: &Key) -> Option<Packed> {
        let name = Name::from(key);
        let found = match &self.rows {
            Rows::History(rows) => rows.get(&name),
            Rows::Tree(rows) => rows.get(&name),
        };
        found.cloned()
    }

    /// Whether putting this row would change what is written for good.
    pub fn forbids(&self, name: &Name, packed: &Packed) -> bool {
        match &self.rows {
            Rows::History(rows) => rows.get(name).is_some_and(|stored| stored != packed),
            Rows::Tree(_) => false,
        }
    }

    pub fn put(&mut self, name: Name, position: i64, packed: Packed) {
        self.bytes += packed.len();
        let was = match &mut self.rows {
            Rows::History(rows) => rows.put(name, packed),
            Rows::Tree(rows) => rows.put(name, position, packed),
        };
        self.bytes -= was.map_or(0, |was| was.len());
    }

    pub fn delete(&mut self, name: &Name) {
        let was = match &mut self.rows {
            Rows::History(rows) => rows.remove(name),
            Rows::Tree(rows) => rows.remove(name),
        };
        self.bytes -= was.map_or(0, |was| was.len());
    }

    /// Takes the place of the rows with this text in a column, by those of another shelf of the same table.
    pub fn replace_rows(&mut self, column: &str, value: &str, by: &Self) {
        let Some(column) = self.table.index_of(column) else { return };
        let value = Packed::bytes_of(&Cell::text(value));
        let own = |shelf: &Self| -> Vec<(Name, i64, Packed)> {
            let found = shelf.all().filter(|(.., packed)| packed.cell(column) == value);
            found.map(|(name, position, packed)| (name.clone(), position, packed.clone())).collect()
        };
        for (name, ..) in own(self) {
            self.delete(&name);
        }
        for (name, position, packed) in own(by) {
            self.put(name, position, packed);
        }
        self.cut();
    }

    /// Drops the oldest rows until the rest fits.
    pub fn cut(&mut self) {
        let Retention::Newest { rows, bytes } = self.table.retention else { return };
        while self.len() > rows || (self.bytes > bytes && self.len() > 1) {
            let oldest = match &mut self.rows {
                Rows::History(rows) => rows.pop(),
                Rows::Tree(rows) => rows.pop(),
            };
            let Some(oldest) = oldest else { return };
            self.bytes -= oldest.len();
            self.cut_rows += 1;
        }
    }

    fn len(&self) -> usize {
        match &self.rows {
            Rows::History(rows) => rows.len(),
            Rows::Tree(rows) => rows.len(),
        }
    }

    /// Every row, with its name and position.
    fn all(&self) -> Box<dyn Iterator<Item = (&Name, i64, &Packed)> + '_> {
        match &self.rows {
            // The order of names is that of positions.
            Rows::History(rows) => Box::new(rows.iter().map(|(name, packed)| (name, 0, packed))),
            Rows::Tree(rows) => Box::new(rows.iter()),
        }
    }

    /// At most a page of rows, and whether there are more.
    pub fn scan(&self, query: &ScanQuery) -> Result<(Vec<Packed>, bool), StoreError> {
        let filters = self.filters(query)?;
        let limit = query.limit.clamp(1, PAGE_ROWS_MAX);
        let mut page = Vec::with_capacity(limit.min(64));
        for packed in self.candidates(query, &filters) {
            if filters.iter().all(|(column, wanted)| packed.cell(*column) == *wanted) {
                if page.len() == limit {
                    return Ok((page, true));
                }
                page.push(packed.clone());
            }
        }
        Ok((page, false))
    }

    /// Columns by place instead of by name, and values of the right kind as rows have them.
    fn filters(&self, query: &ScanQuery) -> Result<Vec<(usize, Vec<u8>)>, StoreError> {
        let place = |(name, value): &(String, Cell)| {
            let bad = |why| StoreError::BadQuery { table: self.table.name, column: name.clone(), why };
            let at = self.table.index_of(name).ok_or_else(|| bad("there is no such column"))?;
            match value.kind() {
                Some(kind) if kind != self.table.columns[at].kind => Err(bad("the value is of another kind")),
                Some(_) | None => Ok((at, Packed::bytes_of(value))),
            }
        };
        query.filters.iter().map(place).collect()
    }

    /// Every row that may be asked for, in order, after the cursor.
    fn candidates<'s>(
        &'s self,
        query: &ScanQuery,
        filters: &[(usize, Vec<u8>)],
    ) -> Box<dyn Iterator<Item = &'s Packed> + 's> {
        let after = query.after.as_ref();
        let finds = |column| match &self.rows {
            Rows::History(rows) => rows.finds(column),
            Rows::Tree(rows) => rows.finds(column),
        };
        let found = filters.iter().find(|(column, _)| finds(*column));
        let value = found.map(|(column, value)| (*column, value.as_slice()));
        match (&self.rows, query.order) {
            (Rows::History(rows), Order::Key(direction) | Order::Position(direction)) => {
                let after = after.map(|cursor| Name::from(&cursor.key));
                rows.after(after.as_ref(), direction, value)
            }
            (Rows::Tree(rows), Order::Key(direction)) => rows.by_name(after, direction, value),
            (Rows::Tree(rows), Order::Position(direction)) => rows.by_position(after, direction, value),
        }
    }
}
