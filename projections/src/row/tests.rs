//! Structs to rows and back.

use super::{from_row, to_row};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use stele_domain::ids::{EventId, derived};
use stele_domain::money::{Rate, Units};
use stele_domain::pair::Direction;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::table::{column, optional};
use stele_domain::port::read_store::{Cell, ColumnKind, Retention, Table};
use stele_domain::time::Timestamp;

const TABLE: Table = Table {
    name: "things",
    doc: "Things.",
    columns: &[
        column("position", ColumnKind::Int64, "."),
        column("name", ColumnKind::Text, "."),
        optional("direction", ColumnKind::Text, "."),
        column("yes", ColumnKind::Bool, "."),
        optional("at", ColumnKind::Timestamp, "."),
        optional("units", ColumnKind::Units, "."),
        optional("rate", ColumnKind::Decimal, "."),
        column("list", ColumnKind::Json, "."),
        optional("map", ColumnKind::Json, "."),
        column("count", ColumnKind::Int64, "."),
    ],
    key: &["position"],
    indexes: &[],
    retention: Retention::All,
    append_only: true,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Thing {
    position: Position,
    name: String,
    direction: Option<Direction>,
    yes: bool,
    at: Option<Timestamp>,
    units: Option<Units>,
    rate: Option<Rate>,
    list: Vec<Direction>,
    map: Option<BTreeMap<String, Units>>,
    count: u64,
}

fn thing() -> Thing {
    Thing {
        position: Position(7),
        name: "\"quoted\"".to_owned(),
        direction: Some(Direction::BuyBase),
        yes: true,
        at: Some(Timestamp::from_micros(1)),
        units: Some(Units::new(u128::MAX)),
        rate: Some("54321.5".parse().unwrap()),
        list: vec![Direction::SellBase, Direction::BuyBase],
        map: Some(BTreeMap::from([("a".to_owned(), Units::new(1))])),
        count: 3,
    }
}

#[test]
fn a_struct_survives_the_way_through_a_row() {
    let empty =
        Thing { direction: None, at: None, units: None, rate: None, list: vec![], map: None, ..thing() };
    for thing in [thing(), empty] {
        let row = to_row(&TABLE, &thing).unwrap();
        assert_eq!(from_row::<Thing>(&TABLE, &row).unwrap(), thing);
    }
}

#[test]
fn cells_have_the_kinds_of_their_columns() {
    let row = to_row(&TABLE, &thing()).unwrap();
    let kinds: Vec<_> = row.0.iter().map(|cell| cell.kind().unwrap()).collect();
    let columns: Vec<_> = TABLE.columns.iter().map(|column| column.kind).collect();
    assert_eq!(kinds, columns);
    assert_eq!(row.0[7], Cell::Json("[\"sell_base\",\"buy_base\"]".into()));
}

#[test]
fn a_count_past_63_bits_stays_at_the_largest() {
    let row = to_row(&TABLE, &Thing { count: u64::MAX, ..thing() }).unwrap();
    assert_eq!(row.0[9], Cell::Int(i64::MAX));
}

#[test]
fn a_field_in_the_wrong_place_is_named() {
    #[derive(Serialize)]
    struct Swapped {
        name: String,
        position: u64,
    }
    let error = to_row(&TABLE, &Swapped { name: String::new(), position: 1 }).unwrap_err();
    assert_eq!(error.to_string(), "table things: field name stands where the table has position");
}

#[test]
fn a_missing_field_and_a_float_are_refused() {
    #[derive(Serialize)]
    struct Short {
        position: u64,
    }
    #[derive(Serialize)]
    struct Floating {
        position: f64,
    }
    assert!(to_row(&TABLE, &Short { position: 1 }).is_err());
    let error = to_row(&TABLE, &Floating { position: 1.5 }).unwrap_err();
    assert!(error.why.contains("float"), "{error}");
    assert!(to_row(&TABLE, &5_u64).is_err());
}

#[test]
fn an_empty_cell_where_a_value_must_be_is_refused() {
    #[derive(Serialize)]
    struct Nameless {
        position: Option<u64>,
    }
    const ONE: Table = Table { columns: &[column("position", ColumnKind::Int64, ".")], ..TABLE };
    assert!(to_row(&ONE, &Nameless { position: None }).is_err());
    assert!(to_row(&ONE, &Nameless { position: Some(1) }).is_ok());
}

#[test]
fn what_is_a_number_gets_there_as_one() {
    const IDS: Table = Table {
        columns: &[
            column("position", ColumnKind::Int64, "."),
            column("event_id", ColumnKind::Text, "."),
            column("units", ColumnKind::Units, "."),
            column("rate", ColumnKind::Decimal, "."),
            column("at", ColumnKind::Timestamp, "."),
        ],
        ..TABLE
    };
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Numbers {
        position: Position,
        event_id: EventId,
        units: Units,
        rate: Rate,
        at: Timestamp,
    }
    fn law(bytes: Vec<u8>, mantissa: u32, scale: u8, micros: i64) -> bool {
        let mut wide = [0; 32];
        wide.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        let units = Units::from_be_bytes(wide);
        let rate: Rate = format!("{}.{scale}0", u64::from(mantissa) + 1).parse().unwrap();
        let at = Timestamp::from_micros(micros);
        let event_id = EventId(derived("test", &["event"]));
        let numbers = Numbers { position: Position(1), event_id, units, rate, at };
        let row = to_row(&IDS, &numbers).unwrap();
        let expected = [
            Cell::Int(1),
            Cell::from(event_id),
            Cell::parse(ColumnKind::Units, &units.to_string()).unwrap(),
            Cell::parse(ColumnKind::Decimal, &rate.to_string()).unwrap(),
            Cell::Time(at),
        ];
        row.0 == expected && from_row::<Numbers>(&IDS, &row).unwrap() == numbers
    }
    quickcheck::quickcheck(law as fn(Vec<u8>, u32, u8, i64) -> bool);
}
