//! The listener: connections in, with or without TLS, each with a seat. It makes up for clients that wait for an
//! acknowledgement before they send the rest of what they have begun to say.

use crate::access::Peer;
use crate::observe;
use crate::strangers::Strangers;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;
use zeroize::Zeroizing;

/// Most connections that wait to be accepted.
const BACKLOG: u32 = 1_024;
/// Longest time for a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long nothing is accepted after the system had no room for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Longest time until a peer says its first word.
const GREETING: Duration = Duration::from_secs(5);
/// Longest time until a peer shows a key that is taken.
const STRANGER_MAX: Duration = Duration::from_mins(1);
/// How long a peer who came with too many wrong keys still hears why.
const FAREWELL: Duration = Duration::from_millis(200);
/// How long a peer may take nothing of what is written to it.
const STALL: Duration = Duration::from_mins(1);
/// Connections that are ready and not taken up yet.
const READY: usize = 64;

/// What TLS is spoken with, in PEM. Whoever wires the door reads the files, by the rule that holds for every private key.
#[derive(Clone)]
pub struct Tls {
    /// The certificate, then those that vouch for it.
    pub chain: Vec<u8>,
    /// Its private key.
    pub key: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(..)")
    }
}

/// Why the door can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum CannotOpen {
    /// The address can't be listened on.
    #[error("the address {address}: can't listen: is something else there? Choose another one")]
    Address {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The certificate can't be used.
    #[error("TLS can't be spoken with this certificate: {0}")]
    Certificate(String),
    /// Its private key can't be used.
    #[error("TLS can't be spoken with this private key: {0}")]
    PrivateKey(String),
}

/// Listens.
pub fn listen(address: SocketAddr) -> Result<(SocketAddr, TcpListener), CannotOpen> {
    let bound = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A desk that is started again need not wait until the last connections of the old one are forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        Ok((listener.local_addr()?, listener))
    };
    bound().map_err(|source| CannotOpen::Address { address, source })
}

/// Makes of the certificates what shows them.
pub fn acceptor(tls: &Tls) -> Result<TlsAcceptor, CannotOpen> {
    // Named, because a process may well have two of them.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain = CertificateDer::pem_slice_iter(&tls.chain).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| CannotOpen::Certificate(format!("no certificates in PEM: {error}")))?;
    if chain.is_empty() {
        return Err(CannotOpen::Certificate("no certificate in it".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(&tls.key)
        .map_err(|error| CannotOpen::PrivateKey(format!("no private key in PEM: {error}")))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| CannotOpen::Certificate(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| CannotOpen::PrivateKey(format!("it does not fit the certificate: {error}")))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Waits for the wish to end. A sender that is gone is the wish too.
pub async fn requested(stop: &mut watch::Receiver<bool>) {
    let heard = stop.wait_for(|stop| *stop).await;
    drop(heard);
}

/// Accepts connections until the stop, and hands them over when they are ready to speak.
pub async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    connections_max: usize,
    mut stop: watch::Receiver<bool>,
    ready: mpsc::Sender<io::Result<Connection>>,
) {
    let seats = Arc::new(Semaphore::new(connections_max.clamp(1, Semaphore::MAX_PERMITS)));
    let open = Arc::new(AtomicUsize::new(0));
    let strangers = Strangers::new(connections_max);
    let mut handshakes = JoinSet::new();
    loop {
        let accepted = async {
            // The semaphore is never closed, so a missing permit only means no limit for this one.
            let seat = Arc::clone(&seats).acquire_owned().await.ok();
            (seat, listener.accept().await)
        };
        tokio::select! {
            biased;
            () = requested(&mut stop) => return,
            () = ready.closed() => return,
            Some(_) = handshakes.join_next(), if !handshakes.is_empty() => {}
            (seat, accepted) = accepted => match accepted {
                Ok((stream, from)) => {
                    let address = from.ip().to_canonical().to_string();
                    // Dropped with the connection: nobody waits for who has taken more than their share.
                    let Some(visit) = strangers.come(&address) else {
                        observe::crowded(&address);
                        continue;
                    };
                    let peer = Peer { address, visit };
                    let seat = Seat::new(Arc::clone(&open), seat);
                    handshakes.spawn(welcome(stream, peer, tls.clone(), seat, ready.clone()));
                }
                Err(error) => {
                    observe::not_accepted(&error);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

async fn welcome(
    stream: TcpStream,
    peer: Peer,
    tls: Option<TlsAcceptor>,
    seat: Seat,
    ready: mpsc::Sender<io::Result<Connection>>,
) {
    // Answers are written whole: waiting for more to send only delays them.
    if let Err(error) = stream.set_nodelay(true) {
        return observe::handshake_failed(&peer.address, &error);
    }
    let stream = Eager { stream, stalled: None };
    let io = match tls {
        None => Io::Plain(stream),
        Some(tls) => match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
            Ok(Ok(stream)) => Io::Tls(Box::new(stream)),
            Ok(Err(error)) => return observe::handshake_failed(&peer.address, &error),
            Err(late) => return observe::handshake_failed(&peer.address, &late),
        },
    };
    let greeting = Some(Box::pin(tokio::time::sleep(GREETING)));
    let unknown = Some(Box::pin(tokio::time::sleep(STRANGER_MAX)));
    // Nobody takes it any more: the door is closing.
    let _ = ready.send(Ok(Connection { io, peer, greeting, unknown, farewell: None, _seat: seat })).await;
}

/// What the handing over is made of.
pub fn handing_over() -> (mpsc::Sender<io::Result<Connection>>, mpsc::Receiver<io::Result<Connection>>) {
    mpsc::channel(READY)
}

/// The place of one connection, given back with it.
struct Seat {
    open: Arc<AtomicUsize>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Seat {
    fn new(open: Arc<AtomicUsize>, permit: Option<OwnedSemaphorePermit>) -> Self {
        observe::connections(open.fetch_add(1, Ordering::Relaxed) + 1);
        Self { open, _permit: permit }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        observe::connections(self.open.fetch_sub(1, Ordering::Relaxed).saturating_sub(1));
    }
}

/// A connection that is ready to speak.
pub struct Connection {
    io: Io,
    peer: Peer,
    /// Until when it has to say something; then there is no such time.
    greeting: Option<Pin<Box<Sleep>>>,
    /// Until when somebody has to show a key; then there is no such time.
    unknown: Option<Pin<Box<Sleep>>>,
    /// When it ends, because of too many wrong ones.
    farewell: Option<Pin<Box<Sleep>>>,
    _seat: Seat,
}

impl Connection {
    /// Why it is not gone on with.
    fn over(&mut self, context: &mut Context<'_>) -> Option<&'static str> {
        let mut passed = |until: &mut Option<Pin<Box<Sleep>>>| {
            until.as_mut().is_some_and(|until| until.as_mut().poll(context).is_ready())
        };
        if passed(&mut self.greeting) {
            return Some("the peer says nothing");
        }
        if self.peer.visit.known() {
            self.unknown = None;
        } else if passed(&mut self.unknown) {
            return Some("nobody has shown a key");
        }
        if self.peer.visit.turned_away() {
            self.farewell.get_or_insert_with(|| Box::pin(tokio::time::sleep(FAREWELL)));
        }
        passed(&mut self.farewell).then_some("too many wrong keys")
    }
}

enum Io {
    Plain(Eager),
    Tls(Box<TlsStream<Eager>>),
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = match &mut this.io {
            Io::Plain(io) => Pin::new(io).poll_read(context, buffer),
            Io::Tls(io) => Pin::new(io).poll_read(context, buffer),
        };
        if read.is_ready() {
            this.greeting = None;
        }
        match this.over(context) {
            Some(why) => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why))),
            None => read,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Io::Plain(io) => Pin::new(io).poll_write(context, bytes),
            Io::Tls(io) => Pin::new(io).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Io::Plain(io) => Pin::new(io).poll_write_vectored(context, bytes),
            Io::Tls(io) => Pin::new(io).poll_write_vectored(context, bytes),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Plain(io) => io.is_write_vectored(),
            Io::Tls(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(io) => Pin::new(io).poll_flush(context),
            Io::Tls(io) => Pin::new(io).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(io) => Pin::new(io).poll_shutdown(context),
            Io::Tls(io) => Pin::new(io).poll_shutdown(context),
        }
    }
}

/// A socket that acknowledges at once. Clients that leave Nagle's algorithm on hold the second half of a request back until
/// the first is acknowledged, which the system would put off for 40 ms. And one whose peer takes nothing for a minute is
/// given up.
struct Eager {
    stream: TcpStream,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Eager {
    /// The system forgets the wish with every segment, so it is told again after every reading.
    #[cfg(target_os = "linux")]
    fn acknowledge(&self) {
        // Without it everything works, only later.
        let _ = rustix::net::sockopt::set_tcp_quickack(&self.stream, true);
    }

    #[cfg(not(target_os = "linux"))]
    fn acknowledge(&self) {}

    fn patiently<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let until =
            self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + STALL)));
        match until.as_mut().poll(context) {
            Poll::Ready(()) => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing")))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Eager {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if read.is_ready() {
            this.acknowledge();
        }
        read
    }
}

impl AsyncWrite for Eager {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.patiently(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, bytes);
        this.patiently(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
