//! Many readers of the live decisions, each with a stream of its own.

use crate::door::Door;
use crate::doors::authorised;
use anyhow::Context;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use stele_proto::api::v1 as pb;
use stele_proto::api::v1::trading_service_client::TradingServiceClient;
use tokio::task::JoinSet;
use tonic::transport::Endpoint;

/// Streams of one connection.
const STREAMS_PER_CONNECTION: usize = 50;
/// How long a stream may take until it has caught up.
const CATCH_UP_MAX: Duration = Duration::from_secs(10);

/// Open streams.
pub(crate) struct Watchers {
    tasks: JoinSet<anyhow::Result<()>>,
    told: Arc<AtomicU64>,
}

impl Watchers {
    /// Opens so many streams, and waits until all are live.
    pub(crate) async fn open(door: &Door, number: usize) -> anyhow::Result<Self> {
        let (mut tasks, told) = (JoinSet::new(), Arc::new(AtomicU64::new(0)));
        let mut client = None;
        for nth in 0..number {
            if nth % STREAMS_PER_CONNECTION == 0 {
                let endpoint = Endpoint::from_shared(format!("http://{}", door.address))?;
                client = Some(TradingServiceClient::new(endpoint.connect().await?));
            }
            let client = client.as_mut().context("no connection")?;
            let asked = authorised(door, pb::WatchDecisionsRequest { from_position: None })?;
            let mut stream = client.watch_decisions(asked).await?.into_inner();
            tokio::time::timeout(CATCH_UP_MAX, stream.message()).await.context("a watcher is not live")??;
            let told = Arc::clone(&told);
            tasks.spawn(async move {
                while let Some(message) = stream.message().await? {
                    if matches!(message.event, Some(pb::watch_decisions_response::Event::Decision(_))) {
                        told.fetch_add(1, Ordering::Relaxed);
                    }
                }
                anyhow::bail!("the desk ended a watcher's stream")
            });
        }
        Ok(Self { tasks, told })
    }

    /// Ends them, and says how many decisions all of them were told together.
    pub(crate) async fn close(mut self) -> anyhow::Result<u64> {
        if let Some(ended) = self.tasks.try_join_next() {
            ended??;
        }
        self.tasks.shutdown().await;
        Ok(self.told.load(Ordering::Relaxed))
    }
}
