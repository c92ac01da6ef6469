//! PostgreSQL under the suite: every version that is installed here, as the desk's own role.

use crate::fixture::{Open, Opened, SCHEMAS, put, thing};
use crate::server::{Server, server_of, versions};
use crate::suite;
use sqlx::Row as _;
use std::sync::Arc;
use stele_domain::port::read_store::Schema;

/// Small partitions, so that the suite goes over their edges.
const SPAN: u64 = 3;

struct Postgres(Arc<Server>);

impl Open for Postgres {
    fn open(&self, schemas: &[Schema]) -> Opened {
        let (server, schemas) = (self.0.clone(), schemas.to_vec());
        Box::pin(async move {
            let database = server.database_with(&schemas, SPAN).await;
            Arc::new(database.store(&schemas).await) as _
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_keeps_the_contract_in_every_version_that_is_here() {
    assert!(!SCHEMAS.is_empty());
    for binaries in versions() {
        println!("PostgreSQL {}", binaries.major);
        suite::hold(&Postgres(server_of(&binaries).await)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_values_are_packed_by_the_quicker_method_where_a_server_has_it() {
    for binaries in versions() {
        let database = server_of(&binaries).await.database_with(SCHEMAS, SPAN).await;
        let store = database.store(SCHEMAS).await;
        put(&store, 0, 1, vec![thing("a", 1, Some(&"colour ".repeat(2_000)))]).await.unwrap();
        let packed = "SELECT pg_column_compression(colour), (SELECT 'lz4' = ANY (enumvals) FROM pg_settings \
                      WHERE name = 'default_toast_compression') FROM read_model.things";
        let row = sqlx::query(packed).fetch_one(&mut database.connect("stele_app").await).await.unwrap();
        let (method, has_lz4): (String, bool) = (row.get(0), row.get(1));
        assert_eq!(method, if has_lz4 { "lz4" } else { "pglz" }, "PostgreSQL {}", binaries.major);
    }
}
