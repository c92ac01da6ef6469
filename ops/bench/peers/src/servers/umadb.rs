//! UmaDB over gRPC: its own server with its defaults, as another process, asked by its own client over one connection.

use super::child::{Serving, free};
use crate::stores::umadb::Writer;
use futures_util::StreamExt as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use stele_bench_drive::load::Subject;
use tokio::sync::oneshot;
use umadb_client::{AsyncUmaDbClient, UmaDbClient};
use umadb_core::mvcc::StorageOptions;
use umadb_dcb::DcbEventStoreAsync;
use umadb_server::{ServerOptions, start_server_with_options};

/// Events of one message of a reading: the server's default of 100 is slower, its limit is 5,000.
const PAGE: u32 = 1_000;

/// A client, and the server behind it.
pub struct UmaServer {
    client: AsyncUmaDbClient,
    _serving: Serving,
}

impl UmaServer {
    /// Starts a server over a directory that exists.
    pub async fn start(directory: &Path) -> anyhow::Result<Self> {
        let address = free().await?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve-umadb").arg(directory).arg(address.to_string());
        let serving = Serving::start(command, &[address]).await?;
        let client = UmaDbClient::new(format!("http://{address}")).batch_size(PAGE);
        let client = client.connect_async().await?;
        Ok(Self { client, _serving: serving })
    }

    /// Reads everything. How many events there are.
    pub async fn scan(&self) -> anyhow::Result<u64> {
        let mut read = self.client.read(None, None, false, None).await?;
        let mut events = 0;
        while let Some(event) = read.next().await {
            std::hint::black_box(event?.event.data.len());
            events += 1;
        }
        Ok(events)
    }
}

impl Subject for UmaServer {
    type Writer = Writer;

    fn writer(&self, number: u64) -> anyhow::Result<Writer> {
        Ok(Writer::new(number))
    }

    async fn keep(&self, writer: &mut Writer, batch: usize) -> anyhow::Result<()> {
        let (events, condition) = writer.offer(batch);
        writer.kept(self.client.append(events, Some(condition), None).await?);
        Ok(())
    }
}

/// The server itself: what the other process does, until it is killed.
pub async fn serve(directory: &Path, address: SocketAddr) -> anyhow::Result<()> {
    let options = ServerOptions {
        listen_addr: address.to_string(),
        tls: None,
        api_key: None,
        storage: StorageOptions::default().db_path(directory),
    };
    let (_never, stop) = oneshot::channel();
    let served = start_server_with_options(options, stop).await;
    served.map_err(|error| anyhow::anyhow!("UmaDB: {error}"))
}
