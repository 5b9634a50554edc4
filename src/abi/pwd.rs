//! `<pwd.h>`.

use core::ffi::{c_char, c_int};

use libc::{passwd, size_t, uid_t};

use super::face::{self, Face};
use super::{Lent, export};
use crate::errno::Errno;
use crate::lookup::Answer;
use crate::real::{self, Family};
use crate::store::Passwds;
use crate::thread::{Static, Thread};

impl Face for Passwds {
    type C = passwd;

    fn next() -> &'static Family<passwd> {
        &real::PASSWD
    }

    fn kept(thread: &Thread) -> &Static<passwd> {
        &thread.passwd
    }

    #[inline(always)]
    fn fill(room: &Lent<passwd>, answer: Answer<Self::Row<'_>>) -> Result<Option<bool>, Errno> {
        room.fill(answer)
    }

    fn name_of(result: &passwd) -> *const c_char {
        result.pw_name
    }
}

export! {
    /// `getpwnam_r(3)`.
    libc::getpwnam_r as
    fn getpwnam_r(
        name: *const c_char,
        out: *mut passwd,
        buf: *mut c_char,
        len: size_t,
        found: *mut *mut passwd,
    ) -> c_int {
        // SAFETY: POSIX has the caller promise these for the length of the call.
        unsafe { face::by_name_r::<Passwds>(name, out, buf, len, found) }
    }

    /// `getpwuid_r(3)`.
    libc::getpwuid_r as
    fn getpwuid_r(
        id: uid_t,
        out: *mut passwd,
        buf: *mut c_char,
        len: size_t,
        found: *mut *mut passwd,
    ) -> c_int {
        // SAFETY: POSIX has the caller promise these for the length of the call.
        unsafe { face::by_id_r::<Passwds>(id, out, buf, len, found) }
    }

    /// `getpwent_r(3)`.
    libc::getpwent_r as
    fn getpwent_r(
        out: *mut passwd,
        buf: *mut c_char,
        len: size_t,
        found: *mut *mut passwd,
    ) -> c_int {
        // SAFETY: the man page has the caller promise these for the length of the call.
        unsafe { face::next_r::<Passwds>(out, buf, len, found) }
    }

    /// `getpwnam(3)`.
    libc::getpwnam as
    fn getpwnam(name: *const c_char) -> *mut passwd {
        // SAFETY: POSIX has the caller promise a C string.
        unsafe { face::by_name::<Passwds>(name) }
    }

    /// `getpwuid(3)`.
    libc::getpwuid as
    fn getpwuid(id: uid_t) -> *mut passwd {
        face::by_id::<Passwds>(id)
    }

    /// `getpwent(3)`.
    libc::getpwent as
    fn getpwent() -> *mut passwd {
        face::next::<Passwds>()
    }

    /// `setpwent(3)`.
    libc::setpwent as
    fn setpwent() {
        face::set::<Passwds>();
    }

    /// `endpwent(3)`.
    libc::endpwent as
    fn endpwent() {
        face::end::<Passwds>();
    }
}
