//! What the system says of ids, and the calls that std has not.
//!
//! Of `rustix` and `libc` the features `std` stay off: cargo builds both packages with one set of
//! features, and the library must do without std.
#![allow(unsafe_code, reason = "libc's lookups, and descriptors that std and rustix share")]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use rustix::fd::BorrowedFd;
use rustix::fs::FlockOperation;
use rustix::thread::UnshareFlags;

/// The real user and group id. Asked of libc, not of the kernel: uid_wrapper answers there.
pub(crate) fn real_ids() -> (u32, u32) {
    // SAFETY: getuid takes nothing and cannot fail.
    let uid = unsafe { libc::getuid() };
    // SAFETY: getgid takes nothing and cannot fail.
    let gid = unsafe { libc::getgid() };
    (uid, gid)
}

/// The effective user and group id that the kernel goes by, whatever uid_wrapper says.
pub(crate) fn effective_ids() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

/// True if the process is root for the kernel.
pub(crate) fn is_root() -> bool {
    effective_ids().0 == 0
}

/// Leaves the namespaces of `flags` for new ones: unshare(2).
pub(crate) fn unshare(flags: UnshareFlags) -> rustix::io::Result<()> {
    debug_assert!(!flags.contains(UnshareFlags::FILES));
    // SAFETY: what is unsafe of it is a table of descriptors that threads no longer share; the
    // launcher has one thread, and never asks for that.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

/// True if the system has a user of that id.
pub(crate) fn has_user(uid: u32) -> bool {
    // SAFETY: getpwuid takes any number. The launcher has one thread, and the result, which the
    // next call overwrites, is not looked into.
    !unsafe { libc::getpwuid(uid) }.is_null()
}

/// True if the system has a group of that id.
pub(crate) fn has_group(gid: u32) -> bool {
    // SAFETY: as with getpwuid: any number, one thread, and the result is not looked into.
    !unsafe { libc::getgrgid(gid) }.is_null()
}

/// Waits for the lock of flock(2) on the file. It ends with the file's last descriptor.
pub(crate) fn lock(file: &File) -> io::Result<()> {
    // SAFETY: the descriptor is open for as long as `file` is borrowed.
    let fd = unsafe { BorrowedFd::borrow_raw(file.as_raw_fd()) };
    rustix::fs::flock(fd, FlockOperation::LockExclusive).map_err(error)
}

/// The error as std has it.
pub(crate) fn error(error: rustix::io::Errno) -> io::Error {
    io::Error::from_raw_os_error(error.raw_os_error())
}
