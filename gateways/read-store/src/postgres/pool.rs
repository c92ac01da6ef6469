//! Connections: a few, opened when needed, given back only when they are in order.
//!
//! Ours and not the driver's, for two reasons: a refused connection is told at once and in its own words instead
//! of after a timeout, and a connection whose call failed or was given up in the middle is never used again.

use super::address::Address;
use super::error::{Failure, Trouble};
use super::statements::Sql;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

/// Longest life of a connection: old ones gather memory on the server.
const LIFETIME_MAX: Duration = Duration::from_mins(30);

/// How a pool treats its callers.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Most connections at once.
    pub connections: usize,
    /// Longest wait for one of them, and for a new one to be made.
    pub acquire: Duration,
    /// Longest that one call may take, as this side sees it.
    pub call: Duration,
    /// What is said to the server on every new connection.
    pub greeting: Arc<str>,
}

/// Connections of one kind.
pub struct Pool {
    address: Address,
    terms: Terms,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
    /// Whether there is one connection for ever, because of the transaction that it is in.
    pinned: bool,
}

struct Idle {
    connection: PgConnection,
    since: Instant,
}

/// A connection on loan. Dropping it closes the connection; [`Lease::give_back`] keeps it.
pub struct Lease {
    connection: PgConnection,
    since: Instant,
    /// When it was lent out.
    lent: Instant,
    /// Whether it was used before: then it may have died unseen.
    pub reused: bool,
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    pub fn new(address: Address, terms: Terms) -> Self {
        let permits = Arc::new(Semaphore::new(terms.connections));
        Self { address, terms, permits, idle: Mutex::new(vec![]), pinned: false }
    }

    /// A pool of one connection, which is not replaced when it breaks.
    pub fn pinned(address: Address, terms: Terms, connection: PgConnection) -> Self {
        let pool = Self { pinned: true, ..Self::new(address, Terms { connections: 1, ..terms }) };
        pool.idle().push(Idle { connection, since: Instant::now() });
        pool
    }

    /// A connection, used before or new.
    pub async fn lease(&self) -> Result<Lease, Trouble> {
        let (connections, waited) = (self.terms.connections, self.terms.acquire);
        let permit = timeout(waited, self.permits.clone().acquire_owned()).await;
        let Ok(Ok(permit)) = permit else { return Err(Trouble::AllBusy { connections, waited }) };
        if let Some(Idle { connection, since }) = self.idle().pop() {
            return Ok(Lease { connection, since, lent: Instant::now(), reused: true, _permit: permit });
        }
        let connection = timeout(waited, self.make()).await.map_err(|_| Trouble::Silent(waited))??;
        let since = Instant::now();
        Ok(Lease { connection, since, lent: since, reused: false, _permit: permit })
    }

    /// Runs one statement on its own. A connection that was used before and is found dead is replaced, once: a
    /// statement asked here changes nothing, or the same when it is said twice.
    pub async fn ask(&self, sql: Sql, parameters: PgArguments) -> Result<Vec<PgRow>, Failure> {
        loop {
            let mut lease = self.lease().await?;
            let query = sqlx::query_with(sql.safe(), parameters.clone());
            let done = timeout(self.terms.call, query.fetch_all(&mut lease.connection)).await;
            let done = done.map_err(|_| Failure::from(Trouble::Silent(self.terms.call)));
            match done.and_then(|rows| rows.map_err(Failure::from)) {
                Ok(rows) => {
                    self.give_back(lease);
                    return Ok(rows);
                }
                Err(Failure::Trouble(trouble)) if lease.reused && trouble.is_of_the_connection() => {
                    // Its siblings came from the same server, and died with it.
                    self.clear();
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Takes a connection back that is in order and outside of any transaction.
    pub fn give_back(&self, lease: Lease) {
        let Lease { connection, since, lent, .. } = lease;
        crate::observe::answered(lent.elapsed());
        if self.pinned || since.elapsed() < LIFETIME_MAX {
            self.idle().push(Idle { connection, since });
        }
    }

    /// Forgets every connection that is not at work.
    pub fn clear(&self) {
        self.idle().clear();
    }

    /// Longest that one call may take.
    pub fn patience(&self) -> Duration {
        self.terms.call
    }

    /// A new connection, which the pool does not know.
    pub async fn make(&self) -> Result<PgConnection, Trouble> {
        if self.pinned {
            return Err(Trouble::Broken(sqlx::Error::PoolClosed));
        }
        let mut connection = self.address.connect().await?;
        let greeting = sqlx::AssertSqlSafe(self.terms.greeting.clone());
        let greeted = sqlx::raw_sql(greeting).execute(&mut connection).await;
        greeted.map_err(|error| Failure::from(error).into_trouble())?;
        Ok(connection)
    }

    // Only pushed to and popped from while it is held.
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::ops::Deref for Lease {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl std::ops::DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
