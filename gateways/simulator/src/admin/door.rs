//! The HTTP door: JSON in, JSON out, errors as `{"error": text}`.

use super::{Handle, Refused};
use crate::faults::{Action, Fault, Scope};
use crate::journal::{Door, PAGE_MAX};
use crate::options::{AccountOptions, Balance};
use crate::relay::request::ScriptedQuote;
use crate::world::Shared;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

#[derive(Deserialize)]
struct JournalQuery {
    #[serde(default)]
    from: u64,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    door: Option<Door>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fund {
    account_id: String,
    balances: Vec<Balance>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FixPrice {
    eur: Option<String>,
}

/// The routes under `/sim`.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/sim/state", get(state))
        .route("/sim/summary", get(summary))
        .route("/sim/journal", get(journal))
        .route("/sim/quote", post(quote))
        .route("/sim/fund", post(fund))
        .route("/sim/account", post(account))
        .route("/sim/price", post(price))
        .route("/sim/act", post(act))
        .route("/sim/fault", post(arm))
        .route("/sim/faults", get(faults).delete(clear_all))
        .route("/sim/faults/{id}", delete(clear_one))
}

fn refused(status: StatusCode, text: impl std::fmt::Display) -> Response {
    (status, Json(json!({ "error": text.to_string() }))).into_response()
}

fn answer<T: serde::Serialize>(result: Result<T, Refused>) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(error) => refused(StatusCode::CONFLICT, error),
    }
}

async fn state(State(shared): State<Arc<Shared>>) -> Response {
    Json(Handle::new(shared).state()).into_response()
}

async fn summary(State(shared): State<Arc<Shared>>) -> Response {
    Json(Handle::new(shared).summary()).into_response()
}

async fn journal(State(shared): State<Arc<Shared>>, Query(query): Query<JournalQuery>) -> Response {
    Json(Handle::new(shared).journal(query.from, query.limit.unwrap_or(PAGE_MAX), query.door)).into_response()
}

async fn quote(State(shared): State<Arc<Shared>>, Json(quote): Json<ScriptedQuote>) -> Response {
    answer(Handle::new(shared).quote(quote).map(|quote_id| json!({ "quote_id": quote_id })))
}

async fn fund(State(shared): State<Arc<Shared>>, Json(fund): Json<Fund>) -> Response {
    Handle::new(shared).fund(&fund.account_id, &fund.balances);
    Json(json!({})).into_response()
}

async fn account(State(shared): State<Arc<Shared>>, Json(account): Json<AccountOptions>) -> Response {
    Handle::new(shared).add_account(&account);
    Json(json!({})).into_response()
}

async fn price(State(shared): State<Arc<Shared>>, Json(price): Json<FixPrice>) -> Response {
    let read = price.eur.as_deref().map(crate::prices::parse_e8);
    if read == Some(None) {
        return refused(StatusCode::UNPROCESSABLE_ENTITY, "eur is a decimal such as \"59000.5\", or null");
    }
    let action = Action::FixPrice { price_e8: read.flatten() };
    answer(Handle::new(shared).act(action).map(|()| json!({})))
}

async fn act(State(shared): State<Arc<Shared>>, Json(action): Json<Action>) -> Response {
    answer(Handle::new(shared).act(action).map(|()| json!({})))
}

/// A fault with its scope beside it: `count`, `for_ms`, or neither for "until cleared".
async fn arm(State(shared): State<Arc<Shared>>, Json(mut body): Json<Map<String, Value>>) -> Response {
    let number = |field: Option<Value>| field.as_ref().and_then(Value::as_u64);
    let count = body.remove("count");
    let for_ms = body.remove("for_ms");
    let scope = match (count.is_some(), for_ms.is_some()) {
        (false, false) => Some(Scope::UntilCleared),
        (true, false) => number(count).and_then(|count| u32::try_from(count).ok()).map(Scope::Count),
        (false, true) => number(for_ms).map(Scope::ForMs),
        (true, true) => None,
    };
    let Some(scope) = scope else {
        let text = "give count or for_ms, a whole number, or neither for \"until cleared\"";
        return refused(StatusCode::UNPROCESSABLE_ENTITY, text);
    };
    match serde_json::from_value::<Fault>(Value::Object(body)) {
        Ok(fault) => answer(Handle::new(shared).fault(fault, scope).map(|id| json!({ "id": id }))),
        Err(error) => refused(StatusCode::UNPROCESSABLE_ENTITY, error),
    }
}

async fn faults(State(shared): State<Arc<Shared>>) -> Response {
    Json(Handle::new(shared).faults()).into_response()
}

async fn clear_all(State(shared): State<Arc<Shared>>) -> Response {
    Json(json!({ "cleared": Handle::new(shared).clear_faults(None) })).into_response()
}

async fn clear_one(State(shared): State<Arc<Shared>>, Path(id): Path<u64>) -> Response {
    match Handle::new(shared).clear_faults(Some(id)) {
        0 => refused(StatusCode::NOT_FOUND, Refused::Nothing("fault with that id")),
        cleared => Json(json!({ "cleared": cleared })).into_response(),
    }
}
