//! The library's own primitives under loom, which tries the orders in which threads can take their steps:
//! `ci/loom` runs it. Without `--cfg loom` there is nothing here.
//!
//! The files of `src` are compiled unchanged; what they use is replaced by models (`models.rs`). What a child of
//! fork(2) finds is not modelled; tests/it/process/stepping.rs tests it.
#![cfg(loom)]
#![allow(unsafe_code, reason = "the library's own contracts, and an allocator")]
#![allow(dead_code, reason = "a part of each file is what the library needs elsewhere")]

extern crate alloc;

mod models;

/// Where the library's files find each other.
#[path = "."]
mod rt {
    #[path = "../../src/rt/annotate.rs"]
    pub(crate) mod annotate;
    #[path = "../../src/rt/fork_lock.rs"]
    pub(crate) mod fork_lock;
    #[path = "../../src/rt/published.rs"]
    pub(crate) mod published;

    pub(crate) use crate::models::memory as buf_cell;
    pub(crate) use crate::models::thread as registry;
    pub(crate) use crate::models::{atomic, errno, sys, thread};
}
#[path = "."]
mod file {
    #[path = "../../src/file/walk.rs"]
    pub(crate) mod walk;
}

mod lock;
mod published;
mod walk;
