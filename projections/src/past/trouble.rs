//! What keeps states from being kept, and what helps.

use super::PastError;
use stele_domain::causes::with_causes;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::StoreError;

/// Why states are not kept, and what helps.
pub(super) enum Trouble {
    /// Waiting may help.
    Passing(String),
    /// The states take nothing more until they are opened again. Why was said, and waited for, before.
    Shut,
    /// The states are of another log, or damaged: they are made anew.
    Worthless(String),
}

impl Trouble {
    /// What an error means for the states.
    pub fn of(error: &PastError) -> Self {
        let words = with_causes(error);
        if error.is_damage() {
            return Self::Worthless(words);
        }
        match error {
            PastError::Store(
                StoreError::Damaged(_)
                | StoreError::Conflict { .. }
                | StoreError::OtherVersion { .. }
                | StoreError::Undigested { .. }
                | StoreError::UnknownProjection(_)
                | StoreError::UnknownTable(_)
                | StoreError::BadQuery { .. }
                | StoreError::Misfit(_)
                | StoreError::Refused { .. }
                | StoreError::Invalid(_),
            ) => Self::Worthless(words),
            PastError::Store(
                StoreError::Unavailable(_)
                | StoreError::Elsewhere(_)
                | StoreError::Rebuilding { .. }
                | StoreError::OldTables { .. },
            )
            | PastError::BeyondHead { .. }
            | PastError::Future { .. }
            | PastError::Busy
            | PastError::NotOpen
            | PastError::TooFar { .. }
            | PastError::TablesBehind { .. }
            | PastError::Log(_)
            | PastError::Fold(_)
            | PastError::Ended(_) => Self::Passing(words),
        }
    }

    /// A reader has found the states damaged.
    pub fn spoiled() -> Self {
        Self::Worthless("somebody found them damaged".to_owned())
    }

    /// Something new was said of an event that the states have.
    pub fn parked_since(position: Position) -> Self {
        Self::Worthless(format!(
            "what is said of the parked event at position {position} is newer than they are"
        ))
    }
}
