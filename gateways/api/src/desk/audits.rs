//! Audits: begun by a wish, which is recorded as every other is, and asked for until they end.

use super::asking::Asking;
use super::control::{or_none, to_its_end};
use crate::api::Api;
use crate::audits::{AuditWanted, NoReport};
use crate::dto;
use crate::problem::Problem;
use bytes::Bytes;
use std::sync::Arc;
use stele_projections::models;
use uuid::Uuid;

pub(crate) async fn start(
    api: &Arc<Api>,
    asking: Asking,
    body: dto::StartAudit,
) -> Result<dto::Audit, Problem> {
    if let Some(name) = &body.projection
        && models::ALL.iter().all(|projection| projection.name != name)
    {
        let names: Vec<&str> = models::ALL.iter().map(|projection| projection.name).collect();
        let short: String = name.chars().take(80).collect();
        return Err(Problem::field("projection", format!("there is no {short:?}: {}", names.join(", "))));
    }
    if body.position == Some(0) {
        return Err(Problem::field("position", "positions begin at 1: an audit up to 0 compares nothing"));
    }
    let head = api.log.head().await?;
    if body.position.is_some_and(|position| position > head.0) {
        return Err(Problem::beyond(head));
    }
    let wish = asking.wish("audit", &body, or_none(&body.reason))?;
    let wanted = AuditWanted {
        projection: body.projection,
        position: body.position,
        by: wish.caller.actor.to_string(),
    };
    let (id, desk) = (asking.command_id, Arc::clone(api));
    let begun = to_its_end(async move {
        let audits = Arc::clone(&desk);
        desk.control.audit(wish, move || audits.audits.begin(id, wanted)).await
    });
    begun.await.map_err(|no| no.problem(id))?;
    get(api, id)
}

/// The id of an audit, as it is asked for.
pub(crate) fn named(id: &str) -> Result<Uuid, Problem> {
    Uuid::parse_str(id).map_err(|_| Problem::field("id", "must be the UUID of an audit"))
}

pub(crate) fn get(api: &Api, id: Uuid) -> Result<dto::Audit, Problem> {
    api.audits.get(id).ok_or_else(|| unknown(id))
}

pub(crate) fn report(api: &Api, id: Uuid) -> Result<Bytes, Problem> {
    api.audits.report(id).map_err(|no| match no {
        NoReport::None => {
            Problem::conflict("no-report", format!("audit {id} has no report: look how it stands"))
        }
        NoReport::Unknown => unknown(id),
    })
}

fn unknown(id: Uuid) -> Problem {
    Problem::not_found("unknown-audit", format!("no audit {id} is remembered by this process: begin another"))
}
