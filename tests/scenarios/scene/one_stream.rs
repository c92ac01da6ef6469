//! A log that nobody of the desk owns, behind the door that ships: what touches one stream is kept, what touches several is
//! refused. It counts what it refused and what its door denied, and can be away for a while.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use stele_domain::access::{Action, Caller, Origin, Role, Scope};
use stele_domain::ids::{AccountId, Actor, PairId};
use stele_domain::port::PortFuture;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{
    Appended, Direction, EventLog, Expected, Filter, Follow, LogError, MultiStream, NewRecord, Page,
    Position, Record, Revision, StreamAppend, StreamId,
};
use stele_domain::time::Timestamp;
use stele_event_log::MemoryLog;
use stele_kurrent::{Access, Options, Outside, Server, Writes};
use stele_remote_log::{Process, WriteLists};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The machine's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970");
        Timestamp::from_micros(i64::try_from(since.as_micros()).expect("a clock before 294000"))
    }
}

/// Keeps appends to one stream, and refuses those to several.
pub struct OneStream {
    log: MemoryLog,
    refused: AtomicUsize,
}

impl OneStream {
    /// Appends to several streams that were refused.
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }
}

impl EventLog for OneStream {
    fn append<'a>(
        &'a self,
        stream: &'a StreamId,
        expected: Expected,
        records: Vec<NewRecord>,
    ) -> PortFuture<'a, Result<Appended, LogError>> {
        self.log.append(stream, expected, records)
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        from: Revision,
        direction: Direction,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Record>, LogError>> {
        self.log.read_stream(stream, from, direction, limit)
    }

    fn read_all<'a>(
        &'a self,
        from: Position,
        filter: &'a Filter,
        limit: usize,
    ) -> PortFuture<'a, Result<Page, LogError>> {
        self.log.read_all(from, filter, limit)
    }

    fn head(&self) -> PortFuture<'_, Result<Position, LogError>> {
        self.log.head()
    }

    fn follow(&self, from: Position, filter: Filter) -> Box<dyn Follow> {
        self.log.follow(from, filter)
    }

    fn multi_stream(&self) -> Option<&dyn MultiStream> {
        Some(self)
    }
}

impl MultiStream for OneStream {
    fn append_many(&self, appends: Vec<StreamAppend>) -> PortFuture<'_, Result<Vec<Appended>, LogError>> {
        let streams: BTreeSet<&StreamId> = appends.iter().map(|append| &append.stream).collect();
        if streams.len() > 1 {
            self.refused.fetch_add(1, Ordering::SeqCst);
            let words = "this log takes appends to one stream only".to_owned();
            return Box::pin(std::future::ready(Err(LogError::Invalid(words))));
        }
        match self.log.multi_stream() {
            Some(log) => log.append_many(appends),
            None => Box::pin(std::future::ready(Err(LogError::Stopped("there is no log".to_owned())))),
        }
    }
}

/// The log, and its door on a loopback socket.
pub struct LogOfOthers {
    pub log: Arc<OneStream>,
    pub address: SocketAddr,
    denials: Arc<Mutex<Vec<String>>>,
    serving: Option<(watch::Sender<bool>, JoinHandle<()>)>,
}

impl LogOfOthers {
    /// Opens it for the processes of a desk with this account and pair. Keys are roles, with commas between them.
    pub fn open() -> Self {
        let log = OneStream { log: MemoryLog::new(Arc::new(SystemClock)), refused: AtomicUsize::new(0) };
        let address = "127.0.0.1:0".parse().expect("an address");
        let mut door = Self { log: Arc::new(log), address, denials: Arc::default(), serving: None };
        door.serve();
        door
    }

    /// Opens the door, where it was before.
    pub fn serve(&mut self) {
        let server = Server::open(Options::plain(self.address)).expect("a door");
        self.address = server.address();
        let (stopper, stop) = watch::channel(false);
        let log: Arc<dyn EventLog> = Arc::<OneStream>::clone(&self.log);
        let access = access(Arc::clone(&self.denials));
        let serving = server.serve(log, Arc::new(SystemClock), access, writes(), stop);
        self.serving = Some((stopper, tokio::spawn(serving)));
    }

    /// How many times the door said no in these words.
    pub fn denied(&self, words: &str) -> usize {
        let denials = self.denials.lock().expect("denials");
        denials.iter().filter(|denial| denial.contains(words)).count()
    }

    /// It is away: what is asked is not answered, and nobody listens.
    pub async fn close(&mut self) {
        let (stopper, serving) = self.serving.take().expect("an open door");
        stopper.send_replace(true);
        serving.await.expect("an end");
    }
}

fn writes() -> Writes {
    let account = AccountId::try_from(super::ACCOUNT.to_owned()).expect("an account");
    let pair = PairId::try_from("btc-eure".to_owned()).expect("a pair");
    let lists = WriteLists::of(stele_commands::streams::all(&account, [&pair]).expect("names"));
    let desk = move |caller: &Caller, stream: &StreamId, event_type: &str| {
        let mut roles = caller.scope.processes.iter().filter_map(|name| Process::named(name));
        roles.any(|role| lists.may_append(role, stream, event_type))
    };
    Writes {
        desk: Arc::new(desk),
        reserved: stele_commands::streams::CATEGORIES.map(str::to_owned).into(),
        outside: Outside::Everything,
    }
}

fn access(denials: Arc<Mutex<Vec<String>>>) -> Access {
    Access {
        authenticate: Arc::new(|key, address| {
            let processes: BTreeSet<String> = key.split(',').map(str::to_owned).collect();
            let known = |name: &String| name == "outside" || Process::named(name).is_some();
            if !processes.iter().all(known) {
                return Err("this is no key of this desk".to_owned());
            }
            let scope = Scope { actions: BTreeSet::new(), processes };
            let origin = Origin { key_id: None, address: address.to_owned() };
            let actor = Actor::try_from("service:scenario".to_owned()).map_err(|error| error.to_string())?;
            Ok(Caller { actor, role: Role::Service, scope, origin })
        }),
        stranger: Arc::new(|_| {}),
        stands: Arc::new(|_| Ok(())),
        denied: Arc::new(move |_: &Caller, _: Action, what: &str| {
            denials.lock().expect("denials").push(what.to_owned());
        }),
    }
}
