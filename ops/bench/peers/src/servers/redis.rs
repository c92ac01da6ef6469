//! Redis, its own server as another process, over a Unix socket: append-only file with `appendfsync always`, no snapshots.
//! A stream is a Redis stream whose entries have the revision as their number; `XADD` refuses a number that is not above
//! the last one, so a writer that was too late is refused and a gap is not seen. All writers share one connection, whose
//! client puts what is waiting into one write; several records of an append are one transaction.

use redis::aio::MultiplexedConnection;
use redis::pipe;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use stele_bench_drive::load::{Subject, Writer};
use tokio::time::{Instant, sleep};

/// How long it may take until it answers.
const START_MAX: Duration = Duration::from_secs(10);
const ASK_EVERY: Duration = Duration::from_millis(20);

/// A connection, and the server behind it.
pub struct Redis {
    connection: MultiplexedConnection,
    server: Child,
}

impl Redis {
    /// Starts a server over a directory that exists.
    pub async fn start(directory: &Path) -> anyhow::Result<Self> {
        let directory = directory.canonicalize()?;
        // A socket's path must be short.
        let socket = std::env::temp_dir().join(format!("stele-peers-{}.sock", std::process::id()));
        let mut command = Command::new("redis-server");
        command.arg("--port").arg("0").arg("--unixsocket").arg(&socket).arg("--dir").arg(&directory);
        command.args(["--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
        command.args(["--no-appendfsync-on-rewrite", "no", "--auto-aof-rewrite-percentage", "0"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut server = command.spawn().map_err(|error| anyhow::anyhow!("redis-server: {error}"))?;
        let client = redis::Client::open(format!("unix://{}", socket.display()))?;
        let until = Instant::now() + START_MAX;
        loop {
            match client.get_multiplexed_async_connection().await {
                Ok(connection) => return Ok(Self { connection, server }),
                Err(error) if Instant::now() > until => {
                    // It is of no use any more, whether it ends by itself or not.
                    let _ = server.kill();
                    let _ = server.wait();
                    anyhow::bail!("redis-server does not answer: {error}");
                }
                Err(_) => sleep(ASK_EVERY).await,
            }
        }
    }
}

impl Subject for Redis {
    type Writer = Writer;

    fn writer(&self, number: u64) -> anyhow::Result<Writer> {
        Writer::new(number)
    }

    async fn keep(&self, writer: &mut Writer, batch: usize) -> anyhow::Result<()> {
        let first = writer.next();
        let (_, records) = writer.offer(batch);
        let mut pipe = pipe();
        if batch > 1 {
            pipe.atomic();
        }
        for (revision, record) in (first..).zip(&records) {
            let command = pipe.cmd("XADD").arg(writer.stream().as_str()).arg(format!("{}-0", revision + 1));
            command.arg("id").arg(record.event_id.0.as_bytes()).arg("type").arg(&*record.event_type);
            command.arg("data").arg(&record.data[..]).ignore();
        }
        let mut connection = self.connection.clone();
        let () = pipe.query_async(&mut connection).await?;
        Ok(())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // What has ended by itself can't be killed.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
