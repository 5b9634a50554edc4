//! What C calls. An export is glue: it takes the arguments apart, asks one question, and gives the answer or
//! calls the next definition.
#![allow(unsafe_code, reason = "the C boundary")]

mod addrinfo;
mod addrinfo_musl;
#[cfg(all(
    any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64"),
    not(any(test, fuzzing, miri))
))]
mod dlopen;
pub(crate) mod getent;
pub(crate) mod grouplist;
pub(crate) mod hosts;
mod inside;
mod misc;
mod nss_entry;
mod nss_service;
pub(crate) mod wrapper;

/// Declares functions of libc that this library interposes. One declaration gives the export, the typed
/// pointer to the next definition (`NEXT.name`, possibly missing), and, with `as libc`, a check of the
/// type against the `libc` crate.
macro_rules! interpose {
    ($(
        $(#[$doc:meta])*
        fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $(as $libc:ident)? $body:block
    )*) => {
        /// The next definitions.
        #[allow(non_snake_case, reason = "the functions' names")]
        pub(super) struct NextTable {
            $(pub(super) $name: $crate::rt::next::Next<unsafe extern "C" fn($($ty),*) $(-> $ret)?>,)*
        }

        pub(super) static NEXT: NextTable = NextTable {
            // SAFETY: the type that the export has too, which the man page or glibc's header gives.
            $($name: unsafe {
                $crate::rt::next::Next::new(stringify!($name), $crate::rt::next::Scope::After)
            },)*
        };

        $($crate::interpose::check_type! { [$($libc)?] $name: unsafe extern "C" fn($($ty),*) $(-> $ret)? })*

        $crate::interpose::export! {$(
            $(#[$doc])*
            fn $name($($arg: $ty),*) $(-> $ret)? $body
        )*}
    };
}
use interpose;

/// Checks a function's type against the `libc` crate. Only for glibc, because for musl the crate lacks a few functions.
macro_rules! check_type {
    ([] $name:ident: $ty:ty) => {};
    ([libc] $name:ident: $ty:ty) => {
        #[cfg(target_env = "gnu")]
        #[allow(clippy::disallowed_methods, reason = "its type, not a call")]
        const _: $ty = libc::$name;
    };
}
use check_type;

/// Calls the next definition with the caller's own arguments; `$missing` where libc has none.
macro_rules! call_next {
    ($name:ident($($arg:expr),*) or $missing:expr) => {
        match NEXT.$name.get() {
            Some(next) => {
                let _in_libc = $crate::rt::thread::InLibc::enter();
                // SAFETY: the caller's arguments, unchanged, to the same function.
                unsafe { next($($arg),*) }
            }
            None => $missing,
        }
    };
}
use call_next;

/// Exports functions under their C names: those of `interpose!`, and those that only libc calls.
macro_rules! export {
    ($(
        $(#[$doc:meta])*
        fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block
    )*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        ///
        /// The caller keeps what the man page or, for what libc calls, glibc's `<nss.h>` asks of it.
        #[cfg_attr(not(any(test, fuzzing, miri)), unsafe(no_mangle))]
        #[cfg_attr(any(test, fuzzing, miri), allow(dead_code, reason = "only C calls it"))]
        pub(crate) unsafe extern "C" fn $name($($arg: $ty),*) $(-> $ret)? $body
    )*};
}
use export;
