//! Any bytes at all: inspected, walked and rewritten as prost says.

#![no_main]

#[path = "../../src/wire"]
mod wire {
    pub use sessionfold::wire::*;

    pub mod oracle;
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wire::oracle::check(bytes));
