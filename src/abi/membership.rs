//! The functions about the groups of a user, in `<grp.h>` too.

use alloc::vec::Vec;
use core::ffi::{c_char, c_int};

use libc::gid_t;

use super::face::lent;
use super::{call_on, export};
use crate::config;
use crate::errno::{Errno, KeepErrno};
use crate::lookup::{Answer, membership};
use crate::real::{self, Passing};
use crate::store::distinct;
use crate::sync::{try_extend, try_resize};
use crate::trace::log;

export! {
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
        let answer = of(user, name, first);
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
        let answer = of(user, name, first);
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

/// The groups of the user, ours and, where it is asked too, libc's.
fn of(user: *const c_char, name: &[u8], first: gid_t) -> Result<Answer<Vec<gid_t>>, Errno> {
    let answer = membership::of(name, first)?;
    match answer {
        Answer::Row(mut list) if config::get()?.fall_through => {
            add_those_of_libc(user, first, &mut list)?;
            Ok(Answer::Row(list))
        }
        answer => Ok(answer),
    }
}

fn add_those_of_libc(
    user: *const c_char,
    first: gid_t,
    list: &mut Vec<gid_t>,
) -> Result<(), Errno> {
    let Some(next) = real::GETGROUPLIST.get() else { return Ok(()) };
    let mut count: c_int = 16;
    loop {
        let room = usize::try_from(count).unwrap_or(0);
        let mut gids: Vec<gid_t> = Vec::new();
        try_resize(&mut gids, room)?;
        let passing = Passing::new();
        // SAFETY: `user` is the caller's C string, and `gids` has room for `count` elements.
        let total = unsafe { next(user, first, gids.as_mut_ptr(), &raw mut count) };
        drop(passing);
        let needed = usize::try_from(count).unwrap_or(0);
        if total >= 0 {
            gids.truncate(needed);
            try_extend(list, &gids)?;
            return distinct(list);
        }
        // It has said how many there are; if not, it is no lack of room.
        if needed <= room {
            return Ok(());
        }
    }
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
