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
    // SAFETY: the caller promises that `name` is valid for writes of `len` bytes.
    let mut room = unsafe { Room::new(name.cast(), len) };
    let written = match host.get(..len) {
        None => room.string(host),
        Some(begin) => room.bytes(begin).and(Err(Errno::ENAMETOOLONG)),
    };
    written.map_or_else(Errno::fail, |_| 0)
}

interpose! {
    /// `gethostname(2)`: `ENAMETOOLONG` if the name and its NUL do not fit, and as much of it as fits, as with glibc.
    /// uname(2) still gives the kernel's name.
    fn gethostname(name: *mut c_char, len: size_t) -> c_int as libc {
        match config::hostname() {
            // SAFETY: POSIX has the caller promise `len` bytes at `name`.
            Some(host) => unsafe { write_hostname(host, name, len) },
            None => call_next!(gethostname(name, len) or -1),
        }
    }

    /// `chroot(2)`: after it the paths lead elsewhere, but users that were known before are still known.
    fn chroot(path: *const c_char) -> c_int as libc {
        let guard = ErrnoGuard::new();
        // Without memory or descriptors the files are not opened, and their users are not known after the call.
        _ = config::get().and_then(source::open_before_chroot);
        drop(guard);
        call_next!(chroot(path) or Errno::ENOSYS.fail())
    }

    /// The function that `gethostname` becomes in a program that glibc's headers fortify. If the length is more than
    /// the size of the buffer, libc ends the program.
    fn __gethostname_chk(name: *mut c_char, len: size_t, size: size_t) -> c_int {
        match config::hostname().filter(|_| len <= size) {
            // SAFETY: POSIX has the caller promise `len` bytes at `name`.
            Some(host) => unsafe { write_hostname(host, name, len) },
            None => call_next!(__gethostname_chk(name, len, size) or -1),
        }
    }
}
