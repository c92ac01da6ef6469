//! What every store builds on: canonical texts tell rows apart, cursors survive the way through text.

use super::table::{column, optional};
use super::{Cell, ColumnKind, Cursor, Key, Retention, Row, Table};
use crate::money::Units;
use crate::time::Timestamp;
use quickcheck::{Arbitrary, Gen};
use rust_decimal::Decimal;

const TABLE: Table = Table {
    name: "things",
    doc: "Things.",
    columns: &[
        column("position", ColumnKind::Int64, "Where."),
        column("name", ColumnKind::Text, "What."),
        optional("other", ColumnKind::Text, "What else."),
        optional("amount", ColumnKind::Units, "How much."),
        optional("rate", ColumnKind::Decimal, "At which rate."),
        optional("at", ColumnKind::Timestamp, "When."),
        column("on", ColumnKind::Bool, "Whether."),
    ],
    key: &["name", "at"],
    indexes: &["other"],
    retention: Retention::All,
    append_only: false,
};

#[derive(Debug, Clone, PartialEq)]
struct AnyRow(Row);

impl Arbitrary for AnyRow {
    fn arbitrary(g: &mut Gen) -> Self {
        let texts = ["", "a", "b", "\"", "\\\"", "a\",\"b", "null", "\n", "\u{1}"];
        let mut text = || {
            if bool::arbitrary(g) { (*g.choose(&texts).unwrap()).to_owned() } else { String::arbitrary(g) }
        };
        let (name, other) = (text(), text());
        let or_null = |cell: Cell, there: bool| if there { cell } else { Cell::Null };
        let rate = Decimal::new(i64::from(i16::arbitrary(g)), u32::from(u8::arbitrary(g) % 4));
        Self(Row(vec![
            Cell::Int(i64::from(u16::arbitrary(g))),
            Cell::text(&name),
            or_null(Cell::text(&other), bool::arbitrary(g)),
            or_null(Cell::Units(Units::new(u128::arbitrary(g))), bool::arbitrary(g)),
            or_null(Cell::Decimal(rate), bool::arbitrary(g)),
            Cell::Time(Timestamp::from_micros(i64::from(u32::arbitrary(g)))),
            Cell::Bool(bool::arbitrary(g)),
        ]))
    }
}

#[test]
fn rows_are_equal_exactly_when_their_canonical_texts_are() {
    fn law(AnyRow(a): AnyRow, AnyRow(b): AnyRow, cell: usize) -> bool {
        let mut near = a.clone();
        let i = cell % near.0.len();
        near.0[i] = b.0[i].clone();
        let same = |other: &Row| (a == *other) == (TABLE.canonical(&a) == TABLE.canonical(other));
        [b, near].iter().all(same)
    }
    let law: fn(AnyRow, AnyRow, usize) -> bool = law;
    quickcheck::quickcheck(law);
}

#[test]
fn canonical_text_is_json() {
    fn law(AnyRow(row): AnyRow) -> bool {
        let array = serde_json::from_str::<serde_json::Value>(&TABLE.canonical(&row)).unwrap();
        let object = serde_json::from_str::<serde_json::Value>(&TABLE.json(&row)).unwrap();
        let text = |cell: &Cell| matches!(cell, Cell::Text(t) if object["name"] == **t);
        array.as_array().unwrap().len() == TABLE.columns.len() && text(&row.0[1])
    }
    let law: fn(AnyRow) -> bool = law;
    quickcheck::quickcheck(law);
}

#[test]
fn a_cursor_survives_the_way_through_text() {
    fn law(AnyRow(row): AnyRow) -> bool {
        let cursor = Cursor::of(&TABLE, &row);
        Cursor::parse(&TABLE, &cursor.to_text()) == Some(cursor)
    }
    let law: fn(AnyRow) -> bool = law;
    quickcheck::quickcheck(law);
}

#[test]
fn rows_from_a_position_on_and_no_others_are_behind_its_lowest_place() {
    const HISTORY: Table = Table { key: &["position", "name", "at", "on"], append_only: true, ..TABLE };
    fn law(AnyRow(row): AnyRow, position: u16) -> bool {
        let position = i64::from(position);
        let lowest = Cursor::lowest_at(&HISTORY, position);
        (HISTORY.position_of(&row) >= position) == (HISTORY.key_of(&row) >= lowest.key)
    }
    let law: fn(AnyRow, u16) -> bool = law;
    quickcheck::quickcheck(law);
}

#[test]
fn a_cursor_of_another_table_is_no_cursor() {
    assert_eq!(Cursor::parse(&TABLE, "[1,\"a\"]"), None);
    assert_eq!(Cursor::parse(&TABLE, "[1,\"a\",\"yesterday\"]"), None);
    assert_eq!(Cursor::parse(&TABLE, "{}"), None);
}

#[test]
fn trailing_zeros_make_no_other_number() {
    let row = |text: &str| {
        let rate = Cell::Decimal(Decimal::from_str_exact(text).unwrap());
        Row(vec![Cell::Int(1), "a".into(), Cell::Null, Cell::Null, rate, Cell::Null, Cell::Bool(true)])
    };
    assert_eq!(TABLE.canonical(&row("1.50")), TABLE.canonical(&row("1.5")));
}

#[test]
fn a_cell_of_another_kind_is_a_misfit() {
    let mut row =
        Row(vec![Cell::Int(1), "a".into(), Cell::Null, Cell::Null, Cell::Null, Cell::Null, Cell::Bool(true)]);
    assert_eq!(TABLE.admits(&row), Ok(()));
    row.0[1] = Cell::Int(2);
    assert_eq!(TABLE.admits(&row).unwrap_err().column, "name");
    row.0[1] = Cell::Null;
    assert_eq!(TABLE.admits(&row).unwrap_err().column, "name");
    row.0.pop();
    assert_eq!(TABLE.admits(&row).unwrap_err().column, "row");
}

#[test]
fn a_nullable_key_is_no_key() {
    assert_eq!(TABLE.check().unwrap_err().column, "at");
    assert_eq!(Table { key: &["name"], ..TABLE }.check(), Ok(()));
    assert_eq!(Table { key: &[], ..TABLE }.check().unwrap_err().column, "key");
}

#[test]
fn text_with_a_nul_is_replaced_before_it_is_stored() {
    assert_eq!(Cell::text("a\0b"), Cell::Text("a\u{fffd}b".into()));
    assert_eq!(Key::from("k").to_string(), "[\"k\"]");
}
