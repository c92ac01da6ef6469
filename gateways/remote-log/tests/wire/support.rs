//! A log and its owner: the service on a loopback socket, which can be taken away and brought back; and a pipe that
//! loses answers.

pub use crate::suite::records::{record, stream};

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use stele_domain::access::{Caller, Origin, Role, Scope};
use stele_domain::ids::Actor;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Position, StreamId};
use stele_domain::time::Timestamp;
use stele_event_log::EmbeddedLog;
use stele_remote_log::{
    Archived, Consistency, Denial, LogService, Options, Process, Proof, RemoteLog, SignedCheckpoint, Stat,
    Trust, WriteLists,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Server, ServerTlsConfig};
use tonic::{Request, Status};
use uuid::Uuid;

/// A clock that goes on by a millisecond whenever it is looked at.
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.fetch_add(1_000, Ordering::SeqCst))
    }
}

pub fn clock() -> Arc<dyn Clock> {
    Arc::new(Ticking(AtomicI64::new(0)))
}

/// The process that owns a log.
pub struct Owner {
    log: Arc<dyn EventLog>,
    pub address: SocketAddr,
    pub denials: Arc<Mutex<Vec<Denial>>>,
    /// Whose credentials are no longer taken.
    taken_back: Arc<Mutex<BTreeSet<String>>>,
    identity: Uuid,
    listed: bool,
    proving: Option<Arc<EmbeddedLog>>,
    tls: Option<ServerTlsConfig>,
    serving: Option<Serving>,
}

/// What serves: a runtime of its own, so that its end is the end of every connection, as a process's is.
struct Serving {
    runtime: Option<Runtime>,
    _stopper: watch::Sender<bool>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Owner {
    /// An owner that lets every process append everything. Keys are the names of process roles.
    pub fn of(log: Arc<dyn EventLog>) -> Self {
        Self::new(log, false, None, None)
    }

    /// An owner that goes by the write lists.
    pub fn listing(log: Arc<dyn EventLog>) -> Self {
        Self::new(log, true, None, None)
    }

    /// An owner that goes by the write lists, and proves by the log's tree.
    pub fn proving(log: &Arc<EmbeddedLog>) -> Self {
        Self::new(Arc::<EmbeddedLog>::clone(log), true, Some(Arc::clone(log)), None)
    }

    /// An owner that speaks TLS.
    ///
    /// The provider is named as the product's `main` names it: built with the whole workspace, rustls has two to choose from
    /// (the KurrentDB client of other tests brings a second one) and then takes none by itself.
    pub fn under(tls: ServerTlsConfig, log: Arc<dyn EventLog>) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Self::new(log, false, None, Some(tls))
    }

    fn new(
        log: Arc<dyn EventLog>,
        listed: bool,
        proving: Option<Arc<EmbeddedLog>>,
        tls: Option<ServerTlsConfig>,
    ) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (denials, taken_back, identity) = (Arc::default(), Arc::default(), stat().log);
        let serving = None;
        let mut owner = Self { log, address, denials, taken_back, identity, listed, proving, tls, serving };
        owner.serve(listener);
        owner
    }

    fn serve(&mut self, listener: std::net::TcpListener) {
        listener.set_nonblocking(true).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (stopper, stop) = watch::channel(false);
        let denials = Arc::clone(&self.denials);
        let hear = move |denial| denials.lock().unwrap().push(denial);
        let (identity, taken_back) = (self.identity, Arc::clone(&self.taken_back));
        let stands = move |caller: &Caller| match taken_back.lock().unwrap().get(caller.actor.as_str()) {
            Some(_) => Err("this key was taken back: ask for a new one".to_owned()),
            None => Ok(()),
        };
        let (listed, lists) = (self.listed, lists());
        let list = move |role: Process, stream: &StreamId, event_type: &str| {
            !listed || lists.may_append(role, stream, event_type)
        };
        let mut service = LogService::new(Arc::clone(&self.log), list, stands, hear, stop)
            .with_stat(move || Stat { log: identity, ..stat() });
        if let Some(log) = &self.proving {
            service = with_proofs(service, log);
        }
        let service = InterceptedService::new(service.into_server(), vouch);
        let mut server = Server::builder();
        if let Some(tls) = &self.tls {
            server = server.tls_config(tls.clone()).unwrap();
        }
        runtime.spawn(async move {
            let incoming = TcpIncoming::from(TcpListener::from_std(listener).unwrap());
            server.add_service(service).serve_with_incoming(incoming).await.unwrap();
        });
        self.serving = Some(Serving { runtime: Some(runtime), _stopper: stopper });
    }

    /// The process is gone: every connection breaks, nobody listens.
    pub async fn vanish(&mut self) {
        drop(self.serving.take());
        while TcpStream::connect(self.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }

    /// It is back at the same address, with other certificates.
    pub fn come_back_under(&mut self, tls: ServerTlsConfig) {
        self.tls = Some(tls);
        self.come_back();
    }

    /// It is back at the same address.
    pub fn come_back(&mut self) {
        let socket = socket_of(self.address);
        self.serve(socket);
    }

    /// Something else is there now, at the same address.
    pub async fn replaced_by(&mut self, log: Arc<dyn EventLog>, identity: Uuid) {
        self.vanish().await;
        (self.log, self.identity) = (log, identity);
        self.come_back();
    }

    /// From now on the key is no longer taken.
    pub fn take_back(&self, key: &str) {
        self.taken_back.lock().unwrap().insert(format!("service:{key}"));
    }

    pub fn client(&self, key: &str) -> RemoteLog {
        client(self.address, key)
    }
}

/// Signs and proves as the process that has the log does.
fn with_proofs(service: LogService, log: &Arc<EmbeddedLog>) -> LogService {
    let (signing, proving) = (Arc::clone(log), Arc::clone(log));
    let key = log.verifier().to_string();
    let signed = move |checkpoint| SignedCheckpoint { checkpoint, public_key: key.clone() };
    let (signed_too, signed_last, going_on) = (signed.clone(), signed.clone(), Arc::clone(log));
    let service = service.with_proofs(
        move || signing.checkpoint().map(&signed),
        move |position| {
            let (log, signed) = (Arc::clone(&proving), signed_too.clone());
            Box::pin(async move {
                let proof = log.inclusion_proof(position).await?;
                let (first, leaf_index) = (proof.first, proof.index);
                let signed = signed(proof.checkpoint);
                Ok(Proof { first, leaf_index, payload: proof.payload, path: proof.path, signed })
            })
        },
    );
    service.with_consistency(move |old, new| {
        let (log, signed) = (Arc::clone(&going_on), signed_last.clone());
        Box::pin(async move {
            let (proof, checkpoint) = log.prove_consistency(old, new).await?;
            let (old_size, new_size) = (proof.old_size, proof.new_size);
            Ok(Consistency { old_size, new_size, path: proof.path, signed: signed(checkpoint) })
        })
    })
}

/// Listens where somebody listened a moment ago.
fn socket_of(address: SocketAddr) -> std::net::TcpListener {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket.listen(64).unwrap().into_std().unwrap()
}

/// The lists of a desk with one account and one pair.
fn lists() -> WriteLists {
    let names =
        ["account-desk.near", "price-btc-eure", "quote-btc-eure", "strategy-btc-eure", "service-market"];
    WriteLists::of(names.map(stream).into())
}

/// Some numbers.
pub fn stat() -> Stat {
    Stat {
        log: Uuid::from_u128(7),
        events: 6,
        commits: 5,
        bytes: 4,
        streams: 3,
        segments: 2,
        head: Position(6),
        categories: [("order".to_owned(), 6)].into(),
        growth: vec![],
        archive: Some(Archived { segments: 1, bytes: 3, events: 2 }),
    }
}

/// A client with a key.
pub fn client(address: SocketAddr, key: &str) -> RemoteLog {
    let key = Some(key.to_owned().into());
    let url = format!("http://{address}");
    RemoteLog::new(&Options { url, key, plain_key: false, trust: Trust::default() }).unwrap()
}

/// A client of an owner that lives as long as the test's runtime.
pub fn runtime_log(log: Arc<dyn EventLog>) -> Arc<dyn EventLog> {
    let owner = Owner::of(log);
    let client = owner.client("market");
    // Kept as long as the test runs.
    std::mem::forget(owner);
    Arc::new(client)
}

/// What a door does: it finds out from the key who asks.
fn vouch(mut request: Request<()>) -> Result<Request<()>, Status> {
    let key = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
    let Some(key) = key.and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned) else {
        return Err(Status::unauthenticated("no key"));
    };
    let role = match key.as_str() {
        "stranger" => return Err(Status::unauthenticated("no key of this desk")),
        "viewer" => Role::Viewer,
        "operator" => Role::Operator,
        "trader" => Role::Trader,
        _ => Role::Service,
    };
    let processes: BTreeSet<String> = key.split('+').map(str::to_owned).collect();
    let actor = Actor::try_from(format!("service:{key}")).map_err(|_| Status::unauthenticated("no name"))?;
    let scope = Scope { actions: BTreeSet::new(), processes };
    let origin = Origin { key_id: None, address: "127.0.0.1".to_owned() };
    request.extensions_mut().insert(Caller { actor, role, scope, origin });
    Ok(request)
}
