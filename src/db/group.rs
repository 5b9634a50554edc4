//! group(5).
#![allow(unsafe_code, reason = "reads what C has filled")]

use core::iter::once;

use super::bytes::{Split, skip_rare_space};
use super::fields::{Fields, Reason};
use super::key::Key;
use super::{By, Database, OwnedRow, passwd::PasswdRow};
use crate::config::FileKind;
use crate::rt::errno::Errno;
use crate::rt::out_buf::{OutBuf, Room};
use crate::rt::static_result::StaticResults;
use crate::rt::thread::Level;

/// The database of groups.
pub(crate) enum Group {}

/// One group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupRow<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) passwd: &'a [u8],
    pub(crate) gid: u32,
    /// The line that name, password and members are parts of; empty if they are not parts of one.
    pub(crate) line: &'a [u8],
    /// The members as the file has them; or, from a module, names that each end in NUL, which no line of a file has.
    /// [`GroupRow::members`] takes them apart.
    pub(crate) member_list: &'a [u8],
}

impl<'a> GroupRow<'a> {
    /// The members in the list's order. As in glibc blanks before a name in a file are skipped, and empty names are
    /// dropped.
    pub(crate) fn members(&self) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        let is_apart = self.member_list.last() == Some(&0);
        let (list, names) = if is_apart {
            (b"".as_slice(), self.member_list)
        } else {
            (self.member_list, b"".as_slice())
        };
        names_in(list).chain(Split::<0>::new(names).filter(|name| !name.is_empty()))
    }
}

/// The names in a list of a file.
fn names_in(list: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    Split::<b','>::new(list).map(skip_rare_space).filter(|name| !name.is_empty())
}

impl Database for Group {
    type Row<'a> = GroupRow<'a>;
    type C = libc::group;
    const NAME: &'static str = "group";
    const FILE: FileKind = FileKind::Group;
    const SYSTEM_FILE: Option<FileKind> = Some(FileKind::SystemGroup);

    #[inline(always)]
    fn parse<'a>(fields: &mut Fields<'a>) -> Result<GroupRow<'a>, Reason> {
        Ok(GroupRow {
            name: fields.name()?,
            passwd: fields.text(),
            gid: fields.id("the group id is not a number of 32 bits")?,
            member_list: fields.rest(),
            line: fields.line(),
        })
    }

    #[inline(always)]
    fn has(row: &GroupRow<'_>, key: &Key<'_>) -> bool {
        key.is_name_or_id(row.name, row.gid)
    }

    fn name<'a>(row: &Self::Row<'a>) -> &'a [u8] {
        row.name
    }

    fn first_keys<'a>(row: &Self::Row<'a>, by: By) -> impl Iterator<Item = Key<'a>> {
        once(if by == By::Name { Key::name(row.name) } else { Key::id(row.gid) })
    }

    fn all_keys<'a>(row: &Self::Row<'a>) -> impl Iterator<Item = Key<'a>> {
        row.members().map(Key::name)
    }

    fn ends_listed(byte: u8) -> bool {
        matches!(byte, b',' | b'\n')
    }

    #[inline(always)]
    fn write_line(row: &GroupRow<'_>, out: &mut OutBuf<'_, libc::group>) -> bool {
        as_line(row, out.room()).map(|packed| out.set(packed)).is_some()
    }

    #[cold]
    fn write_strings(row: &GroupRow<'_>, out: &mut OutBuf<'_, libc::group>) -> Result<(), Errno> {
        let mut room = out.room();
        let mut members = room.array(row.members().count() + 1)?;
        for name in row.members() {
            members.push(room.string(name)?)?;
        }
        members.push(core::ptr::null_mut())?;
        out.set(libc::group {
            gr_name: room.string(row.name)?,
            gr_passwd: room.string(row.passwd)?,
            gr_gid: row.gid,
            gr_mem: members.address(0),
        });
        Ok(())
    }

    fn static_results(level: &Level) -> &StaticResults<libc::group> {
        &level.group
    }

    fn synthetic<'a>(user: &PasswdRow<'a>) -> Option<GroupRow<'a>> {
        Some(GroupRow { name: user.name, passwd: b"x", gid: user.gid, line: b"", member_list: b"" })
    }

    unsafe fn copy_of(row: &libc::group) -> Result<OwnedRow, Errno> {
        let mut copy = OwnedRow { ids: [row.gr_gid, 0], ..OwnedRow::default() };
        for text in [row.gr_name, row.gr_passwd] {
            // SAFETY: the caller promises that the field is as the man page says, or null.
            unsafe { copy.push_c(text) }?;
        }
        // SAFETY: the caller promises that the field is as the man page says, or null.
        unsafe { copy.push_list(row.gr_mem, 0) }?;
        Ok(copy)
    }

    fn row_of(copy: &OwnedRow) -> GroupRow<'_> {
        let [gid, _] = copy.ids;
        let [name, passwd, member_list] = core::array::from_fn(|at| copy.part(at));
        GroupRow { name, passwd, gid, line: b"", member_list }
    }
}

/// Copies the line at once, puts NUL bytes where its parts end, and the list of members after it, because only at its
/// end is it known how many there are.
#[inline(always)]
fn as_line(row: &GroupRow<'_>, mut room: Room<'_>) -> Option<libc::group> {
    let copy = room.line(row.line).ok()?;
    let (gr_name, gr_passwd) = (copy.part(row.name)?, copy.part(row.passwd)?);
    let gr_mem = room.pointers(names_in(row.member_list).map(|name| copy.part(name)))?;
    // `write_strings` may need this much more for padding, and both must fit into the same buffers.
    room.has_padding().then_some(libc::group { gr_name, gr_passwd, gr_gid: row.gid, gr_mem })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_a_module_stay_apart_whatever_their_names_hold() {
        let mut list = [c"a,b", c" c", c"", c"d"].map(|name| name.as_ptr().cast_mut()).to_vec();
        list.push(core::ptr::null_mut());
        // SAFETY: zeros are a `struct group`.
        let mut row = unsafe { core::mem::zeroed::<libc::group>() };
        (row.gr_gid, row.gr_mem) = (7, list.as_mut_ptr());
        // SAFETY: null pointers, and an array of C strings that ends in null.
        let copy = unsafe { Group::copy_of(&row) }.unwrap();
        let members: Vec<&[u8]> = Group::row_of(&copy).members().collect();
        assert_eq!(members, [&b"a,b"[..], b" c", b"d"], "an empty name names nobody");
        assert_eq!(Group::row_of(&copy).gid, 7);
    }
}
