//! What a module answered, copied out of its memory: a module may point anywhere, and reuse that
//! at its next call.

use alloc::vec::Vec;
use core::ffi::{CStr, c_char};
use core::ptr::null_mut;

use libc::{group, passwd};

use crate::errno::Errno;
use crate::record::{Group, Passwd};
use crate::sync::try_extend;

/// A struct that a module fills.
pub(crate) trait Entry: Sized + 'static {
    /// As it is before a call.
    const EMPTY: Self;
    /// Its copy.
    type Kept;

    /// Copies it.
    ///
    /// # Safety
    ///
    /// All that it points to is as the struct's man page says, or null.
    unsafe fn keep(&self) -> Result<Self::Kept, Errno>;
}

/// A user from a module.
pub(crate) struct KeptPasswd {
    name: Vec<u8>,
    passwd: Vec<u8>,
    uid: u32,
    gid: u32,
    gecos: Vec<u8>,
    dir: Vec<u8>,
    shell: Vec<u8>,
}

impl KeptPasswd {
    /// As a row.
    pub(crate) fn row(&self) -> Passwd<'_> {
        Passwd {
            name: &self.name,
            passwd: &self.passwd,
            uid: self.uid,
            gid: self.gid,
            gecos: &self.gecos,
            dir: &self.dir,
            shell: &self.shell,
            line: b"",
        }
    }
}

impl Entry for passwd {
    const EMPTY: Self = Self {
        pw_name: null_mut(),
        pw_passwd: null_mut(),
        pw_uid: 0,
        pw_gid: 0,
        pw_gecos: null_mut(),
        pw_dir: null_mut(),
        pw_shell: null_mut(),
    };
    type Kept = KeptPasswd;

    unsafe fn keep(&self) -> Result<KeptPasswd, Errno> {
        let copy = |text: *mut c_char| {
            let mut copied = Vec::new();
            // SAFETY: the contract of this function.
            unsafe { append(&mut copied, text) }.map(|()| copied)
        };
        Ok(KeptPasswd {
            name: copy(self.pw_name)?,
            passwd: copy(self.pw_passwd)?,
            uid: self.pw_uid,
            gid: self.pw_gid,
            gecos: copy(self.pw_gecos)?,
            dir: copy(self.pw_dir)?,
            shell: copy(self.pw_shell)?,
        })
    }
}

/// A group from a module.
pub(crate) struct KeptGroup {
    name: Vec<u8>,
    passwd: Vec<u8>,
    gid: u32,
    /// Each name ends in NUL.
    members: Vec<u8>,
}

impl KeptGroup {
    /// As a row.
    pub(crate) fn row(&self) -> Group<'_> {
        Group {
            name: &self.name,
            passwd: &self.passwd,
            gid: self.gid,
            member_list: &self.members,
            line: b"",
        }
    }
}

impl Entry for group {
    const EMPTY: Self =
        Self { gr_name: null_mut(), gr_passwd: null_mut(), gr_gid: 0, gr_mem: null_mut() };
    type Kept = KeptGroup;

    unsafe fn keep(&self) -> Result<KeptGroup, Errno> {
        let (mut name, mut passwd, mut members) = (Vec::new(), Vec::new(), Vec::new());
        // SAFETY: the contract of this function.
        unsafe { append(&mut name, self.gr_name) }?;
        // SAFETY: as above.
        unsafe { append(&mut passwd, self.gr_passwd) }?;
        // SAFETY: as above: an array of C strings that ends in null.
        unsafe { append_each(&mut members, self.gr_mem) }?;
        Ok(KeptGroup { name, passwd, gid: self.gr_gid, members })
    }
}

/// Of a database that no module is asked for.
pub(crate) struct Nothing;

impl Entry for Nothing {
    const EMPTY: Self = Self;
    type Kept = Self;

    unsafe fn keep(&self) -> Result<Self, Errno> {
        Ok(Self)
    }
}

/// Adds a C string without its NUL; nothing for a null pointer, which not every module avoids.
///
/// # Safety
///
/// `text` is null or a C string.
pub(super) unsafe fn append(to: &mut Vec<u8>, text: *const c_char) -> Result<(), Errno> {
    if text.is_null() {
        return Ok(());
    }
    // SAFETY: not null, so a C string by the contract.
    try_extend(to, unsafe { CStr::from_ptr(text) }.to_bytes())
}

/// Adds the strings of an array, each with its NUL.
///
/// # Safety
///
/// `list` is null or an array of C strings that ends in null.
pub(super) unsafe fn append_each(to: &mut Vec<u8>, list: *const *mut c_char) -> Result<(), Errno> {
    let mut at = list;
    while !at.is_null() {
        // SAFETY: not past the array's end, which was not seen yet.
        let text = unsafe { *at };
        if text.is_null() {
            break;
        }
        // SAFETY: an element before the end is a C string.
        try_extend(to, unsafe { CStr::from_ptr(text) }.to_bytes_with_nul())?;
        // SAFETY: this element was not the end, so there is another.
        at = unsafe { at.add(1) };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_pointers_are_empty_fields() {
        // SAFETY: it points nowhere.
        let kept = unsafe { passwd::EMPTY.keep() }.unwrap();
        let row = kept.row();
        assert!([row.name, row.passwd, row.gecos, row.dir, row.shell].iter().all(|f| f.is_empty()));
        // SAFETY: as above.
        let kept = unsafe { group::EMPTY.keep() }.unwrap();
        assert_eq!(kept.row().members().count(), 0);
    }

    #[test]
    fn members_stay_apart_whatever_their_names_hold() {
        let mut list = [c"a,b", c" c", c"", c"d"].map(|name| name.as_ptr().cast_mut()).to_vec();
        list.push(null_mut());
        let entry = group { gr_gid: 7, gr_mem: list.as_mut_ptr(), ..group::EMPTY };
        // SAFETY: an array of C strings that ends in null.
        let kept = unsafe { entry.keep() }.unwrap();
        let members: Vec<&[u8]> = kept.row().members().collect();
        assert_eq!(members, [&b"a,b"[..], b" c", b"d"], "an empty name names nobody");
        assert_eq!(kept.row().gid, 7);
    }
}
