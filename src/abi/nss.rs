//! Door 2: what libc itself asks.
//!
//! Lookups that libc makes inside itself never reach an interposed name: `glob("~bob")`, `wordexp`,
//! `getpw`. glibc asks NSS modules for them, and finds a module `wrapper_rs` by loading
//! `libnss_wrapper_rs.so.2`: the SONAME of this library, which is loaded already. So the functions
//! that ask from inside first have libc take its answers from here, once in a process, and go on to
//! the next definition. Where libc knows no modules (musl) they only go on.

use core::ffi::{CStr, c_char, c_int, c_long, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, Ordering};

use libc::{gid_t, group, passwd, sa_family_t, size_t, uid_t};

use super::face::{self, lent};
use super::{Lent, export_unchecked};
use crate::config::{self, Path};
use crate::errno::{Errno, KeepErrno};
use crate::lookup::{self, nsswitch};
use crate::real::{CONFIGURE_LOOKUP, Passing, inside};
use crate::store::{Groups, Passwds, read_file};

/// A database of nsswitch.conf(5) as libc asks for it.
pub(super) struct Door {
    name: &'static CStr,
    /// What libc asks where nsswitch.conf does not say.
    usual: &'static [u8],
    /// What libc does after our answer: nsswitch.conf(5).
    action: &'static [u8],
    is_wrapped: fn() -> Result<bool, Errno>,
    /// What our sources do not know is asked of libc's own services.
    goes_on: fn() -> Result<bool, Errno>,
    /// Elsewhere, so that the pages with what has to be relocated can be read-only.
    open: &'static AtomicBool,
}

static PASSWD: Door = Door {
    name: c"passwd",
    usual: b"files",
    action: b"",
    is_wrapped: lookup::has_sources::<Passwds>,
    goes_on: lookup::asks_libc::<Passwds>,
    open: {
        static OPEN: AtomicBool = AtomicBool::new(false);
        &OPEN
    },
};

static GROUP: Door = Door {
    name: c"group",
    usual: b"files",
    action: b"",
    is_wrapped: lookup::has_sources::<Groups>,
    goes_on: lookup::asks_libc::<Groups>,
    open: {
        static OPEN: AtomicBool = AtomicBool::new(false);
        &OPEN
    },
};

/// A name that is not in the file is libc's: `UNAVAIL`. One that is, without an address of the
/// family, is not: `NOTFOUND`; nor is one that could not be looked for: `TRYAGAIN`.
pub(super) static HOSTS: Door = Door {
    name: c"hosts",
    usual: b"files dns",
    action: b"[NOTFOUND=return TRYAGAIN=return]",
    is_wrapped: || Ok(config::get()?.hosts.is_some()),
    goes_on: || Ok(true),
    open: {
        static OPEN: AtomicBool = AtomicBool::new(false);
        &OPEN
    },
};

impl Door {
    /// Has libc ask here, if the database is wrapped. Threads that come here at once do the same
    /// thing twice. An error (no memory) leaves it closed until the next call.
    pub(super) fn open(&self) -> Result<(), Errno> {
        if self.open.load(Ordering::Acquire) {
            return Ok(());
        }
        let keep = KeepErrno::new();
        let configured = self.configure();
        drop(keep);
        configured?;
        self.open.swap(true, Ordering::Release);
        Ok(())
    }

    fn configure(&self) -> Result<(), Errno> {
        if !(self.is_wrapped)()? {
            return Ok(());
        }
        if !(self.goes_on)()? {
            return self.ask_here_then(b"", b"");
        }
        let file = match read_file(&Path::new(b"/etc/nsswitch.conf")?) {
            Err(Errno::ENOMEM) => return Err(Errno::ENOMEM),
            read => read.ok(),
        };
        let file = file.as_deref().unwrap_or_default();
        match nsswitch::services(file, self.name.to_bytes()) {
            // What libc cannot read there it does not use.
            Some(services) => self.ask_here_then(self.action, services),
            None => Err(Errno::EINVAL),
        }
        .or_else(|_| self.ask_here_then(self.action, self.usual))
    }

    fn ask_here_then(&self, action: &[u8], services: &[u8]) -> Result<(), Errno> {
        let Some(configure) = CONFIGURE_LOOKUP.get() else { return Ok(()) };
        let line = nsswitch::ours(action, services)?;
        let line = CStr::from_bytes_with_nul(&line).map_err(|_| Errno::EINVAL)?;
        // SAFETY: two C strings, which glibc copies.
        match unsafe { configure(self.name.as_ptr(), line.as_ptr()) } {
            0 => Ok(()),
            _ => Err(Errno::ENOMEM),
        }
    }
}

/// `enum nss_status` of `<nss.h>`.
pub(super) mod status {
    use core::ffi::c_int;

    pub(in crate::abi) const TRY_AGAIN: c_int = -2;
    pub(in crate::abi) const UNAVAILABLE: c_int = -1;
    pub(in crate::abi) const NOT_FOUND: c_int = 0;
    pub(in crate::abi) const SUCCESS: c_int = 1;
}

/// Answers as an NSS module does. A row that is not ours is "not found", and libc goes on to its
/// own services where it has been told to.
///
/// # Safety
///
/// As [`Lent::new`] without `found`; `errnop` is valid for writes.
unsafe fn answer<T>(
    out: *mut T,
    buf: *mut c_char,
    len: size_t,
    errnop: *mut c_int,
    ask: impl FnOnce(&Lent<T>) -> Result<Option<bool>, Errno>,
) -> c_int {
    let keep = KeepErrno::new();
    let mut found = null_mut();
    // SAFETY: by the contract, and `found` lives as long as the room.
    let room = unsafe { Lent::new(out, buf, len, &raw mut found) };
    let filled = if Passing::is_on() { Ok(None) } else { ask(&room) };
    drop(keep);
    let (status, error) = match filled {
        Ok(Some(true)) => return status::SUCCESS,
        Ok(_) => (status::NOT_FOUND, Errno::ENOENT),
        // libc asks again, with more room.
        Err(Errno::ERANGE) => (status::TRY_AGAIN, Errno::ERANGE),
        Err(error @ (Errno::EAGAIN | Errno::ENOMEM)) => (status::TRY_AGAIN, error),
        Err(error) => (status::UNAVAILABLE, error),
    };
    // SAFETY: by the contract.
    unsafe { errnop.write(error.get()) };
    status
}

export_unchecked! {
    /// libc's question for a user by name.
    fn _nss_wrapper_rs_getpwnam_r(
        name: *const c_char, out: *mut passwd, buf: *mut c_char, len: size_t, errnop: *mut c_int,
    ) -> c_int {
        // SAFETY: libc gives a C string.
        let name = unsafe { lent(name) }.unwrap_or_default();
        // SAFETY: libc gives memory for the result.
        unsafe { answer(out, buf, len, errnop, |room| face::ask_name::<Passwds>(name, room)) }
    }

    /// libc's question for a user by id.
    fn _nss_wrapper_rs_getpwuid_r(
        id: uid_t, out: *mut passwd, buf: *mut c_char, len: size_t, errnop: *mut c_int,
    ) -> c_int {
        // SAFETY: libc gives memory for the result.
        unsafe { answer(out, buf, len, errnop, |room| face::ask_id::<Passwds>(id, room)) }
    }

    /// libc's question for a group by name.
    fn _nss_wrapper_rs_getgrnam_r(
        name: *const c_char, out: *mut group, buf: *mut c_char, len: size_t, errnop: *mut c_int,
    ) -> c_int {
        // SAFETY: libc gives a C string.
        let name = unsafe { lent(name) }.unwrap_or_default();
        // SAFETY: libc gives memory for the result.
        unsafe { answer(out, buf, len, errnop, |room| face::ask_name::<Groups>(name, room)) }
    }

    /// libc's question for a group by id.
    fn _nss_wrapper_rs_getgrgid_r(
        id: gid_t, out: *mut group, buf: *mut c_char, len: size_t, errnop: *mut c_int,
    ) -> c_int {
        // SAFETY: libc gives memory for the result.
        unsafe { answer(out, buf, len, errnop, |room| face::ask_id::<Groups>(id, room)) }
    }
}

/// Exports functions that ask from inside: open the doors, then go on.
macro_rules! inside {
    ($($name:ident($($arg:ident: $ty:ty),* $(,)?) -> $ret:ty: $next:ident or $missing:expr, $($door:ident)+;)*) => {
        export_unchecked! {$(
            /// As libc's, which asks NSS from inside.
            fn $name($($arg: $ty),*) -> $ret {
                // Without memory libc asks its own services, as it does if it finds none itself.
                $(_ = $door.open();)+
                match inside::$next.get() {
                    // SAFETY: the caller's arguments, unchanged, to the same function.
                    Some(next) => unsafe { next($($arg),*) },
                    None => $missing,
                }
            }
        )*}
    };
}

/// What `glob` returns where it is missing: `GLOB_NOSYS`.
const GLOB_NOSYS: c_int = 4;
/// `WRDE_NOSPACE`; there is no code for what cannot be done.
const WRDE_NOSPACE: c_int = 1;

inside! {
    glob(pattern: *const c_char, flags: c_int, on_error: *mut c_void, found: *mut c_void) -> c_int:
        GLOB or GLOB_NOSYS, PASSWD;
    glob64(pattern: *const c_char, flags: c_int, on_error: *mut c_void, found: *mut c_void) -> c_int:
        GLOB64 or GLOB_NOSYS, PASSWD;
    wordexp(words: *const c_char, found: *mut c_void, flags: c_int) -> c_int:
        WORDEXP or WRDE_NOSPACE, PASSWD;
    getpw(uid: uid_t, line: *mut c_char) -> c_int: GETPW or Errno::ENOSYS.fail(), PASSWD;
    cuserid(name: *mut c_char) -> *mut c_char: CUSERID or null_mut(), PASSWD;
    getlogin() -> *mut c_char: GETLOGIN or null_mut(), PASSWD;
    getlogin_r(name: *mut c_char, len: size_t) -> c_int: GETLOGIN_R or libc::ENOSYS, PASSWD;
    __getlogin_r_chk(name: *mut c_char, len: size_t, size: size_t) -> c_int:
        GETLOGIN_R_CHK or libc::ENOSYS, PASSWD;
    grantpt(fd: c_int) -> c_int: GRANTPT or Errno::ENOSYS.fail(), GROUP;
    gethostid() -> c_long: GETHOSTID or 0, HOSTS;
    ruserok(host: *const c_char, root: c_int, remote: *const c_char, local: *const c_char) -> c_int:
        RUSEROK or -1, PASSWD HOSTS;
    ruserok_af(
        host: *const c_char, root: c_int, remote: *const c_char, local: *const c_char,
        family: sa_family_t
    ) -> c_int: RUSEROK_AF or -1, PASSWD HOSTS;
    iruserok(address: u32, root: c_int, remote: *const c_char, local: *const c_char) -> c_int:
        IRUSEROK or -1, PASSWD HOSTS;
    iruserok_af(
        address: *const c_void, root: c_int, remote: *const c_char, local: *const c_char,
        family: sa_family_t
    ) -> c_int: IRUSEROK_AF or -1, PASSWD HOSTS;
    rcmd(
        host: *mut *mut c_char, port: c_int, local: *const c_char, remote: *const c_char,
        command: *const c_char, second: *mut c_int
    ) -> c_int: RCMD or -1, PASSWD HOSTS;
    rcmd_af(
        host: *mut *mut c_char, port: c_int, local: *const c_char, remote: *const c_char,
        command: *const c_char, second: *mut c_int, family: sa_family_t
    ) -> c_int: RCMD_AF or -1, PASSWD HOSTS;
    rexec(
        host: *mut *mut c_char, port: c_int, user: *const c_char, password: *const c_char,
        command: *const c_char, second: *mut c_int
    ) -> c_int: REXEC or -1, PASSWD HOSTS;
    rexec_af(
        host: *mut *mut c_char, port: c_int, user: *const c_char, password: *const c_char,
        command: *const c_char, second: *mut c_int, family: sa_family_t
    ) -> c_int: REXEC_AF or -1, PASSWD HOSTS;
    getaddrinfo_a(
        mode: c_int, list: *mut *mut c_void, count: c_int, event: *mut c_void
    ) -> c_int: GETADDRINFO_A or libc::EAI_SYSTEM, HOSTS;
}
