//! Rows that come as cells, and the short way that rows of a history take through a batch.

use super::{Cells, Changes, Kept, Mistake, Overlay, Rows};
use crate::projection::TableRow;
use crate::row::{Room, to_row};
use serde::{Deserialize, Serialize};
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::table::column;
use stele_domain::port::read_store::{ColumnKind, Key, Retention, Row, RowKey, Table};

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

fn drawn(position: u64, numbers: Vec<u32>) -> Draw {
    Draw { position: Position(position), ..draw(numbers) }
}

fn cells(of: &Draw) -> Row {
    to_row(&Draw::TABLE, of).unwrap()
}

/// What one event makes that stands here.
fn made(overlay: &Overlay, position: u64, make: impl FnOnce(&mut Rows<'_>)) -> Kept {
    let mut room = Room::default();
    let mut rows = Rows::of(overlay, Position(position), &[], &mut room);
    make(&mut rows);
    rows.finish().unwrap()
}

#[test]
fn cells_that_are_made_already_have_to_fit_their_table_as_any_others() {
    let (overlay, mut room) = (Overlay::of([], Cells::AtTheEnd), Room::default());
    let mut rows = Rows::of(&overlay, Position(4), &[], &mut room);
    let mut wrong = cells(&draw(vec![1]));
    wrong.0.swap(1, 2);
    let error = rows.insert_cells::<Draw>(wrong).unwrap_err().to_string();
    assert!(error.starts_with("table draws: words: "), "{error}");
    rows.insert_cells::<Draw>(Row(vec![])).unwrap_err();
    rows.insert_cells::<Draw>(cells(&draw(vec![1, 2]))).unwrap();
    let made = rows.finish().unwrap();
    let ([], [(table, row)]) = (&*made.rows, &*made.appended) else { panic!("{made:?}") };
    assert_eq!((table.name, row), ("draws", &cells(&draw(vec![1, 2]))));
}

#[test]
fn cells_that_stand_elsewhere_than_their_event_are_a_mistake() {
    let (overlay, mut room) = (Overlay::of([], Cells::AtTheEnd), Room::default());
    let mut rows = Rows::of(&overlay, Position(5), &[], &mut room);
    rows.insert_cells::<Draw>(cells(&draw(vec![1]))).unwrap_err();
    let key = RowKey { table: "draws", key: Position(4).into() };
    assert_eq!(rows.finish().unwrap_err(), Mistake::Misplaced(key));
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Score {
    name: String,
    position: Position,
    points: u64,
}

impl TableRow for Score {
    const TABLE: Table = Table {
        name: "scores",
        doc: "Who has how many points.",
        columns: &[
            column("name", ColumnKind::Text, "Who."),
            column("position", ColumnKind::Int64, "Where."),
            column("points", ColumnKind::Int64, "How many."),
        ],
        key: &["name"],
        indexes: &[],
        retention: Retention::All,
        append_only: false,
    };
}

fn score(points: u64) -> Score {
    Score { name: "anna".to_owned(), position: Position(1), points }
}

fn named() -> [RowKey; 1] {
    [RowKey { table: "scores", key: "anna".into() }]
}

#[test]
fn a_row_is_changed_cell_by_cell_as_it_is_by_its_struct() {
    let row = to_row(&Score::TABLE, &score(1)).unwrap();
    let before = || named().map(|key| (key, Some(row.clone())));
    for cells in [Cells::AtTheEnd, Cells::AtOnce] {
        let mut overlay = Overlay::of(before(), cells);
        for points in 2..6_u64 {
            let (named, mut room) = (named(), Room::default());
            let mut rows = Rows::of(&overlay, Position(points), &named, &mut room);
            if points % 2 == 0 {
                rows.change_cells::<Score>("anna", |row| row.set("points", points)).unwrap();
            } else {
                let change = |row: &mut Score| {
                    row.points = points;
                    Ok(())
                };
                rows.change("anna", change).unwrap();
            }
            assert_eq!(rows.get::<Score>("anna").unwrap(), Some(score(points)));
            let kept = rows.finish().unwrap();
            overlay.keep(kept);
        }
        let settled: Vec<_> = overlay.settle().unwrap().into_tables().collect();
        let [("scores", Changes::Rows(rows))] = &*settled else { panic!("{} tables", settled.len()) };
        let [(_, row)] = &**rows else { panic!("{} rows", rows.len()) };
        assert_eq!(row.is, Some(to_row(&Score::TABLE, &score(5)).unwrap()));
    }
}

#[test]
fn cells_that_do_not_fit_or_are_of_another_row_change_nothing() {
    let row = to_row(&Score::TABLE, &score(1)).unwrap();
    let (named, mut room) = (named(), Room::default());
    let overlay = Overlay::of([(named[0].clone(), Some(row))], Cells::AtTheEnd);
    let mut rows = Rows::of(&overlay, Position(2), &named, &mut room);
    rows.change_cells::<Score>("anna", |row| row.set("points", "many")).unwrap_err();
    assert_eq!(rows.get::<Score>("anna").unwrap(), Some(score(1)));
    rows.change_cells::<Score>("anna", |row| row.set("name", "berta")).unwrap();
    assert_eq!(rows.finish().unwrap_err(), Mistake::Renamed(named[0].clone()));

    let nothing = Overlay::of([(named[0].clone(), None)], Cells::AtTheEnd);
    let mut rows = Rows::of(&nothing, Position(2), &named, &mut room);
    rows.change_cells::<Score>("anna", |row| row.set("points", 2_u64)).unwrap();
    assert!(rows.finish().unwrap().rows.is_empty());

    let mut rows = Rows::of(&nothing, Position(2), &[], &mut room);
    rows.change_cells::<Score>("anna", |row| row.set("points", 2_u64)).unwrap_err();
    assert_eq!(rows.finish().unwrap_err(), Mistake::Unnamed(named[0].clone()));
}

#[test]
fn the_last_row_of_a_position_counts_and_rows_of_a_history_come_in_order() {
    let mut overlay = Overlay::of([], Cells::AtTheEnd);
    for position in 3..6 {
        let kept = made(&overlay, position, |rows| {
            rows.insert(&drawn(position, vec![1])).unwrap();
            rows.insert(&drawn(position, vec![2])).unwrap();
        });
        overlay.keep(kept);
    }
    let settled: Vec<_> = overlay.settle().unwrap().into_tables().collect();
    let [("draws", Changes::Appended(rows))] = &*settled else { panic!("{} tables", settled.len()) };
    let expected: Vec<Row> = (3..6).map(|position| cells(&drawn(position, vec![2]))).collect();
    assert_eq!(*rows, expected);
}

#[test]
fn a_history_that_is_also_changed_by_name_loses_no_row() {
    let mut overlay = Overlay::of([], Cells::AtTheEnd);
    let kept = made(&overlay, 3, |rows| rows.insert(&drawn(3, vec![1])).unwrap());
    overlay.keep(kept);
    let kept = made(&overlay, 4, |rows| {
        rows.insert(&drawn(4, vec![2])).unwrap();
        rows.delete::<Draw>(Position(1));
    });
    overlay.keep(kept);
    let kept = made(&overlay, 5, |rows| rows.insert(&drawn(5, vec![3])).unwrap());
    overlay.keep(kept);
    let settled: Vec<_> = overlay.settle().unwrap().into_tables().collect();
    let [("draws", Changes::Rows(rows))] = &*settled else { panic!("{} tables", settled.len()) };
    let is: Vec<(Key, Option<Row>)> = rows.iter().map(|(key, row)| (key.clone(), row.is.clone())).collect();
    let row = |position, number| Some(cells(&drawn(position, vec![number])));
    let expected = [(1, None), (3, row(3, 1)), (4, row(4, 2)), (5, row(5, 3))];
    assert_eq!(is, expected.map(|(position, row)| (Key::from(Position(position)), row)));
}
