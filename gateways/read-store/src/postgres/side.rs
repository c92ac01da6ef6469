//! Which tables of a database: those that serve, or those that are folded beside them to take their place.

use super::statements::Sql;

/// One of the two schemas that a store can work on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// `read_model`.
    Live,
    /// `read_model_next`, where everything that is known of the tables has the same names.
    Next,
}

impl Side {
    /// The schema.
    pub fn schema(self) -> &'static str {
        match self {
            Self::Live => "read_model",
            Self::Next => "read_model_next",
        }
    }

    /// A statement that is written for the live tables, as it is said of these.
    pub fn of(self, statement: &'static str) -> Sql {
        match self {
            Self::Live => statement.into(),
            Self::Next => statement
                .replace("read_model.ensure_partition", "read_model.ensure_next_partition")
                .replace("read_model.", "read_model_next.")
                .replace("read_model_next.ensure_next_partition", "read_model.ensure_next_partition")
                .replace("'read_model'", "'read_model_next'")
                .into(),
        }
    }
}
