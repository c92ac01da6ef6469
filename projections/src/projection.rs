//! What a projection is: a name, some tables, and a fold from events to their rows.

use crate::row::RowError;
use crate::rows::{Keys, Rows};
use serde::Serialize;
use serde::de::DeserializeOwned;
use stele_domain::event::Recorded;
use stele_domain::port::read_store::{RowKey, Schema, Table};

/// A pure fold from events to rows. It can do nothing else: what it may look at, it names first.
///
/// The result must not depend on how the log is cut into batches. Three habits keep it so:
///
/// * A row is born whole, by one kind of event ([`Rows::insert`]), or kept per name from the first event on
///   ([`Rows::upsert`]).
/// * A change to a row that isn't there does nothing ([`Rows::change`]): its birth was parked, or the row is
///   older than what the table keeps.
/// * A row of a table that keeps only its newest part tells nothing to any other row.
///
/// A row of a history stands at the position of the event that made it, so that its table grows at one end.
pub trait Projection {
    /// Names its checkpoint, for ever.
    const NAME: &'static str;
    /// Goes up when the same log gives other rows than before.
    const VERSION: u32;
    /// The tables it writes.
    const TABLES: &'static [Table];
    /// The types of the events that it folds. It never sees any other.
    const FOLDS: &'static [&'static str];

    /// Names the rows that folding `event` will look at, so that a batch can fetch them in one go.
    fn touches(event: &Recorded, keys: &mut Keys);

    /// Folds one event.
    ///
    /// # Errors
    ///
    /// [`Poison`]: the event is parked, and nothing of it stays in the rows.
    fn apply(event: &Recorded, rows: &mut Rows<'_>) -> Result<(), Poison>;
}

/// A row of a table as a plain struct, its fields named and ordered like the table's columns.
///
/// Whether a struct fits its table is a matter of its types. What its values decide (a number of too many digits) is
/// told where the row is put; a row that is changed again within one batch is looked at as the batch leaves it.
pub trait TableRow: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The table.
    const TABLE: Table;
}

/// Why an event can't be folded.
#[derive(Debug, thiserror::Error)]
pub enum Poison {
    /// A row can't be read or written as its table says.
    #[error(transparent)]
    Row(#[from] RowError),
    /// A number left its range.
    #[error("{what} left its range")]
    OutOfRange {
        /// Which number.
        what: &'static str,
    },
    /// The projection looked at a row that it had not named. This is a mistake in the projection: the whole
    /// batch fails, and nothing is parked.
    #[error("row {} of {} was looked at and not named", row.key, row.table)]
    Unnamed {
        /// The row.
        row: RowKey,
    },
    /// The projection wrote a row of a history that stands elsewhere than its event: another mistake in the projection.
    #[error("row {} of {} does not stand at the position of its event", row.key, row.table)]
    Misplaced {
        /// The row.
        row: RowKey,
    },
}

/// A projection as data, to be listed and run.
#[derive(Clone, Copy)]
pub struct Registered {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: u32,
    /// Its tables.
    pub tables: &'static [Table],
    /// The types of the events that it folds.
    pub folds: &'static [&'static str],
    pub(crate) touches: fn(&Recorded, &mut Keys),
    pub(crate) apply: fn(&Recorded, &mut Rows<'_>) -> Result<(), Poison>,
}

impl Registered {
    /// Lists a projection.
    #[must_use]
    pub const fn of<P: Projection>() -> Self {
        Self {
            name: P::NAME,
            version: P::VERSION,
            tables: P::TABLES,
            folds: P::FOLDS,
            touches: P::touches,
            apply: P::apply,
        }
    }

    /// What a store needs to know of it.
    #[must_use]
    pub const fn schema(&self) -> Schema {
        Schema { projection: self.name, version: self.version, tables: self.tables, shared: false }
    }
}
