//! `harness::dtls` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| harness::dtls(bytes));
