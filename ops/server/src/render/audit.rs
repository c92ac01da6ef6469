//! The report of an audit for people: the verdict, what it stands on, and what differs.

use super::harmless::harmless;
use super::table;
use super::units::clock;
use crate::audit::report::{Fault, Report};
use serde_json::{Map, Value};
use std::path::Path;
use stele_projections::audit::{OfFile, OfLost, OfPart, OfRow, OfTable, OfTiered, ParkedThere, Verdict};
use stele_projections::models::parkings::ParkingState;

/// Rows that are shown of one table; the report has more.
const ROWS_SHOWN_MAX: usize = 3;
/// Most characters of a row.
const ROW_CHARS_MAX: usize = 300;
/// Columns of a changed row that are shown with both values; the report has both rows.
const COLUMNS_SHOWN_MAX: usize = 8;
/// Most characters of a value.
const VALUE_CHARS_MAX: usize = 60;
/// Characters that are shown in front of the first one that differs, where a value is too long.
const VALUE_CHARS_BEFORE: usize = 15;
/// Hexadecimal digits of a hash that people compare.
const DIGITS_SHOWN: usize = 12;

/// The whole of it; `path` is where it was written.
pub(crate) fn report(report: &Report, path: Option<&Path>) -> String {
    let mut lines = vec![verdict(report).to_owned(), facts(report)];
    if !report.projections.is_empty() {
        lines.push(tables(report));
    }
    for projection in &report.projections {
        lines.extend(
            projection.why.as_ref().map(|why| harmless(&format!("{}: {why}", projection.projection))),
        );
        lines.extend(projection.parked.iter().map(|there| parked(&projection.projection, there)));
        let differing = projection.tables.iter().filter(|table| table.verdict == Verdict::Differs);
        lines.extend(differing.flat_map(differences));
    }
    let unseen = report.not_looked_at.iter();
    lines.extend(unseen.map(|unseen| harmless(&format!("NOT looked at: {}: {}", unseen.what, unseen.why))));
    lines.extend(path.map(|path| harmless(&format!("The signed report is in {}.", path.display()))));
    lines.join("\n")
}

/// What tables lack by the log's own word, and are right to lack.
fn parked(projection: &str, there: &ParkedThere) -> String {
    let what = match there.state {
        ParkingState::Parked => "lacks, PARKED",
        ParkingState::Retried => "lacks until its next rebuild, RETRIED",
        ParkingState::Skipped => "lacks for good, skipped",
    };
    harmless(&format!("{projection} {what} at {}: {}: {}", there.position, there.event_type, there.reason))
}

fn verdict(report: &Report) -> &'static str {
    match report.verdict {
        Verdict::Agrees => "Every row that was compared follows from the log, and every digest agrees.",
        Verdict::Differs if report.log.fault.as_ref().is_some_and(Fault::is_contradiction) => {
            "The log is NOT what others have seen of it. Nothing that follows from it was compared."
        }
        Verdict::Differs if report.log.fault.as_ref().is_some_and(Fault::is_of_an_index) => {
            "An index file is not what follows from its segment; the log is what was written. Remove that file while no desk \
             runs, the next start makes it again, and audit then: nothing that follows from the log was compared."
        }
        Verdict::Differs if !report.log.verified => {
            "The log is NOT what was written. Nothing that follows from it was compared."
        }
        Verdict::Differs => "NOT everything follows from the log.",
        Verdict::NotCompared => "The log is what was written. There was nothing to compare it with.",
    }
}

fn facts(report: &Report) -> String {
    let log = &report.log;
    let mut rows = vec![("log", log.origin.clone())];
    if let Some(fault) = &log.fault {
        rows.push(("fault", fault.words()));
    } else {
        rows.push(("tree", format!("{} commits, {} events, root {}", log.commits, log.events, log.root)));
        rows.push(("tables", report.tables.kept_in.clone()));
    }
    let tiered = || {
        let projections = report.projections.iter();
        projections.flat_map(|projection| &projection.tables).flat_map(|table| &table.tiered)
    };
    let read = tiered().filter(|one| one.verdict != Verdict::NotCompared).count();
    if let Some(first) = tiered().next() {
        rows.push(("lake", format!("{read} of {} partitions were read in {}", tiered().count(), first.lake)));
    }
    if let Some(position) = report.position {
        rows.push(("folded", format!("from zero to position {position}")));
    }
    rows.push((
        "audited",
        format!("{} to {} by {}", clock(report.began_at), clock(report.ended_at), report.asked.by),
    ));
    table::facts(rows)
}

fn tables(report: &Report) -> String {
    let mut framed = table::framed(&[
        "table",
        "rows folded",
        "rows there",
        "older",
        "folded",
        "stored",
        "scanned",
        "verdict",
    ]);
    for of_table in report.projections.iter().flat_map(|projection| &projection.tables) {
        // What a projection parked is shown where there is any.
        if of_table.rows_folded == 0
            && of_table.verdict != Verdict::Differs
            && of_table.table == "parked_events"
        {
            continue;
        }
        let there = of_table.rows_live.map_or_else(|| "not compared".to_owned(), |rows| rows.to_string());
        framed.add_row([
            of_table.table.clone(),
            of_table.rows_folded.to_string(),
            there,
            of_table.rows_older.to_string(),
            short(of_table, |part| part.folded.as_ref()),
            short(of_table, |part| part.stored.as_ref()),
            short(of_table, |part| part.scanned.as_ref()),
            of_table.verdict.words().to_owned(),
        ]);
    }
    framed.to_string()
}

/// The digest of the last part.
fn short(of_table: &OfTable, side: impl Fn(&OfPart) -> Option<&String>) -> String {
    let digest = of_table.parts.last().and_then(side).map(|hex| hex.chars().take(DIGITS_SHOWN).collect());
    digest.unwrap_or_else(|| "-".to_owned())
}

fn differences(of_table: &OfTable) -> Vec<String> {
    let digests = of_table.parts.iter().filter(|part| part.verdict == Verdict::Differs).count();
    let stored =
        |part: &OfPart| part.rows_stored.is_some() || (part.stored.is_some() && part.stored != part.folded);
    let only_the_digest = if of_table.rows_different() == 0 && of_table.parts.iter().any(stored) {
        ". The rows are what follows from the log: the stored digest was changed"
    } else {
        ""
    };
    let (name, deeds, parts) = (&of_table.table, counts(of_table), of_table.parts.len());
    let mut lines = vec![format!("{name}: {deeds}; {digests} of {parts} digests differ{only_the_digest}")];
    lines.extend(of_table.parts.iter().filter_map(miscounted));
    lines.extend(of_table.lost.as_ref().map(|lost| format!("  LOST: {}", missing(lost))));
    lines.extend(of_table.differences.iter().take(ROWS_SHOWN_MAX).flat_map(named));
    lines.extend(of_table.tiered.iter().filter(|one| one.verdict == Verdict::Differs).flat_map(in_the_lake));
    lines
}

/// A stored digest is one of so many rows: with another number it differs, whatever its text.
fn miscounted(part: &OfPart) -> Option<String> {
    let stored = part.rows_stored?;
    Some(format!(
        "  the stored digest of part {} says {stored} rows, and {} follow from the log",
        part.part, part.rows
    ))
}

fn missing(lost: &OfLost) -> String {
    format!(
        "{} rows from position {} to {} are not in the tables, and no event says that they went to the lake",
        lost.rows, lost.from_position, lost.last_position
    )
}

/// What is wrong with a partition in the lake, and which event says what should be there.
fn in_the_lake(one: &OfTiered) -> Vec<String> {
    let OfTiered { from_position, to_position, manifest, manifest_blake3, event, .. } = one;
    let head = format!(
        "  in the lake, from {from_position} to {to_position}, by manifest {manifest} (BLAKE3 {manifest_blake3}), event {}, \
         {}, {}:",
        event.position, event.event_type, event.event_id.0
    );
    let mut lines = vec![harmless(&head)];
    if one.wrong.is_empty() {
        lines.push("    every file is what was put there, and its rows don't follow from the log".to_owned());
    }
    lines.extend(one.wrong.iter().map(|file| harmless(&format!("    {}", wrong(file)))));
    lines
}

fn wrong(file: &OfFile) -> String {
    let parts: Vec<String> = file.parts.iter().map(u64::to_string).collect();
    let of = if parts.is_empty() { String::new() } else { format!(" (part {})", parts.join(", ")) };
    format!("{}{of}: {}", file.file, file.what)
}

fn counts(of_table: &OfTable) -> String {
    format!(
        "{} rows changed, {} deleted, {} added by hand",
        of_table.rows_changed, of_table.rows_deleted, of_table.rows_added
    )
}

fn named(row: &OfRow) -> Vec<String> {
    let last = match &row.last_event {
        Some(event) => format!("event {}, {}, {}", event.position, event.event_type, event.event_id.0),
        None => "none ever did".to_owned(),
    };
    let columns = different(row);
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let place = if names.is_empty() { String::new() } else { format!(" in {}", names.join(", ")) };
    let mut lines = vec![format!("  {} {}{place}", row.key, row.deed.word())];
    if columns.is_empty() {
        lines.push(format!("    in the table: {}", cut_row(row.live.as_ref())));
        lines.push(format!("    from the log: {}", cut_row(row.folded.as_ref())));
    }
    for Column { name, live, folded } in columns.iter().take(COLUMNS_SHOWN_MAX) {
        let (live, folded) = beside(live, folded);
        lines.push(format!("    {name}: in the table {live}, from the log {folded}"));
    }
    lines.push(format!("    last event that touched it: {last}"));
    lines.iter().map(|line| harmless(line)).collect()
}

/// A column with another value in the table than from the log, both as JSON.
struct Column {
    name: String,
    live: String,
    folded: String,
}

/// The columns that differ of a row that was changed; none of one that was added or deleted.
fn different(row: &OfRow) -> Vec<Column> {
    let read = |text: &Option<String>| {
        text.as_ref().and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok())
    };
    let (Some(live), Some(folded)) = (read(&row.live), read(&row.folded)) else { return vec![] };
    let value = |row: &Map<String, Value>, name: &str| {
        row.get(name).map_or_else(|| "no such column".to_owned(), Value::to_string)
    };
    let names = folded.keys().chain(live.keys().filter(|name| !folded.contains_key(*name)));
    let columns = names.map(|name| Column {
        name: name.clone(),
        live: value(&live, name),
        folded: value(&folded, name),
    });
    columns.filter(|column| column.live != column.folded).collect()
}

/// Two values, cut to where they begin to differ.
fn beside(one: &str, other: &str) -> (String, String) {
    let same = one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count();
    let longest = one.chars().count().max(other.chars().count());
    let from = if longest > VALUE_CHARS_MAX { same.saturating_sub(VALUE_CHARS_BEFORE) } else { 0 };
    let cut = |text: &str| {
        let shown: String = text.chars().skip(from).take(VALUE_CHARS_MAX).collect();
        let before = if from > 0 { "…" } else { "" };
        let after = if text.chars().count() > from + VALUE_CHARS_MAX { "…" } else { "" };
        format!("{before}{shown}{after}")
    };
    (cut(one), cut(other))
}

fn cut_row(text: Option<&String>) -> String {
    match text {
        None => "no such row".to_owned(),
        Some(text) if text.chars().count() > ROW_CHARS_MAX => {
            format!("{}…", text.chars().take(ROW_CHARS_MAX).collect::<String>())
        }
        Some(text) => text.clone(),
    }
}

/// The first thing that differs, in one line.
pub(crate) fn accusation(report: &Report) -> String {
    let tables = report.projections.iter().flat_map(|projection| &projection.tables);
    let why = report.projections.iter().find_map(|projection| {
        Some(format!("projection {}: {}", projection.projection, projection.why.as_ref()?))
    });
    let mut differing = tables.filter(|table| table.verdict == Verdict::Differs);
    let first = differing.next().map(accused);
    let more = match differing.count() {
        0 => String::new(),
        more => format!(" ({more} more tables differ)"),
    };
    first.or(why).map_or_else(|| "something differs".to_owned(), |words| format!("{words}{more}"))
}

/// What is wrong with a table, in one line.
fn accused(of_table: &OfTable) -> String {
    let name = &of_table.table;
    if let Some(row) = of_table.differences.first() {
        return format!("table {name}: {}; the first is {}, {}", counts(of_table), row.key, row.deed.word());
    }
    if let Some(lost) = &of_table.lost {
        return format!("table {name}: {}", missing(lost));
    }
    let Some(one) = of_table.tiered.iter().find(|one| one.verdict == Verdict::Differs) else {
        return format!("table {name}: a stored digest is not that of its rows");
    };
    let what = one.wrong.first().map_or_else(|| "other rows".to_owned(), wrong);
    format!("table {name}, from {} to {} in the lake: {what}", one.from_position, one.to_position)
}

#[cfg(test)]
mod tests;
