//! An NSS module: a shared object with functions `_nss_NAME_getpwnam_r` and so on, as glibc loads
//! them for nsswitch.conf(5). Loaded at the first question that gets to it.
//!
//! No lock of ours is held while the module's code runs: it may ask us in its turn. Within one of its
//! functions a thread's questions do not get to that function again, so none asks itself for ever.
#![allow(unsafe_code, reason = "calls of foreign functions")]

mod groups;
mod host;
mod open;
mod row;

use alloc::vec::Vec;
use core::ffi::{CStr, c_char, c_int};

use libc::{group, passwd, size_t};

use crate::errno::{self, Errno};
use crate::sync::try_extend;
use crate::thread::{self, Thread};
use crate::trace::log;
use open::{Functions, Module, State};

pub(crate) use groups::{epoch, groups_of};
pub(crate) use host::{host_by_address, host_by_name};
pub(crate) use open::is_on;
pub(crate) use row::{Entry, Nothing};

/// What the module says.
pub(crate) enum Reply<T> {
    /// This.
    Row(T),
    /// It has nothing of that kind, or cannot be loaded.
    Absent,
    /// There is no module, or it does not have this database at all.
    Off,
}

/// A database that a module may have.
pub(crate) trait Served: Entry {
    /// Its functions.
    fn functions(module: &'static Module) -> &'static Functions<Self>;
    /// The first of its four bits in [`Thread::inside`].
    const FIRST_BIT: u32;
}

impl Served for passwd {
    const FIRST_BIT: u32 = 1;

    fn functions(module: &'static Module) -> &'static Functions<Self> {
        &module.passwd
    }
}

impl Served for group {
    const FIRST_BIT: u32 = 1 << 4;

    fn functions(module: &'static Module) -> &'static Functions<Self> {
        &module.group
    }
}

impl Served for Nothing {
    const FIRST_BIT: u32 = 0;

    fn functions(_: &'static Module) -> &'static Functions<Self> {
        const { &Functions::NONE }
    }
}

/// In [`Inside`], beside the bits of the databases.
const OPENING: u32 = 1 << 31;

/// The calling thread is in a function of the module.
struct Inside {
    thread: &'static Thread,
    bit: u32,
}

impl Inside {
    /// `None` if it is already.
    fn enter(bit: u32) -> Result<Option<Self>, Errno> {
        let thread = thread::here()?;
        let inside = thread.inside.get();
        thread.inside.set(inside | bit);
        Ok((inside & bit == 0).then_some(Self { thread, bit }))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.thread.inside.set(self.thread.inside.get() & !self.bit);
    }
}

/// nss.h.
const TRYAGAIN: c_int = -2;
const UNAVAIL: c_int = -1;
const NOTFOUND: c_int = 0;
const SUCCESS: c_int = 1;

/// The first size of the buffer that a module gets.
const ROOM: usize = 1024;
/// The last one; no row of a sane module is larger.
const MOST_ROOM: usize = 64 << 20;

/// True if a module is configured that has the database, or that cannot be loaded to say so.
pub(crate) fn serves<C: Served>() -> Result<bool, Errno> {
    Ok(is_on()? && !matches!(functions::<C>()?, Err(Reply::Off)))
}

/// The row of that name.
pub(crate) fn by_name<C: Served>(name: &[u8]) -> Result<Reply<C::Kept>, Errno> {
    let functions = match functions::<C>()? {
        Ok(functions) => functions,
        Err(reply) => return Ok(reply),
    };
    let Some(call) = functions.by_name else { return Ok(Reply::Absent) };
    let key = c_string(name)?;
    ask(C::FIRST_BIT, |row, buf, len, error| {
        let key = as_c(&key).as_ptr();
        // SAFETY: a C string, and what `ask` lends.
        unsafe { call(key, row, buf, len, error) }
    })
}

/// The row of that id.
pub(crate) fn by_id<C: Served>(id: u32) -> Result<Reply<C::Kept>, Errno> {
    let functions = match functions::<C>()? {
        Ok(functions) => functions,
        Err(reply) => return Ok(reply),
    };
    let Some(call) = functions.by_id else { return Ok(Reply::Absent) };
    ask(C::FIRST_BIT << 1, |row, buf, len, error| {
        // SAFETY: what `ask` lends.
        unsafe { call(id, row, buf, len, error) }
    })
}

/// Begins the module's enumeration anew.
pub(crate) fn rewind<C: Served>() -> Result<(), Errno> {
    if let Ok(functions) = functions::<C>()?
        && let Some(call) = functions.set
        && let Some(_inside) = Inside::enter(C::FIRST_BIT << 3)?
    {
        // SAFETY: takes a number; glibc passes 0 too.
        unsafe { call(0) };
    }
    Ok(())
}

/// The next row of the module's enumeration, `Absent` at its end.
pub(crate) fn next<C: Served>() -> Result<Reply<C::Kept>, Errno> {
    let functions = match functions::<C>()? {
        Ok(functions) => functions,
        Err(reply) => return Ok(reply),
    };
    let Some(call) = functions.next else { return Ok(Reply::Absent) };
    ask(C::FIRST_BIT << 2, |row, buf, len, error| {
        // SAFETY: what `ask` lends.
        let status = unsafe { call(row, buf, len, error) };
        // What is not available has no rows: glibc.
        if status == UNAVAIL { NOTFOUND } else { status }
    })
}

/// Ends the module's enumeration.
pub(crate) fn close<C: Served>() -> Result<(), Errno> {
    if let Ok(functions) = functions::<C>()?
        && let Some(call) = functions.end
        && let Some(_inside) = Inside::enter(C::FIRST_BIT << 3)?
    {
        // SAFETY: takes nothing.
        unsafe { call() };
    }
    Ok(())
}

/// The functions of a database, or the reply where there are none.
fn functions<C: Served>() -> Result<Result<&'static Functions<C>, Reply<C::Kept>>, Errno> {
    Ok(match open::state()? {
        State::Off => Err(Reply::Off),
        State::Out => Err(Reply::Absent),
        State::In(module) => {
            Some(C::functions(module)).filter(|functions| functions.any()).ok_or(Reply::Off)
        }
    })
}

/// Calls a function with a buffer that grows for as long as the module wants more, and copies what
/// it found. An error is what the module says is wrong with it, or `ENOMEM`.
fn ask<C: Entry>(
    bit: u32,
    mut call: impl FnMut(*mut C, *mut c_char, size_t, *mut c_int) -> c_int,
) -> Result<Reply<C::Kept>, Errno> {
    let Some(_inside) = Inside::enter(bit)? else { return Ok(Reply::Absent) };
    let mut room = ROOM;
    loop {
        let mut buffer = Vec::<u8>::new();
        buffer.try_reserve_exact(room).map_err(|_| Errno::ENOMEM)?;
        let mut row = C::EMPTY;
        // Some modules report in errno itself; glibc passes its address too.
        errno::clear();
        let status = call(&raw mut row, buffer.as_mut_ptr().cast(), room, errno::place());
        match outcome(status, Errno::new(Errno::last().get())) {
            // SAFETY: the module says that it has filled the row.
            Outcome::Found => return unsafe { row.keep() }.map(Reply::Row),
            Outcome::Absent => return Ok(Reply::Absent),
            Outcome::Short if room < MOST_ROOM => room *= 4,
            Outcome::Short => {
                log!(Warn, "module", "The module is not content with {room} bytes");
                return Err(Errno::ENOMEM);
            }
            Outcome::Failed(error) => return Err(error),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Found,
    Absent,
    /// The buffer is too small.
    Short,
    Failed(Errno),
}

/// What a status means with an error number, as in glibc: a failure without one is an absence, and
/// `ERANGE` is about the buffer only beside `TRYAGAIN`.
fn outcome(status: c_int, error: Option<Errno>) -> Outcome {
    match (status, error) {
        (SUCCESS, _) => Outcome::Found,
        (TRYAGAIN, Some(Errno::ERANGE)) => Outcome::Short,
        (TRYAGAIN, None) => Outcome::Failed(Errno::EAGAIN),
        // A missing file of a module's own, for one.
        (UNAVAIL, Some(Errno::ENOENT)) => Outcome::Absent,
        (UNAVAIL, Some(Errno::ERANGE)) => Outcome::Failed(Errno::EINVAL),
        (TRYAGAIN | UNAVAIL, Some(error)) => Outcome::Failed(error),
        // NOTFOUND, RETURN, UNAVAIL without a reason, and what nss.h does not know.
        _ => Outcome::Absent,
    }
}

fn c_string(bytes: &[u8]) -> Result<Vec<u8>, Errno> {
    let mut text = Vec::new();
    try_extend(&mut text, bytes)?;
    try_extend(&mut text, b"\0")?;
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
            (SUCCESS, None, Outcome::Found),
            (SUCCESS, Some(io), Outcome::Found),
            (NOTFOUND, None, Outcome::Absent),
            (NOTFOUND, Some(Errno::ENOENT), Outcome::Absent),
            (UNAVAIL, None, Outcome::Absent),
            (UNAVAIL, Some(Errno::ENOENT), Outcome::Absent),
            (UNAVAIL, Some(io), Outcome::Failed(io)),
            (UNAVAIL, Some(Errno::ERANGE), Outcome::Failed(Errno::EINVAL)),
            (TRYAGAIN, Some(Errno::ERANGE), Outcome::Short),
            (TRYAGAIN, Some(Errno::EAGAIN), Outcome::Failed(Errno::EAGAIN)),
            (TRYAGAIN, None, Outcome::Failed(Errno::EAGAIN)),
            (2, Some(io), Outcome::Absent),
            (-3, Some(io), Outcome::Absent),
        ] {
            assert_eq!(outcome(status, error), want, "{status} {error:?}");
        }
    }
}
