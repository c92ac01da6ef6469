//! A PostgreSQL table in the private server that Stele itself starts (`stele-read-store`): fsync and `synchronous_commit` on,
//! as shipped, over a Unix socket. One row for an event, one statement and one commit for an append; PostgreSQL groups
//! commits of different connections by itself. The expected version is a uniqueness constraint. The server takes 50
//! connections, so with more writers than [`CONNECTIONS`] they take turns, as they do behind any pool.

use sqlx::postgres::{PgPool, PgPoolOptions};
use std::path::Path;
use stele_bench_drive::load::{EVENT_TYPE, Subject, Writer};
use stele_read_store::PrivateServer;
use uuid::Uuid;

/// Connections of the pool.
const CONNECTIONS: u32 = 44;
const TABLE: &str = "CREATE TABLE events (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, stream text NOT NULL, revision bigint NOT NULL,
    id uuid NOT NULL, type text NOT NULL, data bytea NOT NULL, UNIQUE (stream, revision))";
const ONE: &str = "INSERT INTO events (stream, revision, id, type, data) VALUES ($1, $2, $3, $4, $5)";
const MANY: &str = "INSERT INTO events (stream, revision, id, type, data)
    SELECT $1, $2 + n - 1, id, $4, data FROM unnest($3::uuid[], $5::bytea[]) WITH ORDINALITY AS r (id, data, n)";

/// A pool, and the server behind it.
pub struct Postgres {
    pool: PgPool,
    server: PrivateServer,
}

impl Postgres {
    /// Starts a server over a directory that does not exist yet.
    pub async fn start(directory: &Path) -> anyhow::Result<Self> {
        let server = PrivateServer::start_bare(directory, None).await?;
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS);
        let pool = pool.connect(&server.administrator_url()).await?;
        sqlx::query(TABLE).execute(&pool).await?;
        Ok(Self { pool, server })
    }

    /// Ends the server.
    pub async fn stop(self) {
        self.pool.close().await;
        self.server.stop().await;
    }
}

impl Subject for Postgres {
    type Writer = Writer;

    fn writer(&self, number: u64) -> anyhow::Result<Writer> {
        Writer::new(number)
    }

    async fn keep(&self, writer: &mut Writer, batch: usize) -> anyhow::Result<()> {
        let first = i64::try_from(writer.next())?;
        let (_, records) = writer.offer(batch);
        let stream = writer.stream().as_str();
        let query = if let [record] = &records[..] {
            let query = sqlx::query(ONE).bind(stream).bind(first).bind(record.event_id.0);
            query.bind(EVENT_TYPE).bind(&record.data[..])
        } else {
            let ids: Vec<Uuid> = records.iter().map(|record| record.event_id.0).collect();
            let data: Vec<&[u8]> = records.iter().map(|record| &record.data[..]).collect();
            sqlx::query(MANY).bind(stream).bind(first).bind(ids).bind(EVENT_TYPE).bind(data)
        };
        query.execute(&self.pool).await?;
        Ok(())
    }
}
