//! What an append may look like at all, whatever the log holds.

use crate::format::to_u64;
use std::collections::HashSet;
use stele_domain::port::event_log::{
    APPEND_BYTES_MAX, APPEND_RECORDS_MAX, EVENT_TYPE_BYTES_MAX, LogError, NewRecord, StreamAppend,
};

/// Bytes of a record that count towards the limit of an append: data and metadata.
#[must_use]
pub fn counted_bytes(record: &NewRecord) -> usize {
    record.data.len() + record.metadata.len()
}

/// Checks an append to one or several streams; returns its size in bytes.
pub fn append(appends: &[StreamAppend]) -> Result<u64, LogError> {
    let invalid = |what: String| Err(LogError::Invalid(what));
    if appends.is_empty() {
        return invalid("it names no stream".to_owned());
    }
    if appends.len() > APPEND_RECORDS_MAX {
        return invalid(format!(
            "it names {} streams, at most {APPEND_RECORDS_MAX} are allowed",
            appends.len()
        ));
    }
    let mut seen = HashSet::with_capacity(appends.len());
    if let Some(twice) = appends.iter().find(|append| !seen.insert(&append.stream)) {
        return invalid(format!("it names stream {} twice", twice.stream));
    }
    let records = || appends.iter().flat_map(|append| &append.records);
    let count = records().count();
    if count > APPEND_RECORDS_MAX {
        return invalid(format!("it has {count} records, at most {APPEND_RECORDS_MAX} are allowed"));
    }
    for record in records() {
        let length = record.event_type.len();
        if !(1..=EVENT_TYPE_BYTES_MAX).contains(&length) {
            return invalid(format!(
                "an event type has {length} bytes, 1 to {EVENT_TYPE_BYTES_MAX} are allowed"
            ));
        }
    }
    let bytes = records().map(counted_bytes).fold(0, usize::saturating_add);
    if bytes > APPEND_BYTES_MAX {
        return invalid(format!("it has {bytes} bytes, at most {APPEND_BYTES_MAX} are allowed"));
    }
    Ok(to_u64(bytes))
}

/// Checks an append to one stream, which must have something to keep.
pub fn single(appends: &[StreamAppend]) -> Result<u64, LogError> {
    if appends.iter().all(|append| append.records.is_empty()) {
        return Err(LogError::Invalid("it has no records".to_owned()));
    }
    append(appends)
}
