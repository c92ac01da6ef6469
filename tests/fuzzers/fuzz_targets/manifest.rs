//! The file that says which segments are archived, under libFuzzer. What is asked of it stands in
//! `stele_event_log::fuzzing::manifest`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    stele_event_log::fuzzing::manifest(bytes);
});
