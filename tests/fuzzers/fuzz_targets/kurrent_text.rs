//! Names and metadata of clients of the KurrentDB protocol, under libFuzzer. What is asked of them stands in `stele_kurrent::fuzzing::text`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    stele_kurrent::fuzzing::text(bytes);
});
