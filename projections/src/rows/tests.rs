//! Rows whose JSON comes as text are the rows that serde would have made.

use super::{Cells, Made, Overlay, Rows};
use crate::projection::TableRow;
use crate::row::{Room, to_row};
use serde::{Deserialize, Serialize};
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::table::column;
use stele_domain::port::read_store::{ColumnKind, Retention, Table};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Draw {
    position: Position,
    words: String,
    numbers: Vec<u32>,
}

impl TableRow for Draw {
    const TABLE: Table = Table {
        name: "draws",
        doc: "Numbers that were drawn.",
        columns: &[
            column("position", ColumnKind::Int64, "Where."),
            column("words", ColumnKind::Text, "What was said."),
            column("numbers", ColumnKind::Json, "The numbers."),
        ],
        key: &["position"],
        indexes: &[],
        retention: Retention::All,
        append_only: true,
    };
}

fn draw(numbers: Vec<u32>) -> Draw {
    Draw { position: Position(4), words: "six of".to_owned(), numbers }
}

#[test]
fn json_that_is_written_already_stands_in_its_column_and_in_no_other() {
    let (overlay, mut room) = (Overlay::of([], Cells::AtTheEnd), Room::default());
    let mut rows = Rows::of(&overlay, Position(4), &[], &mut room);
    for wrong in ["words", "position", "letters", ""] {
        let error = rows.insert_with_json(&draw(vec![]), wrong, "[1,2]").unwrap_err().to_string();
        assert_eq!(error, format!("table draws: {wrong} is no column with JSON"));
    }
    rows.insert_with_json(&draw(vec![]), "numbers", "[1,2]").unwrap();
    let made = rows.finish().unwrap();
    let [(key, Made::Row(row))] = &*made else { panic!("{made:?}") };
    assert_eq!(*row, to_row(&Draw::TABLE, &draw(vec![1, 2])).unwrap());
    assert_eq!(key.key, Draw::TABLE.key_of(row));
}
