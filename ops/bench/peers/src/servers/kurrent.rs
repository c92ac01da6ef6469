//! The KurrentDB protocol of Stele's door, asked by the official Rust client over one connection.

use bytes::Bytes;
use kurrentdb::{
    AppendToStreamOptions, BatchAppendClient, BatchAppendOptions, Client, ClientSettings, EventData,
    ReadAllOptions, StreamPosition, StreamState,
};
use std::net::SocketAddr;
use stele_bench_drive::load::{Subject, Writer};

/// What one append asks for.
fn offer(writer: &mut Writer, batch: usize) -> (StreamState, Vec<EventData>) {
    let state = writer.next().checked_sub(1).map_or(StreamState::NoStream, StreamState::StreamRevision);
    let (_, records) = writer.offer(batch);
    let events = records
        .iter()
        .map(|record| {
            let data = Bytes::copy_from_slice(&record.data);
            EventData::binary(&*record.event_type, data).id(record.event_id.0)
        })
        .collect();
    (state, events)
}

/// The client at an address. Its user has to be the name of whoever the key is of: see `door.rs`.
pub fn client(address: SocketAddr) -> anyhow::Result<Client> {
    let settings: ClientSettings = format!("kurrentdb://outside:outside@{address}?tls=false").parse()?;
    Client::new(settings).map_err(|error| anyhow::anyhow!("the client: {error}"))
}

/// Batches: all writers share one stream of requests.
pub struct Batches(BatchAppendClient);

impl Batches {
    /// Opens the stream of requests.
    pub async fn open(client: &Client) -> anyhow::Result<Self> {
        Ok(Self(client.batch_append(&BatchAppendOptions::default()).await?))
    }
}

impl Subject for Batches {
    type Writer = Writer;

    fn writer(&self, number: u64) -> anyhow::Result<Writer> {
        Writer::new(number)
    }

    async fn keep(&self, writer: &mut Writer, batch: usize) -> anyhow::Result<()> {
        let (state, events) = offer(writer, batch);
        self.0.append_to_stream(writer.stream().as_str(), state, events).await?;
        Ok(())
    }
}

/// One call for each append.
pub struct Calls(pub Client);

impl Subject for Calls {
    type Writer = Writer;

    fn writer(&self, number: u64) -> anyhow::Result<Writer> {
        // Streams that no batch has written to.
        Writer::new(number + 5_000)
    }

    async fn keep(&self, writer: &mut Writer, batch: usize) -> anyhow::Result<()> {
        let (state, events) = offer(writer, batch);
        let options = AppendToStreamOptions::default().stream_state(state);
        self.0.append_to_stream(writer.stream().as_str(), &options, events).await?;
        Ok(())
    }
}

/// Reads everything. How many events there are.
pub async fn scan(client: &Client) -> anyhow::Result<u64> {
    let options = ReadAllOptions::default().forwards().position(StreamPosition::Start).max_count(usize::MAX);
    let mut read = client.read_all(&options).await?;
    let mut events = 0;
    while let Some(event) = read.next().await? {
        std::hint::black_box(event.get_original_event().data.len());
        events += 1;
    }
    Ok(events)
}
