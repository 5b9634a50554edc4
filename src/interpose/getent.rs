//! The passwd, group and shadow families: by name, by id, set/get/end, with and without `_r`.

use core::ffi::{c_char, c_int};
use core::ptr::null_mut;

use libc::{gid_t, group, passwd, size_t, spwd, uid_t};

use super::{call_next, interpose};
use crate::db::key::Key;
use crate::db::{Database, Group, Passwd, Shadow};
use crate::resolve::{self, Libc, LibcFamily, Status, cursor};
use crate::rt::errno::{Errno, ErrnoGuard};
use crate::rt::out_buf::{OutBuf, c_bytes};
use crate::rt::thread::Call;

/// libc's functions of users.
pub(super) const PASSWD: Libc<passwd> = Libc { family: passwd_family, users: passwd_family };
/// libc's functions of groups.
pub(super) const GROUP: Libc<group> = Libc {
    family: || LibcFamily {
        by_id_r: Some(&NEXT.getgrgid_r),
        next_r: Some(&NEXT.getgrent_r),
        next: Some(&NEXT.getgrent),
    },
    users: passwd_family,
};
/// libc's functions of shadow entries.
pub(super) const SHADOW: Libc<spwd> = Libc {
    family: || LibcFamily {
        by_id_r: None,
        next_r: Some(&NEXT.getspent_r),
        next: Some(&NEXT.getspent),
    },
    users: passwd_family,
};

fn passwd_family() -> LibcFamily<passwd> {
    LibcFamily {
        by_id_r: Some(&NEXT.getpwuid_r),
        next_r: Some(&NEXT.getpwent_r),
        next: Some(&NEXT.getpwent),
    }
}

/// Ends a `_r` function: stores the result pointer and says what it returns; `None` to call on. `missing`
/// is returned for what is not there.
///
/// # Safety
///
/// `found` is valid for a write.
#[inline(always)]
unsafe fn finish_r<C>(
    status: Result<Status, Errno>,
    out: &OutBuf<'_, C>,
    found: *mut *mut C,
    missing: c_int,
) -> Option<c_int> {
    let (row, code) = match status {
        Ok(Status::Found) => (out.row(), 0),
        Ok(Status::NotFound) => (null_mut(), missing),
        Ok(Status::Pass) => return None,
        Err(error) => (null_mut(), error.get()),
    };
    // SAFETY: valid for a write: the caller's word.
    unsafe { found.write(row) };
    Some(code)
}

/// `getXnam_r` and `getXid_r`: as [`finish_r`], with 0 for what is not there.
///
/// # Safety
///
/// `found` is valid for a write.
#[inline(always)]
unsafe fn find_r<D: Database>(
    key: Key<'_>,
    out: &mut OutBuf<'_, D::C>,
    found: *mut *mut D::C,
    libc: Libc<D::C>,
) -> Option<c_int> {
    let _guard = ErrnoGuard::new();
    let status = match resolve::is_ours::<D>() {
        Ok(true) => match Call::enter() {
            Ok(mut call) => resolve::find::<D>(&mut call, key, out, libc),
            Err(error) => Err(error),
        },
        // The thread is given nothing of ours.
        Ok(false) => Ok(Status::Pass),
        Err(error) => Err(error),
    };
    // SAFETY: valid for a write: the caller's word.
    unsafe { finish_r(status, out, found, 0) }
}

/// The same for callers whose way may be a little longer: one copy of the code for all of them.
#[inline(never)]
pub(super) fn find<D: Database>(
    call: &mut Call,
    key: Key<'_>,
    out: &mut OutBuf<'_, D::C>,
    libc: Libc<D::C>,
) -> Result<Status, Errno> {
    resolve::find::<D>(call, key, out, libc)
}

/// `getXent_r`: as [`finish_r`], with `ENOENT` at the end.
///
/// # Safety
///
/// `found` is valid for a write.
unsafe fn next_r<D: Database>(
    out: &mut OutBuf<'_, D::C>,
    found: *mut *mut D::C,
    libc: Libc<D::C>,
) -> Option<c_int> {
    let _guard = ErrnoGuard::new();
    let status = match resolve::is_ours::<D>() {
        Ok(true) => Call::enter().and_then(|mut call| cursor::next::<D>(&mut call, out, libc)),
        Ok(false) => Ok(Status::Pass),
        Err(error) => Err(error),
    };
    // SAFETY: valid for a write: the caller's word.
    unsafe { finish_r(status, out, found, libc::ENOENT) }
}

/// Answers a function without `_r` from the calling thread's own memory; `None` to call on.
fn answer_static<D: Database>(
    mut ask: impl FnMut(&mut Call, &mut OutBuf<'_, D::C>) -> Result<Status, Errno>,
) -> Option<*mut D::C> {
    let guard = ErrnoGuard::new();
    if resolve::is_ours::<D>() == Ok(false) {
        return None;
    }
    let answer = Call::enter().and_then(|mut call| static_row::<D>(&mut call, &mut ask));
    drop(guard);
    answer.unwrap_or_else(|error| {
        error.set();
        Some(null_mut())
    })
}

/// The row in the thread's memory, which grows for as long as it is too small; null for what is not there,
/// and `None` for what is not ours.
pub(super) fn static_row<D: Database>(
    call: &mut Call,
    ask: &mut impl FnMut(&mut Call, &mut OutBuf<'_, D::C>) -> Result<Status, Errno>,
) -> Result<Option<*mut D::C>, Errno> {
    let result = D::static_result(call.level());
    if result.memory().1.is_null() {
        result.grow()?;
    }
    loop {
        let (row, buffer, len) = result.memory();
        // SAFETY: memory of the call's level, which no other call of the thread uses meanwhile.
        let mut out = unsafe { OutBuf::new(row, buffer.cast(), len) };
        match ask(call, &mut out) {
            Err(Errno::ERANGE) => result.grow()?,
            Err(error) => return Err(error),
            Ok(Status::Found) => return Ok(Some(row)),
            Ok(Status::NotFound) => return Ok(Some(null_mut())),
            Ok(Status::Pass) => return Ok(None),
        }
    }
}

/// `setXent`: true if libc's enumeration is to be begun too. After an error the next row begins anew.
fn set<D: Database>(libc: Libc<D::C>) -> bool {
    let _guard = ErrnoGuard::new();
    cursor::set::<D>(libc) == Ok(true)
}

/// `endXent`: true if libc's enumeration is to be ended too.
fn end<D: Database>() -> bool {
    let _guard = ErrnoGuard::new();
    cursor::end::<D>() == Ok(true)
}

interpose! {
    /// `getpwnam_r(3)`: 0 and null for a name that is not there, `ERANGE` for a short buffer: POSIX.
    fn getpwnam_r(
        name: *const c_char, out: *mut passwd, buf: *mut c_char, len: size_t, found: *mut *mut passwd,
    ) -> c_int as libc {
        // SAFETY: POSIX has the caller promise a C string, until the function returns.
        let Some(key) = (unsafe { c_bytes(name) }) else { return libc::EINVAL };
        // SAFETY: POSIX has the caller promise room for a row, and `len` bytes at `buf`.
        let mut room = unsafe { OutBuf::new(out, buf, len) };
        let key = Key::name(key);
        // SAFETY: POSIX has the caller promise room for a pointer.
        unsafe { find_r::<Passwd>(key, &mut room, found, PASSWD) }
            .unwrap_or_else(|| call_next!(getpwnam_r(name, out, buf, len, found) or libc::ENOSYS))
    }

    /// `getpwuid_r(3)`: like `getpwnam_r`.
    fn getpwuid_r(
        id: uid_t, out: *mut passwd, buf: *mut c_char, len: size_t, found: *mut *mut passwd,
    ) -> c_int as libc {
        // SAFETY: POSIX has the caller promise room for a row, and `len` bytes at `buf`.
        let mut room = unsafe { OutBuf::new(out, buf, len) };
        let key = Key::id(id);
        // SAFETY: POSIX has the caller promise room for a pointer.
        unsafe { find_r::<Passwd>(key, &mut room, found, PASSWD) }
            .unwrap_or_else(|| call_next!(getpwuid_r(id, out, buf, len, found) or libc::ENOSYS))
    }

    /// `getpwent_r(3)`: `ENOENT` at the end.
    fn getpwent_r(
        out: *mut passwd, buf: *mut c_char, len: size_t, found: *mut *mut passwd,
    ) -> c_int as libc {
        // SAFETY: the man page has the caller promise room for a row, and `len` bytes at `buf`.
        let mut room = unsafe { OutBuf::new(out, buf, len) };
        // SAFETY: the man page has the caller promise room for a pointer.
        unsafe { next_r::<Passwd>(&mut room, found, PASSWD) }
            .unwrap_or_else(|| call_next!(getpwent_r(out, buf, len, found) or libc::ENOSYS))
    }

    /// `getpwnam(3)`, with a result of the calling thread's own.
    fn getpwnam(name: *const c_char) -> *mut passwd as libc {
        // SAFETY: POSIX has the caller promise a C string, until the function returns.
        let Some(key) = (unsafe { c_bytes(name) }) else { return null_mut() };
        answer_static::<Passwd>(|call, out| find::<Passwd>(call, Key::name(key), out, PASSWD))
            .unwrap_or_else(|| call_next!(getpwnam(name) or null_mut()))
    }

    /// `getpwuid(3)`, with a result of the calling thread's own.
    fn getpwuid(id: uid_t) -> *mut passwd as libc {
        answer_static::<Passwd>(|call, out| find::<Passwd>(call, Key::id(id), out, PASSWD))
            .unwrap_or_else(|| call_next!(getpwuid(id) or null_mut()))
    }

    /// `getpwent(3)`, with a result of the calling thread's own.
    fn getpwent() -> *mut passwd as libc {
        answer_static::<Passwd>(|call, out| cursor::next::<Passwd>(call, out, PASSWD))
            .unwrap_or_else(|| call_next!(getpwent() or null_mut()))
    }

    /// `setpwent(3)`: pins what the file holds now.
    fn setpwent() as libc {
        if set::<Passwd>(PASSWD) {
            call_next!(setpwent() or ());
        }
    }

    /// `endpwent(3)`: lets go of what was pinned.
    fn endpwent() as libc {
        if end::<Passwd>() {
            call_next!(endpwent() or ());
        }
    }

    /// `getgrnam_r(3)`: like `getpwnam_r`.
    fn getgrnam_r(
        name: *const c_char, out: *mut group, buf: *mut c_char, len: size_t, found: *mut *mut group,
    ) -> c_int as libc {
        // SAFETY: POSIX has the caller promise a C string, until the function returns.
        let Some(key) = (unsafe { c_bytes(name) }) else { return libc::EINVAL };
        // SAFETY: POSIX has the caller promise room for a row, and `len` bytes at `buf`.
        let mut room = unsafe { OutBuf::new(out, buf, len) };
        let key = Key::name(key);
        // SAFETY: POSIX has the caller promise room for a pointer.
        unsafe { find_r::<Group>(key, &mut room, found, GROUP) }
            .unwrap_or_else(|| call_next!(getgrnam_r(name, out, buf, len, found) or libc::ENOSYS))
    }

    /// `getgrgid_r(3)`: like `getpwnam_r`.
    fn getgrgid_r(
        id: gid_t, out: *mut group, buf: *mut c_char, len: size_t, found: *mut *mut group,
    ) -> c_int as libc {
        // SAFETY: POSIX has the caller promise room for a row, and `len` bytes at `buf`.
        let mut room = unsafe { OutBuf::new(out, buf, len) };
        let key = Key::id(id);
        // SAFETY: POSIX has the caller promise room for a pointer.
        unsafe { find_r::<Group>(key, &mut room, found, GROUP) }
            .unwrap_or_else(|| call_next!(getgrgid_r(id, out, buf, len, found) or libc::ENOSYS))
    }

    /// `getgrent_r(3)`: `ENOENT` at the end.
    fn getgrent_r(
        out: *mut group, buf: *mut c_char, len: size_t, found: *mut *mut group,
    ) -> c_int as libc {
        // SAFETY: the man page has the caller promise room for a row, and `len` bytes at `buf`.
        let mut room = unsafe { OutBuf::new(out, buf, len) };
        // SAFETY: the man page has the caller promise room for a pointer.
        unsafe { next_r::<Group>(&mut room, found, GROUP) }
            .unwrap_or_else(|| call_next!(getgrent_r(out, buf, len, found) or libc::ENOSYS))
    }

    /// `getgrnam(3)`, with a result of the calling thread's own.
    fn getgrnam(name: *const c_char) -> *mut group as libc {
        // SAFETY: POSIX has the caller promise a C string, until the function returns.
        let Some(key) = (unsafe { c_bytes(name) }) else { return null_mut() };
        answer_static::<Group>(|call, out| find::<Group>(call, Key::name(key), out, GROUP))
            .unwrap_or_else(|| call_next!(getgrnam(name) or null_mut()))
    }

    /// `getgrgid(3)`, with a result of the calling thread's own.
    fn getgrgid(id: gid_t) -> *mut group as libc {
        answer_static::<Group>(|call, out| find::<Group>(call, Key::id(id), out, GROUP))
            .unwrap_or_else(|| call_next!(getgrgid(id) or null_mut()))
    }

    /// `getgrent(3)`, with a result of the calling thread's own.
    fn getgrent() -> *mut group as libc {
        answer_static::<Group>(|call, out| cursor::next::<Group>(call, out, GROUP))
            .unwrap_or_else(|| call_next!(getgrent() or null_mut()))
    }

    /// `setgrent(3)`: pins what the file holds now.
    fn setgrent() as libc {
        if set::<Group>(GROUP) {
            call_next!(setgrent() or ());
        }
    }

    /// `endgrent(3)`: lets go of what was pinned.
    fn endgrent() as libc {
        if end::<Group>() {
            call_next!(endgrent() or ());
        }
    }

    /// `getspnam_r(3)`: like `getpwnam_r`.
    fn getspnam_r(
        name: *const c_char, out: *mut spwd, buf: *mut c_char, len: size_t, found: *mut *mut spwd,
    ) -> c_int as libc {
        // SAFETY: the man page has the caller promise a C string, until the function returns.
        let Some(key) = (unsafe { c_bytes(name) }) else { return libc::EINVAL };
        // SAFETY: the man page has the caller promise room for a row, and `len` bytes at `buf`.
        let mut room = unsafe { OutBuf::new(out, buf, len) };
        let key = Key::name(key);
        // SAFETY: the man page has the caller promise room for a pointer.
        unsafe { find_r::<Shadow>(key, &mut room, found, SHADOW) }
            .unwrap_or_else(|| call_next!(getspnam_r(name, out, buf, len, found) or libc::ENOSYS))
    }

    /// `getspent_r(3)`: `ENOENT` at the end.
    fn getspent_r(
        out: *mut spwd, buf: *mut c_char, len: size_t, found: *mut *mut spwd,
    ) -> c_int as libc {
        // SAFETY: the man page has the caller promise room for a row, and `len` bytes at `buf`.
        let mut room = unsafe { OutBuf::new(out, buf, len) };
        // SAFETY: the man page has the caller promise room for a pointer.
        unsafe { next_r::<Shadow>(&mut room, found, SHADOW) }
            .unwrap_or_else(|| call_next!(getspent_r(out, buf, len, found) or libc::ENOSYS))
    }

    /// `getspnam(3)`, with a result of the calling thread's own.
    fn getspnam(name: *const c_char) -> *mut spwd as libc {
        // SAFETY: the man page has the caller promise a C string, until the function returns.
        let Some(key) = (unsafe { c_bytes(name) }) else { return null_mut() };
        answer_static::<Shadow>(|call, out| find::<Shadow>(call, Key::name(key), out, SHADOW))
            .unwrap_or_else(|| call_next!(getspnam(name) or null_mut()))
    }

    /// `getspent(3)`, with a result of the calling thread's own.
    fn getspent() -> *mut spwd as libc {
        answer_static::<Shadow>(|call, out| cursor::next::<Shadow>(call, out, SHADOW))
            .unwrap_or_else(|| call_next!(getspent() or null_mut()))
    }

    /// `setspent(3)`: pins what the file holds now.
    fn setspent() as libc {
        if set::<Shadow>(SHADOW) {
            call_next!(setspent() or ());
        }
    }

    /// `endspent(3)`: lets go of what was pinned.
    fn endspent() as libc {
        if end::<Shadow>() {
            call_next!(endspent() or ());
        }
    }
}
