//! The desk's answers about its log, when the desk does not run and the log is at hand: the same questions, the same
//! messages, the same no's.

use super::{ClientError, EventsQuery};
use crate::desk::asking::Asking;
use crate::desk::keys;
use crate::desk::log::{self, LIMIT_DEFAULT, Question};
use crate::dto;
use crate::dto::{Event, EventsPage};
use crate::problem::Problem;
use std::sync::Arc;
use stele_commands::access::Keys;
use stele_domain::access::Caller;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::EventLog;

/// As [`Client::events`](super::Client::events).
///
/// # Errors
///
/// [`ClientError::Problem`], as the desk would say it.
pub async fn events(log: &dyn EventLog, query: &EventsQuery) -> Result<EventsPage, ClientError> {
    let question = Question {
        categories: query.categories.clone(),
        types: query.types.clone(),
        stream: query.stream.clone(),
        from: query.from,
        limit: query.limit.unwrap_or(LIMIT_DEFAULT),
        backward: query.backward,
    };
    log::events_in(log, question).await.map_err(|problem| no(&problem))
}

/// As [`Client::event`](super::Client::event).
///
/// # Errors
///
/// [`ClientError::Problem`], as the desk would say it.
pub async fn event(log: &dyn EventLog, position: u64) -> Result<Event, ClientError> {
    log::event_in(log, position).await.map(|(event, _)| event).map_err(|problem| no(&problem))
}

/// As [`Client::keys`](super::Client::keys).
///
/// # Errors
///
/// [`ClientError::Problem`], as the desk would say it.
pub async fn keys(
    keys: &Keys,
    log: &dyn EventLog,
    clock: &dyn Clock,
) -> Result<dto::KeysAnswer, ClientError> {
    keys::list_in(keys, log, clock).await.map_err(|problem| no(&problem))
}

/// As [`Client::create_key`](super::Client::create_key), by this caller.
///
/// # Errors
///
/// [`ClientError::Problem`], as the desk would say it.
pub async fn create_key(
    keys: Arc<Keys>,
    clock: &dyn Clock,
    caller: Caller,
    wish: &dto::CreateKey,
) -> Result<dto::CreatedKey, ClientError> {
    let created = keys::create_in(keys, clock, Asking::of(caller), wish.clone()).await;
    created.map_err(|problem| no(&problem))
}

/// As [`Client::revoke_key`](super::Client::revoke_key), by this caller.
///
/// # Errors
///
/// [`ClientError::Problem`], as the desk would say it.
pub async fn revoke_key(
    keys: Arc<Keys>,
    caller: Caller,
    key_id: &str,
    reason: &str,
) -> Result<dto::Written, ClientError> {
    let wish = dto::Reason { reason: reason.to_owned() };
    let revoked = keys::revoke_in(keys, Asking::of(caller), key_id, wish).await;
    revoked.map(|reply| reply.answer).map_err(|problem| no(&problem))
}

fn no(problem: &Problem) -> ClientError {
    ClientError::Problem(Box::new(problem.said().clone()))
}
