//! A step through the REST door.

use super::Told;
use super::ask::{Account, Ask, Key, Keys, Look, SERVICES, Setting, Step, Switch, Tables};
use crate::desk;
use crate::served::{Served, visitor};
use axum::body::Body;
use axum::http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::fmt::Write;
use tower::ServiceExt;
use uuid::Uuid;

/// The id of a step's wish; text, because it may be none.
pub fn key(at: usize, key: Key) -> String {
    match key {
        Key::Fresh => Uuid::from_u128(1_000 + u128::try_from(at).unwrap()).to_string(),
        Key::Shared(which) => Uuid::from_u128(u128::from(which) + 1).to_string(),
        Key::Nonsense => "nonsense".to_owned(),
    }
}

/// What `Approve` may name: nobody asked for any of them.
pub fn request_id(which: u8) -> Uuid {
    Uuid::from_u128(7_000 + u128::from(which))
}

pub async fn told(served: &Served, at: usize, step: &Step, damaged: u64) -> Told {
    let (method, path, body) = request(&step.ask, damaged);
    let mut request = Request::builder().method(method.clone()).uri(path);
    // A checkpoint is made anew each time: it is asked for by POST, and is no wish.
    let wish = method != Method::GET && step.ask != Ask::Look(Look::Checkpoint);
    if wish {
        request =
            request.header("idempotency-key", key(at, step.key)).header("content-type", "application/json");
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let mut request = request.body(body).unwrap();
    // The door's part.
    request.extensions_mut().insert(visitor(step.role));
    let response = served.desk.router().oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let body: Value =
        serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{status} {error}: {bytes:?}"));
    if !status.is_success() {
        return Told::Refused(body["code"].as_str().expect("every problem has a code").to_owned());
    }
    if let Some(outcome) = body["outcome"].as_str() {
        return Told::Done {
            outcome: outcome.to_owned(),
            recorded: body["log_position"].is_u64(),
            replayed: headers.contains_key("idempotent-replayed"),
        };
    }
    Told::Read(heart(&step.ask, &body))
}

type Asked = (Method, String, Option<Value>);

fn request(ask: &Ask, damaged: u64) -> Asked {
    match ask {
        Ask::Account(ask) => account(ask),
        Ask::Setting(ask) => setting(ask),
        Ask::Keys(ask) => keys(ask),
        Ask::Tables(ask) => tables(ask, damaged),
        Ask::Look(ask) => look(ask),
    }
}

fn reason(reason: &str) -> Value {
    json!({ "reason": reason })
}

fn account(ask: &Account) -> Asked {
    match ask {
        Account::Arm { mode, term, limits_version, reason } => {
            let mode = ["sideways", "full", "reducing"][usize::from(*mode)];
            let mut body = json!({ "reason": reason, "mode": mode });
            if let Some(term) = term {
                body["for_ms"] = json!(term);
            }
            if let Some(version) = limits_version {
                body["limits_version"] = json!(version);
            }
            (Method::POST, "/v1/account/arm".to_owned(), Some(body))
        }
        Account::Approve { request, reason } => {
            let body = json!({ "request_id": request_id(*request), "limits_hash": "0".repeat(64), "reason": reason });
            (Method::POST, "/v1/account/approve".to_owned(), Some(body))
        }
        Account::Disarm { reason: why } => (Method::POST, "/v1/account/disarm".to_owned(), Some(reason(why))),
        Account::Kill { reason: why } => (Method::POST, "/v1/account/kill".to_owned(), Some(reason(why))),
    }
}

fn setting(ask: &Setting) -> Asked {
    match ask {
        Setting::SetLimits { edge_min_bps, notional_max, shown, reason } => {
            let mut limits = serde_json::to_value(desk::asked::limits()).unwrap();
            limits["edge_min_bps"] = json!(edge_min_bps);
            match notional_max {
                Some(amount) => limits["notional_max"] = json!(amount),
                None => drop(limits.as_object_mut().unwrap().remove("notional_max")),
            }
            let mut body = json!({ "limits": limits, "reason": reason });
            if let Some(shown) = shown {
                body["limits_version"] = json!(shown);
            }
            (Method::PUT, "/v1/limits".to_owned(), Some(body))
        }
        Setting::SetFilter { entries, reason } => {
            (Method::PUT, "/v1/filter".to_owned(), Some(json!({ "entries": entries, "reason": reason })))
        }
        Setting::ResetFilter { reason: why } => (Method::DELETE, "/v1/filter".to_owned(), Some(reason(why))),
        Setting::Switch { what, service, reason: why } => {
            let what = match what {
                Switch::Pause => "pause",
                Switch::Resume => "resume",
                Switch::Drain => "drain",
            };
            (
                Method::POST,
                format!("/v1/services/{}/{what}", SERVICES[usize::from(*service)]),
                Some(reason(why)),
            )
        }
        Setting::Refresh { service } => (
            Method::POST,
            format!("/v1/services/{}/refresh", SERVICES[usize::from(*service)]),
            Some(reason("")),
        ),
        Setting::ClearAlert { kind, reason: why } => {
            (Method::POST, format!("/v1/alerts/{kind}/clear"), Some(reason(why)))
        }
    }
}

fn keys(ask: &Keys) -> Asked {
    match ask {
        Keys::Create { owner, role, actions, for_ms, reason } => {
            let mut body = json!({ "owner": owner, "role": role, "actions": actions, "label": "a screen", "reason": reason });
            if let Some(for_ms) = for_ms {
                body["for_ms"] = json!(for_ms);
            }
            (Method::POST, "/v1/keys".to_owned(), Some(body))
        }
        Keys::Revoke { key_id, reason: why } => {
            // A path has no empty segment.
            let key_id = if key_id.is_empty() { "%20" } else { key_id };
            (Method::DELETE, format!("/v1/keys/{key_id}"), Some(reason(why)))
        }
        Keys::List => (Method::GET, "/v1/keys".to_owned(), None),
    }
}

fn tables(ask: &Tables, damaged: u64) -> Asked {
    let parked = |projection: &str| format!("/v1/projections/{projection}/parked");
    match ask {
        Tables::Parked { projection } => (Method::GET, parked(projection), None),
        Tables::ParkedEvent { projection, place } => {
            (Method::GET, format!("{}/{}", parked(projection), place.position(damaged)), None)
        }
        Tables::Decide { skip, projection, place, reason: why } => {
            let what = if *skip { "skip" } else { "retry" };
            let path = format!("{}/{}/{what}", parked(projection), place.position(damaged));
            (Method::POST, path, Some(reason(why)))
        }
        Tables::Rebuilds { projection } => {
            (Method::GET, format!("/v1/projections/{projection}/rebuild"), None)
        }
        Tables::StartRebuild { reason: why } => {
            (Method::POST, "/v1/projections/orders/rebuild".to_owned(), Some(reason(why)))
        }
        Tables::StartAudit { projection, position, reason: why } => {
            let body = json!({ "projection": projection, "position": position, "reason": why });
            (Method::POST, "/v1/audits".to_owned(), Some(body))
        }
        Tables::Audits => (Method::GET, "/v1/audits".to_owned(), None),
        Tables::Audit { id } => (Method::GET, format!("/v1/audits/{id}"), None),
        Tables::Report { id } => (Method::GET, format!("/v1/audits/{id}/report"), None),
    }
}

fn look(ask: &Look) -> Asked {
    match ask {
        Look::Account => (Method::GET, "/v1/account".to_owned(), None),
        Look::Limits => (Method::GET, "/v1/limits".to_owned(), None),
        Look::Filter => (Method::GET, "/v1/filter".to_owned(), None),
        Look::Alerts => (Method::GET, "/v1/alerts".to_owned(), None),
        Look::Table { name, size, filter, token } => {
            let mut path = format!("/v1/tables/{name}?order=newest");
            if let Some(size) = size {
                let _ = write!(path, "&limit={size}");
            }
            if let Some((column, value)) = filter {
                let _ = write!(path, "&{column}={value}");
            }
            if !token.is_empty() {
                let _ = write!(path, "&cursor={}", if *token == "%" { "%25" } else { token });
            }
            (Method::GET, path, None)
        }
        Look::Trace { id } => (Method::GET, format!("/v1/trace/{id}"), None),
        Look::Event { position } => (Method::GET, format!("/v1/log/events/{position}"), None),
        Look::Events { stream, backward, size } => {
            let mut path = format!("/v1/log/events?backward={backward}");
            if !stream.is_empty() {
                let _ = write!(path, "&stream={stream}");
            }
            if let Some(size) = size {
                let _ = write!(path, "&limit={size}");
            }
            (Method::GET, path, None)
        }
        Look::Prove { position } => (Method::GET, format!("/v1/log/events/{position}/proof"), None),
        Look::Checkpoint => (Method::POST, "/v1/log/checkpoint".to_owned(), None),
    }
}

/// What both doors must agree on in an answer. Nothing that depends on when attempts were written beside.
fn heart(ask: &Ask, body: &Value) -> Value {
    match ask {
        Ask::Setting(_) => body["service"].clone(),
        Ask::Keys(Keys::Create { .. }) => {
            json!(body["key"].as_str().is_some_and(|key| key.starts_with("stele_")))
        }
        Ask::Account(_) | Ask::Keys(Keys::Revoke { .. }) => Value::Null,
        Ask::Keys(Keys::List) => {
            let keys = body["keys"].as_array().unwrap().iter();
            let mut told: Vec<String> =
                keys.map(|key| format!("{} {} {}", key["owner"], key["role"], key["standing"])).collect();
            told.sort();
            json!(told)
        }
        Ask::Tables(ask) => known(ask, body),
        Ask::Look(look) => seen(look, body),
    }
}

fn known(ask: &Tables, body: &Value) -> Value {
    let audit = |audit: &Value| {
        json!([
            audit["id"].is_string(),
            audit["state"],
            audit["projection"],
            audit["position"],
            audit["asked_by"]
        ])
    };
    let parked = |event: &Value| {
        json!([event["projection"], event["position"], event["state"], event["attempt"], event["why"]])
    };
    let each = |name: &str| body[name].as_array().unwrap().iter();
    match ask {
        Tables::Parked { .. } => each("parked").map(parked).collect(),
        Tables::ParkedEvent { .. } => {
            let steps: Vec<Value> =
                each("steps").map(|step| json!([step["by"], step["state"], step["reason"]])).collect();
            json!([parked(&body["parked"]), steps])
        }
        Tables::Rebuilds { .. } => json!([each("rebuilds").count(), each("replaced").count()]),
        Tables::StartAudit { .. } | Tables::Audit { .. } => audit(body),
        Tables::Audits => each("audits").map(audit).collect(),
        Tables::Decide { .. } | Tables::StartRebuild { .. } | Tables::Report { .. } => Value::Null,
    }
}

fn seen(look: &Look, body: &Value) -> Value {
    match look {
        Look::Account => {
            let account = &body["account"];
            json!([account["arming"], account["limits_version"], account["killed_at"]])
        }
        Look::Limits => {
            let set = &body["in_force"];
            json!([set["version"], set["limits"], set["hash"]])
        }
        Look::Filter => json!([body["mode"], body["entries"]]),
        Look::Alerts => {
            let told = body["alerts"].as_array().unwrap().iter();
            told.map(|alert| json!([alert["kind"], alert["detail"], alert["waits_for_person"]])).collect()
        }
        Look::Table { .. } => body["table"].clone(),
        Look::Event { .. } => json!([body["position"].is_u64(), body["stream"].is_string()]),
        Look::Events { stream, .. } if !stream.is_empty() => json!(body["events"].as_array().unwrap().len()),
        Look::Events { .. } => json!(body["events"].is_array()),
        Look::Trace { .. } | Look::Prove { .. } | Look::Checkpoint => Value::Null,
    }
}
