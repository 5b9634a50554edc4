//! The own entry (`NSS_WRAPPER_USER`): when it answers. What it says is `lookup::own`'s.
//!
//! It stands for a user that nobody else has: neither our files nor libc has an entry of its id.
//! Whoever has one is left as they are, so an image can set the variable for all.

use alloc::vec::Vec;

use super::face::Face;
use crate::errno::Errno;
use crate::lookup::own::Line;
use crate::lookup::{self, Answer};
use crate::real::Passing;
use crate::store::Passwds;
use crate::sync::try_resize;
use crate::trace::{Bytes, log};

/// The own entry's line, if it is set, its row of this database is what `is_asked` asks for, and
/// nobody else has its id.
pub(super) fn matching<D: Face>(
    is_asked: impl FnOnce(&D::Row<'_>) -> bool,
) -> Result<Option<Line>, Errno> {
    if !lookup::own::is_set()? || Passing::is_on() {
        return Ok(None);
    }
    let Some(line) = Line::now()? else { return Ok(None) };
    let asked = row::<D>(&line).filter(is_asked).map(|row| lookup::id_of::<D>(&row));
    let Some(id) = asked else { return Ok(None) };
    let user = lookup::id_of::<Passwds>(&line.user());
    let mut taken = user.map_or(Ok(false), exists_elsewhere::<Passwds>)?;
    if !taken && D::NAME != <Passwds as crate::store::Lines>::NAME {
        taken = id.map_or(Ok(false), exists_elsewhere::<D>)?;
    }
    let does = if taken { "gives way to another of its id" } else { "answers" };
    log!(Trace, D::NAME, "the own entry, {}, {does}", Bytes(line.user().name));
    Ok((!taken).then_some(line))
}

/// The own entry's row of this database.
pub(super) fn row<D: Face>(line: &Line) -> Option<D::Row<'_>> {
    D::own(line.user())
}

/// True if our files or libc have a row of that id.
fn exists_elsewhere<D: Face>(id: u32) -> Result<bool, Errno> {
    let known = lookup::by_id::<D, _>(
        id,
        |_| Some(true),
        |answer| match answer {
            Answer::Row(_) => Some(true),
            Answer::Absent => Some(false),
            Answer::Pass => None,
        },
    )?;
    known.map_or_else(|| libc_has::<D>(id), Ok)
}

fn libc_has<D: Face>(id: u32) -> Result<bool, Errno> {
    let Some(by_id_r) = D::next().by_id_r.get() else { return Ok(false) };
    let mut row = core::mem::MaybeUninit::<D::C>::uninit();
    let mut buf: Vec<u8> = Vec::new();
    let mut size = 1024;
    loop {
        try_resize(&mut buf, size)?;
        let mut found = core::ptr::null_mut();
        let passing = Passing::new();
        // SAFETY: a row, a buffer of `size` bytes, and a pointer, all of this function's own.
        let error =
            unsafe { by_id_r(id, row.as_mut_ptr(), buf.as_mut_ptr().cast(), size, &raw mut found) };
        drop(passing);
        match Errno::new(error) {
            Some(Errno::ERANGE) => size *= 2,
            // getpwuid_r(3): some systems say so that there is none.
            None | Some(Errno::ENOENT | Errno::ESRCH | Errno::EPERM | Errno::EBADF) => {
                return Ok(!found.is_null());
            }
            Some(error) => return Err(error),
        }
    }
}
