//! A commit frame, under libFuzzer. What is asked of them stands in `stele_event_log::fuzzing::frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    stele_event_log::fuzzing::frame(bytes);
});
