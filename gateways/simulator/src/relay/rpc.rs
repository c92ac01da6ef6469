//! The relay's RPC for front ends: ask for quotes, publish an intent, follow it.

use super::auction::ask;
use super::settlement::{Sent, finish, submit};
use super::{IntentStatus, Offer};
use crate::clock::rfc3339;
use crate::journal::{Body, Direction, Door};
use crate::nep413::base58;
use crate::verifier::payload::SignedPayload;
use crate::world::Shared;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Quotes that one publication may use.
const HASHES_MAX: usize = 16;

#[derive(Deserialize)]
struct Request {
    id: Value,
    method: String,
    #[serde(default)]
    params: Vec<Value>,
}

#[derive(Deserialize)]
struct PublishIntent {
    quote_hashes: Vec<String>,
    signed_data: SignedPayload,
}

#[derive(Deserialize)]
struct PublishIntents {
    quote_hashes: Vec<String>,
    signed_datas: Vec<SignedPayload>,
}

/// `POST /rpc`.
pub(crate) async fn serve(State(shared): State<Arc<Shared>>, body: String) -> Response {
    let seq = shared.note(Door::RelayRpc, Direction::In, 0, Body::Text(body.as_str().into()));
    let answer = match serde_json::from_str::<Request>(&body) {
        Ok(request) => {
            let answered = answer(&shared, &request.method, request.params).await;
            match answered {
                Ok(result) => json!({ "jsonrpc": "2.0", "id": request.id, "result": result }),
                Err(text) => json!({
                    "jsonrpc": "2.0", "id": request.id, "error": { "code": -32_000, "message": text },
                }),
            }
        }
        Err(error) => {
            let text = format!("invalid request: {error}");
            shared.journal().violation(format!("relay rpc: {text}"));
            shared.journal().judge(seq, &text);
            json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -32_600, "message": text } })
        }
    };
    let text = answer.to_string();
    shared.note(Door::RelayRpc, Direction::Out, 0, Body::Text(text.as_str().into()));
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

async fn answer(shared: &Arc<Shared>, method: &str, params: Vec<Value>) -> Result<Value, String> {
    let only = params.into_iter().next().ok_or("invalid params: expected one object")?;
    match method {
        "quote" => {
            let data = Map::deserialize(only).map_err(|error| format!("invalid params: {error}"))?;
            quote(shared, data).await
        }
        "publish_intent" => {
            let read =
                PublishIntent::deserialize(&only).map_err(|error| format!("invalid params: {error}"))?;
            Ok(publish(shared, &read.quote_hashes, vec![read.signed_data], false))
        }
        "publish_intents" => {
            let read =
                PublishIntents::deserialize(&only).map_err(|error| format!("invalid params: {error}"))?;
            Ok(publish(shared, &read.quote_hashes, read.signed_datas, true))
        }
        "get_status" => {
            let hash = only.get("intent_hash").and_then(Value::as_str);
            Ok(status(shared, hash.ok_or("invalid params: expected intent_hash")?))
        }
        other => Err(format!("method {other:?} not found")),
    }
}

async fn quote(shared: &Arc<Shared>, data: Map<String, Value>) -> Result<Value, String> {
    let asked = ask(shared, data);
    let (demand, offers) = asked.ok_or("invalid quote, or too many auctions are open")?;
    let offers = offers.await.unwrap_or_default();
    if offers.is_empty() {
        return Ok(Value::Null);
    }
    let shown = offers.iter().map(|offer| {
        let (amount_in, amount_out) = demand.amounts(offer.amount);
        json!({
            "quote_hash": offer.quote_hash,
            "defuse_asset_identifier_in": demand.token_in,
            "defuse_asset_identifier_out": demand.token_out,
            "amount_in": amount_in.to_string(),
            "amount_out": amount_out.to_string(),
            "expiration_time": rfc3339(offer.deadline),
            "solver_id": offer.solver,
        })
    });
    Ok(Value::Array(shown.collect()))
}

fn publish(shared: &Arc<Shared>, hashes: &[String], signed: Vec<SignedPayload>, plural: bool) -> Value {
    let intents: Vec<String> = signed.iter().map(|signed| base58(&signed.hash())).collect();
    let first = intents.first().cloned().unwrap_or_default();
    let failed = |reason: &str| {
        if plural {
            json!({ "status": "FAILED", "reason": reason, "intent_hashes": intents })
        } else {
            json!({ "status": "FAILED", "reason": reason, "intent_hash": first })
        }
    };
    if hashes.len() > HASHES_MAX || signed.is_empty() || signed.len() > HASHES_MAX {
        return failed("expected at most 16 quote hashes and 1 to 16 intents");
    }
    let mut world = shared.world();
    let now = shared.clock.now();
    let offers: Vec<Offer> = hashes.iter().filter_map(|hash| world.relay.offers.get(hash)).cloned().collect();
    if offers.len() != hashes.len() {
        return failed("quote not found");
    }
    if offers.iter().any(|offer| offer.deadline < now) {
        return failed("expired");
    }
    let all: Vec<SignedPayload> = offers.into_iter().map(|offer| offer.signed).chain(signed).collect();
    let tried =
        world.chain.simulate(world.chain.head(), &all).and_then(crate::verifier::engine::Outcome::balanced);
    if let Err(error) = tried {
        return failed(&error.to_string());
    }
    let Some(receipt) = submit(shared, &mut world, vec![], all, hashes, &first) else {
        return failed("internal");
    };
    let sent =
        Sent { quote_hashes: hashes.to_vec(), intent_hash: first.clone(), desk: !hashes.is_empty(), receipt };
    drop(world);
    finish_later(shared, sent);
    if plural {
        json!({ "status": "OK", "intent_hashes": intents })
    } else {
        json!({ "status": "OK", "intent_hash": first })
    }
}

fn finish_later(shared: &Arc<Shared>, sent: Sent) {
    let owned = Arc::clone(shared);
    shared.spawn(async move { finish(&owned, sent).await });
}

fn status(shared: &Shared, hash: &str) -> Value {
    let world = shared.world();
    let (status, tx_hash, failed) = match world.relay.statuses.get(hash) {
        None => ("NOT_FOUND_OR_NOT_VALID", None, false),
        Some(IntentStatus::Broadcast(tx)) => ("TX_BROADCASTED", Some(tx.clone()), false),
        Some(IntentStatus::Settled(tx)) => ("SETTLED", Some(tx.clone()), false),
        Some(IntentStatus::Failed(tx)) => ("NOT_FOUND_OR_NOT_VALID", Some(tx.clone()), true),
    };
    let mut answer = json!({ "intent_hash": hash, "status": status });
    if let Some(tx_hash) = tx_hash {
        answer["data"] = json!({ "hash": tx_hash });
    }
    if failed {
        answer["status_details"] = json!("FAILED");
    }
    answer
}
