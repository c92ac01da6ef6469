//! What no well-behaved client sends: requests byte by byte.

use crate::desk::PATIENCE;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// An answer, taken apart.
pub struct Raw {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Raw {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The body as a problem with this status and code.
    pub fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.json();
        assert_eq!((self.status, problem["code"].as_str()), (status, Some(code)), "{}", self.body);
        assert!(self.head.contains("content-type: application/problem+json"), "{}", self.head);
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], format!("urn:stele:problem:{code}"));
        problem
    }

    /// The body as a problem with one named field.
    pub fn names(&self, status: u16, field: &str) {
        let code = if status == 400 { "bad-request" } else { "unknown" };
        assert_eq!(self.problem(status, code)["errors"][0]["field"], field, "{}", self.body);
    }
}

/// Sends a request and reads the answer to its end.
pub async fn send(path: &Path, method: &str, target: &str, headers: &[&str], body: &[u8]) -> Raw {
    exchange(UnixStream::connect(path).await.unwrap(), method, target, headers, body).await
}

/// The same over the network.
pub async fn send_to(at: SocketAddr, method: &str, target: &str, headers: &[&str], body: &[u8]) -> Raw {
    exchange(TcpStream::connect(at).await.unwrap(), method, target, headers, body).await
}

/// The same over any stream.
pub async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    method: &str,
    target: &str,
    headers: &[&str],
    body: &[u8],
) -> Raw {
    let mut head = format!("{method} {target} HTTP/1.1\r\nhost: desk\r\nconnection: close\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    head.push_str("content-length: ");
    head.push_str(&body.len().to_string());
    head.push_str("\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // Who refuses a body need not read all of it.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let read =
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an answer in time");
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) =
        answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?} {read:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    // Bodies of a known length only: nothing here asks for a stream.
    Raw { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

/// A JSON request.
pub async fn json(path: &Path, method: &str, target: &str, body: &str) -> Raw {
    send(path, method, target, &["content-type: application/json"], body.as_bytes()).await
}

/// A request without a body.
pub async fn get(path: &Path, target: &str) -> Raw {
    send(path, "GET", target, &[], b"").await
}
