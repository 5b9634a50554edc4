//! The groups of a user: `initgroups_dyn`, or a search where a module has none.

use alloc::vec::Vec;
use core::ffi::c_long;
use core::sync::atomic::{AtomicU64, Ordering};

use libc::{gid_t, group};

use super::open::{self, State};
use super::{Inside, Outcome, Reply, Served, as_c, c_string, close, next, outcome, rewind};
use crate::errno::{self, Errno};
use crate::sync::try_extend;
use crate::trace::log;

/// In [`Inside`], beside the bits of the databases.
const GROUPS_OF: u32 = 1 << 30;

/// Adds the module's groups of a user to `gids`. A module that cannot tell loses its groups only,
/// as in glibc: callers of getgrouplist(3) take any failure for a lack of room.
pub(crate) fn groups_of(user: &[u8], first: gid_t, gids: &mut Vec<gid_t>) -> Result<(), Errno> {
    let State::In(module) = open::state()? else { return Ok(()) };
    let Some(call) = module.groups_of else { return groups_with(user, gids) };
    let Some(_inside) = Inside::enter(GROUPS_OF)? else { return Ok(()) };
    let key = c_string(user)?;
    let mut list = List::new(first)?;
    errno::clear();
    // SAFETY: a C string, and an array from malloc of `size` elements, `start` of them filled. A
    // limit below 1 is none.
    let status = unsafe {
        call(
            as_c(&key).as_ptr(),
            first,
            &raw mut list.start,
            &raw mut list.size,
            &raw mut list.gids,
            -1,
            errno::place(),
        )
    };
    match outcome(status, Errno::new(Errno::last().get())) {
        Outcome::Failed(Errno::ENOMEM) => return Err(Errno::ENOMEM),
        Outcome::Failed(error) => log!(Warn, "module", "initgroups_dyn failed: {}", error.text()),
        Outcome::Short => log!(Warn, "module", "initgroups_dyn wants a buffer that it has not"),
        Outcome::Found | Outcome::Absent => {}
    }
    try_extend(gids, list.filled())
}

/// Counts what has been done to the module's enumeration of groups behind the back of the host's.
static DISTURBED: AtomicU64 = AtomicU64::new(0);

/// Changes when an enumeration that is under way has to be begun anew.
pub(crate) fn epoch<C: Served>() -> u64 {
    if C::FIRST_BIT == group::FIRST_BIT { DISTURBED.load(Ordering::Relaxed) } else { 0 }
}

/// The groups that list the user, of a module without `initgroups_dyn`.
fn groups_with(user: &[u8], gids: &mut Vec<gid_t>) -> Result<(), Errno> {
    DISTURBED.fetch_add(1, Ordering::Relaxed);
    rewind::<group>()?;
    loop {
        match next::<group>() {
            Ok(Reply::Row(kept)) if kept.row().members().any(|name| name == user) => {
                try_extend(gids, &[kept.row().gid])?;
            }
            Ok(Reply::Row(_)) => {}
            Ok(Reply::Absent | Reply::Off) => break,
            Err(Errno::ENOMEM) => return Err(Errno::ENOMEM),
            Err(error) => {
                log!(Warn, "module", "getgrent_r failed: {}", error.text());
                break;
            }
        }
    }
    close::<group>()
}

/// The array that `initgroups_dyn` fills, and makes larger by realloc(3).
struct List {
    gids: *mut gid_t,
    start: c_long,
    size: c_long,
}

impl List {
    const SIZE: usize = 16;

    fn new(first: gid_t) -> Result<Self, Errno> {
        // SAFETY: takes two numbers. The memory must be libc's, for the module's realloc.
        let gids = unsafe { libc::calloc(Self::SIZE, size_of::<gid_t>()) }.cast::<gid_t>();
        if gids.is_null() {
            return Err(Errno::ENOMEM);
        }
        // SAFETY: fresh memory for more than one element.
        unsafe { gids.write(first) };
        #[allow(clippy::cast_possible_wrap, reason = "16")]
        Ok(Self { gids, start: 1, size: Self::SIZE as c_long })
    }

    fn filled(&self) -> &[gid_t] {
        let count = usize::try_from(self.start.min(self.size)).unwrap_or(0);
        if self.gids.is_null() {
            return &[];
        }
        // SAFETY: the module has filled the first `start` elements of an array of `size`.
        unsafe { core::slice::from_raw_parts(self.gids, count) }
    }
}

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: from malloc, by us or by the module's realloc.
        unsafe { libc::free(self.gids.cast()) };
    }
}
