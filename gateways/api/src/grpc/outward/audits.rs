//! How audits stand.

use crate::dto;
use crate::grpc::words::{moment, moment_or_none};
use stele_proto::api::v1 as pb;

pub(crate) fn audit(audit: &dto::Audit) -> pb::Audit {
    let state = match audit.state {
        dto::AuditState::Running => pb::AuditState::Running,
        dto::AuditState::Done => pb::AuditState::Done,
        dto::AuditState::Failed => pb::AuditState::Failed,
    };
    pb::Audit {
        id: audit.id.to_string(),
        state: state.into(),
        verdict: audit.verdict.clone(),
        why: audit.why.clone(),
        exit_code: audit.exit_code.map(u32::from),
        projection: audit.projection.clone(),
        position: audit.position,
        asked_by: audit.asked_by.clone(),
        began_at: Some(moment(audit.began_at)),
        ended_at: moment_or_none(audit.ended_at),
        phase: audit.phase.clone(),
        done: audit.done,
        total: audit.total,
    }
}
