//! The page of the tables, from their definitions.

use crate::delta::schema;
use crate::facts::{Fact, common};
use std::fmt::Write as _;

/// What stands in front of the generated part of the page.
pub const BEGIN: &str =
    "<!-- tables: from the definitions; UPDATE_README=1 cargo test -p stele-lake document -->\n";

/// The page's part about tables: every one with its columns, their types and what they mean.
#[must_use]
pub fn tables(facts: &[Fact]) -> String {
    let mut page = String::from("\n## What every table begins with\n\n");
    head(&mut page);
    for field in fields(facts, 0..common::COLUMNS.len()) {
        line(&mut page, &field);
    }
    line(
        &mut page,
        &schema::Field {
            name: schema::PARTITION.to_owned(),
            of: "date".to_owned(),
            nullable: false,
            doc: "UTC date of `occurred_at`: the partition.".to_owned(),
        },
    );
    for fact in facts {
        let _ = write!(
            page,
            "\n## {}\n\n{} Version {}; a row is named by {}.\n\n",
            fact.table.name,
            fact.table.doc,
            fact.version,
            fact.table.key.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
        );
        head(&mut page);
        let own = fields(std::slice::from_ref(fact), common::COLUMNS.len()..fact.table.columns.len());
        for field in &own {
            line(&mut page, field);
        }
    }
    page
}

/// Some of the columns of the first table, without those that hold exact values of others.
fn fields(facts: &[Fact], columns: std::ops::Range<usize>) -> Vec<schema::Field> {
    let Some(fact) = facts.first() else { return vec![] };
    let names: Vec<&str> =
        fact.table.columns.get(columns).unwrap_or_default().iter().map(|column| column.name).collect();
    schema::fields(fact.table).into_iter().filter(|field| names.contains(&field.name.as_str())).collect()
}

fn head(page: &mut String) {
    page.push_str("| column | type | meaning |\n|---|---|---|\n");
}

fn line(page: &mut String, field: &schema::Field) {
    let empty = if field.nullable { ", may be empty" } else { "" };
    // Writing to a string can't fail.
    let _ = writeln!(page, "| `{}` | {}{empty} | {} |", field.name, field.of, field.doc);
}

#[cfg(test)]
mod tests {
    use super::{BEGIN, tables};
    use crate::facts;
    use std::path::Path;

    #[test]
    fn the_page_of_the_tables_is_what_they_are() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        let page = std::fs::read_to_string(&path).unwrap();
        let (head, there) = page.split_once(BEGIN).expect("the page says where the tables begin");
        let right = tables(facts::ALL);
        if std::env::var_os("UPDATE_README").is_some() {
            std::fs::write(&path, format!("{head}{BEGIN}{right}")).unwrap();
            return;
        }
        assert!(there == right, "the page is stale: UPDATE_README=1 cargo test -p stele-lake document");
    }
}
