//! The client: the whole port over one connection for calls and one for live readings, so that a reading that is far
//! behind never stands in the way of an append.
//!
//! A lost answer is [`LogError::Unreachable`]: the caller asks again with the same ids and gets the first answer.
//! Connections come back by themselves.

mod follow;

use crate::failure::{error, garbled, unreachable};
use crate::wire::{
    appended_in, direction_out, expected_out, filter_out, limit_out, offer_out, page_in, records_in,
};
use crate::{MESSAGE_BYTES_MAX, Stat, observe};
use follow::RemoteFollow;
use secrecy::{ExposeSecret as _, SecretString};
use std::fmt;
use std::time::{Duration, Instant};
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{
    APPEND_BYTES_MAX, APPEND_RECORDS_MAX, Appended, Direction, EventLog, Expected, Filter, Follow, LogError,
    MultiStream, NewRecord, Page, Position, Record, Revision, StreamId,
};
use stele_proto::log::v1 as proto;
use stele_proto::log::v1::event_log_client::EventLogClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Response, Status};

/// Longest time to connect.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// Longest time for the answer to a call. An append waits for a disk; a page may have 16 MiB.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How often an idle connection is asked whether it lives, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(5);
/// How much may be on its way in one reading, in bytes.
const WINDOW_BYTES: u32 = 2 * 1024 * 1024;

/// How to reach the log's owner.
pub struct Options {
    /// `http://host:port` or `https://host:port`.
    pub url: String,
    /// The key of a service, as it was shown when it was made; `None` where a certificate vouches.
    pub key: Option<SecretString>,
    /// The authority that signed the owner's certificate, in PEM; the system's authorities when there is none.
    pub authority_pem: Option<Vec<u8>>,
    /// A certificate of our own, for an owner that asks for one.
    pub identity: Option<Identity>,
}

/// A certificate and its private key, in PEM.
pub struct Identity {
    /// The certificate, then those that vouch for it.
    pub certificate_pem: Vec<u8>,
    /// Its private key.
    pub key_pem: Vec<u8>,
}

/// Why nobody can be connected to with these options. No word of the key.
#[derive(Debug, thiserror::Error)]
pub enum CannotConnect {
    /// The address is none.
    #[error("{url:?} is no address of a log: http://host:port or https://host:port is expected")]
    Address {
        /// What was given.
        url: String,
    },
    /// The key can't stand in a header.
    #[error("the key is no key of this desk: one word of visible ASCII is expected")]
    Key,
    /// TLS can't be set up.
    #[error("TLS can't be set up")]
    Tls(#[source] tonic::transport::Error),
}

/// The log of another process.
#[derive(Clone)]
pub struct RemoteLog {
    calls: Client,
    readings: Client,
}

/// A client that says who asks.
type Client = EventLogClient<InterceptedService<Channel, Bearer>>;

/// Puts the key beside every request.
#[derive(Clone)]
struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

impl fmt::Debug for RemoteLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RemoteLog(..)")
    }
}

impl RemoteLog {
    /// A log behind an address. Nothing is connected before the first call; must be called within a runtime.
    ///
    /// # Errors
    ///
    /// [`CannotConnect`] when no later attempt could do better.
    pub fn new(options: &Options) -> Result<Self, CannotConnect> {
        let endpoint = endpoint(options)?;
        let bearer = Bearer(options.key.as_ref().map(header).transpose()?);
        let client = |channel| {
            EventLogClient::with_interceptor(channel, bearer.clone())
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(MESSAGE_BYTES_MAX)
        };
        let (calls, readings) = (client(endpoint.connect_lazy()), client(endpoint.connect_lazy()));
        Ok(Self { calls, readings })
    }

    /// The log in numbers, and its identity.
    ///
    /// # Errors
    ///
    /// As the log.
    pub async fn stat(&self) -> Result<Stat, LogError> {
        let mut calls = self.calls.clone();
        let told = answer("stat", calls.stat(proto::StatRequest {})).await?;
        Stat::try_from(told).map_err(|error| garbled(&error))
    }

    async fn append_to(
        &self,
        stream: &StreamId,
        expected: Expected,
        records: Vec<NewRecord>,
    ) -> Result<Appended, LogError> {
        small_enough(&records)?;
        let request = proto::AppendRequest {
            stream: stream.as_str().to_owned(),
            expected: Some(expected_out(expected)),
            records: records.iter().map(offer_out).collect(),
        };
        let mut calls = self.calls.clone();
        answer("append", calls.append(request)).await.map(appended_in)
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
        let mut calls = self.calls.clone();
        let response = answer("read_stream", calls.read_stream(request)).await?;
        records_in(response.records).map_err(|error| garbled(&error))
    }

    async fn log_page(&self, from: Position, filter: &Filter, limit: usize) -> Result<Page, LogError> {
        let filter = Some(filter_out(filter));
        let request = proto::ReadAllRequest { from: from.0, filter, limit: limit_out(limit) };
        let mut calls = self.calls.clone();
        let response = answer("read_all", calls.read_all(request)).await?;
        page_in(response.page).map_err(|error| garbled(&error))
    }
}

/// Waits for an answer, not for ever, and counts it.
async fn answer<T>(
    method: &'static str,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, LogError> {
    let began = Instant::now();
    let outcome = match tokio::time::timeout(ANSWER_MAX, call).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(error(&status)),
        Err(_) => Err(unreachable(format!("no answer within {} s", ANSWER_MAX.as_secs()))),
    };
    observe::called(method, began.elapsed(), outcome.as_ref().err());
    outcome
}

/// What can't be kept is not sent: it would not fit a message either.
fn small_enough(records: &[NewRecord]) -> Result<(), LogError> {
    let count = records.len();
    if count > APPEND_RECORDS_MAX {
        let what = format!("it has {count} records, at most {APPEND_RECORDS_MAX} are allowed");
        return Err(LogError::Invalid(what));
    }
    let bytes = records.iter().map(|r| r.data.len().saturating_add(r.metadata.len()));
    let bytes = bytes.fold(0, usize::saturating_add);
    if bytes > APPEND_BYTES_MAX {
        let what = format!("it has {bytes} bytes, at most {APPEND_BYTES_MAX} are allowed");
        return Err(LogError::Invalid(what));
    }
    Ok(())
}

fn endpoint(options: &Options) -> Result<Endpoint, CannotConnect> {
    let address = || CannotConnect::Address { url: options.url.clone() };
    let endpoint = Endpoint::from_shared(options.url.clone()).map_err(|_| address())?;
    let safe = match endpoint.uri().scheme_str() {
        Some("https") => true,
        Some("http") => false,
        Some(_) | None => return Err(address()),
    };
    let endpoint = endpoint
        .connect_timeout(CONNECT_MAX)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_EVERY)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES.saturating_mul(8));
    if !safe {
        return Ok(endpoint);
    }
    let tls = match &options.authority_pem {
        Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    let tls = match &options.identity {
        Some(own) => tls.identity(tonic::transport::Identity::from_pem(&own.certificate_pem, &own.key_pem)),
        None => tls,
    };
    endpoint.tls_config(tls).map_err(CannotConnect::Tls)
}

fn header(key: &SecretString) -> Result<MetadataValue<Ascii>, CannotConnect> {
    let key = key.expose_secret().trim();
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(CannotConnect::Key);
    }
    let value = MetadataValue::try_from(format!("Bearer {key}"));
    let mut value = value.map_err(|_| CannotConnect::Key)?;
    value.set_sensitive(true);
    Ok(value)
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
            let mut calls = self.calls.clone();
            let response = answer("head", calls.head(proto::HeadRequest {})).await?;
            Ok(Position(response.position))
        })
    }

    fn follow(&self, from: Position, filter: Filter) -> Box<dyn Follow> {
        Box::new(RemoteFollow::new(self.readings.clone(), from, filter))
    }

    /// Not offered: what must be consistent together is one stream.
    fn multi_stream(&self) -> Option<&dyn MultiStream> {
        None
    }
}
