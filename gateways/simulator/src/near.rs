//! NEAR JSON-RPC: views of the verifier contract, blocks and node status, at `/near` and, for a second
//! opinion that can be made to differ, at `/near2`.

use crate::clock::{Nanos, rfc3339};
use crate::faults::{Fault, Provider};
use crate::journal::{Body, Direction, Door};
use crate::nep413::unbase64;
use crate::verifier::chain::{Block, BlockRef, Chain, NoBlock};
use crate::world::Shared;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

mod views;

/// Longest answer time that a fault can ask for, in milliseconds.
const SLOW_MS_MAX: u64 = 120_000;

#[derive(Deserialize)]
struct Request {
    id: Value,
    method: String,
    #[serde(default)]
    params: Value,
}

#[derive(Deserialize)]
struct Query {
    request_type: String,
    #[serde(default)]
    account_id: String,
    #[serde(default)]
    method_name: String,
    #[serde(default)]
    args_base64: String,
    #[serde(flatten)]
    at: At,
}

#[derive(Deserialize)]
struct At {
    #[serde(default)]
    finality: Option<String>,
    #[serde(default)]
    block_id: Option<Value>,
}

/// What a provider is told to do wrong with one request.
#[derive(Default)]
struct Mood {
    down: bool,
    slow_ms: u64,
    cause: Option<String>,
    stale_at: Option<u64>,
    disagrees: bool,
}

/// `POST /near`.
pub(crate) async fn first(State(shared): State<Arc<Shared>>, body: String) -> Response {
    serve(&shared, Provider::First, Door::Near, body).await
}

/// `POST /near2`.
pub(crate) async fn second(State(shared): State<Arc<Shared>>, body: String) -> Response {
    serve(&shared, Provider::Second, Door::Near2, body).await
}

async fn serve(shared: &Arc<Shared>, provider: Provider, door: Door, body: String) -> Response {
    let seq = shared.note(door, Direction::In, 0, Body::Text(body.as_str().into()));
    let mood = mood(shared, provider);
    if mood.slow_ms > 0 {
        sleep(Duration::from_millis(mood.slow_ms.min(SLOW_MS_MAX))).await;
    }
    if mood.down {
        shared.note(door, Direction::Out, 0, Body::Note("503".to_owned()));
        return (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable\n").into_response();
    }
    let answer = match serde_json::from_str::<Request>(&body) {
        Ok(request) => {
            let answered = answer(shared, &request, &mood);
            match answered {
                Ok(result) => json!({ "jsonrpc": "2.0", "id": request.id, "result": result }),
                Err(error) => json!({ "jsonrpc": "2.0", "id": request.id, "error": error.json() }),
            }
        }
        Err(error) => {
            shared.journal().violation(format!("near: not a request: {error}"));
            shared.journal().judge(seq, "violation: not a request");
            let error = RpcError::parse(format!("{error}"));
            json!({ "jsonrpc": "2.0", "id": null, "error": error.json() })
        }
    };
    let text = answer.to_string();
    shared.note(door, Direction::Out, 0, Body::Text(text.as_str().into()));
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

fn mood(shared: &Shared, provider: Provider) -> Mood {
    let mut world = shared.world();
    let faults = &mut world.faults;
    let here = |other: &Provider| *other == provider;
    Mood {
        down: faults.bites(&Fault::NearDown { provider }),
        slow_ms: faults
            .bite(|fault| {
                if let Fault::NearSlow { provider, by_ms } = fault
                    && here(provider)
                {
                    Some(*by_ms)
                } else {
                    None
                }
            })
            .unwrap_or(0),
        cause: faults.bite(|fault| {
            if let Fault::NearErrors { provider, cause } = fault
                && here(provider)
            {
                Some(cause.clone())
            } else {
                None
            }
        }),
        stale_at: faults.bite_at(|fault, height| {
            matches!(fault, Fault::NearStale { provider } if here(provider)).then_some(height)
        }),
        disagrees: faults.bites(&Fault::NearDisagrees { provider }),
    }
}

/// An error of the node, in its own form.
struct RpcError {
    name: &'static str,
    cause: String,
    info: Value,
    code: i32,
    message: &'static str,
    data: String,
}

impl RpcError {
    fn handler(cause: impl Into<String>, info: Value, data: impl Into<String>) -> Self {
        let (cause, data) = (cause.into(), data.into());
        Self { name: "HANDLER_ERROR", cause, info, code: -32_000, message: "Server error", data }
    }

    fn parse(data: String) -> Self {
        let info = json!({ "error_message": data });
        let (name, cause) = ("REQUEST_VALIDATION_ERROR", "PARSE_ERROR".to_owned());
        Self { name, cause, info, code: -32_700, message: "Parse error", data }
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "cause": { "name": self.cause, "info": self.info },
            "code": self.code,
            "message": self.message,
            "data": self.data,
        })
    }
}

fn answer(shared: &Shared, request: &Request, mood: &Mood) -> Result<Value, RpcError> {
    if let Some(cause) = &mood.cause {
        return Err(RpcError::handler(cause.clone(), json!({}), "the simulator was told to answer so"));
    }
    let world = shared.world();
    let chain = &world.chain;
    match request.method.as_str() {
        "query" => {
            let query = Query::deserialize(&request.params)
                .map_err(|error| RpcError::parse(format!("Failed parsing args: {error}")))?;
            query_at(chain, &query, find(chain, &query.at, mood)?, mood.disagrees)
        }
        "block" => {
            let at = At::deserialize(&request.params)
                .map_err(|error| RpcError::parse(format!("Failed parsing args: {error}")))?;
            Ok(block_json(find(chain, &at, mood)?))
        }
        "status" => {
            let at = At { finality: Some("optimistic".to_owned()), block_id: None };
            Ok(status_json(shared, find(chain, &at, mood)?))
        }
        other => Err(RpcError {
            name: "REQUEST_VALIDATION_ERROR",
            cause: "METHOD_NOT_FOUND".to_owned(),
            info: json!({ "method_name": other }),
            code: -32_601,
            message: "Method not found",
            data: other.to_owned(),
        }),
    }
}

/// The block that a request names. A stale provider knows nothing after the block it stays at.
fn find<'a>(chain: &'a Chain, at: &At, mood: &Mood) -> Result<&'a Block, RpcError> {
    let mut wanted = match (&at.finality, &at.block_id) {
        (Some(finality), None) => match finality.as_str() {
            "final" | "near-final" => BlockRef::Final,
            "optimistic" => BlockRef::Optimistic,
            other => return Err(RpcError::parse(format!("unknown finality {other:?}"))),
        },
        (None, Some(Value::String(hash))) => BlockRef::Hash(hash.clone()),
        (None, Some(number)) => {
            let height = number.as_u64();
            BlockRef::Height(height.ok_or_else(|| RpcError::parse(format!("no block id: {number}")))?)
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err(RpcError::parse("expected one of finality and block_id".to_owned()));
        }
    };
    if let Some(height) = mood.stale_at {
        let named = match &wanted {
            BlockRef::Height(asked) => Some(*asked),
            BlockRef::Hash(_) => chain.block(&wanted).ok().map(|block| block.height),
            BlockRef::Final | BlockRef::Optimistic => None,
        };
        if named.is_some_and(|named| named > height) {
            return Err(unknown_block(NoBlock::Unknown, &wanted));
        }
        wanted = BlockRef::Height(named.unwrap_or(height));
    }
    chain.block(&wanted).map_err(|why| unknown_block(why, &wanted))
}

fn unknown_block(why: NoBlock, wanted: &BlockRef) -> RpcError {
    let named = match wanted {
        BlockRef::Height(height) => json!(height),
        BlockRef::Hash(hash) => json!(hash),
        BlockRef::Final => json!("final"),
        BlockRef::Optimistic => json!("optimistic"),
    };
    match why {
        NoBlock::Unknown => {
            let data = format!("DB Not Found Error: BLOCK: {named}");
            RpcError::handler("UNKNOWN_BLOCK", json!({ "block_reference": { "block_id": named } }), data)
        }
        NoBlock::Collected => {
            let data = format!("block {named} has been garbage collected");
            let info = json!({ "block_height": named, "block_hash": named });
            RpcError::handler("GARBAGE_COLLECTED_BLOCK", info, data)
        }
    }
}

fn query_at(chain: &Chain, query: &Query, block: &Block, disagrees: bool) -> Result<Value, RpcError> {
    if query.request_type != "call_function" {
        return Err(RpcError::parse(format!("request type {:?} is not simulated", query.request_type)));
    }
    if query.account_id != chain.contract() {
        let account = &query.account_id;
        let info = json!({
            "requested_account_id": account, "block_height": block.height, "block_hash": block.hash,
        });
        let data = format!("account {account} does not exist while viewing");
        return Err(RpcError::handler("UNKNOWN_ACCOUNT", info, data));
    }
    let args = unbase64(&query.args_base64)
        .ok_or_else(|| RpcError::parse("args_base64 is not base64".to_owned()))?;
    let viewed = views::view(chain, block, &query.method_name, &args, disagrees);
    let mut answer = json!({
        "block_height": block.height,
        "block_hash": block.hash,
        "logs": [],
    });
    match viewed {
        Ok(value) => answer["result"] = json!(value.to_string().into_bytes()),
        // A panicking view answers in the older form: HTTP 200 and an error inside the result.
        Err(views::ViewError::Panicked(message)) => {
            let text = json!(message).to_string();
            answer["error"] = json!(format!(
                "wasm execution failed with error: HostError(GuestPanic {{ panic_msg: {text} }})"
            ));
        }
        Err(views::ViewError::NoSuchMethod) => {
            answer["error"] = json!("wasm execution failed with error: MethodResolveError(MethodNotFound)");
        }
    }
    Ok(answer)
}

fn block_json(block: &Block) -> Value {
    json!({
        "author": "validator.sim.near",
        "header": {
            "height": block.height,
            "hash": block.hash,
            "prev_height": block.height - 1,
            "prev_hash": block.prev_hash,
            "timestamp": u64::try_from(block.timestamp).unwrap_or(0),
            "timestamp_nanosec": block.timestamp.to_string(),
            "gas_price": "100000000",
            "latest_protocol_version": 80,
        },
        "chunks": [],
    })
}

fn status_json(shared: &Shared, head: &Block) -> Value {
    let time: Nanos = head.timestamp;
    json!({
        "chain_id": shared.options.chain.chain_id,
        "latest_protocol_version": 80,
        "protocol_version": 80,
        "version": { "version": "simulator", "build": env!("CARGO_PKG_VERSION"), "rustc_version": "" },
        "sync_info": {
            "latest_block_hash": head.hash,
            "latest_block_height": head.height,
            "latest_block_time": rfc3339(time),
            "syncing": false,
        },
    })
}
