//! HTTP/1.1 over a Unix socket, TCP or TLS: one connection per call.

use super::ClientError;
use super::connect::{self, Connection};
use super::endpoint::{Endpoint, Way};
use super::key::AccessKey;
use super::setup::SetupError;
use crate::asked::BODY_TIMEOUT;
use crate::dto::Problem;
use crate::guard::REQUEST_TIMEOUT;
use axum::http::{HeaderMap, Method, Request, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// Longest time for an answer: the desk itself gives up first, after a body's and a request's longest time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(35);
const _: () = assert!(ANSWER_TIMEOUT.as_secs() > BODY_TIMEOUT.as_secs() + REQUEST_TIMEOUT.as_secs());
/// Most bytes of an answer that is not a stream: 64 MiB.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The way to one desk.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    way: Way,
    key: Option<AccessKey>,
    /// The desk, for people.
    desk: Arc<str>,
    /// The `host` header.
    host: Arc<str>,
}

/// One request.
#[derive(Debug)]
pub(super) struct Call {
    method: Method,
    target: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

/// One answer, whole.
#[derive(Debug)]
pub(super) struct Answer {
    desk: Arc<str>,
    headers: HeaderMap,
    body: Bytes,
}

/// An answer that goes on.
#[derive(Debug)]
pub(super) struct Streaming {
    pub(super) desk: Arc<str>,
    pub(super) body: Incoming,
}

impl Call {
    pub(super) fn new(method: Method, path: &str, params: &[(&str, String)]) -> Self {
        let mut target = path.to_owned();
        for (i, (name, value)) in params.iter().enumerate() {
            target.push(if i == 0 { '?' } else { '&' });
            target.push_str(&encoded(name));
            target.push('=');
            target.push_str(&encoded(value));
        }
        Self { method, target, headers: vec![], body: Bytes::new() }
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(super) fn json<T: Serialize>(mut self, body: &T) -> Self {
        // Requests are strings, numbers and maps with text for keys: they always have a JSON form.
        self.body = Bytes::from(serde_json::to_vec(body).unwrap_or_default());
        self.header("content-type", "application/json")
    }
}

/// Text as a part of a path or a query (RFC 3986, everything but the unreserved characters escaped).
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

impl Transport {
    pub(super) fn to(endpoint: &Endpoint) -> Result<Self, SetupError> {
        Ok(Self::over(endpoint.way()?, endpoint.key.clone(), &endpoint.server.to_string()))
    }

    pub(super) fn over(way: Way, key: Option<AccessKey>, desk: &str) -> Self {
        let host = match &way {
            // The socket says whom it is for.
            Way::Unix(_) => "desk".to_owned(),
            Way::Tcp { to, .. } => to.authority(),
        };
        Self { way, key, desk: Arc::from(desk), host: Arc::from(host) }
    }

    /// Asks and reads the whole answer; a no is an error.
    pub(super) async fn ask(&self, call: Call) -> Result<Answer, ClientError> {
        self.answer(call, false).await
    }

    /// Asks and reads the whole answer, whatever its status.
    pub(super) async fn ask_any(&self, call: Call) -> Result<Answer, ClientError> {
        self.answer(call, true).await
    }

    async fn answer(&self, call: Call, any: bool) -> Result<Answer, ClientError> {
        let whole = async {
            let (parts, body) = self.send(call).await?.into_parts();
            let body = self.collected(body).await?;
            let json = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
            if parts.status.is_success() || (any && json) {
                Ok(Answer { desk: Arc::clone(&self.desk), headers: parts.headers, body })
            } else {
                Err(self.no(parts.status.as_u16(), &body))
            }
        };
        let late = || self.lost(format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()));
        tokio::time::timeout(ANSWER_TIMEOUT, whole).await.map_err(|_| late())?
    }

    /// Asks for something that goes on.
    pub(super) async fn stream(&self, call: Call) -> Result<Streaming, ClientError> {
        let begun = tokio::time::timeout(ANSWER_TIMEOUT, self.send(call)).await;
        let (parts, body) = begun.map_err(|_| self.lost("no answer in time".to_owned()))??.into_parts();
        if parts.status.is_success() {
            return Ok(Streaming { desk: Arc::clone(&self.desk), body });
        }
        let body = self.collected(body).await?;
        Err(self.no(parts.status.as_u16(), &body))
    }

    async fn send(&self, call: Call) -> Result<axum::http::Response<Incoming>, ClientError> {
        let mut request = Request::builder()
            .method(call.method)
            .uri(call.target)
            .header(header::HOST, &*self.host)
            .header(header::USER_AGENT, concat!("stele/", env!("CARGO_PKG_VERSION")));
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, key.header());
        }
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(call.body));
        let request = request.map_err(|error| self.misunderstood(format!("the request is none: {error}")))?;
        match connect::connect(&self.way, &self.desk).await? {
            Connection::Unix(stream) => self.spoken(stream, request).await,
            Connection::Tcp(stream) => self.spoken(stream, request).await,
            Connection::Tls(stream) => self.spoken(*stream, request).await,
        }
    }

    async fn spoken<S>(
        &self,
        stream: S,
        request: Request<Full<Bytes>>,
    ) -> Result<axum::http::Response<Incoming>, ClientError>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let failed = |error: hyper::Error| match connect::untrusted(&error) {
            Some(what) => ClientError::Untrusted { desk: self.desk.to_string(), what },
            None => self.lost(error.to_string()),
        };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        // Ends with the answer, or when nobody wants it any more.
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(failed)
    }

    async fn collected(&self, body: Incoming) -> Result<Bytes, ClientError> {
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        body.map(http_body_util::Collected::to_bytes).map_err(|error| self.lost(error.to_string()))
    }

    fn no(&self, status: u16, body: &Bytes) -> ClientError {
        match serde_json::from_slice::<Problem>(body) {
            Ok(problem) => ClientError::Problem(Box::new(problem)),
            Err(_) => self.misunderstood(format!("status {status} without a problem document")),
        }
    }

    fn lost(&self, what: String) -> ClientError {
        ClientError::Lost { desk: self.desk.to_string(), what }
    }

    fn misunderstood(&self, what: String) -> ClientError {
        ClientError::Protocol { desk: self.desk.to_string(), what }
    }
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| ClientError::Protocol { desk: self.desk.to_string(), what: error.to_string() })
    }

    pub(super) fn text(&self) -> Result<String, ClientError> {
        String::from_utf8(self.body.to_vec())
            .map_err(|error| ClientError::Protocol { desk: self.desk.to_string(), what: error.to_string() })
    }
}
