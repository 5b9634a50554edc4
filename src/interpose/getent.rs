//! The passwd, group and shadow families: by name, by id, set/get/end, with and without `_r`.

use core::ffi::{c_char, c_int};
use core::ptr::null_mut;

use libc::{gid_t, group, passwd, size_t, spwd, uid_t};

use super::{call_next, interpose};
use crate::config::Config;
use crate::db::key::Key;
use crate::db::{Database, Group, Passwd, Shadow, Status};
use crate::resolve::{self, Interposed, LibcFunctions, cursor};
use crate::rt::errno::{Errno, ErrnoGuard};
use crate::rt::out_buf::{OutBuf, Place, c_bytes};
use crate::rt::thread::Call;

/// Ends a `_r` function: stores the result pointer, and gives what the function returns, `missing` if there is no row;
/// `None` if the next definition is to be called.
#[inline(always)]
fn finish_r<C>(
    status: Result<Status, Errno>,
    out: &OutBuf<'_, C>,
    mut found: Place<'_, *mut C>,
    missing: c_int,
) -> Option<c_int> {
    let (row, code) = match status {
        Ok(Status::Found(())) => (out.row(), 0),
        Ok(Status::NotFound) => (null_mut(), missing),
        Ok(Status::Pass) => return None,
        Err(error) => (null_mut(), error.get()),
    };
    found.set(row);
    Some(code)
}

/// `getXnam_r` and `getXid_r`: gives what [`finish_r`] gives, 0 if there is no row.
#[inline(always)]
fn find_r<D: Interposed>(
    key: Key<'_>,
    out: &mut OutBuf<'_, D::C>,
    found: Place<'_, *mut D::C>,
) -> Option<c_int> {
    let _guard = ErrnoGuard::new();
    let status = match resolve::configured::<D>() {
        Ok(Some(config)) => match Call::enter() {
            Ok(mut call) => resolve::find::<D>(config, &mut call, &key, out),
            Err(error) => Err(error),
        },
        // Without `Call::enter`, which may allocate memory for the thread.
        Ok(None) => Ok(Status::Pass),
        Err(error) => Err(error),
    };
    finish_r(status, out, found, 0)
}

/// `getXent_r`: gives what [`finish_r`] gives, `ENOENT` at the end.
fn next_r<D: Interposed>(out: &mut OutBuf<'_, D::C>, found: Place<'_, *mut D::C>) -> Option<c_int> {
    let _guard = ErrnoGuard::new();
    let status = match resolve::configured::<D>() {
        Ok(Some(_)) => Call::enter().and_then(|mut call| cursor::next::<D>(&mut call, out)),
        Ok(None) => Ok(Status::Pass),
        Err(error) => Err(error),
    };
    finish_r(status, out, found, libc::ENOENT)
}

/// Answers a function without `_r` with a row in the calling thread's memory; `None` if the next definition is to be
/// called.
fn answer_static<D: Database>(
    ask: impl Fn(&'static Config, &mut Call, &mut OutBuf<'_, D::C>) -> Result<Status, Errno>,
) -> Option<*mut D::C> {
    let guard = ErrnoGuard::new();
    let answer = match resolve::configured::<D>() {
        Ok(Some(config)) => Call::enter().and_then(|mut call| {
            static_row::<D>(&mut call, &mut |call, out| ask(config, call, out))
        }),
        Ok(None) => return None,
        Err(error) => Err(error),
    };
    drop(guard);
    answer.unwrap_or_else(|error| {
        error.set();
        Some(null_mut())
    })
}

/// The row in the thread's memory, which grows as long as it is too small; null if there is no row, and `None` if the
/// next definition is to be called.
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
            Ok(Status::Found(())) => return Ok(Some(row)),
            Ok(Status::NotFound) => return Ok(Some(null_mut())),
            Ok(Status::Pass) => return Ok(None),
        }
    }
}

/// `setXent`: true if libc's enumeration is to be begun too. After an error the next `getXent` begins ours.
pub(super) fn set<D: Interposed>() -> bool {
    let _guard = ErrnoGuard::new();
    cursor::set::<D>() == Ok(true)
}

/// `endXent`: true if libc's enumeration is to be ended too.
pub(super) fn end<D: Database>() -> bool {
    let _guard = ErrnoGuard::new();
    cursor::end::<D>() == Ok(true)
}

/// Declares the functions of each database: by name, by id if its rows have one, and for all rows.
macro_rules! getent {
    ($(
        $row:ident in $database:ident:
        $name_r:ident $name:ident, $(by $id_type:ident $id_r:ident $id:ident,)?
        all $next_r:ident $next:ident $set:ident $end:ident;
    )*) => {
        $(impl Interposed for $database {
            fn libc() -> LibcFunctions<$row> {
                LibcFunctions {
                    by_id_r: None$(.or(Some(&NEXT.$id_r)))?,
                    next_r: Some(&NEXT.$next_r),
                    next: Some(&NEXT.$next),
                }
            }
        })*

        interpose! {$(
            /// By name, getpwnam_r(3): 0 and null if there is no such row, `ERANGE` for a short buffer.
            fn $name_r(
                name: *const c_char, out: *mut $row, buf: *mut c_char, len: size_t,
                found: *mut *mut $row,
            ) -> c_int as libc {
                // SAFETY: POSIX has the caller promise a C string, until the function returns.
                let key = unsafe { c_bytes(name) };
                let Some(key) = key else { return libc::EINVAL };
                // SAFETY: POSIX has the caller promise room for a row, and `len` bytes at `buf`.
                let mut room = unsafe { OutBuf::new(out, buf, len) };
                // SAFETY: POSIX has the caller promise room for a pointer.
                let place = unsafe { Place::new(found) };
                find_r::<$database>(Key::name(key), &mut room, place)
                    .unwrap_or_else(|| call_next!($name_r(name, out, buf, len, found) or libc::ENOSYS))
            }

            /// By name, getpwnam(3), with a result in the calling thread's memory.
            fn $name(name: *const c_char) -> *mut $row as libc {
                // SAFETY: POSIX has the caller promise a C string, until the function returns.
                let key = unsafe { c_bytes(name) };
                let Some(key) = key else { return null_mut() };
                answer_static::<$database>(|config, call, out| {
                    resolve::find::<$database>(config, call, &Key::name(key), out)
                })
                    .unwrap_or_else(|| call_next!($name(name) or null_mut()))
            }

            $(
                /// By id, getpwuid_r(3): like getpwnam_r.
                fn $id_r(
                    id: $id_type, out: *mut $row, buf: *mut c_char, len: size_t,
                    found: *mut *mut $row,
                ) -> c_int as libc {
                    // SAFETY: POSIX has the caller promise room for a row, and `len` bytes at `buf`.
                    let mut room = unsafe { OutBuf::new(out, buf, len) };
                    // SAFETY: POSIX has the caller promise room for a pointer.
                    let place = unsafe { Place::new(found) };
                    find_r::<$database>(Key::id(id), &mut room, place)
                        .unwrap_or_else(|| call_next!($id_r(id, out, buf, len, found) or libc::ENOSYS))
                }

                /// By id, getpwuid(3), with a result in the calling thread's memory.
                fn $id(id: $id_type) -> *mut $row as libc {
                    answer_static::<$database>(|config, call, out| {
                        resolve::find::<$database>(config, call, &Key::id(id), out)
                    })
                        .unwrap_or_else(|| call_next!($id(id) or null_mut()))
                }
            )?

            /// The next row, getpwent_r(3): `ENOENT` at the end.
            fn $next_r(
                out: *mut $row, buf: *mut c_char, len: size_t, found: *mut *mut $row,
            ) -> c_int as libc {
                // SAFETY: getpwent_r(3) has the caller promise room for a row, and `len` bytes at `buf`.
                let mut room = unsafe { OutBuf::new(out, buf, len) };
                // SAFETY: getpwent_r(3) has the caller promise room for a pointer.
                let place = unsafe { Place::new(found) };
                next_r::<$database>(&mut room, place)
                    .unwrap_or_else(|| call_next!($next_r(out, buf, len, found) or libc::ENOSYS))
            }

            /// The next row, getpwent(3), with a result in the calling thread's memory.
            fn $next() -> *mut $row as libc {
                answer_static::<$database>(|_, call, out| cursor::next::<$database>(call, out))
                    .unwrap_or_else(|| call_next!($next() or null_mut()))
            }

            /// setpwent(3): keeps the file's present snapshot.
            fn $set() as libc {
                if set::<$database>() {
                    call_next!($set() or ());
                }
            }

            /// endpwent(3): gives up that snapshot.
            fn $end() as libc {
                if end::<$database>() {
                    call_next!($end() or ());
                }
            }
        )*}
    };
}

getent! {
    passwd in Passwd: getpwnam_r getpwnam, by uid_t getpwuid_r getpwuid,
        all getpwent_r getpwent setpwent endpwent;
    group in Group: getgrnam_r getgrnam, by gid_t getgrgid_r getgrgid,
        all getgrent_r getgrent setgrent endgrent;
    spwd in Shadow: getspnam_r getspnam, all getspent_r getspent setspent endspent;
}
