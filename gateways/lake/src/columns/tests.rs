//! That every row comes back as it was, whatever stands in it.

use super::{EXACT, from_rows, schema, to_rows};
use crate::error::LakeError;
use crate::facts;
use arrow_array::Array as _;
use quickcheck::{Arbitrary, Gen, quickcheck};
use rust_decimal::Decimal;
use stele_domain::port::read_store::table::{Column, ColumnKind, Retention, Table, column, optional};
use stele_domain::port::read_store::{Cell, Row};
use stele_domain::time::Timestamp;

const COLUMNS: &[Column] = &[
    column("position", ColumnKind::Int64, "Where."),
    optional("text", ColumnKind::Text, "Text."),
    optional("yes", ColumnKind::Bool, "Yes."),
    optional("at", ColumnKind::Timestamp, "When."),
    optional("units", ColumnKind::Units, "Units."),
    optional("number", ColumnKind::Decimal, "A number."),
    optional("json", ColumnKind::Json, "JSON."),
];

const TABLE: Table = Table {
    name: "all_kinds",
    doc: "A column of every kind.",
    columns: COLUMNS,
    key: &["position"],
    indexes: &[],
    retention: Retention::All,
    append_only: true,
};

#[derive(Debug, Clone)]
struct AnyRow(Row);

impl Arbitrary for AnyRow {
    fn arbitrary(g: &mut Gen) -> Self {
        let mut cells = vec![
            Cell::Int(i64::arbitrary(g)),
            Cell::text(&String::arbitrary(g)),
            Cell::Bool(bool::arbitrary(g)),
            Cell::Time(Timestamp::from_micros(i64::arbitrary(g))),
            Cell::parse(ColumnKind::Units, &u128::arbitrary(g).to_string()).unwrap(),
            Cell::Decimal(Decimal::from_parts(
                u32::arbitrary(g),
                u32::arbitrary(g),
                u32::arbitrary(g),
                bool::arbitrary(g),
                u32::arbitrary(g) % 29,
            )),
            Cell::Json(format!("[{}]", u8::arbitrary(g)).into()),
        ];
        for cell in cells.iter_mut().skip(1) {
            if u8::arbitrary(g) < 50 {
                *cell = Cell::Null;
            }
        }
        Self(Row(cells))
    }
}

quickcheck! {
    fn every_row_comes_back_as_it_was(rows: Vec<AnyRow>) -> bool {
        let rows: Vec<Row> = rows.into_iter().map(|row| row.0).collect();
        let batch = from_rows(&TABLE, &schema(&TABLE), &rows).unwrap();
        to_rows(&TABLE, &batch).unwrap() == rows
    }
}

#[test]
fn a_number_that_does_not_fit_stands_beside_its_column_and_is_not_rounded() {
    let row = |number: &str| {
        let mut cells = vec![Cell::Null; COLUMNS.len()];
        cells[0] = Cell::Int(1);
        cells[5] = Cell::parse(ColumnKind::Decimal, number).unwrap();
        Row(cells)
    };
    let fits = ["0.000000000000000001", "-99999999999999999999"];
    let does_not = ["0.0000000000000000001", "100000000000000000000", "-79228162514264337593543950335"];
    let rows: Vec<Row> = fits.iter().chain(&does_not).map(|number| row(number)).collect();
    let batch = from_rows(&TABLE, &schema(&TABLE), &rows).unwrap();
    let (number, exact) =
        (batch.column_by_name("number").unwrap(), batch.column_by_name(&format!("number{EXACT}")).unwrap());
    for at in 0..rows.len() {
        assert_eq!(number.is_null(at), at >= 2, "row {at}");
        assert_eq!(exact.is_null(at), at < 2, "row {at}");
    }
    assert_eq!(to_rows(&TABLE, &batch).unwrap(), rows);
}

#[test]
fn facts_of_every_event_come_back_as_they_were() {
    for (fact, rows) in facts::samples() {
        let batch = from_rows(fact.table, &schema(fact.table), &rows).unwrap();
        assert_eq!(to_rows(fact.table, &batch).unwrap(), rows, "{}", fact.table.name);
    }
}

#[test]
fn a_row_of_another_table_is_refused() {
    let refused = from_rows(&TABLE, &schema(&TABLE), &[Row(vec![Cell::Int(1)])]);
    assert!(matches!(refused, Err(LakeError::Misfit { .. })));
}
