//! `<grp.h>`.

use core::ffi::{c_char, c_int};

use libc::{gid_t, group, size_t};

use super::face::{self, Face};
use super::{Lent, export};
use crate::errno::Errno;
use crate::lookup::Answer;
use crate::real::{self, Family};
use crate::store::Groups;
use crate::thread::{Static, Thread};

impl Face for Groups {
    type C = group;

    fn next() -> &'static Family<group> {
        &real::GROUP
    }

    fn kept(thread: &Thread) -> &Static<group> {
        &thread.group
    }

    #[inline(always)]
    fn fill(room: &Lent<group>, answer: Answer<Self::Row<'_>>) -> Result<Option<bool>, Errno> {
        room.fill(answer)
    }

    fn name_of(result: &group) -> *const c_char {
        result.gr_name
    }
}

export! {
    /// `getgrnam_r(3)`.
    libc::getgrnam_r as
    fn getgrnam_r(
        name: *const c_char,
        out: *mut group,
        buf: *mut c_char,
        len: size_t,
        found: *mut *mut group,
    ) -> c_int {
        // SAFETY: POSIX has the caller promise these for the length of the call.
        unsafe { face::by_name_r::<Groups>(name, out, buf, len, found) }
    }

    /// `getgrgid_r(3)`.
    libc::getgrgid_r as
    fn getgrgid_r(
        id: gid_t,
        out: *mut group,
        buf: *mut c_char,
        len: size_t,
        found: *mut *mut group,
    ) -> c_int {
        // SAFETY: POSIX has the caller promise these for the length of the call.
        unsafe { face::by_id_r::<Groups>(id, out, buf, len, found) }
    }

    /// `getgrent_r(3)`.
    libc::getgrent_r as
    fn getgrent_r(
        out: *mut group,
        buf: *mut c_char,
        len: size_t,
        found: *mut *mut group,
    ) -> c_int {
        // SAFETY: the man page has the caller promise these for the length of the call.
        unsafe { face::next_r::<Groups>(out, buf, len, found) }
    }

    /// `getgrnam(3)`.
    libc::getgrnam as
    fn getgrnam(name: *const c_char) -> *mut group {
        // SAFETY: POSIX has the caller promise a C string.
        unsafe { face::by_name::<Groups>(name) }
    }

    /// `getgrgid(3)`.
    libc::getgrgid as
    fn getgrgid(id: gid_t) -> *mut group {
        face::by_id::<Groups>(id)
    }

    /// `getgrent(3)`.
    libc::getgrent as
    fn getgrent() -> *mut group {
        face::next::<Groups>()
    }

    /// `setgrent(3)`.
    libc::setgrent as
    fn setgrent() {
        face::set::<Groups>();
    }

    /// `endgrent(3)`.
    libc::endgrent as
    fn endgrent() {
        face::end::<Groups>();
    }
}
