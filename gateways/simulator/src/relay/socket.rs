//! One client's connection to the relay: the door, a reader and a writer.

use super::response::{Told, Verdict};
use super::wire::{self, Filters, Request};
use super::{
    Connection, Frame, Mode, QUEUES_MAX, SUBSCRIPTIONS_MAX, Stream, Subscription, broadcast, response,
};
use crate::faults::Fault;
use crate::journal::{Body, Direction, Door};
use crate::world::{Shared, World};
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, sleep_until, timeout};

/// Largest message that a client may send.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// A client that does not take a frame for this long is dropped.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Largest instance id, in bytes.
const INSTANCE_BYTES_MAX: usize = 128;

/// The query of an upgrade.
#[derive(Debug, Deserialize)]
pub(crate) struct Params {
    #[serde(default)]
    instance_id: Option<String>,
}

/// `GET /ws`.
pub(crate) async fn upgrade(
    State(shared): State<Arc<Shared>>,
    Query(params): Query<Params>,
    headers: HeaderMap,
    ws: WebSocketUpgrade,
) -> Response {
    if let Some(refusal) = refusal(&shared, &headers) {
        let note = Body::Note(format!("connection refused with {refusal}"));
        shared.note(Door::Relay, Direction::Out, 0, note);
        return (refusal, "forbidden\n").into_response();
    }
    let dropped = shared.world().faults.bites(&Fault::RelayDropsNew);
    let instance = params.instance_id.filter(|id| !id.is_empty() && id.len() <= INSTANCE_BYTES_MAX);
    ws.max_message_size(MESSAGE_BYTES_MAX).max_frame_size(MESSAGE_BYTES_MAX).on_upgrade(
        move |socket| async move {
            if dropped {
                shared.note(Door::Relay, Direction::Out, 0, Body::Note("new connection dropped".to_owned()));
                return;
            }
            serve(shared, socket, instance).await;
        },
    )
}

fn refusal(shared: &Shared, headers: &HeaderMap) -> Option<StatusCode> {
    let mut world = shared.world();
    let scripted = world
        .faults
        .bite(|fault| if let Fault::RelayRefusesWith { status } = fault { Some(*status) } else { None });
    if let Some(status) = scripted {
        return Some(StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN));
    }
    let tokens = &shared.options.relay.bearer_tokens;
    if !tokens.is_empty() {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        match given.and_then(|value| value.strip_prefix("Bearer ")) {
            None => return Some(StatusCode::UNAUTHORIZED),
            Some(token) if !tokens.iter().any(|known| known == token) => return Some(StatusCode::FORBIDDEN),
            Some(_) => {}
        }
    }
    let full = world.relay.connections.len() >= shared.options.relay.connections_max;
    full.then_some(StatusCode::SERVICE_UNAVAILABLE)
}

async fn serve(shared: Arc<Shared>, socket: WebSocket, instance: Option<String>) {
    let number = shared.next_connection();
    let (frames, waiting) = mpsc::channel(shared.options.relay.waiting_frames_max.max(1));
    let (mode, watched) = watch::channel(Mode::Open);
    let connection = Connection { frames, mode, instance, subscriptions: BTreeMap::new() };
    shared.world().relay.connections.insert(number, connection);
    shared.note(Door::Relay, Direction::In, number, Body::Note("connected".to_owned()));

    let (sink, stream) = socket.split();
    let mut stopping = shared.stopping();
    tokio::select! {
        biased;
        _ = stopping.wait_for(|stop| *stop) => {}
        () = watch_mode(watched.clone()) => {}
        () = write(&shared, number, sink, waiting, watched.clone()) => {}
        () = read(&shared, number, stream, watched) => {}
    }
    shared.world().relay.connections.remove(&number);
    shared.note(Door::Relay, Direction::Out, number, Body::Note("disconnected".to_owned()));
}

/// Ends when the connection has to go without a closing frame.
async fn watch_mode(mut watched: watch::Receiver<Mode>) {
    loop {
        let mode = watched.borrow_and_update().clone();
        let changed = match mode {
            Mode::Dropped => return,
            Mode::Silent(until) => {
                tokio::select! {
                    biased;
                    changed = watched.changed() => changed,
                    () = sleep_until(until.into()) => return,
                }
            }
            Mode::Open | Mode::Closed { .. } => watched.changed().await,
        };
        if changed.is_err() {
            return;
        }
    }
}

async fn write(
    shared: &Shared,
    number: u64,
    mut sink: SplitSink<WebSocket, Message>,
    mut waiting: mpsc::Receiver<Frame>,
    mut watched: watch::Receiver<Mode>,
) {
    loop {
        let message = tokio::select! {
            biased;
            changed = watched.changed() => {
                if changed.is_err() {
                    return;
                }
                let mode = watched.borrow_and_update().clone();
                match mode {
                    Mode::Open => continue,
                    Mode::Closed { code, reason } => close_message(code, reason),
                    Mode::Silent(_) | Mode::Dropped => pending().await,
                }
            }
            frame = waiting.recv() => match frame {
                Some(Frame::Text(text)) => Message::Text(text),
                Some(Frame::Binary(bytes)) => Message::Binary(bytes),
                None => return,
            },
        };
        let closing = matches!(message, Message::Close(_));
        shared.note(Door::Relay, Direction::Out, number, body(&message));
        let sent = timeout(WRITE_TIMEOUT, sink.send(message)).await;
        if closing || !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

fn close_message(code: u16, reason: String) -> Message {
    Message::Close(Some(CloseFrame { code, reason: reason.into() }))
}

fn body(message: &Message) -> Body {
    match message {
        Message::Text(text) => Body::Text(text.clone()),
        Message::Binary(bytes) => Body::Binary(bytes.clone()),
        Message::Ping(_) => Body::Note("ping".to_owned()),
        Message::Pong(_) => Body::Note("pong".to_owned()),
        Message::Close(frame) => {
            let code = frame.as_ref().map_or(1005, |frame| frame.code);
            Body::Note(format!("close {code}"))
        }
    }
}

async fn read(
    shared: &Arc<Shared>,
    number: u64,
    mut stream: SplitStream<WebSocket>,
    mut watched: watch::Receiver<Mode>,
) {
    loop {
        let message = tokio::select! {
            biased;
            changed = watched.changed() => {
                let mode = watched.borrow_and_update().clone();
                match mode {
                    Mode::Silent(_) | Mode::Dropped => pending().await,
                    Mode::Open | Mode::Closed { .. } if changed.is_ok() => continue,
                    Mode::Open | Mode::Closed { .. } => return,
                }
            }
            message = stream.next() => message,
        };
        let Some(Ok(message)) = message else { return };
        let seq = shared.note(Door::Relay, Direction::In, number, body(&message));
        match message {
            Message::Text(text) => {
                let verdict = handle(shared, number, &text);
                shared.journal().judge(seq, &verdict);
            }
            Message::Binary(_) => {
                let mut journal = shared.journal();
                journal.violation("a binary frame".to_owned());
                journal.judge(seq, "violation: a binary frame");
            }
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Close(_) => return,
        }
    }
}

/// Handles a frame: answers it, and says what it was.
fn handle(shared: &Arc<Shared>, number: u64, text: &Utf8Bytes) -> String {
    let options = &shared.options.relay;
    let request: Request = match serde_json::from_str(text.as_str()) {
        Ok(request) => request,
        Err(error) => {
            shared.journal().violation(format!("not a request: {error}"));
            let answer = wire::error(&Value::Null, &format!("invalid request: {error}"), options);
            answer_to(&shared.world(), number, answer);
            return format!("violation: not a request: {error}");
        }
    };
    if request.jsonrpc.as_deref() != Some("2.0") {
        shared.journal().violation("a request without jsonrpc 2.0".to_owned());
    }
    let id = Value::Number(request.id);
    if request.method == "quote_response" {
        let verdict = response::judge(shared, &request.params);
        let told = tell(shared, number, &id, &verdict);
        return verdict.error.map_or_else(
            || format!("{}{told}", verdict.code),
            |error| format!("{}: {error}{told}", verdict.code),
        );
    }
    let mut world = shared.world();
    let done = match request.method.as_str() {
        "subscribe" => subscribe(&mut world, number, &request.params),
        "unsubscribe" => unsubscribe(&mut world, number, &request.params),
        "acknowledge" => acknowledge(&mut world, number, &request.params),
        other => Err(format!("method {other:?} not found")),
    };
    match done {
        Ok(done) => {
            answer_to(&world, number, wire::reply(&id, &done.result));
            for event in done.replay {
                let text = wire::event(&event.subscription, &event.data, None, Some(event.seq), options);
                answer_to(&world, number, text);
            }
            done.verdict
        }
        Err(text) => {
            answer_to(&world, number, wire::error(&id, &text, options));
            drop(world);
            shared.journal().violation(format!("{}: {text}", request.method));
            format!("violation: {text}")
        }
    }
}

/// Sends the replies to a response when their time has come, and says what is wrong with them.
fn tell(shared: &Arc<Shared>, number: u64, id: &Value, verdict: &Verdict) -> &'static str {
    let answer = |error: Option<&str>| match error {
        None => wire::reply(id, &json!("OK")),
        Some(text) => wire::error(id, text, &shared.options.relay),
    };
    let judged = verdict.error.as_deref();
    match verdict.told {
        Told::Swallowed => ", reply swallowed",
        Told::Once(after) => {
            answer_after(shared, number, after, answer(judged));
            if after.is_zero() { "" } else { ", reply late" }
        }
        Told::Twice { after, again, opposite } => {
            answer_after(shared, number, after, answer(judged));
            let second = match (opposite, judged) {
                (false, said) => said,
                (true, None) => Some(wire::TAKEN_BACK),
                (true, Some(_)) => None,
            };
            answer_after(shared, number, again, answer(second));
            if opposite { ", reply contradicted" } else { ", reply repeated" }
        }
    }
}

/// Sends a frame after a while, if the connection is still there by then.
fn answer_after(shared: &Arc<Shared>, number: u64, after: Duration, text: String) {
    if after.is_zero() {
        return answer_to(&shared.world(), number, text);
    }
    let owned = Arc::clone(shared);
    shared.spawn(async move {
        sleep(after).await;
        answer_to(&owned.world(), number, text);
    });
}

fn answer_to(world: &World, number: u64, text: String) {
    if let Some(connection) = world.relay.connections.get(&number) {
        // A client too slow for its own replies is dropped like any other.
        let _ = broadcast::send(number, connection, Frame::Text(text.into()));
    }
}

struct Done {
    result: Value,
    verdict: String,
    replay: Vec<Replay>,
}

struct Replay {
    subscription: String,
    seq: u64,
    data: serde_json::Map<String, Value>,
}

fn done(result: Value, verdict: impl Into<String>) -> Done {
    Done { result, verdict: verdict.into(), replay: vec![] }
}

fn subscribe(world: &mut World, number: u64, params: &[Value]) -> Result<Done, String> {
    let name = params.first().and_then(Value::as_str).ok_or("invalid params: expected a stream name")?;
    let stream = match name {
        "quote" => Stream::Quote,
        "quote_status" => Stream::Status,
        "quote_status_extended" => Stream::StatusExtended,
        "shield_status" => Stream::Shield,
        other => return Err(format!("unknown subscription {other:?}")),
    };
    let filters = match params.get(1) {
        None | Some(Value::Null) => Filters::default(),
        Some(filters) => {
            Filters::deserialize(filters).map_err(|error| format!("invalid filters: {error}"))?
        }
    };
    let guaranteed = match params.get(2) {
        None => false,
        Some(flag) => flag.as_bool().ok_or("invalid params: guaranteed delivery is true or false")?,
    };
    if guaranteed && !matches!(stream, Stream::Status | Stream::Shield) {
        return Err("guaranteed delivery is only available on quote_status and shield_status".to_owned());
    }
    let id = world.relay.ids.uuid();
    let relay = &mut world.relay;
    let connection = relay.connections.get_mut(&number).ok_or("connection closed")?;
    if connection.subscriptions.len() >= SUBSCRIPTIONS_MAX {
        return Err("too many subscriptions".to_owned());
    }
    let mut missed = vec![];
    if guaranteed {
        let instance = connection.instance.clone().ok_or("guaranteed delivery requires instance_id")?;
        if !relay.queues.contains_key(&instance) && relay.queues.len() >= QUEUES_MAX {
            return Err("too many instances".to_owned());
        }
        let queue = relay.queues.entry(instance).or_default();
        for (seq, data) in &queue.events {
            missed.push(Replay { subscription: id.clone(), seq: *seq, data: data.clone() });
        }
    }
    connection.subscriptions.insert(id.clone(), Subscription { stream, filters, guaranteed });
    Ok(Done { result: json!(id), verdict: format!("subscribed to {name}"), replay: missed })
}

fn unsubscribe(world: &mut World, number: u64, params: &[Value]) -> Result<Done, String> {
    let id = params.first().and_then(Value::as_str).ok_or("invalid params: expected a subscription id")?;
    let connection = world.relay.connections.get_mut(&number).ok_or("connection closed")?;
    let known = connection.subscriptions.remove(id);
    known.map(|_| done(json!("OK"), "unsubscribed")).ok_or_else(|| "subscription not found".to_owned())
}

fn acknowledge(world: &mut World, number: u64, params: &[Value]) -> Result<Done, String> {
    let id = params.first().and_then(Value::as_str).ok_or("invalid params: expected a subscription id")?;
    let seq = params.get(1).and_then(Value::as_u64).ok_or("invalid params: expected a sequence number")?;
    let connection = world.relay.connections.get(&number).ok_or("connection closed")?;
    let subscription = connection.subscriptions.get(id).ok_or("subscription not found")?;
    let instance = connection.instance.as_ref().filter(|_| subscription.guaranteed);
    let instance = instance.ok_or("subscription has no guaranteed delivery")?;
    if let Some(queue) = world.relay.queues.get_mut(instance) {
        queue.events.retain(|(waiting, _)| *waiting > seq);
    }
    Ok(done(json!("OK"), "acknowledged"))
}
