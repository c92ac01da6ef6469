//! Kraken's messages, under libFuzzer. What is asked of them stands in `stele_market::fuzzing::kraken`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    stele_market::fuzzing::kraken(bytes);
});
