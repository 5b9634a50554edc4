//! The part of door 2 that is about hosts: what getaddrinfo(3) and getnameinfo(3) of glibc ask.
//!
//! A name that the file has not is "unavailable", and libc goes on to its own services. A name that
//! it has, without an address of the family, is "not found", which ends the search; so is an
//! address that it has not, since addresses are looked for in the file alone.

use core::ffi::{c_char, c_int, c_void};

use libc::{hostent, size_t, socklen_t};

use super::face::lent;
use super::host::{self, Filled, Found};
use super::nss::status;
use super::{Lent, export_unchecked};
use crate::errno::{Errno, HostErrno, KeepErrno};
use crate::lookup::{self, Answer};
use crate::pack::{AddressTuple, tuples_at};
use crate::real::Passing;
use crate::tls;

/// How often libc has asked the calling thread: a libc that has no memory for loading a module does
/// not ask it, and goes on without saying so.
pub(super) fn times_asked() -> usize {
    tls::own().asked.get()
}

/// Answers as an NSS module does; `unknown` is the status of what our sources have not.
///
/// # Safety
///
/// `errnop` and `reason` are valid for writes.
unsafe fn answer(
    errnop: *mut c_int,
    reason: *mut c_int,
    unknown: c_int,
    ask: impl FnOnce() -> Filled,
) -> c_int {
    let asked = &tls::own().asked;
    asked.set(asked.get().wrapping_add(1));
    let keep = KeepErrno::new();
    let filled = if Passing::is_on() { Ok(Found::Pass) } else { ask() };
    drop(keep);
    let (status, error, why) = match filled {
        Ok(Found::Host) => return status::SUCCESS,
        Ok(Found::Pass) => (status::UNAVAILABLE, Errno::ENOENT, HostErrno::HOST_NOT_FOUND),
        // glibc's own files module does not tell a host without an address of the family from none.
        Ok(Found::None(HostErrno::NO_DATA)) => {
            (status::NOT_FOUND, Errno::ENOENT, HostErrno::HOST_NOT_FOUND)
        }
        Ok(Found::None(why)) => (unknown, Errno::ENOENT, why),
        // With ERANGE libc asks again, with more room.
        Err(error) => (status::TRY_AGAIN, error, error.into()),
    };
    // SAFETY: by the contract.
    unsafe { errnop.write(error.get()) };
    // SAFETY: by the contract.
    unsafe { reason.write(why.get()) };
    status
}

export_unchecked! {
    /// libc's question for the addresses of all families, as a list.
    fn _nss_wrapper_rs_gethostbyname4_r(
        name: *const c_char,
        list: *mut *mut AddressTuple,
        buf: *mut c_char,
        len: size_t,
        errnop: *mut c_int,
        reason: *mut c_int,
        _ttl: *mut i32,
    ) -> c_int {
        // SAFETY: libc gives a C string.
        let key = unsafe { lent(name) }.unwrap_or_default();
        let ask = || {
            lookup::host::by_name(key, None, |answer| match answer {
                Answer::Row(matches) => {
                    // SAFETY: libc gives memory for the result.
                    let stored = unsafe { tuples_at(matches.hosts(), list, buf.cast(), len) };
                    stored.map(|()| Found::Host)
                }
                Answer::Absent | Answer::Pass => Ok(Found::Pass),
            })
            .flatten()
        };
        // SAFETY: as above.
        unsafe { answer(errnop, reason, status::UNAVAILABLE, ask) }
    }

    /// libc's question for the addresses of a family, and the canonical name.
    fn _nss_wrapper_rs_gethostbyname3_r(
        name: *const c_char,
        family: c_int,
        out: *mut hostent,
        buf: *mut c_char,
        len: size_t,
        errnop: *mut c_int,
        reason: *mut c_int,
        _ttl: *mut i32,
        canonical: *mut *mut c_char,
    ) -> c_int {
        // SAFETY: libc's own arguments.
        let status = unsafe {
            _nss_wrapper_rs_gethostbyname2_r(name, family, out, buf, len, errnop, reason)
        };
        if status == status::SUCCESS && !canonical.is_null() {
            // SAFETY: a host has been stored there.
            let name = unsafe { (*out).h_name };
            // SAFETY: libc gives memory for the result.
            unsafe { canonical.write(name) };
        }
        status
    }

    /// libc's question for the addresses of a family.
    fn _nss_wrapper_rs_gethostbyname2_r(
        name: *const c_char,
        family: c_int,
        out: *mut hostent,
        buf: *mut c_char,
        len: size_t,
        errnop: *mut c_int,
        reason: *mut c_int,
    ) -> c_int {
        // SAFETY: libc gives a C string.
        let key = unsafe { lent(name) }.unwrap_or_default();
        // SAFETY: libc gives memory for the result.
        let room = unsafe { Lent::new(out, buf, len, core::ptr::null_mut()) };
        let ask = || match host::family(family) {
            Some(family) => host::ask_name(key, family, &room),
            None => Ok(Found::Pass),
        };
        // SAFETY: as above.
        unsafe { answer(errnop, reason, status::UNAVAILABLE, ask) }
    }

    /// libc's question for the IPv4 addresses of a host.
    fn _nss_wrapper_rs_gethostbyname_r(
        name: *const c_char,
        out: *mut hostent,
        buf: *mut c_char,
        len: size_t,
        errnop: *mut c_int,
        reason: *mut c_int,
    ) -> c_int {
        let family = libc::AF_INET;
        // SAFETY: libc's own arguments.
        unsafe { _nss_wrapper_rs_gethostbyname2_r(name, family, out, buf, len, errnop, reason) }
    }

    /// libc's question for the host of an address.
    fn _nss_wrapper_rs_gethostbyaddr_r(
        address: *const c_void,
        size: socklen_t,
        family: c_int,
        out: *mut hostent,
        buf: *mut c_char,
        len: size_t,
        errnop: *mut c_int,
        reason: *mut c_int,
    ) -> c_int {
        // SAFETY: libc gives so many bytes.
        let key = unsafe { host::address(address, size, family) };
        // SAFETY: libc gives memory for the result.
        let room = unsafe { Lent::new(out, buf, len, core::ptr::null_mut()) };
        // SAFETY: as above.
        unsafe { answer(errnop, reason, status::NOT_FOUND, || host::ask_address(key, &room)) }
    }

    /// As `_nss_wrapper_rs_gethostbyaddr_r`, by the name that newer libcs ask for first.
    fn _nss_wrapper_rs_gethostbyaddr2_r(
        address: *const c_void,
        size: socklen_t,
        family: c_int,
        out: *mut hostent,
        buf: *mut c_char,
        len: size_t,
        errnop: *mut c_int,
        reason: *mut c_int,
        _ttl: *mut i32,
    ) -> c_int {
        // SAFETY: libc's own arguments.
        unsafe {
            _nss_wrapper_rs_gethostbyaddr_r(address, size, family, out, buf, len, errnop, reason)
        }
    }
}
