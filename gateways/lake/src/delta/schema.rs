//! The columns of a table in the words of the Delta protocol, from the same definition that files are written by.

use crate::columns::{DECIMAL_DIGITS, DECIMAL_SCALE, EXACT};
use serde_json::{Value, json};
use stele_domain::port::read_store::{ColumnKind, Table};

/// The column that makes the folders: the UTC date of the event.
pub const PARTITION: &str = "dt";

/// What the column of dates means.
const PARTITION_DOC: &str = "UTC date of the event.";

/// The type of a column.
#[must_use]
pub fn type_name(kind: ColumnKind) -> String {
    match kind {
        ColumnKind::Text | ColumnKind::Json | ColumnKind::Units => "string".to_owned(),
        ColumnKind::Int64 => "long".to_owned(),
        ColumnKind::Bool => "boolean".to_owned(),
        ColumnKind::Timestamp => "timestamp".to_owned(),
        ColumnKind::Decimal => format!("decimal({DECIMAL_DIGITS},{DECIMAL_SCALE})"),
    }
}

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub of: String,
    /// Whether it may be empty.
    pub nullable: bool,
    /// What it means.
    pub doc: String,
}

/// All columns of a table, that of the folders last.
#[must_use]
pub fn fields(table: &Table) -> Vec<Field> {
    let mut fields = Vec::with_capacity(table.columns.len().saturating_add(1));
    for column in table.columns {
        let is_decimal = column.kind == ColumnKind::Decimal;
        fields.push(Field {
            name: column.name.to_owned(),
            of: type_name(column.kind),
            nullable: column.nullable || is_decimal,
            doc: column.doc.to_owned(),
        });
        if is_decimal {
            fields.push(Field {
                name: format!("{}{EXACT}", column.name),
                of: "string".to_owned(),
                nullable: true,
                doc: format!("The exact value of {}, where that does not fit its type.", column.name),
            });
        }
    }
    fields.push(Field {
        name: PARTITION.to_owned(),
        of: "date".to_owned(),
        nullable: true,
        doc: PARTITION_DOC.to_owned(),
    });
    fields
}

/// The schema of a table as the text that its metadata has.
#[must_use]
pub fn text(table: &Table) -> String {
    let fields: Vec<Value> = fields(table)
        .into_iter()
        .map(|field| {
            json!({
                "name": field.name,
                "type": field.of,
                "nullable": field.nullable,
                "metadata": { "comment": field.doc },
            })
        })
        .collect();
    json!({ "type": "struct", "fields": fields }).to_string()
}

/// How the stored columns stand to those of this build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// They are the same.
    Same,
    /// This build has added some, which may be empty.
    Fewer,
    /// They differ; this says where.
    Other(String),
}

/// Compares the stored columns with those of this build. Comments may differ.
#[must_use]
pub fn compared(stored: &str, table: &Table) -> Stored {
    let Ok(Value::Object(schema)) = serde_json::from_str::<Value>(stored) else {
        return Stored::Other("its schema is no JSON".to_owned());
    };
    let kept: Vec<(String, String)> = schema
        .get("fields")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|field| {
            let text = |key: &str| match field.get(key) {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => String::new(),
            };
            (text("name"), text("type"))
        })
        .collect();
    let ours = fields(table);
    for (name, of) in &kept {
        match ours.iter().find(|field| field.name == *name) {
            Some(field) if field.of == *of => {}
            Some(field) => return Stored::Other(format!("{name} is {of} there and {} here", field.of)),
            None => return Stored::Other(format!("this build does not know {name}: a newer one writes it")),
        }
    }
    let added = ours.iter().filter(|field| !kept.iter().any(|(name, _)| *name == field.name));
    let mut fewer = false;
    for field in added {
        if !field.nullable {
            return Stored::Other(format!("{} is missing there and is never empty here", field.name));
        }
        fewer = true;
    }
    if fewer { Stored::Fewer } else { Stored::Same }
}

#[cfg(test)]
mod tests {
    use super::{Stored, compared, text};
    use crate::facts;
    use stele_domain::port::read_store::table::{Column, ColumnKind, Table, column, optional};

    #[test]
    fn columns_may_be_added_where_they_may_be_empty_and_nothing_else_may_change() {
        const OLD: &[Column] = &[column("position", ColumnKind::Int64, "Where.")];
        const NEW: &[Column] = &[OLD[0], optional("word", ColumnKind::Text, "What.")];
        const BAD: &[Column] = &[OLD[0], column("word", ColumnKind::Text, "What.")];
        const OTHER: &[Column] = &[column("position", ColumnKind::Text, "Where.")];
        let of = |columns| Table { columns, ..*facts::of("fact_quote").unwrap().table };
        assert_eq!(compared(&text(&of(OLD)), &of(OLD)), Stored::Same);
        assert_eq!(compared(&text(&of(OLD)), &of(NEW)), Stored::Fewer);
        for (stored, here) in [(OLD, BAD), (NEW, OLD), (OLD, OTHER)] {
            assert!(matches!(compared(&text(&of(stored)), &of(here)), Stored::Other(_)));
        }
        assert!(matches!(compared("no json", &of(OLD)), Stored::Other(_)));
    }
}
