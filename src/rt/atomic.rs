//! The atomic types of what threads share. tests/loom replaces them by loom's, which try every order.

/// A `const fn`; under loom, whose atomics are made at run time, a function.
macro_rules! const_fn {
    ($(#[$doc:meta])* $vis:vis fn $($rest:tt)*) => { $(#[$doc])* $vis const fn $($rest)* };
}
pub(crate) use const_fn;
pub(crate) use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
