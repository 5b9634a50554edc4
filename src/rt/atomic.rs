//! The atomic types of what threads share. tests/loom replaces them by loom's, which try every order.

pub(crate) use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
