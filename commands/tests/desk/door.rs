//! A desk with everything that stands behind a door: wishes, gatekeeper, keys, control.

use crate::desk::{Desk, limits, pair, start};
use std::sync::Arc;
use stele_commands::access::{Created, Gatekeeper, Keys, NewKey, Pepper};
use stele_commands::control::{Bells, Control, Wish};
use stele_commands::ledger::Ledger;
use stele_commands::service::ServiceError;
use stele_commands::stop::{Stopper, channel};
use stele_commands::streams;
use stele_commands::wishes::Wishes;
use stele_domain::access::attempt::Attempted;
use stele_domain::access::event::Event as Access;
use stele_domain::access::{Caller, Origin, Role, Scope};
use stele_domain::codec;
use stele_domain::event::{Event, Recorded};
use stele_domain::ids::{Actor, CommandId};
use stele_domain::port::event_log::EventLog;
use stele_domain::trading::account::Command;
use stele_domain::trading::limits::Limits;
use tokio::task::JoinHandle;
use uuid::Uuid;

pub const PEPPER: [u8; 32] = [7; 32];

/// What stands behind the door of one process.
pub struct Door {
    pub desk: Desk,
    pub wishes: Arc<Wishes>,
    pub gatekeeper: Arc<Gatekeeper>,
    pub keys: Keys,
    pub control: Control,
}

/// Its background services.
pub struct Open {
    stopper: Stopper,
    tasks: Vec<JoinHandle<Result<(), ServiceError>>>,
}

impl Open {
    /// Lets them end, which writes down what still waits.
    pub async fn close(self) {
        self.stopper.stop();
        for task in self.tasks {
            task.await.unwrap().unwrap();
        }
    }
}

pub fn caller(role: Role, name: &str) -> Caller {
    let origin = Origin { key_id: Some("0123456789ab".to_owned()), address: "192.0.2.1".to_owned() };
    let actor = Actor::try_from(format!("person:{name}")).unwrap();
    Caller { actor, role, scope: Scope::default(), origin }
}

/// Whoever sits at the machine.
pub fn root() -> Caller {
    let origin = Origin { key_id: None, address: "unix".to_owned() };
    let actor = Actor::try_from("operator:root".to_owned()).unwrap();
    Caller { actor, role: Role::Admin, scope: Scope::default(), origin }
}

/// A wish with an id and a digest of its own.
pub fn wish(caller: Caller, reason: &str) -> Wish {
    let id = Uuid::now_v7();
    Wish { command_id: CommandId(id), digest: id.to_string(), caller, reason: reason.to_owned() }
}

pub fn key_of(owner: &str, role: Role) -> NewKey {
    NewKey {
        owner: owner.to_owned(),
        role,
        scope: Scope::default(),
        expires_at: None,
        label: "test".to_owned(),
    }
}

impl Door {
    pub fn new() -> Self {
        Self::behind(Desk::new())
    }

    /// Another process on the same log.
    pub fn beside(&self) -> Self {
        Self::behind(Desk::on(self.desk.log.clone(), self.desk.clock.clone()))
    }

    pub fn behind(desk: Desk) -> Self {
        let log: Arc<dyn EventLog> = desk.log.clone();
        let wishes = Arc::new(Wishes::new(log.clone(), desk.clock.clone()));
        let gatekeeper = Arc::new(Gatekeeper::new(Pepper::new(PEPPER), wishes.clone()).unwrap());
        let control = Control {
            log: log.clone(),
            account: desk.account.clone(),
            filter: Arc::new(Ledger::new(log, streams::filter().unwrap())),
            board: desk.board.clone(),
            fence: desk.fence.clone(),
            bells: Bells::default(),
            pairs: vec![pair()],
            wishes: wishes.clone(),
            clock: desk.clock.clone(),
        };
        let keys = Keys::new(gatekeeper.clone(), wishes.clone());
        Self { desk, wishes, gatekeeper, keys, control }
    }

    /// Starts the background services.
    pub fn open(&self) -> Open {
        let (stopper, stop) = channel();
        let (wishes, gatekeeper, other) = (self.wishes.clone(), self.gatekeeper.clone(), stop.clone());
        let tasks = vec![
            tokio::spawn(async move { wishes.run(stop).await }),
            tokio::spawn(async move { gatekeeper.run(other).await }),
        ];
        Open { stopper, tasks }
    }

    /// What a restart finds: the same log, and the memory folded from it.
    pub async fn recalled(&self) -> Self {
        let door = self.beside();
        let streams = [Desk::account_stream(), streams::filter().unwrap()];
        door.wishes.recall(&streams).await.unwrap();
        door.gatekeeper.load().await.unwrap();
        door
    }

    /// The text of a new key.
    pub async fn key(&self, owner: &str, role: Role, secret: u8) -> String {
        let made = self.keys.create(wish(root(), "for a test"), key_of(owner, role), [secret; 32]).await;
        let text = if let Created::New { text, .. } = made.unwrap() { Some(text) } else { None };
        text.expect("a new key").reveal().to_owned()
    }

    /// An account that holds a lease, under these limits.
    pub async fn armable(&self, limits: Limits) {
        let lease = Command::TakeLease { holder: "desk-1".to_owned(), ttl_ms: 600_000, at: start() };
        self.desk.account.handle(self.desk.wish(lease)).await.unwrap();
        self.control.set_limits(wish(root(), "first limits"), limits, None, None).await.unwrap();
    }

    /// An account whose limits ask for a second person.
    pub async fn two_people() -> Self {
        let door = Self::new();
        door.armable(Limits { second_person: true, ..limits() }).await;
        door
    }

    /// Every event of this type.
    pub async fn of_type(&self, event_type: &str) -> Vec<Recorded> {
        let mut all = self.desk.history().await;
        all.retain(|recorded| codec::type_of(&recorded.event) == event_type);
        all
    }

    /// Everything that was attempted in vain, as it stands in the log.
    pub async fn attempted(&self) -> Vec<(Recorded, Attempted)> {
        let all = self.of_type("access.Attempted").await.into_iter();
        all.filter_map(|recorded| {
            let Event::Access(Access::Attempted(tried)) = recorded.event.clone() else { return None };
            Some((recorded, tried))
        })
        .collect()
    }
}
