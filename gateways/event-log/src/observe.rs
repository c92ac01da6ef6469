//! Everything this crate says out loud.

use crate::archive::ArchiveError;
use crate::recovery::OpenReport;
use crate::witness::WitnessError;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, histogram};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use stele_domain::causes::with_causes;
use stele_domain::port::event_log::LogError;

/// What becomes of a fetch.
const FETCHED: [&str; 6] = ["ok", "missing", "other", "denied", "unreachable", "cache"];

/// Shows every metric of this crate from the start, and says what it means. A counter that appears with its first
/// event has no increase that an alert could see.
pub fn announce() {
    describe_gauge!("log_head_position", "Last position of the event log.");
    describe_gauge!("log_prepared_bytes", "Bytes of zeros that stand ready for the segments to come.");
    describe_gauge!("log_writable", "1 while the log takes appends; 0 when it is full or has stopped.");
    describe_histogram!("log_append_seconds", "Time from a group of appends to its acknowledgement.");
    describe_histogram!("log_fsync_seconds", "Time of one fdatasync.");
    describe_histogram!("log_group_records", "Records that one group of appends made durable together.");
    describe_counter!("log_written_bytes_total", "Bytes written to the log.");
    describe_counter!("log_torn_tails_total", "Unfinished writes that recovery cut and kept aside.");
    describe_counter!("log_segments_sealed_total", "Segments that were sealed.");
    describe_counter!("log_full_total", "Groups of appends that were refused for lack of room.");
    describe_counter!("log_stopped_total", "Times the writer stopped for good.");
    describe_gauge!("log_witness_commits", "Commits under the newest checkpoint that the witness has.");
    describe_gauge!(
        "log_witness_timestamp_seconds",
        "When the witness was last found to have everything, as Unix time."
    );
    describe_gauge!("log_witness_failing", "1 while checkpoints can't be handed to the witness.");
    describe_gauge!(
        "log_witness_contradicted",
        "1 when the witness holds a checkpoint that this log does not bear out."
    );
    describe_counter!(
        "log_witness_failures_total",
        "Times that a checkpoint could not be handed to the witness."
    );
    describe_gauge!(
        "log_archive_segments",
        "Sealed segments that are in the archive and not in the directory."
    );
    describe_gauge!(
        "log_archive_waiting_segments",
        "Sealed segments that should be in the archive and are not yet."
    );
    describe_gauge!("log_archive_cache_bytes", "Bytes of archived segments that were fetched and are kept.");
    describe_counter!("log_archived_bytes_total", "Bytes of segments that were archived.");
    describe_counter!("log_archived_segments_total", "Segments that were archived.");
    describe_counter!("log_archive_failures_total", "Times that a segment could not be archived.");
    describe_counter!(
        "log_archive_fetches_total",
        "Archived segments that were fetched, or were not to be had."
    );
    describe_histogram!(
        "log_archive_fetch_seconds",
        "Time to fetch an archived segment, whatever came of it."
    );
    for name in ["log_archive_segments", "log_archive_waiting_segments", "log_archive_cache_bytes"] {
        metrics::gauge!(name).set(0.0);
    }
    for outcome in FETCHED {
        counter!("log_archive_fetches_total", "outcome" => outcome).increment(0);
    }
    let _ = histogram!("log_archive_fetch_seconds");
    for name in ["log_append_seconds", "log_fsync_seconds", "log_group_records"] {
        let _ = histogram!(name);
    }
    for name in [
        "log_written_bytes_total",
        "log_torn_tails_total",
        "log_segments_sealed_total",
        "log_full_total",
        "log_stopped_total",
        "log_archived_bytes_total",
        "log_archived_segments_total",
        "log_archive_failures_total",
        "log_witness_failures_total",
    ] {
        counter!(name).increment(0);
    }
}

/// The log is open.
pub fn opened(directory: &str, report: &OpenReport) {
    metrics::gauge!("log_head_position").set(as_metric(report.head.0));
    metrics::gauge!("log_writable").set(1.0);
    let (log, head, commits, segments) = (report.log, report.head.0, report.commits, report.segments);
    tracing::info!(event = "log.opened", directory, %log, head, commits, segments, created = report.created, "event log open");
    if let Some(cut) = &report.cut {
        metrics::counter!("log_torn_tails_total").increment(1);
        let (file, offset, bytes) = (&cut.file, cut.offset, cut.bytes);
        let quarantine = &cut.quarantine;
        tracing::warn!(
            event = "log.opened",
            directory,
            file,
            offset,
            bytes,
            quarantine,
            "unfinished write cut and kept aside"
        );
    }
}

/// The index of a sealed segment was made again from the segment: it had none, or one that does not fit it.
pub fn index_rebuilt(directory: &str, file: &str, was_there: bool) {
    tracing::info!(
        event = "log.index_rebuilt",
        directory,
        file,
        was_there,
        "index file made again from its segment, no event is affected"
    );
}

/// A group is durable and its readers know.
pub fn group_written(records: usize, bytes: u64, head: u64, took: Duration) {
    metrics::gauge!("log_head_position").set(as_metric(head));
    metrics::histogram!("log_append_seconds").record(took);
    metrics::histogram!("log_group_records").record(as_metric(crate::format::to_u64(records)));
    metrics::counter!("log_written_bytes_total").increment(bytes);
    metrics::gauge!("log_writable").set(1.0);
}

/// The log takes no appends; why is told of elsewhere.
pub fn not_writable() {
    metrics::gauge!("log_writable").set(0.0);
}

/// An fsync has returned.
pub fn synced(took: Duration) {
    metrics::histogram!("log_fsync_seconds").record(took);
}

/// A segment was sealed and the next begun.
pub fn sealed(directory: &str, next: &str) {
    metrics::counter!("log_segments_sealed_total").increment(1);
    tracing::info!(event = "log.sealed", directory, next, "segment sealed");
}

/// A segment was left with spare room behind it, or without an index file. The first is harmless, the second costs time
/// at the next start.
pub fn not_tidied(directory: &str, error: &std::io::Error) {
    tracing::warn!(event = "log.not_tidied", directory, %error, "segment sealed without its index file");
}

/// A log was closed without its last segment sealed, which costs time at the next start.
pub fn not_sealed_at_close(directory: &str, why: &str) {
    tracing::warn!(event = "log.not_sealed_at_close", directory, why, "last segment not sealed at the end");
}

/// A segment was begun without the room that was to be prepared for it, which costs time and nothing else.
pub fn not_prepared(directory: &str, error: &std::io::Error) {
    tracing::warn!(event = "log.not_prepared", directory, %error, "room for the next segment not prepared");
}

/// So many bytes of zeros stand ready.
pub fn prepared(bytes: u64) {
    metrics::gauge!("log_prepared_bytes").set(as_metric(bytes));
}

/// There was no room for a group; nothing of it was kept.
pub fn full(directory: &str) {
    metrics::counter!("log_full_total").increment(1);
    not_writable();
    tracing::error!(event = "log.full", directory, "no room for the event log, appends are refused");
}

/// The writer has stopped for good.
pub fn stopped(directory: &str, why: &str) {
    metrics::counter!("log_stopped_total").increment(1);
    not_writable();
    tracing::error!(event = "log.stopped", directory, why, "event log stopped, restart the process");
}

/// The writer could not leave a checkpoint when it was closed without anyone to tell.
pub fn ended_without_checkpoint(directory: &str, error: &LogError) {
    tracing::error!(event = "log.ended_without_checkpoint", directory, %error, "event log closed without a checkpoint");
}

/// The witness has everything that is durable: by this export, or since an earlier one.
pub fn witnessed(witness: &str, commits: u64, anew: bool) {
    metrics::gauge!("log_witness_commits").set(as_metric(commits));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    metrics::gauge!("log_witness_timestamp_seconds").set(now.as_secs_f64());
    metrics::gauge!("log_witness_failing").set(0.0);
    metrics::gauge!("log_witness_contradicted").set(0.0);
    if anew {
        tracing::debug!(event = "log.witnessed", witness, commits, "checkpoint handed to the witness");
    }
}

/// The witness does not have what is durable.
pub fn not_witnessed(witness: &str, error: &WitnessError) {
    metrics::counter!("log_witness_failures_total").increment(1);
    metrics::gauge!("log_witness_failing").set(1.0);
    let words = with_causes(error);
    if error.contradicts() {
        metrics::gauge!("log_witness_contradicted").set(1.0);
        tracing::error!(
            event = "log.contradicted",
            witness,
            error = words,
            "the witness contradicts the log"
        );
    } else {
        // A contradiction stands until the witness has taken a checkpoint: one that is away takes nothing back.
        tracing::warn!(
            event = "log.not_witnessed",
            witness,
            error = words,
            "checkpoint not handed to the witness"
        );
    }
}

/// What the witness cosigned last can't be read; it is asked itself.
pub fn cosigned_unreadable(directory: &str, error: &std::io::Error) {
    let words = with_causes(error);
    tracing::warn!(
        event = "log.cosigned_unreadable",
        directory,
        error = words,
        "cosigned checkpoint beside the log not readable, the witness is asked"
    );
}

/// A segment is in the archive, and not in the directory any more.
pub fn archived(directory: &str, first: u64, bytes: u64) {
    metrics::counter!("log_archived_segments_total").increment(1);
    metrics::counter!("log_archived_bytes_total").increment(bytes);
    tracing::info!(event = "log.archived", directory, first, bytes, "segment archived");
}

/// How many segments wait to be archived.
pub fn archive_waiting(segments: u64) {
    metrics::gauge!("log_archive_waiting_segments").set(as_metric(segments));
}

/// How many segments are in the archive only.
pub fn archive_holds(segments: u64) {
    metrics::gauge!("log_archive_segments").set(as_metric(segments));
}

/// A segment was not archived. It stays where it is, and is tried again.
pub fn not_archived(directory: &str, error: &ArchiveError) {
    metrics::counter!("log_archive_failures_total").increment(1);
    let words = with_causes(error);
    tracing::warn!(
        event = "log.not_archived",
        directory,
        error = words,
        "segment not archived, it is tried again"
    );
}

/// The thread that archives has panicked. It goes on.
pub fn keeper_panicked(directory: &str) {
    metrics::counter!("log_archive_failures_total").increment(1);
    tracing::error!(
        event = "log.keeper_panicked",
        directory,
        "archiving panicked, which is a defect; it is tried again"
    );
}

/// A segment was asked of the archive.
pub fn segment_fetched(outcome: &'static str, took: Duration) {
    metrics::counter!("log_archive_fetches_total", "outcome" => outcome).increment(1);
    metrics::histogram!("log_archive_fetch_seconds").record(took);
}

/// An archived segment is not to be had.
pub fn segment_not_fetched(error: &ArchiveError) {
    let words = with_causes(error);
    if error.is_loss() {
        tracing::error!(
            event = "log.archive_lost",
            error = words,
            "archived segment is not what was archived"
        );
    } else {
        tracing::warn!(event = "log.not_fetched", error = words, "archived segment not fetched");
    }
}

/// Bytes of fetched segments that are kept.
pub fn fetched_bytes(bytes: u64) {
    metrics::gauge!("log_archive_cache_bytes").set(as_metric(bytes));
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floating point; exact up to 2^53")]
fn as_metric(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::{not_witnessed, witnessed};
    use crate::witness::{Contradiction, WitnessError};
    use metrics::{
        Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit, with_local_recorder,
    };
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// One gauge.
    #[derive(Default)]
    struct Contradicted(Arc<AtomicU64>);

    impl Recorder for Contradicted {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            Counter::noop()
        }
        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            match key.name() {
                "log_witness_contradicted" => Gauge::from_arc(Arc::clone(&self.0)),
                _ => Gauge::noop(),
            }
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[test]
    fn a_contradiction_stands_until_the_witness_takes_a_checkpoint() {
        let contradicted = Contradicted::default();
        with_local_recorder(&contradicted, || {
            let stands = || f64::from_bits(contradicted.0.load(Ordering::SeqCst)) > 0.0;
            let kind = Contradiction::Rewritten { signed: 7 };
            not_witnessed("w", &WitnessError::Contradicted { by: "w".to_owned(), kind });
            assert!(stands());
            not_witnessed("w", &WitnessError::Away("nobody listens".to_owned()));
            assert!(stands(), "a witness that is away takes nothing back");
            witnessed("w", 8, true);
            assert!(!stands());
        });
    }
}
