#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nss_wrapper_rs::fuzz::hosts(data));
