//! Messages between processes of a desk, under libFuzzer. What is asked of them stands in `stele_remote_log::fuzzing::message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    stele_remote_log::fuzzing::message(bytes);
});
