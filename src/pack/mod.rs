//! Records into the caller's buffer, by the one writer into memory that C lends.
//!
//! Nothing is written past `len` bytes, pointers are aligned whatever the buffer is, and all that a
//! result points to lies in the buffer: getpwnam_r(3).
#![allow(unsafe_code, reason = "writes through pointers that C lends")]

mod host;
mod line;

use core::ffi::c_char;
use core::marker::PhantomData;

use crate::errno::Errno;
use crate::record::{Group, Passwd, Shadow};
pub(crate) use host::{AddressTuple, Entry, tuples_at};

/// Room in a buffer that is taken from the front.
#[derive(Clone)]
pub(crate) struct Packer<'b> {
    next: *mut u8,
    left: usize,
    buffer: PhantomData<&'b mut [u8]>,
}

impl Packer<'_> {
    /// # Safety
    ///
    /// `buf` is valid for writes of `len` bytes for as long as this value and what it makes live.
    pub(crate) unsafe fn new(buf: *mut u8, len: usize) -> Self {
        Self { next: buf, left: len, buffer: PhantomData }
    }

    #[inline(always)]
    fn take(&mut self, size: usize) -> Result<*mut u8, Errno> {
        self.left = self.left.checked_sub(size).ok_or(Errno::ERANGE)?;
        let taken = self.next;
        // SAFETY: `size` was no more than what was left, so this is inside the buffer or its end.
        self.next = unsafe { taken.add(size) };
        Ok(taken)
    }

    /// Bytes as they are.
    fn bytes(&mut self, bytes: &[u8]) -> Result<*mut c_char, Errno> {
        let to = self.take(bytes.len())?;
        // SAFETY: `to` has room for `bytes`, and is the caller's, not ours.
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Ok(to.cast())
    }

    /// A C string.
    #[inline(always)]
    pub(crate) fn string(&mut self, bytes: &[u8]) -> Result<*mut c_char, Errno> {
        let text = self.bytes(bytes)?;
        self.bytes(b"\0")?;
        Ok(text)
    }

    /// Room for `count` values.
    fn array<T>(&mut self, count: usize) -> Result<*mut T, Errno> {
        let size = count.checked_mul(size_of::<T>()).ok_or(Errno::ERANGE)?;
        self.take(self.next.addr().wrapping_neg() % align_of::<T>())?;
        let first = self.take(size)?;
        #[allow(clippy::cast_ptr_alignment, reason = "the line before last has aligned it")]
        let first = first.cast::<T>();
        Ok(first)
    }

    /// A pointer right behind others.
    #[inline(always)]
    fn pointer(&mut self, pointer: *mut c_char) -> Result<(), Errno> {
        let at = self.take(size_of::<*mut c_char>())?;
        #[allow(clippy::cast_ptr_alignment, reason = "what it is behind is aligned")]
        let at = at.cast::<*mut c_char>();
        // SAFETY: taken from the buffer, for this pointer.
        unsafe { at.write(pointer) };
        Ok(())
    }

    /// Room for `count` pointers.
    fn pointers(&mut self, count: usize) -> Result<Pointers, Errno> {
        Ok(Pointers { first: self.array(count)?, count, filled: 0 })
    }
}

/// An array of pointers in the buffer.
struct Pointers {
    first: *mut *mut c_char,
    count: usize,
    filled: usize,
}

impl Pointers {
    fn push(&mut self, pointer: *mut c_char) -> Result<(), Errno> {
        if self.filled == self.count {
            return Err(Errno::ERANGE);
        }
        // SAFETY: `filled < count`, so inside the array.
        let at = unsafe { self.first.add(self.filled) };
        // SAFETY: taken from the buffer, and aligned by `Packer::pointers`.
        unsafe { at.write(pointer) };
        self.filled += 1;
        Ok(())
    }
}

/// A row that has a form in C.
pub(crate) trait Pack {
    /// The struct.
    type C;
    /// The struct, with all that it points to in the packer's buffer; `ERANGE` if that is too small.
    fn pack(&self, into: &mut Packer<'_>) -> Result<Self::C, Errno>;
}

impl Pack for Passwd<'_> {
    type C = libc::passwd;

    #[inline(always)]
    fn pack(&self, into: &mut Packer<'_>) -> Result<libc::passwd, Errno> {
        if let Some(packed) = line::passwd(self, into) {
            return Ok(packed);
        }
        Ok(libc::passwd {
            pw_name: into.string(self.name)?,
            pw_passwd: into.string(self.passwd)?,
            pw_uid: self.uid,
            pw_gid: self.gid,
            pw_gecos: into.string(self.gecos)?,
            pw_dir: into.string(self.dir)?,
            pw_shell: into.string(self.shell)?,
        })
    }
}

impl Pack for Group<'_> {
    type C = libc::group;

    #[inline(always)]
    fn pack(&self, into: &mut Packer<'_>) -> Result<libc::group, Errno> {
        if let Some(packed) = line::group(self, into) {
            return Ok(packed);
        }
        let mut members = into.pointers(self.members().count() + 1)?;
        for name in self.members() {
            members.push(into.string(name)?)?;
        }
        members.push(core::ptr::null_mut())?;
        Ok(libc::group {
            gr_name: into.string(self.name)?,
            gr_passwd: into.string(self.passwd)?,
            gr_gid: self.gid,
            gr_mem: members.first,
        })
    }
}

impl Pack for Shadow<'_> {
    type C = libc::spwd;

    fn pack(&self, into: &mut Packer<'_>) -> Result<libc::spwd, Errno> {
        Ok(libc::spwd {
            sp_namp: into.string(self.name)?,
            sp_pwdp: into.string(self.passwd)?,
            sp_lstchg: self.last_change,
            sp_min: self.min,
            sp_max: self.max,
            sp_warn: self.warn,
            sp_inact: self.inactive,
            sp_expire: self.expire,
            sp_flag: self.flag,
        })
    }
}

/// Writes `row` to `out`, and what it points to to the `len` bytes at `buf`.
///
/// # Safety
///
/// `out` is valid for a write, `buf` for writes of `len` bytes, for as long as the result is used.
#[inline(always)]
pub(crate) unsafe fn pack_at<R: Pack>(
    row: &R,
    out: *mut R::C,
    buf: *mut u8,
    len: usize,
) -> Result<(), Errno> {
    // SAFETY: the caller's promise about `buf`.
    let mut packer = unsafe { Packer::new(buf, len) };
    let packed = row.pack(&mut packer)?;
    // SAFETY: the caller's promise about `out`.
    unsafe { out.write(packed) };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_fits_exactly_or_not_at_all() {
        let line = b"grp:x:5:a,bc";
        let whole = crate::parse::group(line).unwrap().unwrap();
        let apart = Group { name: b"grp", passwd: b"x", gid: 5, member_list: b"a,bc", line: b"" };
        for row in [whole, apart] {
            check(&row);
        }
    }

    fn check(row: &Group<'_>) {
        let mut buf = [0xaa_u8; 128];
        for offset in 0..8 {
            let fits: Vec<bool> = (0..100)
                .map(|len| {
                    let at = buf.as_mut_ptr().wrapping_add(offset);
                    // SAFETY: at most 107 bytes of a buffer of 128.
                    let mut packer = unsafe { Packer::new(at, len) };
                    row.pack(&mut packer).is_ok()
                })
                .collect();
            let least = fits.iter().position(|&ok| ok).unwrap();
            assert!(fits[least..].iter().all(|&ok| ok));
            let padding = buf.as_ptr().wrapping_add(offset).addr().wrapping_neg() % 8;
            assert_eq!(least, padding + 3 * 8 + "a\0bc\0grp\0x\0".len());
        }
    }
}
