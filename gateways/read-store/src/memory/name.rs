//! What a row is found by. Most rows are those of histories, and named by their position: a number, and no key of its own.

use std::sync::Arc;
use stele_domain::port::read_store::{Cell, Key, Row, Table, Text};

/// The name of a row. Names of one table compare as their keys do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// The key is this whole number.
    Number(i64),
    /// The key is this text alone, such as an id.
    Text(Text),
    /// Any other.
    Key(Arc<Key>),
}

impl Name {
    /// Of a row that fits its table.
    pub fn of_row(table: &Table, row: &Row) -> Self {
        let only = match table.key {
            [only] => table.cell(row, only),
            _ => None,
        };
        match only {
            Some(Cell::Int(number)) => Self::Number(*number),
            Some(Cell::Text(text)) => Self::Text(text.clone()),
            _ => Self::Key(Arc::new(table.key_of(row))),
        }
    }
}

impl From<&Key> for Name {
    fn from(key: &Key) -> Self {
        match key.0.as_slice() {
            [Cell::Int(number)] => Self::Number(*number),
            [Cell::Text(text)] => Self::Text(text.clone()),
            _ => Self::Key(Arc::new(key.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Name;
    use quickcheck::quickcheck;
    use stele_domain::port::read_store::{Cell, Key};

    /// Names and keys of one table: all of one kind.
    fn compare_alike(one: &Key, other: &Key) -> bool {
        Name::from(one).cmp(&Name::from(other)) == one.cmp(other)
    }

    quickcheck! {
        fn names_compare_as_their_keys_do(numbers: (i64, i64), texts: (String, String), long: bool) -> bool {
            let text = |text: &str| Cell::text(&if long { text.repeat(40) } else { text.to_owned() });
            let (one, other) = (text(&texts.0), text(&texts.1));
            compare_alike(&Key::from(numbers.0), &Key::from(numbers.1))
                && compare_alike(&Key(vec![one.clone()]), &Key(vec![other.clone()]))
                && compare_alike(
                    &Key(vec![one, Cell::Int(numbers.0)]),
                    &Key(vec![other, Cell::Int(numbers.1)]),
                )
        }
    }
}
