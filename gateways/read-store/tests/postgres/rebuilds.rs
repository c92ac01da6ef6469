//! Rebuilds over PostgreSQL, as the desk's least-privileged role: under readers and a live runner, cut short and gone on
//! with, refused, and stopped by rows that somebody changed.

use crate::runners::{append, clock, options, same_as_folded};
use crate::server::{Database, connect, own_server, server};
use sqlx::{AssertSqlSafe, Connection as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use stele_domain::port::event_log::{EventLog, Position};
use stele_domain::port::read_store::{ReadStore, RebuildPhase, Rebuilding, ScanQuery, StoreError, Wanted};
use stele_event_log::MemoryLog;
use stele_projections::projection::Registered;
use stele_projections::rebuild::{Asked, Compared, Options, Outcome, RebuildError, Rebuilder, Side};
use stele_projections::runner::{Handle, Runner, RunnerError};
use stele_projections::{models, schemas};
use stele_read_store::PostgresStore;
use tokio::task::JoinHandle;

/// Between two questions of one reader: together they ask hundreds of times a second, and leave the machine some room.
const READ_PAUSE: Duration = Duration::from_millis(4);

/// Small pages, so that a short log takes many of them.
fn small() -> Options {
    Options { batch_records_max: 16, close: 8, tell: Duration::from_millis(20), ..Options::default() }
}

fn of(name: &str) -> Registered {
    *models::ALL.iter().find(|projection| projection.name == name).unwrap()
}

fn asked(projections: &[Registered]) -> Asked {
    let by = "operator:alice on desk-1".to_owned();
    Asked { projections: projections.to_vec(), by, from_zero: false, despite_difference: false }
}

/// A log, its tables, and the runner that keeps them.
struct Desk {
    database: Database,
    log: Arc<dyn EventLog>,
    store: Arc<PostgresStore>,
    runner: Handle,
    running: JoinHandle<Result<(), RunnerError>>,
}

impl Desk {
    async fn with(database: Database, events: u64) -> Self {
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new(clock()));
        for number in 0..events {
            append(&*log, number).await;
        }
        let store = Arc::new(database.store(&schemas(models::ALL)).await);
        let (runner, handle) = Runner::new(log.clone(), store.clone(), clock(), models::ALL, options());
        let running = tokio::spawn(runner.run());
        handle.reached(Position(events), Duration::from_mins(1)).await.unwrap();
        Self { database, log, store, runner: handle, running }
    }

    async fn of(events: u64) -> Self {
        Self::with(server().await.database().await, events).await
    }

    fn rebuilder(&self) -> Rebuilder {
        Rebuilder {
            log: self.log.clone(),
            live: self.store.clone(),
            tables: self.store.clone(),
            clock: clock(),
            runner: Some(self.runner.clone()),
            options: small(),
        }
    }

    async fn rebuilt(&self, asked: Asked) -> Vec<Outcome> {
        self.rebuilder().begin(asked).await.unwrap().run().await.unwrap()
    }

    async fn phase(&self, projection: &str) -> Option<RebuildPhase> {
        let known = self.store.rebuilds().await.unwrap();
        known.into_iter().find(|known| known.projection == projection).map(|known| known.phase)
    }

    async fn count(&self, sql: &str) -> i64 {
        let mut connection = connect(&self.database.app_url()).await;
        let count = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut connection).await;
        let count = count.unwrap_or_else(|error| panic!("{sql}: {error}"));
        connection.close().await.unwrap();
        count
    }

    /// Ends the runner, and looks whether every row follows from the log.
    async fn ends(self) {
        self.runner.drain();
        self.running.await.unwrap().unwrap();
        same_as_folded(&*self.log, &self.store).await;
    }
}

/// Somebody who reads all tables again and again, in one way or another.
struct Readers {
    stop: Arc<AtomicBool>,
    read: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<()>>,
}

impl Readers {
    fn of(desk: &Desk) -> Self {
        let (stop, read) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let mut tasks = vec![];
        for _ in 0..3 {
            let (store, stop, read) = (desk.store.clone(), stop.clone(), read.clone());
            tasks.push(tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    for table in models::tables() {
                        let page = store.scan(table.name, &ScanQuery::by_key(5)).await;
                        let page = page.unwrap_or_else(|error| panic!("{}: {error:?}", table.name)).value;
                        if let Some(row) = page.rows.first().filter(|_| table.append_only) {
                            let found = store.get(table.name, &table.key_of(row)).await;
                            assert!(
                                found.unwrap().value.is_some(),
                                "{}: a row was there and is gone",
                                table.name
                            );
                        }
                        read.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(READ_PAUSE).await;
                    }
                }
            }));
        }
        // Plain SQL, and a transaction that looks at several tables.
        for text in ["SELECT count(*) FROM read_model.{}", "BEGIN; SELECT * FROM read_model.{}; COMMIT"] {
            let (url, stop, read) = (desk.database.app_url(), stop.clone(), read.clone());
            tasks.push(tokio::spawn(async move {
                let mut connection = connect(&url).await;
                while !stop.load(Ordering::SeqCst) {
                    for table in models::tables() {
                        let sql = text.replace("{}", table.name);
                        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await;
                        done.unwrap_or_else(|error| panic!("{}: {error:?}", table.name));
                        read.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(READ_PAUSE).await;
                    }
                }
                connection.close().await.unwrap();
            }));
        }
        Self { stop, read, tasks }
    }

    /// How many questions were asked, all of which were answered.
    async fn end(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.read.load(Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_projections_are_rebuilt_under_load_and_no_question_fails() {
    let desk = Desk::of(400).await;
    let readers = Readers::of(&desk);
    let log = desk.log.clone();
    let stop = Arc::<AtomicBool>::default();
    let told_to = stop.clone();
    let writing = tokio::spawn(async move {
        let mut number = 400;
        while !told_to.load(Ordering::SeqCst) {
            append(&*log, number).await;
            number += 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        number
    });
    for under_load in [true, false] {
        let outcomes = desk.rebuilt(asked(models::ALL)).await;
        assert_eq!(outcomes.len(), models::ALL.len());
        for outcome in &outcomes {
            assert_eq!(outcome.compared, Compared::Equal, "{outcome:?}");
            assert!(outcome.swap.is_some(), "{outcome:?}");
            let at = desk.store.checkpoint(outcome.projection).await.unwrap();
            assert!(
                at.position >= outcome.position && at.event_id.is_some(),
                "nobody can tell its log: {at:?}"
            );
            assert_eq!(desk.phase(outcome.projection).await, Some(RebuildPhase::Swapped));
        }
        println!("swaps: {:?}", outcomes.iter().filter_map(|outcome| outcome.swap).collect::<Vec<_>>());
        let old = desk.store.old_tables().await.unwrap();
        assert_eq!(old.len(), models::ALL.len());
        for projection in models::ALL {
            desk.store.drop_old(projection.name).await.unwrap();
        }
        assert_eq!(desk.store.old_tables().await.unwrap(), vec![]);
        // The second time nothing moves meanwhile, and the tables that came last are replaced in their turn.
        if under_load {
            stop.store(true, Ordering::SeqCst);
        }
    }
    let written = writing.await.unwrap();
    assert!(written > 400);
    let read = readers.end().await;
    assert!(read > 500, "only {read} questions were asked");
    desk.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_somebody_changed_is_named_and_nothing_is_swapped() {
    for (change, projection, table) in [
        (
            "UPDATE read_model.quotes SET pair = 'other' WHERE position = (SELECT min(position) FROM read_model.quotes)",
            "quotes",
            "quotes",
        ),
        (
            "DELETE FROM read_model.balances WHERE token = (SELECT min(token) FROM read_model.balances)",
            "inventory",
            "balances",
        ),
        (
            "INSERT INTO read_model.event_counts SELECT 'made.Up', position, last_position, count, last_at FROM read_model.event_counts LIMIT 1",
            "event_counts",
            "event_counts",
        ),
        (
            "UPDATE read_model.digests SET value = sha256('x') WHERE table_name = 'demands'",
            "demands",
            "demands",
        ),
    ] {
        let desk = Desk::of(200).await;
        desk.database.run("stele_app", change).await.unwrap_or_else(|error| panic!("{change}: {error}"));
        let outcome = desk.rebuilt(asked(&[of(projection)])).await.remove(0);
        let Compared::Different(parts) = &outcome.compared else { panic!("{change}: {outcome:?}") };
        assert!(parts.iter().all(|part| part.table == table), "{parts:?}");
        assert!(parts.iter().any(|part| part.side == Side::Rows), "{parts:?}");
        assert!(parts[0].to_string().contains(&format!("{table} part 0")), "{}", parts[0]);
        assert_eq!(outcome.swap, None, "{change}");
        assert_eq!(desk.phase(projection).await, Some(RebuildPhase::Different));
        assert_eq!(desk.store.old_tables().await.unwrap(), vec![]);
        // Both sides are there to be looked at.
        let of_both = format!("SELECT count(*) FROM read_model_next.{table}");
        assert!(desk.count(&of_both).await > 0, "{change}");

        // Whoever has looked may take the rows that follow from the log.
        let outcome =
            desk.rebuilt(Asked { despite_difference: true, ..asked(&[of(projection)]) }).await.remove(0);
        assert!(outcome.swap.is_some() && matches!(outcome.compared, Compared::Different(_)), "{outcome:?}");
        desk.store.drop_old(projection).await.unwrap();
        for number in 200..260 {
            append(&*desk.log, number).await;
        }
        desk.runner.reached(Position(260), Duration::from_mins(1)).await.unwrap();
        let again = desk.rebuilt(asked(&[of(projection)])).await.remove(0);
        assert_eq!(again.compared, Compared::Equal, "{change}");
        desk.ends().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_rebuild_of_a_projection_is_refused_and_says_who_is_at_it() {
    let desk = Desk::of(50).await;
    let job = desk.rebuilder().begin(asked(&[of("quotes"), of("demands")])).await.unwrap();
    let other = Arc::new(desk.database.store(&schemas(models::ALL)).await);
    let elsewhere = Rebuilder { live: other.clone(), tables: other.clone(), ..desk.rebuilder() };
    let refused = elsewhere.begin(asked(&[of("demands")])).await.err().unwrap();
    let RebuildError::Store(StoreError::Rebuilding { projection, by, since }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((projection.as_str(), by.as_str()), ("demands", "operator:alice on desk-1"));
    assert!(since.micros() > 0);
    assert_eq!(other.rebuilds().await.unwrap().len(), 2);
    // Another projection is nobody's.
    let outcomes = elsewhere.begin(asked(&[of("services")])).await.unwrap().run().await.unwrap();
    assert!(outcomes[0].swap.is_some());
    drop(job);
    let began = Instant::now();
    while desk.phase("demands").await != Some(RebuildPhase::Interrupted) {
        assert!(began.elapsed() < Duration::from_mins(1), "the lock of a holder that is gone stays");
    }
    desk.rebuilt(asked(&[of("demands")])).await;
    // What was replaced is dropped by hand, before the next time.
    let began = Instant::now();
    let refused = loop {
        let refused = desk.rebuilder().begin(asked(&[of("demands")])).await.err().unwrap();
        let held = matches!(refused, RebuildError::Store(StoreError::Rebuilding { .. }));
        if !held || began.elapsed() > Duration::from_mins(1) {
            break refused;
        }
    };
    assert!(refused.to_string().contains("can't be rebuilt"), "{refused}");
    assert!(
        matches!(&refused, RebuildError::Store(StoreError::OldTables { replaced_at, .. }) if replaced_at.micros() > 0)
    );
    desk.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_that_was_cut_short_goes_on_where_it_was() {
    let desk = Desk::of(400).await;
    let slow = Rebuilder { options: Options { batch_records_max: 2, ..small() }, ..desk.rebuilder() };
    let job = slow.begin(asked(models::ALL)).await.unwrap();
    let running = tokio::spawn(job.run());
    let least = "SELECT min(position) FROM read_model_next.checkpoints";
    while desk.count(least).await < 20 {
        assert!(!running.is_finished(), "it was over before it could be cut short");
    }
    running.abort();
    let _ = running.await;
    let at = desk.count(least).await;
    assert!((20..400).contains(&at), "{at}");
    let began = Instant::now();
    let job = loop {
        match desk.rebuilder().begin(asked(models::ALL)).await {
            Ok(job) => break job,
            // The server takes a moment to see that the connection is gone.
            Err(RebuildError::Store(StoreError::Rebuilding { .. })) => {
                assert!(began.elapsed() < Duration::from_mins(1));
            }
            Err(error) => panic!("{error:?}"),
        }
    };
    assert!(desk.count(least).await >= at, "what was folded is there");
    for outcome in job.run().await.unwrap() {
        assert_eq!(outcome.compared, Compared::Equal, "{outcome:?}");
    }
    desk.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_interrupted_rebuild_has_left_is_thrown_away_on_request_and_after_a_change() {
    let desk = Desk::of(60).await;
    let wanted = |from_zero| Wanted { projections: vec!["quotes"], by: "a test".to_owned(), from_zero };
    let in_next =
        "SELECT count(*) FROM read_model_next.checkpoints WHERE projection = 'quotes' AND position = 7";
    let mark = "UPDATE read_model_next.checkpoints SET position = 7, digested_to = 7, version = 1 WHERE projection = 'quotes'";
    // A claim that was let go ends with its connection, a moment later.
    let claimed = async |from_zero| {
        let began = Instant::now();
        loop {
            match desk.store.claim(wanted(from_zero)).await {
                Ok(claim) => return claim,
                Err(StoreError::Rebuilding { .. }) => assert!(began.elapsed() < Duration::from_mins(1)),
                Err(error) => panic!("{error:?}"),
            }
        }
    };
    let left = async |from_zero, then: &str| {
        drop(claimed(true).await);
        desk.database.run("stele_app", mark).await.unwrap();
        desk.database.run("stele_owner", then).await.unwrap();
        let _claim = claimed(from_zero).await;
        desk.count(in_next).await
    };
    let until_free = async || {
        while desk.phase("quotes").await.is_some_and(RebuildPhase::is_under_way) {}
    };
    assert_eq!(left(false, "SELECT 1").await, 1, "it goes on");
    until_free().await;
    assert_eq!(left(true, "SELECT 1").await, 0, "it begins anew");
    // A migration that came in between has changed the live table.
    let column = "ALTER TABLE read_model.quotes ALTER COLUMN frame SET DATA TYPE varchar";
    assert_eq!(left(false, column).await, 0, "tables of another form go on");
    // Rows of another definition are of no use either.
    let back = "ALTER TABLE read_model.quotes ALTER COLUMN frame SET DATA TYPE text COLLATE \"C\"";
    assert_eq!(left(false, back).await, 0);
    let other = "UPDATE read_model_next.checkpoints SET version = 99 WHERE projection = 'quotes'";
    assert_eq!(left(false, other).await, 0, "rows of another version go on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_under_a_rebuild_loses_nothing_of_it() {
    let server = Arc::new(own_server().await);
    let desk = Desk::with(server.database().await, 600).await;
    let slow = Rebuilder { options: Options { batch_records_max: 4, ..small() }, ..desk.rebuilder() };
    let job = slow.begin(asked(models::ALL)).await.unwrap();
    let running = tokio::spawn(job.run());
    for least in [40, 200] {
        let began = Instant::now();
        loop {
            let known = desk.store.rebuilds().await.unwrap_or_default();
            if known.len() == models::ALL.len() && known.iter().all(|known| known.position.0 >= least) {
                break;
            }
            assert!(!running.is_finished() && began.elapsed() < Duration::from_mins(1), "{known:#?}");
            tokio::task::yield_now().await;
        }
        server.kill();
    }
    let outcomes = running.await.unwrap().unwrap();
    assert_eq!(outcomes.len(), models::ALL.len());
    for outcome in outcomes {
        assert!(outcome.swap.is_some() && outcome.compared == Compared::Equal, "{outcome:?}");
    }
    desk.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_another_definition_serve_until_the_new_ones_are_whole() {
    let desk = Desk::of(120).await;
    desk.runner.drain();
    let mut changed = of("quotes");
    changed.version += 1;
    let store = Arc::new(desk.database.store(&schemas(&[changed])).await);
    let rebuilder =
        Rebuilder { live: store.clone(), tables: store.clone(), runner: None, ..desk.rebuilder() };
    let job = rebuilder.begin(asked(&[changed])).await.unwrap();
    assert_eq!(store.checkpoint("quotes").await.unwrap().version, changed.version - 1);
    let outcome = job.run().await.unwrap().remove(0);
    assert_eq!(outcome.compared, Compared::OtherDefinition);
    assert_eq!((outcome.live_version, outcome.version), (changed.version - 1, changed.version));
    let at = store.checkpoint("quotes").await.unwrap();
    assert_eq!((at.version, at.position), (changed.version, Position(120)));
    let old = store.old_tables().await.unwrap().remove(0);
    assert_eq!((old.version, old.position), (changed.version - 1, Position(120)));
    let known = store.rebuilds().await.unwrap().remove(0);
    assert!(known.detail.contains("from version"), "{known:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn next_tables_are_in_all_what_the_live_ones_are() {
    let desk = Desk::of(60).await;
    desk.database.run("stele_owner", "GRANT SELECT ON read_model.quotes TO PUBLIC").await.unwrap();
    let shape = "SELECT string_agg(line, E'\\n' ORDER BY line) FROM (
            SELECT format('%s %s', c.relname, c.reloptions) AS line FROM pg_class AS c
            WHERE c.relnamespace = 'read_model'::regnamespace AND c.relkind IN ('r', 'p', 'i', 'I')
            UNION ALL SELECT format('%s %s %s', tablename, indexname, indexdef) FROM pg_indexes WHERE schemaname = 'read_model'
            UNION ALL SELECT format('%s %s', conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint
            WHERE connamespace = 'read_model'::regnamespace
            UNION ALL SELECT format('%s %s', relname, relacl) FROM pg_class
            WHERE relnamespace = 'read_model'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
            UNION ALL SELECT format('%s %s %s', table_name, column_name, concat_ws(' ', data_type, is_nullable, collation_name))
            FROM information_schema.columns WHERE table_schema = 'read_model') AS lines";
    let mut connection = desk.database.connect("stele_owner").await;
    let mut said = async || -> String { sqlx::query_scalar(shape).fetch_one(&mut connection).await.unwrap() };
    let before = said().await;
    desk.rebuilt(asked(models::ALL)).await;
    let after = said().await;
    let lost: Vec<&str> = before.lines().filter(|line| !after.lines().any(|other| other == *line)).collect();
    assert_eq!(before, after, "{lost:#?}");
    desk.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_that_would_go_on_with_the_old_rows_stops_a_rebuild_before_it_begins() {
    let desk = Desk::of(10).await;
    desk.database
        .run("stele_owner", "CREATE VIEW read_model.of_mine AS SELECT pair FROM read_model.quotes")
        .await
        .unwrap();
    let refused = desk.rebuilder().begin(asked(&[of("quotes")])).await.err().unwrap();
    let RebuildError::Store(StoreError::Invalid(why)) = &refused else { panic!("{refused:?}") };
    assert!(why.contains("read_model.of_mine") && why.contains("drop it"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_without_end_delays_a_swap_and_holds_up_nobody_else() {
    let desk = Desk::of(60).await;
    let mut long = desk.database.connect("stele_app").await;
    sqlx::raw_sql("BEGIN; SELECT count(*) FROM read_model.quotes").execute(&mut long).await.unwrap();
    let rebuilder = desk.rebuilder();
    let running =
        tokio::spawn(async move { rebuilder.begin(asked(&[of("quotes")])).await.unwrap().run().await });
    let mut slowest = Duration::ZERO;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(2) {
        let one = Instant::now();
        desk.store.scan("quotes", &ScanQuery::by_key(1)).await.unwrap();
        slowest = slowest.max(one.elapsed());
    }
    assert!(!running.is_finished(), "it swapped under a reader");
    assert!(slowest < Duration::from_secs(1), "a reader waited for {slowest:?}");
    sqlx::raw_sql("COMMIT").execute(&mut long).await.unwrap();
    let outcome = running.await.unwrap().unwrap().remove(0);
    assert!(outcome.swap.is_some());
    desk.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_are_held_still_are_not_replaced_before_they_are_let_go() {
    let desk = Desk::of(40).await;
    let still = desk.store.still().await.unwrap();
    // Nobody has looked at a table there: were it replaced, another one with no row to be seen would have its name.
    let hurried = Options { settle: Duration::from_millis(300), ..small() };
    let job = Rebuilder { options: hurried, ..desk.rebuilder() }.begin(asked(&[of("event_counts")])).await;
    let refused = job.unwrap().run().await;
    assert!(matches!(refused, Err(RebuildError::Unsettled { .. })), "{refused:?}");
    let all = ScanQuery::by_key(100);
    let rows = still.scan("event_counts", &all).await.unwrap().value.rows;
    assert!(!rows.is_empty() && rows == desk.store.scan("event_counts", &all).await.unwrap().value.rows);
    drop(still);
    let outcomes = desk.rebuilt(asked(&[of("event_counts")])).await;
    assert!(outcomes[0].swap.is_some(), "{outcomes:?}");
    desk.ends().await;
}
