//! `<grp.h>`.

use core::ffi::{c_char, c_int};
use core::ptr::null_mut;

use libc::{gid_t, group, size_t};

use super::{Lent, call_on, export, lent, own};
use crate::config;
use crate::errno::{Errno, KeepErrno};
use crate::lookup::{self, Answer, cursor, membership};
use crate::store::Groups;
use crate::thread::{self, Thread};
use crate::trace::log;

export! {
    /// `getgrnam_r(3)`: 0 and null for a name that is not there, `ERANGE` for a short buffer.
    libc::getgrnam_r as
    fn getgrnam_r(
        name: *const c_char,
        out: *mut group,
        buf: *mut c_char,
        len: size_t,
        found: *mut *mut group,
    ) -> c_int {
        let keep = KeepErrno::new();
        // SAFETY: POSIX has the caller promise these for the length of the call.
        let room = unsafe { Lent::new(out, buf, len, found) };
        // SAFETY: POSIX has the caller promise a C string.
        let Some(key) = (unsafe { lent(name) }) else { return Errno::EINVAL.get() };
        let filled = lookup::by_name::<Groups, _>(key, |answer| room.fill(answer)).flatten();
        let done = room.done(filled, 0);
        drop(keep);
        done.unwrap_or_else(|| call_on!(GETGRNAM_R(name, out, buf, len, found) or libc::ENOSYS))
    }

    /// `getgrgid_r(3)`: like `getgrnam_r`.
    libc::getgrgid_r as
    fn getgrgid_r(
        id: gid_t,
        out: *mut group,
        buf: *mut c_char,
        len: size_t,
        found: *mut *mut group,
    ) -> c_int {
        let keep = KeepErrno::new();
        // SAFETY: POSIX has the caller promise these for the length of the call.
        let room = unsafe { Lent::new(out, buf, len, found) };
        let filled = lookup::by_id::<Groups, _>(id, |answer| room.fill(answer)).flatten();
        let done = room.done(filled, 0);
        drop(keep);
        done.unwrap_or_else(|| call_on!(GETGRGID_R(id, out, buf, len, found) or libc::ENOSYS))
    }

    /// `getgrent_r(3)`: `ENOENT` at the end.
    libc::getgrent_r as
    fn getgrent_r(
        out: *mut group,
        buf: *mut c_char,
        len: size_t,
        found: *mut *mut group,
    ) -> c_int {
        let keep = KeepErrno::new();
        // SAFETY: the man page has the caller promise these for the length of the call.
        let room = unsafe { Lent::new(out, buf, len, found) };
        let filled = cursor::next::<Groups, _>(|answer| room.fill(answer));
        let done = room.done(filled, libc::ENOENT);
        drop(keep);
        done.unwrap_or_else(|| call_on!(GETGRENT_R(out, buf, len, found) or libc::ENOSYS))
    }

    /// `getgrnam(3)`, with a result of the calling thread's own.
    libc::getgrnam as
    fn getgrnam(name: *const c_char) -> *mut group {
        // SAFETY: POSIX has the caller promise a C string.
        let Some(key) = (unsafe { lent(name) }) else { return null_mut() };
        own(statics, |room| {
            lookup::by_name::<Groups, _>(key, |answer| room.fill(answer)).flatten()
        })
        .unwrap_or_else(|| call_on!(GETGRNAM(name) or null_mut()))
    }

    /// `getgrgid(3)`, with a result of the calling thread's own.
    libc::getgrgid as
    fn getgrgid(id: gid_t) -> *mut group {
        own(statics, |room| {
            lookup::by_id::<Groups, _>(id, |answer| room.fill(answer)).flatten()
        })
        .unwrap_or_else(|| call_on!(GETGRGID(id) or null_mut()))
    }

    /// `getgrent(3)`, with a result of the calling thread's own.
    libc::getgrent as
    fn getgrent() -> *mut group {
        own(statics, |room| cursor::next::<Groups, _>(|answer| room.fill(answer)))
            .unwrap_or_else(|| call_on!(GETGRENT() or null_mut()))
    }

    /// `setgrent(3)`: pins what the file holds now.
    libc::setgrent as
    fn setgrent() {
        let keep = KeepErrno::new();
        let answer = cursor::set::<Groups>();
        drop(keep);
        if answer == Ok(Answer::Pass) {
            call_on!(SETGRENT() or ());
        }
    }

    /// `endgrent(3)`.
    libc::endgrent as
    fn endgrent() {
        let keep = KeepErrno::new();
        let answer = cursor::end::<Groups>();
        drop(keep);
        if answer == Ok(Answer::Pass) {
            call_on!(ENDGRENT() or ());
        }
    }

    /// `getgrouplist(3)`: the total in `*count`, and −1 if that is more than it said.
    libc::getgrouplist as
    fn getgrouplist(
        user: *const c_char,
        first: gid_t,
        gids: *mut gid_t,
        count: *mut c_int,
    ) -> c_int {
        let keep = KeepErrno::new();
        // SAFETY: the man page has the caller promise a C string.
        let Some(name) = (unsafe { lent(user) }) else { return -1 };
        let answer = membership::of(name, first);
        drop(keep);
        match answer {
            Ok(Answer::Pass) => call_on!(GETGROUPLIST(user, first, gids, count) or -1),
            Ok(Answer::Row(list)) => {
                // SAFETY: the man page has the caller promise `*count` elements at `gids`.
                unsafe { store_gids(&list, gids, count) }
            }
            Ok(Answer::Absent) => -1,
            Err(error) => {
                error.set();
                -1
            }
        }
    }

    /// `initgroups(3)`. As the peer: with `UID_WRAPPER=1` it calls `setgroups`, which uid_wrapper
    /// fakes; without it only warns, since an unprivileged caller could not.
    libc::initgroups as
    fn initgroups(user: *const c_char, first: gid_t) -> c_int {
        let keep = KeepErrno::new();
        // SAFETY: the man page has the caller promise a C string.
        let Some(name) = (unsafe { lent(user) }) else { return -1 };
        let answer = membership::of(name, first);
        let fake = config::get().is_ok_and(|c| c.uid_wrapper);
        if !fake && matches!(answer, Ok(Answer::Row(_))) {
            log!(Warn, "initgroups", "UID_WRAPPER is not set, the groups of the process stay");
        }
        drop(keep);
        match answer {
            Ok(Answer::Pass) => call_on!(INITGROUPS(user, first) or -1),
            Ok(Answer::Row(list)) if fake => call_on!(SETGROUPS(list.len(), list.as_ptr()) or -1),
            Ok(_) => 0,
            Err(error) => {
                error.set();
                -1
            }
        }
    }
}

fn statics(thread: &Thread) -> &thread::Static<group> {
    &thread.group
}

/// Copies what fits, and stores the total.
///
/// # Safety
///
/// `count` is valid for reads and writes, and `gids` for writes of `*count` elements.
unsafe fn store_gids(list: &[gid_t], gids: *mut gid_t, count: *mut c_int) -> c_int {
    // SAFETY: by the contract.
    let room = usize::try_from(unsafe { *count }).unwrap_or(0);
    let total = c_int::try_from(list.len()).unwrap_or(c_int::MAX);
    let fits = list.len().min(room);
    // SAFETY: `fits` is within both, and a list of ours is not the caller's.
    unsafe { gids.copy_from_nonoverlapping(list.as_ptr(), fits) };
    // SAFETY: by the contract.
    unsafe { *count = total };
    if list.len() > room { -1 } else { total }
}
