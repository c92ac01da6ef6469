//! The desk's own `LogService`, asked by the adapter that a process without a log works on.

use std::net::SocketAddr;
use stele_bench_drive::load::{Subject, Writer};
use stele_domain::port::event_log::{EventLog, Filter, Position};
use stele_remote_log::{Options, RemoteLog, Trust};

/// Records of one page: as many as the runner of the tables asks for.
const PAGE: usize = 4_096;

/// The adapter, and the number of the first stream that it writes to.
pub struct Remote {
    log: RemoteLog,
    first: u64,
}

impl Remote {
    /// The adapter for an address.
    pub fn to(address: SocketAddr, first: u64) -> anyhow::Result<Self> {
        let url = format!("http://{address}");
        let options = Options { url, key: None, plain_key: false, trust: Trust::default() };
        Ok(Self { log: RemoteLog::new(&options)?, first })
    }

    /// The same connection for other streams.
    #[must_use]
    pub fn from(&self, first: u64) -> Self {
        Self { log: self.log.clone(), first }
    }

    /// Follows the log from its beginning to its present end. How many events there are.
    pub async fn scan(&self) -> anyhow::Result<u64> {
        let mut follow = self.log.follow(Position(1), Filter::all());
        let mut events = 0;
        loop {
            let page = follow.next(PAGE).await?;
            events += u64::try_from(page.records.len())?;
            if page.caught_up() {
                return Ok(events);
            }
        }
    }
}

impl Subject for Remote {
    type Writer = Writer;

    fn writer(&self, number: u64) -> anyhow::Result<Writer> {
        Writer::new(self.first + number)
    }

    async fn keep(&self, writer: &mut Writer, batch: usize) -> anyhow::Result<()> {
        let (expected, records) = writer.offer(batch);
        self.log.append(writer.stream(), expected, records).await?;
        Ok(())
    }
}
