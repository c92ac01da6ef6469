//! One page out of two: rows that were changed, and rows of a state behind them, in one order.

use std::cmp::Ordering;
use std::collections::VecDeque;
use stele_domain::port::event_log::Direction;
use stele_domain::port::read_store::{
    Cursor, Key, Order, PAGE_ROWS_MAX, Page, Row, ScanQuery, StoreError, Table,
};

/// Rows of the state behind, one page after the other; those that were changed are passed over.
struct Older<A, S> {
    rows: VecDeque<Row>,
    next: Option<Cursor>,
    begun: bool,
    ask: A,
    stays: S,
}

impl<A, S> Older<A, S>
where
    A: Fn(Option<Cursor>) -> Result<Page, StoreError>,
    S: Fn(&Key) -> bool,
{
    /// The next row, which stays the next until it is taken.
    fn peek(&mut self, table: &Table, first: Option<&Cursor>) -> Result<Option<&Row>, StoreError> {
        while self.rows.is_empty() && (!self.begun || self.next.is_some()) {
            let after = if self.begun { self.next.take() } else { first.cloned() };
            self.begun = true;
            let page = (self.ask)(after)?;
            self.next = page.next;
            let stays = page.rows.into_iter().filter(|row| (self.stays)(&table.key_of(row)));
            self.rows.extend(stays);
        }
        Ok(self.rows.front())
    }
}

/// The page that a query asks for, out of the page of changed rows and what `ask` gives of the others.
pub fn merged(
    table: &Table,
    query: &ScanQuery,
    newer: Page,
    ask: impl Fn(Option<Cursor>) -> Result<Page, StoreError>,
    stays: impl Fn(&Key) -> bool,
) -> Result<Page, StoreError> {
    let limit = query.limit.clamp(1, PAGE_ROWS_MAX);
    let first = query.after.as_ref();
    let mut older = Older { rows: VecDeque::new(), next: None, begun: false, ask, stays };
    let more_newer = newer.next.is_some();
    let mut newer: VecDeque<Row> = newer.rows.into();
    let mut rows = Vec::with_capacity(limit.min(64));
    while rows.len() < limit {
        let behind = older.peek(table, first)?;
        let takes_newer = match (newer.front(), behind) {
            (None, None) => break,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(one), Some(other)) => compared(table, query.order, one, other) != Ordering::Greater,
        };
        let row = if takes_newer { newer.pop_front() } else { older.rows.pop_front() };
        rows.extend(row);
    }
    let more = more_newer || !newer.is_empty() || older.peek(table, first)?.is_some();
    let next = rows.last().filter(|_| more).map(|row| Cursor::of(table, row));
    Ok(Page { rows, next })
}

fn compared(table: &Table, order: Order, one: &Row, other: &Row) -> Ordering {
    let by_key = || table.key_of(one).cmp(&table.key_of(other));
    let (direction, forward) = match order {
        Order::Key(direction) => (direction, by_key()),
        Order::Position(direction) => {
            (direction, table.position_of(one).cmp(&table.position_of(other)).then_with(by_key))
        }
    };
    match direction {
        Direction::Forward => forward,
        Direction::Backward => forward.reverse(),
    }
}
