//! Rows for the runner and for people, as of a moment.

use super::keys;
use super::tables::Named;
use super::walk::{self, Moment, Walk};
use super::write::{checkpoint_mark, digest_marks};
use super::{Orders, Runs};
use crate::packed::unpacked;
use fjall::{Keyspace, Snapshot};
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{Direction, Position};
use stele_domain::port::read_store::{
    Answer, Cell, Checkpoint, Cursor, Digest, Key, Order, PAGE_ROWS_MAX, Page, Row, RowKey, ScanQuery,
    StoreError, Table,
};
use stele_domain::port::state_store::Histories;

impl Runs {
    pub fn load(&self, keys: &[RowKey], moment: Moment) -> Result<Vec<Option<Row>>, StoreError> {
        let snapshot = self.snapshot();
        let mut rows = Vec::with_capacity(keys.len());
        for key in keys {
            let named = self.tables.table(key.table)?;
            rows.push(self.find(&snapshot, &named, &key.key, moment)?);
        }
        Ok(rows)
    }

    pub fn row(&self, table: &str, key: &Key, moment: Moment) -> Result<Answer<Option<Row>>, StoreError> {
        let named = self.tables.table(table)?;
        let snapshot = self.snapshot();
        let value = self.find(&snapshot, &named, key, moment)?;
        self.answered(&snapshot, &named, value, moment)
    }

    pub fn page(&self, table: &str, query: &ScanQuery, moment: Moment) -> Result<Answer<Page>, StoreError> {
        let named = self.tables.table(table)?;
        let filters = filters(&named.table, query)?;
        let asked = Asked::of(&named, query, &filters, moment)?;
        if asked.index.is_some() && self.options.orders == Orders::Key {
            let why = "these runs are kept in the order of keys: rows can be asked for in no other";
            return Err(StoreError::Invalid(why.to_owned()));
        }
        let limit = query.limit.clamp(1, PAGE_ROWS_MAX);
        let snapshot = self.snapshot();
        let mut rows = Vec::with_capacity(limit.min(64));
        let mut more = false;
        let (space, way) = match &asked.index {
            Some(_) => (&self.places, Moment::Only),
            None => (&self.rows, moment),
        };
        let walk = Walk::new(&snapshot, space, asked.bounds.clone(), asked.direction, way);
        for entry in walk {
            let entry = entry.map_err(|error| self.failed(error))?;
            let Some(row) = self.candidate(&snapshot, &named, &asked, entry, moment)? else { continue };
            if filters.iter().all(|(column, wanted)| row.0.get(*column) == Some(wanted)) {
                if rows.len() == limit {
                    more = true;
                    break;
                }
                rows.push(row);
            }
        }
        let next = rows.last().filter(|_| more).map(|row| Cursor::of(&named.table, row));
        self.answered(&snapshot, &named, Page { rows, next }, moment)
    }

    /// The row that an entry leads to; nothing when it stood there in another state only.
    fn candidate(
        &self,
        snapshot: &Snapshot,
        named: &Named,
        asked: &Asked,
        (found, packed): (Vec<u8>, Vec<u8>),
        moment: Moment,
    ) -> Result<Option<Row>, StoreError> {
        let Some(index) = &asked.index else { return self.read(&packed).map(Some) };
        let (position, name) =
            keys::placed(index, &found).ok_or_else(|| self.damaged("an index that can't be read"))?;
        let row = self.named(snapshot, &self.rows, &name, moment)?;
        let row = row.map(|packed| self.read(&packed)).transpose()?;
        Ok(row.filter(|row| named.table.position_of(row) == position))
    }

    fn find(
        &self,
        snapshot: &Snapshot,
        named: &Named,
        key: &Key,
        moment: Moment,
    ) -> Result<Option<Row>, StoreError> {
        let Some(name) = keys::name(named.ordinal, &named.table, key) else { return Ok(None) };
        let found = self.named(snapshot, &self.rows, &name, moment)?;
        found.map(|packed| self.read(&packed)).transpose()
    }

    fn named(
        &self,
        snapshot: &Snapshot,
        space: &Keyspace,
        name: &[u8],
        moment: Moment,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        walk::value(snapshot, space, name, moment).map_err(|error| self.failed(error))
    }

    fn read(&self, packed: &[u8]) -> Result<Row, StoreError> {
        unpacked(packed).ok_or_else(|| self.damaged("a row that can't be read"))
    }

    /// What was found, with how current and how complete it is.
    fn answered<T>(
        &self,
        snapshot: &Snapshot,
        named: &Named,
        value: T,
        moment: Moment,
    ) -> Result<Answer<T>, StoreError> {
        let mut as_of: Option<Position> = None;
        for projection in self.tables.projections() {
            if named.owner.is_none_or(|owner| owner == projection) {
                let at = self.checkpoint(snapshot, projection, moment)?.position;
                as_of = Some(as_of.map_or(at, |least| least.min(at)));
            }
        }
        let as_of = as_of.unwrap_or_default();
        let passed = named.table.append_only && self.options.histories == Histories::PassBy;
        let cut_rows = if passed { self.written(snapshot, named, moment)? } else { 0 };
        Ok(Answer { value, as_of, cut_rows })
    }

    /// How many rows were ever written into a history, whoever wrote them.
    pub fn written(&self, snapshot: &Snapshot, named: &Named, moment: Moment) -> Result<u64, StoreError> {
        let mut rows = 0_u64;
        for projection in self.tables.projections() {
            if named.owner.is_none_or(|owner| owner == projection) {
                let digests = self.parts(snapshot, projection, moment)?;
                let own = digests.iter().filter(|digest| digest.table == named.table.name);
                rows = own.fold(rows, |rows, digest| rows.saturating_add(digest.rows));
            }
        }
        Ok(rows)
    }

    /// What everything that a projection has written comes to.
    pub fn digests(&self, projection: &str, moment: Moment) -> Result<(Checkpoint, Vec<Digest>), StoreError> {
        let version = self.tables.schema(projection)?.version;
        let snapshot = self.snapshot();
        let at = self.checkpoint(&snapshot, projection, moment)?;
        let of_this = at.version == version;
        let digests = if of_this { self.parts(&snapshot, projection, moment)? } else { vec![] };
        Ok((at, digests))
    }

    fn parts(
        &self,
        snapshot: &Snapshot,
        projection: &str,
        moment: Moment,
    ) -> Result<Vec<Digest>, StoreError> {
        let prefix = digest_marks(projection);
        let bounds = (prefix.clone(), keys::end_of(&prefix));
        let mut digests = vec![];
        for entry in Walk::new(snapshot, &self.marks, bounds, Direction::Forward, moment) {
            let (name, value) = entry.map_err(|error| self.failed(error))?;
            let digest = name.strip_prefix(&prefix[..]).and_then(|name| self.digest(name, &value));
            digests.push(digest.ok_or_else(|| self.damaged("a digest that can't be read"))?);
        }
        Ok(digests)
    }

    fn digest(&self, name: &[u8], value: &[u8]) -> Option<Digest> {
        let (table, part) = name.split_last_chunk::<8>()?;
        let table = std::str::from_utf8(table.strip_suffix(&[0])?).ok()?;
        let table = self.tables.table(table).ok()?.table.name;
        let (rows, value) = value.split_first_chunk::<8>()?;
        let (part, rows) = (u64::from_be_bytes(*part), u64::from_be_bytes(*rows));
        Some(Digest { table, part, rows, value: value.into() })
    }

    pub fn checkpoint(
        &self,
        snapshot: &Snapshot,
        projection: &str,
        moment: Moment,
    ) -> Result<Checkpoint, StoreError> {
        self.tables.schema(projection)?;
        let found = self.named(snapshot, &self.marks, &checkpoint_mark(projection), moment)?;
        let Some(bytes) = found else { return Ok(Checkpoint::NOTHING) };
        read_checkpoint(&bytes).ok_or_else(|| self.damaged("a checkpoint that can't be read"))
    }
}

fn read_checkpoint(bytes: &[u8]) -> Option<Checkpoint> {
    let (version, rest) = bytes.split_first_chunk::<4>()?;
    let (position, id) = rest.split_first_chunk::<8>()?;
    let id = std::str::from_utf8(id).ok()?;
    let event_id = if id.is_empty() { None } else { Some(EventId::parse(id).ok()?) };
    let (version, position) = (u32::from_be_bytes(*version), Position(u64::from_be_bytes(*position)));
    Some(Checkpoint { version, position, event_id })
}

/// Columns by place instead of by name, and values of the right kind.
fn filters(table: &Table, query: &ScanQuery) -> Result<Vec<(usize, Cell)>, StoreError> {
    let place = |(name, value): &(String, Cell)| {
        let bad = |why| StoreError::BadQuery { table: table.name, column: name.clone(), why };
        let at = table.index_of(name).ok_or_else(|| bad("there is no such column"))?;
        match value.kind() {
            Some(kind) if table.column(name).is_none_or(|column| column.kind != kind) => {
                Err(bad("the value is of another kind"))
            }
            Some(_) | None => Ok((at, value.clone())),
        }
    };
    query.filters.iter().map(place).collect()
}

/// Where rows are looked for.
struct Asked {
    /// The index that is walked; `None` for the rows themselves.
    index: Option<Vec<u8>>,
    bounds: (Vec<u8>, Vec<u8>),
    direction: Direction,
}

impl Asked {
    fn of(
        named: &Named,
        query: &ScanQuery,
        filters: &[(usize, Cell)],
        moment: Moment,
    ) -> Result<Self, StoreError> {
        let Named { ordinal, table, .. } = named;
        let column = |at: usize| table.columns.get(at).map_or("", |column| column.name);
        let indexed =
            filters.iter().find_map(|(at, value)| Some((keys::index_of(table, column(*at))?, value)));
        let index = match (query.order, indexed) {
            (Order::Key(_), _) => None,
            (Order::Position(_), Some((number, value))) => Some(keys::index(*ordinal, number, Some(value))),
            (Order::Position(_), None) if table.key_is_position() => None,
            (Order::Position(_), None) => Some(keys::index(*ordinal, 0, None)),
        };
        let (Order::Key(direction) | Order::Position(direction)) = query.order;
        let all = index.clone().unwrap_or_else(|| keys::table(*ordinal));
        let (mut low, mut high) = (all.clone(), keys::end_of(&all));
        if let (Order::Position(_), Some(later)) = (query.order, moment.later()) {
            // A row has the position of an event that its state has folded: what comes later is of other states.
            high = keys::place(&all, later, &[]);
        }
        if let Some(cursor) = &query.after {
            let name = keys::name(*ordinal, table, &cursor.key).ok_or_else(|| StoreError::BadQuery {
                table: table.name,
                column: "cursor".to_owned(),
                why: "it is of another table",
            })?;
            let last = match &index {
                Some(index) => keys::place(index, cursor.position, &name),
                None => name,
            };
            match direction {
                Direction::Forward => low = [&last[..], &keys::PAST].concat(),
                Direction::Backward => high = high.min(last),
            }
        }
        Ok(Self { index, bounds: (low, high), direction })
    }
}
