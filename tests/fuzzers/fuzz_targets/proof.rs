//! Paths through the tree, under libFuzzer. What is asked of them stands in `stele_event_log::fuzzing::proof`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    stele_event_log::fuzzing::proof(bytes);
});
