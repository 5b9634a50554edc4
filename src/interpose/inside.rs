//! Functions of libc that look users, groups or hosts up by NSS inside libc. Each first tells libc to ask this library,
//! then calls the next definition.

use core::ffi::{c_char, c_int, c_long, c_void};
use core::ptr::null_mut;

use libc::{sa_family_t, size_t, uid_t};

use super::interpose;
use super::nss_service::configure_each;
use crate::config::FileKind;
use crate::rt::errno::Errno;

/// What `glob` returns where it is missing: `GLOB_NOSYS`.
const GLOB_NOSYS: c_int = 4;
/// `WRDE_NOSPACE`; there is no code for a missing function.
const WRDE_NOSPACE: c_int = 1;

const USERS: &[FileKind] = &[FileKind::Passwd];
const USERS_AND_HOSTS: &[FileKind] = &[FileKind::Passwd, FileKind::Hosts];
const HOSTS: &[FileKind] = &[FileKind::Hosts];

/// Declares such functions, with the databases, and what is returned if libc lacks the function.
macro_rules! inside {
    ($($name:ident($($arg:ident: $ty:ty),* $(,)?) -> $ret:ty: $services:expr, or $missing:expr;)*) => {
        interpose! {$(
            /// As libc's.
            fn $name($($arg: $ty),*) -> $ret {
                configure_each($services);
                match NEXT.$name.get() {
                    // SAFETY: the caller's arguments, unchanged, to the same function.
                    Some(next) => unsafe { next($($arg),*) },
                    None => $missing,
                }
            }
        )*}
    };
}

inside! {
    glob(pattern: *const c_char, flags: c_int, on_error: *mut c_void, found: *mut c_void) -> c_int:
        USERS, or GLOB_NOSYS;
    glob64(pattern: *const c_char, flags: c_int, on_error: *mut c_void, found: *mut c_void) -> c_int:
        USERS, or GLOB_NOSYS;
    wordexp(words: *const c_char, found: *mut c_void, flags: c_int) -> c_int:
        USERS, or WRDE_NOSPACE;
    getpw(uid: uid_t, line: *mut c_char) -> c_int: USERS, or Errno::ENOSYS.fail();
    cuserid(name: *mut c_char) -> *mut c_char: USERS, or null_mut();
    getlogin() -> *mut c_char: USERS, or null_mut();
    getlogin_r(name: *mut c_char, len: size_t) -> c_int: USERS, or libc::ENOSYS;
    __getlogin_r_chk(name: *mut c_char, len: size_t, size: size_t) -> c_int: USERS, or libc::ENOSYS;
    grantpt(fd: c_int) -> c_int: &[FileKind::Group], or Errno::ENOSYS.fail();
    gethostid() -> c_long: HOSTS, or 0;
    ruserok(host: *const c_char, root: c_int, remote: *const c_char, local: *const c_char) -> c_int:
        USERS_AND_HOSTS, or -1;
    ruserok_af(
        host: *const c_char, root: c_int, remote: *const c_char, local: *const c_char,
        family: sa_family_t
    ) -> c_int: USERS_AND_HOSTS, or -1;
    iruserok(address: u32, root: c_int, remote: *const c_char, local: *const c_char) -> c_int:
        USERS_AND_HOSTS, or -1;
    iruserok_af(
        address: *const c_void, root: c_int, remote: *const c_char, local: *const c_char,
        family: sa_family_t
    ) -> c_int: USERS_AND_HOSTS, or -1;
    rcmd(
        host: *mut *mut c_char, port: c_int, local: *const c_char, remote: *const c_char,
        command: *const c_char, second: *mut c_int
    ) -> c_int: USERS_AND_HOSTS, or -1;
    rcmd_af(
        host: *mut *mut c_char, port: c_int, local: *const c_char, remote: *const c_char,
        command: *const c_char, second: *mut c_int, family: sa_family_t
    ) -> c_int: USERS_AND_HOSTS, or -1;
    rexec(
        host: *mut *mut c_char, port: c_int, user: *const c_char, password: *const c_char,
        command: *const c_char, second: *mut c_int
    ) -> c_int: USERS_AND_HOSTS, or -1;
    rexec_af(
        host: *mut *mut c_char, port: c_int, user: *const c_char, password: *const c_char,
        command: *const c_char, second: *mut c_int, family: sa_family_t
    ) -> c_int: USERS_AND_HOSTS, or -1;
    getaddrinfo_a(
        mode: c_int, list: *mut *mut c_void, count: c_int, event: *mut c_void
    ) -> c_int: HOSTS, or libc::EAI_SYSTEM;
}

/// The function that 32-bit programs with 64-bit times call in place of `glob`, since glibc 2.34.
#[cfg(target_pointer_width = "32")]
mod time64 {
    use core::ffi::{c_char, c_int, c_void};

    use super::{GLOB_NOSYS, USERS, configure_each, interpose};

    inside! {
        __glob64_time64(
            pattern: *const c_char, flags: c_int, on_error: *mut c_void, found: *mut c_void
        ) -> c_int: USERS, or GLOB_NOSYS;
    }
}
