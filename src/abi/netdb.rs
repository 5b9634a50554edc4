//! `<netdb.h>`: hosts. Networks, protocols and services stay libc's.

use core::ffi::{c_char, c_int, c_void};
use core::ptr::null_mut;

use libc::{addrinfo, hostent, size_t, sockaddr, socklen_t};

use super::face::lent;
use super::{Lent, call_on, export, export_unchecked, host, node as nodes};
use crate::errno::KeepErrno;
use crate::lookup;
use crate::real::netdb;
use crate::record::Family;

export_unchecked! {
    /// `gethostbyname_r(3)`: 0 and null for a name that is not there, `ERANGE` for a short buffer.
    fn gethostbyname_r(
        name: *const c_char,
        out: *mut hostent,
        buf: *mut c_char,
        len: size_t,
        found: *mut *mut hostent,
        reason: *mut c_int,
    ) -> c_int {
        // SAFETY: the man page has the caller promise a C string.
        let key = unsafe { lent(name) }.unwrap_or_default();
        // SAFETY: the man page has the caller promise these for the length of the call.
        let room = unsafe { Lent::new(out, buf, len, found) };
        let ask = |room: &_| host::ask_name_or_address(key, Some(Family::V4), room);
        // SAFETY: as above.
        unsafe { host::answer_r(&room, reason, 0, ask) }.unwrap_or_else(|| {
            call_on!((netdb::GETHOSTBYNAME_R)(name, out, buf, len, found, reason) or libc::ENOSYS)
        })
    }

    /// `gethostbyname2_r(3)`: like `gethostbyname_r`.
    fn gethostbyname2_r(
        name: *const c_char,
        family: c_int,
        out: *mut hostent,
        buf: *mut c_char,
        len: size_t,
        found: *mut *mut hostent,
        reason: *mut c_int,
    ) -> c_int {
        // SAFETY: the man page has the caller promise a C string.
        let key = unsafe { lent(name) }.unwrap_or_default();
        // SAFETY: the man page has the caller promise these for the length of the call.
        let room = unsafe { Lent::new(out, buf, len, found) };
        let ask = |room: &_| host::ask_name_or_address(key, host::family(family), room);
        // SAFETY: as above.
        unsafe { host::answer_r(&room, reason, 0, ask) }.unwrap_or_else(|| {
            call_on!((netdb::GETHOSTBYNAME2_R)(name, family, out, buf, len, found, reason) or libc::ENOSYS)
        })
    }

    /// `gethostbyaddr_r(3)`: like `gethostbyname_r`.
    fn gethostbyaddr_r(
        address: *const c_void,
        size: socklen_t,
        family: c_int,
        out: *mut hostent,
        buf: *mut c_char,
        len: size_t,
        found: *mut *mut hostent,
        reason: *mut c_int,
    ) -> c_int {
        // SAFETY: the man page has the caller promise `size` bytes.
        let key = unsafe { host::address(address, size, family) };
        // SAFETY: the man page has the caller promise these for the length of the call.
        let room = unsafe { Lent::new(out, buf, len, found) };
        // SAFETY: as above.
        let done = unsafe { host::answer_r(&room, reason, 0, |room| host::ask_address(key, room)) };
        done.unwrap_or_else(|| call_on!(
            (netdb::GETHOSTBYADDR_R)(address, size, family, out, buf, len, found, reason) or libc::ENOSYS
        ))
    }

    /// `gethostent_r(3)`: `ENOENT` at the end.
    fn gethostent_r(
        out: *mut hostent,
        buf: *mut c_char,
        len: size_t,
        found: *mut *mut hostent,
        reason: *mut c_int,
    ) -> c_int {
        // SAFETY: the man page has the caller promise these for the length of the call.
        let room = unsafe { Lent::new(out, buf, len, found) };
        // SAFETY: as above.
        unsafe { host::answer_r(&room, reason, libc::ENOENT, host::next) }.unwrap_or_else(|| {
            call_on!((netdb::GETHOSTENT_R)(out, buf, len, found, reason) or libc::ENOENT)
        })
    }

    /// `gethostbyname(3)`, with a result of the calling thread's own.
    fn gethostbyname(name: *const c_char) -> *mut hostent {
        // SAFETY: POSIX has the caller promise a C string.
        let key = unsafe { lent(name) }.unwrap_or_default();
        host::answer(|room| host::ask_name_or_address(key, Some(Family::V4), room))
            .unwrap_or_else(|| call_on!((netdb::GETHOSTBYNAME)(name) or null_mut()))
    }

    /// `gethostbyname2(3)`, with a result of the calling thread's own.
    fn gethostbyname2(name: *const c_char, family: c_int) -> *mut hostent {
        // SAFETY: the man page has the caller promise a C string.
        let key = unsafe { lent(name) }.unwrap_or_default();
        host::answer(|room| host::ask_name_or_address(key, host::family(family), room))
            .unwrap_or_else(|| call_on!((netdb::GETHOSTBYNAME2)(name, family) or null_mut()))
    }

    /// `gethostbyaddr(3)`, with a result of the calling thread's own.
    fn gethostbyaddr(address: *const c_void, size: socklen_t, family: c_int) -> *mut hostent {
        // SAFETY: POSIX has the caller promise `size` bytes.
        let key = unsafe { host::address(address, size, family) };
        host::answer(|room| host::ask_address(key, room))
            .unwrap_or_else(|| call_on!((netdb::GETHOSTBYADDR)(address, size, family) or null_mut()))
    }

    /// `gethostent(3)`, with a result of the calling thread's own.
    fn gethostent() -> *mut hostent {
        host::answer(host::next).unwrap_or_else(|| call_on!((netdb::GETHOSTENT)() or null_mut()))
    }

    /// `sethostent(3)`: pins what the file holds now. An error shows at the next host.
    fn sethostent(stay_open: c_int) {
        let keep = KeepErrno::new();
        let libc_too = lookup::host::set();
        drop(keep);
        if libc_too == Ok(true) {
            call_on!((netdb::SETHOSTENT)(stay_open) or ());
        }
    }

    /// `endhostent(3)`.
    fn endhostent() {
        let keep = KeepErrno::new();
        let libc_too = lookup::host::end();
        drop(keep);
        if libc_too == Ok(true) {
            call_on!((netdb::ENDHOSTENT)() or ());
        }
    }

    /// `getnameinfo(3)`: the host's part is looked up in the file alone, as the peer does it.
    fn getnameinfo(
        address: *const sockaddr,
        size: socklen_t,
        node: *mut c_char,
        node_len: socklen_t,
        service: *mut c_char,
        service_len: socklen_t,
        flags: c_int,
    ) -> c_int {
        if !lookup::host::is_on().unwrap_or(true) {
            return call_on!(
                (netdb::GETNAMEINFO)(address, size, node, node_len, service, service_len, flags)
                    or libc::EAI_SYSTEM
            );
        }
        // SAFETY: the caller's own arguments.
        unsafe {
            nodes::names(address, size, node, node_len, service, service_len, flags)
        }
    }
}

export! {
    /// `getaddrinfo(3)`: names that the file has not are libc's.
    libc::getaddrinfo as
    fn getaddrinfo(
        node: *const c_char,
        service: *const c_char,
        hints: *const addrinfo,
        list: *mut *mut addrinfo,
    ) -> c_int {
        if node.is_null() || !lookup::host::is_on().unwrap_or(true) {
            return call_on!((netdb::GETADDRINFO)(node, service, hints, list) or libc::EAI_SYSTEM);
        }
        // SAFETY: the caller's own arguments.
        unsafe { nodes::addresses(node, service, hints, list) }
    }
}
