//! The desk's role can do what the desk needs, and nothing else.

use crate::server::server;

#[tokio::test]
async fn the_desks_role_changes_rows_and_no_tables() {
    let database = server().await.database().await;
    for forbidden in [
        "CREATE TABLE read_model.mine (a int)",
        "CREATE TABLE stele.mine (a int)",
        "DROP TABLE read_model.quotes",
        "ALTER TABLE read_model.quotes ADD COLUMN extra int",
        "TRUNCATE read_model.quotes",
        "CREATE INDEX ON read_model.quotes (pair)",
        "CREATE SCHEMA mine",
        "UPDATE read_model.storage_policy SET retention = '1 second'",
        "DELETE FROM read_model.partitions",
        "DELETE FROM read_model.checkpoints",
        "DELETE FROM stele.migrations",
        "UPDATE stele.migrations SET checksum = ''",
        "CREATE TABLE read_model_next.mine (a int)",
        "CREATE TABLE read_model_old.mine (a int)",
        "ALTER TABLE read_model.quotes SET SCHEMA read_model_old",
        "DELETE FROM read_model_old.checkpoints",
        "DELETE FROM read_model_next.partitions",
        "DELETE FROM read_model.rebuilds",
        "SELECT read_model.make_next('quotes')",
        "SELECT read_model.move_table('quotes', 'read_model', 'read_model_old')",
        "SELECT read_model.make_partition('read_model', 'quotes', 5)",
        "SELECT read_model.declare_series('x', 1, 'at', '1 day', '1 day', NULL, 1)",
        "CREATE DATABASE mine",
        "ALTER ROLE stele_app SUPERUSER",
        "SELECT pg_read_file('PG_VERSION')",
    ] {
        let done = database.run("stele_app", forbidden).await;
        let error = done.expect_err(forbidden);
        let said = error.as_database_error().unwrap_or_else(|| panic!("{forbidden}: {error}"));
        let code = said.code().unwrap_or_default();
        assert_eq!(code, "42501", "{forbidden}: {error}");
    }
    for allowed in [
        "SELECT read_model.ensure_partition('quotes', 5)",
        "SELECT count(*) FROM read_model.partition_ages(NULL)",
        "SELECT read_model.drop_tiered('quotes', 0, 1000000, '{}', '{}', '{}', '{}', '{}')",
        "SELECT read_model.begin_restore('reference_prices', 0, 1000000)",
        "SELECT read_model.begin_rebuild('quotes', '{quotes}', 1, false)",
        "SELECT read_model.ensure_next_partition('quotes', 5)",
        "INSERT INTO read_model_next.quotes VALUES (5, 'q', 'p', 'first', '', NULL, now(), now())",
        "SELECT read_model.drop_rebuilt('read_model_next', 'quotes', '{quotes}')",
        "SELECT count(*) FROM read_model_old.parked_events",
        "DELETE FROM read_model.services",
        "SELECT count(*) FROM stele.migrations",
    ] {
        database.run("stele_app", allowed).await.unwrap_or_else(|error| panic!("{allowed}: {error}"));
    }
}

#[tokio::test]
async fn the_owners_functions_touch_only_tables_of_projections() {
    let database = server().await.database().await;
    for (call, why) in [
        ("SELECT read_model.ensure_partition('checkpoints', 5)", "is no history"),
        (
            "SELECT read_model.ensure_partition('quotes\"; DROP TABLE read_model.quotes; --', 5)",
            "is no history",
        ),
        ("SELECT read_model.start_over('quotes', '{partitions}')", "belongs to no projection"),
        ("SELECT read_model.start_over('quotes', '{nothing}')", "does not exist"),
        ("SELECT read_model.start_over('quotes', '{../migrations}')", "does not exist"),
        (
            "SELECT read_model.begin_rebuild('quotes', '{checkpoints}', 1, false)",
            "is no table of a projection",
        ),
        ("SELECT read_model.begin_rebuild('quotes', '{quotes_p0}', 1, false)", "is no table of a projection"),
        ("SELECT read_model.swap_rebuild('quotes', '{digests}', 1, 0, 0, 20)", "is no table of a projection"),
        ("SELECT read_model.swap_rebuild('quotes', '{quotes}', 1, 0, 0, 20)", "and its next tables at"),
        ("SELECT read_model.drop_rebuilt('read_model', 'quotes', '{quotes}')", "has no tables of a rebuild"),
        (
            "SELECT read_model.drop_rebuilt('stele', 'migrations', '{migrations}')",
            "has no tables of a rebuild",
        ),
        (
            "SELECT read_model.drop_rebuilt('read_model_next', 'quotes', '{parked_events}')",
            "is no table of a projection",
        ),
        ("SELECT read_model.ensure_next_partition('checkpoints', 5)", "is no history"),
        ("SELECT read_model.begin_restore('checkpoints', 0, 1000000)", "is no history"),
        ("SELECT read_model.begin_restore('quotes', 1000000, 1000000)", "can't come back"),
        ("SELECT read_model.finish_restore('migrations', 0, 1000000, 0)", "is no history"),
    ] {
        let error = database.run("stele_app", call).await.expect_err(call).to_string();
        assert!(error.contains(why), "{call}: {error}");
    }
}
