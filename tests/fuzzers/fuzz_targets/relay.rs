//! Frames of the relay, under libFuzzer. What is asked of them stands in `stele_intents::fuzzing::relay`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    stele_intents::fuzzing::relay(bytes);
});
