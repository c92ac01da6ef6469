//! `migrations/README.md`, the definitions of the projections and a live database say the same of every table and
//! column, each compared with each in both directions.
//!
//! `UPDATE_README=1 cargo test -p stele-read-store documents` writes the tables into the document anew.

use crate::server::server;
use sqlx::Row as _;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;
use stele_domain::port::read_store::{ColumnKind, Table};
use stele_projections::{models, schemas};

const BEGIN: &str = "<!-- tables: written by the test documents -->\n";
const END: &str = "<!-- end of tables -->\n";

/// The tables that no projection has, and their columns.
const OURS: &[(&str, &[&str])] = &[
    ("read_model.checkpoints", &["projection", "version", "position", "moved_at", "event_id", "digested_to"]),
    ("read_model.digests", &["projection", "table_name", "part", "rows", "value"]),
    (
        "read_model.storage_policy",
        &[
            "table_name",
            "partition_span",
            "time_column",
            "compress_after",
            "tier_after",
            "retention",
            "keep_rows",
            "cut_rows",
        ],
    ),
    (
        "read_model.partitions",
        &["table_name", "partition_name", "from_position", "to_position", "created_at"],
    ),
    (
        "read_model.rebuilds",
        &[
            "projection",
            "phase",
            "version",
            "live_version",
            "by_whom",
            "began_at",
            "moved_at",
            "position",
            "target",
            "per_second",
            "detail",
        ],
    ),
    ("stele.migrations", &["version", "file", "checksum", "applied_at", "took_ms"]),
];

fn readme() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../migrations/README.md")
}

fn sql_type(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Text => "text",
        ColumnKind::Int64 => "bigint",
        ColumnKind::Bool => "boolean",
        ColumnKind::Timestamp => "timestamptz",
        ColumnKind::Units => "numeric(78,0)",
        ColumnKind::Decimal => "numeric",
        ColumnKind::Json => "json",
    }
}

fn described(table: &Table) -> String {
    let mut text = format!("### `{}`\n\n{} Key: `{}`.", table.name, table.doc, table.key.join(", "));
    if !table.indexes.is_empty() {
        write!(text, " Found by `{}`.", table.indexes.join("`, `")).unwrap();
    }
    if table.append_only {
        text.push_str(" A history: rows never change; partitioned by position.");
    }
    text.push_str("\n\n| Column | Type | What it is |\n|---|---|---|\n");
    for column in table.columns {
        let empty = if column.nullable { ", may be empty" } else { "" };
        writeln!(text, "| `{}` | {}{empty} | {} |", column.name, sql_type(column.kind), column.doc).unwrap();
    }
    text.push('\n');
    text
}

fn tables_of_document() -> String {
    let mut text = String::from("\n");
    for table in models::tables() {
        text.push_str(&described(table));
    }
    text
}

#[test]
fn the_document_says_of_every_table_what_its_definition_says() {
    let path = readme();
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once(BEGIN).expect("the document has a mark where the tables begin");
    let (written, tail) = rest.split_once(END).expect("the document has a mark where the tables end");
    let expected = tables_of_document();
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(&path, format!("{head}{BEGIN}{expected}{END}{tail}")).unwrap();
        return;
    }
    assert_eq!(written, expected, "UPDATE_README=1 cargo test -p stele-read-store documents writes it anew");
    for (table, columns) in OURS {
        let name = table.split('.').nth(1).unwrap();
        let section =
            head.split(&format!("### `{name}`")).nth(1).unwrap_or_else(|| panic!("no section on {name}"));
        let section = section.split("\n### ").next().unwrap();
        for column in *columns {
            assert!(section.contains(&format!("| `{column}` |")), "{table}.{column} is not documented");
        }
        let rows = section.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(rows, columns.len(), "the section on {table} tells of other columns");
    }
}

#[tokio::test]
async fn the_live_database_has_what_is_documented_and_nothing_else() {
    let database = server().await.database().await;
    let mut connection = database.connect("stele_owner").await;
    let sql = "SELECT table_schema || '.' || table_name, column_name, is_nullable = 'YES', data_type,
            numeric_precision, numeric_scale
         FROM information_schema.columns WHERE table_schema IN ('read_model', 'stele')";
    let mut live: BTreeMap<String, BTreeSet<(String, String, bool)>> = BTreeMap::new();
    for row in sqlx::query(sql).fetch_all(&mut connection).await.unwrap() {
        let data_type: String = row.get(3);
        let digits = row.get::<Option<i32>, _>(4).zip(row.get::<Option<i32>, _>(5));
        let data_type = match (data_type.as_str(), digits) {
            ("timestamp with time zone", _) => "timestamptz".to_owned(),
            ("numeric", Some((precision, scale))) => format!("numeric({precision},{scale})"),
            (other, _) => other.to_owned(),
        };
        live.entry(row.get(0)).or_default().insert((row.get(1), data_type, row.get(2)));
    }
    for (table, columns) in OURS {
        let names: BTreeSet<String> =
            live.remove(*table).unwrap().into_iter().map(|(name, ..)| name).collect();
        assert_eq!(names, columns.iter().map(|&name| name.to_owned()).collect(), "{table}");
    }
    for table in models::tables() {
        let columns =
            live.remove(&format!("read_model.{}", table.name)).unwrap_or_else(|| panic!("{}", table.name));
        let defined =
            table.columns.iter().map(|c| (c.name.to_owned(), sql_type(c.kind).to_owned(), c.nullable));
        assert_eq!(columns, defined.collect(), "{}", table.name);
    }
    assert!(live.is_empty(), "nobody knows {live:?}");
}

#[tokio::test]
async fn every_history_is_partitioned_has_a_brin_index_and_a_storage_policy() {
    let database = server().await.database().await;
    let mut connection = database.connect("stele_owner").await;
    let sql = "SELECT c.relname::text, c.relkind = 'p',
            EXISTS (SELECT FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid
                JOIN pg_am AS a ON a.oid = x.relam WHERE i.indrelid = c.oid AND a.amname = 'brin'),
            p.keep_rows
         FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
         LEFT JOIN read_model.storage_policy AS p ON p.table_name = c.relname
         WHERE n.nspname = 'read_model' AND c.relkind IN ('r', 'p') AND NOT c.relispartition";
    let mut seen = 0;
    for row in sqlx::query(sql).fetch_all(&mut connection).await.unwrap() {
        let name: String = row.get(0);
        let Some(table) = models::table(&name) else { continue };
        let (partitioned, brin, keep): (bool, bool, Option<i64>) = (row.get(1), row.get(2), row.get(3));
        let history = table.append_only;
        assert_eq!((partitioned, brin, keep.is_some()), (history, history, history), "{name}");
        if let (Some(keep), stele_domain::port::read_store::Retention::Newest { rows, .. }) =
            (keep, table.retention)
        {
            assert!(keep >= i64::try_from(rows).unwrap(), "{name} may lose rows that it must keep");
        }
        seen += 1;
    }
    assert_eq!(seen, models::tables().count());
}

#[tokio::test]
async fn every_column_that_rows_are_found_by_has_an_index() {
    let database = server().await.database().await;
    drop(database.store(&schemas(models::ALL)).await);
    let mut connection = database.connect("stele_owner").await;
    let sql = "SELECT c.relname::text, a.attname::text FROM pg_index AS i
         JOIN pg_class AS c ON c.oid = i.indrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
         JOIN pg_class AS x ON x.oid = i.indexrelid JOIN pg_am AS m ON m.oid = x.relam
         JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
         WHERE n.nspname = 'read_model' AND m.amname = 'btree'";
    let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
    let live: BTreeSet<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    for table in models::tables() {
        for column in table.indexes.iter().chain(table.key.first()) {
            let wanted = (table.name.to_owned(), (*column).to_owned());
            assert!(live.contains(&wanted), "{}.{column} has no index", table.name);
        }
    }
}
