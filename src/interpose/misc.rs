//! gethostname(2), chroot(2).

use core::ffi::{c_char, c_int};

use libc::size_t;

use super::{call_next, interpose};
use crate::config;
use crate::file::source;
use crate::rt::errno::{Errno, ErrnoGuard};
use crate::rt::out_buf::Room;

/// # Safety
///
/// `name` is valid for writes of `len` bytes.
unsafe fn write_hostname(host: &[u8], name: *mut c_char, len: size_t) -> c_int {
    // SAFETY: who calls this promises that `name` is valid for writes of `len` bytes.
    match unsafe { Room::new(name.cast(), len) }.string(host) {
        Ok(_) => 0,
        Err(_) => Errno::ENAMETOOLONG.fail(),
    }
}

interpose! {
    /// `gethostname(2)`: `ENAMETOOLONG` where the name and its NUL do not fit, as glibc and the peer. The
    /// nodename of uname(2) stays the kernel's.
    fn gethostname(name: *mut c_char, len: size_t) -> c_int as libc {
        match config::hostname() {
            // SAFETY: POSIX has the caller promise `len` bytes at `name`.
            Some(host) => unsafe { write_hostname(host, name, len) },
            None => call_next!(gethostname(name, len) or -1),
        }
    }

    /// `chroot(2)`: the files' paths lead elsewhere after it, and who was known before still is.
    fn chroot(path: *const c_char) -> c_int as libc {
        let guard = ErrnoGuard::new();
        // Without memory or descriptors nobody is known after it.
        _ = config::get().and_then(source::hold_all);
        drop(guard);
        call_next!(chroot(path) or Errno::ENOSYS.fail())
    }

    /// What `gethostname` is in a program that glibc's headers fortify. A length beyond the size of the
    /// buffer is for libc to end the program.
    fn __gethostname_chk(name: *mut c_char, len: size_t, size: size_t) -> c_int {
        match config::hostname().filter(|_| len <= size) {
            // SAFETY: POSIX has the caller promise `len` bytes at `name`.
            Some(host) => unsafe { write_hostname(host, name, len) },
            None => call_next!(__gethostname_chk(name, len, size) or -1),
        }
    }
}
