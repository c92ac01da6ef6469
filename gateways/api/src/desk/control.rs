//! Wishes: arm, disarm, kill, limits, filter, alerts, and the switches of the services.

use super::alerts;
use super::asking::Asking;
use crate::api::Api;
use crate::dto::{self, Outcome, Written};
use crate::problem::Problem;
use crate::translate;
use std::future::Future;
use std::sync::Arc;
use stele_commands::control::{Control, Done, Refused, Wish};
use stele_domain::ids::CommandId;
use stele_domain::operations::service::event::Service;
use stele_domain::time::Timestamp;
use uuid::Uuid;

/// What is recorded when somebody stops, or asks a source to look, without saying why.
const NO_REASON: &str = "no reason given";

/// An answer, and whether it is the first one again.
#[derive(Debug)]
pub(crate) struct Reply<T> {
    /// What is told.
    pub(crate) answer: T,
    /// True when it was told before.
    pub(crate) replayed: bool,
}

type Answer<T> = Result<Reply<T>, Problem>;

pub(crate) async fn arm(api: &Arc<Api>, asking: Asking, body: dto::Arm) -> Answer<Written> {
    let until = until(&body, api.clock.now())?;
    let mode = translate::account::mode_in(body.mode);
    let (wish, shown) = (asking.wish("arm", &body, &body.reason)?, body.limits_version);
    written(api, &asking, |control| async move { control.arm(wish, mode, shown, until).await }).await
}

fn until(arm: &dto::Arm, now: Timestamp) -> Result<Timestamp, Problem> {
    match (arm.for_ms, arm.until) {
        (Some(for_ms), None) => Ok(now.plus_millis(for_ms)),
        (None, Some(until)) => Ok(until),
        (None, None) => Err(Problem::field("for_ms", "say how long (for_ms) or until when (until)")),
        (Some(_), Some(_)) => Err(Problem::field("until", "for_ms says how long already: send one of them")),
    }
}

pub(crate) async fn approve(api: &Arc<Api>, asking: Asking, body: dto::Approve) -> Answer<Written> {
    let wish = asking.wish("approve", &body, &body.reason)?;
    let (request, hash) = (CommandId(body.request_id), body.limits_hash);
    written(api, &asking, |control| async move { control.approve(wish, request, hash).await }).await
}

pub(crate) async fn disarm(api: &Arc<Api>, asking: Asking, body: dto::ReasonOrNone) -> Answer<Written> {
    let wish = asking.wish("disarm", &body, or_none(&body.reason))?;
    written(api, &asking, |control| async move { control.disarm(wish).await }).await
}

pub(crate) async fn kill(api: &Arc<Api>, asking: Asking, body: dto::ReasonOrNone) -> Answer<dto::Killed> {
    let wish = asking.wish("kill", &body, or_none(&body.reason))?;
    let command_id = asking.command_id;
    let proof = through(api, |control| async move { control.kill(wish).await }).await;
    let proof = proof.map_err(|no| no.problem(command_id))?;
    let Parts { outcome, log_position, replayed, .. } = parts(&proof.done);
    let open_signatures = proof.open.iter().map(translate::account::open_signature).collect();
    let answer = dto::Killed { command_id, outcome, log_position, fenced: proof.fenced, open_signatures };
    Ok(Reply { answer, replayed })
}

pub(super) fn or_none(reason: &str) -> &str {
    if reason.trim().is_empty() { NO_REASON } else { reason }
}

pub(crate) async fn set_limits(api: &Arc<Api>, asking: Asking, body: dto::SetLimits) -> Answer<Written> {
    let wish = asking.wish("set_limits", &body, &body.reason)?;
    let limits = translate::limits::inward(body.limits)?;
    let (shown, from) = (body.limits_version, body.effective_from);
    written(api, &asking, |control| async move { control.set_limits(wish, limits, shown, from).await }).await
}

pub(crate) async fn set_filter(api: &Arc<Api>, asking: Asking, body: dto::SetFilter) -> Answer<Written> {
    let wish = asking.wish("set_filter", &body, &body.reason)?;
    let entries = translate::filter::inward(body.entries)?;
    written(api, &asking, |control| async move { control.set_filter(wish, entries).await }).await
}

pub(crate) async fn reset_filter(api: &Arc<Api>, asking: Asking, body: dto::Reason) -> Answer<Written> {
    let wish = asking.wish("reset_filter", &body, &body.reason)?;
    written(api, &asking, |control| async move { control.reset_filter(wish).await }).await
}

pub(crate) async fn pause(
    api: &Arc<Api>,
    asking: Asking,
    service: &str,
    body: dto::Reason,
) -> Answer<Written> {
    let (service, wish) = of_service(&asking, "pause", service, &body)?;
    written(api, &asking, |control| async move { control.pause(wish, service).await }).await
}

pub(crate) async fn resume(
    api: &Arc<Api>,
    asking: Asking,
    service: &str,
    body: dto::Reason,
) -> Answer<Written> {
    let (service, wish) = of_service(&asking, "resume", service, &body)?;
    written(api, &asking, |control| async move { control.resume(wish, service).await }).await
}

pub(crate) async fn drain(
    api: &Arc<Api>,
    asking: Asking,
    service: &str,
    body: dto::Reason,
) -> Answer<Written> {
    let (service, wish) = of_service(&asking, "drain", service, &body)?;
    written(api, &asking, |control| async move { control.drain(wish, service).await }).await
}

fn of_service(
    asking: &Asking,
    what: &str,
    service: &str,
    body: &dto::Reason,
) -> Result<(Service, Wish), Problem> {
    let service = service_of(service)?;
    let wish = asking.wish(&format!("{what} {}", service.name()), body, &body.reason)?;
    Ok((service, wish))
}

pub(crate) async fn clear_alert(
    api: &Arc<Api>,
    asking: Asking,
    kind: &str,
    body: dto::Reason,
) -> Answer<Written> {
    let kind = alerts::kind_named(kind)?;
    let wish = asking.wish(&format!("clear_alert {}", kind.name()), &body, &body.reason)?;
    written(api, &asking, |control| async move { control.clear_alert(wish, kind).await }).await
}

pub(crate) async fn refresh(
    api: &Arc<Api>,
    asking: Asking,
    service: &str,
    body: dto::ReasonOrNone,
) -> Result<dto::Refreshed, Problem> {
    let service = service_of(service)?;
    let wish = asking.wish(&format!("refresh {}", service.name()), &body, or_none(&body.reason))?;
    let done = through(api, |control| async move { control.refresh(wish, service).await }).await;
    done.map_err(|no| no.problem(asking.command_id))?;
    Ok(dto::Refreshed { service: service.name().to_owned() })
}

fn service_of(name: &str) -> Result<Service, Problem> {
    let found = Service::ALL.into_iter().find(|service| service.name() == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = Service::ALL.iter().map(|service| service.name()).collect();
        let short: String = name.chars().take(80).collect();
        Problem::not_found("unknown-service", format!("there is no service {short:?}: {}", names.join(", ")))
    })
}

/// Why a wish has no answer.
pub(super) enum No {
    Refused(Refused),
    Lost,
}

impl No {
    pub(super) fn problem(&self, command_id: Uuid) -> Problem {
        match self {
            Self::Refused(refused) => Problem::refused(refused, command_id),
            Self::Lost => {
                Problem::internal("the command ended by itself; ask again with the same Idempotency-Key")
                    .of_command(command_id)
            }
        }
    }
}

/// Carries a wish out to its end, even when whoever asked has hung up by then: a kill is not called off by a lost
/// connection.
pub(super) async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Refused>> + Send + 'static,
) -> Result<T, No> {
    match tokio::spawn(work).await {
        Ok(outcome) => outcome.map_err(No::Refused),
        Err(_) => Err(No::Lost),
    }
}

async fn through<T, F>(api: &Api, work: impl FnOnce(Arc<Control>) -> F) -> Result<T, No>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Refused>> + Send + 'static,
{
    to_its_end(work(Arc::clone(&api.control))).await
}

pub(super) async fn written<F>(
    api: &Api,
    asking: &Asking,
    work: impl FnOnce(Arc<Control>) -> F,
) -> Answer<Written>
where
    F: Future<Output = Result<Done, Refused>> + Send + 'static,
{
    told(asking.command_id, through(api, work).await)
}

pub(super) fn told(command_id: Uuid, done: Result<Done, No>) -> Answer<Written> {
    let done = done.map_err(|no| no.problem(command_id))?;
    let Parts { outcome, approval, log_position, replayed } = parts(&done);
    let answer = Written { command_id, outcome, approval, log_position, remark: None };
    Ok(Reply { answer, replayed })
}

struct Parts {
    outcome: Outcome,
    approval: Option<dto::Approval>,
    log_position: Option<u64>,
    replayed: bool,
}

/// A repeated wish is answered as the first one was.
fn parts(done: &Done) -> Parts {
    let plain = |outcome, log_position, replayed| Parts { outcome, approval: None, log_position, replayed };
    match done {
        Done::Recorded(position) => plain(Outcome::Recorded, Some(position.0), false),
        Done::Repeated(position) => plain(Outcome::Recorded, Some(position.0), true),
        Done::AlreadySo => plain(Outcome::AlreadySo, None, false),
        Done::ApprovalNeeded(approval) => Parts {
            approval: Some(dto::Approval {
                request_id: approval.request_id.0,
                limits_version: approval.limits_version,
                limits_hash: approval.limits_hash.clone(),
                expires_at: approval.expires_at,
            }),
            ..plain(Outcome::ApprovalNeeded, Some(approval.position.0), false)
        },
    }
}
