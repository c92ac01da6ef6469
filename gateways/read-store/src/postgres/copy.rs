//! Rows by COPY, in its binary form: what a rebuild writes histories with, and what comes back from the lake. The server parses no text, and the statement
//! is the same for any number of rows.

use super::error::Failure;
use super::statements::{Sql, TableSql};
use super::values::copied;
use sqlx::PgConnection;
use stele_domain::port::read_store::{Cell, Row, Table};

/// What the binary form begins with: its signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What it ends with.
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
/// How many bytes are gathered before they are sent.
const SENT_BYTES: usize = 256 * 1024;

/// Writes rows that are not there yet; one that is fails all of them.
pub async fn rows(connection: &mut PgConnection, sql: &TableSql, rows: &[Row]) -> Result<(), Failure> {
    into(connection, &sql.copy, &sql.table, rows).await
}

/// The same with a statement that names where they go.
pub async fn into(
    connection: &mut PgConnection,
    copy: &Sql,
    table: &Table,
    rows: &[Row],
) -> Result<(), Failure> {
    let columns = table.columns;
    let count = i16::try_from(columns.len()).map_err(|_| Failure::Data("too many columns".to_owned()))?;
    let mut bytes = Vec::with_capacity(SENT_BYTES.saturating_mul(2));
    bytes.extend_from_slice(HEADER);
    let mut copy = connection.copy_in_raw(copy.text()).await?;
    for row in rows {
        bytes.extend_from_slice(&count.to_be_bytes());
        for (at, column) in columns.iter().enumerate() {
            let done = copied(column.kind, row.0.get(at).unwrap_or(&Cell::Null), &mut bytes);
            if let Err(failure) = done {
                copy.abort("a cell can't be sent").await?;
                return Err(failure);
            }
        }
        if bytes.len() >= SENT_BYTES {
            copy.send(bytes.as_slice()).await?;
            bytes.clear();
        }
    }
    bytes.extend_from_slice(&TRAILER);
    copy.send(bytes.as_slice()).await?;
    let written = copy.finish().await?;
    if written == u64::try_from(rows.len()).unwrap_or(u64::MAX) {
        Ok(())
    } else {
        Err(Failure::Data(format!("{} rows were copied and {written} written", rows.len())))
    }
}
