//! Every read model: one file each, one line here. What the tables hold stands in their definitions.

pub mod access_attempts;
pub mod account;
pub mod alerts;
pub mod arm_requests;
pub mod attempts;
pub mod commands;
pub mod decisions;
pub mod demands;
pub mod event_counts;
pub mod filter;
pub mod inventory;
pub mod keys;
pub mod outcome;
pub mod parked_events;
pub mod parkings;
pub mod prices;
pub mod quotes;
pub mod relay;
pub mod result_counts;
pub mod results;
pub mod services;

use crate::projection::Registered;
use stele_domain::port::read_store::Table;

/// Every projection of the desk, in the order in which they are folded.
pub const ALL: &[Registered] = &[
    Registered::of::<quotes::Quotes>(),
    Registered::of::<demands::Demands>(),
    Registered::of::<prices::Prices>(),
    Registered::of::<inventory::Inventory>(),
    Registered::of::<decisions::Decisions>(),
    Registered::of::<commands::Commands>(),
    Registered::of::<results::Results>(),
    Registered::of::<result_counts::ResultCounts>(),
    Registered::of::<account::Account>(),
    Registered::of::<services::Services>(),
    Registered::of::<alerts::Alerts>(),
    Registered::of::<relay::Relay>(),
    Registered::of::<filter::Filter>(),
    Registered::of::<attempts::Attempts>(),
    Registered::of::<access_attempts::AccessAttempts>(),
    Registered::of::<keys::Keyring>(),
    Registered::of::<arm_requests::ArmRequests>(),
    Registered::of::<parkings::Parkings>(),
    Registered::of::<event_counts::EventCounts>(),
];

/// Every table, that of parked events included.
pub fn tables() -> impl Iterator<Item = &'static Table> {
    ALL.iter().flat_map(|projection| projection.tables).chain(parked_events::SCHEMA.tables)
}

/// A table by name.
#[must_use]
pub fn table(name: &str) -> Option<&'static Table> {
    tables().find(|table| table.name == name)
}

/// What every read model is written with.
mod prelude {
    pub use crate::projection::{Poison, Projection, TableRow};
    pub use crate::rows::{Keys, Rows};
    pub use serde::{Deserialize, Serialize};
    pub use stele_domain::event::{Event, Recorded};
    pub use stele_domain::port::event_log::Position;
    pub use stele_domain::port::read_store::table::{column, optional};
    pub use stele_domain::port::read_store::{Column, ColumnKind as Kind, Retention, Table};
    pub use stele_domain::time::Timestamp;

    /// What a store with little room keeps of a history: this many rows, and no more than this many MiB.
    pub const fn newest(rows: usize, mib: usize) -> Retention {
        Retention::Newest { rows, bytes: mib << 20 }
    }

    /// The same for a table whose rows change: only rows are counted.
    pub const fn newest_rows(rows: usize) -> Retention {
        Retention::Newest { rows, bytes: usize::MAX }
    }

    /// Commands and results that a store with little room keeps: what follows from about as many decisions as it
    /// keeps. A store on a disk keeps them all.
    pub const COMMANDS_KEPT: usize = 2_000;

    /// What a stream is about: all after the first `-` of its name.
    pub fn subject(event: &Recorded) -> String {
        subject_of(event).to_owned()
    }

    /// As [`subject`], where no copy is needed.
    pub fn subject_of(event: &Recorded) -> &str {
        let name = event.stream.as_str();
        name.split_once('-').map_or(name, |(_, subject)| subject)
    }

    /// A text from outside, cut to as many bytes as a row can bear.
    pub fn cut(text: &str, bytes_max: usize) -> String {
        cut_short(text, bytes_max).to_owned()
    }

    /// As [`cut`], where no copy is needed.
    pub fn cut_short(text: &str, bytes_max: usize) -> &str {
        &text[..text.floor_char_boundary(bytes_max)]
    }

    /// The stored word for a value of an enum without fields.
    pub fn word(value: &impl Serialize) -> String {
        let text = serde_json::to_string(value).unwrap_or_default();
        text.trim_matches('"').to_owned()
    }

    /// One more, or the event can't be counted.
    pub fn one_more(count: u64) -> Result<u64, Poison> {
        count.checked_add(1).ok_or(Poison::OutOfRange { what: "a count" })
    }
}

#[cfg(test)]
mod tests;
