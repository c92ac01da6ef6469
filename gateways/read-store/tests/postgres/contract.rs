//! PostgreSQL under the suite: every version that is installed here, as the desk's own role.

use crate::fixture::{Open, Opened, SCHEMAS};
use crate::server::{Server, server_of, versions};
use crate::suite;
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
