//! What stands in the rows of commands and results, column by column: their cells are set by name and by place, and two of
//! one kind could change places without a row that doesn't fit.

use super::super::ALL;
use super::recorded;
use crate::row::Room;
use crate::rows::{Cells, Keys, Made, Overlay, Rows};
use std::fmt::Write as _;
use stele_domain::codec;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Row, Table};

/// The rows after each sample, which are told twice, so that what is changed is there. Made when structs were still turned
/// into these rows by serde; `UPDATE_GOLDEN=1` writes it anew.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/models/tests/cells.golden");

fn told() -> String {
    let mut text = String::new();
    for name in ["commands", "results"] {
        let projection = ALL.iter().find(|projection| projection.name == name).unwrap();
        let mut overlay = Overlay::of([], Cells::AtTheEnd);
        for (nth, event) in codec::samples().into_iter().chain(codec::samples()).enumerate() {
            let (mut keys, mut room) = (Keys::default(), Room::default());
            let mut recorded = recorded(&event);
            recorded.position = Position(u64::try_from(nth).unwrap() + 1);
            (projection.touches)(&recorded, &mut keys);
            let named = keys.into_vec();
            let mut rows = Rows::of(&overlay, recorded.position, &named, &mut room);
            (projection.apply)(&recorded, &mut rows).unwrap();
            let made = rows.finish().unwrap();
            for (table, row) in &made.appended {
                put(&mut text, table, row);
            }
            for (key, made) in &made.rows {
                let row = match made {
                    Made::Row(row) => row.clone(),
                    Made::Struct(row) => row.row(&mut Room::default()).unwrap(),
                    Made::Gone | Made::Nothing => continue,
                };
                let table = projection.tables.iter().find(|table| table.name == key.table).unwrap();
                put(&mut text, table, &row);
            }
            overlay.keep(made);
        }
    }
    text
}

fn put(text: &mut String, table: &Table, row: &Row) {
    write!(text, "{}", table.name).unwrap();
    for (column, cell) in table.columns.iter().zip(&row.0) {
        let mut value = vec![];
        cell.write_json(&mut value);
        write!(text, " {}={}", column.name, String::from_utf8(value).unwrap()).unwrap();
    }
    text.push('\n');
}

#[test]
fn every_cell_of_commands_and_results_is_what_their_events_say() {
    let told = told();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(GOLDEN, &told).unwrap();
    }
    let kept = std::fs::read_to_string(GOLDEN).unwrap();
    for (nth, (now, was)) in told.lines().zip(kept.lines()).enumerate() {
        assert_eq!(now, was, "line {}", nth + 1);
    }
    assert_eq!(told.lines().count(), kept.lines().count());
}
