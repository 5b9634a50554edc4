//! The exported functions, one file for each C header: take the arguments apart, ask, pack the
//! answer or call on.
#![allow(unsafe_code, reason = "the C boundary")]

mod face;
pub(crate) mod grp;
mod host;
pub(crate) mod membership;
pub(crate) mod netdb;
pub(crate) mod node;
mod nss;
mod nss_host;
mod own;
pub(crate) mod pwd;
pub(crate) mod shadow;
mod unistd;
mod wrapper;

use core::ffi::{c_char, c_int};
use core::ptr::null_mut;

use crate::errno::Errno;
use crate::lookup::Answer;
use crate::pack::{Pack, pack_at};

/// Exports functions under their C names.
macro_rules! export_unchecked {
    ($(
        $(#[$doc:meta])*
        fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block
    )*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        ///
        /// The caller keeps the promises that the man page asks for.
        #[cfg_attr(not(any(test, fuzzing, miri)), unsafe(no_mangle))]
        #[cfg_attr(any(test, fuzzing, miri), allow(dead_code, reason = "only C calls it"))]
        pub(crate) unsafe extern "C" fn $name($($arg: $ty),*) $(-> $ret)? $body
    )*};
}
use export_unchecked;

/// Exports functions under their C names, with a check of their types against the `libc` crate.
macro_rules! export {
    ($(
        $(#[$doc:meta])*
        $libc:path as fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block
    )*) => {
        $(
            #[allow(clippy::disallowed_methods, reason = "its type, not a call")]
            const _: unsafe extern "C" fn($($ty),*) $(-> $ret)? = $libc;
        )*
        $crate::abi::export_unchecked! {$(
            $(#[$doc])*
            fn $name($($arg: $ty),*) $(-> $ret)? $body
        )*}
    };
}
use export;

/// Calls the next definition with the caller's own arguments; `$missing` where libc has none.
macro_rules! call_on {
    ($symbol:ident($($arg:expr),*) or $missing:expr) => {
        $crate::abi::call_on!(($crate::real::$symbol)($($arg),*) or $missing)
    };
    (($symbol:expr)($($arg:expr),*) or $missing:expr) => {
        match $symbol.get() {
            Some(next) => {
                let _passing = $crate::real::Passing::new();
                // SAFETY: the caller's arguments, unchanged, to the same function.
                unsafe { next($($arg),*) }
            }
            None => $missing,
        }
    };
}
use call_on;

/// Where a `_r` function's result goes.
struct Lent<T> {
    out: *mut T,
    buf: *mut u8,
    len: usize,
    found: *mut *mut T,
}

impl<T> Lent<T> {
    /// # Safety
    ///
    /// All are valid for writes until the exported function returns, `buf` for `len` bytes.
    unsafe fn new(out: *mut T, buf: *mut c_char, len: usize, found: *mut *mut T) -> Self {
        Self { out, buf: buf.cast(), len, found }
    }

    #[inline(always)]
    /// The row, or `Absent`, or `None` to call on. What an enumeration wants `Err` for is the caller's.
    fn fill<R: Pack<C = T>>(&self, answer: Answer<R>) -> Result<Option<bool>, Errno> {
        match answer {
            Answer::Row(row) => {
                // SAFETY: the promise made to `new`.
                unsafe { pack_at(&row, self.out, self.buf, self.len) }?;
                Ok(Some(true))
            }
            Answer::Absent => Ok(Some(false)),
            Answer::Pass => Ok(None),
        }
    }

    /// Stores the result pointer and says what the function returns; `None` to call on.
    fn done(&self, filled: Result<Option<bool>, Errno>, absent: c_int) -> Option<c_int> {
        let (found, code) = match filled {
            Ok(Some(true)) => (self.out, 0),
            Ok(Some(false)) => (null_mut(), absent),
            Ok(None) => return None,
            Err(error) => (null_mut(), error.get()),
        };
        // SAFETY: the promise made to `new`.
        unsafe { self.found.write(found) };
        Some(code)
    }
}
