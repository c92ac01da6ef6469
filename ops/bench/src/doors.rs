//! What the doors withstand: reads by the thousand, a command until it is durable, a read of one's own write, and
//! many watchers beside a loop that must not feel them.

use crate::desk::{Desk, Ground};
use crate::disk::Disk;
use crate::door::{Door, reads};
use crate::evidence::{Evidence, Way};
use crate::figures::{Micros, millis};
use crate::watchers::Watchers;
use crate::{Place, settings, traffic};
use anyhow::Context;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stele_domain::time::Timestamp;
use stele_proto::api::v1 as pb;
use stele_proto::api::v1::control_service_client::ControlServiceClient;
use stele_simulator::{Handle, Requests};
use tokio::time::sleep;
use tonic::transport::Endpoint;
use uuid::Uuid;

/// Traffic before the reading, so that there are decisions to read.
const FILL: Duration = Duration::from_secs(5);
/// Quotes a second: what `respond` measures at.
const QUOTES_PER_SECOND: u32 = 50;
/// How long reads are asked for, each way.
const READING: Duration = Duration::from_secs(10);
/// Reads a second that must be possible; the wait is measured at half of them.
const READS_TARGET: u32 = 10_000;
/// Commands, one after the other.
const COMMANDS: usize = 300;
/// Time between two commands, as between two commits of a desk that trades.
const PAUSE: Duration = Duration::from_millis(5);
/// Watchers at the same time.
const WATCHERS: usize = 200;
/// Turns without watchers and with them: in turn, so that a machine that gets slower counts for both.
const TURNS: usize = 3;
/// One such turn.
const TURN: Duration = Duration::from_secs(10);

/// Runs all of it on one desk.
pub(crate) async fn run(place: &Place) -> anyhow::Result<Value> {
    let ground = Ground::make(place)?;
    let before = Disk::measure(ground.path())?;
    let desk = Desk::start(place, &ground).await?;
    let door = desk.door(place, &ground).await?;
    let handle = desk.simulator.handle();
    let mut requests = Requests::new(place.seed, settings::requests(false));
    traffic::publish(&handle, &mut requests, QUOTES_PER_SECOND, FILL).await?;
    sleep(Duration::from_secs(1)).await;
    let reading = reading(&door).await?;
    let commands = commands(&door).await?;
    let watching = watching(&door, &handle, &mut requests).await?;
    sleep(Duration::from_secs(2)).await;
    let simulator = desk.end().await?;
    let after = Disk::measure(ground.path())?;
    let evidence = Evidence::gather(&handle, &ground.log()).await?;
    simulator.shutdown().await;
    let sync = before.paced().min(after.paced());
    Ok(json!({
        "benchmark": "doors",
        "reads": reading,
        "command_ms": commands.acknowledged.said(),
        "command_p50_target_ms": millis(sync + 1_000),
        "fdatasync_ms": { "before": before.said(), "after": after.said() },
        "read_your_write_ms": commands.shown.said(),
        "read_your_write_p99_target_ms": 30,
        "watchers": watching.said(&evidence),
        "processors": std::thread::available_parallelism()?.get(),
    }))
}

/// Rows by their key: as many as there is time for, then at half of the target.
async fn reading(door: &Door) -> anyhow::Result<Value> {
    let mut line = door.line().await?;
    let page: Value = serde_json::from_slice(&line.get("/v1/tables/decisions?limit=200", &[]).await?)?;
    let rows = page["rows"].as_array().context("no rows")?;
    let path = |row: &Value| {
        let id = row["decision_id"].as_str().context("a decision without its id")?;
        anyhow::Ok(format!("/v1/tables/decisions?decision_id={id}&limit=1"))
    };
    let paths: Arc<[String]> = rows.iter().map(path).collect::<anyhow::Result<_>>()?;
    anyhow::ensure!(!paths.is_empty(), "the desk has decided nothing");
    let most = reads(door, &paths, None, READING).await?;
    let half = reads(door, &paths, Some(READS_TARGET / 2), READING).await?;
    Ok(json!({
        "per_second": most.count.saturating_mul(1_000) / usize::try_from(most.span.as_millis())?.max(1),
        "per_second_target": READS_TARGET,
        "at_most_ms": most.latency.said(),
        "at_half_of_target_ms": half.latency.said(),
        "at_half_of_target_p99_target_ms": 10,
    }))
}

/// How long commands take until they are durable, and until a read shows them.
struct Commands {
    acknowledged: Micros,
    shown: Micros,
}

/// Pauses and resumes a service in turn; each is an event.
async fn commands(door: &Door) -> anyhow::Result<Commands> {
    let channel =
        Endpoint::from_shared(format!("http://{}", door.address))?.tcp_nodelay(true).connect().await?;
    let mut control = ControlServiceClient::new(channel);
    let mut line = door.line().await?;
    let (mut acknowledged, mut shown) = (Vec::new(), Vec::new());
    for nth in 0..COMMANDS {
        sleep(PAUSE).await;
        let began = Instant::now();
        let receipt = wish(&mut control, door, nth % 2 == 0).await?;
        acknowledged.push(i64::try_from(began.elapsed().as_micros())?);
        let position = receipt.log_position.context("nothing was recorded")?;
        let wait = [("min-log-position", position.to_string()), ("prefer", "wait=5".to_owned())];
        let began = Instant::now();
        line.get("/v1/tables/services?limit=10", &wait).await?;
        shown.push(i64::try_from(began.elapsed().as_micros())?);
    }
    Ok(Commands { acknowledged: acknowledged.into_iter().collect(), shown: shown.into_iter().collect() })
}

async fn wish(
    control: &mut ControlServiceClient<tonic::transport::Channel>,
    door: &Door,
    pause: bool,
) -> anyhow::Result<pb::Receipt> {
    let (idempotency_key, reason) = (Uuid::now_v7().to_string(), "benchmark".to_owned());
    let service = pb::Service::Market.into();
    let receipt = if pause {
        let asked = authorised(door, pb::PauseRequest { idempotency_key, reason, service })?;
        control.pause(asked).await?.into_inner().receipt
    } else {
        let asked = authorised(door, pb::ResumeRequest { idempotency_key, reason, service })?;
        control.resume(asked).await?.into_inner().receipt
    };
    receipt.context("an answer without a receipt")
}

/// A request with the key in it.
pub(crate) fn authorised<T>(door: &Door, message: T) -> anyhow::Result<tonic::Request<T>> {
    let mut request = tonic::Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {}", door.key).parse()?);
    Ok(request)
}

/// Turns of traffic, without and with watchers.
struct Watching {
    turns: Vec<(bool, Timestamp, Timestamp)>,
    told: u64,
}

async fn watching(door: &Door, handle: &Handle, requests: &mut Requests) -> anyhow::Result<Watching> {
    let (mut turns, mut told) = (Vec::new(), 0);
    for nth in 0..2 * TURNS {
        let watched = nth % 2 == 1;
        let watchers = if watched { Some(Watchers::open(door, WATCHERS).await?) } else { None };
        // Connections, caches and the price after the commands have come to rest.
        traffic::publish(handle, requests, QUOTES_PER_SECOND, Duration::from_secs(2)).await?;
        let from = crate::desk::now();
        traffic::publish(handle, requests, QUOTES_PER_SECOND, TURN).await?;
        turns.push((watched, from, crate::desk::now()));
        if let Some(watchers) = watchers {
            told += watchers.close().await?;
        }
    }
    Ok(Watching { turns, told })
}

impl Watching {
    fn said(&self, evidence: &Evidence) -> Value {
        let answers = |watched: bool| -> Micros {
            let in_turn = |way: &&Way| {
                way.out.is_some_and(|out| {
                    self.turns.iter().any(|(kind, from, to)| *kind == watched && out >= *from && out <= *to)
                })
            };
            let ways = evidence.ways.values().filter(in_turn);
            ways.filter_map(|way| Some(way.answered?.micros() - way.out?.micros())).collect()
        };
        let (alone, watched) = (answers(false), answers(true));
        let more = (watched.median() - alone.median()).saturating_mul(1_000) / alone.median().max(1);
        json!({
            "watchers": WATCHERS,
            "decisions_told": self.told,
            "frame_to_answer_ms_alone": alone.said(),
            "frame_to_answer_ms_watched": watched.said(),
            "slower_permille_at_p50": more,
            "slower_permille_target": 100,
        })
    }
}
