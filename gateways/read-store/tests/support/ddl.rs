//! A table definition as SQL: how a migration that makes it would begin. For tables that only tests have.

use std::fmt::Write;
use stele_domain::port::read_store::{ColumnKind, POSITION_COLUMN, Retention, Table};

/// The statements that make a table. `span` is the span of a partition, in positions.
pub fn ddl(table: &Table, span: u64) -> String {
    let mut sql = format!("CREATE TABLE read_model.{} (\n", table.name);
    for column in table.columns {
        let null = if column.nullable { "" } else { " NOT NULL" };
        writeln!(sql, "    {} {}{null},", column.name, kind(column.kind)).unwrap();
    }
    writeln!(sql, "    PRIMARY KEY ({})", table.key.join(", ")).unwrap();
    let series = table.append_only && table.key_is_position();
    sql.push_str(if series { ") PARTITION BY RANGE (position);\n" } else { ") WITH (fillfactor = 80);\n" });
    let name = table.name;
    if series {
        let time = table.column("recorded_at").map_or("", |_| ", recorded_at");
        writeln!(sql, "CREATE INDEX {name}_by_time ON read_model.{name} USING brin (position{time});")
            .unwrap();
    } else if !table.key_is_position() && !table.indexes.is_empty()
        || table.retention != Retention::All && !series
    {
        writeln!(
            sql,
            "CREATE INDEX {name}_by_position ON read_model.{name} (position, {});",
            table.key.join(", ")
        )
        .unwrap();
    }
    for index in table.indexes {
        let mut columns = vec![*index];
        columns.extend([POSITION_COLUMN].iter().chain(table.key).filter(|c| *c != index));
        columns.dedup();
        let columns = columns.join(", ");
        writeln!(sql, "CREATE INDEX {name}_by_{index} ON read_model.{name} ({columns});").unwrap();
    }
    if series {
        let Retention::Newest { rows, .. } = table.retention else {
            panic!("{name} keeps all, and is a series")
        };
        let time = if table.column("recorded_at").is_some() { "recorded_at" } else { "none" };
        let (compress, tier) = if span > 50_000_000 { (30, 90) } else { (7, 30) };
        writeln!(
            sql,
            "SELECT read_model.declare_series(\n    '{name}', partition_span => {span}, time_column => '{time}',\n    \
             compress_after => '{compress} days', tier_after => '{tier} days', retention => NULL, keep_rows => {rows}\n);"
        )
        .unwrap();
    }
    sql
}

fn kind(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Text => "text COLLATE \"C\"",
        ColumnKind::Int64 => "bigint",
        ColumnKind::Bool => "boolean",
        ColumnKind::Timestamp => "timestamptz",
        ColumnKind::Units => "numeric(78, 0)",
        ColumnKind::Decimal => "numeric",
        ColumnKind::Json => "json",
    }
}
