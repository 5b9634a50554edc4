//! An NSS module under test: a shared object with functions `_nss_NAME_getpwnam_r` and so on, as glibc loads
//! them for nsswitch.conf(5). It is loaded at the first question that gets to it.
//!
//! The module's code may call this library, or be left by a jump. So no lock of ours is held while it runs, except that
//! its enumerations are taken by turns, as far as that goes: [`enumeration`]. While one of its functions runs, that
//! function gets the same question once more, because a signal handler may ask it, and at most three questions in all;
//! so none asks itself for ever. If the same question comes a third time, the function asks itself, and the second
//! question is answered "not found".
//!
//! A question that comes while the thread loads the module may be that of one of the module's constructors, or of
//! a signal handler, and nothing tells which. Both load the module again and ask it: the loader runs no constructor
//! twice, so this ends. A function may then run before the constructors are done, as it may in glibc (`module_load`
//! in nss/nss_module.c). A handler that has interrupted the loader itself is told `EAGAIN` (`rt::next`).
#![allow(unsafe_code, reason = "calls of foreign functions")]

mod groups;
mod hosts;
mod loading;

use core::ffi::{CStr, c_char, c_int};
use core::mem::MaybeUninit;

use crate::config::{self, FileKind};
use crate::db::key::{Key, What};
use crate::db::{Database, OwnedRow, Status};
use crate::rt::buf_cell::TryOnce;
use crate::rt::errno::{self, Errno};
use crate::rt::log::log;
use crate::rt::mark::Entered;
use crate::rt::memory::ScratchBuf;
use crate::rt::sync::{ForkGuard, ForkMutex};
use crate::rt::thread::{MODULE_FUNCTIONS, ThreadState};

/// `enum nss_status` of `<nss.h>`.
pub(crate) mod status {
    use core::ffi::c_int;

    pub(crate) const TRYAGAIN: c_int = -2;
    pub(crate) const UNAVAIL: c_int = -1;
    pub(crate) const NOTFOUND: c_int = 0;
    pub(crate) const SUCCESS: c_int = 1;
}
pub(crate) use groups::{epoch, groups_of};
pub(crate) use hosts::{host_by_address, host_by_name};
use loading::{Functions, Module, Row, open};
use status::{NOTFOUND, SUCCESS, TRYAGAIN, UNAVAIL};

/// The functions of a module that a thread can be in. The numbers for groups are those for users plus four.
#[derive(Clone, Copy)]
enum Function {
    ByName = 0,
    ById = 1,
    Next = 2,
    SetEnd = 3,
    HostByName = 8,
    HostByAddress = 9,
    GroupsOf = 10,
}

const _: () = assert!(Function::GroupsOf as usize + 1 == MODULE_FUNCTIONS);

impl Function {
    fn number<D: Database>(self) -> usize {
        self as usize + if matches!(D::FILE, FileKind::Group) { 4 } else { 0 }
    }
}

/// Marks that the calling thread enters a function of the module with a question; `None` if it is in it already
/// twice with the same question, or three times. The mark is an address in the caller's frame.
#[inline(always)]
fn enter(thread: &'static ThreadState, function: usize, question: u64) -> Option<Entered<'static>> {
    thread.in_module.get(function)?.enter(question)
}

/// The module, loaded at the first call; `Pass` if none is configured, and `NotFound` if it cannot be loaded. A
/// failure is reported once, and the next call tries again.
fn module() -> Result<Status<&'static Module>, Errno> {
    static MODULE: TryOnce<Module> = TryOnce::new();
    if let Some(module) = MODULE.get() {
        return Ok(Status::Found(module));
    }
    let Some((path, prefix)) = config::get()?.module() else { return Ok(Status::Pass) };
    let Some(module) = open(path, prefix)? else { return Ok(Status::NotFound) };
    // Two calls may get here, of one thread or of two: both have the same functions.
    MODULE.get_or_try_init(|| Ok(module)).map(Status::Found)
}

/// The module's functions for a database; `Pass` if it has none.
fn functions<D: Database>() -> Result<Status<&'static Functions>, Errno> {
    Ok(match (module()?, D::FILE) {
        (Status::Found(Module { passwd, .. }), FileKind::Passwd) if passwd.any() => {
            Status::Found(passwd)
        }
        (Status::Found(Module { group, .. }), FileKind::Group) if group.any() => {
            Status::Found(group)
        }
        (Status::NotFound, _) => Status::NotFound,
        _ => Status::Pass,
    })
}

/// True if a module is configured that has the database, or that cannot be loaded.
pub(crate) fn serves<D: Database>() -> Result<bool, Errno> {
    Ok(!matches!(functions::<D>()?, Status::Pass))
}

/// The row of that name or id.
#[cold]
#[inline(never)]
pub(crate) fn find<D: Database>(
    thread: &'static ThreadState,
    key: &Key<'_>,
) -> Result<Status<OwnedRow>, Errno> {
    let functions = match functions::<D>()? {
        Status::Found(functions) => functions,
        Status::NotFound => return Ok(Status::NotFound),
        Status::Pass => return Ok(Status::Pass),
    };
    let question = key.hash;
    match (key.what, functions.by_name, functions.by_id) {
        (What::Name(name), Some(by_name), _) => {
            let key = c_string(name)?;
            ask::<D>(thread, Function::ByName, question, None, |row, buf, len, error| {
                // SAFETY: a C string, and what `ask` gives: a row, a buffer of `len` bytes, and where errno is.
                unsafe { by_name(as_c(&key).as_ptr(), row, buf, len, error) }
            })
        }
        (What::Id(id), _, Some(by_id)) => {
            ask::<D>(thread, Function::ById, question, None, |row, buf, len, error| {
                // SAFETY: what `ask` gives: a row, a buffer of `len` bytes, and where errno is.
                unsafe { by_id(id, row, buf, len, error) }
            })
        }
        _ => Ok(Status::NotFound),
    }
}

/// Waits until no other thread is in the module's enumeration, and keeps the others out of it. Modules for glibc rely on
/// that: it holds a lock around these functions (nss/getXXent_r.c), but around no others. An inner call does not wait,
/// and nobody waits for ever for a thread that has left the module by a jump, or is slow.
pub(crate) fn enumeration<D: Database>() -> Option<ForkGuard> {
    static USERS: ForkMutex = ForkMutex::new();
    static GROUPS: ForkMutex = ForkMutex::new();
    if matches!(D::FILE, FileKind::Group) { GROUPS.lock() } else { USERS.lock() }
}

/// Begins the module's enumeration again.
pub(crate) fn rewind<D: Database>(thread: &'static ThreadState) -> Result<(), Errno> {
    let Status::Found(functions) = functions::<D>()? else { return Ok(()) };
    if let (Some(set), Some(_inside)) =
        (functions.set, enter(thread, Function::SetEnd.number::<D>(), 0))
    {
        // SAFETY: takes a number; glibc passes 0 too.
        unsafe { set(0) };
    }
    Ok(())
}

/// The next row of the module's enumeration, `NotFound` at its end. If `room` is given the module gets no more bytes
/// than that: for a larger row it says `ERANGE`, and gives the row again next time.
pub(crate) fn next<D: Database>(
    thread: &'static ThreadState,
    room: Option<usize>,
) -> Result<Status<OwnedRow>, Errno> {
    let Status::Found(Functions { next: Some(next), .. }) = functions::<D>()? else {
        return Ok(Status::NotFound);
    };
    ask::<D>(thread, Function::Next, 0, room, |row, buf, len, error| {
        let len = room.map_or(len, |room| room.min(len));
        // SAFETY: what `ask` gives: a row, a buffer of `len` bytes, and where errno is.
        let status = unsafe { next(row, buf, len, error) };
        // As in glibc, a service that is not available has no rows.
        if status == UNAVAIL { NOTFOUND } else { status }
    })
}

/// Ends the module's enumeration.
pub(crate) fn close<D: Database>(thread: &'static ThreadState) -> Result<(), Errno> {
    let Status::Found(functions) = functions::<D>()? else { return Ok(()) };
    if let (Some(end), Some(_inside)) =
        (functions.end, enter(thread, Function::SetEnd.number::<D>(), 0))
    {
        // SAFETY: takes nothing.
        unsafe { end() };
    }
    Ok(())
}

/// The first size of the buffer that a module gets.
const FIRST_ROOM_BYTES: usize = 1024;
/// The largest size of that buffer; no row of a sane module is larger.
const MOST_ROOM_BYTES: usize = 64 << 20;

/// Calls a function with a buffer, which grows as long as the module finds it too small, and copies the row. An error
/// is the module's, or `ENOMEM`.
fn ask<D: Database>(
    thread: &'static ThreadState,
    function: Function,
    question: u64,
    room: Option<usize>,
    mut ask: impl FnMut(Row, *mut c_char, usize, *mut c_int) -> c_int,
) -> Result<Status<OwnedRow>, Errno> {
    let Some(inside) = enter(thread, function.number::<D>(), question) else {
        return Ok(Status::NotFound);
    };
    let mut size = FIRST_ROOM_BYTES;
    loop {
        let mut buffer = ScratchBuf::<u8>::zeroed(size)?;
        let mut row = MaybeUninit::<D::C>::zeroed();
        // Some modules report in errno itself; glibc passes its address too.
        errno::clear();
        let status = ask(row.as_mut_ptr().cast(), buffer.as_mut_ptr().cast(), size, errno::place());
        if inside.is_asked_by_itself() {
            return Ok(Status::NotFound);
        }
        match is_found(status, Errno::new(Errno::last().get())) {
            Ok(true) => {
                // SAFETY: zeros are a value of the struct, and the module says that it has filled it.
                let row = unsafe { row.assume_init_ref() };
                // SAFETY: nss.h has a module fill the struct as the man page of the struct says.
                return unsafe { D::copy_of(row) }.map(Status::Found);
            }
            Ok(false) => return Ok(Status::NotFound),
            Err(Errno::ERANGE) if room.is_none_or(|room| room > size) => {
                if size >= MOST_ROOM_BYTES {
                    log!(Warn, "module", "The module is not content with {size} bytes");
                    return Err(Errno::ENOMEM);
                }
                size *= 4;
            }
            Err(error) => return Err(error),
        }
    }
}

/// What a status means with an error number, as in glibc: true for a row, and `ERANGE` for a buffer that is too small,
/// which that number means only with `TRYAGAIN`. `UNAVAIL` without a number means that there is no row.
fn is_found(status: c_int, error: Option<Errno>) -> Result<bool, Errno> {
    match (status, error) {
        (SUCCESS, _) => Ok(true),
        (TRYAGAIN, error) => Err(error.unwrap_or(Errno::EAGAIN)),
        // For example if a file of the module's is missing.
        (UNAVAIL, Some(Errno::ENOENT)) => Ok(false),
        (UNAVAIL, Some(Errno::ERANGE)) => Err(Errno::EINVAL),
        (UNAVAIL, Some(error)) => Err(error),
        // NOTFOUND, RETURN, UNAVAIL without a reason, and what nss.h does not know.
        _ => Ok(false),
    }
}

fn c_string(bytes: &[u8]) -> Result<ScratchBuf<u8>, Errno> {
    let mut text = ScratchBuf::copy_of(bytes)?;
    text.push(0)?;
    Ok(text)
}

fn as_c(text: &[u8]) -> &CStr {
    CStr::from_bytes_until_nul(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_mean_what_they_mean_to_glibc() {
        let io = Errno::new(libc::EIO).unwrap();
        for (status, error, want) in [
            (SUCCESS, None, Ok(true)),
            (SUCCESS, Some(io), Ok(true)),
            (NOTFOUND, None, Ok(false)),
            (NOTFOUND, Some(Errno::ENOENT), Ok(false)),
            (UNAVAIL, None, Ok(false)),
            (UNAVAIL, Some(Errno::ENOENT), Ok(false)),
            (UNAVAIL, Some(io), Err(io)),
            (UNAVAIL, Some(Errno::ERANGE), Err(Errno::EINVAL)),
            (TRYAGAIN, Some(Errno::ERANGE), Err(Errno::ERANGE)),
            (TRYAGAIN, Some(Errno::EAGAIN), Err(Errno::EAGAIN)),
            (TRYAGAIN, None, Err(Errno::EAGAIN)),
            (2, Some(io), Ok(false)),
            (-3, Some(io), Ok(false)),
        ] {
            assert_eq!(is_found(status, error), want, "{status} {error:?}");
        }
    }
}
