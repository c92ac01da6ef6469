//! The door put together: a listener, the services behind it, and its end.

use crate::access::{Access, Guard, Writes};
use crate::door::{self, CannotOpen, Tls};
use crate::features::Features;
use crate::gate::Gate;
use crate::gossip::Gossip;
use crate::intake::MESSAGE_BYTES_MAX;
use crate::observe;
use crate::seats::{READINGS_OF_ONE_MAX, Seats};
use crate::second::Second;
use crate::store::Store;
use crate::streams::Service;
use futures_util::stream;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::EventLog;
use stele_proto::kurrent::client::gossip::gossip_server::GossipServer;
use stele_proto::kurrent::client::server_features::server_features_server::ServerFeaturesServer;
use stele_proto::kurrent::client::streams::streams_server::StreamsServer;
use stele_proto::kurrent::v2::streams_service_server::StreamsServiceServer;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tonic::service::interceptor::InterceptedService;

/// Most bytes of a question that everybody may ask: it is empty.
const OPEN_BYTES_MAX: usize = 1_024;
/// Most calls at the same time on one connection, more wait at the client: all readings that one caller may have, which
/// clients open on the one connection that they keep, and 32 beside them.
const CALLS_MAX: usize = READINGS_OF_ONE_MAX + 32;
/// Most bytes of the head of a request.
const HEAD_BYTES_MAX: u32 = 64 * 1024;
/// How much of one call, and of one connection, may be on its way here: enough for the bandwidth of a network.
const CALL_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// How often a silent peer is asked whether it is there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(20);
/// How long a closing door waits for what is being said.
const GRACE: Duration = Duration::from_secs(5);

/// How the door is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 for any free one.
    pub address: SocketAddr,
    /// The host and port that clients are told to use; those of the listener without it.
    pub advertise: Option<(String, u16)>,
    /// TLS; in the clear without it.
    pub tls: Option<Tls>,
    /// Most connections at the same time; more wait in the system's queue.
    pub connections_max: usize,
}

impl Options {
    /// As many connections as are waited on without harm.
    pub const CONNECTIONS_MAX: usize = 1_024;

    /// In the clear, with room for [`Self::CONNECTIONS_MAX`].
    #[must_use]
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, advertise: None, tls: None, connections_max: Self::CONNECTIONS_MAX }
    }
}

/// An open door: callers may knock, and wait until somebody serves.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    advertise: (String, u16),
    connections_max: usize,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Server {
    /// Opens the door. Must be called within a runtime.
    ///
    /// # Errors
    ///
    /// [`CannotOpen::Address`] when the address is taken or not of this machine; the others when a certificate or its key
    /// is no PEM, or does not fit the other.
    pub fn open(options: Options) -> Result<Self, CannotOpen> {
        let Options { address, advertise, tls, connections_max } = options;
        let tls = tls.as_ref().map(door::acceptor).transpose()?;
        let (address, listener) = door::listen(address)?;
        observe::listening(address, tls.is_some());
        if tls.is_none() && !address.ip().is_loopback() {
            observe::in_the_clear(address);
        }
        let advertise = advertise.unwrap_or_else(|| (address.ip().to_string(), address.port()));
        Ok(Self { listener, address, tls, advertise, connections_max })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves a log until `stop` becomes true or its sender is gone. Subscriptions end as unavailable then, and what takes
    /// longer than five seconds is cut off.
    ///
    /// The log must have no other writer of metadata streams (`$$…`) and tombstones than this one door.
    pub async fn serve(
        self,
        log: Arc<dyn EventLog>,
        clock: Arc<dyn Clock>,
        access: Access,
        writes: Writes,
        stop: watch::Receiver<bool>,
    ) {
        let Self { listener, address, tls, advertise, connections_max } = self;
        let store = Arc::new(Store::new(log, Arc::clone(&clock), writes));
        let seats = Seats::default();
        let service = Service { store, access: access.clone(), seats: seats.clone(), stop: stop.clone() };
        let streams = StreamsServer::new(service.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        let second = StreamsServiceServer::new(Second(service))
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        let features = ServerFeaturesServer::new(Features).max_decoding_message_size(OPEN_BYTES_MAX);
        let gossip =
            GossipServer::new(Gossip::new(advertise, clock)).max_decoding_message_size(OPEN_BYTES_MAX);
        let router = tonic::transport::Server::builder()
            .max_concurrent_streams(u32::try_from(CALLS_MAX).unwrap_or(u32::MAX))
            .initial_stream_window_size(CALL_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .http2_max_header_list_size(HEAD_BYTES_MAX)
            .http2_keepalive_interval(Some(PING))
            .http2_keepalive_timeout(Some(PING))
            .add_service(InterceptedService::new(
                Gate::before(streams, access.clone(), seats.clone()),
                Guard(access.clone()),
            ))
            .add_service(InterceptedService::new(Gate::before(second, access.clone(), seats), Guard(access)))
            .add_service(Gate::open(features))
            .add_service(Gate::open(gossip));
        let (ready, taken) = door::handing_over();
        let accepting = tokio::spawn(door::accept(listener, tls, connections_max, stop.clone(), ready));
        let incoming =
            stream::unfold(taken, async |mut taken| taken.recv().await.map(|connection| (connection, taken)));
        let mut heard = stop.clone();
        let stopped = async move { door::requested(&mut heard).await };
        let serving = router.serve_with_incoming_shutdown(Box::pin(incoming), stopped);
        let cut = ended(serving, stop).await;
        accepting.abort();
        observe::closed(address, cut);
    }
}

/// Waits for the end; whether it had to be cut off.
async fn ended(
    serving: impl Future<Output = Result<(), tonic::transport::Error>>,
    mut stop: watch::Receiver<bool>,
) -> bool {
    let late = async {
        door::requested(&mut stop).await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        biased;
        served = serving => {
            if let Err(error) = served {
                observe::failed(&error);
            }
            false
        }
        () = late => true,
    }
}
