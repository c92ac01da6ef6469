//! The part of the backup guide about PostgreSQL, run as it stands: a database is lost under a desk that trades, made
//! anew by the guide, and holds the same rows again.

use crate::guides::{run, section};
use crate::scene::{Scene, Setup, selling};
use std::collections::BTreeMap;
use std::sync::Arc;
use stele_domain::port::clock::Clock;
use stele_domain::time::Timestamp;
use stele_event_log::EmbeddedLog;
use stele_projections::compare::{Dump, dump, fold_to};
use stele_projections::{models, schemas};
use stele_read_store::{MemoryStore, Options, PostgresStore, PrivateServer};
use stele_simulator::Outcome;

/// Lines of the guide before the one that only looks, those that rebuild, and those that look whether it worked.
const LOOKS: usize = 1;
const REBUILDS: usize = 4;

/// For a log that is only read.
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }
}

/// Every row in PostgreSQL, and what the log says they should be at that position. The desk is stopped.
async fn stored_and_folded(scene: &Scene, server: &PrivateServer) -> (Dump, Dump) {
    let schemas = schemas(models::ALL);
    let store =
        PostgresStore::open(&server.app_url(), &schemas, Options::default()).await.expect("the tables");
    let stored = dump(&store).await.expect("a dump");
    let directory = scene.file("data").join("log");
    let (log, _) =
        EmbeddedLog::open(&directory, stele_event_log::Options::new(Arc::new(Still))).expect("the log");
    let memory = MemoryStore::new(&schemas).expect("a store");
    let position = stored.position.expect("a position");
    fold_to(&log, &memory, models::ALL, position, |_| {}).await.expect("a fold");
    (stored, dump(&memory).await.expect("a dump"))
}

/// Rows of histories: what was there stays, word for word.
fn histories(dump: &Dump) -> BTreeMap<&str, &BTreeMap<String, String>> {
    let append_only = |name: &str| models::table(name).is_some_and(|table| table.append_only);
    dump.tables
        .iter()
        .filter(|(name, _)| append_only(name))
        .map(|(name, rows)| (name.as_str(), rows))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_lost_under_a_trading_desk_is_rebuilt_by_the_guide_row_for_row() {
    let place = tempfile::Builder::new().prefix("pg").tempdir().expect("a folder");
    through(place.path());
    let server = PrivateServer::start(&place.path().join("server")).await;
    let server = server.unwrap_or_else(|error| panic!("{error}"));
    let mut scene = Scene::armed(Setup::default().with("database.url", server.app_url())).await;
    let quote = scene.until_acted(|| selling(Outcome::DeskWins)).await;
    scene.released(&quote).await;
    scene.desk.stop().await;
    let (before, folded) = stored_and_folded(&scene, &server).await;
    assert_eq!(before, folded, "the tables were right before the loss");
    assert!(!before.tables["decisions"].is_empty());
    scene.desk.start(&[]);
    scene.until_it_sees().await;
    scene.arm().await;

    let config = scene.file("stele.toml");
    let binaries = server.binaries().directory.to_string_lossy().into_owned();
    let (owner, administrator) = (server.owner_url(), server.administrator_url());
    let variables = [
        ("PATH", binaries.as_str()),
        ("PGHOST", &parameter(&administrator, "host")),
        ("PGUSER", &parameter(&administrator, "user")),
        ("OWNER_URL", &owner),
    ];
    let by_hand = |lines: &[&str]| {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        run(place.path(), &config, &variables, &lines);
    };
    by_hand(&["psql --dbname postgres --command 'DROP DATABASE stele WITH (FORCE)'"]);
    let tables = async || scene.client.tables().await;
    scene.until("reads are refused", async || tables().await.is_err().then_some(())).await;
    let offers = scene.offers();
    scene.asks(selling(Outcome::DeskWins));
    scene.until("an offer without tables", async || (scene.offers() > offers).then_some(())).await;

    let guide = section("Rebuild the tables");
    assert_eq!(guide.len(), LOOKS + REBUILDS + 2, "{guide:#?}");
    let (at_once, afterwards) = guide.split_at(LOOKS + REBUILDS);
    run(place.path(), &config, &variables, at_once);
    scene.until("reads are answered", async || tables().await.ok()).await;
    run(place.path(), &config, &variables, afterwards);

    // The desk that was never stopped goes on, and knows what was before.
    let next = scene.until_acted(|| selling(Outcome::DeskWins)).await;
    scene.released(&next).await;
    let told = scene.client.trace(&quote).await.expect("the story of the first quote");
    assert_eq!(told.commands.len(), 1);
    scene.at_most_once().await;
    scene.desk.stop().await;
    let (after, folded) = stored_and_folded(&scene, &server).await;
    assert_eq!(after, folded, "the tables are not what the log says");
    let now = histories(&after);
    for (table, rows) in histories(&before) {
        for (key, row) in rows {
            assert_eq!(now[table].get(key), Some(row), "{table} {key} is another row than before");
        }
    }
    assert!(after.position > before.position);
    drop(scene);
    server.stop().await;
}

/// A parameter of an address, as it was before it was put there.
fn parameter(url: &str, name: &str) -> String {
    let (_, query) = url.split_once('?').expect("parameters");
    let value =
        query.split('&').find_map(|part| part.strip_prefix(&format!("{name}="))).expect("the parameter");
    value.replace("%2F", "/").replace("%2f", "/")
}

/// Root's PostgreSQL runs as somebody else, who has to get through.
fn through(folder: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o711)).expect("a folder of ours");
}
