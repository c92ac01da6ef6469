//! A server that speaks S3, started for a test on a free port and ended with it: moto, which `ops/install/s3-server`
//! installs, one request at a time. It believes any key.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// What the server is.
const PROGRAM: &str = include_str!("s3_server.py");

/// How long the server may take to answer.
const START_MAX: Duration = Duration::from_mins(1);

/// A server that runs as long as the value lives.
pub struct S3Server {
    address: String,
    _process: Child,
}

impl S3Server {
    /// Starts one, and waits until it answers.
    pub async fn start() -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .map(|folder| folder.join("target/tools/s3-server/bin/python"))
            .find(|program| program.exists())
            .unwrap_or_else(|| {
                panic!("a server that speaks S3 is not installed here: run ops/install/s3-server")
            });
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a free port").port();
        let process = Command::new(program)
            .args(["-c", PROGRAM, &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the server starts");
        let server = Self { address: format!("127.0.0.1:{port}"), _process: process };
        let begun = Instant::now();
        while !server.answers().await {
            assert!(begun.elapsed() < START_MAX, "the server does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        server
    }

    /// Where it is.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes a bucket.
    pub async fn make_bucket(&self, bucket: &str) {
        let answer = self.ask("PUT", &format!("/{bucket}")).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    async fn answers(&self) -> bool {
        self.ask("GET", "/").await.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    async fn ask(&self, method: &str, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(&self.address).await?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            self.address
        );
        stream.write_all(head.as_bytes()).await?;
        let mut answer = vec![];
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}
