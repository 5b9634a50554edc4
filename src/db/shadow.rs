//! shadow(5).
#![allow(unsafe_code, reason = "reads what C has filled")]

use core::iter::once;

use super::fields::{Fields, Reason, number_of_32_bits};
use super::key::Key;
use super::{By, Database, OwnedRow};
use crate::config::FileKind;
use crate::rt::errno::Errno;
use crate::rt::out_buf::OutBuf;
use crate::rt::static_result::StaticResults;
use crate::rt::thread::Level;

/// The database of passwords and their ages.
pub(crate) enum Shadow {}

/// One user's password and its ages. Days are counted from 1970-01-01; −1 is an empty field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShadowRow<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) passwd: &'a [u8],
    pub(crate) last_change: i32,
    pub(crate) min: i32,
    pub(crate) max: i32,
    pub(crate) warn: i32,
    pub(crate) inactive: i32,
    pub(crate) expire: i32,
    /// `None` if the field is empty.
    pub(crate) flag: Option<u32>,
}

impl Database for Shadow {
    type Row<'a> = ShadowRow<'a>;
    type C = libc::spwd;
    const NAME: &'static str = "shadow";
    const FILE: FileKind = FileKind::Shadow;

    /// The last four fields may be missing together, or the last one alone: `shadow/sgetspent_r.c` of glibc.
    fn parse<'a>(fields: &mut Fields<'a>) -> Result<ShadowRow<'a>, Reason> {
        let mut row = ShadowRow {
            name: fields.name()?,
            passwd: fields.text(),
            last_change: days(fields, "the date of the last change is not a number")?,
            min: days(fields, "the minimum age is not a number")?,
            max: days(fields, "the maximum age is not a number")?,
            warn: -1,
            inactive: -1,
            expire: -1,
            flag: None,
        };
        fields.skip_space();
        if !fields.rest().is_empty() {
            row.warn = days(fields, "the warning period is not a number")?;
            row.inactive = days(fields, "the inactivity period is not a number")?;
            row.expire = days(fields, "the expiration date is not a number")?;
            if !fields.rest().is_empty() {
                row.flag =
                    Some(number_of_32_bits(fields.rest()).ok_or("the flag field is not a number")?);
            }
        }
        Ok(row)
    }

    fn has(row: &ShadowRow<'_>, key: &Key<'_>) -> bool {
        key.is_name(row.name)
    }

    fn name<'a>(row: &Self::Row<'a>) -> &'a [u8] {
        row.name
    }

    fn first_keys<'a>(row: &Self::Row<'a>, _: By) -> impl Iterator<Item = Key<'a>> {
        once(Key::name(row.name))
    }

    fn write_strings(row: &ShadowRow<'_>, out: &mut OutBuf<'_, libc::spwd>) -> Result<(), Errno> {
        let mut room = out.room();
        out.set(libc::spwd {
            sp_namp: room.string(row.name)?,
            sp_pwdp: room.string(row.passwd)?,
            sp_lstchg: row.last_change.into(),
            sp_min: row.min.into(),
            sp_max: row.max.into(),
            sp_warn: row.warn.into(),
            sp_inact: row.inactive.into(),
            sp_expire: row.expire.into(),
            // An empty field is all ones, as in glibc.
            sp_flag: row.flag.map_or(libc::c_ulong::MAX, libc::c_ulong::from),
        });
        Ok(())
    }

    fn static_results(level: &Level) -> &StaticResults<libc::spwd> {
        &level.shadow
    }

    unsafe fn copy_of(row: &libc::spwd) -> Result<OwnedRow, Errno> {
        // No module is asked for shadow entries, and of libc's only the name is needed.
        let mut copy = OwnedRow::default();
        // SAFETY: the caller promises that the field is as the man page says, or null.
        unsafe { copy.push_c(row.sp_namp) }?;
        Ok(copy)
    }

    fn row_of(copy: &OwnedRow) -> ShadowRow<'_> {
        let (name, passwd, flag) = (copy.part(0), &b""[..], None);
        let none = -1;
        let (last_change, min, max) = (none, none, none);
        ShadowRow { name, passwd, last_change, min, max, warn: -1, inactive: -1, expire: -1, flag }
    }
}

/// A count of days, as an `int` of 32 bits. The field must be there, but may be empty.
fn days(fields: &mut Fields<'_>, what: Reason) -> Result<i32, Reason> {
    if fields.rest().is_empty() {
        return Err("fields are missing");
    }
    match fields.text() {
        b"" => Ok(-1),
        #[allow(clippy::cast_possible_wrap, reason = "4294967295 is -1")]
        field => number_of_32_bits(field).map(|days| days as i32).ok_or(what),
    }
}
