//! The fact tables: what stands in them, and the rows that an event makes. Definitions are data: files, the Delta schema and
//! the page of the tables follow from them. A row follows from one event alone, is written once and never changes.
//!
//! Columns are only ever added, at the end, and may be empty there; a change of that kind raises the version.

pub mod commands;
pub mod common;
pub mod decisions;
pub mod gates;
pub mod inventory;
pub mod liquidity;
pub mod prices;
pub mod quotes;
pub mod results;

use stele_domain::event::Recorded;
use stele_domain::port::read_store::{Row, Table};

/// A fact table.
#[derive(Debug, Clone, Copy)]
pub struct Fact {
    /// Its columns and what they mean.
    pub table: &'static Table,
    /// Of its columns: goes up when some are added.
    pub version: u32,
    /// The rows that an event makes, in their order.
    pub rows: fn(&Recorded, &mut Vec<Row>),
}

/// All of them, by name.
pub const ALL: &[Fact] = &[
    commands::FACT,
    decisions::FACT,
    gates::FACT,
    inventory::FACT,
    liquidity::FACT,
    prices::OBSERVED,
    quotes::FACT,
    prices::REFERENCE,
    results::FACT,
];

/// A fact table by name.
#[must_use]
pub fn of(name: &str) -> Option<&'static Fact> {
    ALL.iter().find(|fact| fact.table.name == name)
}

/// What one of each event that there is makes of every table. For tests and documents.
#[cfg(test)]
pub(crate) fn samples() -> Vec<(&'static Fact, Vec<Row>)> {
    let events = crate::testing::samples();
    ALL.iter()
        .map(|fact| {
            let mut rows = vec![];
            for event in &events {
                (fact.rows)(event, &mut rows);
            }
            (fact, rows)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{ALL, common, samples};
    use std::collections::BTreeSet;

    #[test]
    fn every_table_makes_sense_and_begins_with_what_all_have() {
        let mut names = vec![];
        for fact in ALL {
            fact.table.check().unwrap();
            assert!(fact.table.append_only && fact.table.name.starts_with("fact_"));
            assert_eq!(&fact.table.columns[..common::COLUMNS.len()], common::COLUMNS, "{}", fact.table.name);
            assert!(fact.table.column("dt").is_none(), "it is the partition");
            names.push(fact.table.name);
        }
        assert!(names.is_sorted() && names.iter().collect::<BTreeSet<_>>().len() == ALL.len(), "{names:?}");
    }

    #[test]
    fn every_table_has_rows_of_the_events_that_there_are_and_they_fit() {
        for (fact, rows) in samples() {
            assert!(!rows.is_empty(), "no event makes a row of {}", fact.table.name);
            let mut keys = BTreeSet::new();
            for row in &rows {
                fact.table.admits(row).unwrap();
                assert!(keys.insert(fact.table.key_of(row)), "{}: two rows of one key", fact.table.name);
            }
        }
    }
}
