//! A lean client of the REST door, and what loads it: a door is measured beside its client on the same processors, so
//! the client does as little as it can.

use crate::figures::Micros;
use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Connections that ask at the same time.
const CONNECTIONS: u32 = 32;

/// Where the door is, and the key that opens it.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub address: SocketAddr,
    pub key: Arc<str>,
}

/// One connection.
pub(crate) struct Line {
    sender: SendRequest<Empty<Bytes>>,
    door: Door,
}

impl Door {
    /// Connects; the connection lives until its [`Line`] is dropped.
    pub(crate) async fn line(&self) -> anyhow::Result<Line> {
        let stream = TcpStream::connect(self.address).await.context("the door does not open")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // Its end shows in the requests.
        tokio::spawn(async move { connection.await.ok() });
        Ok(Line { sender, door: self.clone() })
    }
}

impl Line {
    /// Asks and reads the whole answer, which must be 200.
    pub(crate) async fn get(&mut self, path: &str, headers: &[(&str, String)]) -> anyhow::Result<Bytes> {
        let mut request = Request::get(path)
            .header("host", self.door.address.to_string())
            .header("authorization", format!("Bearer {}", self.door.key));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        self.sender.ready().await?;
        let answer = self.sender.send_request(request.body(Empty::new())?).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        anyhow::ensure!(status == StatusCode::OK, "GET {path}: {status}: {}", String::from_utf8_lossy(&body));
        Ok(body)
    }
}

/// What came of many reads.
#[derive(Debug)]
pub(crate) struct Reads {
    pub count: usize,
    pub span: Duration,
    pub latency: Micros,
}

/// Asks for `paths` in turn on many connections for so long: at the pace given, or as fast as the door answers. At a
/// pace, a wait counts from the moment at which the request was due, so that a slow answer does not hide those that
/// could not be asked meanwhile.
pub(crate) async fn reads(
    door: &Door,
    paths: &Arc<[String]>,
    per_second: Option<u32>,
    span: Duration,
) -> anyhow::Result<Reads> {
    let began = Instant::now();
    let mut lines = JoinSet::new();
    for nth in 0..CONNECTIONS {
        let (mut line, paths) = (door.line().await?, Arc::clone(paths));
        lines.spawn(async move {
            let mut measured = Vec::new();
            for turn in 0.. {
                let place = u64::from(nth) + u64::from(CONNECTIONS) * turn;
                let due =
                    per_second.map(|pace| began + Duration::from_micros(place * 1_000_000 / u64::from(pace)));
                if let Some(due) = due {
                    sleep_until(due).await;
                }
                let asked = due.unwrap_or_else(Instant::now);
                if began.elapsed() >= span {
                    break;
                }
                let path = &paths[usize::try_from(place)? % paths.len()];
                line.get(path, &[]).await?;
                measured.push(i64::try_from(asked.elapsed().as_micros())?);
            }
            anyhow::Ok(measured)
        });
    }
    let mut all = Vec::new();
    while let Some(measured) = lines.join_next().await {
        all.extend(measured??);
    }
    Ok(Reads { count: all.len(), span: began.elapsed(), latency: all.into_iter().collect() })
}
