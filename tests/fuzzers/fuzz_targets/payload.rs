//! The payload of a commit, under libFuzzer. What is asked of them stands in `stele_event_log::fuzzing::payload`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    stele_event_log::fuzzing::payload(bytes);
});
