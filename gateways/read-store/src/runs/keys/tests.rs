//! Bytes are ordered as the cells are.

use super::{index, name, place, placed};
use quickcheck::{Arbitrary, Gen};
use stele_domain::port::read_store::table::column;
use stele_domain::port::read_store::{Cell, ColumnKind, Key, Retention, Table};
use stele_domain::time::Timestamp;

const TABLE: Table = Table {
    name: "things",
    doc: "Things.",
    columns: &[
        column("position", ColumnKind::Int64, "Where."),
        column("name", ColumnKind::Text, "What."),
        column("number", ColumnKind::Int64, "Which."),
        column("on", ColumnKind::Bool, "Whether."),
        column("at", ColumnKind::Timestamp, "When."),
        column("amount", ColumnKind::Units, "How much."),
    ],
    key: &["name", "number", "on", "at", "amount"],
    indexes: &[],
    retention: Retention::All,
    append_only: false,
};

#[derive(Debug, Clone)]
struct AnyKey(Key);

impl Arbitrary for AnyKey {
    fn arbitrary(g: &mut Gen) -> Self {
        let texts = ["", "a", "aa", "ab", "a\u{1}", "\u{1}", "ä", "z"];
        let text =
            if bool::arbitrary(g) { (*g.choose(&texts).unwrap()).to_owned() } else { String::arbitrary(g) };
        let numbers = [i64::MIN, -1, 0, 1, 255, 256, i64::MAX];
        let number = *g.choose(&numbers).unwrap();
        let at = Timestamp::from_micros(i64::from(i32::arbitrary(g)));
        let digits = (u128::arbitrary(g) >> (u32::from(u8::arbitrary(g)) % 128)).to_string();
        let amount = Cell::parse(ColumnKind::Units, &digits).unwrap();
        Self(Key(vec![
            Cell::text(&text),
            Cell::Int(number),
            Cell::Bool(bool::arbitrary(g)),
            Cell::Time(at),
            amount,
        ]))
    }
}

#[test]
fn names_are_ordered_as_keys_are_and_none_begins_another() {
    fn law(AnyKey(a): AnyKey, AnyKey(b): AnyKey) -> bool {
        let (x, y) = (name(3, &TABLE, &a).unwrap(), name(3, &TABLE, &b).unwrap());
        x.cmp(&y) == a.cmp(&b) && (a == b || !(x.starts_with(&y) || y.starts_with(&x)))
    }
    let law: fn(AnyKey, AnyKey) -> bool = law;
    quickcheck::QuickCheck::new().tests(2_000).quickcheck(law);
}

#[test]
fn places_are_ordered_by_position_then_by_key_and_lead_back_to_the_row() {
    fn law(AnyKey(a): AnyKey, AnyKey(b): AnyKey, at: i64, bt: i64) -> bool {
        let index = index(3, 1, Some(&Cell::from("red")));
        let (name, other) = (name(3, &TABLE, &a).unwrap(), name(3, &TABLE, &b).unwrap());
        let (first, second) = (place(&index, at, &name), place(&index, bt, &other));
        first.cmp(&second) == (at, &a).cmp(&(bt, &b)) && placed(&index, &first) == Some((at, name))
    }
    let law: fn(AnyKey, AnyKey, i64, i64) -> bool = law;
    quickcheck::QuickCheck::new().tests(2_000).quickcheck(law);
}

#[test]
fn a_key_of_other_kinds_names_no_row() {
    let of = |cells: Vec<Cell>| name(3, &TABLE, &Key(cells));
    assert_eq!(of(vec![Cell::from("a")]), None);
    let mut cells = AnyKey::arbitrary(&mut Gen::new(10)).0.0;
    assert!(of(cells.clone()).is_some());
    cells[1] = Cell::Null;
    assert_eq!(of(cells.clone()), None);
    cells[1] = Cell::from("1");
    assert_eq!(of(cells.clone()), None);
    cells[1] = Cell::Int(1);
    cells[0] = Cell::Text("\0".into());
    assert_eq!(of(cells.clone()), None);
    cells[0] = Cell::Text("x".repeat(super::NAME_BYTES_MAX).into());
    assert_eq!(of(cells), None, "too long to stand in a run");
}
