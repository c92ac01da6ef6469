//! Rebuilds as the doors tell of them.

use crate::dto;
use stele_domain::port::read_store::{OldTables, Rebuild, RebuildPhase};

fn rebuild(known: &Rebuild) -> dto::Rebuild {
    dto::Rebuild {
        projection: known.projection.clone(),
        phase: phase(known.phase),
        version: known.version,
        live_version: known.live_version,
        by: known.by.clone(),
        began_at: known.began_at,
        moved_at: known.moved_at,
        position: known.position.0,
        target: known.target.0,
        per_second: known.per_second,
        remaining_s: known.remaining().map(|left| left.as_secs()),
        detail: known.detail.clone(),
    }
}

fn phase(phase: RebuildPhase) -> dto::RebuildPhase {
    match phase {
        RebuildPhase::Folding => dto::RebuildPhase::Folding,
        RebuildPhase::Comparing => dto::RebuildPhase::Comparing,
        RebuildPhase::Swapped => dto::RebuildPhase::Swapped,
        RebuildPhase::Different => dto::RebuildPhase::Different,
        RebuildPhase::Interrupted => dto::RebuildPhase::Interrupted,
    }
}

fn replaced(old: &OldTables) -> dto::ReplacedTables {
    dto::ReplacedTables {
        projection: old.projection.clone(),
        version: old.version,
        position: old.position.0,
        replaced_at: old.replaced_at,
    }
}

impl dto::RebuildsAnswer {
    /// What a store knows, as the doors tell it: for those who look without a door.
    #[must_use]
    pub fn of(rebuilds: &[Rebuild], old: &[OldTables]) -> Self {
        Self {
            rebuilds: rebuilds.iter().map(rebuild).collect(),
            replaced: old.iter().map(replaced).collect(),
        }
    }
}
