//! One past state, as those who ask see it: a read store that does not change.

use super::opening::Opening;
use std::sync::Arc;
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{Direction, Position};
use stele_domain::port::read_store::{
    Answer, Batch, Checkpoint, Cursor, Digest, Key, Order, Page, ReadStore, Row, RowKey, ScanQuery, Schema,
    StoreError, Table,
};
use stele_domain::port::state_store::Fork;

/// Every table as it was at a position.
pub(super) struct View {
    fork: Arc<dyn Fork>,
    /// Where whole histories are; their rows up to the position are what they were then.
    live: Option<Arc<dyn ReadStore>>,
    position: Position,
    /// Of which states it is. Let go of after the fork.
    opening: Arc<Opening>,
}

impl View {
    pub fn of(
        fork: Arc<dyn Fork>,
        live: Option<Arc<dyn ReadStore>>,
        position: Position,
        opening: Arc<Opening>,
    ) -> Self {
        Self { fork, live, position, opening }
    }

    /// What the fork said, which whoever keeps the states may have to know.
    fn told<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        answer.map_err(|error| self.opening.found(error))
    }

    /// The live store and the table, when that is where its rows are.
    fn history(&self, table: &str) -> Option<(&dyn ReadStore, &Table)> {
        let live = self.live.as_deref()?;
        let mut tables = self.fork.schemas().iter().flat_map(|schema| schema.tables);
        let definition = tables.find(|definition| definition.name == table)?;
        definition.append_only.then_some((live, definition))
    }

    fn last(&self) -> i64 {
        i64::try_from(self.position.0).unwrap_or(i64::MAX)
    }

    /// What the live table knows more is left out; what it does not know yet can't be said.
    fn as_of_here<T>(&self, answer: Answer<T>) -> Result<Answer<T>, StoreError> {
        if answer.as_of < self.position {
            let why = format!("the tables went back to position {}, before {}", answer.as_of, self.position);
            return Err(StoreError::Unavailable(why.into()));
        }
        Ok(Answer { as_of: self.position, ..answer })
    }

    /// How many of the rows that a history had at the position have left the live table since: the oldest leave first.
    async fn cut_here(&self, table: &Table, cut_rows: u64) -> Result<u64, StoreError> {
        if cut_rows == 0 {
            return Ok(0);
        }
        // The fork passes histories by, and counts what was ever written into them.
        let had = self.told(self.fork.scan(table.name, &ScanQuery::newest(1)).await)?;
        Ok(cut_rows.min(had.cut_rows))
    }

    async fn row_of_history(
        &self,
        live: &dyn ReadStore,
        table: &Table,
        key: &Key,
    ) -> Result<Answer<Option<Row>>, StoreError> {
        let answer = self.as_of_here(live.get(table.name, key).await?)?;
        let value = answer.value.filter(|row| table.position_of(row) <= self.last());
        let cut_rows = self.cut_here(table, answer.cut_rows).await?;
        Ok(Answer { value, cut_rows, ..answer })
    }

    async fn page_of_history(
        &self,
        live: &dyn ReadStore,
        table: &Table,
        query: &ScanQuery,
    ) -> Result<Answer<Page>, StoreError> {
        let (Order::Key(direction) | Order::Position(direction)) = query.order;
        let backward = direction == Direction::Backward;
        let mut query = query.clone();
        if backward {
            query.after = Some(before_what_follows(table, self.last(), query.after));
        }
        let mut answer = self.as_of_here(live.scan(table.name, &query).await?)?;
        let page = &mut answer.value;
        let found = page.rows.len();
        page.rows.retain(|row| table.position_of(row) <= self.last());
        if page.rows.len() < found {
            // What comes after is newer still.
            page.next = None;
        }
        let ends = page.next.as_ref().is_some_and(|next| !backward && next.position >= self.last());
        if ends && !self.more(live, table, &query, page).await? {
            page.next = None;
        }
        answer.cut_rows = self.cut_here(table, answer.cut_rows).await?;
        Ok(answer)
    }

    /// Whether a row of the position itself comes after a page that ends there.
    async fn more(
        &self,
        live: &dyn ReadStore,
        table: &Table,
        query: &ScanQuery,
        page: &Page,
    ) -> Result<bool, StoreError> {
        let query = ScanQuery { limit: 1, after: page.next.clone(), ..query.clone() };
        let next = live.scan(table.name, &query).await?.value;
        Ok(next.rows.first().is_some_and(|row| table.position_of(row) <= self.last()))
    }
}

/// Where a walk towards the beginning begins: behind the last row of a position, or where an earlier page ended. Rows of
/// a history are named by their position first.
fn before_what_follows(table: &Table, last: i64, after: Option<Cursor>) -> Cursor {
    let position = last.saturating_add(1);
    after.filter(|after| after.position < position).unwrap_or_else(|| Cursor::lowest_at(table, position))
}

fn unchanging<T>() -> Result<T, StoreError> {
    Err(StoreError::Invalid("a past state does not change".to_owned()))
}

impl ReadStore for View {
    fn schemas(&self) -> &[Schema] {
        self.fork.schemas()
    }

    fn checkpoint<'a>(&'a self, projection: &'a str) -> PortFuture<'a, Result<Checkpoint, StoreError>> {
        self.fork.checkpoint(projection)
    }

    fn reached<'a>(
        &'a self,
        projection: &'a str,
        position: Position,
    ) -> PortFuture<'a, Result<Position, StoreError>> {
        if position > self.position {
            return Box::pin(std::future::ready(unchanging()));
        }
        self.fork.reached(projection, position)
    }

    fn digests<'a>(
        &'a self,
        projection: &'a str,
    ) -> PortFuture<'a, Result<(Checkpoint, Vec<Digest>), StoreError>> {
        Box::pin(async move { self.told(self.fork.digests(projection).await) })
    }

    fn still(&self) -> PortFuture<'_, Result<Arc<dyn ReadStore>, StoreError>> {
        Box::pin(async move {
            // The state is what it is for ever; old rows of histories may leave the live tables.
            let live = match &self.live {
                Some(live) => Some(live.still().await?),
                None => None,
            };
            let (fork, opening) = (Arc::clone(&self.fork), Arc::clone(&self.opening));
            Ok(Arc::new(Self::of(fork, live, self.position, opening)) as Arc<dyn ReadStore>)
        })
    }

    fn load<'a>(&'a self, keys: &'a [RowKey]) -> PortFuture<'a, Result<Vec<Option<Row>>, StoreError>> {
        Box::pin(async move { self.told(self.fork.load(keys).await) })
    }

    fn apply(&self, _: Batch) -> PortFuture<'_, Result<(), StoreError>> {
        Box::pin(std::future::ready(unchanging()))
    }

    fn get<'a>(
        &'a self,
        table: &'a str,
        key: &'a Key,
    ) -> PortFuture<'a, Result<Answer<Option<Row>>, StoreError>> {
        match self.history(table) {
            Some((live, table)) => Box::pin(self.row_of_history(live, table, key)),
            None => Box::pin(async move { self.told(self.fork.get(table, key).await) }),
        }
    }

    fn scan<'a>(
        &'a self,
        table: &'a str,
        query: &'a ScanQuery,
    ) -> PortFuture<'a, Result<Answer<Page>, StoreError>> {
        match self.history(table) {
            Some((live, table)) => Box::pin(self.page_of_history(live, table, query)),
            None => Box::pin(async move { self.told(self.fork.scan(table, query).await) }),
        }
    }
}
