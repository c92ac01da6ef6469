//! The door to the network: HTTP/1.1 and HTTP/2 on one TCP port, in the clear or under TLS.
//!
//! It knows an address and perhaps a certificate; who asks is found out from the key of each request.

use super::conversation::{Guest, converse};
use super::manners::Manners;
use super::presented::Presented;
use super::renewal::{Newest, Renewal};
use super::tls::{self, TlsFiles};
use super::{ACCEPT_PAUSE, DoorError, Peer};
use crate::doors::{Bounds, Hall, Seat, Who, network};
use crate::observe;
use axum::Router;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use stele_commands::stop::Stop;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

/// Most connections that wait to be accepted.
const BACKLOG: u32 = 4_096;
/// Longest time for a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a closing door waits for what is being said.
const GRACE: Duration = Duration::from_secs(5);

/// How a door to the network is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpOptions {
    /// Where to listen; port 0 for any free one.
    pub address: SocketAddr,
    /// Most connections at the same time; more wait in the system's queue. One address (one /64 network with IPv6) has
    /// at most three quarters of them: what it opens beyond is closed at once.
    pub connections_max: usize,
    /// Longest time for the head of a request, and with HTTP/1.1 between two requests.
    pub head_timeout: Duration,
    /// TLS; in the clear without it.
    pub tls: Option<TlsFiles>,
}

impl TcpOptions {
    /// As many connections as there is room for listeners, and a thousand for those who ask.
    pub const CONNECTIONS_MAX: usize = 9_216;

    /// Long enough for any head, and short enough for those who send one byte at a time.
    pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

    /// In the clear, with room for [`Self::CONNECTIONS_MAX`].
    #[must_use]
    pub fn plain(address: SocketAddr) -> Self {
        let (connections_max, head_timeout) = (Self::CONNECTIONS_MAX, Self::HEAD_TIMEOUT);
        Self { address, connections_max, head_timeout, tls: None }
    }
}

/// An open door to the network: callers may knock, and wait until somebody serves.
pub struct TcpDoor {
    listener: TcpListener,
    address: SocketAddr,
    reception: Reception,
    renewal: Option<Renewal>,
    seats: Arc<Semaphore>,
    /// The same seats by address.
    shares: Arc<Hall>,
}

/// How a caller is received.
#[derive(Clone)]
struct Reception {
    tls: Option<Newest>,
    manners: Manners,
}

impl TcpDoor {
    /// Opens a door.
    ///
    /// # Errors
    ///
    /// [`DoorError::Address`] when the address is taken or not of this machine; [`DoorError::Tls`] when a file is
    /// missing, is no PEM, or does not fit the others.
    pub async fn open(options: TcpOptions) -> Result<Self, DoorError> {
        let TcpOptions { address, connections_max, head_timeout, tls } = options;
        let (renewal, tls) = match tls {
            Some(files) => Renewal::begin(files).await.map(|(renewal, tls)| (Some(renewal), Some(tls)))?,
            None => (None, None),
        };
        let bound = listen(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = bound.map_err(|source| DoorError::Address { address, source })?;
        observe::listening(address, tls.is_some());
        if tls.is_none() && !address.ip().is_loopback() {
            observe::in_the_clear(address);
        }
        let places = connections_max.clamp(1, Semaphore::MAX_PERMITS);
        let seats = Arc::new(Semaphore::new(places));
        let shares = Arc::new(Hall::new(Bounds { places, of_one: share(places), kept: 0 }));
        let manners = Manners { head: head_timeout, ..Manners::TCP };
        Ok(Self { listener, address, reception: Reception { tls, manners }, renewal, seats, shares })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is told to stop; streams are ended then, and what takes longer than five seconds is cut
    /// off. Certificates that are replaced meanwhile are taken up.
    pub async fn serve(self, router: Router, mut stop: Stop) {
        let Self { listener, address, reception, renewal, seats, shares } = self;
        if let Some(renewal) = renewal {
            tokio::spawn(renewal.run(stop.clone()));
        }
        let mut conversations = JoinSet::new();
        loop {
            let accepted = async {
                // The semaphore is never closed, so a missing permit only means no limit for this one.
                let seat = Arc::clone(&seats).acquire_owned().await.ok();
                (seat, listener.accept().await)
            };
            tokio::select! {
                biased;
                () = stop.requested() => break,
                Some(_) = conversations.join_next(), if !conversations.is_empty() => {}
                (seat, accepted) = accepted => match accepted {
                    Ok((stream, from)) => {
                        let peer = Peer { address: plain(from.ip()), certified: None, stop: stop.clone() };
                        // Dropped with the connection: nobody waits for who has taken more than their share.
                        let Ok(share) = shares.take(&Who::named(&network(&peer.address))) else {
                            observe::crowded(&peer.address);
                            continue;
                        };
                        let reception = reception.clone();
                        conversations.spawn(reception.welcome(stream, peer, router.clone(), (seat, share)));
                    }
                    Err(error) => {
                        observe::not_accepted(&error);
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(listener);
        let all = async { while conversations.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(GRACE, all).await;
        observe::network_closed(address, conversations.len());
        conversations.shutdown().await;
    }
}

/// How many of all connections one address may have: so many that a proxy can stand before the desk, and so few that it
/// leaves some to others.
fn share(connections_max: usize) -> usize {
    connections_max - connections_max / 4
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A desk that is started again need not wait until the last connections of the old one are forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The address as it is kept: IPv4 in its own words, also on a socket of IPv6.
fn plain(address: IpAddr) -> String {
    address.to_canonical().to_string()
}

impl Reception {
    async fn welcome(
        self,
        stream: TcpStream,
        mut peer: Peer,
        router: Router,
        seat: (Option<OwnedSemaphorePermit>, Seat),
    ) {
        // Answers are written whole: waiting for more to send only delays them.
        if let Err(error) = stream.set_nodelay(true) {
            observe::connection_failed(&error);
        }
        let Some(tls) = self.tls else {
            return converse(stream, Guest::Peer(peer), router, self.manners, seat).await;
        };
        let acceptor = tls.borrow().acceptor.clone();
        let mut stop = peer.stop.clone();
        let handshake = tokio::select! {
            biased;
            () = stop.requested() => return,
            handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)) => handshake,
        };
        match handshake {
            Ok(Ok(stream)) => {
                peer.certified = tls::caller(stream.get_ref().1, &peer.address);
                let (presented, address) =
                    (Presented::in_handshake(stream.get_ref().1), peer.address.clone());
                let conversation = converse(stream, Guest::Peer(peer), router, self.manners, seat);
                let Some(presented) = presented else { return conversation.await };
                tokio::select! {
                    biased;
                    why = presented.no_longer_taken(tls) => observe::certificate_no_longer_taken(&address, &why),
                    () = conversation => {}
                }
            }
            Ok(Err(error)) => observe::handshake_failed(&peer.address, &error),
            Err(_) => observe::handshake_late(&peer.address),
        }
    }
}
