//! Whether everything works that the desk needs.

use crate::api::{Api, RoleHealth};
use crate::dto::{Check, Ready};
use stele_domain::port::event_log::EventLog;
use stele_projections::runner::{Handle, State, Status};

/// Most events that the tables of a ready desk may lack.
const READY_LAG_EVENTS_MAX: u64 = 1_000;

pub(crate) async fn ready(api: &Api) -> Ready {
    readiness(&*api.log, api.projections.as_ref(), (api.health)()).await
}

/// Whether the log answers, the tables keep up and the roles run. A role that runs may still say what it can't do, or
/// that it stands by.
pub(crate) async fn readiness(
    log: &dyn EventLog,
    projections: Option<&Handle>,
    roles: Vec<RoleHealth>,
) -> Ready {
    let mut checks = vec![];
    let head = log.head().await;
    checks.push(check("event_log", head.err().map(|error| error.to_string())));
    if let Some(status) = projections.map(Handle::status) {
        checks.push(check("projections", lagging(&status)));
    }
    for role in roles {
        checks.push(Check { name: role.service.name().to_owned(), ok: role.running, detail: role.why });
    }
    Ready { ready: checks.iter().all(|check| check.ok), checks }
}

/// Why the tables can't be relied on. A few events behind is the life of a busy desk.
fn lagging(status: &Status) -> Option<String> {
    let lag = status.head.0.saturating_sub(status.position().0);
    match &status.state {
        State::Live | State::CatchingUp | State::Draining if lag <= READY_LAG_EVENTS_MAX => None,
        State::Live | State::CatchingUp | State::Draining => Some(format!("{lag} events behind")),
        State::Starting => Some("starting".to_owned()),
        State::Paused => Some("paused".to_owned()),
        State::Ended => Some("ended".to_owned()),
        State::Blocked { why } => Some(format!("blocked: {why}")),
        State::Faulted { why } => Some(format!("faulted: {why}")),
    }
}

fn check(name: &str, why: Option<String>) -> Check {
    Check { name: name.to_owned(), ok: why.is_none(), detail: why.unwrap_or_default() }
}
