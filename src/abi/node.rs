//! getaddrinfo(3) and getnameinfo(3), where the hosts are ours.
//!
//! glibc's own functions do the work: they ask for the host's part here, by the door that `nss` has
//! opened. What they lack is added: as the peer's callers rely on, the first result always has the
//! canonical name, of an address in the file too. Where libc knows no NSS modules (musl) its
//! functions are given an address in place of the name.

mod plain;

use core::ffi::{c_char, c_int};
use core::net::IpAddr;
use core::ptr::null_mut;

use libc::{addrinfo, sockaddr, socklen_t};

use super::face::lent;
use super::nss;
use super::nss_host::times_asked;
use crate::errno::{Errno, KeepErrno};
use crate::lookup;
use crate::parse::numeric;
use crate::real::CONFIGURE_LOOKUP;
use crate::real::netdb::{FREEADDRINFO, GETADDRINFO, GETNAMEINFO};
use crate::record::{Family, Host};
use crate::store::Matches;

/// `getaddrinfo`, where `node` is not null.
///
/// # Safety
///
/// The arguments are those of getaddrinfo(3).
pub(super) unsafe fn addresses(
    node: *const c_char,
    service: *const c_char,
    hints: *const addrinfo,
    list: *mut *mut addrinfo,
) -> c_int {
    if CONFIGURE_LOOKUP.get().is_none() {
        // SAFETY: by the contract.
        return unsafe { plain::addresses(node, service, hints, list) };
    }
    if nss::HOSTS.open().is_err() {
        return libc::EAI_MEMORY;
    }
    let Some(next) = GETADDRINFO.get() else { return libc::EAI_SYSTEM };
    let asked = times_asked();
    // SAFETY: by the contract.
    let error = unsafe { next(node, service, hints, list) };
    let keep = KeepErrno::new();
    // SAFETY: by the contract, a C string.
    let node = unsafe { lent(node) }.unwrap_or_default();
    // SAFETY: by the contract.
    let (family, flags) = unsafe { family_and_flags(hints) };
    if error != 0 {
        let unasked = asked == times_asked() && is_search(error, flags);
        let no_memory = error == libc::EAI_SYSTEM && Errno::last() == Errno::ENOMEM
            || unasked && has_address(node, family);
        drop(keep);
        return if no_memory { libc::EAI_MEMORY } else { error };
    }
    // SAFETY: the call succeeded, so it has stored a list there.
    let first = unsafe { *list };
    // SAFETY: by the contract.
    let named = unsafe { name_first(first, node, family) };
    drop(keep);
    if named.is_err() {
        if let Some(free) = FREEADDRINFO.get() {
            // SAFETY: the list is libc's, and the caller has not seen it.
            unsafe { free(first) };
        }
        // SAFETY: by the contract.
        unsafe { list.write(null_mut()) };
        return libc::EAI_MEMORY;
    }
    0
}

/// True if the error is one of a search for a name, rather than of the arguments.
fn is_search(error: c_int, flags: c_int) -> bool {
    let searches =
        [libc::EAI_NONAME, libc::EAI_NODATA, libc::EAI_AGAIN, libc::EAI_FAIL, libc::EAI_SYSTEM];
    searches.contains(&error) && flags & (libc::AI_NUMERICHOST | libc::AI_NUMERICSERV) == 0
}

/// True if the file has an address for the name, or does not say for lack of memory.
fn has_address(name: &[u8], family: c_int) -> bool {
    let found = lookup::host::listed_name(name, |found| {
        found.is_some_and(|matches| canonical(matches, family).is_some())
    });
    found.unwrap_or(true)
}

/// # Safety
///
/// `hints` is null or valid for reads.
unsafe fn family_and_flags(hints: *const addrinfo) -> (c_int, c_int) {
    // SAFETY: by the contract.
    unsafe { hints.as_ref() }
        .map_or((libc::AF_UNSPEC, 0), |hints| (hints.ai_family, hints.ai_flags))
}

/// Gives the first result the canonical name if `node` is in the file: a name that was not asked
/// for has none, and an address only itself.
///
/// # Safety
///
/// `first` is the list that glibc's getaddrinfo(3) made.
unsafe fn name_first(first: *mut addrinfo, node: &[u8], family: c_int) -> Result<(), Errno> {
    if let Some(ip) = numeric(node) {
        return lookup::host::listed_address(ip, |found| match found {
            // SAFETY: by the contract.
            Some(host) => unsafe { set_name(first, host.name) },
            None => Ok(()),
        })
        .flatten();
    }
    // SAFETY: by the contract.
    if !unsafe { (*first).ai_canonname }.is_null() {
        return Ok(());
    }
    lookup::host::listed_name(node, |found| {
        match found.and_then(|matches| canonical(matches, family)) {
            // SAFETY: by the contract.
            Some(host) => unsafe { set_name(first, host.name) },
            None => Ok(()),
        }
    })
    .flatten()
}

/// The line whose name is the canonical one for a family: the first that has an address of it.
fn canonical<'a>(matches: &Matches<'a>, family: c_int) -> Option<Host<'a>> {
    let first = |family| matches.hosts().find(|host| host.address_as(family).is_some());
    match family {
        libc::AF_INET => first(Family::V4),
        // With AI_V4MAPPED an IPv4 address answers too.
        libc::AF_INET6 => first(Family::V6).or_else(|| first(Family::V4)),
        _ => matches.hosts().next(),
    }
}

/// # Safety
///
/// As [`name_first`]: glibc frees the name of each result with free(3).
unsafe fn set_name(first: *mut addrinfo, name: &[u8]) -> Result<(), Errno> {
    if name.is_empty() {
        return Ok(());
    }
    // SAFETY: takes a size.
    let copy = unsafe { libc::calloc(name.len() + 1, 1) }.cast::<c_char>();
    if copy.is_null() {
        return Err(Errno::ENOMEM);
    }
    // SAFETY: fresh memory, with room for the name and a NUL.
    unsafe { copy.copy_from_nonoverlapping(name.as_ptr().cast(), name.len()) };
    // SAFETY: by the contract.
    let place = unsafe { &mut (*first).ai_canonname };
    let old = core::mem::replace(place, copy);
    // SAFETY: null, or glibc's own copy, to which nobody else has a pointer.
    unsafe { libc::free(old.cast()) };
    Ok(())
}

/// `getnameinfo`.
///
/// # Safety
///
/// The arguments are those of getnameinfo(3).
pub(super) unsafe fn names(
    address: *const sockaddr,
    size: socklen_t,
    node: *mut c_char,
    node_len: socklen_t,
    service: *mut c_char,
    service_len: socklen_t,
    flags: c_int,
) -> c_int {
    if CONFIGURE_LOOKUP.get().is_none() {
        // SAFETY: by the contract.
        return unsafe { plain::names(address, size, node, node_len, service, service_len, flags) };
    }
    if nss::HOSTS.open().is_err() {
        return libc::EAI_MEMORY;
    }
    let Some(next) = GETNAMEINFO.get() else { return libc::EAI_SYSTEM };
    let asked = times_asked();
    // SAFETY: by the contract.
    let error = unsafe { next(address, size, node, node_len, service, service_len, flags) };
    let is_wanted = !node.is_null() && node_len > 0 && flags & libc::NI_NUMERICHOST == 0;
    if is_wanted && asked == times_asked() && matches!(error, 0 | libc::EAI_NONAME) {
        let keep = KeepErrno::new();
        // SAFETY: by the contract.
        let has_name = unsafe { plain::ip_of(address, size) }.is_some_and(has_name);
        drop(keep);
        return if has_name { libc::EAI_MEMORY } else { error };
    }
    let no_memory = error == libc::EAI_SYSTEM && Errno::last() == Errno::ENOMEM;
    if no_memory { libc::EAI_MEMORY } else { error }
}

/// True if the file has a name for the address, or does not say for lack of memory.
fn has_name(address: IpAddr) -> bool {
    lookup::host::listed_address(address, |found| found.is_some()).unwrap_or(true)
}
