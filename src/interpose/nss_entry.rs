//! The functions of an NSS service, which libc itself calls: glibc's `<nss.h>`.

use core::ffi::{c_char, c_int, c_void};

use libc::{gid_t, group, hostent, passwd, size_t, socklen_t, spwd, uid_t};

use super::export;
use super::hosts::c_address;
use crate::config::Config;
use crate::db::address::Family;
use crate::db::hosts::{AddressTuple, TupleList, write_tuples};
use crate::db::key::Key;
use crate::db::{Database, Group, Hosts, Passwd, Shadow, Status};
use crate::module::status::{NOTFOUND, SUCCESS, TRYAGAIN, UNAVAIL};
use crate::resolve::cursor::{self, Asker};
use crate::resolve::hosts::{FOUND, HostStatus, PASS, find_address, find_all, find_name};
use crate::resolve::{self, Interposed, Question};
use crate::rt::errno::{Errno, ErrnoGuard, HostErrno};
use crate::rt::out_buf::{OutBuf, Room, c_bytes};
use crate::rt::thread::{Call, InLibc};
use crate::rt::thread_locals::ThreadLocals;

/// Asks our sources for libc; `pass` if an export has asked them already, and then called libc.
fn ask_ours<D: Database, T>(
    pass: T,
    ask: impl FnOnce(&'static Config, &mut Call) -> Result<T, Errno>,
) -> Result<T, Errno> {
    let _guard = ErrnoGuard::new();
    if InLibc::is_on() { Ok(pass) } else { resolve::ask::<D, T>(pass, ask) }
}

/// Answers as an NSS service does. `Pass` becomes "not found", and libc goes on to the next service if there is one.
///
/// # Safety
///
/// `errnop` is valid for writes.
pub(super) unsafe fn answer<D: Database>(
    errnop: *mut c_int,
    ask: impl FnOnce(&'static Config, &mut Call) -> Result<Status, Errno>,
) -> c_int {
    let (status, error) = match ask_ours::<D, _>(Status::Pass, ask) {
        Ok(Status::Found(())) => return SUCCESS,
        Ok(_) => (NOTFOUND, Errno::ENOENT),
        // libc calls again, with a larger buffer.
        Err(Errno::ERANGE) => (TRYAGAIN, Errno::ERANGE),
        Err(error @ (Errno::EAGAIN | Errno::ENOMEM)) => (TRYAGAIN, error),
        Err(error) => (UNAVAIL, error),
    };
    // SAFETY: the caller promises that it is valid for writes.
    unsafe { errnop.write(error.get()) };
    status
}

/// As [`answer`], for a question whose answer is a row.
///
/// # Safety
///
/// Until the exported function returns `out` and `errnop` are valid for writes, and so are `len` bytes at `buf`.
unsafe fn answer_row<D: Interposed>(
    out: *mut D::C,
    buf: *mut c_char,
    len: size_t,
    errnop: *mut c_int,
    question: &Question<'_>,
) -> c_int {
    // SAFETY: the caller promises that the row and the buffer are valid for writes for as long.
    let mut out = unsafe { OutBuf::new(out, buf, len) };
    // SAFETY: the caller promises that it is valid for writes.
    unsafe { answer::<D>(errnop, |config, call| question.answer::<D>(config, call, &mut out)) }
}

/// Begins or ends an enumeration, and gives an NSS status.
fn enumerate(change: impl FnOnce() -> Result<bool, Errno>) -> c_int {
    if InLibc::is_on() {
        return SUCCESS;
    }
    let _guard = ErrnoGuard::new();
    if change().is_ok() { SUCCESS } else { TRYAGAIN }
}

/// How often libc has asked the calling thread for a host.
pub(super) fn times_asked() -> usize {
    ThreadLocals::current().hosts_asked.get()
}

/// As [`times_asked`]; it also forgets the canonical name that was given to libc last.
pub(super) fn begin_addresses() -> usize {
    if let Ok(call) = Call::enter() {
        call.thread().clear_canonical();
    }
    times_asked()
}

/// Answers for hosts. `unknown` is the NSS status for a host that our sources do not have.
///
/// # Safety
///
/// `errnop` and `reason` are valid for writes.
unsafe fn answer_host(
    errnop: *mut c_int,
    reason: *mut c_int,
    unknown: c_int,
    ask: impl FnOnce(&'static Config, &mut Call) -> Result<HostStatus, Errno>,
) -> c_int {
    let asked = &ThreadLocals::current().hosts_asked;
    asked.set(asked.get().wrapping_add(1));
    let (status, error, why) = match ask_ours::<Hosts, _>(PASS, ask) {
        Ok((Status::Found(()), _)) => return SUCCESS,
        Ok((Status::Pass, _)) => (UNAVAIL, Errno::ENOENT, HostErrno::HOST_NOT_FOUND),
        // Like glibc's own files module: it does not distinguish this from an unknown host.
        Ok((_, HostErrno::NO_DATA)) => (NOTFOUND, Errno::ENOENT, HostErrno::HOST_NOT_FOUND),
        Ok((_, why)) => (unknown, Errno::ENOENT, why),
        // If it is ERANGE libc calls again, with a larger buffer.
        Err(error) => (TRYAGAIN, error, error.into()),
    };
    // SAFETY: the caller promises that it is valid for writes.
    unsafe { errnop.write(error.get()) };
    // SAFETY: the caller promises that it is valid for writes.
    unsafe { reason.write(why.get()) };
    status
}

/// The addresses of all families, as a list.
fn find_tuples(
    config: &'static Config,
    call: &mut Call,
    name: &[u8],
    list: TupleList<'_>,
    room: Room<'_>,
) -> Result<HostStatus, Errno> {
    let thread = call.thread();
    let Some(matches) = find_all(config, call, name)? else { return Ok(PASS) };
    let canonical = matches.rows().next().map_or(b"".as_slice(), |host| host.name);
    thread.remember_canonical(canonical)?;
    write_tuples(matches.rows(), list, room)?;
    Ok(FOUND)
}

/// The addresses of a family; the canonical name is remembered for getaddrinfo.
fn find_host(
    config: &'static Config,
    call: &mut Call,
    name: &[u8],
    family: c_int,
    out: &mut OutBuf<'_, hostent>,
) -> Result<HostStatus, Errno> {
    let Some(family) = Family::from_c(family) else { return Ok(PASS) };
    let found = find_name(config, call, name, family, out)?;
    if found == FOUND {
        // SAFETY: `find_name` says `Found` once it has written the row.
        let canonical = unsafe { (*out.row()).h_name };
        // SAFETY: `write_all` has put a C string in the caller's buffer there.
        call.thread().remember_canonical(unsafe { c_bytes(canonical) }.unwrap_or_default())?;
    }
    Ok(found)
}

/// Declares the functions of each database: by name, by id if its rows have one, and for all rows.
macro_rules! entry_points {
    ($(
        $row:ident in $database:ident:
        $by_name:ident, $(by $id_type:ident $by_id:ident,)?
        all $next:ident $set:ident $end:ident;
    )*) => {
        export! {$(
            /// libc asks for a row by name.
            fn $by_name(
                name: *const c_char, out: *mut $row, buf: *mut c_char, len: size_t, errnop: *mut c_int,
            ) -> c_int {
                // SAFETY: libc gives a C string.
                let key = Key::name(unsafe { c_bytes(name) }.unwrap_or_default());
                let question = Question::Row(key);
                // SAFETY: libc gives room for a row, `len` bytes at `buf`, and room for a number.
                unsafe { answer_row::<$database>(out, buf, len, errnop, &question) }
            }

            $(
                /// libc asks for a row by id.
                fn $by_id(
                    id: $id_type, out: *mut $row, buf: *mut c_char, len: size_t, errnop: *mut c_int,
                ) -> c_int {
                    let question = Question::Row(Key::id(id));
                    // SAFETY: libc gives room for a row, `len` bytes at `buf`, and room for a number.
                    unsafe { answer_row::<$database>(out, buf, len, errnop, &question) }
                }
            )?

            /// libc asks for the next row.
            fn $next(out: *mut $row, buf: *mut c_char, len: size_t, errnop: *mut c_int) -> c_int {
                let question = Question::Next(Asker::Libc);
                // SAFETY: libc gives room for a row, `len` bytes at `buf`, and room for a number.
                unsafe { answer_row::<$database>(out, buf, len, errnop, &question) }
            }

            /// libc begins an enumeration.
            fn $set(_stay_open: c_int) -> c_int {
                enumerate(cursor::set::<$database>)
            }

            /// libc ends an enumeration.
            fn $end() -> c_int {
                enumerate(cursor::end::<$database>)
            }
        )*}
    };
}

entry_points! {
    passwd in Passwd: _nss_wrapper_rs_getpwnam_r, by uid_t _nss_wrapper_rs_getpwuid_r,
        all _nss_wrapper_rs_getpwent_r _nss_wrapper_rs_setpwent _nss_wrapper_rs_endpwent;
    group in Group: _nss_wrapper_rs_getgrnam_r, by gid_t _nss_wrapper_rs_getgrgid_r,
        all _nss_wrapper_rs_getgrent_r _nss_wrapper_rs_setgrent _nss_wrapper_rs_endgrent;
    spwd in Shadow: _nss_wrapper_rs_getspnam_r,
        all _nss_wrapper_rs_getspent_r _nss_wrapper_rs_setspent _nss_wrapper_rs_endspent;
}

export! {
    /// libc asks for the addresses of all families, as a list.
    fn _nss_wrapper_rs_gethostbyname4_r(
        name: *const c_char, list: *mut *mut AddressTuple, buf: *mut c_char, len: size_t,
        errnop: *mut c_int, reason: *mut c_int, _ttl: *mut i32,
    ) -> c_int {
        // SAFETY: libc gives a C string.
        let key = unsafe { c_bytes(name) }.unwrap_or_default();
        // SAFETY: libc gives `len` bytes at `buf`.
        let room = unsafe { Room::new(buf.cast(), len) };
        // SAFETY: libc gives a list, empty or with a first tuple.
        let list = unsafe { TupleList::new(list) };
        let ask = |config, call: &mut Call| find_tuples(config, call, key, list, room);
        // SAFETY: libc gives room for two numbers.
        unsafe { answer_host(errnop, reason, UNAVAIL, ask) }
    }

    /// libc asks for the addresses of a family, and the canonical name.
    fn _nss_wrapper_rs_gethostbyname3_r(
        name: *const c_char, family: c_int, out: *mut hostent, buf: *mut c_char, len: size_t,
        errnop: *mut c_int, reason: *mut c_int, _ttl: *mut i32, canonical: *mut *mut c_char,
    ) -> c_int {
        // SAFETY: libc gives this function what it gives the other.
        let status = unsafe {
            _nss_wrapper_rs_gethostbyname2_r(name, family, out, buf, len, errnop, reason)
        };
        if status == SUCCESS && !canonical.is_null() {
            // SAFETY: SUCCESS says that a host has been stored there.
            let name = unsafe { (*out).h_name };
            // SAFETY: libc gives room for a pointer.
            unsafe { canonical.write(name) };
        }
        status
    }

    /// libc asks for the addresses of a family.
    fn _nss_wrapper_rs_gethostbyname2_r(
        name: *const c_char, family: c_int, out: *mut hostent, buf: *mut c_char, len: size_t,
        errnop: *mut c_int, reason: *mut c_int,
    ) -> c_int {
        // SAFETY: libc gives a C string.
        let key = unsafe { c_bytes(name) }.unwrap_or_default();
        // SAFETY: libc gives room for a row, and `len` bytes at `buf`.
        let mut out = unsafe { OutBuf::new(out, buf, len) };
        let ask = |config, call: &mut Call| find_host(config, call, key, family, &mut out);
        // SAFETY: libc gives room for two numbers.
        unsafe { answer_host(errnop, reason, UNAVAIL, ask) }
    }

    /// libc asks for the IPv4 addresses of a host.
    fn _nss_wrapper_rs_gethostbyname_r(
        name: *const c_char, out: *mut hostent, buf: *mut c_char, len: size_t, errnop: *mut c_int,
        reason: *mut c_int,
    ) -> c_int {
        let family = libc::AF_INET;
        // SAFETY: libc gives this function what it gives the other.
        unsafe { _nss_wrapper_rs_gethostbyname2_r(name, family, out, buf, len, errnop, reason) }
    }

    /// libc asks for the host of an address.
    fn _nss_wrapper_rs_gethostbyaddr_r(
        address: *const c_void, size: socklen_t, family: c_int, out: *mut hostent, buf: *mut c_char,
        len: size_t, errnop: *mut c_int, reason: *mut c_int,
    ) -> c_int {
        // SAFETY: libc gives so many bytes.
        let key = unsafe { c_address(address, size, family) };
        // SAFETY: libc gives room for a row, and `len` bytes at `buf`.
        let mut out = unsafe { OutBuf::new(out, buf, len) };
        let ask = |config, call: &mut Call| find_address(config, call, key, &mut out);
        // SAFETY: libc gives room for two numbers.
        unsafe { answer_host(errnop, reason, NOTFOUND, ask) }
    }

    /// As `_nss_wrapper_rs_gethostbyaddr_r`, by the name that newer libcs ask for first.
    fn _nss_wrapper_rs_gethostbyaddr2_r(
        address: *const c_void, size: socklen_t, family: c_int, out: *mut hostent, buf: *mut c_char,
        len: size_t, errnop: *mut c_int, reason: *mut c_int, _ttl: *mut i32,
    ) -> c_int {
        // SAFETY: libc gives this function what it gives the other.
        unsafe {
            _nss_wrapper_rs_gethostbyaddr_r(address, size, family, out, buf, len, errnop, reason)
        }
    }

    /// libc asks for the next host.
    fn _nss_wrapper_rs_gethostent_r(
        out: *mut hostent, buf: *mut c_char, len: size_t, errnop: *mut c_int, reason: *mut c_int,
    ) -> c_int {
        // SAFETY: libc gives room for a row, and `len` bytes at `buf`.
        let mut out = unsafe { OutBuf::new(out, buf, len) };
        let ask = |config, call: &mut Call| {
            Ok((cursor::next::<Hosts>(config, call, &mut out, Asker::Libc)?, HostErrno::HOST_NOT_FOUND))
        };
        // SAFETY: libc gives room for two numbers.
        unsafe { answer_host(errnop, reason, NOTFOUND, ask) }
    }

    /// libc begins an enumeration of hosts.
    fn _nss_wrapper_rs_sethostent(_stay_open: c_int) -> c_int {
        enumerate(cursor::set::<Hosts>)
    }

    /// libc ends an enumeration of hosts.
    fn _nss_wrapper_rs_endhostent() -> c_int {
        enumerate(cursor::end::<Hosts>)
    }
}
