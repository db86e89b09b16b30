//! `harness::sip_message` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| harness::sip_message(bytes));
