//! An executor whose account grows by so much that its state is due to be written down, behind doors at which it may write
//! none: it trades on while it lives, and goes on where it was after a SIGKILL. On the log of a desk its owner writes the
//! state down, and the executor begins with it; on a log that is nobody's it is refused, and reads more.

use crate::crashes::{Trading, all_ended};
use crate::processes::offers_go_out;
use crate::scene::{ACCOUNT, Fleet, LogOfOthers, Member, NobodysServer, Setup, SystemClock, private, text};
use secrecy::SecretString;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use stele_commands::aggregate::Aggregate as _;
use stele_commands::ledger::{Checked, Ledger};
use stele_commands::snapshots::SNAPSHOT_EVERY;
use stele_commands::streams;
use stele_domain::codec;
use stele_domain::event::Meta;
use stele_domain::ids::{AccountId, Actor, CorrelationId, EventId, derived};
use stele_domain::port::clock::Clock as _;
use stele_domain::port::event_log::{Direction, EventLog, Expected, NewRecord, Revision, StreamId};
use stele_domain::time::Timestamp;
use stele_domain::trading::account::Account;
use stele_domain::trading::account::event::{Event, LeaseRenewed, LeaseTaken};
use stele_eventstore::{Address, EventStoreLog};

/// How much is missing when the executor begins: more than a start and an arming write, and a few seconds of trading.
const MISSING: u64 = 60;
/// What stands in every no to a snapshot of the account.
const SNAPSHOTS: &str = "snapshot-account-";

fn account() -> StreamId {
    let account = AccountId::try_from(ACCOUNT.to_owned()).expect("an account");
    streams::account(&account).expect("a name")
}

fn service(name: &str) -> Actor {
    Actor::try_from(format!("service:{name}")).expect("a name")
}

/// Gives the account the past of an executor that only ever kept its lease, which has run out: a little less than what is
/// written down.
async fn has_a_past(log: &dyn EventLog) {
    let at = SystemClock.now();
    let fact = |n: i64| -> NewRecord {
        let until = Timestamp::from_micros(at.micros() + n);
        let event = if n == 0 {
            Event::LeaseTaken(LeaseTaken { epoch: 1, holder: Member::Executor.name().to_owned(), at, until })
        } else {
            Event::LeaseRenewed(LeaseRenewed { epoch: 1, until })
        };
        let id = EventId(derived("scenario", &["a past", &n.to_string()]));
        let meta = Meta {
            correlation_id: CorrelationId(id.0),
            causation_id: None,
            command: None,
            actor: service("executor"),
            origin: None,
            occurred_at: at,
            schema: codec::SCHEMA_VERSION,
        };
        codec::to_record(id, &Account::wrap(event), &meta).expect("a record")
    };
    let count = i64::try_from(SNAPSHOT_EVERY - MISSING).expect("a number");
    let facts = (0..count).map(fact).collect();
    log.append(&account(), Expected::NoStream, facts).await.expect("a past");
}

/// Waits until the account has as many records as make its state due.
async fn is_due(fleet: &Fleet, log: &dyn EventLog) {
    let stream = account();
    let grown = async || {
        fleet.scene.arm_if_disarmed().await;
        let newest = log.read_stream(&stream, Revision(u64::MAX), Direction::Backward, 1).await.ok()?;
        (newest.first()?.revision.next().0 >= SNAPSHOT_EVERY).then_some(())
    };
    fleet.scene.until("an account that is due to be written down", grown).await;
}

/// Waits until the account's state stands beside its stream. It must be what the stream leads to from its first record.
async fn is_written_down(fleet: &Fleet, log: &EventStoreLog) {
    let log: Arc<dyn EventLog> = Arc::new(log.clone());
    let (ledger, who) = (Ledger::<Account>::new(log, account()), service("scenario"));
    let same = async || match ledger.check_snapshot(&who, SystemClock.now(), Duration::ZERO).await {
        Ok(Checked::Same(last)) => Some(last),
        Ok(Checked::None) | Err(_) => None,
        Ok(Checked::Differs { last, .. }) => panic!("what is written up to {} is another state", last.0),
    };
    let last = fleet.scene.until("an account that is written down", same).await;
    assert!(last.next().0 >= SNAPSHOT_EVERY, "written down too early, up to {}", last.0);
}

/// Ends the executor with SIGKILL and starts it again: it has a lease after the one before, makes offers, and lives.
async fn comes_back(fleet: &mut Fleet, when: &str) {
    let epoch = async || Some(fleet.scene.client.account().await.ok()?.account.lease?.epoch);
    let before = fleet.scene.until("a lease", epoch).await;
    fleet.restart(Member::Executor).await;
    let next = async || {
        let lease = fleet.scene.client.account().await.ok()?.account.lease?;
        (lease.epoch > before).then_some(())
    };
    fleet.scene.until(&format!("a lease of the executor that came back {when}"), next).await;
    offers_go_out(fleet, &format!("of the executor that came back {when}")).await;
    assert!(fleet.executor.runs(), "it came back {when} and has ended:\n{}", fleet.last_words());
}

/// The log through the door of its owner, with the executor's key.
fn as_the_executor(fleet: &Fleet) -> EventStoreLog {
    let file = fleet.scene.file(&format!("{}.key", Member::Executor.name()));
    let key = std::fs::read_to_string(file).expect("a key");
    let key = SecretString::from(key.trim().to_owned());
    let [_, kurrent] = &fleet.wires;
    EventStoreLog::new(&Address::read(kurrent, Some(&key)).expect("an address")).expect("a log")
}

/// Has the executor go by this server instead of the door, from its next start on.
fn goes_by(fleet: &Fleet, server: SocketAddr, door: SocketAddr) {
    let config = fleet.executor.config();
    let before = std::fs::read_to_string(config).expect("a configuration");
    let after = before.replace(&format!("//{door}?"), &format!("//{server}?"));
    assert_ne!(after, before, "the executor has another address");
    private(config, &after);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_executor_at_the_owners_door_outlives_a_snapshot_and_begins_with_the_owners_after_a_sigkill() {
    let mut fleet = Fleet::prepared_over_kurrent(Setup::default()).await;
    fleet.start(Member::Owner);
    let log = as_the_executor(&fleet);
    fleet.scene.until("the owner's door answers", async || log.head().await.ok()).await;
    has_a_past(&log).await;
    for member in [Member::Strategy, Member::Executor, Member::Front] {
        fleet.start(member);
    }
    fleet.sees().await;
    fleet.scene.set_limits().await;
    fleet.scene.arm().await;
    let traffic = Trading::begin(&fleet.scene);
    is_due(&fleet, &log).await;
    offers_go_out(&fleet, "when its state is due").await;

    // Whoever writes states down looks at its start whether one is due, and then every minute: first an executor for which
    // one is, then the owner, then an executor that finds the owner's.
    comes_back(&mut fleet, "while nobody has written its state down").await;
    fleet.restart(Member::Owner).await;
    is_written_down(&fleet, &log).await;
    offers_go_out(&fleet, "when its state is written down").await;
    assert!(fleet.executor.runs(), "the executor has ended:\n{}", fleet.last_words());
    comes_back(&mut fleet, "to what the owner has written down").await;
    traffic.end();
    all_ended(&fleet.scene).await;
    fleet.scene.at_most_once().await;
    is_written_down(&fleet, &log).await;
    assert!(fleet.executor.runs(), "the executor has ended:\n{}", fleet.last_words());

    // It took what the owner wrote for its own state, and did not try to write there itself.
    let words = fleet.executor.words();
    assert!(!words.contains("\"snapshot."), "{words}");
    let attempts = fleet.scene.events("access.Attempted").await;
    assert!(!attempts.iter().any(|attempt| text(attempt, "detail").contains(SNAPSHOTS)), "{attempts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_executor_that_is_refused_its_snapshots_trades_on_and_does_so_again_after_a_sigkill() {
    let door = LogOfOthers::open();
    has_a_past(&*door.log).await;
    let mut fleet = Fleet::armed_on_a_log_of_others(Setup::default(), door.address.port()).await;
    let traffic = Trading::begin(&fleet.scene);
    is_due(&fleet, &*door.log).await;
    offers_go_out(&fleet, "when its state is due").await;

    let server = NobodysServer::before(door.address);
    goes_by(&fleet, server.address, door.address);
    for life in ["second", "third"] {
        let before = door.denied(SNAPSHOTS);
        comes_back(&mut fleet, &format!("to its {life} life")).await;
        let refused = async || (door.denied(SNAPSHOTS) > before).then_some(());
        fleet.scene.until(&format!("the refusal of a snapshot in its {life} life"), refused).await;
        offers_go_out(&fleet, &format!("after it was refused a snapshot in its {life} life")).await;
        assert!(fleet.executor.runs(), "it has ended in its {life} life:\n{}", fleet.last_words());
    }
    traffic.end();
    all_ended(&fleet.scene).await;
    fleet.scene.at_most_once().await;
    assert!(fleet.executor.runs(), "the executor has ended:\n{}", fleet.last_words());

    let snapshots = streams::snapshot(&account()).expect("a name");
    let kept = door.log.read_stream(&snapshots, Revision(0), Direction::Forward, 1).await.expect("a page");
    assert!(kept.is_empty(), "somebody wrote a snapshot: {kept:?}");
    let words = fleet.executor.words();
    assert_eq!(words.matches("\"snapshot.refused\"").count(), 2, "it says so once in a life:\n{words}");
}
