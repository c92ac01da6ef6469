//! The header of a segment, under libFuzzer. What is asked of them stands in `stele_event_log::fuzzing::segment_header`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    stele_event_log::fuzzing::segment_header(bytes);
});
