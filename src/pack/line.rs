//! The quick way for rows that are parts of one line: one copy of that, with NUL bytes put where the
//! parts end. It takes a little more room than the strings alone, and where that is not there
//! nothing is said, and the strings are written one by one.

use core::ffi::c_char;

use super::Packer;
use crate::record::{Group, Passwd};

/// A line copied into the buffer.
struct Copied<'l> {
    line: &'l [u8],
    start: *mut u8,
}

impl<'l> Copied<'l> {
    #[inline(always)]
    fn new(line: &'l [u8], into: &mut Packer<'_>) -> Option<Self> {
        if line.is_empty() {
            return None;
        }
        Some(Self { line, start: into.string(line).ok()?.cast() })
    }

    /// The copy of a part of the line, ended by a NUL; `None` if it is not a part of it.
    #[inline(always)]
    fn part(&self, part: &[u8]) -> Option<*mut c_char> {
        let place = part.as_ptr().addr().wrapping_sub(self.line.as_ptr().addr());
        if place > self.line.len() || part.len() > self.line.len() - place {
            return None;
        }
        // SAFETY: as was checked, it lies in the line, of which this is a copy.
        let at = unsafe { self.start.add(place) };
        // SAFETY: as above; behind the line the copy has a NUL.
        let end = unsafe { at.add(part.len()) };
        // SAFETY: as above.
        unsafe { end.write(0) };
        Some(at.cast())
    }
}

/// A user.
#[inline(always)]
pub(super) fn passwd(row: &Passwd<'_>, into: &mut Packer<'_>) -> Option<libc::passwd> {
    let mut room = into.clone();
    let copied = Copied::new(row.line, &mut room)?;
    let packed = libc::passwd {
        pw_name: copied.part(row.name)?,
        pw_passwd: copied.part(row.passwd)?,
        pw_uid: row.uid,
        pw_gid: row.gid,
        pw_gecos: copied.part(row.gecos)?,
        pw_dir: copied.part(row.dir)?,
        pw_shell: copied.part(row.shell)?,
    };
    *into = room;
    Some(packed)
}

/// The list of members, behind the names, for how many there are is known only at their end.
#[inline(never)] // The loop has the registers to itself.
fn members(
    row: &Group<'_>,
    copied: &Copied<'_>,
    into: &mut Packer<'_>,
) -> Option<*mut *mut c_char> {
    let mut room = into.clone();
    let first = room.pointers(0).ok()?.first;
    for name in Group::listed(row.member_list) {
        room.pointer(copied.part(name)?).ok()?;
    }
    room.pointer(core::ptr::null_mut()).ok()?;
    *into = room;
    Some(first)
}

/// A group.
#[inline(always)]
pub(super) fn group(row: &Group<'_>, into: &mut Packer<'_>) -> Option<libc::group> {
    let mut room = into.clone();
    let copied = Copied::new(row.line, &mut room)?;
    let (gr_name, gr_passwd) = (copied.part(row.name)?, copied.part(row.passwd)?);
    let gr_mem = members(row, &copied, &mut room)?;
    // Written one by one they may need so much more padding; what fits must not depend on the way.
    room.clone().take(align_of::<*mut c_char>() - 1).ok()?;
    *into = room;
    Some(libc::group { gr_name, gr_passwd, gr_gid: row.gid, gr_mem })
}
