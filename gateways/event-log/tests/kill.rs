//! A real process on a real disk is killed with SIGKILL two hundred times, wherever it happens to be; what it had
//! acknowledged over a pipe is there each time. And two processes want one directory.
//!
//! This is a program without the usual test harness: with [`WRITER`] in its environment it is the writer.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on has failed")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use stele_domain::ids::EventId;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{
    EventLog, Expected, Filter, LogError, NewRecord, Position, Revision, StreamId,
};
use stele_domain::time::Timestamp;
use stele_event_log::{EmbeddedLog, Options, VerifyOptions, verify};
use uuid::Uuid;

/// Names the directory that the writer writes to.
const WRITER: &str = "STELE_TEST_WRITER";

/// How often the writer is killed; `ops/test --long` does it ten times as often, and `KILLS` says another number.
fn kills() -> u64 {
    let usual = if std::env::var_os("STELE_LONG").is_some() { 2_000 } else { 200 };
    std::env::var("KILLS").map_or(usual, |kills| kills.parse().unwrap())
}

/// Tasks that append at once, each to its own stream.
const TASKS: u64 = 6;

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = std::time::UNIX_EPOCH.elapsed().unwrap();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    if let Some(directory) = std::env::var_os(WRITER) {
        runtime.block_on(write_for_ever(Path::new(&directory)));
    } else {
        runtime.block_on(two_hundred_kills_lose_nothing_acknowledged());
        a_second_process_is_refused_and_told_the_first_ones_pid();
    }
}

fn options() -> Options {
    Options::new(Arc::new(SystemClock)).with_segment_bytes(64 * 1024)
}

fn stream(task: u64) -> StreamId {
    StreamId::new(&format!("task-{task}")).unwrap()
}

/// The `revision`th record of a task, and how large it is, follow from its place. Those of the first task make groups that
/// are hashed and entered beside the writer.
fn offer(task: u64, revision: u64) -> NewRecord {
    let large = if task == 0 { 17_000 } else { 0 };
    let size = large + usize::try_from((task * 131 + revision * 17) % 900).unwrap();
    NewRecord {
        event_id: EventId(Uuid::from_u64_pair(task, revision)),
        event_type: "test.Written".into(),
        data: vec![u8::try_from(revision % 251).unwrap(); size].into(),
        metadata: revision.to_le_bytes().to_vec().into(),
    }
}

/// How many records the append at `revision` has.
fn batch(revision: u64) -> u64 {
    1 + revision % 3
}

/// Appends without end, telling each acknowledged append on standard output: task, first revision, first position.
async fn write_for_ever(directory: &Path) {
    let (log, report) = EmbeddedLog::open(directory, options()).unwrap();
    let log = Arc::new(log);
    say(&format!("open {}", report.head));
    let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(write_one(Arc::clone(&log), task))).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn write_one(log: Arc<EmbeddedLog>, task: u64) {
    let stream = stream(task);
    let read =
        log.read_stream(&stream, Revision(u64::MAX), stele_domain::port::event_log::Direction::Backward, 1);
    let mut next = read.await.unwrap().first().map_or(0, |record| record.revision.0 + 1);
    loop {
        let expected =
            next.checked_sub(1).map_or(Expected::NoStream, |last| Expected::Exactly(Revision(last)));
        let records = (next..next + batch(next)).map(|revision| offer(task, revision)).collect();
        let answer = log.append(&stream, expected, records).await.unwrap();
        say(&format!("kept {task} {next} {}", answer.first));
        next = answer.revision.0 + 1;
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

fn start(directory: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(WRITER, directory).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

async fn two_hundred_kills_lose_nothing_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged: BTreeMap<(u64, u64), Position> = BTreeMap::new();
    for round in 0..kills() {
        let mut child = start(directory.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Between none and a few dozen acknowledgements, then the kill; what is in the pipe still counts.
        let patience = usize::try_from(round * 7 % 40).unwrap();
        let first: Vec<String> = lines.by_ref().take(patience).map(Result::unwrap).collect();
        child.kill().unwrap();
        for line in first.into_iter().chain(lines.map_while(Result::ok)) {
            let mut words = line.split(' ');
            if words.next() == Some("kept") {
                let numbers: Vec<u64> = words.map(|word| word.parse().unwrap()).collect();
                acknowledged.insert((numbers[0], numbers[1]), Position(numbers[2]));
            }
        }
        child.wait().unwrap();
        if round % 20 == 19 || round < 3 {
            check(directory.path(), &acknowledged).await;
        }
    }
    assert!(acknowledged.len() > 1_000, "only {} appends were acknowledged", acknowledged.len());
    println!("{} kills: {} acknowledged appends, all there", kills(), acknowledged.len());
}

/// Everything acknowledged is where it was said to be, and every append is there whole.
async fn check(directory: &Path, acknowledged: &BTreeMap<(u64, u64), Position>) {
    let (log, _) = EmbeddedLog::open(directory, options()).unwrap();
    let mut next: BTreeMap<u64, u64> = BTreeMap::new();
    let mut places = BTreeMap::new();
    let mut from = Position(1);
    loop {
        let page = log.read_all(from, &Filter::all(), 10_000).await.unwrap();
        for record in &page.records {
            let task: u64 = record.stream.as_str().strip_prefix("task-").unwrap().parse().unwrap();
            let revision = next.entry(task).or_default();
            let expected = offer(task, *revision);
            assert_eq!((record.event_id, &record.data), (expected.event_id, &expected.data));
            places.insert((task, *revision), record.position);
            *revision += 1;
        }
        from = page.next;
        if page.caught_up() {
            break;
        }
    }
    for (place, position) in acknowledged {
        assert_eq!(places.get(place), Some(position), "append {place:?} was acknowledged");
    }
    for (task, count) in next {
        let mut whole = 0;
        while whole < count {
            whole += batch(whole);
        }
        assert_eq!(whole, count, "an append of task {task} is half there");
    }
    drop(log);
    let verified = verify(directory, &VerifyOptions::default()).unwrap();
    assert_eq!(verified.stat.events, u64::try_from(places.len()).unwrap());
}

fn a_second_process_is_refused_and_told_the_first_ones_pid() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = start(directory.path());
    let mut lines = BufReader::new(first.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("open"));
    let Err(LogError::Owned { owner, .. }) = EmbeddedLog::open(directory.path(), options()).map(|_| ())
    else {
        panic!("two processes own one log");
    };
    assert_eq!(owner, format!("pid {}", first.id()));
    let second = start(directory.path()).wait_with_output().unwrap();
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("Owned"), "{second:?}");
    // A verification is welcome all the same.
    assert!(verify(directory.path(), &VerifyOptions::default()).unwrap().owned);
    first.kill().unwrap();
    first.wait().unwrap();
    EmbeddedLog::open(directory.path(), options()).unwrap();
    println!("a second process was refused");
}
