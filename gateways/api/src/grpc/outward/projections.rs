//! Parked events and rebuilds.

use crate::dto;
use crate::grpc::words::{as_of, moment};
use stele_proto::api::v1 as pb;

pub(crate) fn list(known: &dto::ParkedAnswer) -> pb::ListParkedResponse {
    pb::ListParkedResponse {
        parked: known.parked.iter().map(parked).collect(),
        as_of: Some(as_of(known.as_of, known.as_of)),
    }
}

pub(crate) fn detail(detail: &dto::ParkedDetail) -> pb::GetParkedResponse {
    pb::GetParkedResponse {
        parked: Some(parked(&detail.parked)),
        steps: detail.steps.iter().map(step).collect(),
    }
}

fn parked(event: &dto::ParkedEvent) -> pb::ParkedEvent {
    pb::ParkedEvent {
        projection: event.projection.clone(),
        version: event.version,
        position: event.position,
        event_type: event.event_type.clone(),
        why: event.why.clone(),
        attempt: event.attempt,
        state: state(event.state).into(),
    }
}

fn step(step: &dto::ParkedStep) -> pb::ParkedStep {
    pb::ParkedStep {
        log_position: step.log_position,
        at: Some(moment(step.at)),
        by: step.by.clone(),
        state: state(step.state).into(),
        reason: step.reason.clone(),
    }
}

fn state(state: dto::ParkedState) -> pb::ParkedState {
    match state {
        dto::ParkedState::Parked => pb::ParkedState::Parked,
        dto::ParkedState::Retried => pb::ParkedState::Retried,
        dto::ParkedState::Skipped => pb::ParkedState::Skipped,
    }
}

pub(crate) fn rebuilds(known: &dto::RebuildsAnswer) -> pb::ListRebuildsResponse {
    pb::ListRebuildsResponse {
        rebuilds: known.rebuilds.iter().map(rebuild).collect(),
        replaced: known.replaced.iter().map(replaced).collect(),
    }
}

pub(crate) fn progress(known: &dto::RebuildsAnswer) -> pb::WatchRebuildsResponse {
    pb::WatchRebuildsResponse { rebuilds: known.rebuilds.iter().map(rebuild).collect() }
}

/// Whether more is to come of it.
pub(crate) fn is_under_way(rebuild: &dto::Rebuild) -> bool {
    match rebuild.phase {
        dto::RebuildPhase::Folding | dto::RebuildPhase::Comparing => true,
        dto::RebuildPhase::Swapped | dto::RebuildPhase::Different | dto::RebuildPhase::Interrupted => false,
    }
}

fn rebuild(rebuild: &dto::Rebuild) -> pb::Rebuild {
    let phase = match rebuild.phase {
        dto::RebuildPhase::Folding => pb::RebuildPhase::Folding,
        dto::RebuildPhase::Comparing => pb::RebuildPhase::Comparing,
        dto::RebuildPhase::Swapped => pb::RebuildPhase::Swapped,
        dto::RebuildPhase::Different => pb::RebuildPhase::Different,
        dto::RebuildPhase::Interrupted => pb::RebuildPhase::Interrupted,
    };
    pb::Rebuild {
        projection: rebuild.projection.clone(),
        phase: phase.into(),
        version: rebuild.version,
        live_version: rebuild.live_version,
        by: rebuild.by.clone(),
        began_at: Some(moment(rebuild.began_at)),
        moved_at: Some(moment(rebuild.moved_at)),
        position: rebuild.position,
        target: rebuild.target,
        per_second: rebuild.per_second,
        remaining_s: rebuild.remaining_s,
        detail: rebuild.detail.clone(),
    }
}

fn replaced(old: &dto::ReplacedTables) -> pb::ReplacedTables {
    pb::ReplacedTables {
        projection: old.projection.clone(),
        version: old.version,
        position: old.position,
        replaced_at: Some(moment(old.replaced_at)),
    }
}
