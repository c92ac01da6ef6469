//! An event that tables can't take in, as whoever looks after the desk meets it: parked once through a SIGKILL, listed, shown,
//! retried with a rebuild, skipped.

use crate::support::World;
use stele_domain::event::Meta;
use stele_domain::ids::{Actor, CorrelationId, EventId, derived};
use stele_domain::port::event_log::{EventLog as _, Expected, StreamId};
use stele_domain::time::Timestamp;
use stele_domain::{codec, event::Event};
use stele_event_log::{EmbeddedLog, Options};

/// Adds an event of ours that nobody can read to the log of a desk that is down; where it stands.
fn damaged(world: &World) -> u64 {
    let sample = codec::samples().into_iter().find(|event| matches!(event, Event::Market(_))).unwrap();
    let id = derived("test", &["damaged"]);
    let meta = Meta {
        correlation_id: CorrelationId(id),
        causation_id: None,
        command: None,
        actor: Actor::try_from("service:market".to_owned()).unwrap(),
        origin: None,
        occurred_at: Timestamp::from_millis(1_795_199_078_000),
        schema: codec::SCHEMA_VERSION,
    };
    let mut record = codec::to_record(EventId(id), &sample, &meta).unwrap();
    record.data = std::sync::Arc::from(*b"{\"half\":1}");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = Options::new(std::sync::Arc::new(Still));
        let (log, _) = EmbeddedLog::open(&world.path().join("stele-data/log"), options).unwrap();
        let stream = StreamId::new("price-other").unwrap();
        log.append(&stream, Expected::Any, vec![record]).await.unwrap().last.0
    })
}

struct Still;

impl stele_domain::port::clock::Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_795_199_079_000)
    }
}

/// How many facts say that something is parked.
fn facts(world: &World) -> usize {
    let told = world.stele(&["log", "tail", "--json", "-n", "1000", "--type", "operations.EventParked"]);
    told.exits(0).stdout.lines().count()
}

#[test]
fn an_event_that_nobody_can_read_is_parked_once_and_decided_on() {
    let world = World::quiet().with_key();
    let mut desk = world.serve();
    assert_eq!(desk.signalled("TERM").0, 0);
    let at = damaged(&world).to_string();
    let mut desk = world.serve();
    let of_quotes = ["projections", "parked", "quotes"];
    let listed = world.until(&of_quotes, |run| run.stdout.contains("PARKED")).exits(0).stdout;
    assert!(listed.contains(&at) && listed.contains("can't be read"), "{listed}");
    let parked = facts(&world);
    assert!(parked > 10, "one for each projection: {parked}");
    // The next start folds from zero, meets it again, and has been told.
    desk.signalled("KILL");
    let mut desk = world.serve();
    world.until(&["status"], |run| run.stdout.contains("live, up to date"));
    assert_eq!(facts(&world), parked);

    let page = world.stele(&["status"]).exits(0).stdout;
    assert!(page.contains("live"), "{page}");
    world.stele(&["projections", "show", "quotes", "1"]).exits(1).complains(&["no parked event"]);
    world.stele(&["projections", "skip", "quotes", &at]).exits(2).complains(&["--reason"]);
    world
        .stele(&["projections", "retry", "quotes", "1", "--reason", "nothing there"])
        .exits(3)
        .complains(&["not_parked"]);
    let viewer = world.key("viewer", "eve");
    let skip = ["projections", "skip", "quotes", &at, "--reason", "bytes of a test"];
    desk.remote(&skip, Some(&viewer)).exits(6).complains(&["steer"]);
    let said = world.stele(&skip).exits(0).stdout;
    assert!(said.contains("for good"), "{said}");
    let shown = world.stele(&["projections", "show", "quotes", &at]).exits(0).stdout;
    for word in ["skipped", "bytes of a test", "service:projections", "stele log get"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }

    // Nothing was mended: the rebuild parks it again, and says nothing else of the tables.
    let retry = ["projections", "retry", "quotes", &at, "--reason", "perhaps it fits now"];
    let said = world.stele(&retry).exits(0).stdout;
    assert!(said.contains("swapped"), "{said}");
    let shown = world.stele(&["projections", "parked", "quotes", "--json"]).exits(0).json();
    assert_eq!((&shown["parked"][0]["state"], &shown["parked"][0]["attempt"]), (&"parked".into(), &2.into()));
    world.stele(&["audit", "--report", "report.json"]).exits(0);
    let report = std::fs::read_to_string(world.path().join("report.json")).unwrap();
    assert!(report.contains("\"state\":\"parked\"") || report.contains("\"state\": \"parked\""), "{report}");
    assert_eq!(desk.signalled("TERM").0, 0);
}
