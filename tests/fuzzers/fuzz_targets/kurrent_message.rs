//! Messages of clients of the KurrentDB protocol, under libFuzzer. What is asked of them stands in `stele_kurrent::fuzzing::message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    stele_kurrent::fuzzing::message(bytes);
});
