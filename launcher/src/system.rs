//! Ids, and system calls that std lacks.
//!
//! The `std` features of `rustix` and `libc` stay off: cargo builds both packages with one set of
//! features, and the library must do without std.
#![allow(unsafe_code, reason = "libc's calls, and descriptors that std and rustix share")]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::ptr::null;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fd::BorrowedFd;
use rustix::fs::{FlockOperation, MemfdFlags};
use rustix::thread::UnshareFlags;

/// The real user and group id, from libc and not from the kernel, because uid_wrapper interposes libc's
/// functions.
pub(crate) fn real_ids() -> (u32, u32) {
    // SAFETY: getuid takes nothing and cannot fail.
    let uid = unsafe { libc::getuid() };
    // SAFETY: getgid takes nothing and cannot fail.
    let gid = unsafe { libc::getgid() };
    (uid, gid)
}

/// The effective user and group id from the kernel, whatever uid_wrapper says.
pub(crate) fn effective_ids() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

/// Asks while the variable is set to nothing. The library reads it at the first question of this process.
pub(crate) fn with_empty<T>(variable: &str, ask: impl FnOnce() -> T) -> T {
    let before = std::env::var_os(variable);
    // SAFETY: the launcher has one thread.
    unsafe { std::env::set_var(variable, "") };
    let answer = ask();
    match before {
        // SAFETY: the launcher has one thread.
        Some(value) => unsafe { std::env::set_var(variable, value) },
        // SAFETY: the launcher has one thread.
        None => unsafe { std::env::remove_var(variable) },
    }
    answer
}

/// True if the process is root for the kernel.
pub(crate) fn is_root() -> bool {
    effective_ids().0 == 0
}

/// Leaves the namespaces of `flags` for new ones: unshare(2).
pub(crate) fn unshare(flags: UnshareFlags) -> rustix::io::Result<()> {
    debug_assert!(!flags.contains(UnshareFlags::FILES));
    // SAFETY: only CLONE_FILES is unsafe, with which threads no longer share descriptors; the launcher
    // has one thread, and never passes that flag.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

/// Whether the caller ignores SIGPIPE, as systemd does for services.
static IGNORES_SIGPIPE: AtomicBool = AtomicBool::new(false);

/// Which of the descriptors 0, 1 and 2 the caller has closed.
static IS_CLOSED: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];

/// Runs before Rust's start, which ignores SIGPIPE too, and opens `/dev/null` for the closed descriptors.
#[used]
#[unsafe(link_section = ".init_array")]
static AT_LOAD: extern "C" fn() = note_callers;

extern "C" fn note_callers() {
    for (fd, is_closed) in (0..).zip(&IS_CLOSED) {
        // SAFETY: reads a flag of a descriptor, and fails if there is none.
        is_closed.store(unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1, Ordering::Relaxed);
    }
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: changes no action, and writes to the struct that is ours.
    if unsafe { libc::sigaction(libc::SIGPIPE, null(), action.as_mut_ptr()) } == 0 {
        // SAFETY: sigaction has filled it.
        let action = unsafe { action.assume_init() };
        IGNORES_SIGPIPE.store(action.sa_sigaction == libc::SIG_IGN, Ordering::Relaxed);
    }
}

/// Makes the command ignore SIGPIPE if the caller does, and have the descriptors closed that the caller has closed. std
/// gives SIGPIPE the default action before it calls the closure.
pub(crate) fn keep_callers(command: &mut Command) {
    let keep = || {
        if IGNORES_SIGPIPE.load(Ordering::Relaxed) {
            // SAFETY: no handler runs.
            unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
        }
        for (fd, _) in
            (0..).zip(&IS_CLOSED).filter(|(_, is_closed)| is_closed.load(Ordering::Relaxed))
        {
            // SAFETY: it is the one on /dev/null that std has opened, or closed already. After this only the error of
            // exec(2) is written to it, which std takes for written where there is no descriptor.
            unsafe { libc::close(fd) };
        }
        Ok(())
    };
    // SAFETY: the closure only makes system calls.
    unsafe { command.pre_exec(keep) };
}

/// Runs what has children. Where the caller ignores SIGCHLD, nobody could wait for them: wait(2).
pub(crate) fn with_children<T>(run: impl FnOnce() -> T) -> T {
    // SAFETY: no handler runs.
    let before = unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    let result = run();
    // SAFETY: what it was before.
    unsafe { libc::signal(libc::SIGCHLD, before) };
    result
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

/// A file in memory, for a child to write to.
pub(crate) fn memory_file() -> io::Result<File> {
    let fd = rustix::fs::memfd_create("nss-wrapper", MemfdFlags::CLOEXEC).map_err(error)?;
    // SAFETY: the descriptor was just made, and `into_raw_fd` gives it up: the file owns it alone.
    Ok(unsafe { File::from_raw_fd(rustix::fd::IntoRawFd::into_raw_fd(fd)) })
}

/// True if the process runs with more rights than its caller: `AT_SECURE`, getauxval(3).
pub(crate) fn is_secure() -> bool {
    // SAFETY: takes a number, returns a number.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// True if the file has capabilities: capabilities(7).
pub(crate) fn has_capabilities(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    // The longest form has 24 bytes.
    let mut value = [0_u8; 64];
    let read = rustix::fs::getxattr(path.as_c_str(), "security.capability", &mut value[..]);
    read.is_ok_and(|length| length > 0)
}
