//! gethostby*, gethostent* of `<netdb.h>`. Networks, protocols and services are left to libc.

use core::ffi::{c_char, c_int, c_void};
use core::net::IpAddr;
use core::ptr::null_mut;

use libc::{hostent, size_t, socklen_t};

use super::getent::{self, Own, static_row};
use super::{call_next, interpose};
use crate::config::Config;
use crate::db::address::{Family, Literal, from_octets, literal};
use crate::db::hosts::{HostRow, write_all};
use crate::db::{Hosts, Status};
use crate::resolve::cursor::{self, Asker};
use crate::resolve::hosts::{FOUND, HostStatus, PASS, find_address, find_name};
use crate::resolve::{self, Interposed, LibcFunctions};
use crate::rt::errno::{Errno, ErrnoGuard, HostErrno};
use crate::rt::out_buf::{OutBuf, Place, c_bytes};
use crate::rt::thread::Call;

impl Interposed for Hosts {
    /// None: for libc's hosts the export calls the next definition with the caller's own arguments.
    fn libc() -> LibcFunctions<hostent> {
        LibcFunctions { by_id_r: None, next_r: None, next: None }
    }
}

/// The address that the program gave; `None` if its length is not that of the family, or hosts have no addresses of
/// the family.
///
/// # Safety
///
/// `address` is valid for reads of `len` bytes.
pub(super) unsafe fn c_address(
    address: *const c_void,
    len: socklen_t,
    family: c_int,
) -> Option<IpAddr> {
    if !matches!((family, len), (libc::AF_INET, 4) | (libc::AF_INET6, 16)) {
        return None;
    }
    // SAFETY: the caller promises `len` bytes, which the check above shows to be the family's size.
    from_octets(family, unsafe { core::slice::from_raw_parts(address.cast(), len as usize) })
}

/// The question for a host by name. An address as text is a host too, though no file lists it.
#[inline(always)]
fn by_name(
    name: &[u8],
    family: c_int,
) -> impl Fn(&'static Config, &mut Call, &mut OutBuf<'_, hostent>) -> Result<HostStatus, Errno> {
    move |config, call, out| {
        let family = Family::from_c(family);
        // As in glibc the family may be wrong if the name is an address.
        let asked = family.unwrap_or(Family::V4);
        match (literal(name, asked), family) {
            (Literal::Address(address), _) => {
                let host = HostRow { address, name, alias_list: b"" };
                write_all(core::iter::once(host), asked, out).map(|_| FOUND)
            }
            (Literal::Name, Some(family)) => find_name(config, call, name, family, out),
            (Literal::Name, None) | (Literal::Wrong, _) => {
                Ok((Status::NotFound, HostErrno::HOST_NOT_FOUND))
            }
        }
    }
}

/// The next host of the enumeration, of either family.
fn next(
    config: &'static Config,
    call: &mut Call,
    out: &mut OutBuf<'_, hostent>,
) -> Result<HostStatus, Errno> {
    let status = cursor::next::<Hosts>(config, call, out, Asker::Program)?;
    Ok((status, HostErrno::HOST_NOT_FOUND))
}

/// Answers a `_r` function with the host or null, and stores the reason; `None` if the next definition is to be called.
/// `missing` is what the function returns if there is no host.
///
/// # Safety
///
/// Until the exported function returns `out`, `found` and `reason` are valid for writes, and so are `len` bytes at
/// `buf`.
#[inline(always)]
unsafe fn answer_r(
    out: *mut hostent,
    buf: *mut c_char,
    len: size_t,
    found: *mut *mut hostent,
    reason: *mut c_int,
    missing: c_int,
    ask: impl FnOnce(&'static Config, &mut Call, &mut OutBuf<'_, hostent>) -> Result<HostStatus, Errno>,
) -> Option<c_int> {
    // SAFETY: the caller promises that the row and the buffer are valid for writes for as long.
    let mut out = unsafe { OutBuf::new(out, buf, len) };
    // SAFETY: the caller promises that it is valid for writes for as long.
    let mut found = unsafe { Place::new(found) };
    // SAFETY: the caller promises that it is valid for writes for as long.
    let mut reason = unsafe { Place::new(reason) };
    let guard = ErrnoGuard::new();
    let answer = resolve::ask::<Hosts, _>(PASS, |config, call| ask(config, call, &mut out));
    drop(guard);
    let (row, code, why) = match answer {
        Ok((Status::Found(()), _)) => (out.row(), 0, HostErrno::NETDB_SUCCESS),
        Ok((Status::NotFound, why)) => (null_mut(), missing, why),
        Ok((Status::Pass, _)) => return None,
        Err(error) => {
            error.set();
            (null_mut(), error.get(), error.into())
        }
    };
    found.set(row);
    reason.set(why.get());
    Some(code)
}

/// Answers a function without `_r` with a host in the thread's memory, and says in `h_errno` why there is none; `None`
/// if the next definition is to be called. `ask` gets a copy of the name if that is needed: [`static_row`].
fn answer_static(
    own: Own<hostent>,
    name: &[u8],
    ask: impl Fn(
        &'static Config,
        &mut Call,
        &mut OutBuf<'_, hostent>,
        Option<&[u8]>,
    ) -> Result<HostStatus, Errno>,
) -> Option<*mut hostent> {
    let mut why = HostErrno::NETDB_SUCCESS;
    let answer = static_row::<Hosts>(own, name, |config, call, out, copy| {
        let (status, reason) = ask(config, call, out, copy)?;
        why = reason;
        Ok(status)
    });
    match answer {
        Ok(host) => {
            if host.is_some_and(<*mut hostent>::is_null) {
                why.set();
            }
            host
        }
        Err(error) => {
            HostErrno::from(error).set();
            error.set();
            Some(null_mut())
        }
    }
}

/// Answers `gethostbyname` and `gethostbyname2`; `None` if the next definition is to be called.
fn static_by_name(name: &[u8], family: c_int) -> Option<*mut hostent> {
    answer_static(
        |of| &of.by_name,
        name,
        |config, call, out, copy| by_name(copy.unwrap_or(name), family)(config, call, out),
    )
}

interpose! {
    /// `gethostbyname_r(3)`: 0 and null if there is no such host, `ERANGE` for a short buffer.
    fn gethostbyname_r(
        name: *const c_char, out: *mut hostent, buf: *mut c_char, len: size_t,
        found: *mut *mut hostent, reason: *mut c_int,
    ) -> c_int {
        // SAFETY: gethostbyname_r(3) has the caller promise a C string.
        let key = unsafe { c_bytes(name) }.unwrap_or_default();
        let ask = by_name(key, libc::AF_INET);
        // SAFETY: gethostbyname_r(3) has the caller promise a row, `len` bytes, a pointer and a number.
        unsafe { answer_r(out, buf, len, found, reason, 0, ask) }.unwrap_or_else(|| {
            call_next!(gethostbyname_r(name, out, buf, len, found, reason) or libc::ENOSYS)
        })
    }

    /// `gethostbyname2_r(3)`: like `gethostbyname_r`.
    fn gethostbyname2_r(
        name: *const c_char, family: c_int, out: *mut hostent, buf: *mut c_char, len: size_t,
        found: *mut *mut hostent, reason: *mut c_int,
    ) -> c_int {
        // SAFETY: gethostbyname2_r(3) has the caller promise a C string.
        let key = unsafe { c_bytes(name) }.unwrap_or_default();
        let ask = by_name(key, family);
        // SAFETY: gethostbyname_r(3) has the caller promise a row, `len` bytes, a pointer and a number.
        unsafe { answer_r(out, buf, len, found, reason, 0, ask) }.unwrap_or_else(|| {
            call_next!(gethostbyname2_r(name, family, out, buf, len, found, reason) or libc::ENOSYS)
        })
    }

    /// `gethostbyaddr_r(3)`: like `gethostbyname_r`.
    fn gethostbyaddr_r(
        address: *const c_void, size: socklen_t, family: c_int, out: *mut hostent, buf: *mut c_char,
        len: size_t, found: *mut *mut hostent, reason: *mut c_int,
    ) -> c_int {
        // SAFETY: the man page has the caller promise `size` bytes.
        let key = unsafe { c_address(address, size, family) };
        let ask = |config, call: &mut Call, out: &mut OutBuf<'_, hostent>| {
            find_address(config, call, key, out)
        };
        // SAFETY: gethostbyname_r(3) has the caller promise a row, `len` bytes, a pointer and a number.
        unsafe { answer_r(out, buf, len, found, reason, 0, ask) }.unwrap_or_else(|| call_next!(
            gethostbyaddr_r(address, size, family, out, buf, len, found, reason) or libc::ENOSYS
        ))
    }

    /// `gethostent_r(3)`: `ENOENT` at the end.
    fn gethostent_r(
        out: *mut hostent, buf: *mut c_char, len: size_t, found: *mut *mut hostent,
        reason: *mut c_int,
    ) -> c_int {
        // SAFETY: gethostbyname_r(3) has the caller promise a row, `len` bytes, a pointer and a number.
        unsafe { answer_r(out, buf, len, found, reason, libc::ENOENT, next) }
            .unwrap_or_else(|| call_next!(gethostent_r(out, buf, len, found, reason) or libc::ENOENT))
    }

    /// `gethostbyname(3)`, with a result in the calling thread's memory.
    fn gethostbyname(name: *const c_char) -> *mut hostent {
        // SAFETY: POSIX has the caller promise a C string.
        let key = unsafe { c_bytes(name) }.unwrap_or_default();
        static_by_name(key, libc::AF_INET)
            .unwrap_or_else(|| call_next!(gethostbyname(name) or null_mut()))
    }

    /// `gethostbyname2(3)`, with a result in the calling thread's memory.
    fn gethostbyname2(name: *const c_char, family: c_int) -> *mut hostent {
        // SAFETY: the man page has the caller promise a C string.
        let key = unsafe { c_bytes(name) }.unwrap_or_default();
        static_by_name(key, family)
            .unwrap_or_else(|| call_next!(gethostbyname2(name, family) or null_mut()))
    }

    /// `gethostbyaddr(3)`, with a result in the calling thread's memory.
    fn gethostbyaddr(address: *const c_void, size: socklen_t, family: c_int) -> *mut hostent {
        // SAFETY: POSIX has the caller promise `size` bytes.
        let key = unsafe { c_address(address, size, family) };
        let ask = |config, call: &mut Call, out: &mut OutBuf<'_, hostent>, _: Option<&[u8]>| {
            find_address(config, call, key, out)
        };
        answer_static(|of| &of.by_id, b"", ask)
            .unwrap_or_else(|| call_next!(gethostbyaddr(address, size, family) or null_mut()))
    }

    /// `gethostent(3)`, with a result in the calling thread's memory.
    fn gethostent() -> *mut hostent {
        answer_static(|of| &of.next, b"", |config, call, out, _| next(config, call, out))
            .unwrap_or_else(|| call_next!(gethostent() or null_mut()))
    }

    /// `sethostent(3)`: keeps the file's present snapshot. It cannot report an error; the next host does.
    fn sethostent(stay_open: c_int) {
        if getent::set::<Hosts>() {
            call_next!(sethostent(stay_open) or ());
        }
    }

    /// `endhostent(3)`.
    fn endhostent() {
        if getent::end::<Hosts>() {
            call_next!(endhostent() or ());
        }
    }
}
