//! The caller's id, and whether the system has a user or a group with an id. This uses the functions with `_r`, because test harnesses have
//! threads.
#![allow(unsafe_code, reason = "libc's lookups")]

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::ptr::null_mut;

/// The size of the buffer. A longer entry gives an error, which shows that there is one.
const ENTRY_BYTES: usize = 4096;

/// The real user id.
pub(crate) fn uid() -> u32 {
    // SAFETY: getuid takes nothing and cannot fail.
    unsafe { libc::getuid() }
}

/// True if the system has a user of that id.
pub(crate) fn has_user(uid: u32) -> bool {
    let mut user = MaybeUninit::<libc::passwd>::uninit();
    let mut buffer = [0 as c_char; ENTRY_BYTES];
    let mut found = null_mut();
    // SAFETY: the pointers are to locals that outlive the call, and the length is that of the buffer.
    let code = unsafe {
        libc::getpwuid_r(uid, user.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &raw mut found)
    };
    code == libc::ERANGE || !found.is_null()
}

/// True if the system has a group of that id.
pub(crate) fn has_group(gid: u32) -> bool {
    let mut group = MaybeUninit::<libc::group>::uninit();
    let mut buffer = [0 as c_char; ENTRY_BYTES];
    let mut found = null_mut();
    // SAFETY: the pointers are to locals that outlive the call, and the length is that of the buffer.
    let code = unsafe {
        libc::getgrgid_r(gid, group.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &raw mut found)
    };
    code == libc::ERANGE || !found.is_null()
}
