//! The passwd, group and shadow families: by name, by id, set/get/end, with and without `_r`.

use core::ffi::{c_char, c_int};
use core::ptr::null_mut;

use libc::{gid_t, group, passwd, size_t, spwd, uid_t};

use super::{call_next, interpose};
use crate::config::Config;
use crate::db::key::Key;
use crate::db::{Database, Group, Passwd, Shadow, Status};
use crate::resolve::cursor::{self, Asker};
use crate::resolve::{self, Interposed, LibcFunctions, Question};
use crate::rt::errno::{Errno, ErrnoGuard};
use crate::rt::memory::ScratchBuf;
use crate::rt::out_buf::{OutBuf, Place, c_bytes};
use crate::rt::static_result::{StaticResult, StaticResults};
use crate::rt::thread::Call;

/// Answers a `_r` function: stores the result pointer, and gives what the function returns, `missing` if there is no
/// row; `None` if the next definition is to be called.
///
/// # Safety
///
/// Until the exported function returns `out` and `found` are valid for writes, and so are `len` bytes at `buf`.
#[inline(always)]
unsafe fn answer_r<D: Interposed>(
    out: *mut D::C,
    buf: *mut c_char,
    len: size_t,
    found: *mut *mut D::C,
    missing: c_int,
    question: &Question<'_>,
) -> Option<c_int> {
    // SAFETY: the caller promises that the row and the buffer are valid for writes for as long.
    let mut out = unsafe { OutBuf::new(out, buf, len) };
    // SAFETY: the caller promises that it is valid for writes for as long.
    let mut found = unsafe { Place::new(found) };
    let mut guard = ErrnoGuard::new();
    let answer = match resolve::configured::<D>() {
        Ok(Some(config)) => {
            Call::enter().and_then(|mut call| question.answer::<D>(config, &mut call, &mut out))
        }
        Ok(None) => return None,
        Err(error) => Err(error),
    };
    let (row, code) = match answer {
        Ok(Status::Found(())) => (out.row(), 0),
        Ok(Status::NotFound) => (null_mut(), missing),
        Ok(Status::Pass) => return None,
        Err(error) => {
            // As in glibc: PAM takes a larger buffer only if errno says ERANGE.
            guard.leave(error);
            (null_mut(), error.get())
        }
    };
    found.set(row);
    Some(code)
}

/// Answers a function without `_r`, whose results are `own`; `None` if the next definition is to be called.
fn answer_static<D: Interposed>(own: Own<D::C>, question: &Question<'_>) -> Option<*mut D::C> {
    let name = match question {
        Question::Row(key) => key.text(),
        Question::Next(_) => None,
    };
    let answer = static_row::<D>(own, name.unwrap_or_default(), |config, call, out, copy| {
        let of_copy = copy.map(|name| Question::Row(Key::name(name)));
        of_copy.as_ref().unwrap_or(question).answer::<D>(config, call, out)
    });
    answer.unwrap_or_else(|error| {
        error.set();
        Some(null_mut())
    })
}

/// Which of the results of a database's functions are a function's own.
pub(super) type Own<C> = fn(&StaticResults<C>) -> &StaticResult<C>;

/// The row in the calling thread's memory, which grows as long as it is too small; null if there is no row, and `None`
/// if the next definition is to be called. `ask` gets a copy of the name if that is a part of the function's last
/// result, which is overwritten: programs ask for `host->h_name` to get all of its addresses.
pub(super) fn static_row<D: Database>(
    own: Own<D::C>,
    name: &[u8],
    mut ask: impl FnMut(
        &'static Config,
        &mut Call,
        &mut OutBuf<'_, D::C>,
        Option<&[u8]>,
    ) -> Result<Status, Errno>,
) -> Result<Option<*mut D::C>, Errno> {
    let _guard = ErrnoGuard::new();
    resolve::ask::<D, _>(None, |config, call| {
        let result = own(D::static_results(call.level()));
        let (_, before, size) = result.memory();
        let is_own = name.as_ptr().addr().wrapping_sub(before.addr()) < size;
        let copy = if is_own { Some(ScratchBuf::copy_of(name)?) } else { None };
        if result.memory().1.is_null() {
            result.grow()?;
        }
        loop {
            let (row, buffer, len) = result.memory();
            // SAFETY: memory of the call's level, which no other call of the thread uses meanwhile.
            let mut out = unsafe { OutBuf::new(row, buffer.cast(), len) };
            match ask(config, call, &mut out, copy.as_deref()) {
                Err(Errno::ERANGE) => result.grow()?,
                Err(error) => return Err(error),
                Ok(Status::Found(())) => return Ok(Some(row)),
                Ok(Status::NotFound) => return Ok(Some(null_mut())),
                Ok(Status::Pass) => return Ok(None),
            }
        }
    })
}

/// `setXent`: true if libc's enumeration is to be begun too.
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
                let question = Question::Row(Key::name(key));
                // SAFETY: POSIX has the caller promise room for a row, a pointer, and `len` bytes at `buf`.
                unsafe { answer_r::<$database>(out, buf, len, found, 0, &question) }
                    .unwrap_or_else(|| call_next!($name_r(name, out, buf, len, found) or libc::ENOSYS))
            }

            /// By name, getpwnam(3), with a result in the calling thread's memory.
            fn $name(name: *const c_char) -> *mut $row as libc {
                // SAFETY: POSIX has the caller promise a C string, until the function returns.
                let key = unsafe { c_bytes(name) };
                let Some(key) = key else { return null_mut() };
                answer_static::<$database>(|of| &of.by_name, &Question::Row(Key::name(key)))
                    .unwrap_or_else(|| call_next!($name(name) or null_mut()))
            }

            $(
                /// By id, getpwuid_r(3): like getpwnam_r.
                fn $id_r(
                    id: $id_type, out: *mut $row, buf: *mut c_char, len: size_t,
                    found: *mut *mut $row,
                ) -> c_int as libc {
                    let question = Question::Row(Key::id(id));
                    // SAFETY: POSIX has the caller promise room for a row, a pointer, and `len` bytes at `buf`.
                    unsafe { answer_r::<$database>(out, buf, len, found, 0, &question) }
                        .unwrap_or_else(|| call_next!($id_r(id, out, buf, len, found) or libc::ENOSYS))
                }

                /// By id, getpwuid(3), with a result in the calling thread's memory.
                fn $id(id: $id_type) -> *mut $row as libc {
                    answer_static::<$database>(|of| &of.by_id, &Question::Row(Key::id(id)))
                        .unwrap_or_else(|| call_next!($id(id) or null_mut()))
                }
            )?

            /// The next row, getpwent_r(3): `ENOENT` at the end.
            fn $next_r(
                out: *mut $row, buf: *mut c_char, len: size_t, found: *mut *mut $row,
            ) -> c_int as libc {
                let question = Question::Next(Asker::Program);
                // SAFETY: getpwent_r(3) has the caller promise room for a row, a pointer, and `len` bytes at `buf`.
                unsafe { answer_r::<$database>(out, buf, len, found, libc::ENOENT, &question) }
                    .unwrap_or_else(|| call_next!($next_r(out, buf, len, found) or libc::ENOSYS))
            }

            /// The next row, getpwent(3), with a result in the calling thread's memory.
            fn $next() -> *mut $row as libc {
                answer_static::<$database>(|of| &of.next, &Question::Next(Asker::Program))
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
