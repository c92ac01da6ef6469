//! Bad luck: what a server can go through, one test each. Every call ends in time, says what is wrong, and works
//! again by itself when the trouble is over.

use crate::fixture::{SCHEMAS, THINGS, put, step, thing};
use crate::server::{Database, connect, folder, own_server, run, server, signal};
use rustix::process::Signal;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Answer, Key, Page, ReadStore, ScanQuery, StoreError};
use stele_read_store::{MigrateError, OpenError, Options, PostgresStore};

/// Longest that trouble may take to pass on a busy machine.
const SOON: Duration = Duration::from_mins(1);

/// Impatient, so that tests are quick.
fn impatient() -> Options {
    Options {
        readers: 2,
        acquire: Duration::from_millis(500),
        read: Duration::from_millis(200),
        write: Duration::from_millis(500),
        ..Options::default()
    }
}

async fn impatient_store(database: &Database) -> PostgresStore {
    PostgresStore::open(&database.app_url(), SCHEMAS, impatient()).await.unwrap()
}

async fn look(store: &PostgresStore) -> Result<Answer<Page>, StoreError> {
    store.scan(THINGS.name, &ScanQuery::by_key(10)).await
}

/// Says what is wrong in a chain of words, when it passes by itself.
fn passing(error: &StoreError) -> String {
    assert!(error.is_transient(), "{error:?}");
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Tries until it works.
async fn until_it_works<T>(mut work: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    let began = Instant::now();
    loop {
        match work().await {
            Ok(value) => return value,
            Err(error) => {
                passing(&error);
                assert!(began.elapsed() < SOON, "it does not come back: {error:?}");
                tokio::task::yield_now().await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_comes_back_and_the_store_with_it() {
    let server = Arc::new(own_server().await);
    let database = server.database_with(SCHEMAS, 10).await;
    let store = impatient_store(&database).await;
    put(&store, 0, 5, vec![thing("a", 1, None), step(1, 0, "a")]).await.unwrap();
    server.kill();
    let began = Instant::now();
    // Whether the connection broke already or not, nobody waits for long.
    let _ = look(&store).await;
    let _ = put(&store, 5, 6, vec![thing("b", 1, None)]).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let at = until_it_works(async || store.checkpoint("first").await).await.position;
    // The last moments may be lost, rows and checkpoint alike.
    let seen = until_it_works(async || look(&store).await).await;
    let ids: Vec<String> = seen.value.rows.iter().map(|row| row.0[0].to_string()).collect();
    let expected: &[&str] = match at.0 {
        0 => &[],
        5 => &["a"],
        6 => &["a", "b"],
        other => panic!("a checkpoint that never was: {other}"),
    };
    assert_eq!((ids, seen.as_of), (expected.iter().map(|&id| id.to_owned()).collect(), at));
    let next = at.0 + 1;
    until_it_works(async || match put(&store, at.0, next, vec![thing("c", 1, None)]).await {
        Err(StoreError::Conflict { actual, .. }) if actual == Position(next) => Ok(()),
        other => other,
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_stopped_for_good_is_named_and_nobody_waits() {
    let server = own_server().await;
    let url = server.private.url("stele_app", "stele");
    let store = PostgresStore::open(&url, &[], impatient()).await.unwrap();
    drop(server);
    let began = Instant::now();
    let schemas = stele_projections::schemas(stele_projections::models::ALL);
    let closed = PostgresStore::open(&url, &schemas, impatient()).await.err().unwrap();
    assert!(closed.is_transient(), "{closed:?}");
    let lazy = PostgresStore::lazy(&url, &schemas, impatient()).unwrap();
    let said = passing(&lazy.get("quotes", &Key::from("a")).await.unwrap_err());
    assert!(said.contains("can't be reached"), "{said}");
    let said = passing(&lazy.reached("quotes", Position(1)).await.unwrap_err());
    assert!(said.contains("can't be reached"), "{said}");
    assert!(store.schemas().is_empty());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_store_that_was_opened_while_the_server_was_away_works_when_it_is_there() {
    let server = server().await;
    let name = "comes_later";
    let url = server.private.url("stele_app", name);
    let store = PostgresStore::lazy(&url, SCHEMAS, impatient()).unwrap();
    let said = passing(&look(&store).await.unwrap_err());
    assert!(said.contains("refuses our role, password, database"), "{said}");
    let template = server.database_with(SCHEMAS, 10).await;
    let created = format!("CREATE DATABASE {name} TEMPLATE {} OWNER stele_owner", template.name);
    run(&server.private.administrator_url(), &created).await.unwrap();
    until_it_works(async || look(&store).await).await;
}

#[tokio::test]
async fn connections_that_an_administrator_ends_are_replaced_unseen() {
    let database = server().await.database_with(SCHEMAS, 10).await;
    let store = database.store(SCHEMAS).await;
    put(&store, 0, 1, vec![thing("a", 1, None)]).await.unwrap();
    look(&store).await.unwrap();
    end_all(&database).await;
    assert_eq!(look(&store).await.unwrap().value.rows.len(), 1);
    put(&store, 1, 2, vec![thing("b", 1, None)]).await.unwrap();
}

#[tokio::test]
async fn a_server_out_of_connections_is_named_and_comes_back() {
    let server = Arc::new(own_server().await);
    let database = server.database_with(SCHEMAS, 10).await;
    let mut crowd = vec![];
    loop {
        let options: sqlx::postgres::PgConnectOptions = database.app_url().parse().unwrap();
        match sqlx::ConnectOptions::connect(&options).await {
            Ok(connection) => crowd.push(connection),
            Err(_) => break,
        }
    }
    assert!(crowd.len() > 10);
    let refused = PostgresStore::open(&database.app_url(), SCHEMAS, impatient()).await.err().unwrap();
    assert!(refused.is_transient(), "{refused:?}");
    let store = PostgresStore::lazy(&database.app_url(), SCHEMAS, impatient()).unwrap();
    let said = passing(&look(&store).await.unwrap_err());
    assert!(said.contains("no connection left for us"), "{said}");
    drop(crowd);
    until_it_works(async || look(&store).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_readers_does_not_stop_the_runner() {
    let database = server().await.database_with(SCHEMAS, 10).await;
    let options = Options { read: Duration::from_secs(20), ..impatient() };
    let store = Arc::new(PostgresStore::open(&database.app_url(), SCHEMAS, options).await.unwrap());
    put(&*store, 0, 1, vec![thing("a", 1, None)]).await.unwrap();
    // Somebody holds one table so that whoever reads it waits.
    let mut holder = database.connect("stele_owner").await;
    sqlx::raw_sql("BEGIN; LOCK TABLE read_model.others").execute(&mut holder).await.unwrap();
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.scan("others", &ScanQuery::newest(1)).await })
        })
        .collect();
    let said = loop {
        if let Err(error) = look(&store).await {
            break passing(&error);
        }
    };
    assert!(said.contains("all 2 connections of this process"), "{said}");
    put(&*store, 1, 2, vec![thing("b", 1, None)]).await.unwrap();
    sqlx::raw_sql("COMMIT").execute(&mut holder).await.unwrap();
    for reader in waiting {
        reader.await.unwrap().unwrap();
    }
    assert_eq!(look(&store).await.unwrap().value.rows.len(), 2);
}

#[tokio::test]
async fn a_question_that_takes_too_long_is_ended_and_named() {
    let database = server().await.database_with(SCHEMAS, 10).await;
    let store = impatient_store(&database).await;
    let mut holder = database.connect("stele_owner").await;
    sqlx::raw_sql("BEGIN; LOCK TABLE read_model.things").execute(&mut holder).await.unwrap();
    let said = passing(&look(&store).await.unwrap_err());
    assert!(said.contains("did not finish in time") || said.contains("somebody else's lock"), "{said}");
    let said = passing(&put(&store, 0, 1, vec![thing("a", 1, None)]).await.unwrap_err());
    assert!(said.contains("did not finish in time") || said.contains("somebody else's lock"), "{said}");
    sqlx::raw_sql("COMMIT").execute(&mut holder).await.unwrap();
    put(&store, 0, 1, vec![thing("a", 1, None)]).await.unwrap();
    look(&store).await.unwrap();
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_in_time() {
    let server = Arc::new(own_server().await);
    let database = server.database_with(SCHEMAS, 10).await;
    let store = impatient_store(&database).await;
    look(&store).await.unwrap();
    let mut connection = database.connect("stele_app").await;
    let sql =
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let backends = sqlx::query_scalar::<_, i32>(sql).fetch_all(&mut connection).await.unwrap();
    let backends: Vec<u32> = backends.into_iter().map(|pid| u32::try_from(pid).unwrap()).collect();
    assert!(!backends.is_empty());
    for pid in &backends {
        signal(*pid, Signal::STOP);
    }
    let began = Instant::now();
    let said = passing(&look(&store).await.unwrap_err());
    assert!(said.contains("said nothing for"), "{said}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    // The connection is not used again, so the next question has a new one.
    look(&store).await.unwrap();
    for pid in &backends {
        signal(*pid, Signal::CONT);
    }
}

/// A small disk under a database, or where nobody may mount one, a limit on the size of a file.
enum Wall {
    Disk(tempfile::TempDir),
    Limit,
}

impl Wall {
    async fn around(database: &Database) -> Self {
        let folder = folder();
        let mounted = command("mount")
            .args(["-t", "tmpfs", "-o", "size=24m,mode=0777", "tmpfs"])
            .arg(folder.path())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            limit(database, "20971520:");
            return Self::Limit;
        }
        let pid = database.server.private.pid().unwrap();
        let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(format!("/proc/{pid}")).unwrap());
        std::os::unix::fs::chown(folder.path(), Some(owner), None).unwrap();
        let administrator = database.server.private.administrator_url();
        let small = format!("CREATE TABLESPACE small LOCATION '{}'", folder.path().display());
        run(&administrator, &small).await.unwrap();
        end_all(database).await;
        run(&administrator, &format!("ALTER DATABASE {} SET TABLESPACE small", database.name)).await.unwrap();
        Self::Disk(folder)
    }

    /// Makes room.
    async fn open(&self, database: &Database) {
        match self {
            Self::Disk(folder) => {
                let larger = command("mount").args(["-o", "remount,size=200m"]).arg(folder.path()).status();
                assert!(larger.unwrap().success());
            }
            Self::Limit => {
                limit(database, "unlimited:");
                end_all(database).await;
            }
        }
    }
}

impl Drop for Wall {
    fn drop(&mut self) {
        if let Self::Disk(folder) = self {
            // Lazily: the server may still hold it.
            let _ = command("umount").arg("-l").arg(folder.path()).status();
        }
    }
}

fn command(name: &str) -> std::process::Command {
    let mut command = std::process::Command::new(name);
    command.stderr(std::process::Stdio::null());
    command
}

/// The largest file that backends may write which are born from now on. Asked as whoever the server is.
fn limit(database: &Database, bytes: &str) {
    let pid = database.server.private.pid().unwrap().to_string();
    let owner = std::fs::metadata(format!("/proc/{pid}")).unwrap();
    let mut prlimit = command("prlimit");
    if rustix::process::geteuid().is_root() {
        std::os::unix::process::CommandExt::uid(&mut prlimit, std::os::unix::fs::MetadataExt::uid(&owner));
    }
    assert!(prlimit.args(["--pid", &pid, &format!("--fsize={bytes}")]).status().unwrap().success());
}

/// A letter that does not follow from the one before.
fn noise(seed: u64, at: u64) -> char {
    let mixed = (seed << 20 | at).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    char::from(b'a' + u8::try_from((mixed >> 40) % 26).unwrap())
}

/// Ends every connection to a database.
async fn end_all(database: &Database) {
    let name = &database.name;
    let ended =
        format!("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'");
    run(&database.server.private.administrator_url(), &ended).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_is_named_nothing_is_lost_and_room_mends_it() {
    let server = Arc::new(own_server().await);
    let database = server.database_with(SCHEMAS, 1_000_000).await;
    let wall = Wall::around(&database).await;
    let store = database.store(SCHEMAS).await;
    put(&store, 0, 1, vec![thing("a", 1, None), step(0, 0, "a")]).await.unwrap();
    // Hard to compress, so that it takes room.
    let text = |at: u64, part: u64| (0..500).map(|i| noise(at * 500 + part, i)).collect::<String>();
    let mut at = 1;
    let said = loop {
        let number = i64::try_from(at).unwrap();
        let changes =
            (0..500).map(|part| thing(&format!("{at}/{part}"), number, Some(&text(at, part)))).collect();
        match put(&store, at, at + 1, changes).await {
            Ok(()) => at += 1,
            Err(error) => break passing(&error),
        }
        assert!(at < 200, "the wall does not hold");
    };
    match wall {
        Wall::Disk(_) => assert!(said.contains("disk is full; make room"), "{said}"),
        Wall::Limit => assert!(said.contains("File too large"), "{said}"),
    }
    let seen = store.scan(THINGS.name, &ScanQuery::newest(1)).await.unwrap();
    assert_eq!(seen.as_of, Position(at), "what was acknowledged is there, and nothing of what failed");
    assert_eq!(THINGS.position_of(&seen.value.rows[0]), i64::try_from(at - 1).unwrap());
    wall.open(&database).await;
    put(&store, at, at + 1, vec![thing("room", 1, None)]).await.unwrap();
    drop((store, database));
}

#[tokio::test]
async fn a_read_only_database_answers_questions_and_takes_writes_again_later() {
    let database = server().await.database_with(SCHEMAS, 10).await;
    let store = database.store(SCHEMAS).await;
    put(&store, 0, 1, vec![thing("a", 1, None)]).await.unwrap();
    let administrator = database.server.private.administrator_url();
    let switch = async |setting: &str| {
        run(&administrator, &format!("ALTER DATABASE {} {setting}", database.name)).await.unwrap();
        end_all(&database).await;
    };
    switch("SET default_transaction_read_only = on").await;
    let said = passing(&put(&store, 1, 2, vec![thing("b", 1, None)]).await.unwrap_err());
    assert!(said.contains("takes no writes (read-only)"), "{said}");
    assert_eq!(look(&store).await.unwrap().as_of, Position(1));
    let opened = PostgresStore::open(&database.app_url(), SCHEMAS, impatient()).await;
    assert!(opened.is_ok(), "a store on a standby can be asked: {:?}", opened.err());
    switch("RESET default_transaction_read_only").await;
    put(&store, 1, 2, vec![thing("b", 1, None)]).await.unwrap();
}

#[tokio::test]
async fn a_database_without_our_tables_is_refused_with_what_to_do() {
    let server = server().await;
    run(&server.private.administrator_url(), "CREATE DATABASE empty_one TEMPLATE template0").await.unwrap();
    let opened =
        PostgresStore::open(&server.private.url("stele_app", "empty_one"), SCHEMAS, impatient()).await;
    let error = opened.err().unwrap();
    let OpenError::Migrations(MigrateError::Empty) = &error else { panic!("{error:?}") };
    assert!(!error.is_transient());
    let said = std::error::Error::source(&error).unwrap().to_string();
    assert!(said.contains("run `stele db migrate`"), "{said}");
    let lazy =
        PostgresStore::lazy(&server.private.url("stele_app", "empty_one"), SCHEMAS, impatient()).unwrap();
    let refused = look(&lazy).await.unwrap_err();
    assert!(!refused.is_transient() && refused.to_string().contains("stele db migrate"), "{refused}");
}

#[tokio::test]
async fn a_table_that_was_changed_by_hand_is_refused_by_name() {
    for (statement, why) in [
        (
            "ALTER TABLE read_model.things ALTER COLUMN size TYPE integer",
            "column size is integer and should be bigint",
        ),
        ("ALTER TABLE read_model.things ADD COLUMN extra text", "a column extra that nobody knows"),
        ("ALTER TABLE read_model.things DROP COLUMN rate", "no column rate"),
        ("ALTER TABLE read_model.things ALTER COLUMN colour TYPE text COLLATE \"default\"", "sorted by"),
        ("ALTER TABLE read_model.things ALTER COLUMN colour SET NOT NULL", "column colour may be empty"),
        ("ALTER TABLE read_model.things DROP CONSTRAINT things_pkey", "its key is ()"),
        ("DROP TABLE read_model.things", "it is missing"),
    ] {
        let database = server().await.database_with(SCHEMAS, 10).await;
        database.run("stele_owner", statement).await.unwrap();
        let error = PostgresStore::open(&database.app_url(), SCHEMAS, impatient()).await.err().unwrap();
        assert!(matches!(error, OpenError::Drifted { .. }) && !error.is_transient(), "{error:?}");
        let said = error.to_string();
        assert!(said.contains("read_model.things") && said.contains(why), "{statement}: {said}");
    }
}

#[tokio::test]
async fn a_table_that_is_dropped_under_a_running_desk_is_named() {
    let database = server().await.database_with(SCHEMAS, 10).await;
    let store = database.store(SCHEMAS).await;
    database.run("stele_owner", "ALTER TABLE read_model.things RENAME TO away").await.unwrap();
    let said = passing(&look(&store).await.unwrap_err());
    assert!(said.contains("is missing"), "{said}");
    database.run("stele_owner", "ALTER TABLE read_model.away RENAME TO things").await.unwrap();
    look(&store).await.unwrap();
    database.run("stele_owner", "REVOKE ALL ON read_model.things FROM stele_app").await.unwrap();
    let said = passing(&look(&store).await.unwrap_err());
    assert!(said.contains("lacks a privilege"), "{said}");
}

#[tokio::test]
async fn no_message_shows_the_password() {
    let server = server().await;
    let url = server.private.url("nobody_known", "stele") + "&password=hunter2";
    let error = PostgresStore::open(&url, &[], impatient()).await.err().unwrap();
    assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
    let error = PostgresStore::open("postgres://a:hunter2@:::/x", &[], impatient()).await.err().unwrap();
    assert!(matches!(error, OpenError::Url(_)) && !error.is_transient());
    assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
    let store = PostgresStore::lazy(&url, &[], impatient()).unwrap();
    drop(store);
    assert!(folder().path().exists());
    drop(connect(&server.private.administrator_url()).await);
}
