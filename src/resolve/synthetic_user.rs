//! The synthetic user: the passwd(5) line of `NSS_WRAPPER_USER`.
//!
//! The line is used only if nobody else has an entry of its id: neither our files, nor the module, nor the system's
//! services. So an image can set the variable for everyone. (Podman and CRI-O, OpenShift's engine, give an id without an
//! entry one in `/etc/passwd` whose name is the id. That is no name.) If the line is used, every group of the process
//! that nobody else names gets a name too.
//!
//! To know the system's users and groups this reads `/etc/passwd` and `/etc/group` like any other file. Only if
//! nsswitch.conf(5) names more services than those files is libc asked too; its answer is remembered for a second.
#![allow(unsafe_code, reason = "asks libc")]

use core::fmt::Write;
use core::mem::MaybeUninit;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicU64, Ordering};

use super::user_line::{NOBODY, User};
use super::{Interposed, find_in_module, nsswitch};
use crate::config::{self, Config, FileKind};
use crate::db::key::{Key, What};
use crate::db::passwd::PasswdRow;
use crate::db::{Database, Group, Passwd, Status};
use crate::file::source::{FileState, Request};
use crate::file::table::Sought;
use crate::rt::errno::Errno;
use crate::rt::log::{Bytes, log};
use crate::rt::memory::ScratchBuf;
use crate::rt::out_buf::OutBuf;
use crate::rt::sys;
use crate::rt::thread::{Call, InLibc};

/// Writes the synthetic user's row if that is what the key asks for, and nobody else has its id.
#[cold]
pub(crate) fn answers<D: Interposed>(
    config: &'static Config,
    call: &mut Call,
    key: &Key<'_>,
    out: &mut OutBuf<'_, D::C>,
) -> Result<bool, Errno> {
    let Some(user) = User::current(config)? else { return Ok(false) };
    let user = user.row();
    let row = D::synthetic(&user).filter(|row| D::has(row, key));
    let Some(row) = row else { return Ok(false) };
    let answers = takes_part::<D>(config, call, &user)?;
    let does = if answers { "answers" } else { "gives way to another of its id" };
    log!(Trace, D::NAME, "the synthetic user, {}, {does}", Bytes(user.name));
    if answers {
        D::write(&row, out)?;
    }
    Ok(answers)
}

/// True if the user has a row in the database: nobody else has its uid nor, for groups, its gid.
pub(crate) fn takes_part<D: Interposed>(
    config: &'static Config,
    call: &mut Call,
    user: &PasswdRow<'_>,
) -> Result<bool, Errno> {
    if is_named::<Passwd>(config, call, user.uid)? {
        return Ok(false);
    }
    let is_user = matches!(D::FILE, FileKind::Passwd);
    Ok(is_user || !is_named::<D>(config, call, user.gid)?)
}

/// True if our files, the module, or the system's services have a row with that id.
fn is_named<D: Interposed>(
    config: &'static Config,
    call: &mut Call,
    id: u32,
) -> Result<bool, Errno> {
    let mut is_ours = false;
    if let Some(path) = config.file(D::FILE) {
        if has_row::<D>(D::FILE, path, call, id)? {
            return Ok(true);
        }
        is_ours = true;
    }
    if config.module().is_some() {
        match find_in_module::<D>(config, call, &Key::id(id))? {
            Status::Found(_) => return Ok(true),
            Status::NotFound => is_ours = true,
            Status::Pass => {}
        }
    }
    if is_ours && !config.fall_through {
        return Ok(false);
    }
    if let Some((kind, path)) = D::SYSTEM_FILE.and_then(|kind| Some((kind, config.file(kind)?))) {
        if has_row::<D>(kind, path, call, id)? {
            return Ok(true);
        }
    }
    services_have::<D>(call, id)
}

fn has_row<D: Database>(
    kind: FileKind,
    path: &'static config::Path,
    call: &mut Call,
    id: u32,
) -> Result<bool, Errno> {
    let key = Key::id(id);
    let row = match (Request { kind, path, key: Some(&key), call }).current::<D>()? {
        FileState::Loaded(_, Sought::Nowhere) | FileState::Missing => None,
        FileState::Loaded(table, _) => table.find::<D>(key),
    };
    Ok(row.is_some_and(|row| !kind.is_system() || has_name::<D>(&row, id)))
}

/// True if the system's row of that id has a name that is not the id again.
fn has_name<D: Database>(row: &D::Row<'_>, id: u32) -> bool {
    core::str::from_utf8(D::name(row)).map_or(true, |name| name.parse() != Ok(id))
}

/// True if services other than the files have a row with that id. The last answer is remembered for a second.
fn services_have<D: Interposed>(call: &Call, id: u32) -> Result<bool, Errno> {
    /// The answers for users and groups, one word each: the id, the second, the answer, and a 1.
    static ANSWERS: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
    let [users, groups] = &ANSWERS;
    let kept = if matches!(D::FILE, FileKind::Passwd) { users } else { groups };
    let second = sys::coarse_clock(libc::CLOCK_MONOTONIC_COARSE) / 1_000_000_000;
    let second = second.unsigned_abs() & 0x3fff_ffff;
    let word = |taken: bool| u64::from(id) << 32 | second << 2 | u64::from(taken) << 1 | 1;
    let known = kept.load(Ordering::Relaxed);
    if known & !2 == word(false) {
        return Ok(known & 2 != 0);
    }
    let taken = nsswitch::has_other_services(D::NAME)? && libc_has::<D>(call, id)?;
    kept.store(word(taken), Ordering::Relaxed);
    Ok(taken)
}

#[cold]
#[inline(never)]
fn libc_has<D: Interposed>(call: &Call, id: u32) -> Result<bool, Errno> {
    let Some(by_id_r) = D::libc().by_id_r.and_then(|by_id_r| by_id_r.get()) else {
        return Ok(false);
    };
    let mut row = MaybeUninit::<D::C>::uninit();
    let mut size = 1024;
    loop {
        let mut buf = ScratchBuf::<u8>::zeroed(size)?;
        let mut found = null_mut();
        // A service that libc asks may ask this library the same; `enter` ends that.
        let Some(checking) = call.thread().in_system_check.enter(u64::from(id) << 1) else {
            return Ok(true);
        };
        let in_libc = InLibc::enter();
        // SAFETY: a row, a buffer of `size` bytes, and a pointer, all of this function's own.
        let error =
            unsafe { by_id_r(id, row.as_mut_ptr(), buf.as_mut_ptr().cast(), size, &raw mut found) };
        drop((in_libc, checking));
        match Errno::new(error) {
            Some(Errno::ERANGE) => size *= 2,
            // getpwuid_r(3): on some systems these mean that there is no entry.
            None | Some(Errno::ENOENT | Errno::ESRCH | Errno::EPERM | Errno::EBADF) => {
                if found.is_null() {
                    return Ok(false);
                }
                // SAFETY: libc has found an entry, so it has filled the row: getpwuid_r(3).
                let row = unsafe { row.assume_init_ref() };
                // SAFETY: the texts that it points to are in `buf`, or null: likewise.
                let copy = unsafe { D::copy_of(row) }?;
                return Ok(has_name::<D>(&D::row_of(&copy), id));
            }
            Some(error) => return Err(error),
        }
    }
}

/// Writes a group of the process that nobody else names, if the key is one: `g1000680000` or 1000680000.
pub(crate) fn names_group<D: Interposed>(
    config: &'static Config,
    call: &mut Call,
    key: &Key<'_>,
    out: &mut OutBuf<'_, D::C>,
) -> Result<bool, Errno> {
    let gid = match key.what {
        What::Id(gid) => Some(gid),
        What::Name(name) => gid_in(name),
        What::Host(_) | What::Address(_) => None,
    };
    let Some(gid) = gid.filter(|_| matches!(D::FILE, FileKind::Group)) else { return Ok(false) };
    if !groups_of_process()?.contains(&gid) {
        return Ok(false);
    }
    let Some(user) = used(config, call)? else { return Ok(false) };
    Ok(is_nameless::<D>(config, call, &user, gid)? && write_group::<D>(gid, out)?)
}

/// Writes a row for a group that nobody names: its name is `g` and its id.
pub(crate) fn write_group<D: Database>(
    gid: u32,
    out: &mut OutBuf<'_, D::C>,
) -> Result<bool, Errno> {
    let mut name = ScratchBuf::<u8>::new();
    write!(name, "g{gid}").map_err(|_| Errno::ENOMEM)?;
    let user = PasswdRow { name: &name, gid, ..NOBODY };
    match D::synthetic(&user) {
        Some(row) => D::write(&row, out).map(|()| true),
        None => Ok(false),
    }
}

/// The id in a name like `g1000680000`.
fn gid_in(name: &[u8]) -> Option<u32> {
    let digits = name.strip_prefix(b"g")?;
    let is_printed = digits.first() != Some(&b'0') || digits.len() == 1;
    let gid = core::str::from_utf8(digits).ok()?.parse().ok()?;
    (is_printed && digits.iter().all(u8::is_ascii_digit)).then_some(gid)
}

/// The synthetic user, if nobody else has its uid.
pub(crate) fn used(config: &'static Config, call: &mut Call) -> Result<Option<User>, Errno> {
    match User::current(config)? {
        Some(user) if !is_named::<Passwd>(config, call, user.row().uid)? => Ok(Some(user)),
        _ => Ok(None),
    }
}

/// True if nobody names the group: neither the synthetic user, who is used, nor somebody else.
pub(crate) fn is_nameless<D: Interposed>(
    config: &'static Config,
    call: &mut Call,
    user: &User,
    gid: u32,
) -> Result<bool, Errno> {
    Ok(gid != user.row().gid && !is_named::<D>(config, call, gid)?)
}

/// Adds the groups of the process that nobody names, if the synthetic user is used. One may be added twice.
pub(crate) fn add_nameless(
    config: &'static Config,
    call: &mut Call,
    gids: &mut ScratchBuf<u32>,
) -> Result<(), Errno> {
    let Some(user) = used(config, call)? else { return Ok(()) };
    for &gid in groups_of_process()?.iter() {
        if is_nameless::<Group>(config, call, &user, gid)? {
            gids.push(gid)?;
        }
    }
    Ok(())
}

/// The groups of the process: the supplementary ones, then its own, for which there is room from the start. A process
/// may have 65,536.
pub(crate) fn groups_of_process() -> Result<ScratchBuf<u32>, Errno> {
    let mut all = ScratchBuf::<u32>::zeroed(sys::groups(&mut []) + 1)?;
    let count = sys::groups(&mut all);
    all.truncate(count);
    all.push(sys::gid())?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_groups_name_is_its_id_behind_a_g() {
        for (name, want) in [
            ("g1000680000", Some(1_000_680_000)),
            ("g0", Some(0)),
            ("g4294967295", Some(u32::MAX)),
            ("g4294967296", None),
            ("g01", None),
            ("g+1", None),
            ("g", None),
            ("1", None),
        ] {
            assert_eq!(gid_in(name.as_bytes()), want, "{name}");
        }
    }
}
