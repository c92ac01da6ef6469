//! The log for people.

use super::harmless::harmless;
use super::table;
use crate::render::units::clock;
use stele_api::dto::{Event, LogStat};
use stele_event_log::{Growth, Rates, VerifyReport};

/// Most characters of an event's data in a list.
const DATA_CHARS_MAX: usize = 100;

/// One event as one line.
pub(crate) fn line(event: &Event) -> String {
    let data = event.data.as_ref().map_or("(no JSON)", |data| data.get());
    let cut: String = data.chars().take(DATA_CHARS_MAX).collect();
    let more = if cut.len() < data.len() { "…" } else { "" };
    harmless(&format!(
        "{:>8}  {}  {:<28} {:<24} {cut}{more}",
        event.position,
        clock(event.recorded_at),
        event.event_type,
        event.stream
    ))
}

/// The log in numbers.
pub(crate) fn stat(stat: &LogStat, rates: Option<&Rates>) -> String {
    let categories = stat.categories.iter().map(|(name, count)| format!("{name} {count}"));
    let mut rows = vec![
        ("log", stat.log.to_string()),
        ("events", stat.events.to_string()),
        ("commits", stat.commits.to_string()),
        ("streams", stat.streams.to_string()),
        ("files", stat.segments.to_string()),
        ("bytes", stat.bytes.to_string()),
        ("per category", categories.collect::<Vec<_>>().join(", ")),
    ];
    if let Some(rates) = rates {
        rows.extend([("last minute", pace(&rates.minute)), ("last hour", pace(&rates.hour))]);
    }
    table::facts(rows)
}

fn pace(growth: &Growth) -> String {
    let milli = growth.events_per_second_milli();
    format!(
        "{} events, {}.{:03} a second; {} bytes, {} a second",
        growth.events,
        milli / 1_000,
        milli % 1_000,
        growth.bytes,
        growth.bytes_per_second()
    )
}

/// What a verified log consists of.
pub(crate) fn verified(report: &VerifyReport) -> String {
    let unfinished = match report.unfinished_bytes {
        0 => "none".to_owned(),
        bytes => format!("{bytes} bytes at the end that were never acknowledged"),
    };
    let mut rows = vec![
        ("log", report.stat.log.to_string()),
        ("events", report.stat.events.to_string()),
        ("commits", format!("{}, each one a leaf of the Merkle tree", report.stat.commits)),
        ("root", hex(&report.root)),
        (
            "checkpoints",
            format!(
                "{} stored and checked, the last over {} commits",
                report.checkpoints, report.checkpointed
            ),
        ),
        ("unfinished writes", unfinished),
    ];
    if report.owned {
        rows.push(("in use", "a desk was writing to it meanwhile".to_owned()));
    }
    format!(
        "The log is what was written: every checksum, chain and signature is right.\n{}",
        table::facts(rows)
    )
}

/// Bytes in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
