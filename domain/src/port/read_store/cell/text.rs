//! A text in a cell. A short one stands in the cell itself, so that most texts of a row take no memory of their own; a long
//! one is shared with its copies.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// As many bytes as a cell has room for that can hold an amount; an id with its hyphens has 36.
const SHORT_BYTES_MAX: usize = 38;

/// A text. Compares by its bytes.
#[derive(Clone)]
pub struct Text(Form);

#[derive(Clone)]
enum Form {
    Short { len: u8, bytes: [u8; SHORT_BYTES_MAX] },
    Long(Arc<str>),
}

impl Text {
    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Form::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Form::Long(text) => text.as_bytes(),
        }
    }

    fn short(text: &str) -> Option<Self> {
        let len = u8::try_from(text.len()).ok()?;
        let mut bytes = [0; SHORT_BYTES_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self(Form::Short { len, bytes }))
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            // Made of a text, and never changed.
            Form::Short { .. } => std::str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Form::Long(text) => text,
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::short(text).unwrap_or_else(|| Self(Form::Long(text.into())))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::short(&text).unwrap_or_else(|| Self(Form::Long(text.into())))
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::{SHORT_BYTES_MAX, Text};
    use crate::port::read_store::Cell;
    use quickcheck::quickcheck;

    #[test]
    fn a_cell_is_no_larger_for_the_texts_that_stand_in_it() {
        assert_eq!((size_of::<Text>(), size_of::<Cell>()), (40, 40));
    }

    #[test]
    fn a_text_of_any_length_is_what_it_was_made_of() {
        for letter in ["x", "é", "🜚"] {
            for times in 0..=SHORT_BYTES_MAX + 2 {
                let text = letter.repeat(times);
                assert_eq!(*Text::from(text.as_str()), *text);
                assert_eq!(Text::from(text.as_str()), Text::from(text.clone()));
                assert_eq!(Text::from(text.clone()).to_string(), text);
            }
        }
    }

    quickcheck! {
        fn texts_compare_as_their_bytes_do(one: String, other: String, long: bool) -> bool {
            let of = |text: &str| if long { text.repeat(SHORT_BYTES_MAX) } else { text.to_owned() };
            let (one, other) = (of(&one), of(&other));
            Text::from(one.as_str()).cmp(&Text::from(other.as_str())) == one.as_bytes().cmp(other.as_bytes())
        }
    }
}
