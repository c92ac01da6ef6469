//! The client: the whole port over one connection for calls and one for live readings, so that a reading that is far
//! behind never stands in the way of an append.
//!
//! A lost answer is [`LogError::Unreachable`]: the caller asks again with the same ids and gets the first answer.
//! Connections come back by themselves, with the certificates that the files hold then. The log behind them must stay the
//! same one: once it is another, or has lost what was seen of it, every call is [`LogError::Denied`].

mod follow;
mod papers;
mod renewal;
mod way;

pub use papers::Trust;
pub use way::{CannotConnect, Options};

use crate::failure::{error, garbled, unreachable};
use crate::identity::Known;
use crate::page::{page_in, records_in};
use crate::wire::{appended_in, direction_out, expected_out, filter_out, limit_out, offer_out};
use crate::{Consistency, MESSAGE_BYTES_MAX, Proof, SignedCheckpoint, Stat, observe};
use follow::RemoteFollow;
use papers::Papers;
use renewal::Renewal;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{
    Appended, Direction, EventLog, Expected, Filter, Follow, LogError, MultiStream, NewRecord, Page,
    Position, Record, Revision, StreamId, keepable,
};
use stele_proto::log::v1 as proto;
use stele_proto::log::v1::event_log_client::EventLogClient;
use tokio::sync::watch;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};
use way::{Bearer, Way};

/// Longest time for the answer to a call. An append waits for a disk; a page may have 16 MiB.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// The log of another process.
#[derive(Clone)]
pub struct RemoteLog {
    clients: watch::Receiver<Clients>,
    known: Arc<Known>,
}

/// The two ways in: whatever is begun is begun with the newest.
#[derive(Clone)]
struct Clients {
    calls: Client,
    readings: Client,
}

/// A client that says who asks.
type Client = EventLogClient<InterceptedService<Channel, Bearer>>;

impl Clients {
    /// Connects lazily.
    fn to(endpoint: &Endpoint, bearer: &Bearer) -> Self {
        let client = || {
            EventLogClient::with_interceptor(endpoint.connect_lazy(), bearer.clone())
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(MESSAGE_BYTES_MAX)
        };
        Self { calls: client(), readings: client() }
    }
}

impl fmt::Debug for RemoteLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RemoteLog(..)")
    }
}

impl RemoteLog {
    /// A log behind an address. Reads the files that the options name; nothing is connected before the first call. Must
    /// be called within a runtime.
    ///
    /// # Errors
    ///
    /// [`CannotConnect`] when no later attempt could do better.
    pub fn new(options: &Options) -> Result<Self, CannotConnect> {
        let known = Arc::new(Known::default());
        let (way, bearer) = (Way::to(options)?, Bearer::of(options, &known)?);
        let trust = options.trust.clone();
        let papers = if way.tls { Papers::read(&trust)? } else { Papers::default() };
        let (sender, clients) = watch::channel(Clients::to(&way.under(&papers)?, &bearer));
        if way.tls && (trust.ca_file.is_some() || trust.identity.is_some()) {
            tokio::spawn(Renewal { way, bearer, trust, papers }.run(sender));
        }
        Ok(Self { clients, known })
    }

    /// A client for one call.
    fn calls(&self) -> Client {
        self.clients.borrow().calls.clone()
    }

    /// The log in numbers, and its identity.
    ///
    /// # Errors
    ///
    /// As the log.
    pub async fn stat(&self) -> Result<Stat, LogError> {
        let mut calls = self.calls();
        let told = self.answer("stat", calls.stat(proto::StatRequest {})).await?;
        Stat::try_from(told).map_err(|error| garbled(&error))
    }

    /// A freshly signed checkpoint over everything that is durable. Nothing of it is verified here.
    ///
    /// # Errors
    ///
    /// As the log; [`LogError::Denied`] when this process answers no persons.
    pub async fn checkpoint(&self) -> Result<SignedCheckpoint, LogError> {
        let mut calls = self.calls();
        self.answer("checkpoint", calls.checkpoint(proto::CheckpointRequest {}))
            .await
            .map(SignedCheckpoint::from)
    }

    /// Proves that the record at `position` is in the log as it stands. Nothing of it is verified here.
    ///
    /// # Errors
    ///
    /// As the log; [`LogError::Invalid`] past the head, [`LogError::Denied`] when this process answers no persons.
    pub async fn prove(&self, position: Position) -> Result<Proof, LogError> {
        let mut calls = self.calls();
        let told = self.answer("prove", calls.prove(proto::ProveRequest { position: position.0 })).await?;
        Proof::try_from(told).map_err(|error| garbled(&error))
    }

    /// Proves that the log goes on from an earlier size, to a later one or to everything that is durable. Nothing of it is
    /// verified here.
    ///
    /// # Errors
    ///
    /// As the log; [`LogError::Invalid`] when it does not have as many commits, [`LogError::Denied`] when this process
    /// answers no persons.
    pub async fn prove_consistency(
        &self,
        old_size: u64,
        new_size: Option<u64>,
    ) -> Result<Consistency, LogError> {
        let mut calls = self.calls();
        let request = proto::ProveConsistencyRequest { old_commits: old_size, new_commits: new_size };
        let told = self.answer("prove_consistency", calls.prove_consistency(request)).await?;
        Consistency::try_from(told).map_err(|error| garbled(&error))
    }

    /// Waits for an answer of the log that is meant, not for ever, and counts it.
    async fn answer<T>(
        &self,
        method: &'static str,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, LogError> {
        let began = Instant::now();
        let outcome = match tokio::time::timeout(ANSWER_MAX, call).await {
            Ok(Ok(response)) => self.known.heard(response.metadata()).map(|()| response.into_inner()),
            Ok(Err(status)) => Err(error(&status)),
            Err(_) => Err(unreachable(format!("no answer within {} s", ANSWER_MAX.as_secs()))),
        };
        observe::called(method, began.elapsed(), outcome.as_ref().err());
        outcome
    }

    async fn append_to(
        &self,
        stream: &StreamId,
        expected: Expected,
        records: Vec<NewRecord>,
    ) -> Result<Appended, LogError> {
        // What can't be kept is not sent: it would not fit a message either.
        keepable(&records)?;
        let request = proto::AppendRequest {
            stream: stream.as_str().to_owned(),
            expected: Some(expected_out(expected)),
            records: records.iter().map(offer_out).collect(),
        };
        let mut calls = self.calls();
        let appended = self.answer("append", calls.append(request)).await.map(appended_in)?;
        self.known.saw(appended.last);
        Ok(appended)
    }

    async fn stream_page(
        &self,
        stream: &StreamId,
        from: Revision,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Record>, LogError> {
        let request = proto::ReadStreamRequest {
            stream: stream.as_str().to_owned(),
            from: from.0,
            direction: direction_out(direction).into(),
            limit: limit_out(limit),
        };
        let mut calls = self.calls();
        let response = self.answer("read_stream", calls.read_stream(request)).await?;
        records_in(&response.records).map_err(|error| garbled(&error))
    }

    async fn log_page(&self, from: Position, filter: &Filter, limit: usize) -> Result<Page, LogError> {
        let filter = Some(filter_out(filter));
        let request = proto::ReadAllRequest { from: from.0, filter, limit: limit_out(limit) };
        let mut calls = self.calls();
        let response = self.answer("read_all", calls.read_all(request)).await?;
        let page = page_in(&response.page).map_err(|error| garbled(&error))?;
        self.known.saw(page.head);
        Ok(page)
    }
}

impl EventLog for RemoteLog {
    fn append<'a>(
        &'a self,
        stream: &'a StreamId,
        expected: Expected,
        records: Vec<NewRecord>,
    ) -> PortFuture<'a, Result<Appended, LogError>> {
        Box::pin(self.append_to(stream, expected, records))
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        from: Revision,
        direction: Direction,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Record>, LogError>> {
        Box::pin(self.stream_page(stream, from, direction, limit))
    }

    fn read_all<'a>(
        &'a self,
        from: Position,
        filter: &'a Filter,
        limit: usize,
    ) -> PortFuture<'a, Result<Page, LogError>> {
        Box::pin(self.log_page(from, filter, limit))
    }

    fn head(&self) -> PortFuture<'_, Result<Position, LogError>> {
        Box::pin(async {
            let mut calls = self.calls();
            let response = self.answer("head", calls.head(proto::HeadRequest {})).await?;
            let head = Position(response.position);
            self.known.saw(head);
            Ok(head)
        })
    }

    fn follow(&self, from: Position, filter: Filter) -> Box<dyn Follow> {
        Box::new(RemoteFollow::new(self.clients.clone(), Arc::clone(&self.known), from, filter))
    }

    /// Not offered: what must be consistent together is one stream.
    fn multi_stream(&self) -> Option<&dyn MultiStream> {
        None
    }
}
