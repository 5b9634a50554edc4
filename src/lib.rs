//! `libnss_wrapper_rs.so`: users and groups of your choice, for a program that it is preloaded into.
//!
//! The modules are a stack. C enters at the top, bytes of a file leave at the bottom, and every
//! `use crate::` points downward:
//!
//! ```text
//! abi ──> lookup ──> store ──> parse ──> record
//!  │         └─────> module ───────────> record
//!  ├─────> real <───── module
//!  └─────> pack ───────────────────────> record
//! any layer ──> errno, config, marks, memory, sync, sys, tls, trace ──> core, libc
//! ```
//!
//! - [`abi`]: the exported functions, one file per C header; unpack, ask, pack or call on.
//! - [`lookup`]: who answers, in what order; enumeration cursors.
//! - [`store`]: parsed tables, kept while the file is unchanged.
//! - [`module`]: an NSS module: load, bind, call.
//! - [`real`]: the next definition of what we interpose.
//! - [`pack`]: records into the caller's buffer.
//! - [`parse`]: lines into records, pure.
//! - [`record`]: the rows themselves.
//!
//! The library is `no_std`: of std, what a panic prints alone is 200 KiB with some 200 relocations,
//! which every process that it is preloaded into would pay for at its start.
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

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("the system calls in sys.rs assume 64-bit Linux");

extern crate alloc;

mod abi;
mod config;
mod errno;
#[cfg(not(any(test, fuzzing, miri)))]
mod freestanding;
#[cfg(any(test, fuzzing))]
#[path = "../fuzz/checks/mod.rs"]
pub mod fuzz;
mod load;
mod lookup;
mod marks;
mod memory;
mod module;
mod pack;
mod parse;
mod real;
mod record;
mod store;
mod sync;
mod sys;
mod thread;
mod tls;
mod trace;
mod valgrind;
