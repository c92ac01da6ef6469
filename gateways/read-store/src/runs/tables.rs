//! The tables that a directory of runs was opened for.

use super::keys;
use super::options::{Orders, RunOptions};
use crate::packed::PACKED_FORMAT;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;
use stele_domain::port::read_store::{Schema, StoreError, Table};

/// Goes up when names or values, or the runs that hold them, are written in another way: what stands there is made anew.
const RUNS_FORMAT: u32 = 2;

/// Definitions by name.
pub struct Tables {
    pub schemas: Vec<Schema>,
    named: BTreeMap<&'static str, Named>,
}

/// One table.
#[derive(Debug, Clone, Copy)]
pub struct Named {
    /// What its names begin with.
    pub ordinal: u16,
    pub table: Table,
    /// Whose checkpoint its rows are as of; `None` for shared tables.
    pub owner: Option<&'static str>,
}

impl Tables {
    pub fn of(schemas: &[Schema]) -> Result<Self, StoreError> {
        let mut named = BTreeMap::new();
        let mut projections = vec![];
        for schema in schemas {
            if !schema.shared {
                if projections.contains(&schema.projection) {
                    let why = format!("two projections are called {}", schema.projection);
                    return Err(StoreError::Invalid(why));
                }
                projections.push(schema.projection);
            }
            for table in schema.tables {
                keys::check(table)?;
                let ordinal = u16::try_from(named.len()).ok().filter(|ordinal| *ordinal < u16::MAX);
                let ordinal = ordinal
                    .ok_or_else(|| StoreError::Invalid("there are more than 65,535 tables".to_owned()))?;
                let owner = (!schema.shared).then_some(schema.projection);
                if named.insert(table.name, Named { ordinal, table: *table, owner }).is_some() {
                    return Err(StoreError::Invalid(format!("two tables are called {}", table.name)));
                }
            }
        }
        Ok(Self { schemas: schemas.to_vec(), named })
    }

    /// The projections that have a checkpoint.
    pub fn projections(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.schemas.iter().filter(|schema| !schema.shared).map(|schema| schema.projection)
    }

    pub fn schema(&self, projection: &str) -> Result<&Schema, StoreError> {
        let found = self.schemas.iter().find(|schema| !schema.shared && schema.projection == projection);
        found.ok_or_else(|| StoreError::UnknownProjection(projection.to_owned()))
    }

    pub fn table(&self, name: &str) -> Result<Named, StoreError> {
        self.named.get(name).copied().ok_or_else(|| StoreError::UnknownTable(name.to_owned()))
    }

    /// The table whose names begin so.
    pub fn ordered(&self, ordinal: u16) -> Option<Named> {
        self.named.values().find(|named| named.ordinal == ordinal).copied()
    }

    /// A table that a projection may write: its own, or one that is shared.
    pub fn may_write(&self, schema: &Schema, name: &str) -> Option<&Table> {
        let named = self.named.get(name)?;
        named.owner.is_none_or(|owner| owner == schema.projection).then_some(&named.table)
    }

    /// The table, when `schema` may write it.
    pub fn written_by(&self, schema: &Schema, name: &str) -> Result<Named, StoreError> {
        let named = self.table(name)?;
        if self.may_write(schema, name).is_some() {
            return Ok(named);
        }
        Err(StoreError::Invalid(format!("{} writes table {name}, which is not its own", schema.projection)))
    }

    /// Names everything that the bytes on the disk depend on.
    pub fn fingerprint(&self, options: &RunOptions) -> String {
        let mut text = format!(
            "runs {RUNS_FORMAT}, packed {PACKED_FORMAT}, {:?}, {:?}",
            options.histories, options.states
        );
        if options.orders == Orders::Key {
            text.push_str(", by key");
        }
        for schema in &self.schemas {
            // Writing to a string can't fail.
            let _ = write!(text, "\n{} {} {}", schema.projection, schema.version, schema.shared);
            for table in schema.tables {
                let kinds: Vec<_> = table.columns.iter().map(|c| (c.name, c.kind, c.nullable)).collect();
                let (key, indexes) = (table.key, table.indexes);
                let _ = write!(text, "\n{} {kinds:?} {key:?} {indexes:?} {}", table.name, table.append_only);
            }
        }
        Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}
