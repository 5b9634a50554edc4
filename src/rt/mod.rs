//! What std would bring, chosen for a library that lives inside other programs.

#[cfg(not(any(test, fuzzing, miri)))]
mod alloc;
pub(crate) mod annotate;
pub(crate) mod atomic;
pub(crate) mod buf_cell;
mod constructor;
pub(crate) mod errno;
pub(crate) mod fork_lock;
pub(crate) mod log;
pub(crate) mod mark;
pub(crate) mod memory;
pub(crate) mod next;
pub(crate) mod out_buf;
pub(crate) mod published;
pub(crate) mod registry;
pub(crate) mod sandbox;
pub(crate) mod static_result;
pub(crate) mod sync;
pub(crate) mod sys;
pub(crate) mod thread;
pub(crate) mod thread_locals;
pub(crate) mod watch;
