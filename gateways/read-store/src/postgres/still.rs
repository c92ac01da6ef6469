//! The tables as they were at one moment: one connection in one repeatable-read transaction. Neither the runner nor readers
//! wait for it, and it does not see what they do.
//!
//! A table's name is not as of that moment: after a swap it is another table's, whose rows nobody could see here. So every
//! table is locked against being replaced before the moment begins.

use super::error::Trouble;
use super::pool::Pool;
use super::{Failure, Options, PostgresStore, READ_ONLY};
use crate::still::Still;
use sqlx::AssertSqlSafe;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::port::read_store::{ReadStore, StoreError};
use tokio::time::timeout;

/// Longest that one question may take: it may sort a whole table.
const QUESTION_MAX: Duration = Duration::from_mins(10);

/// Longest pause between two questions. After it the server gives up the moment, and the rows that it keeps for it.
const PAUSE_MAX: Duration = Duration::from_mins(15);

impl PostgresStore {
    /// The tables as they are now.
    pub(super) async fn as_of_now(&self) -> Result<Arc<dyn ReadStore>, StoreError> {
        self.ready().await?;
        let failed = |error: sqlx::Error| Failure::from(error).into_store("the tables");
        let mut connection = self.readers.make().await?;
        let schema = self.side.schema();
        let tables: Vec<String> = self.tables.keys().map(|table| format!("{schema}.{table}")).collect();
        // The moment is that of the first question, and a lock is none.
        let moment = format!(
            "SET statement_timeout = {question}; SET lock_timeout = {question}; \
             SET idle_in_transaction_session_timeout = {pause}; \
             BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; LOCK TABLE {tables} IN ACCESS SHARE MODE; \
             SELECT count(*) FROM {schema}.checkpoints",
            question = QUESTION_MAX.as_millis(),
            pause = PAUSE_MAX.as_millis(),
            tables = tables.join(", "),
        );
        let begun = sqlx::raw_sql(AssertSqlSafe(moment)).execute(&mut connection);
        let patience = self.readers.patience();
        let begun =
            timeout(patience, begun).await.map_err(|_| StoreError::from(Trouble::Silent(patience)))?;
        begun.map_err(failed)?;
        // Whoever asks waits for the others: there is one connection.
        let options = Options { acquire: QUESTION_MAX, ..self.options.clone() };
        let terms = options.terms(1, QUESTION_MAX, READ_ONLY);
        let still = Self {
            readers: Pool::pinned(self.address.clone(), terms, connection),
            ..Self::at(self.address.clone(), self.side, &self.schemas, options)
        };
        still.ready.assume();
        Ok(Arc::new(Still::of(still)))
    }
}
