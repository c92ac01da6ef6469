//! The laws of digests, and the vectors that others check them by.

use super::{Changed, Digests, short};
use crate::models;
use crate::projection::Registered;
use quickcheck::{Arbitrary, Gen};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use stele_domain::money::Units;
use stele_domain::port::read_store::table::{column, optional};
use stele_domain::port::read_store::{Cell, ColumnKind, DIGEST_PART, Digest, Retention, Row, Table};
use stele_domain::time::Timestamp;

const THINGS: Table = Table {
    name: "things",
    doc: "Things that change.",
    columns: &[
        column("name", ColumnKind::Text, "Which."),
        column("position", ColumnKind::Int64, "Where it began."),
        optional("amount", ColumnKind::Units, "How much."),
        optional("rate", ColumnKind::Decimal, "At which rate."),
        optional("at", ColumnKind::Timestamp, "When."),
        optional("open", ColumnKind::Bool, "Whether."),
        optional("more", ColumnKind::Json, "What else."),
    ],
    key: &["name"],
    indexes: &[],
    retention: Retention::All,
    append_only: false,
};

const STEPS: Table = Table { name: "steps", key: &["position", "name"], append_only: true, ..THINGS };

#[derive(Debug, Clone, PartialEq, Eq)]
struct AnyRow(Row);

impl Arbitrary for AnyRow {
    fn arbitrary(g: &mut Gen) -> Self {
        let name = ["", "a", "b", "\"", "\\", "ü", "🗿", "\n", "[", "things"];
        let position = i64::from(u8::arbitrary(g)) * i64::try_from(DIGEST_PART).unwrap() / 100;
        let mut or_null = |cell: Cell| if u8::arbitrary(g) % 3 == 0 { Cell::Null } else { cell };
        let cells = vec![
            or_null(Cell::Units(Units::new(u128::MAX - 1))),
            or_null(Cell::parse(ColumnKind::Decimal, "-0.0010").unwrap()),
            or_null(Cell::Time(Timestamp::from_micros(1_795_199_078_000_001))),
            or_null(Cell::Bool(true)),
            or_null(Cell::Json("{\"a\": [1,null]}".into())),
        ];
        let mut row = vec![Cell::text(g.choose(&name).unwrap()), Cell::Int(position)];
        row.extend(cells);
        Self(Row(row))
    }
}

/// The rows of a history as a store keeps them: each key once, in key order.
fn history(rows: Vec<AnyRow>) -> Vec<Row> {
    let by_key = rows.into_iter().map(|AnyRow(row)| (STEPS.key_of(&row), row));
    by_key.collect::<BTreeMap<_, _>>().into_values().collect()
}

fn of_history(rows: &[Row]) -> Digests {
    let nothing = Digests::default();
    let mut changed = Changed::of(&nothing);
    for row in rows {
        changed.append(&STEPS, row);
    }
    changed.finish()
}

fn of_things<'r>(rows: impl IntoIterator<Item = &'r Row>) -> Digests {
    let nothing = Digests::default();
    let mut changed = Changed::of(&nothing);
    for row in rows {
        changed.replace(&THINGS, None, Some(row));
    }
    changed.finish()
}

/// The same row with another value in one column; the key's columns are left alone.
fn with_another_cell(row: &Row, column: usize) -> Row {
    let mut other = row.clone();
    let cell = &mut other.0[2 + column % 5];
    *cell = match (&*cell, column % 5) {
        (Cell::Null, 0) => Cell::Units(Units::new(1)),
        (Cell::Null, 1) => Cell::parse(ColumnKind::Decimal, "1").unwrap(),
        (Cell::Null, 2) => Cell::Time(Timestamp::from_micros(1)),
        (Cell::Null, 3) => Cell::Bool(false),
        // The empty cell and the JSON value null are one and the same.
        (Cell::Null, _) => Cell::Json("0".into()),
        _ => Cell::Null,
    };
    other
}

#[test]
fn any_changed_cell_lost_added_or_swapped_row_of_a_history_changes_its_digest() {
    fn law(rows: Vec<AnyRow>, at: usize, column: usize, more: AnyRow) -> bool {
        let rows = history(rows);
        if rows.is_empty() {
            return true;
        }
        let (whole, at) = (of_history(&rows), at % rows.len());
        let mut changed = rows.clone();
        changed[at] = with_another_cell(&rows[at], column);
        let mut lost = rows.clone();
        lost.remove(at);
        let mut added = rows.clone();
        let place = added.partition_point(|row| STEPS.key_of(row) <= STEPS.key_of(&more.0));
        added.insert(place, more.0);
        let differ = [changed, lost, added].iter().all(|others| of_history(others) != whole);
        // Two rows of one part that change places.
        let next = (at + 1) % rows.len();
        let same_part = at != next && STEPS.part_of(&rows[at]) == STEPS.part_of(&rows[next]);
        let mut swapped = rows.clone();
        swapped.swap(at, next);
        differ && (!same_part || of_history(&swapped) != whole)
    }
    quickcheck::quickcheck(law as fn(Vec<AnyRow>, usize, usize, AnyRow) -> bool);
}

#[test]
fn any_changed_cell_lost_or_added_row_changes_the_digest_of_a_table() {
    fn law(rows: Vec<AnyRow>, at: usize, column: usize, more: AnyRow) -> bool {
        if rows.is_empty() {
            return true;
        }
        let rows: Vec<Row> = rows.into_iter().map(|AnyRow(row)| row).collect();
        let (whole, at) = (of_things(&rows), at % rows.len());
        let mut changed = rows.clone();
        changed[at] = with_another_cell(&rows[at], column);
        let mut lost = rows.clone();
        lost.remove(at);
        let mut added = rows.clone();
        added.push(more.0);
        [changed, lost, added].iter().all(|others| !of_things(others).differences(&whole).is_empty())
    }
    quickcheck::quickcheck(law as fn(Vec<AnyRow>, usize, usize, AnyRow) -> bool);
}

#[test]
fn rows_of_a_table_may_come_in_any_order_and_one_that_leaves_leaves_nothing() {
    fn law(rows: Vec<AnyRow>, passing: Vec<AnyRow>, seed: usize) -> bool {
        let rows: Vec<Row> = rows.into_iter().map(|AnyRow(row)| row).collect();
        let whole = of_things(&rows);
        let mut turned = rows.clone();
        turned.reverse();
        if !turned.is_empty() {
            let middle = seed % turned.len();
            turned.rotate_left(middle);
        }
        let mut state = of_things(&turned);
        let passing: Vec<Row> = passing.into_iter().map(|AnyRow(row)| row).collect();
        for row in &passing {
            let mut changed = Changed::of(&state);
            changed.replace(&THINGS, None, Some(row));
            let more = changed.finish();
            state.keep(more);
        }
        for row in &passing {
            let mut changed = Changed::of(&state);
            changed.replace(&THINGS, Some(row), None);
            let less = changed.finish();
            state.keep(less);
        }
        state.differences(&whole).is_empty()
    }
    quickcheck::quickcheck(law as fn(Vec<AnyRow>, Vec<AnyRow>, usize) -> bool);
}

#[test]
fn a_history_digested_in_pieces_is_digested_whole() {
    fn law(rows: Vec<AnyRow>, ends: Vec<usize>) -> bool {
        let rows = history(rows);
        let mut ends: Vec<usize> = ends.into_iter().map(|end| end % (rows.len() + 1)).collect();
        ends.push(rows.len());
        ends.sort_unstable();
        let (mut state, mut from) = (Digests::default(), 0);
        for end in ends {
            let mut changed = Changed::of(&state);
            for row in &rows[from..end] {
                changed.append(&STEPS, row);
            }
            let more = changed.finish();
            state.keep(more);
            from = end;
        }
        state == of_history(&rows)
    }
    quickcheck::quickcheck(law as fn(Vec<AnyRow>, Vec<usize>) -> bool);
}

const PROJECTION: Registered =
    Registered { name: "test", version: 1, tables: &[THINGS, STEPS], ..models::ALL[0] };

#[test]
fn digests_survive_the_way_through_a_store() {
    fn law(things: Vec<AnyRow>, steps: Vec<AnyRow>) -> bool {
        let mut digests = of_history(&history(steps));
        let things: Vec<Row> = things.into_iter().map(|AnyRow(row)| row).collect();
        digests.keep(of_things(&things));
        Digests::of(&PROJECTION, digests.to_vec()) == Ok(digests)
    }
    quickcheck::quickcheck(law as fn(Vec<AnyRow>, Vec<AnyRow>) -> bool);
}

#[test]
fn what_is_no_digest_of_its_table_is_named() {
    let of = |table, part, length: usize| {
        let digest = Digest { table, part, rows: 1, value: vec![1; length].into() };
        Digests::of(&PROJECTION, vec![digest]).map_err(|malformed| malformed.to_string())
    };
    for (table, part, length, why) in [
        ("steps", 0, 31, "32 bytes"),
        ("steps", 0, 2_048, "32 bytes"),
        ("things", 0, 32, "2,048 bytes"),
        ("things", 0, 2_049, "2,048 bytes"),
        ("things", 1, 2_048, "one part"),
        ("others", 0, 32, "no such table"),
    ] {
        let said = of(table, part, length).unwrap_err();
        assert!(said.contains(why) && said.contains(table), "{said}");
    }
    assert!(of("steps", 7, 32).is_ok() && of("things", 0, 2_048).is_ok());
}

/// Rows of one table, as others read them, and what they must come to.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Vector {
    table: String,
    append_only: bool,
    columns: Vec<String>,
    key: Vec<String>,
    /// Canonical texts, in no order that would help.
    rows: Vec<String>,
    digests: Vec<Expected>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Expected {
    part: u64,
    rows: u64,
    value: String,
    short: String,
}

fn vector(table: &Table, rows: &[Row], digests: &Digests) -> Vector {
    let mut texts: Vec<String> = rows.iter().map(|row| table.canonical(row)).collect();
    texts.sort_by_key(|text| blake3::hash(text.as_bytes()).to_hex());
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let expected = |digest: Digest| Expected {
        part: digest.part,
        rows: digest.rows,
        value: hex(&digest.value),
        short: short(&digest),
    };
    Vector {
        table: table.name.to_owned(),
        append_only: table.append_only,
        columns: table.columns.iter().map(|column| column.name.to_owned()).collect(),
        key: table.key.iter().map(|&name| name.to_owned()).collect(),
        rows: texts,
        digests: digests.to_vec().into_iter().map(expected).collect(),
    }
}

/// Every kind of cell, texts that need escapes, numbers at their ends, and rows on both sides of a part's end.
fn samples() -> Vec<Row> {
    let row = |name: &str, position: i64, cells: [Cell; 5]| {
        let mut row = vec![Cell::text(name), Cell::Int(position)];
        row.extend(cells);
        Row(row)
    };
    let empty = || [Cell::Null, Cell::Null, Cell::Null, Cell::Null, Cell::Null];
    let full = |amount: &str, rate: &str, at: &str| {
        [
            Cell::parse(ColumnKind::Units, amount).unwrap(),
            Cell::parse(ColumnKind::Decimal, rate).unwrap(),
            Cell::parse(ColumnKind::Timestamp, at).unwrap(),
            Cell::Bool(amount == "0"),
            Cell::Json("{\"b\": 1, \"a\":[true,null,\"\\u00fc\"]}".into()),
        ]
    };
    let largest = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    let mut rows = vec![
        row("", 0, empty()),
        row("plain", 9, full("0", "0", "1969-12-31T23:59:59.999999Z")),
        row("plain", 10, full(largest, "-79228162514264337593543950335", "2026-11-21T10:52:43Z")),
        row("\"quoted\\\" \n\t\r\u{1}\u{1f}\u{7f}", 10, full("1", "1.500", "2026-11-21T10:52:43.5Z")),
        row("ü é 🗿 \u{2028}", 10, full("12", "0.0000000000000000000000000001", "9999-12-31T23:59:59Z")),
        row("last of its part", 999_999, empty()),
        row("first of the next", 1_000_000, empty()),
        row("the end of positions", i64::MAX, empty()),
    ];
    // A text of several blocks and several chunks of the hash.
    rows.extend([1_000, 1_023, 1_024, 1_025, 5_000].map(|length| row(&"x".repeat(length), 11, empty())));
    rows
}

/// `UPDATE_GOLDEN=1 cargo test -p stele-projections --lib vectors` writes the file anew; then run
/// `python3 tests/verifier/digests.py projections/tests/vectors/digests.json`, which shares no code with this crate.
#[test]
fn vectors_that_others_check_stay_as_they_are() {
    let mut rows = samples();
    let things = vector(&THINGS, &rows, &of_things(&rows));
    rows.sort_by_key(|row| STEPS.key_of(row));
    let vectors = vec![things, vector(&STEPS, &rows, &of_history(&rows))];
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/digests.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, serde_json::to_string_pretty(&vectors).unwrap() + "\n").unwrap();
    }
    let written: Vec<Vector> = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(written, vectors);
}
