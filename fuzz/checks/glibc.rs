//! What glibc's `fgetpwent_r` and its kin make of the same bytes.

use core::ffi::{CStr, c_char, c_int};
use core::mem::MaybeUninit;
use core::ptr::null_mut;

use crate::record::{Group, Passwd, Shadow};
use crate::store::{Groups, Lines, Passwds, Shadows};

/// A row's text fields, its numbers, and its list.
pub(super) type Owned = (Vec<Vec<u8>>, Vec<u64>, Vec<Vec<u8>>);

type Next<T> =
    unsafe extern "C" fn(*mut libc::FILE, *mut T, *mut c_char, usize, *mut *mut T) -> c_int;

/// A database that glibc can read from a stream.
pub(super) trait Reader: Lines {
    /// The struct.
    type C;
    /// The function.
    const NEXT: Next<Self::C>;
    /// One of our rows, to compare.
    fn owned(row: Self::Row<'_>) -> Owned;
    /// One of C's.
    ///
    /// # Safety
    ///
    /// What `row` points to is as the function left it.
    unsafe fn copied(row: &Self::C) -> Owned;

    /// All rows but the exceptions that `src/parse/mod.rs` names; `None` where a NUL byte makes
    /// glibc see other lines. The last line is given a newline, without which glibc misreads it.
    fn read(data: &[u8]) -> Option<Vec<Owned>> {
        if data.contains(&0) {
            return None;
        }
        let data = [data, b"\n"].concat();
        let (mut rows, mut buf) = (Vec::new(), vec![0_u8; 1024 + 10 * data.len()]);
        // SAFETY: the stream reads `data.len()` bytes, and is closed before `data` is gone.
        let file =
            unsafe { libc::fmemopen(data.as_ptr().cast_mut().cast(), data.len(), c"r".as_ptr()) };
        assert!(!file.is_null());
        loop {
            let mut row = MaybeUninit::<Self::C>::uninit();
            let mut found = null_mut();
            // SAFETY: all are valid for writes, the buffer for its length.
            let rc = unsafe {
                Self::NEXT(
                    file,
                    row.as_mut_ptr(),
                    buf.as_mut_ptr().cast(),
                    buf.len(),
                    &raw mut found,
                )
            };
            if rc != 0 {
                assert_eq!(rc, libc::ENOENT, "glibc reads to the end");
                break;
            }
            // SAFETY: 0 means that the row is filled.
            let row = unsafe { &*found };
            // SAFETY: its text is in the buffer.
            let row = unsafe { Self::copied(row) };
            if !matches!(row.0[0].first(), Some(b'+' | b'-')) {
                rows.push(row);
            }
        }
        // SAFETY: opened above.
        unsafe { libc::fclose(file) };
        Some(rows)
    }
}

/// # Safety
///
/// `text` is null or a C string.
pub(super) unsafe fn text(text: *const c_char) -> Vec<u8> {
    if text.is_null() {
        return Vec::new();
    }
    // SAFETY: not null, so a C string.
    unsafe { CStr::from_ptr(text) }.to_bytes().to_vec()
}

impl Reader for Passwds {
    type C = libc::passwd;
    const NEXT: Next<libc::passwd> = libc::fgetpwent_r;

    fn owned(row: Passwd<'_>) -> Owned {
        let texts = [row.name, row.passwd, row.gecos, row.dir, row.shell];
        (texts.map(<[u8]>::to_vec).to_vec(), vec![row.uid.into(), row.gid.into()], Vec::new())
    }

    unsafe fn copied(row: &libc::passwd) -> Owned {
        let texts = [row.pw_name, row.pw_passwd, row.pw_gecos, row.pw_dir, row.pw_shell];
        // SAFETY: by the contract.
        let texts = texts.map(|at| unsafe { text(at) }).to_vec();
        (texts, vec![row.pw_uid.into(), row.pw_gid.into()], Vec::new())
    }
}

impl Reader for Groups {
    type C = libc::group;
    const NEXT: Next<libc::group> = libc::fgetgrent_r;

    fn owned(row: Group<'_>) -> Owned {
        let texts = [row.name, row.passwd].map(<[u8]>::to_vec).to_vec();
        (texts, vec![row.gid.into()], row.members().map(<[u8]>::to_vec).collect())
    }

    unsafe fn copied(row: &libc::group) -> Owned {
        // SAFETY: by the contract.
        let texts = [row.gr_name, row.gr_passwd].map(|at| unsafe { text(at) }).to_vec();
        let mut members = Vec::new();
        let mut at = row.gr_mem;
        // SAFETY: a list that ends in null.
        while let member = unsafe { *at }
            && !member.is_null()
        {
            // SAFETY: a C string, by the contract.
            members.push(unsafe { text(member) });
            // SAFETY: the list goes on until null.
            at = unsafe { at.add(1) };
        }
        (texts, vec![row.gr_gid.into()], members)
    }
}

impl Reader for Shadows {
    type C = libc::spwd;
    const NEXT: Next<libc::spwd> = libc::fgetspent_r;

    fn owned(row: Shadow<'_>) -> Owned {
        let days = [row.last_change, row.min, row.max, row.warn, row.inactive, row.expire];
        let numbers = days.map(i64::cast_unsigned).into_iter().chain([row.flag]).collect();
        ([row.name, row.passwd].map(<[u8]>::to_vec).to_vec(), numbers, Vec::new())
    }

    unsafe fn copied(row: &libc::spwd) -> Owned {
        // SAFETY: by the contract.
        let texts = [row.sp_namp, row.sp_pwdp].map(|at| unsafe { text(at) }).to_vec();
        let days =
            [row.sp_lstchg, row.sp_min, row.sp_max, row.sp_warn, row.sp_inact, row.sp_expire];
        let numbers = days.map(i64::cast_unsigned).into_iter().chain([row.sp_flag]).collect();
        (texts, numbers, Vec::new())
    }
}
