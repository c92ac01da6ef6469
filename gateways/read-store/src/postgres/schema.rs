//! Whether the database is what this build expects, looked at once before anything is read or written.

use super::error::{Failure, OpenError};
use super::side::Side;
use super::statements::TableSql;
use super::values::stored_type;
use crate::migrate::{self, MigrateError};
use sqlx::PgConnection;
use sqlx::Row as _;
use std::collections::BTreeMap;
use stele_domain::port::read_store::{Misfit, Schema, StoreError, Table};

/// The columns of every table in the schema: name, type, collation, whether empty cells are allowed.
const COLUMNS: &str = "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), \
     coalesce(l.collname::text, ''), a.attnotnull \
     FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
     JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
     LEFT JOIN pg_collation AS l ON l.oid = a.attcollation \
     WHERE n.nspname = 'read_model' AND c.relkind IN ('r', 'p') AND NOT c.relispartition \
     ORDER BY c.relname, a.attnum";

/// The columns of every primary key, in key order.
const KEYS: &str = "SELECT c.relname::text, a.attname::text \
     FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid \
     JOIN pg_namespace AS n ON n.oid = c.relnamespace \
     CROSS JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY AS k(attnum, place) \
     JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.attnum \
     WHERE n.nspname = 'read_model' AND i.indisprimary AND NOT c.relispartition ORDER BY c.relname, k.place";

/// How many of these projections have no checkpoint yet.
const MISSING: &str = "SELECT count(*) FROM UNNEST($1::text[]) AS u(projection) \
     WHERE NOT EXISTS (SELECT FROM read_model.checkpoints AS c WHERE c.projection = u.projection)";

/// Makes sure that every projection has a checkpoint.
const CHECKPOINTS: &str = "INSERT INTO read_model.checkpoints (projection, version, position, moved_at) \
     SELECT u.projection, 0, 0, now() FROM UNNEST($1::text[]) AS u(projection) ON CONFLICT DO NOTHING";

/// What one live table looks like.
#[derive(Default)]
struct Live {
    columns: Vec<(String, String, String, bool)>,
    key: Vec<String>,
}

/// Refuses definitions that this store can't keep to.
pub fn check_definitions(schemas: &[Schema]) -> Result<(), StoreError> {
    let mut projections = vec![];
    let mut tables = vec![];
    for schema in schemas {
        if projections.contains(&schema.projection) {
            return Err(StoreError::Invalid(format!("two projections are called {}", schema.projection)));
        }
        projections.push(schema.projection);
        for table in schema.tables {
            table.check()?;
            names_are_words(table)?;
            if tables.contains(&table.name) {
                return Err(StoreError::Invalid(format!("two tables are called {}", table.name)));
            }
            tables.push(table.name);
        }
    }
    Ok(())
}

fn names_are_words(table: &Table) -> Result<(), Misfit> {
    let word = |name: &str| {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        !name.is_empty() && name.len() <= 48 && name.chars().all(good)
    };
    let names = std::iter::once(table.name).chain(table.columns.iter().map(|column| column.name));
    match names.into_iter().find(|name| !word(name)) {
        None => Ok(()),
        Some(name) => Err(Misfit {
            table: table.name,
            column: name.to_owned(),
            why: "names are 1 to 48 lower case letters, digits and underscores".to_owned(),
        }),
    }
}

/// Looks at migrations and tables, and gives every projection a checkpoint.
pub async fn verify(
    connection: &mut PgConnection,
    side: Side,
    tables: &BTreeMap<&'static str, TableSql>,
    projections: &[String],
) -> Result<(), OpenError> {
    migrate::verify(connection).await?;
    let live = live(connection, side).await.map_err(unavailable)?;
    for table in tables.values().map(|sql| &sql.table) {
        let drifted = |why| OpenError::Drifted { table: table.name.to_owned(), why };
        let live = live.get(table.name).ok_or_else(|| drifted("it is missing".to_owned()))?;
        live.compare(table).map_err(drifted)?;
    }
    // Looked at first: a standby takes no writes, and can be asked all the same.
    let missing = sqlx::query_scalar::<_, i64>(side.of(MISSING).safe())
        .bind(projections)
        .fetch_one(&mut *connection)
        .await;
    if missing.map_err(unavailable)? > 0 {
        let made = sqlx::query(side.of(CHECKPOINTS).safe()).bind(projections).execute(connection).await;
        made.map_err(unavailable)?;
    }
    Ok(())
}

fn unavailable(error: sqlx::Error) -> OpenError {
    let store = Failure::from(error).into_store("the tables");
    OpenError::Unavailable(store)
}

async fn live(connection: &mut PgConnection, side: Side) -> Result<BTreeMap<String, Live>, sqlx::Error> {
    let mut tables: BTreeMap<String, Live> = BTreeMap::new();
    for row in sqlx::query(side.of(COLUMNS).safe()).fetch_all(&mut *connection).await? {
        let column = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
        tables.entry(row.try_get(0)?).or_default().columns.push(column);
    }
    for row in sqlx::query(side.of(KEYS).safe()).fetch_all(connection).await? {
        tables.entry(row.try_get(0)?).or_default().key.push(row.try_get(1)?);
    }
    Ok(tables)
}

impl Live {
    /// The first thing that is not as defined.
    fn compare(&self, table: &Table) -> Result<(), String> {
        for column in table.columns {
            let live = self.columns.iter().find(|(name, ..)| name == column.name);
            let (_, sql_type, collation, not_null) =
                live.ok_or_else(|| format!("it has no column {}", column.name))?;
            let wanted = stored_type(column.kind);
            if sql_type != wanted {
                return Err(format!("column {} is {sql_type} and should be {wanted}", column.name));
            }
            if wanted == "text" && collation != "C" {
                return Err(format!(
                    "column {} is sorted by {collation:?} and should be by \"C\"",
                    column.name
                ));
            }
            if *not_null == column.nullable {
                let wanted = if column.nullable { "may be empty" } else { "may not be empty" };
                return Err(format!("column {} {wanted}, and the database says otherwise", column.name));
            }
        }
        let known = |name: &String| table.columns.iter().any(|column| column.name == name);
        if let Some((name, ..)) = self.columns.iter().find(|(name, ..)| !known(name)) {
            return Err(format!("it has a column {name} that nobody knows"));
        }
        if self.key != table.key {
            return Err(format!(
                "its key is ({}) and should be ({})",
                self.key.join(", "),
                table.key.join(", ")
            ));
        }
        Ok(())
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        OpenError::from(error).into()
    }
}

impl From<OpenError> for StoreError {
    fn from(error: OpenError) -> Self {
        let error = match error {
            OpenError::Unavailable(store) | OpenError::Definitions(store) => return store,
            OpenError::Url(_) | OpenError::Migrations(_) | OpenError::Drifted { .. } => error,
        };
        if error.is_transient() {
            return Self::Unavailable(Box::new(error));
        }
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        Self::Invalid(format!("{error}{}", cause.unwrap_or_default()))
    }
}
