//! A desk to knock at.

#[path = "asked.rs"]
pub mod asked;
#[path = "away.rs"]
mod away;
#[path = "lacking.rs"]
pub mod lacking;
#[path = "neighbour.rs"]
pub mod neighbour;

use away::Absent;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stele_api::client::Client;
use stele_api::{
    Api, AuditDone, AuditFailed, AuditProgress, AuditWanted, Auditor, Audits, Build, Doors, LogAdmin,
    LogStat, RateOptions, RoleHealth, TcpDoor, TcpOptions, UnixDoor, dto, router_beside,
};
use stele_commands::access::{Created, Gatekeeper, Keys, NewKey, Pepper};
use stele_commands::control::{Bells, Control, Wish};
use stele_commands::envelope::Envelope;
use stele_commands::fence::Fence;
use stele_commands::ledger::Ledger;
use stele_commands::service::Board;
use stele_commands::stop::{self, Stop, Stopper};
use stele_commands::streams;
use stele_commands::wishes::Wishes;
use stele_domain::access::{Caller, Origin, Role, Scope};
use stele_domain::ids::{AccountId, Actor, CommandId, CorrelationId, PairId, TokenId};
use stele_domain::money::Asset;
use stele_domain::operations::alert::event::Kind;
use stele_domain::operations::alert::{self, Alert};
use stele_domain::operations::service::event::Service;
use stele_domain::pair::{Pair, Side};
use stele_domain::port::PortFuture;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, LogError};
use stele_domain::port::read_store::ReadStore;
use stele_domain::port::state_store::{Histories, StateStore};
use stele_domain::time::Timestamp;
use stele_domain::trading::account::{self, Account};
use stele_event_log::MemoryLog;
use stele_projections::past::{Keeper, KeeperOptions, Opener, Past, PastOptions};
use stele_projections::rebuild::{Rebuilder, Rebuilds};
use stele_projections::runner::{Handle, Options, Runner, State};
use stele_projections::{models, schemas};
use stele_read_store::{MemoryStore, Orders, RUN_MEMORY_BYTES_MIN, RunOptions, RunStore, States};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Nothing in these tests takes this long unless something hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Moved by hand.
pub struct HandClock(AtomicI64);

impl HandClock {
    pub fn advance_ms(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

/// A clock at the beginning of every story here.
pub fn hand_clock() -> Arc<HandClock> {
    Arc::new(HandClock(AtomicI64::new(1_790_000_000_000)))
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// The memory log signs nothing.
struct Plain(Arc<dyn EventLog>, Uuid);

impl LogAdmin for Plain {
    fn stat(&self) -> PortFuture<'_, Result<LogStat, LogError>> {
        Box::pin(async {
            let head = self.0.head().await?;
            let (log, categories) = (self.1, BTreeMap::from([("account".to_owned(), head.0)]));
            Ok(LogStat {
                log,
                events: head.0,
                commits: head.0,
                bytes: 0,
                streams: 1,
                segments: 0,
                head,
                categories,
                growth: vec![],
                archive: None,
            })
        })
    }

    fn checkpoint(&self) -> PortFuture<'_, Result<Option<String>, LogError>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

pub struct Desk {
    pub client: Client,
    pub path: PathBuf,
    pub log: Arc<dyn EventLog>,
    pub control: Arc<Control>,
    pub clock: Arc<HandClock>,
    pub runner: Handle,
    pub healthy: Arc<AtomicBool>,
    /// What a role that runs says of itself.
    pub remark: Arc<Mutex<String>>,
    pub stopper: Stopper,
    pub served: JoinHandle<()>,
    /// Whether the tables are away.
    pub away: Arc<AtomicBool>,
    /// Whether they hang.
    pub hanging: Arc<AtomicBool>,
    /// Whether somebody put a row among them that no build writes.
    pub odd: Arc<AtomicBool>,
    pub gatekeeper: Arc<Gatekeeper>,
    pub keys: Arc<Keys>,
    pub wishes: Arc<Wishes>,
    /// Lets an audit end.
    pub audits: Arc<Notify>,
    pub past: Arc<Past>,
    router: axum::Router,
    dir: TempDir,
}

fn health(running: &AtomicBool, remark: &Mutex<String>) -> Vec<RoleHealth> {
    let running = running.load(Ordering::SeqCst);
    let remark = remark.lock().unwrap().clone();
    let why = if running { remark } else { "the price feed panicked".to_owned() };
    vec![RoleHealth { service: Service::Market, running, why }]
}

/// The past of a desk whose histories keep few events.
fn past(log: &Arc<dyn EventLog>, live: Arc<dyn ReadStore>) -> Arc<Past> {
    let options = PastOptions { history_events_min: 3, ..PastOptions::default() };
    Past::new(log.clone(), live, Histories::Keep, models::ALL, options)
}

fn done(report: String) -> AuditDone {
    AuditDone { verdict: "agrees".to_owned(), looked_at_all: true, report }
}

/// Audits that end when they are let, and come to nothing for one projection.
fn auditor(end: Arc<Notify>) -> Auditor {
    Arc::new(move |wanted: AuditWanted, progress: Arc<AuditProgress>| {
        let end = end.clone();
        Box::pin(async move {
            progress.says("counting", 3, 7);
            end.notified().await;
            match wanted.projection.as_deref() {
                Some("demands") => Err(AuditFailed { why: "the disk is gone".to_owned(), exit_code: 10 }),
                // A report of more than 4 MiB, for one projection.
                Some("quotes") => Ok(done(format!("{{\"by\":{:?}}}\n", "una".repeat(2 * 1024 * 1024)))),
                _ => Ok(done(format!("{{\"by\":{:?}}}\n", wanted.by))),
            }
        })
    })
}

pub fn pair() -> Pair {
    let side = |symbol: &str, decimals, token: &str| Side {
        asset: Asset { symbol: symbol.to_owned(), decimals },
        tokens: vec![TokenId::try_from(token.to_owned()).unwrap()],
    };
    Pair {
        id: PairId::try_from("btc-eure".to_owned()).unwrap(),
        base: side("BTC", 8, "nep141:nbtc.bridge.near"),
        quote: side("EURe", 18, "nep141:gnosis-eure.omft.near"),
    }
}

fn control(log: &Arc<dyn EventLog>, clock: &Arc<HandClock>, wishes: &Arc<Wishes>) -> Control {
    let account = AccountId::try_from("desk.near".to_owned()).unwrap();
    Control {
        log: Arc::clone(log),
        account: Arc::new(Ledger::new(Arc::clone(log), streams::account(&account).unwrap())),
        filter: Arc::new(Ledger::new(Arc::clone(log), streams::filter().unwrap())),
        board: Arc::new(Board::new(log).unwrap()),
        fence: Fence::default(),
        bells: Bells::default(),
        pairs: vec![pair()],
        wishes: Arc::clone(wishes),
        clock: clock.clone(),
    }
}

fn rebuilds(
    log: &Arc<dyn EventLog>,
    memory: Arc<MemoryStore>,
    clock: &Arc<HandClock>,
    runner: &Handle,
) -> Rebuilds {
    let rebuilder = Rebuilder {
        log: log.clone(),
        live: memory.clone(),
        tables: memory.clone(),
        clock: clock.clone(),
        runner: Some(runner.clone()),
        options: stele_projections::rebuild::Options::default(),
    };
    Rebuilds::new(memory, Some(rebuilder))
}

impl Desk {
    /// A desk whose projections run.
    pub async fn open() -> Self {
        let desk = Self::with_resting_tables().await;
        desk.runner.resume();
        desk
    }

    /// Keeps a past state of the tables every so many events from now on.
    pub async fn keep_past(&self, every_events: u64) {
        let options = RunOptions {
            memory_bytes: RUN_MEMORY_BYTES_MIN,
            histories: Histories::PassBy,
            states: States::Every,
            orders: Orders::All,
        };
        let states = RunStore::open(self.dir.path(), &schemas(models::ALL), options).unwrap();
        let open: Opener = Arc::new(move |_| Ok(Arc::new(states.clone()) as Arc<dyn StateStore>));
        let options = KeeperOptions { every_events, rest_percent: 0, ..KeeperOptions::default() };
        let (keeper, end) = Keeper::new(self.past.clone(), open, options);
        tokio::spawn(async move {
            keeper.run().await;
            drop(end);
        });
        while self.past.states().is_err() {
            tokio::task::yield_now().await;
        }
    }

    /// A desk whose projections wait to be told to run.
    pub async fn with_resting_tables() -> Self {
        Self::made(RateOptions::default(), 7).await
    }

    async fn made(rates: RateOptions, name: u128) -> Self {
        let clock = hand_clock();
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new(clock.clone()));
        let owner = Arc::new(Plain(log.clone(), Uuid::from_u128(name)));
        Self::over(rates, clock, log, owner).await
    }

    /// A desk over a log of one's own.
    pub async fn over(
        rates: RateOptions,
        clock: Arc<HandClock>,
        log: Arc<dyn EventLog>,
        log_admin: Arc<dyn LogAdmin>,
    ) -> Self {
        let away = Arc::new(AtomicBool::new(false));
        let memory = Arc::new(MemoryStore::new(&schemas(models::ALL)).unwrap());
        let store = Arc::clone(&memory);
        let hanging = Arc::new(AtomicBool::new(false));
        let odd = Arc::new(AtomicBool::new(false));
        let store =
            Arc::new(Absent { store, away: away.clone(), hanging: hanging.clone(), odd: odd.clone() });
        let (runner, handle) =
            Runner::new(log.clone(), store.clone(), clock.clone(), models::ALL, Options::default());
        tokio::spawn(runner.run());
        until(&handle, |state| *state != State::Starting).await;
        handle.pause();
        until(&handle, |state| *state == State::Paused).await;
        let wishes = Arc::new(Wishes::new(log.clone(), clock.clone()));
        let gatekeeper = Arc::new(Gatekeeper::new(Pepper::new([7; 32]), wishes.clone()).unwrap());
        gatekeeper.load().await.unwrap();
        let keys = Arc::new(Keys::new(gatekeeper.clone(), wishes.clone()));
        let control = Arc::new(control(&log, &clock, &wishes));
        let (stopper, stop) = stop::channel();
        let (healthy, audits) = (Arc::new(AtomicBool::new(true)), Arc::new(Notify::new()));
        let remark = Arc::new(Mutex::new(String::new()));
        let (seen, said) = (healthy.clone(), remark.clone());
        let past = past(&log, store.clone());
        let api = Api {
            rebuilds: rebuilds(&log, memory, &clock, &handle),
            control: control.clone(),
            gatekeeper: gatekeeper.clone(),
            keys: keys.clone(),
            doors: Doors::new(rates),
            store,
            past: Some(past.clone()),
            log: log.clone(),
            log_admin,
            audits: Audits::new(Some(auditor(audits.clone())), clock.clone()),
            projections: Some(handle.clone()),
            health: Arc::new(move || health(&seen, &said)),
            metrics: Arc::new(|| "desk_up 1\n".to_owned()),
            clock: clock.clone(),
            build: Build { version: "0.1.0".to_owned(), instance: "desk-1".to_owned() },
        };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.sock");
        let door = UnixDoor::open(&path).await.unwrap();
        let router = router_beside(api, Some(neighbour::neighbour()));
        let served = tokio::spawn(door.serve(router.clone(), stop));
        let client = Client::unix(&path);
        Self {
            client,
            path,
            log,
            control,
            clock,
            runner: handle,
            healthy,
            remark,
            stopper,
            served,
            away,
            hanging,
            odd,
            gatekeeper,
            keys,
            wishes,
            audits,
            past,
            router,
            dir,
        }
    }

    /// A desk that could be armed: an executor holds the lease, limits are set, every service was started.
    pub async fn ready() -> Self {
        Self::made(RateOptions::default(), 7).await.readied().await
    }

    /// The same on a log of another name.
    pub async fn ready_as(name: u128) -> Self {
        Self::made(RateOptions::default(), name).await.readied().await
    }

    /// The same, whose callers may ask this fast.
    pub async fn ready_paced(rates: RateOptions) -> Self {
        Self::made(rates, 7).await.readied().await
    }

    async fn readied(self) -> Self {
        let desk = self;
        desk.runner.resume();
        desk.take_lease().await;
        for service in Service::ALL {
            desk.control.board.start(service, "0.1.0", "desk-1", &*desk.clock).await.unwrap();
        }
        let wish = dto::SetLimits {
            limits: asked::limits(),
            limits_version: None,
            effective_from: None,
            reason: "first limits".to_owned(),
        };
        desk.client.set_limits(Uuid::now_v7(), &wish).await.unwrap();
        desk
    }

    /// The router without its door.
    pub fn router(&self) -> axum::Router {
        self.router.clone()
    }

    /// Attempts are written down from now on, and keys that others revoke are heard of.
    pub fn audited(&self, stop: &Stop) {
        let (wishes, gatekeeper) = (self.wishes.clone(), self.gatekeeper.clone());
        let (one, other) = (stop.clone(), stop.clone());
        tokio::spawn(async move { wishes.run(one).await });
        tokio::spawn(async move { gatekeeper.run(other).await });
    }

    /// A door to the network, in the clear, and the way to close it.
    pub async fn networked(&self) -> Network {
        self.network(TcpOptions::plain(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))).await
    }

    pub async fn network(&self, options: TcpOptions) -> Network {
        let (stopper, stop) = stop::channel();
        let door = TcpDoor::open(options).await.unwrap();
        let address = door.address();
        let served = tokio::spawn(door.serve(self.router(), stop.clone()));
        Network { address, stopper, stop, served }
    }

    /// A key of this owner: two keys of one owner are one person.
    pub async fn key(&self, owner: &str, role: Role) -> Key {
        self.key_until(owner, role, None).await
    }

    pub async fn key_until(&self, owner: &str, role: Role, expires_at: Option<Timestamp>) -> Key {
        let new = NewKey {
            owner: owner.to_owned(),
            role,
            scope: Scope::default(),
            expires_at,
            label: "a test".to_owned(),
        };
        let id = Uuid::now_v7();
        let mut secret = [0; 32];
        secret[..16].copy_from_slice(id.as_bytes());
        match self.keys.create(admin("making a key"), new, secret).await.unwrap() {
            Created::New { key_id, text, .. } => Key { id: key_id, text: text.reveal().to_owned() },
            other @ Created::Before { .. } => panic!("{other:?}"),
        }
    }

    pub async fn take_lease(&self) {
        let at = self.clock.now();
        let command = account::Command::TakeLease { holder: "desk-1".to_owned(), ttl_ms: 3_600_000, at };
        let id = Uuid::now_v7();
        let envelope = Envelope::<<Account as stele_domain::decider::Decider>::Command> {
            command_id: CommandId(id),
            digest: None,
            actor: Actor::try_from("service:executor".to_owned()).unwrap(),
            origin: None,
            correlation_id: CorrelationId(id),
            causation_id: None,
            occurred_at: at,
            command,
        };
        self.control.account.handle(envelope).await.unwrap();
        // The executor is in this process: closing its fence is the proof of a kill.
        self.control.fence.hold(1);
    }

    /// Something needs a person, as the alert watch says it.
    pub async fn raise(&self, kind: Kind, detail: &str) {
        let stream = streams::alert(kind).unwrap();
        let ledger: Ledger<Alert> = Ledger::new(Arc::clone(&self.log), stream);
        let (id, at) = (Uuid::now_v7(), self.clock.now());
        let envelope = Envelope::<alert::Command> {
            command_id: CommandId(id),
            digest: None,
            actor: Actor::try_from("service:alerts".to_owned()).unwrap(),
            origin: None,
            correlation_id: CorrelationId(id),
            causation_id: None,
            occurred_at: at,
            command: alert::Command::Raise { kind, cause: None, detail: detail.to_owned(), at },
        };
        ledger.handle(envelope).await.unwrap();
    }

    /// A client whose reads show all that is in the log now.
    pub async fn current(&self) -> Client {
        self.client.at_least(self.log.head().await.unwrap().0)
    }
}

/// A door to the network that is open.
pub struct Network {
    pub address: SocketAddr,
    pub stopper: Stopper,
    pub stop: Stop,
    pub served: JoinHandle<()>,
}

/// A key, as it was shown once.
pub struct Key {
    pub id: String,
    pub text: String,
}

impl Key {
    pub fn header(&self) -> String {
        format!("authorization: Bearer {}", self.text)
    }
}

/// A wish of whoever stands at the machine.
pub fn admin(reason: &str) -> Wish {
    let origin = Origin { key_id: None, address: "unix".to_owned() };
    let actor = Actor::try_from("operator:root".to_owned()).unwrap();
    Wish {
        command_id: CommandId(Uuid::now_v7()),
        digest: "a digest".to_owned(),
        caller: Caller { actor, role: Role::Admin, scope: Scope::default(), origin },
        reason: reason.to_owned(),
    }
}

/// Waits until the runner says so.
pub async fn until(runner: &Handle, wanted: impl Fn(&State) -> bool) {
    let seen = async {
        while !wanted(&runner.status().state) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.expect("the runner gets there");
}
