//! A log behind the door on a loopback socket, which can be closed and opened again; and who may come in.

use eventstore::{Client, ClientSettings, EventData, ReadStreamOptions, StreamPosition};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use stele_domain::access::{Action, Caller, Origin, Role, Scope};
use stele_domain::ids::Actor;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, StreamId};
use stele_domain::time::Timestamp;
use stele_event_log::MemoryLog;
use stele_kurrent::{Access, Options, Outside, Server, Tls, Writes};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A clock that stands until it is moved.
pub struct Standing(AtomicI64);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

impl Standing {
    /// 2026-11-20T00:00:00Z and some microseconds.
    pub fn new() -> Self {
        Self(AtomicI64::new(1_795_132_800_123_456))
    }

    pub fn go_on(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

/// A log and its door.
pub struct Desk {
    pub log: Arc<dyn EventLog>,
    pub clock: Arc<Standing>,
    pub address: SocketAddr,
    pub denials: Arc<Mutex<Vec<String>>>,
    pub revoked: Arc<Mutex<BTreeSet<String>>>,
    outside: Outside,
    tls: Option<Tls>,
    serving: Option<(watch::Sender<bool>, JoinHandle<()>)>,
}

impl Desk {
    /// A desk whose door lets the key `outside` write everything that is not the desk's.
    pub fn open() -> Self {
        Self::with(Outside::Everything)
    }

    pub fn with(outside: Outside) -> Self {
        let clock = Arc::new(Standing::new());
        let log = Arc::new(MemoryLog::new(Arc::<Standing>::clone(&clock)));
        Self::over(log, clock, outside)
    }

    pub fn over(log: Arc<dyn EventLog>, clock: Arc<Standing>, outside: Outside) -> Self {
        let mut desk = Self {
            log,
            clock,
            address: "127.0.0.1:0".parse().unwrap(),
            denials: Arc::default(),
            revoked: Arc::default(),
            outside,
            tls: None,
            serving: None,
        };
        desk.serve();
        desk
    }

    /// A desk under TLS.
    pub async fn under(tls: Tls) -> Self {
        let mut desk = Self::open();
        desk.close().await;
        desk.tls = Some(tls);
        desk.serve();
        desk
    }

    /// Opens the door, where it was before.
    pub fn serve(&mut self) {
        let options = Options { tls: self.tls.clone(), ..Options::plain(self.address) };
        let server = Server::open(options).unwrap();
        self.address = server.address();
        let (stopper, stop) = watch::channel(false);
        let writes = Writes {
            desk: Arc::new(process_of_the_desk),
            reserved: ["account", "strategy"].map(str::to_owned).into(),
            outside: self.outside.clone(),
        };
        let clock = Arc::<Standing>::clone(&self.clock);
        let serving = server.serve(Arc::clone(&self.log), clock, self.access(), writes, stop);
        self.serving = Some((stopper, tokio::spawn(serving)));
    }

    /// Closes the door as a desk that stops does.
    pub async fn close(&mut self) {
        let (stopper, serving) = self.serving.take().unwrap();
        stopper.send_replace(true);
        serving.await.unwrap();
    }

    fn access(&self) -> Access {
        let (denials, revoked) = (Arc::clone(&self.denials), Arc::clone(&self.revoked));
        Access {
            authenticate: Arc::new(whose),
            stranger: Arc::new(|_| {}),
            stands: Arc::new(move |caller| {
                let taken_back = revoked.lock().unwrap().contains(caller.actor.as_str());
                if taken_back { Err("this key was taken back".to_owned()) } else { Ok(()) }
            }),
            denied: Arc::new(move |_: &Caller, _: Action, what: &str| {
                denials.lock().unwrap().push(what.to_owned());
            }),
        }
    }

    /// The official client, with a key.
    pub fn client_with(&self, key: &str) -> Client {
        let address = self.address;
        let text =
            format!("kurrentdb://{key}:{key}@{address}?tls=false&discoveryInterval=5&maxDiscoverAttempts=20");
        Client::new(text.parse::<ClientSettings>().unwrap()).unwrap()
    }

    /// The official client, as somebody who may write what is not the desk's.
    pub fn client(&self) -> Client {
        self.client_with("outside")
    }
}

fn process_of_the_desk(caller: &Caller, stream: &StreamId, event_type: &str) -> bool {
    caller.scope.processes.contains(stream.category()) && event_type.starts_with("trading.")
}

/// Keys are the names of processes, or of roles.
fn whose(key: &str, address: &str) -> Result<Caller, String> {
    let role = match key {
        "stranger" => return Err("this is no key of this desk".to_owned()),
        "viewer" => Role::Viewer,
        "auditor" => Role::Auditor,
        "admin" => Role::Admin,
        _ => Role::Service,
    };
    let processes = if role == Role::Service { [key.to_owned()].into() } else { BTreeSet::new() };
    let scope = Scope { actions: BTreeSet::new(), processes };
    let origin = Origin { key_id: Some("0123456789ab".to_owned()), address: address.to_owned() };
    let actor = Actor::try_from(format!("service:{key}")).map_err(|error| error.to_string())?;
    Ok(Caller { actor, role, scope, origin })
}

/// Options as they are when nobody says anything.
pub fn plain<T: Default>() -> T {
    T::default()
}

/// Some events, numbered from 1.
pub fn events(event_type: &str, count: usize) -> Vec<EventData> {
    (1..=count).map(|index| event(event_type, index)).collect()
}

pub fn event(event_type: &str, index: usize) -> EventData {
    EventData::json(event_type, &serde_json::json!({ "index": index })).unwrap()
}

/// The numbers of what a stream shows, oldest first.
pub async fn shown(client: &Client, stream: &str) -> eventstore::Result<Vec<u64>> {
    let options = ReadStreamOptions::default().forwards().position(StreamPosition::Start);
    let mut read = client.read_stream(stream, &options).await?;
    let mut revisions = vec![];
    while let Some(event) = read.next().await? {
        revisions.push(event.get_original_event().revision);
    }
    Ok(revisions)
}
