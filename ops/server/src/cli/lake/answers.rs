//! What commands of the lake answer, for people and for programs.

use super::super::{say, say_json};
use crate::exit::{Code, Failure, Outcome};
use serde_json::{Value, json};
use stele_domain::port::event_log::Position;
use stele_lake::LakeError;
use stele_lake::doctor::Examined;
use stele_lake::table::{Compacted, LakeTable, Swept};
use stele_lake::verify::{Difference, Findings, Verified};

/// What was published.
pub(super) struct Published {
    pub position: Position,
    /// Rows that were added; nobody counts them while it follows.
    pub rows: Option<u64>,
    pub tables: Vec<Table>,
}

/// How a table stands.
pub(super) struct Table {
    name: &'static str,
    version: u64,
    rows: u64,
    files: usize,
    bytes: u64,
    digest: String,
}

pub(super) fn table_of(table: &LakeTable) -> Result<Table, LakeError> {
    let digest = table.digest()?;
    Ok(Table {
        name: table.name(),
        version: table.version(),
        rows: digest.rows(),
        files: table.files(),
        bytes: table.bytes(),
        digest: digest.short(),
    })
}

pub(super) fn published(told: &Published, json: bool) -> Outcome {
    if json {
        let tables = told.tables.iter().map(|table| {
            json!({
                "table": table.name,
                "version": table.version,
                "rows": table.rows,
                "files": table.files,
                "bytes": table.bytes,
                "digest": table.digest,
            })
        });
        return say_json(&json!({
            "position": told.position.0,
            "rows_added": told.rows,
            "tables": tables.collect::<Vec<_>>(),
        }));
    }
    let mut lines = vec![match told.rows {
        Some(0) => format!("Everything up to position {} was published before.", told.position),
        Some(rows) => {
            format!("Published {rows} rows; everything up to position {} is in the lake.", told.position)
        }
        None => format!("Everything up to position {} is in the lake.", told.position),
    }];
    let line = |table: &Table| {
        format!(
            "  {:<22} {:>12} rows in {} files, {} bytes",
            table.name, table.rows, table.files, table.bytes
        )
    };
    lines.extend(told.tables.iter().map(line));
    say(&lines.join("\n"))
}

pub(super) fn verified(url: &str, told: &Findings, json: bool) -> Outcome {
    let ok = told.is_ok() && !told.is_unpublished();
    if json {
        let tables: Vec<Value> = told
            .tables
            .iter()
            .map(|table| {
                json!({
                    "table": table.table,
                    "ok": table.differences.is_empty(),
                    "version": table.version,
                    "position": table.position.0,
                    "rows": table.rows,
                    "files": table.files,
                    "digest": table.digest,
                    "differences": table.differences.iter().map(words).collect::<Vec<_>>(),
                })
            })
            .collect();
        say_json(&json!({ "ok": ok, "position": told.position.0, "head": told.head.0, "tables": tables }))?;
    } else if !told.is_unpublished() {
        let mut lines =
            vec![format!("The lake is at position {}, and the log ends at {}.", told.position, told.head)];
        for table in &told.tables {
            lines.push(line(table));
            lines.extend(table.differences.iter().map(|difference| format!("      {}", words(difference))));
        }
        say(&lines.join("\n"))?;
    }
    if told.is_unpublished() {
        let what = format!(
            "nothing is published in {url}: there is no row of the log, which ends at position {}",
            told.head
        );
        return Err(Failure::usage(what)
            .advise("name the lake that is meant, or publish to this one: stele lake publish --url …"));
    }
    if ok { Ok(()) } else { Err(differs(&told.tables)) }
}

/// What was found of a table, in a line.
fn line(table: &Verified) -> String {
    let (name, rows, files) = (table.table, table.rows, table.files);
    let word = if table.differences.is_empty() { "as the log says" } else { "NOT as the log says" };
    if table.version.is_none() && table.differences.is_empty() {
        return format!("  {name:<22} is not there, and the log has no row of it");
    }
    let digest = table.digest.get(..16).unwrap_or_default();
    format!(
        "  {name:<22} {rows:>12} rows in {files} files to position {}, digest {digest}…: {word}",
        table.position
    )
}

/// Tables that are not what the log says. Those that lack their newest rows, and nothing else, are mended by publishing.
fn differs(tables: &[Verified]) -> Failure {
    let wrong = tables.iter().filter(|table| !table.differences.is_empty());
    let names = wrong.clone().map(|table| table.table).collect::<Vec<_>>().join(", ");
    let mut differences = wrong.flat_map(|table| &table.differences);
    if differences.all(|one| matches!(one, Difference::Behind { .. })) {
        return Failure::new(Code::Mismatch, format!("the lake has less than the log says: {names}")).advise(
            "a publisher that ended in the middle leaves this, and so does whoever removes a table or its newest commits. \
             Publishing adds what is missing: stele lake publish --url …",
        );
    }
    Failure::new(Code::Mismatch, format!("the lake is not what the log says: {names}")).advise(
        "nothing was changed. Keep it as it is; what the log has is published anew to another place: stele lake publish --url …",
    )
}

fn words(difference: &Difference) -> String {
    match difference {
        Difference::Day { day, lake, log } if lake == log => {
            format!("dt={day}: {lake} rows in the lake and by the log, and they are not the same")
        }
        Difference::Day { day, lake, log } => format!("dt={day}: {lake} rows in the lake, {log} by the log"),
        Difference::Said { rows } => {
            format!("its newest commit says {rows} rows, and its files come to something else")
        }
        Difference::File { what } => what.clone(),
        Difference::Behind { to, rows } => {
            format!("the log has {rows} more rows of it up to position {to}, where the furthest table is")
        }
        Difference::Ahead { head } => format!("it is further than the log, which ends at position {head}"),
        Difference::OtherLog => "it was published from another log".to_owned(),
    }
}

pub(super) fn examined(url: &str, told: &Examined, json: bool) -> Outcome {
    if json {
        let findings = told.findings.iter();
        let findings = findings
            .map(|one| json!({ "what": one.name, "ok": one.ok, "detail": one.detail }))
            .collect::<Vec<_>>();
        say_json(&json!({ "lake": url, "ok": told.is_ok(), "findings": findings }))?;
    } else {
        let line = |one: &stele_lake::doctor::Finding| {
            format!("  {} {:<22} {}", if one.ok { "ok  " } else { "NOT " }, one.name, one.detail)
        };
        let lines: Vec<String> = told.findings.iter().map(line).collect();
        say(&format!("{url}\n{}", lines.join("\n")))?;
    }
    if told.is_ok() {
        return Ok(());
    }
    let wrong: Vec<&str> = told.findings.iter().filter(|one| !one.ok).map(|one| one.name).collect();
    Err(Failure::new(Code::Refused, format!("{url} is not fit for a lake: {}", wrong.join(", "))))
}

pub(super) fn compacted(told: &[(&str, Compacted, usize)], swept: Option<Swept>, json: bool) -> Outcome {
    if json {
        let tables = told.iter().map(|(table, done, files)| {
            json!({ "table": table, "removed": done.removed, "added": done.added, "rows": done.rows, "files": files })
        });
        let swept = swept
            .map(|swept| json!({ "files": swept.files, "bytes": swept.bytes, "too_young": swept.young }));
        return say_json(&json!({ "tables": tables.collect::<Vec<_>>(), "swept": swept }));
    }
    let mut lines: Vec<String> = told
        .iter()
        .map(|(table, done, files)| match done.removed {
            0 => format!("  {table:<22} nothing to do: {files} files"),
            removed => format!("  {table:<22} {removed} files became {}; {files} files now", done.added),
        })
        .collect();
    if let Some(swept) = swept {
        lines.push(format!(
            "Removed {} files of {} bytes that don't count; {} are too young.",
            swept.files, swept.bytes, swept.young
        ));
    }
    if lines.is_empty() {
        lines.push("There is no table of this desk.".to_owned());
    }
    say(&lines.join("\n"))
}
