//! A no between processes of a desk, under libFuzzer. What is asked of them stands in `stele_remote_log::fuzzing::failure`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    stele_remote_log::fuzzing::failure(bytes);
});
