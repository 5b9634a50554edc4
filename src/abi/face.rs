//! What the functions of one family do, whichever database they are about: the exported functions
//! in the sibling files only name it.

use core::ffi::{CStr, c_char, c_int};
use core::ptr::null_mut;

use super::{Lent, call_on, own};
use crate::errno::{Errno, KeepErrno};
use crate::lookup::{self, Answer, Database, cursor};
use crate::real::{Family, Passing};
use crate::thread::{self, Static, Thread};

/// A database with a family of functions in C.
pub(super) trait Face: Database {
    /// The struct of a result.
    type C: 'static;
    /// The next definitions.
    fn next() -> &'static Family<Self::C>;
    /// Where results without `_r` are kept.
    fn kept(thread: &Thread) -> &Static<Self::C>;
    /// Packs the answer into the caller's memory.
    fn fill(room: &Lent<Self::C>, answer: Answer<Self::Row<'_>>) -> Result<Option<bool>, Errno>;
    /// The name in a result.
    fn name_of(result: &Self::C) -> *const c_char;
}

/// A C string that the caller lent.
///
/// # Safety
///
/// `text` is null or a C string that lives until the exported function returns.
pub(super) unsafe fn lent<'a>(text: *const c_char) -> Option<&'a [u8]> {
    // SAFETY: not null, so a C string by the contract above.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_bytes())
}

/// `Some(true)` for a row that is packed, `Some(false)` for none, `None` to call on.
type Filled = Result<Option<bool>, Errno>;

/// [`Face::fill`] where speed does not count.
#[cold]
#[inline(never)]
fn fill_rare<D: Face>(room: &Lent<D::C>, answer: Answer<D::Row<'_>>) -> Filled {
    D::fill(room, answer)
}

/// The own entry first, then the files and the module: lookup by name.
pub(super) fn ask_name<D: Face>(name: &[u8], room: &Lent<D::C>) -> Filled {
    let mine = own::matching::<D>(|row| lookup::name_of::<D>(row) == name)?;
    if let Some(row) = mine.as_ref().and_then(own::row::<D>) {
        return fill_rare::<D>(room, Answer::Row(row));
    }
    lookup::by_name::<D, _>(
        name,
        |row| D::fill(room, Answer::Row(row)),
        |answer| fill_rare::<D>(room, answer),
    )
    .flatten()
}

/// As [`ask_name`], by id.
pub(super) fn ask_id<D: Face>(id: u32, room: &Lent<D::C>) -> Filled {
    let mine = own::matching::<D>(|row| lookup::id_of::<D>(row) == Some(id))?;
    if let Some(row) = mine.as_ref().and_then(own::row::<D>) {
        return fill_rare::<D>(room, Answer::Row(row));
    }
    lookup::by_id::<D, _>(
        id,
        |row| D::fill(room, Answer::Row(row)),
        |answer| fill_rare::<D>(room, answer),
    )
    .flatten()
}

/// `getXnam_r`: 0 and null for a name that is not there, `ERANGE` for a short buffer: POSIX.
///
/// # Safety
///
/// As [`Lent::new`], and `name` is null or a C string.
pub(super) unsafe fn by_name_r<D: Face>(
    name: *const c_char,
    out: *mut D::C,
    buf: *mut c_char,
    len: usize,
    found: *mut *mut D::C,
) -> c_int {
    let keep = KeepErrno::new();
    // SAFETY: by the contract.
    let room = unsafe { Lent::new(out, buf, len, found) };
    // SAFETY: by the contract.
    let Some(key) = (unsafe { lent(name) }) else { return Errno::EINVAL.get() };
    let done = room.done(ask_name::<D>(key, &room), 0);
    drop(keep);
    done.unwrap_or_else(
        || call_on!((D::next().by_name_r)(name, out, buf, len, found) or libc::ENOSYS),
    )
}

/// `getXid_r`: like [`by_name_r`].
///
/// # Safety
///
/// As [`Lent::new`].
pub(super) unsafe fn by_id_r<D: Face>(
    id: u32,
    out: *mut D::C,
    buf: *mut c_char,
    len: usize,
    found: *mut *mut D::C,
) -> c_int {
    let keep = KeepErrno::new();
    // SAFETY: by the contract.
    let room = unsafe { Lent::new(out, buf, len, found) };
    let done = room.done(ask_id::<D>(id, &room), 0);
    drop(keep);
    done.unwrap_or_else(|| call_on!((D::next().by_id_r)(id, out, buf, len, found) or libc::ENOSYS))
}

/// `getXent_r`: `ENOENT` at the end.
///
/// # Safety
///
/// As [`Lent::new`].
pub(super) unsafe fn next_r<D: Face>(
    out: *mut D::C,
    buf: *mut c_char,
    len: usize,
    found: *mut *mut D::C,
) -> c_int {
    let keep = KeepErrno::new();
    // SAFETY: by the contract.
    let room = unsafe { Lent::new(out, buf, len, found) };
    let ours = lookup::has_sources::<D>();
    let filled = ours.and_then(|ours| if ours { next_row::<D>(&room) } else { Ok(None) });
    let done = room.done(filled, libc::ENOENT);
    drop(keep);
    done.unwrap_or_else(|| call_on!((D::next().next_r)(out, buf, len, found) or libc::ENOSYS))
}

/// `getXnam`, with a result of the calling thread's own.
///
/// # Safety
///
/// `name` is null or a C string.
pub(super) unsafe fn by_name<D: Face>(name: *const c_char) -> *mut D::C {
    // SAFETY: by the contract.
    let Some(key) = (unsafe { lent(name) }) else { return null_mut() };
    keep_row::<D>(|room| ask_name::<D>(key, room))
        .unwrap_or_else(|| call_on!((D::next().by_name)(name) or null_mut()))
}

/// `getXid`, with a result of the calling thread's own.
pub(super) fn by_id<D: Face>(id: u32) -> *mut D::C {
    keep_row::<D>(|room| ask_id::<D>(id, room))
        .unwrap_or_else(|| call_on!((D::next().by_id)(id) or null_mut()))
}

/// `getXent`, with a result of the calling thread's own.
pub(super) fn next<D: Face>() -> *mut D::C {
    keep_row::<D>(next_row::<D>).unwrap_or_else(|| call_on!((D::next().next)() or null_mut()))
}

/// `setXent`: pins what the file holds now. After an error the next row begins anew.
pub(super) fn set<D: Face>() {
    let keep = KeepErrno::new();
    let begun = if_ours::<D>(|| {
        cursor::end::<D>()?;
        cursor::start::<D>(own::matching::<D>(|_| true)?)
    });
    drop(keep);
    if begun == Ok(cursor::Libc::Asked) {
        call_on!((D::next().set)() or ());
    }
}

/// `endXent`: lets go of what was pinned.
pub(super) fn end<D: Face>() {
    let keep = KeepErrno::new();
    let ended = if_ours::<D>(cursor::end::<D>);
    drop(keep);
    if ended == Ok(cursor::Libc::Asked) {
        call_on!((D::next().end)() or ());
    }
}

/// Without sources of ours a thread keeps nothing, and libc alone is asked.
fn if_ours<D: Face>(
    then: impl FnOnce() -> Result<cursor::Libc, Errno>,
) -> Result<cursor::Libc, Errno> {
    if lookup::has_sources::<D>()? { then() } else { Ok(cursor::Libc::Asked) }
}

/// The next row of an enumeration: of the files, the module, libc where it is asked too, then the
/// own entry. Each name once.
fn next_row<D: Face>(room: &Lent<D::C>) -> Filled {
    if !cursor::is_begun::<D>()? {
        cursor::start::<D>(own::matching::<D>(|_| true)?)?;
    }
    loop {
        match cursor::next::<D, _>(|row| D::fill(room, Answer::Row(row)))? {
            cursor::Step::Row(filled) => return Ok(filled),
            cursor::Step::End => return Ok(Some(false)),
            cursor::Step::Module => {
                let row = cursor::next_of_module::<D, _>(|row| D::fill(room, Answer::Row(row)))?;
                if let Some(filled) = row {
                    return Ok(filled);
                }
            }
            cursor::Step::Libc => {
                if lookup::asks_libc::<D>()? && next_of_libc::<D>(room)? {
                    return Ok(Some(true));
                }
                cursor::libc_is_done::<D>()?;
            }
        }
    }
}

/// The next row of libc's own that no source of ours has the name of.
fn next_of_libc<D: Face>(room: &Lent<D::C>) -> Result<bool, Errno> {
    let Some(next_r) = D::next().next_r.get() else { return next_of_musl::<D>(room) };
    loop {
        let mut found = null_mut();
        let passing = Passing::new();
        // SAFETY: the caller's own arguments, but for where the result pointer goes.
        let error = unsafe { next_r(room.out, room.buf.cast(), room.len, &raw mut found) };
        drop(passing);
        if let Some(error) = Errno::new(error)
            && error != Errno::ENOENT
        {
            return Err(error);
        }
        if found.is_null() {
            return Ok(false);
        }
        // SAFETY: libc stored the address of a row that it has filled.
        let name = D::name_of(unsafe { &*found });
        // SAFETY: a C string in the caller's buffer.
        let name = unsafe { lent(name) }.unwrap_or_default();
        if !cursor::has_listed::<D>(name)? {
            return Ok(true);
        }
    }
}

/// As [`next_of_libc`] where libc has no `getXent_r`: nobody can call it then but for `getXent`, whose
/// result may point into libc's own memory.
fn next_of_musl<D: Face>(room: &Lent<D::C>) -> Result<bool, Errno> {
    let Some(next) = D::next().next.get() else { return Ok(false) };
    loop {
        let passing = Passing::new();
        // SAFETY: takes nothing.
        let found = unsafe { next() };
        drop(passing);
        if found.is_null() {
            return Ok(false);
        }
        // SAFETY: libc's row, valid until its next call of the family.
        let name = D::name_of(unsafe { &*found });
        // SAFETY: a C string in libc's memory.
        let name = unsafe { lent(name) }.unwrap_or_default();
        if !cursor::has_listed::<D>(name)? {
            // SAFETY: two rows, libc's and the caller's.
            unsafe { room.out.copy_from_nonoverlapping(found, 1) };
            return Ok(true);
        }
    }
}

/// Answers a function without `_r` from the thread's own memory; `None` to call on. `ask` packs
/// the answer into the room that it is given.
fn keep_row<D: Face>(mut ask: impl FnMut(&Lent<D::C>) -> Filled) -> Option<*mut D::C> {
    if lookup::has_sources::<D>() == Ok(false) {
        return None;
    }
    let keep = KeepErrno::new();
    let mut pass = false;
    let filled = thread::here().and_then(|here| {
        D::kept(here).fill(|out, buf, len| {
            let room = Lent { out, buf, len, found: null_mut() };
            let filled = ask(&room)?;
            pass = filled.is_none();
            Ok(filled == Some(true))
        })
    });
    drop(keep);
    match filled {
        _ if pass => None,
        Ok(row) => Some(row),
        Err(error) => {
            error.set();
            Some(null_mut())
        }
    }
}
