//! Stands between the lake and a server, and spoils some of what passes: no answer, an error in its place, or late.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What happens to every nth change that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoil {
    /// It is done, and the connection ends before the answer: the client sends it twice.
    AnswerLost,
    /// It is not done, and answered with 500.
    ServerError,
    /// It is done and answered late.
    Late(Duration),
}

/// A proxy for HTTP, one request a connection.
pub struct Proxy {
    pub address: String,
    pub spoiled: Arc<AtomicU64>,
}

impl Proxy {
    pub async fn start(server: String, every: u64, spoil: Spoil) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (changes, spoiled) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let told = Arc::clone(&spoiled);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, changes, spoiled) = (server.clone(), Arc::clone(&changes), Arc::clone(&spoiled));
                tokio::spawn(async move {
                    // Whoever hangs up ends this.
                    let _ = pass(client, &server, every, spoil, &changes, &spoiled).await;
                });
            }
        });
        Self { address, spoiled: told }
    }
}

async fn pass(
    mut client: TcpStream,
    server: &str,
    every: u64,
    spoil: Spoil,
    changes: &AtomicU64,
    spoiled: &AtomicU64,
) -> std::io::Result<()> {
    let request = one_request(&mut client).await?;
    let counts =
        request.starts_with(b"PUT ") && (changes.fetch_add(1, Ordering::SeqCst) + 1).is_multiple_of(every);
    if counts {
        spoiled.fetch_add(1, Ordering::SeqCst);
    }
    if counts && spoil == Spoil::ServerError {
        return client
            .write_all(
                b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            )
            .await;
    }
    let mut upstream = TcpStream::connect(server.trim_start_matches("http://")).await?;
    upstream.write_all(&request).await?;
    let mut answer = vec![];
    upstream.read_to_end(&mut answer).await?;
    match (counts, spoil) {
        (true, Spoil::AnswerLost) => return Ok(()),
        (true, Spoil::Late(by)) => tokio::time::sleep(by).await,
        (true, Spoil::ServerError) | (false, _) => {}
    }
    client.write_all(&answer).await
}

/// All bytes of a request, which says that the connection ends with it.
async fn one_request(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![];
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = client.read(&mut buffer).await?;
        bytes.extend_from_slice(&buffer[..read]);
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(head) = head {
            let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
            let length = text.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            if bytes.len() >= head + 4 + length.unwrap_or(0) {
                // The server is to end the connection, so that the answer's end is seen.
                let rest = bytes.split_off(head + 4);
                let lines = text.lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
                let lines: Vec<&str> = lines.chain(["Connection: close", "", ""]).collect();
                let whole = lines.join("\r\n");
                return Ok([whole.into_bytes(), rest].concat());
            }
        }
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}
