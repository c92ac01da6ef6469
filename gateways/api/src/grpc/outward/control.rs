//! What came of a wish.

use crate::dto::{self, Outcome};
use crate::grpc::words::{moment, token_amount};
use stele_proto::api::v1 as pb;
use uuid::Uuid;

pub(crate) fn receipt(written: &dto::Written, replayed: bool) -> pb::Receipt {
    of(written.command_id, written.outcome, written.log_position, replayed)
}

/// What another person is asked to approve, if anything.
pub(crate) fn approval(written: &dto::Written) -> Option<pb::ApprovalNeeded> {
    written.approval.as_ref().map(|approval| pb::ApprovalNeeded {
        request_id: approval.request_id.to_string(),
        limits_hash: approval.limits_hash.clone(),
        limits_version: approval.limits_version,
        expires_at: Some(moment(approval.expires_at)),
    })
}

fn of(command_id: Uuid, outcome: Outcome, log_position: Option<u64>, replayed: bool) -> pb::Receipt {
    let outcome = match outcome {
        Outcome::Recorded => pb::Outcome::Recorded,
        Outcome::AlreadySo => pb::Outcome::AlreadySo,
        Outcome::ApprovalNeeded => pb::Outcome::ApprovalNeeded,
    };
    pb::Receipt { command_id: command_id.to_string(), outcome: outcome.into(), log_position, replayed }
}

pub(crate) fn killed(killed: &dto::Killed, replayed: bool) -> pb::KillResponse {
    pb::KillResponse {
        receipt: Some(of(killed.command_id, killed.outcome, killed.log_position, replayed)),
        fenced: killed.fenced,
        open_signatures: killed.open_signatures.iter().map(open_signature).collect(),
    }
}

fn open_signature(open: &dto::OpenSignature) -> pb::OpenSignature {
    pb::OpenSignature {
        command_id: open.command_id.to_string(),
        quote_hash: open.quote_hash.clone(),
        give: Some(token_amount(&open.give)),
        offer_deadline: Some(moment(open.offer_deadline)),
    }
}
