//! A log behind the protocol door on a loopback socket, on a runtime of its own, so that it can vanish.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::access::{Action, Caller, Origin, Role, Scope};
use stele_domain::ids::Actor;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::EventLog;
use stele_domain::time::Timestamp;
use stele_event_log::MemoryLog;
use stele_eventstore::{Address, EventStoreLog};
use stele_kurrent::{Access, Options, Outside, Server as Door, Writes};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

/// A clock that stands.
struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_795_132_800_123_456)
    }
}

pub struct Server {
    pub log: Arc<dyn EventLog>,
    pub address: SocketAddr,
    serving: Option<(Runtime, watch::Sender<bool>)>,
}

impl Server {
    pub fn open() -> Self {
        Self::over(memory())
    }

    pub fn over(log: Arc<dyn EventLog>) -> Self {
        let mut server = Self { log, address: "127.0.0.1:0".parse().unwrap(), serving: None };
        server.serve();
        server
    }

    /// Opens the door, where it was before.
    pub fn serve(&mut self) {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (log, options) = (Arc::clone(&self.log), Options::plain(self.address));
        let (stopper, stop) = watch::channel(false);
        // Asked for from within another runtime.
        let handle = runtime.handle().clone();
        let opening = std::thread::spawn(move || {
            handle.block_on(async move {
                let door = Door::open(options).unwrap();
                let address = door.address();
                tokio::spawn(door.serve(log, Arc::new(Standing), access(), writes(), stop));
                address
            })
        });
        self.address = opening.join().unwrap();
        self.serving = Some((runtime, stopper));
    }

    /// The server is gone: every connection breaks, nobody listens.
    pub fn vanish(&mut self) {
        let (runtime, _stopper) = self.serving.take().unwrap();
        // Waits until its socket is closed, which no runtime may do within another.
        std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(5))).join().unwrap();
    }

    pub fn client(&self) -> EventStoreLog {
        self.client_as("writer")
    }

    pub fn client_as(&self, key: &str) -> EventStoreLog {
        let text = format!("kurrentdb://{key}:{key}@{}?tls=false", self.address);
        EventStoreLog::new(&Address::read(&text, None).unwrap()).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((runtime, _stopper)) = self.serving.take() {
            runtime.shutdown_background();
        }
    }
}

/// An empty log.
pub fn memory() -> Arc<dyn EventLog> {
    Arc::new(MemoryLog::new(Arc::new(Standing)))
}

fn writes() -> Writes {
    Writes {
        desk: Arc::new(|_, _, _| false),
        reserved: ["account".to_owned()].into(),
        outside: Outside::Everything,
    }
}

fn access() -> Access {
    Access {
        authenticate: Arc::new(|key, _| whose(key)),
        stranger: Arc::new(|_| {}),
        stands: Arc::new(|_| Ok(())),
        denied: Arc::new(|_: &Caller, _: Action, _: &str| {}),
    }
}

/// A process that may write everything that is not the desk's; `stranger` is nobody.
fn whose(key: &str) -> Result<Caller, String> {
    if key == "stranger" {
        return Err("this is no key of this desk".to_owned());
    }
    let processes = if key == "writer" { ["outside".to_owned()].into() } else { BTreeSet::new() };
    let scope = Scope { actions: BTreeSet::new(), processes };
    let origin = Origin { key_id: Some("0123456789ab".to_owned()), address: "127.0.0.1".to_owned() };
    let actor = Actor::try_from(format!("service:{key}")).map_err(|error| error.to_string())?;
    Ok(Caller { actor, role: Role::Service, scope, origin })
}
