//! Wishes: arm, disarm, kill, limits, filter, and the switches of the services.

use super::json;
use crate::api::Api;
use crate::asked::Asked;
use crate::dto::{self, Outcome, Written};
use crate::params::Segment;
use crate::problem::Problem;
use crate::translate;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::response::Response;
use std::future::Future;
use std::sync::Arc;
use stele_commands::control::{Done, Refused};
use stele_domain::operations::service::event::Service;
use stele_domain::time::Timestamp;
use uuid::Uuid;

/// Says that an answer is the first one again.
const REPLAYED: &str = "idempotent-replayed";
/// What is recorded when somebody stops without saying why.
const NO_REASON: &str = "no reason given";

type Answer = Result<Response, Problem>;

pub(crate) async fn arm(State(api): State<Arc<Api>>, asked: Asked<dto::Arm>) -> Answer {
    let until = until(&asked.body, api.clock.now())?;
    let mode = translate::account::mode_in(asked.body.mode);
    let (id, wish, shown) = (asked.command_id, asked.wish(&asked.body.reason), asked.body.limits_version);
    done(id, through(async move { api.control.arm(wish, mode, shown, until).await }).await)
}

fn until(arm: &dto::Arm, now: Timestamp) -> Result<Timestamp, Problem> {
    match (arm.for_ms, arm.until) {
        (Some(for_ms), None) => Ok(now.plus_millis(for_ms)),
        (None, Some(until)) => Ok(until),
        (None, None) => Err(Problem::field("for_ms", "say how long (for_ms) or until when (until)")),
        (Some(_), Some(_)) => Err(Problem::field("until", "for_ms says how long already: send one of them")),
    }
}

pub(crate) async fn disarm(State(api): State<Arc<Api>>, asked: Asked<dto::ReasonOrNone>) -> Answer {
    let (id, wish) = (asked.command_id, asked.wish(or_none(&asked.body.reason)));
    done(id, through(async move { api.control.disarm(wish).await }).await)
}

pub(crate) async fn kill(State(api): State<Arc<Api>>, asked: Asked<dto::ReasonOrNone>) -> Answer {
    let (id, wish) = (asked.command_id, asked.wish(or_none(&asked.body.reason)));
    let proof = through(async move { api.control.kill(wish).await }).await.map_err(|no| no.problem(id))?;
    let (outcome, log_position, replayed) = parts(&proof.done);
    let open_signatures = proof.open.iter().map(translate::account::open_signature).collect();
    let killed = dto::Killed { command_id: id, outcome, log_position, fenced: proof.fenced, open_signatures };
    Ok(marked(json(&killed, log_position)?, replayed))
}

fn or_none(reason: &str) -> &str {
    if reason.trim().is_empty() { NO_REASON } else { reason }
}

pub(crate) async fn set_limits(State(api): State<Arc<Api>>, asked: Asked<dto::SetLimits>) -> Answer {
    let limits = translate::limits::inward(asked.body.limits.clone())?;
    let (id, wish) = (asked.command_id, asked.wish(&asked.body.reason));
    let (shown, from) = (asked.body.limits_version, asked.body.effective_from);
    done(id, through(async move { api.control.set_limits(wish, limits, shown, from).await }).await)
}

pub(crate) async fn set_filter(State(api): State<Arc<Api>>, asked: Asked<dto::SetFilter>) -> Answer {
    let entries = translate::filter::inward(asked.body.entries.clone())?;
    let (id, wish) = (asked.command_id, asked.wish(&asked.body.reason));
    done(id, through(async move { api.control.set_filter(wish, entries).await }).await)
}

pub(crate) async fn reset_filter(State(api): State<Arc<Api>>, asked: Asked<dto::Reason>) -> Answer {
    let (id, wish) = (asked.command_id, asked.wish(&asked.body.reason));
    done(id, through(async move { api.control.reset_filter(wish).await }).await)
}

pub(crate) async fn pause(
    State(api): State<Arc<Api>>,
    Segment(service): Segment,
    asked: Asked<dto::Reason>,
) -> Answer {
    let service = service_of(&service)?;
    let (id, wish) = (asked.command_id, asked.wish(&asked.body.reason));
    done(id, through(async move { api.control.pause(wish, service).await }).await)
}

pub(crate) async fn resume(
    State(api): State<Arc<Api>>,
    Segment(service): Segment,
    asked: Asked<dto::Reason>,
) -> Answer {
    let service = service_of(&service)?;
    let (id, wish) = (asked.command_id, asked.wish(&asked.body.reason));
    done(id, through(async move { api.control.resume(wish, service).await }).await)
}

pub(crate) async fn drain(
    State(api): State<Arc<Api>>,
    Segment(service): Segment,
    asked: Asked<dto::Reason>,
) -> Answer {
    let service = service_of(&service)?;
    let (id, wish) = (asked.command_id, asked.wish(&asked.body.reason));
    done(id, through(async move { api.control.drain(wish, service).await }).await)
}

pub(crate) async fn refresh(
    State(api): State<Arc<Api>>,
    Segment(service): Segment,
    asked: Asked<dto::ReasonOrNone>,
) -> Answer {
    let service = service_of(&service)?;
    api.control.refresh(service).map_err(|refused| Problem::refused(&refused, asked.command_id))?;
    json(&dto::Refreshed { service: service.name().to_owned() }, None)
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
enum No {
    Refused(Refused),
    Lost,
}

impl No {
    fn problem(&self, command_id: Uuid) -> Problem {
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
async fn through<T: Send + 'static>(
    work: impl Future<Output = Result<T, Refused>> + Send + 'static,
) -> Result<T, No> {
    match tokio::spawn(work).await {
        Ok(outcome) => outcome.map_err(No::Refused),
        Err(_) => Err(No::Lost),
    }
}

fn done(command_id: Uuid, outcome: Result<Done, No>) -> Answer {
    let done = outcome.map_err(|no| no.problem(command_id))?;
    let (outcome, log_position, replayed) = parts(&done);
    Ok(marked(json(&Written { command_id, outcome, log_position }, log_position)?, replayed))
}

/// A repeated wish is answered as the first one was.
fn parts(done: &Done) -> (Outcome, Option<u64>, bool) {
    match done {
        Done::Recorded(position) => (Outcome::Recorded, Some(position.0), false),
        Done::Repeated(position) => (Outcome::Recorded, Some(position.0), true),
        Done::AlreadySo => (Outcome::AlreadySo, None, false),
    }
}

fn marked(mut response: Response, replayed: bool) -> Response {
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
