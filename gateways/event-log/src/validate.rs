//! What an append may look like at all, whatever the log holds.

use crate::format::to_u64;
use std::collections::HashSet;
use stele_domain::port::event_log::{APPEND_RECORDS_MAX, LogError, StreamAppend, keepable};

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
    // Most appends name one stream.
    if appends.len() > 1 {
        let mut seen = HashSet::with_capacity(appends.len());
        if let Some(twice) = appends.iter().find(|append| !seen.insert(&append.stream)) {
            return invalid(format!("it names stream {} twice", twice.stream));
        }
    }
    let mut records = appends.iter().flat_map(|append| &append.records).peekable();
    // Checks alone keep nothing.
    let bytes = if records.peek().is_none() { 0 } else { keepable(records)? };
    Ok(to_u64(bytes))
}

/// Checks an append to one stream, which must have something to keep.
pub fn single(appends: &[StreamAppend]) -> Result<u64, LogError> {
    if appends.iter().all(|append| append.records.is_empty()) {
        return Err(LogError::Invalid("it has no records".to_owned()));
    }
    append(appends)
}
