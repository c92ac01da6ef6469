//! Migrations on a real server: applied once, in order, whole or not at all; and databases that are refused.

use crate::server::{Database, server};
use std::time::{Duration, Instant};
use stele_projections::{models, schemas};
use stele_read_store::migrate::{Bounds, FILES, Migration, apply, apply_within, migrate};
use stele_read_store::{MigrateError, OpenError, Options, PostgresStore};

async fn opened(database: &Database) -> Result<PostgresStore, OpenError> {
    PostgresStore::open(&database.app_url(), &schemas(models::ALL), Options::default()).await
}

fn words(error: &OpenError) -> String {
    format!("{error}: {}", std::error::Error::source(error).map(ToString::to_string).unwrap_or_default())
}

/// The files of this build, and more.
fn with(more: &[Migration]) -> Vec<Migration> {
    FILES.iter().chain(more).copied().collect()
}

fn next(sql: &'static str) -> Migration {
    let version = i32::try_from(FILES.len()).unwrap() + 1;
    Migration { version, file: "9999_next.sql", sql }
}

async fn tables(database: &Database, like: &str) -> i64 {
    let sql = "SELECT count(*) FROM pg_class WHERE relname LIKE $1";
    let mut connection = database.connect("stele_owner").await;
    sqlx::query_scalar(sql).bind(like).fetch_one(&mut connection).await.unwrap()
}

#[tokio::test]
async fn applying_them_again_changes_nothing() {
    let database = server().await.database().await;
    let again = migrate(&database.owner_url()).await.unwrap();
    assert_eq!((again.applied.len(), again.version), (0, i32::try_from(FILES.len()).unwrap()));
    opened(&database).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runs_at_once_apply_each_file_once() {
    let database = server().await.database().await;
    let files = with(&[next("CREATE TABLE read_model.once (a int); SELECT pg_sleep(0.2)")]);
    let (url, other) = (database.owner_url(), database.owner_url());
    let (one, two) = tokio::join!(apply(&url, &files), apply(&other, &files));
    let applied = one.unwrap().applied.len() + two.unwrap().applied.len();
    assert_eq!(applied, 1);
}

#[tokio::test]
async fn a_run_that_does_not_end_is_waited_for_by_its_own_bound_and_named() {
    let database = server().await.database().await;
    let files = with(&[next("CREATE TABLE read_model.waited (a int)")]);
    let mut other = database.connect("stele_owner").await;
    sqlx::raw_sql("SELECT pg_advisory_lock(7363746101)").execute(&mut other).await.unwrap();
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut other).await.unwrap();
    let bounds = Bounds { other_run: Duration::from_millis(200), ..Bounds::default() };
    let began = Instant::now();
    let refused = apply_within(&database.owner_url(), &files, bounds).await.unwrap_err();
    assert!(began.elapsed() >= bounds.other_run, "it did not wait: {:?}", began.elapsed());
    let MigrateError::Locked { waited, holder } = refused else { panic!("{refused:?}") };
    assert_eq!((waited, holder), (bounds.other_run, Some(pid)));
    let said = refused.to_string();
    assert!(
        said.contains(&format!("SELECT pg_terminate_backend({pid})")) && refused.is_transient(),
        "{said}"
    );
    assert_eq!(tables(&database, "waited").await, 0);
    sqlx::Connection::close(other).await.unwrap();
    apply_within(&database.owner_url(), &files, bounds).await.unwrap();
    assert_eq!(tables(&database, "waited").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_for_another_run_takes_nothing_of_a_files_own_bound() {
    let database = server().await.database().await;
    let files = with(&[next("CREATE TABLE read_model.patient (a int)")]);
    let mut other = database.connect("stele_owner").await;
    sqlx::raw_sql("SELECT pg_advisory_lock(7363746101)").execute(&mut other).await.unwrap();
    let bounds = Bounds { file: Duration::from_secs(2), ..Bounds::default() };
    let url = database.owner_url();
    let began = Instant::now();
    let waiting = tokio::spawn(async move { apply_within(&url, &files, bounds).await });
    // The other run takes longer than a file may.
    sqlx::raw_sql("SELECT pg_sleep(2.5)").execute(&mut other).await.unwrap();
    assert!(!waiting.is_finished() && began.elapsed() > bounds.file);
    sqlx::Connection::close(other).await.unwrap();
    let done = waiting.await.unwrap().unwrap();
    assert_eq!(done.applied, ["9999_next.sql"]);
}

#[tokio::test]
async fn the_bound_is_for_each_file_and_names_the_one_that_reached_it() {
    let database = server().await.database().await;
    let number = i32::try_from(FILES.len()).unwrap();
    let file = |nth, file, sql| Migration { version: number + nth, file, sql };
    let short = Bounds { file: Duration::from_secs(2), ..Bounds::default() };
    // Together they take longer than one may.
    let patient = ["SELECT pg_sleep(0.8)"; 3];
    let files: Vec<Migration> = patient
        .iter()
        .zip(["9001_one.sql", "9002_two.sql", "9003_three.sql"])
        .zip(1..)
        .map(|((sql, name), nth)| file(nth, name, sql))
        .collect();
    apply_within(&database.owner_url(), &with(&files), short).await.unwrap();
    let long = file(4, "9004_long.sql", "CREATE TABLE read_model.too_long (a int); SELECT pg_sleep(600)");
    let all: Vec<Migration> = files.iter().copied().chain([long]).collect();
    let quick = Bounds { file: Duration::from_millis(500), ..Bounds::default() };
    let refused = apply_within(&database.owner_url(), &with(&all), quick).await.unwrap_err();
    let said = refused.to_string();
    assert!(matches!(refused, MigrateError::TooLong { file: "9004_long.sql", .. }), "{refused:?}");
    assert!(said.contains("9004_long.sql did not end within 500ms") && refused.is_transient(), "{said}");
    assert_eq!(tables(&database, "too\\_long").await, 0);
}

#[tokio::test]
async fn an_edited_migration_is_refused_by_name() {
    let database = server().await.database().await;
    let edited = "UPDATE stele.migrations SET checksum = repeat('0', 64) WHERE version = 3";
    database.run("stele_owner", edited).await.unwrap();
    let said = words(&opened(&database).await.err().unwrap());
    assert!(said.contains("0003_demands.sql was edited after it was applied"), "{said}");
    let refused = migrate(&database.owner_url()).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Edited { .. }), "{refused:?}");
}

#[tokio::test]
async fn a_missing_migration_is_refused_by_name() {
    let database = server().await.database().await;
    apply(&database.owner_url(), &with(&[next("SELECT 1")])).await.unwrap();
    let said = words(&opened(&database).await.err().unwrap());
    assert!(
        said.contains("9999_next.sql was applied to the database and this build does not have it"),
        "{said}"
    );
    let refused = migrate(&database.owner_url()).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Unknown { .. }), "{refused:?}");
}

#[tokio::test]
async fn an_old_database_is_refused_with_what_to_do() {
    let database = server().await.database().await;
    let last = FILES.last().unwrap();
    let older = format!("DELETE FROM stele.migrations WHERE version = {}", last.version);
    database.run("stele_owner", &older).await.unwrap();
    let said = words(&opened(&database).await.err().unwrap());
    assert!(said.contains(last.file) && said.contains("run `stele db migrate`"), "{said}");
}

#[tokio::test]
async fn migrations_in_another_order_are_refused_by_name() {
    let database = server().await.database().await;
    let swapped = "UPDATE stele.migrations SET version = -2 WHERE version = 2;
        UPDATE stele.migrations SET version = 2 WHERE version = 3;
        UPDATE stele.migrations SET version = 3 WHERE version = -2";
    database.run("stele_owner", swapped).await.unwrap();
    let said = words(&opened(&database).await.err().unwrap());
    assert!(said.contains("number 2 was applied as 0003_demands.sql and is 0002_quotes.sql here"), "{said}");
    let between = "DELETE FROM stele.migrations WHERE version = 5";
    let database = server().await.database().await;
    database.run("stele_owner", between).await.unwrap();
    let said = words(&opened(&database).await.err().unwrap());
    assert!(said.contains("0005_inventory.sql comes before"), "{said}");
}

#[tokio::test]
async fn a_migration_that_fails_half_way_leaves_nothing() {
    let database = server().await.database().await;
    let half =
        next("CREATE TABLE read_model.half_one (a int); CREATE TABLE read_model.half_two (a nonsense)");
    let failed = apply(&database.owner_url(), &with(&[half])).await.unwrap_err();
    let MigrateError::Failed { file: "9999_next.sql", .. } = failed else { panic!("{failed:?}") };
    assert!(!failed.is_transient());
    assert_eq!(tables(&database, "half\\_%").await, 0);
    opened(&database).await.unwrap();
    let mended = next("CREATE TABLE read_model.half_one (a int); CREATE TABLE read_model.half_two (a int)");
    let done = apply(&database.owner_url(), &with(&[mended])).await.unwrap();
    assert_eq!(done.applied, ["9999_next.sql"]);
    assert_eq!(tables(&database, "half\\_%").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_is_cut_off_in_the_middle_leaves_nothing() {
    let database = server().await.database().await;
    let long = with(&[next("CREATE TABLE read_model.cut_off (a int); SELECT pg_sleep(600)")]);
    let url = database.owner_url();
    let running = tokio::spawn(async move { apply(&url, &long).await });
    let mut connection = database.connect("stele_owner").await;
    let ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE datname = current_database() AND wait_event = 'PgSleep'";
    while sqlx::query_scalar::<_, i64>(ended).fetch_one(&mut connection).await.unwrap() == 0 {}
    let cut = running.await.unwrap();
    assert!(cut.is_err(), "{cut:?}");
    assert_eq!(tables(&database, "cut\\_off").await, 0);
    opened(&database).await.unwrap();
}

#[tokio::test]
async fn what_was_half_applied_by_hand_is_named_and_not_covered_up() {
    let database = server().await.database().await;
    database.run("stele_owner", "CREATE TABLE read_model.by_hand (a int)").await.unwrap();
    let file = next("CREATE TABLE read_model.by_hand (a int); CREATE TABLE read_model.rest (a int)");
    let failed = apply(&database.owner_url(), &with(&[file])).await.unwrap_err();
    assert!(
        failed.to_string().contains("9999_next.sql failed") && failed.to_string().contains("by hand"),
        "{failed}"
    );
    assert_eq!(tables(&database, "rest").await, 0);
}

#[tokio::test]
async fn the_desks_role_can_not_migrate() {
    let database = server().await.database().await;
    let refused = apply(&database.app_url(), &with(&[next("CREATE TABLE read_model.mine (a int)")])).await;
    let refused = refused.unwrap_err();
    assert!(matches!(refused, MigrateError::Failed { .. }), "{refused:?}");
    assert_eq!(tables(&database, "mine").await, 0);
}

#[tokio::test]
async fn one_role_for_everything_works_too() {
    let database = server().await.database().await;
    let store = PostgresStore::open(&database.owner_url(), &schemas(models::ALL), Options::default()).await;
    store.unwrap();
}
