//! Live events.

use crate::desk::asked::arm;
use crate::desk::{Desk, Network, PATIENCE};
use crate::raw::{Raw, get, send};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};
use stele_api::client::new_key;
use stele_api::{Pace, RateOptions};
use stele_domain::access::Role;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{Expected, NewRecord, StreamId};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};

/// One event, as a browser would have it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Heard {
    id: u64,
    name: String,
    data: String,
}

struct Ear<S> {
    lines: BufReader<S>,
}

impl Ear<UnixStream> {
    async fn at(path: &Path, target: &str, headers: &[&str]) -> Self {
        Self::over(UnixStream::connect(path).await.unwrap(), target, headers).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Ear<S> {
    async fn over(mut stream: S, target: &str, headers: &[&str]) -> Self {
        let mut head = format!("GET {target} HTTP/1.1\r\nhost: desk\r\n");
        for header in headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut ear = Self { lines: BufReader::new(stream) };
        let status = ear.line().await;
        assert!(status.starts_with("HTTP/1.1 200"), "{status}");
        while !ear.line().await.is_empty() {}
        ear
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line);
        tokio::time::timeout(PATIENCE, read).await.expect("a line in time").unwrap();
        line.trim_end_matches(['\r', '\n']).to_owned()
    }

    /// The next event. Sizes of chunks stand between them, and carry no colon.
    async fn next(&mut self) -> Heard {
        let mut fields = BTreeMap::new();
        loop {
            let line = self.line().await;
            if line.is_empty() && fields.contains_key("data") {
                break;
            }
            if let Some((name, value)) = line.split_once(": ") {
                fields.insert(name.to_owned(), value.to_owned());
            }
        }
        let mut take = |name: &str| fields.remove(name).unwrap_or_default();
        Heard { id: take("id").parse().unwrap_or(0), name: take("event"), data: take("data") }
    }

    /// The next event that something happened in.
    async fn fact(&mut self) -> Heard {
        loop {
            let heard = self.next().await;
            if !["caught_up", "heartbeat", "fell_behind"].contains(&heard.name.as_str()) {
                return heard;
            }
        }
    }
}

async fn armed(desk: &Desk, reason: &str) -> u64 {
    desk.client.arm(new_key(), &arm(reason)).await.unwrap().answer.log_position.unwrap()
}

#[tokio::test]
async fn what_happens_is_told_with_its_place_and_its_topic() {
    let desk = Desk::ready().await;
    let mut ear = Ear::at(&desk.path, "/v1/stream", &[]).await;
    assert_eq!(ear.next().await.name, "caught_up");
    let position = armed(&desk, "opening the desk").await;
    let heard = ear.next().await;
    assert_eq!((heard.id, heard.name.as_str()), (position, "arming"));
    let data: serde_json::Value = serde_json::from_str(&heard.data).unwrap();
    assert_eq!((&data["type"], &data["position"]), (&"trading.Armed".into(), &position.into()));
    assert_eq!(data["data"]["reason"], "opening the desk");
    assert!(data.get("metadata").is_none(), "who did it is for those who may read the log");
}

#[tokio::test]
async fn whoever_comes_again_goes_on_where_they_were() {
    let desk = Desk::ready().await;
    let positions: Vec<u64> = [
        armed(&desk, "arming number 1").await,
        armed(&desk, "arming number 2").await,
        armed(&desk, "arming number 3").await,
    ]
    .into();
    let mut ear = Ear::at(&desk.path, "/v1/stream?from=1&topics=arming", &[]).await;
    let mut last = 0;
    while last < positions[0] {
        last = ear.fact().await.id;
    }
    assert_eq!(last, positions[0]);
    drop(ear);
    // A browser sends the address that it began with, and the last id that it heard.
    let header = format!("last-event-id: {last}");
    let mut ear = Ear::at(&desk.path, "/v1/stream?from=1&topics=arming", &[&header]).await;
    assert_eq!([ear.fact().await.id, ear.fact().await.id], positions[1..]);
    assert_eq!(ear.next().await.name, "caught_up");
    let position = armed(&desk, "arming number 4").await;
    assert_eq!(ear.next().await.id, position);
}

#[tokio::test]
async fn only_what_is_listened_to_is_heard() {
    let desk = Desk::ready().await;
    let mut ear = Ear::at(&desk.path, "/v1/stream?topics=services,alerts", &[]).await;
    assert_eq!(ear.next().await.name, "caught_up");
    armed(&desk, "opening the desk").await;
    let paused = desk.client.pause(new_key(), "market", "maintenance").await.unwrap().answer.log_position;
    let heard = ear.fact().await;
    assert_eq!((heard.name.as_str(), Some(heard.id)), ("services", paused));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_name() {
    let desk = Desk::ready().await;
    let head = desk.log.head().await.unwrap().0;
    get(&desk.path, "/v1/stream?topics=weather").await.names(400, "topics");
    get(&desk.path, "/v1/stream?from=first").await.names(400, "from");
    get(&desk.path, "/v1/stream?colour=red").await.names(400, "colour");
    let asked = async |header: &str| -> Raw { send(&desk.path, "GET", "/v1/stream", &[header], b"").await };
    asked("last-event-id: abc").await.names(400, "Last-Event-ID");
    asked("last-event-id: -1").await.names(400, "Last-Event-ID");
    let beyond = asked(&format!("last-event-id: {}", head + 1)).await;
    assert_eq!(beyond.problem(409, "position-beyond-head")["log_position"], head);
    get(&desk.path, &format!("/v1/stream?from={}", head + 2)).await.problem(409, "position-beyond-head");
    // The one that comes next may be asked for.
    let mut ear = Ear::at(&desk.path, &format!("/v1/stream?from={}", head + 1), &[]).await;
    assert_eq!(ear.next().await.name, "caught_up");
}

#[tokio::test]
async fn a_slow_listener_misses_nothing_of_more_than_is_remembered() {
    const EVENTS: usize = 6_000;
    let desk = Desk::ready().await;
    let mut slow = Ear::at(&desk.path, "/v1/stream?topics=alerts", &[]).await;
    let mut quick = Ear::at(&desk.path, "/v1/stream?topics=alerts", &[]).await;
    assert_eq!((slow.next().await.name, quick.next().await.name), ("caught_up".into(), "caught_up".into()));
    let stream = StreamId::new("alert-test").unwrap();
    let began = desk.log.head().await.unwrap().0;
    for chunk in 0..EVENTS / 500 {
        let data = |n: usize| format!("{{\"n\":{},\"filler\":\"{}\"}}", chunk * 500 + n, "x".repeat(2_000));
        let record = |n: usize| NewRecord {
            event_id: EventId(new_key()),
            event_type: "operations.AlertRaised".into(),
            data: data(n).into_bytes().into(),
            metadata: b"{}".as_slice().into(),
        };
        desk.log.append(&stream, Expected::Any, (0..500).map(record).collect()).await.unwrap();
    }
    let ids: Vec<u64> = (began + 1..=began + EVENTS as u64).collect();
    for id in &ids {
        assert_eq!(quick.fact().await.id, *id);
    }
    // Only now, when the oldest of them are no longer remembered.
    let mut heard = vec![];
    let mut names = BTreeSet::new();
    while heard.len() < ids.len() {
        let next = slow.next().await;
        heard.extend((next.name == "alerts").then_some(next.id));
        names.insert(next.name);
    }
    assert!(heard == ids, "{} of {}", heard.len(), ids.len());
    assert!(names.contains("fell_behind"), "{names:?}");
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

async fn listeners(net: &Network, key: &str, count: usize) -> Vec<Ear<TcpStream>> {
    let mut ears = Vec::with_capacity(count);
    for _ in 0..count {
        let stream = TcpStream::connect(net.address).await.unwrap();
        let mut ear = Ear::over(stream, "/v1/stream?topics=arming", &[key]).await;
        assert_eq!(ear.next().await.name, "caught_up");
        ears.push(ear);
    }
    ears
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_listen_and_the_desk_still_answers_at_once() {
    const LISTENERS: usize = 5_000;
    /// Both ends are in this process.
    const BYTES_PER_LISTENER_MAX: u64 = 128 * 1024;
    let reads = Pace::new(100_000, 100_000);
    let desk = Desk::ready_paced(RateOptions { reads, ..RateOptions::default() }).await;
    let net = desk.networked().await;
    let key = desk.key("ann", Role::Viewer).await.header();
    let before = resident_bytes();
    let mut ears = listeners(&net, &key, LISTENERS).await;
    let grown = resident_bytes().saturating_sub(before) / LISTENERS as u64;
    assert!(grown < BYTES_PER_LISTENER_MAX, "{grown} bytes per listener");
    let began = Instant::now();
    for _ in 0..50 {
        desk.client.account().await.unwrap();
    }
    assert!(began.elapsed() < Duration::from_secs(5), "50 reads took {:?}", began.elapsed());
    let position = armed(&desk, "opening the desk").await;
    for ear in &mut ears {
        assert_eq!(ear.fact().await.id, position);
    }
    net.stopper.stop();
    tokio::time::timeout(Duration::from_secs(20), net.served).await.expect("over in time").unwrap();
}
