//! The groups of a user: getgrouplist(3), initgroups(3), and the function by which libc asks for them.

use core::ffi::{c_char, c_int, c_long};

use libc::gid_t;

use super::nss_entry::answer;
use super::{call_next, export, interpose};
use crate::config;
use crate::db::{Group, Status};
use crate::file::index::dedup_stable;
use crate::resolve::{self, membership};
use crate::rt::errno::{Errno, ErrnoGuard};
use crate::rt::log::log;
use crate::rt::memory::ScratchBuf;
use crate::rt::next::{REALLOC, SETGROUPS};
use crate::rt::out_buf::c_bytes;
use crate::rt::sys;
use crate::rt::thread::{Call, InLibc};

/// The groups of the user: ours and, if libc is asked too, libc's; `None` if only libc's count.
///
/// # Safety
///
/// `user` is a C string.
unsafe fn groups_of(
    call: &mut Call,
    user: *const c_char,
    first: gid_t,
) -> Result<Option<ScratchBuf<gid_t>>, Errno> {
    // SAFETY: the caller promises a C string.
    let name = unsafe { c_bytes(user) }.unwrap_or_default();
    let Some(mut groups) = membership::groups_of(call, name, first)? else {
        return Ok(None);
    };
    if groups.asks_libc {
        // SAFETY: the caller promises a C string.
        unsafe { add_those_of_libc(user, first, &mut groups.gids) }?;
    }
    Ok(Some(groups.gids))
}

/// # Safety
///
/// `user` is a C string.
unsafe fn add_those_of_libc(
    user: *const c_char,
    first: gid_t,
    gids: &mut ScratchBuf<gid_t>,
) -> Result<(), Errno> {
    let Some(next) = NEXT.getgrouplist.get() else { return Ok(()) };
    let mut count: c_int = 16;
    loop {
        let room = usize::try_from(count).unwrap_or(0);
        let mut more = ScratchBuf::<gid_t>::zeroed(room)?;
        let in_libc = InLibc::enter();
        // SAFETY: the caller promises a C string; `more` has `count` elements.
        let total = unsafe { next(user, first, more.as_mut_ptr(), &raw mut count) };
        drop(in_libc);
        let needed = usize::try_from(count).unwrap_or(0);
        if total >= 0 {
            more.truncate(needed);
            gids.extend(&more)?;
            return dedup_stable(gids);
        }
        // libc's function has failed. For lack of room it has stored how many groups there are.
        if needed <= room {
            return Ok(());
        }
    }
}

/// Copies the groups that fit, stores the total, and gives what getgrouplist(3) returns.
///
/// # Safety
///
/// `count` is valid for reads and writes, and `gids` for writes of `*count` elements.
unsafe fn store_gids(list: &[gid_t], gids: *mut gid_t, count: *mut c_int) -> c_int {
    // SAFETY: the caller promises that `count` is valid for reads.
    let room = usize::try_from(unsafe { *count }).unwrap_or(0);
    let total = c_int::try_from(list.len()).unwrap_or(c_int::MAX);
    let fits = list.len().min(room);
    // SAFETY: the caller promises `*count` elements; `fits` is no more, and our list is not the program's.
    unsafe { gids.copy_from_nonoverlapping(list.as_ptr(), fits) };
    // SAFETY: the caller promises that `count` is valid for writes.
    unsafe { *count = total };
    if list.len() > room { -1 } else { total }
}

/// Gives the process the groups, by setgroups(2), and gives what initgroups(3) returns.
///
/// A failure is reported to a privileged caller, so that nobody runs on with the old groups. A process without
/// privilege, in a test harness without uid_wrapper, gets a warning and success, as with the peer.
fn set_groups(gids: &[gid_t]) -> c_int {
    let Some(set) = SETGROUPS.get() else { return Errno::ENOSYS.fail() };
    let guard = ErrnoGuard::new();
    // SAFETY: setgroups(2) reads as many elements as `gids` has.
    let failed = unsafe { set(gids.len() as _, gids.as_ptr()) };
    let error = Errno::last();
    drop(guard);
    if failed == 0 {
        return 0;
    }
    let is_fake = config::has_uid_wrapper();
    if error == Errno::EPERM && !is_fake && sys::euid() != 0 {
        log!(Warn, "initgroups", "without privilege or UID_WRAPPER the groups of the process stay");
        return 0;
    }
    error.fail()
}

/// Hands the user's groups to `then`; `None` if the next definition is to be called. After a failure `then` gets the
/// given group alone, as in glibc: callers would take -1 for a lack of room.
///
/// # Safety
///
/// `user` is a C string.
unsafe fn with_groups<R>(
    user: *const c_char,
    first: gid_t,
    then: impl FnOnce(&[gid_t]) -> R,
) -> Option<R> {
    let guard = ErrnoGuard::new();
    // Before `Call::enter`, so that a question for libc does not fail if this library finds no memory.
    if matches!(resolve::configured::<Group>(), Ok(None)) {
        return None;
    }
    let mut call = Call::enter();
    let list = match &mut call {
        // SAFETY: the caller promises a C string.
        Ok(call) => unsafe { groups_of(call, user, first) },
        Err(error) => Err(*error),
    };
    drop(guard);
    match list {
        Ok(list) => list.map(|list| then(&list)),
        Err(_) => Some(then(&[first])),
    }
}

interpose! {
    /// `getgrouplist(3)`: the total in `*count`, and −1 if that is more than there is room for.
    fn getgrouplist(
        user: *const c_char, first: gid_t, gids: *mut gid_t, count: *mut c_int,
    ) -> c_int as libc {
        if user.is_null() {
            return -1;
        }
        // SAFETY: the man page has the caller promise `*count` elements at `gids`.
        let store = |list: &[gid_t]| unsafe { store_gids(list, gids, count) };
        // SAFETY: the man page has the caller promise a C string.
        unsafe { with_groups(user, first, store) }
            .unwrap_or_else(|| call_next!(getgrouplist(user, first, gids, count) or -1))
    }

    /// `initgroups(3)`: calls the next `setgroups`, libc's or uid_wrapper's, with the groups.
    fn initgroups(user: *const c_char, first: gid_t) -> c_int as libc {
        if user.is_null() {
            return Errno::EINVAL.fail();
        }
        // SAFETY: the man page has the caller promise a C string.
        unsafe { with_groups(user, first, set_groups) }
            .unwrap_or_else(|| call_next!(initgroups(user, first) or -1))
    }
}

export! {
    /// libc asks for the groups of a user. They are added to its array of `*size` elements, `*start` of which are
    /// filled, unless they are in it. libc frees the array, so it grows by realloc(3), to no more than `limit`
    /// elements if that is above 0.
    fn _nss_wrapper_rs_initgroups_dyn(
        user: *const c_char, first: gid_t, start: *mut c_long, size: *mut c_long,
        gids: *mut *mut gid_t, limit: c_long, errnop: *mut c_int,
    ) -> c_int {
        // SAFETY: libc gives a C string.
        let name = unsafe { c_bytes(user) }.unwrap_or_default();
        let ask = |_, call: &mut Call| {
            let Some(groups) = membership::groups_of(call, name, first)? else {
                return Ok(Status::Pass);
            };
            // The caller has the first one.
            for &gid in groups.gids.iter().skip(1) {
                // SAFETY: libc gives an array from malloc(3) and its two lengths.
                if !unsafe { add_gid(gid, start, size, gids, limit) }? {
                    break;
                }
            }
            Ok(if groups.gids.len() > 1 { Status::Found(()) } else { Status::NotFound })
        };
        // SAFETY: libc gives room for a number.
        unsafe { answer::<Group>(errnop, ask) }
    }
}

/// Adds a group to libc's array, unless it is in it; false if there may be no more groups.
///
/// # Safety
///
/// `*gids` is an array from malloc(3) of `*size` elements, `*start` of them filled; all are valid for reads
/// and writes.
unsafe fn add_gid(
    gid: gid_t,
    start: *mut c_long,
    size: *mut c_long,
    gids: *mut *mut gid_t,
    limit: c_long,
) -> Result<bool, Errno> {
    // SAFETY: the caller promises that it is valid for reads and writes.
    let start = unsafe { &mut *start };
    // SAFETY: the caller promises that it is valid for reads and writes.
    let size = unsafe { &mut *size };
    // SAFETY: the caller promises that it is valid for reads and writes.
    let gids = unsafe { &mut *gids };
    let (filled, room) = (*start, *size);
    let count = usize::try_from(filled).unwrap_or(0);
    // SAFETY: the caller promises an array whose first `*start` elements are filled.
    let list = unsafe { core::slice::from_raw_parts(*gids, count) };
    if list.contains(&gid) {
        return Ok(true);
    }
    if limit > 0 && filled >= limit {
        return Ok(false);
    }
    if filled >= room {
        let doubled = room.saturating_mul(2).max(16);
        let larger = if limit > 0 { doubled.min(limit) } else { doubled };
        let bytes = usize::try_from(larger).unwrap_or(0) * size_of::<gid_t>();
        let realloc = REALLOC.get().ok_or(Errno::ENOMEM)?;
        // SAFETY: the caller promises an array from malloc(3).
        let moved = unsafe { realloc((*gids).cast(), bytes) }.cast::<gid_t>();
        if moved.is_null() {
            return Err(Errno::ENOMEM);
        }
        (*gids, *size) = (moved, larger);
    }
    // SAFETY: the array has more than `filled` elements: it had, or realloc(3) has just made it so.
    let place = unsafe { (*gids).add(count) };
    // SAFETY: an element of the array, which the caller lets us write to.
    unsafe { place.write(gid) };
    *start = filled + 1;
    Ok(true)
}
