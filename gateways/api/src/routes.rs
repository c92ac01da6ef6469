//! What stands behind each route: it takes the request apart, asks the desk, and puts the answer together.

pub(crate) mod audits;
pub(crate) mod control;
pub(crate) mod follow;
pub(crate) mod health;
pub(crate) mod keys;
pub(crate) mod log;
pub(crate) mod parked;
pub(crate) mod proof;
pub(crate) mod reads;
pub(crate) mod rebuilds;
pub(crate) mod reference;
pub(crate) mod status;
pub(crate) mod stream;
pub(crate) mod tables;

use crate::api::Api;
use crate::doors::Room;
use crate::guard::Needs;
use crate::problem::Problem;
use crate::reading::LOG_POSITION;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post, put};
use serde::Serialize;
use std::borrow::Cow;
use std::sync::Arc;
use stele_domain::access::Action;

/// One route.
pub(crate) struct Route {
    /// Its name in the document of the API; stays.
    pub(crate) id: &'static str,
    /// In capitals.
    pub(crate) method: &'static str,
    /// As in the document of the API.
    pub(crate) path: &'static str,
    /// Who is let through.
    pub(crate) needs: Needs,
    /// Where it takes a seat; streams take theirs themselves.
    pub(crate) room: Option<Room>,
    /// Where it leads.
    pub(crate) handler: fn() -> MethodRouter<Arc<Api>>,
}

type Handler = fn() -> MethodRouter<Arc<Api>>;

const fn open(id: &'static str, path: &'static str, handler: Handler) -> Route {
    Route { id, method: "GET", path, needs: Needs::Nothing, room: None, handler }
}

const fn read(id: &'static str, path: &'static str, action: Action, handler: Handler) -> Route {
    let room = Some(Room::Reads);
    Route { id, method: "GET", path, needs: Needs::May(action), room, handler }
}

const fn stream(id: &'static str, path: &'static str, action: Action, handler: Handler) -> Route {
    Route { id, method: "GET", path, needs: Needs::May(action), room: None, handler }
}

const fn wish(
    id: &'static str,
    method: &'static str,
    path: &'static str,
    action: Action,
    handler: Handler,
) -> Route {
    // Killing has room of its own, and so has disarming: nobody else's wish keeps either waiting.
    let room = match action {
        Action::Kill => Room::Kills,
        Action::Disarm => Room::Disarms,
        Action::Read
        | Action::ReadLog
        | Action::Prove
        | Action::Arm
        | Action::Approve
        | Action::Steer
        | Action::Refresh
        | Action::SetLimits
        | Action::SetFilter
        | Action::ManageKeys
        | Action::AppendLog => Room::Wishes,
    };
    Route { id, method, path, needs: Needs::May(action), room: Some(room), handler }
}

/// Every route. Names under `/v1` stay for ever.
pub(crate) const ROUTES: [Route; 52] = [
    open("reference", "/", || get(reference::page)),
    open("openapi", "/openapi.json", || get(reference::document)),
    open("livez", "/livez", || get(health::livez)),
    read("readyz", "/readyz", Action::Read, || get(health::readyz)),
    read("statusz", "/statusz", Action::Read, || get(health::statusz)),
    read("metrics", "/metrics", Action::Read, || get(health::metrics)),
    Route {
        id: "whoami",
        method: "GET",
        path: "/v1/whoami",
        needs: Needs::Credential,
        room: Some(Room::Reads),
        handler: || get(keys::whoami),
    },
    read("status", "/v1/status", Action::Read, || get(status::status)),
    read("account", "/v1/account", Action::Read, || get(reads::account)),
    wish("arm", "POST", "/v1/account/arm", Action::Arm, || post(control::arm)),
    wish("approve", "POST", "/v1/account/approve", Action::Approve, || post(control::approve)),
    wish("disarm", "POST", "/v1/account/disarm", Action::Disarm, || post(control::disarm)),
    wish("kill", "POST", "/v1/account/kill", Action::Kill, || post(control::kill)),
    read("limits", "/v1/limits", Action::Read, || get(reads::limits)),
    wish("set_limits", "PUT", "/v1/limits", Action::SetLimits, || put(control::set_limits)),
    read("filter", "/v1/filter", Action::Read, || get(reads::filter)),
    wish("set_filter", "PUT", "/v1/filter", Action::SetFilter, || put(control::set_filter)),
    wish("reset_filter", "DELETE", "/v1/filter", Action::SetFilter, || delete(control::reset_filter)),
    wish("pause", "POST", "/v1/services/{service}/pause", Action::Steer, || post(control::pause)),
    wish("resume", "POST", "/v1/services/{service}/resume", Action::Steer, || post(control::resume)),
    wish("drain", "POST", "/v1/services/{service}/drain", Action::Steer, || post(control::drain)),
    wish("refresh", "POST", "/v1/services/{service}/refresh", Action::Refresh, || post(control::refresh)),
    read("alerts", "/v1/alerts", Action::Read, || get(reads::alerts)),
    wish("clear_alert", "POST", "/v1/alerts/{kind}/clear", Action::Steer, || post(control::clear_alert)),
    read("tables", "/v1/tables", Action::Read, || get(tables::list)),
    read("rows", "/v1/tables/{table}", Action::Read, || get(tables::page)),
    read("dump", "/v1/tables/{table}/dump", Action::Read, || get(tables::dump)),
    read("rebuilds", "/v1/projections/{projection}/rebuild", Action::Read, || get(rebuilds::list)),
    wish("rebuild", "POST", "/v1/projections/{projection}/rebuild", Action::Steer, || post(rebuilds::start)),
    wish("drop_old", "DELETE", "/v1/projections/{projection}/rebuild/old", Action::Steer, || {
        delete(rebuilds::drop_old)
    }),
    read("parked", "/v1/projections/{projection}/parked", Action::Read, || get(parked::list)),
    read("parked_event", "/v1/projections/{projection}/parked/{position}", Action::Read, || {
        get(parked::show)
    }),
    wish(
        "retry_parked",
        "POST",
        "/v1/projections/{projection}/parked/{position}/retry",
        Action::Steer,
        || post(parked::retry),
    ),
    wish("skip_parked", "POST", "/v1/projections/{projection}/parked/{position}/skip", Action::Steer, || {
        post(parked::skip)
    }),
    read("trace", "/v1/trace/{id}", Action::Read, || get(status::trace)),
    stream("stream", "/v1/stream", Action::Read, || get(stream::stream)),
    stream("proof", "/v1/proof", Action::Prove, || get(proof::proof)),
    read("log_stat", "/v1/log/stat", Action::ReadLog, || get(log::stat)),
    read("events", "/v1/log/events", Action::ReadLog, || get(log::events)),
    read("event", "/v1/log/events/{position}", Action::ReadLog, || get(log::event)),
    read("event_proof", "/v1/log/events/{position}/proof", Action::Prove, || get(log::prove)),
    read("consistency", "/v1/log/consistency", Action::Prove, || get(log::consistency)),
    stream("follow", "/v1/log/follow", Action::ReadLog, || get(follow::follow)),
    wish("checkpoint", "POST", "/v1/log/checkpoint", Action::Prove, || post(log::checkpoint)),
    wish("start_audit", "POST", "/v1/audits", Action::Prove, || post(audits::start)),
    read("audits", "/v1/audits", Action::Prove, || get(audits::list)),
    read("audit", "/v1/audits/{id}", Action::Prove, || get(audits::get)),
    read("audit_report", "/v1/audits/{id}/report", Action::Prove, || get(audits::report)),
    read("keys", "/v1/keys", Action::ManageKeys, || get(keys::list)),
    wish("create_key", "POST", "/v1/keys", Action::ManageKeys, || post(keys::create)),
    wish("revoke_key", "DELETE", "/v1/keys/{key_id}", Action::ManageKeys, || delete(keys::revoke)),
    read("roles", "/v1/roles", Action::Read, || get(keys::roles)),
];

/// What a handler comes to.
pub(crate) type Answer = Result<Response, Problem>;

/// A JSON answer, with the position it is as of where there is one.
pub(crate) fn json<T: Serialize>(answer: &T, position: Option<u64>) -> Answer {
    let body =
        serde_json::to_vec(answer).map_err(|error| Problem::internal(format!("no JSON form: {error}")))?;
    let mut response = ([(header::CONTENT_TYPE, "application/json")], body).into_response();
    if let Some(position) = position {
        response.headers_mut().insert(LOG_POSITION, HeaderValue::from(position));
    }
    Ok(response)
}

/// The answer with a `Link` to the next page: the same question with another cursor.
pub(crate) fn linked(mut response: Response, uri: &Uri, next: Option<&str>) -> Response {
    let Some(next) = next else { return response };
    let kept = uri.query().unwrap_or_default().split('&');
    let kept = kept.filter(|pair| !pair.is_empty() && pair.split('=').next() != Some("cursor"));
    let mut pairs: Vec<Cow<'_, str>> = kept.map(Cow::from).collect();
    pairs.push(Cow::from(format!("cursor={next}")));
    let link = format!("<{}?{}>; rel=\"next\"", uri.path(), pairs.join("&"));
    // A request target has only characters that a header may have.
    if let Ok(link) = HeaderValue::try_from(link) {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}
