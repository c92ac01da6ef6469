//! Rebuilds with real processes: under a desk that trades and under readers, against rows that somebody changed, and
//! killed at any moment.

use crate::scene::{Scene, Setup, run_to_end, selling};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use stele_api::client::{Client, RowsQuery};
use stele_domain::port::read_store::{ReadStore as _, ScanQuery};
use stele_projections::{models, schemas};
use stele_read_store::{Options, PostgresStore, PrivateServer};
use stele_simulator::Outcome;
use tempfile::TempDir;

const DONE: Option<i32> = Some(0);
const CONFLICT: Option<i32> = Some(5);
const MISMATCH: Option<i32> = Some(8);

/// A PostgreSQL, and a desk that keeps its tables there.
struct Stage {
    scene: Scene,
    server: PrivateServer,
    _folder: TempDir,
}

impl Stage {
    async fn armed() -> Self {
        let folder = tempfile::Builder::new().prefix("pg").tempdir().expect("a temporary folder");
        let server = PrivateServer::start(&folder.path().join("server")).await;
        let server = server.unwrap_or_else(|error| panic!("{error}"));
        let scene = Scene::armed(Setup::default().with("database.url", server.app_url())).await;
        Self { scene, server, _folder: folder }
    }

    /// `stele rebuild` with these arguments.
    async fn rebuild(&self, arguments: &[&str]) -> Output {
        let config = self.scene.desk.config().to_string_lossy().into_owned();
        run_to_end(&[&["rebuild"], arguments, &["--config", &config]].concat()).await
    }

    /// What somebody with access to the database does.
    fn sql(&self, statement: &str) -> String {
        let psql = self.server.binaries().directory.join("psql");
        let url = self.server.owner_url();
        let said = Command::new(psql).args(["-v", "ON_ERROR_STOP=1", "-Atc", statement, &url]).output();
        let said = said.expect("psql");
        assert!(said.status.success(), "{statement}: {said:?}");
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    }
}

#[track_caller]
fn ends(output: &Output, code: Option<i32>) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (answer, words) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), code, "{answer}\n{words}");
    (answer, words)
}

/// Asks for every table again and again, through the desk and past it, until it is told to stop; how often.
async fn reads(client: Client, url: String, stop: Arc<AtomicBool>, read: Arc<AtomicU64>) {
    let store = PostgresStore::open(&url, &schemas(models::ALL), Options::default()).await;
    let store = store.unwrap_or_else(|error| panic!("{error}"));
    while !stop.load(Ordering::SeqCst) {
        for table in models::tables() {
            let page = store.scan(table.name, &ScanQuery::by_key(20)).await;
            page.unwrap_or_else(|error| panic!("{}: {error:?}", table.name));
            let rows = client.rows(table.name, &RowsQuery::default()).await;
            rows.unwrap_or_else(|error| panic!("{}: {error}", table.name));
            read.fetch_add(2, Ordering::Relaxed);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_rebuilt_under_a_desk_that_trades_and_nobody_who_reads_notices() {
    let mut stage = Stage::armed().await;
    let first = stage.scene.until_acted(|| selling(Outcome::DeskWins)).await;
    stage.scene.becomes(&first, "settled").await;
    let (stop, read) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    let reader = Client::unix(stage.scene.file("s"));
    let reading = tokio::spawn(reads(reader, stage.server.app_url(), stop.clone(), read.clone()));

    let trading = async {
        while !stop.load(Ordering::SeqCst) {
            // A rival takes them all, so that the coin stays.
            stage.scene.asks(selling(Outcome::RivalWins));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let rebuilding = async {
        let (answer, _) = ends(&stage.rebuild(&["--all"]).await, DONE);
        stop.store(true, Ordering::SeqCst);
        answer
    };
    let ((), answer) = tokio::join!(trading, rebuilding);
    assert_eq!(answer.matches("swapped").count(), models::ALL.len(), "{answer}");
    reading.await.expect("every question was answered");
    assert!(read.load(Ordering::Relaxed) > 0);
    assert_eq!(
        stage.sql("SELECT count(*) FROM read_model.rebuilds WHERE detail = 'the digests of both were equal'"),
        models::ALL.len().to_string()
    );

    // The desk trades on in the new tables.
    let next = stage.scene.until_acted(|| selling(Outcome::DeskWins)).await;
    stage.scene.becomes(&next, "settled").await;
    let (_, words) = ends(&stage.rebuild(&["quotes"]).await, CONFLICT);
    assert!(words.contains("stele rebuild drop-old quotes"), "{words}");
    ends(&stage.rebuild(&["drop-old", "--all"]).await, DONE);
    assert_eq!(stage.sql("SELECT count(*) FROM read_model_old.checkpoints"), "0");

    // Somebody changes a row past the desk.
    stage.sql("UPDATE read_model.quotes SET pair = 'other' WHERE position = (SELECT min(position) FROM read_model.quotes)");
    let (_, words) = ends(&stage.rebuild(&["quotes"]).await, MISMATCH);
    assert!(words.contains("quotes part 0: its live rows are not those that were kept"), "{words}");
    assert_eq!(
        stage.sql("SELECT count(*) FROM read_model.quotes WHERE pair = 'other'"),
        "1",
        "it was swapped"
    );
    let despite = ["quotes", "--despite-difference", "--reason", "a row was changed by hand"];
    ends(&stage.rebuild(&despite).await, DONE);
    assert_eq!(stage.sql("SELECT count(*) FROM read_model.quotes WHERE pair = 'other'"), "0");
    assert_eq!(stage.sql("SELECT count(*) FROM read_model_old.quotes WHERE pair = 'other'"), "1");
    let told = ends(&stage.rebuild(&["status", "--json"]).await, DONE).0;
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told["replaced"][0]["projection"], "quotes", "{told}");
    stage.scene.at_most_once().await;
    stage.scene.desk.stop().await;
    drop(stage.scene);
    stage.server.stop().await;
}

/// A process of `stele rebuild`, killed when it has lived for this long; its exit code when it was faster.
fn killed_after(config: &Path, life: Duration) -> Option<i32> {
    let mut child = Command::new(crate::scene::binary::binary())
        .args(["rebuild", "--all", "--config"])
        .arg(config)
        .env_remove("DATABASE_URL")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary");
    let began = std::time::Instant::now();
    while began.elapsed() < life {
        if let Some(status) = child.try_wait().expect("a status") {
            return status.code();
        }
        std::thread::yield_now();
    }
    child.kill().expect("a process to kill");
    child.wait().expect("its end");
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_without_a_desk_that_is_killed_at_any_moment_is_finished_by_the_next() {
    let mut stage = Stage::armed().await;
    let quote = stage.scene.until_acted(|| selling(Outcome::DeskWins)).await;
    stage.scene.becomes(&quote, "settled").await;
    stage.scene.desk.stop().await;
    let config = stage.scene.desk.config().to_owned();
    let mut killed = 0;
    for life_ms in [40, 80, 120, 160, 220, 300, 400, 550, 700, 900] {
        match killed_after(&config, Duration::from_millis(life_ms)) {
            None => killed += 1,
            Some(0) => break,
            // What was swapped before the last kill is to be dropped first.
            Some(5) => {
                ends(&stage.rebuild(&["drop-old", "--all"]).await, DONE);
            }
            Some(other) => panic!("it ended with {other} after {life_ms} ms"),
        }
    }
    assert!(killed > 0, "it was never killed");
    ends(&stage.rebuild(&["drop-old", "--all"]).await, DONE);
    let (answer, _) = ends(&stage.rebuild(&["--all"]).await, DONE);
    assert_eq!(answer.matches("swapped").count(), models::ALL.len(), "{answer}");
    assert_eq!(stage.sql("SELECT count(*) FROM read_model_next.checkpoints"), "0");

    // The desk finds them as its own, and goes on.
    stage.scene.desk.start(&[]);
    stage.scene.until_it_sees().await;
    stage.scene.arm().await;
    let next = stage.scene.until_acted(|| selling(Outcome::DeskWins)).await;
    stage.scene.becomes(&next, "settled").await;
    stage.scene.desk.stop().await;
    drop(stage.scene);
    stage.server.stop().await;
}
