//! `<pwd.h>`.

use core::ffi::{c_char, c_int};
use core::ptr::null_mut;

use libc::{passwd, size_t, uid_t};

use super::{Lent, call_on, export, lent, own};
use crate::errno::{Errno, KeepErrno};
use crate::lookup::{self, Answer, cursor};
use crate::store::Passwds;
use crate::thread::{self, Thread};

export! {
    /// `getpwnam_r(3)`: 0 and null for a name that is not there, `ERANGE` for a short buffer.
    libc::getpwnam_r as
    fn getpwnam_r(
        name: *const c_char,
        out: *mut passwd,
        buf: *mut c_char,
        len: size_t,
        found: *mut *mut passwd,
    ) -> c_int {
        let keep = KeepErrno::new();
        // SAFETY: POSIX has the caller promise these for the length of the call.
        let room = unsafe { Lent::new(out, buf, len, found) };
        // SAFETY: POSIX has the caller promise a C string.
        let Some(key) = (unsafe { lent(name) }) else { return Errno::EINVAL.get() };
        let filled = lookup::by_name::<Passwds, _>(key, |answer| room.fill(answer)).flatten();
        let done = room.done(filled, 0);
        drop(keep);
        done.unwrap_or_else(|| call_on!(GETPWNAM_R(name, out, buf, len, found) or libc::ENOSYS))
    }

    /// `getpwuid_r(3)`: like `getpwnam_r`.
    libc::getpwuid_r as
    fn getpwuid_r(
        id: uid_t,
        out: *mut passwd,
        buf: *mut c_char,
        len: size_t,
        found: *mut *mut passwd,
    ) -> c_int {
        let keep = KeepErrno::new();
        // SAFETY: POSIX has the caller promise these for the length of the call.
        let room = unsafe { Lent::new(out, buf, len, found) };
        let filled = lookup::by_id::<Passwds, _>(id, |answer| room.fill(answer)).flatten();
        let done = room.done(filled, 0);
        drop(keep);
        done.unwrap_or_else(|| call_on!(GETPWUID_R(id, out, buf, len, found) or libc::ENOSYS))
    }

    /// `getpwent_r(3)`: `ENOENT` at the end.
    libc::getpwent_r as
    fn getpwent_r(
        out: *mut passwd,
        buf: *mut c_char,
        len: size_t,
        found: *mut *mut passwd,
    ) -> c_int {
        let keep = KeepErrno::new();
        // SAFETY: the man page has the caller promise these for the length of the call.
        let room = unsafe { Lent::new(out, buf, len, found) };
        let filled = cursor::next::<Passwds, _>(|answer| room.fill(answer));
        let done = room.done(filled, libc::ENOENT);
        drop(keep);
        done.unwrap_or_else(|| call_on!(GETPWENT_R(out, buf, len, found) or libc::ENOSYS))
    }

    /// `getpwnam(3)`, with a result of the calling thread's own.
    libc::getpwnam as
    fn getpwnam(name: *const c_char) -> *mut passwd {
        // SAFETY: POSIX has the caller promise a C string.
        let Some(key) = (unsafe { lent(name) }) else { return null_mut() };
        own(statics, |room| {
            lookup::by_name::<Passwds, _>(key, |answer| room.fill(answer)).flatten()
        })
        .unwrap_or_else(|| call_on!(GETPWNAM(name) or null_mut()))
    }

    /// `getpwuid(3)`, with a result of the calling thread's own.
    libc::getpwuid as
    fn getpwuid(id: uid_t) -> *mut passwd {
        own(statics, |room| {
            lookup::by_id::<Passwds, _>(id, |answer| room.fill(answer)).flatten()
        })
        .unwrap_or_else(|| call_on!(GETPWUID(id) or null_mut()))
    }

    /// `getpwent(3)`, with a result of the calling thread's own.
    libc::getpwent as
    fn getpwent() -> *mut passwd {
        own(statics, |room| cursor::next::<Passwds, _>(|answer| room.fill(answer)))
            .unwrap_or_else(|| call_on!(GETPWENT() or null_mut()))
    }

    /// `setpwent(3)`: pins what the file holds now.
    libc::setpwent as
    fn setpwent() {
        let keep = KeepErrno::new();
        let answer = cursor::set::<Passwds>();
        drop(keep);
        if answer == Ok(Answer::Pass) {
            call_on!(SETPWENT() or ());
        }
    }

    /// `endpwent(3)`.
    libc::endpwent as
    fn endpwent() {
        let keep = KeepErrno::new();
        let answer = cursor::end::<Passwds>();
        drop(keep);
        if answer == Ok(Answer::Pass) {
            call_on!(ENDPWENT() or ());
        }
    }
}

fn statics(thread: &Thread) -> &thread::Static<passwd> {
    &thread.passwd
}
