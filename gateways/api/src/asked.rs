//! A person's request to change something: its body, its key and who asks.

use crate::api::Visitor;
use crate::problem::Problem;
use axum::extract::{FromRequest, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use stele_commands::control::Wish;
use stele_domain::ids::{Actor, CommandId};
use uuid::Uuid;

/// Most bytes of a request body: 256 KiB.
pub(crate) const BODY_BYTES_MAX: usize = 256 * 1024;

/// The header that names a wish.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A request to change something.
#[derive(Debug)]
pub(crate) struct Asked<T> {
    /// What for.
    pub(crate) body: T,
    /// Names the wish.
    pub(crate) command_id: Uuid,
    digest: String,
    actor: Actor,
}

impl<T> Asked<T> {
    /// The wish behind it.
    pub(crate) fn wish(&self, reason: &str) -> Wish {
        Wish {
            command_id: CommandId(self.command_id),
            digest: self.digest.clone(),
            actor: self.actor.clone(),
            reason: reason.to_owned(),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let visitor = visitor(&parts)?;
        let command_id = key(&parts.headers)?;
        let bytes = read(body).await?;
        let (body, value) = parse::<T>(&parts.headers, &bytes)?;
        let digest = digest(&parts, &value);
        Ok(Self { body, command_id, digest, actor: visitor.actor })
    }
}

fn visitor(parts: &Parts) -> Result<Visitor, Problem> {
    let found = parts.extensions.get::<Visitor>().cloned();
    found.ok_or_else(|| {
        Problem::new(StatusCode::UNAUTHORIZED, "no-credential", "nobody vouches for this request")
    })
}

fn key(headers: &HeaderMap) -> Result<Uuid, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(Uuid::now_v7()) };
    let parsed = value.to_str().ok().and_then(|text| Uuid::parse_str(text.trim()).ok());
    parsed.ok_or_else(|| Problem::field("Idempotency-Key", "must be a UUID"))
}

async fn read(body: axum::body::Body) -> Result<Bytes, Problem> {
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body-too-large",
            format!("the body has more than {BODY_BYTES_MAX} bytes"),
        )),
        Err(error) => Err(Problem::bad_request(format!("the body can't be read: {error}"))),
    }
}

/// The body as asked for, and as JSON. No body at all stands for `{}`.
fn parse<T: DeserializeOwned>(headers: &HeaderMap, bytes: &Bytes) -> Result<(T, Value), Problem> {
    let bytes: &[u8] = if bytes.is_empty() {
        b"{}"
    } else if is_json(headers) {
        bytes
    } else {
        let detail = "the body must be application/json, and its Content-Type must say so";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail));
    };
    // As JSON first: what is no JSON at all has no field to name.
    let value: Value =
        serde_json::from_slice(bytes).map_err(|e| Problem::bad_request(format!("no JSON: {e}")))?;
    if !value.is_object() {
        // Serde would take an array for an object whose names were left out.
        return Err(Problem::field("body", "must be a JSON object"));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let body = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { "body".to_owned() } else { path };
        Problem::field(&field, error.into_inner().to_string())
    })?;
    Ok((body, value))
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// SHA-256 over method, path and canonical body: what a repetition must agree with.
fn digest(parts: &Parts, body: &Value) -> String {
    let mut text = format!("{}\n{}\n", parts.method, parts.uri.path());
    canonical(body, &mut text);
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a string can't fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// JSON without spaces and with sorted names, whatever order the map at hand keeps.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push_str(&value.to_string());
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                canonical(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            out.push('{');
            for (i, name) in names.into_iter().enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                out.push_str(&Value::String(name.clone()).to_string());
                out.push(':');
                canonical(fields.get(name).unwrap_or(&Value::Null), out);
            }
            out.push('}');
        }
    }
}
