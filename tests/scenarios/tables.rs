//! Row 22: tables in a PostgreSQL that goes away. The loop goes on or waits, as it is told to; reads say so; nothing is
//! missing or double when it is back.

use crate::scene::{Fleet, Member, Scene, Setup, selling};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stele_api::client::RowsQuery;
use stele_api::dto::{Arming, ServiceState};
use stele_read_store::PrivateServer;
use stele_simulator::Outcome;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;

/// The name of a server's socket in its folder.
const SOCKET: &str = ".s.PGSQL.5432";

/// A PostgreSQL, and a way to it that can be cut.
struct Postgres {
    server: PrivateServer,
    url: String,
    way: Arc<Way>,
    _folder: tempfile::TempDir,
}

/// Carries bytes between two sockets while it is open.
#[derive(Default)]
struct Way {
    cut: AtomicBool,
    news: Notify,
}

impl Postgres {
    async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("pg").tempdir().expect("a temporary folder");
        let server = PrivateServer::start(&folder.path().join("server")).await;
        let server = server.unwrap_or_else(|error| panic!("{error}"));
        let proxy = folder.path().join("way");
        std::fs::create_dir(&proxy).expect("a folder");
        let real = socket_of(&server.app_url());
        let way = Arc::new(Way::default());
        let listener = UnixListener::bind(proxy.join(SOCKET)).expect("a socket");
        tokio::spawn(carry(listener, real.join(SOCKET), Arc::clone(&way)));
        let url = format!(
            "postgres:///stele?host={}&port=5432&user=stele_app&sslmode=disable",
            proxy.display().to_string().replace('/', "%2F")
        );
        Self { server, url, way, _folder: folder }
    }

    /// Breaks every connection and lets none through.
    fn goes_away(&self) {
        self.way.cut.store(true, Ordering::SeqCst);
        self.way.news.notify_waiters();
    }

    fn comes_back(&self) {
        self.way.cut.store(false, Ordering::SeqCst);
    }
}

/// The folder of the socket that an address names.
fn socket_of(url: &str) -> PathBuf {
    let host =
        url.split(['?', '&']).find_map(|part| part.strip_prefix("host=")).expect("a folder in the address");
    Path::new(&host.replace("%2F", "/").replace("%2f", "/")).to_owned()
}

async fn carry(listener: UnixListener, to: PathBuf, way: Arc<Way>) {
    while let Ok((mut near, _)) = listener.accept().await {
        let (to, way) = (to.clone(), Arc::clone(&way));
        tokio::spawn(async move {
            if way.cut.load(Ordering::SeqCst) {
                return;
            }
            let Ok(mut far) = UnixStream::connect(&to).await else { return };
            let cut = way.news.notified();
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                () = cut => {}
            }
        });
    }
}

/// Why the tables can't be read; none when they can. The status is told either way.
async fn refused(scene: &Scene) -> Option<String> {
    scene.client.status().await.expect("a status, with tables or without").tables_unavailable
}

async fn strategy(scene: &Scene) -> Option<ServiceState> {
    let status = scene.client.status().await.ok()?;
    status.services.iter().find(|s| s.service == "strategy").map(|s| s.state)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_22_the_loop_goes_on_while_the_tables_are_away_and_they_catch_up() {
    let postgres = Postgres::start().await;
    let scene = Scene::armed(Setup::default().with("database.url", postgres.url.as_str())).await;
    let first = scene.asks(selling(Outcome::DeskWins));
    scene.becomes(&first, "settled").await;

    postgres.goes_away();
    scene.until("reads say that there are no tables", async || refused(&scene).await).await;
    let before = scene.offers();
    let second = scene.asks(selling(Outcome::DeskWins));
    scene.until("an offer without tables", async || (scene.offers() > before).then_some(())).await;
    let status = scene.client.status().await.expect("a status without tables");
    assert!(status.tables_unavailable.is_some() && status.from_tables().is_none(), "the tables were away");
    // What a person needs at night stands in the log.
    assert_eq!(status.account.arming, Arming::Armed, "{status:?}");
    assert_eq!(status.services.len(), 6, "{status:?}");
    assert!(
        status.services.iter().all(|one| one.state == ServiceState::Running && one.runs_here),
        "{status:?}"
    );
    assert!(status.log.reachable && status.head > 0, "{status:?}");
    let told = scene.client.rows("results", &RowsQuery::default()).await.expect_err("rows without tables");
    assert_eq!(told.problem().map(|problem| problem.code.as_str()), Some("tables-unavailable"), "{told}");

    postgres.comes_back();
    for id in [&first, &second] {
        let story = scene.becomes(id, "settled").await;
        assert_eq!(
            (story.decisions(), story.commands(), story.reservation()),
            (1, 1, "released"),
            "{}",
            story.brief()
        );
    }
    scene.at_most_once().await;
    drop(scene);
    postgres.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_22_strict_tables_pause_the_strategy_and_only_that_pause_is_undone() {
    let postgres = Postgres::start().await;
    let setup = Setup::default().with("database.url", postgres.url.as_str()).with("database.strict", true);
    let scene = Scene::armed(setup).await;
    postgres.goes_away();
    let paused = async || scene.events("operations.ServicePaused").await.into_iter().next();
    let pause = scene.until("the strategy is paused", paused).await;
    assert_eq!(pause["service"], "strategy", "{pause}");
    assert!(pause["reason"].as_str().is_some_and(|why| why.contains("the tables can't be kept")), "{pause}");

    let asked = scene.asks(selling(Outcome::DeskWins));
    postgres.comes_back();
    scene.decided(&asked).await.is_refused_for("paused");
    let runs = async || (strategy(&scene).await == Some(ServiceState::Running)).then_some(());
    scene.until("the strategy goes on", runs).await;
    let next = scene.until_acted(|| selling(Outcome::DeskWins)).await;
    scene.becomes(&next, "settled").await;

    // A person's pause stays, whatever the tables do.
    scene.client.pause(stele_api::client::new_key(), "strategy", "a person looks").await.expect("a pause");
    postgres.goes_away();
    scene.until("reads say that there are no tables", async || refused(&scene).await).await;
    postgres.comes_back();
    scene.until("reads answer again", async || refused(&scene).await.is_none().then_some(())).await;
    assert_eq!(strategy(&scene).await, Some(ServiceState::Paused));
    scene.at_most_once().await;
    drop(scene);
    postgres.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_22_a_desk_starts_while_its_postgresql_is_away() {
    let postgres = Postgres::start().await;
    postgres.goes_away();
    let mut scene = Scene::prepared(Setup::default().with("database.url", postgres.url.as_str())).await;
    scene.desk.start(&[]);
    let decides = async || {
        scene.asks(selling(Outcome::DeskWins));
        (!scene.events("trading.Decided").await.is_empty()).then_some(())
    };
    scene.until("the desk answers", async || scene.client.live().await.ok()).await;
    scene.until("the desk decides without tables", decides).await;
    assert!(refused(&scene).await.is_some(), "the tables were away");
    postgres.comes_back();
    scene.until_it_sees().await;
    scene.desk.stop().await;
    postgres.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desk_starts_a_postgresql_of_its_own_and_finds_its_tables_again() {
    let mut scene = Scene::prepared(Setup::default().with("database.private", true)).await;
    // Root's PostgreSQL runs as somebody else, who must be able to pass through.
    let folder = scene.file("");
    std::fs::set_permissions(&folder, Permissions::from_mode(0o711)).expect("a folder of ours");
    scene.desk.start(&[]);
    scene.until_it_sees().await;
    scene.set_limits().await;
    scene.arm().await;
    let id = scene.until_acted(|| selling(Outcome::DeskWins)).await;
    scene.becomes(&id, "settled").await;
    // SIGKILL leaves the server without its desk: the next start must get along with that.
    scene.restart().await;
    let story = scene.becomes(&id, "settled").await;
    assert_eq!((story.decisions(), story.commands()), (1, 1), "{}", story.brief());
    scene.desk.stop().await;
}

/// How old the tables may be for the strategy of this scenario, in milliseconds.
const AGE_MS_MAX: i64 = 1_500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_22_a_strict_strategy_pauses_itself_when_the_process_that_kept_the_tables_is_gone() {
    let postgres = Postgres::start().await;
    let setup = Setup::default()
        .with("database.url", postgres.url.as_str())
        .with("database.strict", true)
        .with("database.strict_age_ms_max", AGE_MS_MAX);
    let mut fleet = Fleet::armed(setup).await;
    let first = fleet.scene.until_acted(|| selling(Outcome::DeskWins)).await;
    fleet.scene.becomes(&first, "settled").await;

    // Nobody is left who could say that the tables are not kept; the strategy sees it.
    fleet.scene.desk.kill().await;
    let owner = stele_api::client::Client::unix(fleet.scene.file("owner.s"));
    let dead = owner.log_stat().await.expect("numbers of the log").head;
    let newest = async |event_type: &str| {
        let query = stele_api::client::EventsQuery {
            types: vec![event_type.to_owned()],
            limit: Some(1),
            backward: true,
            ..stele_api::client::EventsQuery::default()
        };
        let page = owner.events(&query).await.ok()?;
        let event = page.events.into_iter().next().filter(|event| event.position > dead)?;
        let data = serde_json::from_str::<serde_json::Value>(event.data?.get()).ok()?;
        Some((event.position, data))
    };
    let pause = async || newest("operations.ServicePaused").await;
    let (paused, pause) = fleet.scene.until("a pause after the death", pause).await;
    assert_eq!(pause["service"], "strategy", "{pause}");
    assert!(pause["reason"].as_str().is_some_and(|why| why.contains("the tables can't be kept")), "{pause}");
    let skipped = async || {
        fleet.scene.asks(selling(Outcome::DeskWins));
        let (position, decided) = newest("trading.Decided").await?;
        (position > paused && decided["verdict"]["reason"] == "paused").then_some(())
    };
    fleet.scene.until("a decision not to act", skipped).await;
    let offers = fleet.scene.offers();
    fleet.scene.until("another one", skipped).await;
    assert_eq!(fleet.scene.offers(), offers, "an offer was made that no table shows");

    fleet.start(Member::Front);
    fleet.sees().await;
    let next = fleet.scene.until_acted(|| selling(Outcome::DeskWins)).await;
    fleet.scene.becomes(&next, "settled").await;
    let (_, resumed) = newest("operations.ServiceResumed").await.expect("the pause is undone");
    assert_eq!(resumed["service"], "strategy", "{resumed}");
    fleet.scene.at_most_once().await;
}
