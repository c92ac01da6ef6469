//! SIGKILL at any moment: a desk that takes appends from a client of others, and commands that copy a log.

use crate::disks::a_log;
use crate::support::{Desk, World, command, run};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{EventLog as _, Expected, NewRecord, Revision, StreamId};
use stele_event_log::{ExportOptions, VerifyOptions, export, verify};
use stele_eventstore::{Address, EventStoreLog};
use tokio::runtime::Runtime;
use uuid::Uuid;

/// Clients that append at once, each to its own stream.
const CLIENTS: u64 = 4;
/// Moments at which a copy is killed, spread over the time that one takes.
const MOMENTS: u32 = 9;
/// Longest wait for an acknowledgement.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often the desk is killed; `KILLS` says another number.
fn kills() -> u64 {
    let usual = if std::env::var_os("STELE_LONG").is_some() { 100 } else { 8 };
    std::env::var("KILLS").map_or(usual, |kills| kills.parse().unwrap())
}

/// An append that was acknowledged: client, first revision, first position.
type Kept = (u64, u64, u64);

/// How many records the append at `revision` has.
fn batch(revision: u64) -> u64 {
    1 + revision % 3
}

fn record(client: u64, revision: u64) -> NewRecord {
    NewRecord {
        event_id: EventId(Uuid::from_u64_pair(client + 1, revision)),
        event_type: "test.Written".into(),
        data: format!("{{\"revision\":{revision}}}").into_bytes().into(),
        metadata: b"{}".as_slice().into(),
    }
}

/// Appends until it is refused, telling what is acknowledged.
async fn append(log: Arc<EventStoreLog>, client: u64, mut next: u64, kept: Sender<Kept>) {
    let stream = StreamId::new(&format!("load-{client}")).unwrap();
    loop {
        let expected =
            next.checked_sub(1).map_or(Expected::NoStream, |last| Expected::Exactly(Revision(last)));
        let records = (next..next + batch(next)).map(|revision| record(client, revision)).collect();
        let Ok(answer) = log.append(&stream, expected, records).await else { return };
        if kept.send((client, next, answer.first.0)).is_err() {
            return;
        }
        next = answer.revision.0 + 1;
    }
}

/// Where each record of the clients is, by what the files say: client and revision, to its position.
fn there(log: &Path) -> BTreeMap<(u64, u64), u64> {
    let mut lines = vec![];
    export(log, &ExportOptions::default(), &mut lines).unwrap();
    let lines = String::from_utf8(lines).unwrap();
    let events = lines.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let event = line.get("event")?;
        let client: u64 = event["stream"].as_str()?.strip_prefix("load-")?.parse().ok()?;
        let revision = event["revision"].as_u64()?;
        assert_eq!(event["id"].as_str(), Some(&*record(client, revision).event_id.0.to_string()));
        Some(((client, revision), event["position"].as_u64()?))
    });
    events.collect()
}

/// A desk with a door for clients of others, and the key of one.
fn served() -> (World, String) {
    let world = World::quiet();
    let file = world.path().join("stele.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    let more = "[kurrent]\nlisten = \"127.0.0.1:0\"\ncategories = [\"*\"]\n[log]\nsegment_bytes = 65536\n";
    std::fs::write(&file, format!("{settings}\n{more}")).unwrap();
    let mut desk = world.serve();
    let key = world.path().join("load.key");
    let create = ["keys", "create", "--role", "service", "--owner", "load", "--process", "outside", "--out"];
    world.stele(&[&create[..], &[key.to_str().unwrap()]].concat()).exits(0);
    assert_eq!(desk.signalled("TERM").0, 0);
    (world, std::fs::read_to_string(key).unwrap().trim().to_owned())
}

/// Starts the clients of a desk that is ready, each where its stream ends.
fn load(runtime: &Runtime, desk: &mut Desk, key: &str, ends: &BTreeMap<u64, u64>) -> Receiver<Kept> {
    let address = desk.logged("kurrent.listening")["address"].as_str().unwrap().to_owned();
    let (sender, kept) = channel();
    let address = format!("kurrentdb://{address}?tls=false");
    let address = Address::read(&address, Some(&key.to_owned().into())).unwrap();
    let _inside = runtime.enter();
    let log = Arc::new(EventStoreLog::new(&address).unwrap());
    for client in 0..CLIENTS {
        let next = ends.get(&client).copied().unwrap_or_default();
        runtime.spawn(append(Arc::clone(&log), client, next, sender.clone()));
    }
    kept
}

#[test]
fn a_desk_that_is_killed_while_clients_append_loses_nothing_that_it_acknowledged() {
    let (world, key) = served();
    let log = world.path().join("stele-data/log");
    let (mut acknowledged, mut ends) = (BTreeMap::new(), BTreeMap::new());
    for round in 0..kills() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let mut desk = Desk::start(command(world.path(), &["serve"]));
        // Some are killed before they are ready, in the middle of a recovery for all we know.
        if round % 4 == 3 {
            desk.logged("log.opened");
            desk.signalled("KILL");
        } else {
            let kept = load(&runtime, &mut desk, &key, &ends);
            let patience = usize::try_from(1 + round * 37 % 400).unwrap();
            let first: Vec<Kept> = (0..patience).map(|_| kept.recv_timeout(PATIENCE).unwrap()).collect();
            desk.signalled("KILL");
            runtime.shutdown_timeout(PATIENCE);
            // What was on its way to us when it died was acknowledged, too.
            for (client, revision, position) in first.into_iter().chain(kept.try_iter()) {
                acknowledged.insert((client, revision), position);
            }
        }
        verify(&log, &VerifyOptions::default()).unwrap();
        let there = there(&log);
        for (place, position) in &acknowledged {
            assert_eq!(there.get(place), Some(position), "append {place:?} was acknowledged, round {round}");
        }
        ends = BTreeMap::new();
        for (client, revision) in there.keys() {
            ends.insert(*client, revision + 1);
        }
        for (client, end) in &ends {
            let mut whole = 0;
            while whole < *end {
                whole += batch(whole);
            }
            assert_eq!(whole, *end, "an append of client {client} is half there, round {round}");
        }
    }
    let wanted = usize::try_from(kills() * 20).unwrap();
    assert!(acknowledged.len() > wanted, "only {} appends were acknowledged", acknowledged.len());
    println!("{} kills of a desk: {} acknowledged appends, all there", kills(), acknowledged.len());
    world.stele(&["log", "verify"]).exits(0);
}

/// Runs a command to its end, or kills it after a while; how long it took.
#[expect(clippy::disallowed_methods, reason = "the moment of the kill is what is tried")]
fn killed(world: &World, args: &[&str], after: Option<Duration>) -> Duration {
    let began = Instant::now();
    let mut child = command(world.path(), args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    if let Some(after) = after {
        std::thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
    } else {
        assert!(child.wait().unwrap().success(), "{args:?}");
    }
    began.elapsed()
}

#[test]
fn a_copy_whose_making_is_killed_is_there_whole_or_not_at_all() {
    let (world, data) = a_log();
    let (data, log) = (data.to_str().unwrap(), data.join("log"));
    killed(&world, &["log", "backup", "kept", "--data", data], None);
    let events = verify(&log, &VerifyOptions::default()).unwrap().stat.events;
    let (mut whole, mut unfinished) = (0, 0);
    for kind in ["backup", "restore", "import"] {
        let args = |target: &'static str| match kind {
            "backup" => vec!["log", "backup", target, "--data", data, "--copy"],
            "restore" => vec!["log", "restore", "kept", "--data-dir", target],
            _ => vec!["log", "import", "lines", "--data-dir", target],
        };
        let took = killed(&world, &args("first"), None);
        for moment in 0..MOMENTS {
            killed(&world, &args("copy"), Some(took * moment / MOMENTS));
            let (copy, left) = (world.path().join("copy"), world.path().join("copy.unfinished"));
            if copy.exists() {
                whole += 1;
            } else if left.exists() {
                unfinished += 1;
                let again = run(command(world.path(), &args("copy")));
                assert!(again.code == 5 && again.stderr.contains("has not finished"), "{kind}: {again:?}");
                std::fs::remove_dir_all(&left).unwrap();
            }
            if !copy.exists() {
                killed(&world, &args("copy"), None);
            }
            let copied = verify(&copy.join("log"), &VerifyOptions::default()).unwrap();
            assert_eq!(copied.stat.events, events, "{kind}");
            std::fs::remove_dir_all(&copy).unwrap();
            // The log that it was made of is what it was.
            assert_eq!(verify(&log, &VerifyOptions::default()).unwrap().stat.events, events);
        }
        std::fs::remove_dir_all(world.path().join("first")).unwrap();
    }
    assert!(unfinished > 0, "{unfinished} copies were killed while they were made, {whole} were whole");
}
