//! Rebuilding every projection into PostgreSQL: how fast beside COPY of the same rows, and what a swap costs those who
//! read.

use crate::desk::Ground;
use crate::disk::Disk;
use crate::figures::Micros;
use crate::{Place, tables};
use anyhow::Context as _;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use stele_bench_drive::SystemClock;
use stele_domain::port::event_log::EventLog;
use stele_domain::port::read_store::{ReadStore as _, Rebuilding as _, ScanQuery};
use stele_event_log::EmbeddedLog;
use stele_projections::models;
use stele_projections::rebuild::{Asked, Compared, Options, Outcome, Rebuilder};
use stele_projections::runner::{Handle, Options as RunnerOptions, Runner};
use stele_read_store::{PostgresStore, PrivateServer};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// How long all of it may take.
const WAIT_MAX: Duration = Duration::from_mins(5);
/// Readers while tables are swapped, and the pause of each between two questions.
const READERS: usize = 4;
const READ_PAUSE: Duration = Duration::from_millis(2);

/// Makes a log and its tables, rebuilds them twice: alone, then under readers and a live runner.
pub(crate) async fn run(place: &Place) -> anyhow::Result<Value> {
    let ground = Ground::make(place)?;
    let disk = Disk::measure(ground.path())?;
    let events = tables::traded(place, &ground).await?.len();
    let (log, _) = EmbeddedLog::open(&ground.log(), stele_event_log::Options::new(Arc::new(SystemClock)))?;
    let log = Arc::new(log);
    let server = PrivateServer::start(&ground.path().join("postgres")).await?;
    let bench = Bench { log, store: tables::store(&server.app_url()).await?, server: &server };
    let (runner, running) = bench.live().await?;
    let alone = bench.alone(events).await?;
    let copied = bench.copied(ground.path())?;
    let under = bench.under_readers(&runner).await?;
    runner.stop();
    running.await??;
    let ratio = seconds(&copied)? / seconds(&alone)?;
    let most_kib = resident_most_kib()?;
    bench.log.close().await?;
    server.stop().await;
    Ok(json!({
        "benchmark": "rebuild",
        "events": events,
        "projections": models::ALL.len(),
        "rebuild": alone,
        "copy_of_the_same_rows": copied,
        "share_of_copy": ratio,
        "share_of_copy_target": 0.5,
        "under_readers": under,
        "swap_ms_target": 50,
        "most_resident_kib": most_kib,
        "fdatasync_ms": disk.said(),
        "processors": std::thread::available_parallelism()?.get(),
    }))
}

struct Bench<'b> {
    log: Arc<EmbeddedLog>,
    store: Arc<PostgresStore>,
    server: &'b PrivateServer,
}

impl Bench<'_> {
    fn log(&self) -> Arc<dyn EventLog> {
        Arc::<EmbeddedLog>::clone(&self.log)
    }

    /// The live tables, folded to the head, and their runner.
    async fn live(
        &self,
    ) -> anyhow::Result<(Handle, JoinHandle<Result<(), stele_projections::runner::RunnerError>>)> {
        let store: Arc<dyn stele_domain::port::read_store::ReadStore> =
            Arc::<PostgresStore>::clone(&self.store);
        let clock = Arc::new(SystemClock);
        let (runner, handle) = Runner::new(self.log(), store, clock, models::ALL, RunnerOptions::default());
        let running = tokio::spawn(runner.run());
        let head = self.log.head().await?;
        handle.reached(head, WAIT_MAX).await.map_err(|waited| anyhow::anyhow!("not folded: {waited:?}"))?;
        Ok((handle, running))
    }

    async fn rebuilt(&self, runner: Option<Handle>) -> anyhow::Result<Vec<Outcome>> {
        let store = Arc::<PostgresStore>::clone(&self.store);
        let rebuilder = Rebuilder {
            log: self.log(),
            live: Arc::<PostgresStore>::clone(&store) as _,
            tables: store,
            clock: Arc::new(SystemClock),
            runner,
            options: Options::default(),
        };
        let asked = Asked {
            projections: models::ALL.to_vec(),
            by: "the benchmark".to_owned(),
            from_zero: true,
            despite_difference: false,
        };
        let outcomes = rebuilder.begin(asked).await?.run().await?;
        for outcome in &outcomes {
            anyhow::ensure!(outcome.compared == Compared::Equal && outcome.swap.is_some(), "{outcome:?}");
        }
        for projection in models::ALL {
            self.store.drop_old(projection.name).await?;
        }
        Ok(outcomes)
    }

    /// With nobody else there; looking at the live rows is part of it.
    async fn alone(&self, events: usize) -> anyhow::Result<Value> {
        let began = Instant::now();
        self.rebuilt(None).await?;
        let span = began.elapsed();
        let events = u64::try_from(events)?;
        Ok(json!({
            "seconds": span.as_secs_f64(),
            "events_per_second": u128::from(events) * 1_000 / span.as_millis().max(1),
        }))
    }

    /// The same rows into empty tables of the same form, indexes and partitions included, by COPY and nothing else.
    fn copied(&self, folder: &Path) -> anyhow::Result<Value> {
        let folder = folder.join("rows");
        std::fs::create_dir(&folder)?;
        let (mut out, mut room, mut into) = (String::new(), String::new(), String::new());
        for projection in models::ALL {
            let names: Vec<&str> = projection.tables.iter().map(|table| table.name).collect();
            let list = names.join(",");
            writeln!(
                room,
                "SELECT read_model.begin_rebuild('{}', '{{{list}}}', {}, true);",
                projection.name, projection.version
            )?;
            for table in projection.tables {
                let (name, file) = (table.name, folder.join(table.name));
                let file = file.display();
                writeln!(out, "\\copy (SELECT * FROM read_model.{name}) TO '{file}' (FORMAT binary)")?;
                writeln!(into, "\\copy read_model_next.{name} FROM '{file}' (FORMAT binary)")?;
                if table.append_only {
                    writeln!(room, "SELECT read_model.ensure_next_partition('{name}', 1);")?;
                }
            }
        }
        self.psql(&out)?;
        self.psql(&room)?;
        let began = Instant::now();
        self.psql(&into)?;
        let span = began.elapsed();
        let rows = self.count("read_model_next")?;
        anyhow::ensure!(rows == self.count("read_model")?, "other rows were copied");
        for projection in models::ALL {
            let names: Vec<&str> = projection.tables.iter().map(|table| table.name).collect();
            let list = names.join(",");
            self.psql(&format!(
                "SELECT read_model.drop_rebuilt('read_model_next', '{}', '{{{list}}}')",
                projection.name
            ))?;
        }
        Ok(json!({ "seconds": span.as_secs_f64(), "rows": rows }))
    }

    fn count(&self, schema: &str) -> anyhow::Result<u64> {
        let counts = models::ALL.iter().flat_map(|projection| projection.tables);
        let counts: Vec<String> =
            counts.map(|table| format!("(SELECT count(*) FROM {schema}.{})", table.name)).collect();
        Ok(self.psql(&format!("SELECT {}", counts.join(" + ")))?.trim().parse()?)
    }

    fn psql(&self, script: &str) -> anyhow::Result<String> {
        use std::io::Write as _;
        let psql = self.server.binaries().directory.join("psql");
        let mut child = Command::new(psql)
            .args(["-v", "ON_ERROR_STOP=1", "-qAt", "-f", "-", &self.server.app_url()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        child.stdin.take().context("no way into psql")?.write_all(script.as_bytes())?;
        let said = child.wait_with_output()?;
        anyhow::ensure!(said.status.success(), "psql: {}", said.status);
        Ok(String::from_utf8(said.stdout)?)
    }

    /// While others read all tables, and the live runner waits for what comes.
    async fn under_readers(&self, runner: &Handle) -> anyhow::Result<Value> {
        let stop = Arc::<AtomicBool>::default();
        let failed = Arc::<AtomicU64>::default();
        let readers: Vec<JoinHandle<Vec<i64>>> = (0..READERS)
            .map(|_| tokio::spawn(reads(Arc::clone(&self.store), Arc::clone(&stop), Arc::clone(&failed))))
            .collect();
        let outcomes = self.rebuilt(Some(runner.clone())).await;
        stop.store(true, Ordering::SeqCst);
        let mut asked = vec![];
        for reader in readers {
            asked.extend(reader.await?);
        }
        let outcomes = outcomes?;
        let swaps = outcomes.iter().filter_map(|outcome| outcome.swap);
        let swaps = swaps.map(|swap| i64::try_from(swap.as_micros())).collect::<Result<Vec<i64>, _>>()?;
        let questions = asked.len();
        Ok(json!({
            "swap_ms": swaps.into_iter().collect::<Micros>().said(),
            "questions": questions,
            "failed_questions": failed.load(Ordering::SeqCst),
            "question_ms": asked.into_iter().collect::<Micros>().said(),
        }))
    }
}

/// Asks for a page of one table after the other; how long each question took, in microseconds.
async fn reads(store: Arc<PostgresStore>, stop: Arc<AtomicBool>, failed: Arc<AtomicU64>) -> Vec<i64> {
    let mut took = vec![];
    while !stop.load(Ordering::SeqCst) {
        for table in models::tables() {
            let began = Instant::now();
            if store.scan(table.name, &ScanQuery::newest(20)).await.is_err() {
                failed.fetch_add(1, Ordering::SeqCst);
            }
            took.push(i64::try_from(began.elapsed().as_micros()).unwrap_or(i64::MAX));
            sleep(READ_PAUSE).await;
        }
    }
    took
}

fn seconds(said: &Value) -> anyhow::Result<f64> {
    said["seconds"].as_f64().context("no seconds")
}

/// Most memory that this process has had.
pub(crate) fn resident_most_kib() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.split_whitespace().next().context("VmHWM is empty")?.parse()?)
}
