//! A real server understands every statement that the store can say.

use crate::server::{connect, server};
use sqlx::AssertSqlSafe;
use std::fmt::Write;
use stele_projections::{models, schemas};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_is_understood_by_a_server() {
    let database = server().await.database().await;
    let statements = database.store(&schemas(models::ALL)).await.statements();
    assert!(statements.len() > 20 * models::tables().count(), "{}", statements.len());
    let mut connection = connect(&database.app_url()).await;
    for chunk in statements.chunks(100) {
        let mut script = String::new();
        for (i, statement) in chunk.iter().enumerate() {
            writeln!(script, "PREPARE s{i} AS {};", statement.text()).unwrap();
        }
        script.push_str("DEALLOCATE ALL");
        let said = sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut connection).await;
        said.unwrap_or_else(|error| panic!("{error}: one of {chunk:#?}"));
    }
}

#[tokio::test]
async fn a_page_by_an_indexed_column_does_not_read_the_whole_table() {
    let database = server().await.database().await;
    let store = database.store(&schemas(models::ALL)).await;
    for statement in [
        "SELECT read_model.ensure_partition('result_history', 1)",
        "INSERT INTO read_model.result_history
         SELECT n, 'e' || n, 'c' || (n % 5000), 'started', '', NULL, NULL, now(), now()
         FROM generate_series(1, 50000) AS n",
        "ANALYZE read_model.result_history",
    ] {
        database.run("stele_owner", statement).await.unwrap();
    }
    let statements = store.statements();
    let by_command = |text: &&str| {
        ["\"result_history\"", "\"command_id\" = $3", "DESC", "$4::bigint"]
            .iter()
            .all(|part| text.contains(part))
    };
    let text = statements.iter().map(stele_read_store::Sql::text).find(by_command).unwrap();
    let values = [("$1", "'{results}'"), ("$2", "'result_history'"), ("$3", "'c77'"), ("$4", "50")];
    let explained = values.iter().fold(format!("EXPLAIN {text}"), |text, (from, to)| text.replace(from, to));
    let mut connection = connect(&database.app_url()).await;
    let rows = sqlx::raw_sql(AssertSqlSafe(explained)).fetch_all(&mut connection).await.unwrap();
    let plan: Vec<String> = rows.iter().map(|row| sqlx::Row::get(row, 0)).collect();
    assert!(plan.iter().any(|line| line.contains("Index Scan")), "{plan:#?}");
    assert!(!plan.iter().any(|line| line.contains("Seq Scan on result_history")), "{plan:#?}");
}
