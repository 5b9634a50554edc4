//! The groups of a user that a module knows.
#![allow(unsafe_code, reason = "an array that a module fills")]

use core::ffi::c_long;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

use libc::gid_t;

use super::{Function, as_c, c_string, close, enter, enumeration, is_found, module, next, rewind};
use crate::config::FileKind;
use crate::db::key::Key;
use crate::db::{Database, Group, Status};
use crate::rt::errno::{self, Errno};
use crate::rt::log::log;
use crate::rt::memory::ScratchBuf;
use crate::rt::thread::{Call, Level, ThreadState};

/// Adds the module's groups of a user to `gids`. If the module fails only its groups are missing, as in glibc:
/// callers of getgrouplist(3) take any failure for a lack of room.
pub(crate) fn groups_of(
    call: &Call,
    user: &[u8],
    first: gid_t,
    gids: &mut ScratchBuf<u32>,
) -> Result<(), Errno> {
    let thread = call.thread();
    let Status::Found(module) = module()? else { return Ok(()) };
    let Some(groups_of) = module.groups_of else { return groups_with(thread, user, gids) };
    let Some(_inside) = enter(thread, Function::GroupsOf as usize, Key::name(user).hash) else {
        return Ok(());
    };
    let key = c_string(user)?;
    let mut list = GidList::new(call.level(), first)?;
    let (start, size) = (&raw mut list.start, &raw mut list.size);
    let place = call.level().module_gids.as_ptr();
    errno::clear();
    // SAFETY: a C string, and an array from malloc of `size` elements, `start` of them filled. A limit
    // below 1 is none.
    let status =
        unsafe { groups_of(as_c(&key).as_ptr(), first, start, size, place, -1, errno::place()) };
    match is_found(status, Errno::new(Errno::last().get())) {
        Err(Errno::ENOMEM) => return Err(Errno::ENOMEM),
        Err(error) => log!(Warn, "module", "initgroups_dyn failed: {error}"),
        Ok(_) => {}
    }
    gids.extend(list.filled())
}

/// Counts how often [`groups_with`] has used the module's enumeration of groups, which the program's own one uses too.
static DISTURBED: AtomicU64 = AtomicU64::new(0);

/// A number that changes when the module's enumeration was disturbed, and has to be begun again.
pub(crate) fn epoch<D: Database>() -> u64 {
    let is_group = matches!(D::FILE, FileKind::Group);
    if is_group { DISTURBED.load(Ordering::Relaxed) } else { 0 }
}

/// The groups that list the user, for a module without `initgroups_dyn`.
fn groups_with(
    thread: &'static ThreadState,
    user: &[u8],
    gids: &mut ScratchBuf<u32>,
) -> Result<(), Errno> {
    let _turn = enumeration::<Group>();
    DISTURBED.fetch_add(1, Ordering::Relaxed);
    rewind::<Group>(thread)?;
    loop {
        match next::<Group>(thread, None) {
            Ok(Status::Found(copy)) => {
                let row = Group::row_of(&copy);
                if row.members().any(|name| name == user) {
                    gids.push(row.gid)?;
                }
            }
            Ok(Status::NotFound | Status::Pass) => break,
            Err(Errno::ENOMEM) => return Err(Errno::ENOMEM),
            Err(error) => {
                log!(Warn, "module", "getgrent_r failed: {error}");
                break;
            }
        }
    }
    close::<Group>(thread)
}

/// The array that `initgroups_dyn` fills, and enlarges by realloc(3). The call's level has its address, so that it
/// is freed if the call is abandoned.
struct GidList {
    level: &'static Level,
    start: c_long,
    size: c_long,
}

impl GidList {
    fn new(level: &'static Level, first: gid_t) -> Result<Self, Errno> {
        const COUNT: c_long = 16;
        // SAFETY: takes a size. The memory must be libc's, for the module's realloc.
        level.module_gids.set(unsafe { libc::malloc(16 * size_of::<gid_t>()) }.cast());
        let list = Self { level, start: 1, size: COUNT };
        let place = NonNull::new(level.module_gids.get()).ok_or(Errno::ENOMEM)?;
        // SAFETY: fresh memory for more than one element.
        unsafe { place.write(first) };
        Ok(list)
    }

    fn filled(&self) -> &[gid_t] {
        let count = usize::try_from(self.start.min(self.size)).unwrap_or(0);
        let Some(first) = NonNull::new(self.level.module_gids.get()) else { return &[] };
        // SAFETY: the module has filled the first `start` elements of an array of `size`.
        unsafe { core::slice::from_raw_parts(first.as_ptr(), count) }
    }
}

impl Drop for GidList {
    fn drop(&mut self) {
        self.level.free_module_gids();
    }
}
