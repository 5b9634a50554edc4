//! `libnss_wrapper_rs.so`: users and groups of your choice, for a program that it is preloaded into.
//!
//! The layers, from the top. Each uses only those below it, which `ci/lint` checks:
//!
//! ```text
//! interpose   what C calls: exports, next definitions, NSS entry points
//! resolve     who answers, in which order; enumerations; memberships; the synthetic user
//! module      an NSS module under test
//! file        a file as a table: reading, freshness, rows found by key
//! db          the databases, one file each: row, parser, keys, the C struct
//! config      what the environment asks for, read once
//! rt          what std would bring, chosen for a library inside other programs
//! ```
//!
//! docs/design.md follows a lookup through these layers, and says why the library is `no_std`.
#![cfg_attr(not(any(test, fuzzing, miri)), no_std)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::print_stdout,
        clippy::print_stderr
    )
)]

#[cfg(not(all(target_os = "linux", target_endian = "little")))]
compile_error!(
    "not supported: other systems than Linux, and big-endian machines, where the fast path of \
                db/fields.rs would read the digits of an id in the wrong order"
);

extern crate alloc;

mod config;
mod db;
mod file;
#[cfg(any(test, fuzzing))]
#[path = "../fuzz/checks/mod.rs"]
pub mod fuzz;
mod interpose;
mod module;
mod resolve;
mod rt;
