//! passwd(5).
#![allow(unsafe_code, reason = "reads what C has filled")]

use core::ffi::c_char;
use core::iter::once;

use super::fields::{Fields, Reason};
use super::key::Key;
use super::{By, Database, OwnedRow};
use crate::config::FileKind;
use crate::rt::errno::Errno;
use crate::rt::out_buf::OutBuf;
use crate::rt::static_result::StaticResults;
use crate::rt::thread::Level;

/// The database of users.
pub(crate) enum Passwd {}

/// One user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PasswdRow<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) passwd: &'a [u8],
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) gecos: &'a [u8],
    pub(crate) dir: &'a [u8],
    pub(crate) shell: &'a [u8],
    /// The line that all fields are parts of; empty if they are not parts of one.
    pub(crate) line: &'a [u8],
}

impl Database for Passwd {
    type Row<'a> = PasswdRow<'a>;
    type C = libc::passwd;
    const NAME: &'static str = "passwd";
    const FILE: FileKind = FileKind::Passwd;
    const SYSTEM_FILE: Option<FileKind> = Some(FileKind::SystemPasswd);

    #[inline(always)]
    fn parse<'a>(fields: &mut Fields<'a>) -> Result<PasswdRow<'a>, Reason> {
        Ok(PasswdRow {
            name: fields.name()?,
            passwd: fields.text(),
            uid: fields.id("the user id is not a number of 32 bits")?,
            gid: fields.id("the group id is not a number of 32 bits")?,
            gecos: fields.text(),
            dir: fields.text(),
            shell: fields.rest(),
            line: fields.line(),
        })
    }

    #[inline(always)]
    fn has(row: &PasswdRow<'_>, key: &Key<'_>) -> bool {
        key.is_name_or_id(row.name, row.uid)
    }

    fn name<'a>(row: &Self::Row<'a>) -> &'a [u8] {
        row.name
    }

    fn first_keys<'a>(row: &Self::Row<'a>, by: By) -> impl Iterator<Item = Key<'a>> {
        once(if by == By::Name { Key::name(row.name) } else { Key::id(row.uid) })
    }

    /// Copies the line at once, and puts NUL bytes where its parts end. That takes a little more room than the strings
    /// alone.
    #[inline(always)]
    fn write_line(row: &PasswdRow<'_>, out: &mut OutBuf<'_, libc::passwd>) -> bool {
        let packed =
            out.room().line(row.line).ok().and_then(|copy| pack(row, |part| copy.part(part)));
        packed.map(|packed| out.set(packed)).is_some()
    }

    #[cold]
    fn write_strings(row: &PasswdRow<'_>, out: &mut OutBuf<'_, libc::passwd>) -> Result<(), Errno> {
        let mut room = out.room();
        out.set(pack(row, |text| room.string(text).ok()).ok_or(Errno::ERANGE)?);
        Ok(())
    }

    fn static_results(level: &Level) -> &StaticResults<libc::passwd> {
        &level.passwd
    }

    fn synthetic<'a>(user: &PasswdRow<'a>) -> Option<PasswdRow<'a>> {
        Some(*user)
    }

    unsafe fn copy_of(row: &libc::passwd) -> Result<OwnedRow, Errno> {
        let mut copy = OwnedRow { ids: [row.pw_uid, row.pw_gid], ..OwnedRow::default() };
        for text in [row.pw_name, row.pw_passwd, row.pw_gecos, row.pw_dir, row.pw_shell] {
            // SAFETY: the caller promises that the field is as the man page says, or null.
            unsafe { copy.push_c(text) }?;
        }
        Ok(copy)
    }

    fn row_of(copy: &OwnedRow) -> PasswdRow<'_> {
        let [uid, gid] = copy.ids;
        let [name, passwd, gecos, dir, shell] = core::array::from_fn(|at| copy.part(at));
        PasswdRow { name, passwd, uid, gid, gecos, dir, shell, line: b"" }
    }
}

/// The C struct, with each text where `put` has put it; `None` if there was no room for one.
#[inline(always)]
fn pack(
    row: &PasswdRow<'_>,
    mut put: impl FnMut(&[u8]) -> Option<*mut c_char>,
) -> Option<libc::passwd> {
    Some(libc::passwd {
        pw_name: put(row.name)?,
        pw_passwd: put(row.passwd)?,
        pw_uid: row.uid,
        pw_gid: row.gid,
        pw_gecos: put(row.gecos)?,
        pw_dir: put(row.dir)?,
        pw_shell: put(row.shell)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_pointers_of_a_module_are_empty_fields() {
        // SAFETY: zeros are a `struct passwd`, which points nowhere.
        let empty = unsafe { core::mem::zeroed::<libc::passwd>() };
        // SAFETY: all pointers are null.
        let copy = unsafe { Passwd::copy_of(&empty) }.unwrap();
        let row = Passwd::row_of(&copy);
        assert!([row.name, row.passwd, row.gecos, row.dir, row.shell].iter().all(|f| f.is_empty()));
    }
}
