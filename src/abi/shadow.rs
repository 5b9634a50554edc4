//! `<shadow.h>`.

use core::ffi::{c_char, c_int};

use libc::{size_t, spwd};

use super::face::{self, Face};
use super::{Lent, export};
use crate::errno::Errno;
use crate::lookup::Answer;
use crate::real::{self, Family};
use crate::store::Shadows;
use crate::thread::{Static, Thread};

impl Face for Shadows {
    type C = spwd;

    fn next() -> &'static Family<spwd> {
        &real::SHADOW
    }

    fn kept(thread: &Thread) -> &Static<spwd> {
        &thread.shadow
    }

    #[inline(always)]
    fn fill(room: &Lent<spwd>, answer: Answer<Self::Row<'_>>) -> Result<Option<bool>, Errno> {
        room.fill(answer)
    }

    fn name_of(result: &spwd) -> *const c_char {
        result.sp_namp
    }
}

export! {
    /// `getspnam_r(3)`.
    libc::getspnam_r as
    fn getspnam_r(
        name: *const c_char,
        out: *mut spwd,
        buf: *mut c_char,
        len: size_t,
        found: *mut *mut spwd,
    ) -> c_int {
        // SAFETY: POSIX has the caller promise these for the length of the call.
        unsafe { face::by_name_r::<Shadows>(name, out, buf, len, found) }
    }

    /// `getspent_r(3)`.
    libc::getspent_r as
    fn getspent_r(
        out: *mut spwd,
        buf: *mut c_char,
        len: size_t,
        found: *mut *mut spwd,
    ) -> c_int {
        // SAFETY: the man page has the caller promise these for the length of the call.
        unsafe { face::next_r::<Shadows>(out, buf, len, found) }
    }

    /// `getspnam(3)`.
    libc::getspnam as
    fn getspnam(name: *const c_char) -> *mut spwd {
        // SAFETY: POSIX has the caller promise a C string.
        unsafe { face::by_name::<Shadows>(name) }
    }

    /// `getspent(3)`.
    libc::getspent as
    fn getspent() -> *mut spwd {
        face::next::<Shadows>()
    }

    /// `setspent(3)`.
    libc::setspent as
    fn setspent() {
        face::set::<Shadows>();
    }

    /// `endspent(3)`.
    libc::endspent as
    fn endspent() {
        face::end::<Shadows>();
    }
}
