//! The same bytes read by glibc's `fgetpwent_r` and its relatives.

use core::ffi::{CStr, c_char, c_int};
use core::mem::MaybeUninit;
use core::ptr::null_mut;

use super::hosts::list;
use super::naive::{Naive, Owned};
use crate::db::{Group, Passwd, Shadow};

type Next<T> =
    unsafe extern "C" fn(*mut libc::FILE, *mut T, *mut c_char, usize, *mut *mut T) -> c_int;

/// A database that glibc can read from a stream.
pub(super) trait Reader: Naive {
    /// glibc's function that reads the next entry of a stream.
    const NEXT: Next<Self::C>;
    /// A copy of a row in C's struct, to compare.
    ///
    /// # Safety
    ///
    /// What `row` points to is as the function left it.
    unsafe fn copied(row: &Self::C) -> Owned;

    /// All rows but the exceptions that `src/db/fields.rs` names; `None` where a NUL byte makes
    /// glibc see other lines. The last line is given a newline, without which glibc misreads it.
    fn read_file(data: &[u8]) -> Option<Vec<Owned>> {
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

impl Reader for Passwd {
    const NEXT: Next<libc::passwd> = libc::fgetpwent_r;

    unsafe fn copied(row: &libc::passwd) -> Owned {
        let texts = [row.pw_name, row.pw_passwd, row.pw_gecos, row.pw_dir, row.pw_shell];
        // SAFETY: the caller guarantees that these are C strings.
        let texts = texts.map(|at| unsafe { text(at) }).to_vec();
        (texts, vec![row.pw_uid.into(), row.pw_gid.into()], Vec::new())
    }
}

impl Reader for Group {
    const NEXT: Next<libc::group> = libc::fgetgrent_r;

    unsafe fn copied(row: &libc::group) -> Owned {
        // SAFETY: the caller guarantees that these are C strings.
        let texts = [row.gr_name, row.gr_passwd].map(|at| unsafe { text(at) }).to_vec();
        // SAFETY: the caller guarantees a list that ends in null.
        let members = unsafe { list(row.gr_mem) }.into_iter();
        // SAFETY: the caller guarantees that the list has C strings.
        let members = members.map(|at| unsafe { text(at) }).collect();
        (texts, vec![row.gr_gid.into()], members)
    }
}

impl Reader for Shadow {
    const NEXT: Next<libc::spwd> = libc::fgetspent_r;

    unsafe fn copied(row: &libc::spwd) -> Owned {
        // SAFETY: the caller guarantees that these are C strings.
        let texts = [row.sp_namp, row.sp_pwdp].map(|at| unsafe { text(at) }).to_vec();
        let days =
            [row.sp_lstchg, row.sp_min, row.sp_max, row.sp_warn, row.sp_inact, row.sp_expire];
        let numbers = days.map(i128::from).into_iter().chain([row.sp_flag.into()]).collect();
        (texts, numbers, Vec::new())
    }
}
