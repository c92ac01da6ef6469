//! Answers of NEAR's providers, under libFuzzer. What is asked of them stands in `stele_intents::fuzzing::near`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    stele_intents::fuzzing::near(bytes);
});
