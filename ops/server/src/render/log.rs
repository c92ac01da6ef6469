//! The log for people.

use super::harmless::harmless;
use super::table;
use crate::render::units::clock;
use stele_api::dto::{Event, LogGrowth, LogStat};
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
    for growth in &stat.growth {
        let span = match growth.asked_ms {
            0 => "since opened",
            60_000 => "last minute",
            300_000 => "last 5 minutes",
            // A desk of another version.
            _ => "in a while",
        };
        rows.push((span, grown(growth)));
    }
    if let Some(rates) = rates {
        // The desk itself knows the shorter spans better than its files.
        rows.extend(stat.growth.is_empty().then(|| ("last minute", pace(&rates.minute))));
        rows.push(("last hour", pace(&rates.hour)));
    }
    table::facts(rows)
}

fn grown(growth: &LogGrowth) -> String {
    let span = growth.measured_ms.max(1);
    let milli = |events: u64| events.saturating_mul(1_000_000) / span;
    let by_category =
        growth.categories.iter().map(|(name, events)| format!("{name} {}", thousandths(milli(*events))));
    let by_category = by_category.collect::<Vec<_>>().join(", ");
    let of = if by_category.is_empty() { String::new() } else { format!(" ({by_category})") };
    format!(
        "{} events, {} a second{of}; {} bytes, {} a second",
        growth.events,
        thousandths(growth.events_per_second_milli),
        growth.bytes,
        growth.bytes_per_second
    )
}

fn thousandths(milli: u64) -> String {
    format!("{}.{:03}", milli / 1_000, milli % 1_000)
}

fn pace(growth: &Growth) -> String {
    format!(
        "{} events, {} a second; {} bytes, {} a second",
        growth.events,
        thousandths(growth.events_per_second_milli()),
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
    let verdict = match &report.part {
        None => "The log is what was written: every checksum, chain and signature is right.".to_owned(),
        Some(part) => format!(
            "Positions {} to {} are what was written: every checksum, chain and signature is right.\n\
             The rest was not looked at; what is before is counted as the part itself has it.",
            part.start().0,
            part.end().0
        ),
    };
    format!("{verdict}\n{}", table::facts(rows))
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
