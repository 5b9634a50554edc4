//! What the system says of ids.
//!
//! A crate for it (uzers, nix) would switch on the feature `std` of libc, which cargo then builds the
//! library with too.
#![allow(unsafe_code, reason = "four functions of libc")]

use std::ffi::c_void;

// The signatures of unistd.h, pwd.h and grp.h, but that no result is looked into. The launcher has one
// thread.
unsafe extern "C" {
    safe fn getuid() -> u32;
    safe fn getgid() -> u32;
    safe fn getpwuid(uid: u32) -> *const c_void;
    safe fn getgrgid(gid: u32) -> *const c_void;
}

/// The real user and group id.
pub(crate) fn real_ids() -> (u32, u32) {
    (getuid(), getgid())
}

/// True if the system has a user of that id.
pub(crate) fn has_user(uid: u32) -> bool {
    !getpwuid(uid).is_null()
}

/// True if the system has a group of that id.
pub(crate) fn has_group(gid: u32) -> bool {
    !getgrgid(gid).is_null()
}
