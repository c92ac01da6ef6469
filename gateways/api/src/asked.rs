//! A request to change something, as REST sends it: its body, its key and who asks.

mod unique;

use crate::api::Visitor;
use crate::desk::asking::Asking;
use crate::problem::Problem;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;
use unique::Unreadable;
use uuid::Uuid;

/// Most bytes of a request body: 256 KiB.
pub(crate) const BODY_BYTES_MAX: usize = 256 * 1024;
/// Longest time for a body to come.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest whole number that is taken when it is written with a point: 2^52 - 1. Up to it, a reader that is off by the
/// smallest step of a float comes to no other whole number.
const EXACT_MAX: u64 = (1 << 52) - 1;
/// The header that names a wish.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A request to change something.
#[derive(Debug)]
pub(crate) struct Asked<T> {
    /// What for.
    pub(crate) body: T,
    /// Who asks, and under which id.
    pub(crate) asking: Asking,
}

/// A body that says nothing: none at all, or `{}`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Empty {}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        unasked(&parts)?;
        let asking = Asking::new(visitor(&parts)?, key(&parts.headers)?);
        // Whole already: it was received before a seat was taken.
        let bytes = read(&parts.headers, body).await?;
        Ok(Self { body: parse(&parts.headers, &bytes)?, asking })
    }
}

/// The request with its body, whole.
pub(crate) async fn received(request: Request) -> Result<Request, Problem> {
    let (parts, body) = request.into_parts();
    let bytes = read(&parts.headers, body).await?;
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

fn visitor(parts: &Parts) -> Result<&Visitor, Problem> {
    // Every route of a wish stands behind the admission that puts the visitor here.
    parts.extensions.get::<Visitor>().ok_or_else(|| Problem::internal("a wish came in unadmitted"))
}

/// A wish has no parameters.
fn unasked(parts: &Parts) -> Result<(), Problem> {
    match parts.uri.query().filter(|query| !query.is_empty()) {
        None => Ok(()),
        Some(query) => {
            let name: String = query.split(['=', '&']).next().unwrap_or_default().chars().take(80).collect();
            Err(Problem::field(&name, "unknown parameter: what is wanted stands in the body"))
        }
    }
}

fn key(headers: &HeaderMap) -> Result<Option<Uuid>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let parsed = value.to_str().ok().and_then(|text| Uuid::parse_str(text.trim()).ok());
    parsed.map(Some).ok_or_else(|| Problem::field("Idempotency-Key", "must be a UUID"))
}

async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|bytes: u64| bytes > u64::try_from(BODY_BYTES_MAX).unwrap_or(u64::MAX)) {
        return Err(too_large());
    }
    let collected = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_BYTES_MAX).collect());
    match collected.await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(Problem::bad_request(format!("the body can't be read: {error}"))),
        Err(_) => {
            let detail = format!("the body did not come within {} s", BODY_TIMEOUT.as_secs());
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body-too-slow", detail))
        }
    }
}

fn too_large() -> Problem {
    let detail = format!("the body has more than {BODY_BYTES_MAX} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail)
}

/// The body as asked for. No body at all stands for `{}`.
fn parse<T: DeserializeOwned>(headers: &HeaderMap, bytes: &Bytes) -> Result<T, Problem> {
    let bytes: &[u8] = if bytes.is_empty() {
        b"{}"
    } else if is_json(headers) {
        bytes
    } else {
        let detail = "the body must be application/json, and its Content-Type must say so";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail));
    };
    // As JSON first: what is no JSON at all has no field to name.
    let value = unique::value(bytes).map_err(|no| match no {
        Unreadable::Twice(name) => {
            let short: String = name.chars().take(80).collect();
            Problem::field(&short, format!("duplicate field `{short}`"))
        }
        Unreadable::NoJson(error) => Problem::bad_request(format!("no JSON: {error}")),
    })?;
    if !value.is_object() {
        // Serde would take an array for an object whose names were left out.
        return Err(Problem::field("body", "must be a JSON object"));
    }
    serde_path_to_error::deserialize(whole(value)).map_err(|error| unread(&error))
}

fn unread(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let path = error.path().to_string();
    let field = if path == "." { "body".to_owned() } else { path };
    Problem::field(&field, error.inner().to_string())
}

/// The same with whole numbers written without a point: to JSON, 60.0 is one. Only where nothing can have been lost: what
/// is larger may have been another number before it was read.
fn whole(value: Value) -> Value {
    match value {
        Value::Number(number) => {
            let text = if number.is_f64() { number.to_string() } else { String::new() };
            let integer = text.strip_suffix(".0").and_then(|digits| digits.parse::<i64>().ok());
            let exact = integer.filter(|integer| integer.unsigned_abs() <= EXACT_MAX);
            Value::Number(exact.map_or(number, Into::into))
        }
        Value::Array(items) => Value::Array(items.into_iter().map(whole).collect()),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (name, whole(value))).collect())
        }
        Value::Null | Value::Bool(_) | Value::String(_) => value,
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use super::{parse, read};
    use crate::dto;
    use axum::body::Body;
    use axum::http::{HeaderMap, HeaderValue, header};
    use bytes::Bytes;
    use futures_util::stream;
    use std::convert::Infallible;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_given_up() {
        let endless = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        let problem = read(&HeaderMap::new(), endless).await.unwrap_err();
        assert_eq!((problem.said().status, problem.said().code.as_str()), (408, "body-too-slow"));
    }

    #[tokio::test]
    async fn a_body_that_is_announced_too_large_is_not_even_begun() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("262145"));
        let never =
            Body::from_stream(stream::poll_fn(|_| -> std::task::Poll<Option<Result<Bytes, Infallible>>> {
                panic!("the body was read");
            }));
        assert_eq!(read(&headers, never).await.unwrap_err().said().status, 413);
    }

    fn arm(text: &'static str) -> Result<dto::Arm, u16> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("Application/JSON; charset=utf-8"));
        parse(&headers, &Bytes::from_static(text.as_bytes())).map_err(|problem| problem.said().status)
    }

    #[test]
    fn a_whole_number_may_have_a_point_and_a_broken_one_may_not() {
        assert_eq!(
            arm(r#"{"reason":"opening","mode":"full","for_ms":60000.0}"#).unwrap().for_ms,
            Some(60_000)
        );
        assert_eq!(arm(r#"{"reason":"opening","mode":"full","for_ms":60000.5}"#).unwrap_err(), 400);
        assert_eq!(arm(r#"{"reason":"opening","mode":"full","for_ms":-60000.0}"#).unwrap_err(), 400);
        let exactly = arm(r#"{"reason":"opening","mode":"full","for_ms":900719925474099.0}"#);
        assert_eq!(exactly.unwrap().for_ms, Some(900_719_925_474_099));
        // Floats of this size are read as their neighbours: 9007199254740991.0 as …990, 9007199254740993.0 as …992.
        for text in [
            r#"{"reason":"opening","mode":"full","for_ms":4503599627370496.0}"#,
            r#"{"reason":"opening","mode":"full","for_ms":9007199254740991.0}"#,
            r#"{"reason":"opening","mode":"full","for_ms":9007199254740993.0}"#,
        ] {
            assert_eq!(arm(text).unwrap_err(), 400, "{text}");
        }
        let plain = arm(r#"{"reason":"opening","mode":"full","for_ms":9007199254740993}"#);
        assert_eq!(plain.unwrap().for_ms, Some(9_007_199_254_740_993));
    }

    #[test]
    fn a_field_that_comes_twice_is_refused_whatever_else_there_is() {
        assert_eq!(arm(r#"{"reason":"a","reason":"b","mode":"full","for_ms":1}"#).unwrap_err(), 400);
        assert_eq!(arm(r#"{"reason":"a","reason":"b","mode":"full","for_ms":1.0}"#).unwrap_err(), 400);
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let deep = br#"{"limits":{"floor":{"a":"1","a":"2"}},"reason":"x"}"#;
        let no = parse::<dto::SetLimits>(&headers, &Bytes::from_static(deep)).unwrap_err();
        assert_eq!((no.said().errors[0].field.as_str(), no.said().status), ("a", 400));
    }
}
