//! getaddrinfo(3) and getnameinfo(3) where hosts are wrapped.
//!
//! glibc's own functions do the work, and ask this library, as an NSS service (`nss_service`), for the host. If the
//! host has one address alone, glibc is given that in place of the name: it need not look for services and for changes
//! of resolv.conf then, which takes most of its time. One thing is added, on which the peer's callers rely: the first
//! result always has the canonical name, also if the program asks for an address that is in the file.
//!
//! musl knows no NSS services; its functions are given an address in place of the name.

use core::ffi::{c_char, c_int};
use core::fmt::Write;
use core::net::IpAddr;
use core::ptr::null_mut;

use libc::{addrinfo, sockaddr, socklen_t};

use super::{addrinfo_musl, call_next, interpose, nss_entry, nss_service};
use crate::config::{self, FileKind};
use crate::db::Hosts;
use crate::db::address::{Family, from_octets, numeric};
use crate::db::hosts::HostRow;
use crate::resolve::configured;
use crate::resolve::hosts::{Matches, address_in_file, in_file};
use crate::rt::errno::{Errno, ErrnoGuard};
use crate::rt::memory::ScratchBuf;
use crate::rt::next::{CONFIGURE_LOOKUP, FREEADDRINFO};
use crate::rt::out_buf::c_bytes;
use crate::rt::thread::Call;

/// The flags that mean the same for a name as for its only address. (With `AI_ALL` a name is looked for in IPv4 too,
/// where `::1` stands for 127.0.0.1; `AI_NUMERICHOST` permits no name, and the IDN flags translate names.)
const FLAGS_FOR_LITERALS: c_int = libc::AI_PASSIVE
    | libc::AI_CANONNAME
    | libc::AI_NUMERICSERV
    | libc::AI_V4MAPPED
    | libc::AI_ADDRCONFIG;

/// The arguments of getaddrinfo(3).
#[derive(Clone, Copy)]
pub(super) struct Query {
    pub(super) node: *const c_char,
    pub(super) service: *const c_char,
    pub(super) hints: *const addrinfo,
    pub(super) list: *mut *mut addrinfo,
}

/// The arguments of getnameinfo(3).
#[derive(Clone, Copy)]
pub(super) struct NameQuery {
    pub(super) address: *const sockaddr,
    pub(super) size: socklen_t,
    pub(super) node: (*mut c_char, socklen_t),
    pub(super) service: (*mut c_char, socklen_t),
    pub(super) flags: c_int,
}

interpose! {
    /// `getaddrinfo(3)`: libc looks up names that are not in the file.
    fn getaddrinfo(
        node: *const c_char, service: *const c_char, hints: *const addrinfo,
        list: *mut *mut addrinfo,
    ) -> c_int as libc {
        let query = Query { node, service, hints, list };
        if node.is_null() || matches!(configured::<Hosts>(), Ok(None)) {
            call_next!(getaddrinfo(node, service, hints, list) or libc::EAI_SYSTEM)
        } else if CONFIGURE_LOOKUP.get().is_none() {
            // SAFETY: getaddrinfo(3) is asked of the program's own arguments; `node` is not null, as checked.
            unsafe { addrinfo_musl::addresses(query) }
        } else {
            // SAFETY: getaddrinfo(3) is asked of the program's own arguments; `node` is not null, as checked.
            unsafe { addresses(query) }
        }
    }

    /// `getnameinfo(3)`: the host is looked up only in the file, as by the peer.
    fn getnameinfo(
        address: *const sockaddr, size: socklen_t, node: *mut c_char, node_len: socklen_t,
        service: *mut c_char, service_len: socklen_t, flags: c_int,
    ) -> c_int {
        let (node, service) = ((node, node_len), (service, service_len));
        let query = NameQuery { address, size, node, service, flags };
        if matches!(configured::<Hosts>(), Ok(None)) {
            call_next!(
                getnameinfo(address, size, node.0, node.1, service.0, service.1, flags)
                    or libc::EAI_SYSTEM
            )
        } else if CONFIGURE_LOOKUP.get().is_none() {
            // SAFETY: the program has called getnameinfo(3) with these arguments.
            unsafe { addrinfo_musl::names(query) }
        } else {
            // SAFETY: the program has called getnameinfo(3) with these arguments.
            unsafe { names(query) }
        }
    }
}

/// Calls the next getaddrinfo.
///
/// # Safety
///
/// The arguments are those of getaddrinfo(3).
pub(super) unsafe fn next_addresses(query: Query) -> c_int {
    let Some(next) = NEXT.getaddrinfo.get() else { return libc::EAI_SYSTEM };
    // SAFETY: the caller promises the arguments of getaddrinfo(3), which `next` is.
    unsafe { next(query.node, query.service, query.hints, query.list) }
}

/// Calls the next getnameinfo.
///
/// # Safety
///
/// The arguments are those of getnameinfo(3).
pub(super) unsafe fn next_names(query: NameQuery) -> c_int {
    let Some(next) = NEXT.getnameinfo.get() else { return libc::EAI_SYSTEM };
    let NameQuery { address, size, node, service, flags } = query;
    // SAFETY: the caller promises the arguments of getnameinfo(3), which `next` is.
    unsafe { next(address, size, node.0, node.1, service.0, service.1, flags) }
}

/// # Safety
///
/// The arguments are those of getaddrinfo(3), and `node` is not null.
unsafe fn addresses(query: Query) -> c_int {
    // SAFETY: the caller promises the arguments of getaddrinfo(3), and that `node` is not null.
    if let Ok(true) = unsafe { addresses_of_literal(query) } {
        return 0;
    }
    if nss_service::configure(FileKind::Hosts).is_err() {
        return libc::EAI_MEMORY;
    }
    let asked = nss_entry::begin_addresses();
    // SAFETY: the caller promises the arguments of getaddrinfo(3).
    let error = unsafe { next_addresses(query) };
    let was_asked = asked != nss_entry::times_asked();
    let guard = ErrnoGuard::new();
    // SAFETY: getaddrinfo(3) has the caller promise a C string.
    let node = unsafe { c_bytes(query.node) }.unwrap_or_default();
    // SAFETY: getaddrinfo(3) has the caller promise null or hints.
    let (family, flags) = unsafe { family_and_flags(query.hints) };
    if error != 0 {
        let no_memory = error == libc::EAI_SYSTEM && Errno::last() == Errno::ENOMEM
            || !was_asked && is_search(error, family, flags) && has_address(node, family);
        drop(guard);
        return if no_memory { libc::EAI_MEMORY } else { error };
    }
    // SAFETY: getaddrinfo(3) has returned 0, so it has stored a list there.
    let first = unsafe { *query.list };
    // SAFETY: glibc's getaddrinfo(3) has just made the list, and the program has not seen it.
    let named = unsafe { name_first(first, node, family, was_asked) };
    drop(guard);
    if named.is_err() {
        // SAFETY: glibc's getaddrinfo(3) has just made the list, and the program has not seen it.
        unsafe { free_list(query) };
        return libc::EAI_MEMORY;
    }
    0
}

/// Calls the next getaddrinfo with the only address of the host in place of its name. False if the host has several
/// addresses or none of the family, or if libc reports an error, because for the name it may report another one.
///
/// # Safety
///
/// The arguments are those of getaddrinfo(3), and `node` is not null.
unsafe fn addresses_of_literal(query: Query) -> Result<bool, Errno> {
    let guard = ErrnoGuard::new();
    // SAFETY: getaddrinfo(3) has the caller promise a C string.
    let node = unsafe { c_bytes(query.node) }.unwrap_or_default();
    // SAFETY: getaddrinfo(3) has the caller promise null or hints.
    let (family, flags) = unsafe { family_and_flags(query.hints) };
    if flags & !FLAGS_FOR_LITERALS != 0 || numeric(node).is_some() {
        return Ok(false);
    }
    let (config, mut call) = (config::get()?, Call::enter()?);
    let Some(matches) = in_file(config, &mut call, node)? else { return Ok(false) };
    let mut hosts = matches.rows();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Ok(false) };
    let suits = family == libc::AF_UNSPEC || family == Family::of(host.address).to_c().0;
    // Without a name to put in its place the literal would stay the canonical name. And with AI_V4MAPPED glibc treats
    // an IPv4 address that the file writes as IPv6 in another way than the literal.
    if !suits || host.name.is_empty() || host.address != host.address.to_canonical() {
        return Ok(false);
    }
    let mut literal = ScratchBuf::new();
    write!(literal, "{}\0", host.address).map_err(|_| Errno::ENOMEM)?;
    drop(guard);
    let by_literal = Query { node: literal.as_ptr().cast(), ..query };
    // SAFETY: the caller promises such arguments; the literal ends in NUL.
    if unsafe { next_addresses(by_literal) } != 0 {
        return Ok(false);
    }
    let guard = ErrnoGuard::new();
    // SAFETY: getaddrinfo(3) has returned 0, so it has stored a list there.
    let first = unsafe { *query.list };
    // SAFETY: glibc's getaddrinfo(3) has just made the list, and the program has not seen it.
    let named = unsafe { set_name(first, host.name) };
    if named.is_err() {
        // SAFETY: glibc's getaddrinfo(3) has just made the list, and the program has not seen it.
        unsafe { free_list(query) };
    }
    drop(guard);
    named.map(|()| true)
}

/// Frees the list that was stored.
///
/// # Safety
///
/// glibc's getaddrinfo(3) has stored a list there, and the program has not seen it.
unsafe fn free_list(query: Query) {
    // SAFETY: getaddrinfo(3) has the caller promise room for a pointer, in which it has stored a list.
    let first = unsafe { query.list.replace(null_mut()) };
    if let Some(free) = FREEADDRINFO.get() {
        // SAFETY: the caller promises a list of getaddrinfo(3) that nobody else has.
        unsafe { free(first) };
    }
}

/// True if the error comes from a search for a name, rather than from the arguments.
fn is_search(error: c_int, family: c_int, flags: c_int) -> bool {
    let searches =
        [libc::EAI_NONAME, libc::EAI_NODATA, libc::EAI_AGAIN, libc::EAI_FAIL, libc::EAI_SYSTEM];
    // If no interface but loopback has an address of the family, glibc asks nobody: getaddrinfo(3).
    let has_no_interface =
        error == libc::EAI_NONAME && flags & libc::AI_ADDRCONFIG != 0 && family != libc::AF_UNSPEC;
    searches.contains(&error)
        && !has_no_interface
        && flags & (libc::AI_NUMERICHOST | libc::AI_NUMERICSERV) == 0
}

/// True if the file has an address for the name, or if that cannot be known for lack of memory. If libc finds no memory
/// to load a service, it goes on without it and reports nothing.
fn has_address(name: &[u8], family: c_int) -> bool {
    let found = || {
        let (config, mut call) = (config::get()?, Call::enter()?);
        let matches = in_file(config, &mut call, name)?;
        Ok::<_, Errno>(matches.is_some_and(|matches| canonical(&matches, family).is_some()))
    };
    found().unwrap_or(true)
}

/// # Safety
///
/// `hints` is null or valid for reads.
pub(super) unsafe fn family_and_flags(hints: *const addrinfo) -> (c_int, c_int) {
    // SAFETY: the caller promises null or what is valid for reads.
    unsafe { hints.as_ref() }
        .map_or((libc::AF_UNSPEC, 0), |hints| (hints.ai_family, hints.ai_flags))
}

/// Gives the first result the canonical name if `node` is in the file. glibc gives it none unless the program asks for
/// one, and for an address only the address.
///
/// # Safety
///
/// `first` is the list that glibc's getaddrinfo(3) made.
unsafe fn name_first(
    first: *mut addrinfo,
    node: &[u8],
    family: c_int,
    was_asked: bool,
) -> Result<(), Errno> {
    let address = numeric(node);
    // SAFETY: getaddrinfo(3): a list has a first result.
    let is_named = address.is_none() && !unsafe { (*first).ai_canonname }.is_null();
    if is_named {
        return Ok(());
    }
    let (config, mut call) = (config::get()?, Call::enter()?);
    if let Some(ip) = address {
        return match address_in_file(config, &mut call, ip)? {
            // SAFETY: the caller promises the list that glibc made.
            Some(host) => unsafe { set_name(first, host.name) },
            None => Ok(()),
        };
    }
    if was_asked {
        return match call.thread().canonical_name() {
            // SAFETY: the caller promises the list that glibc made.
            Some(name) => unsafe { set_name(first, name) },
            // Another service has given the answer.
            None => Ok(()),
        };
    }
    match in_file(config, &mut call, node)? {
        Some(matches) => match canonical(&matches, family) {
            // SAFETY: the caller promises the list that glibc made.
            Some(host) => unsafe { set_name(first, host.name) },
            None => Ok(()),
        },
        None => Ok(()),
    }
}

/// The line with the canonical name for a family: the first line with an address of it.
fn canonical<'a>(matches: &'a Matches<'_>, family: c_int) -> Option<HostRow<'a>> {
    let first = |family| matches.rows().find(|host| host.address_as(family).is_some());
    match family {
        libc::AF_INET => first(Family::V4),
        // With AI_V4MAPPED an IPv4 address counts too.
        libc::AF_INET6 => first(Family::V6).or_else(|| first(Family::V4)),
        _ => matches.rows().next(),
    }
}

/// # Safety
///
/// `first` is the list that glibc's getaddrinfo(3) made: it frees the name of each result with free(3).
unsafe fn set_name(first: *mut addrinfo, name: &[u8]) -> Result<(), Errno> {
    if name.is_empty() {
        return Ok(());
    }
    // SAFETY: malloc(3) takes any size.
    let copy = unsafe { libc::malloc(name.len() + 1) }.cast::<c_char>();
    if copy.is_null() {
        return Err(Errno::ENOMEM);
    }
    // SAFETY: `copy` is fresh memory from malloc(3), one byte longer than the name.
    unsafe { copy.copy_from_nonoverlapping(name.as_ptr().cast(), name.len()) };
    // SAFETY: that byte.
    unsafe { copy.wrapping_add(name.len()).write(0) };
    // SAFETY: getaddrinfo(3): a list has a first result; the program has not seen this one yet.
    let place = unsafe { &mut (*first).ai_canonname };
    let old = core::mem::replace(place, copy);
    // SAFETY: null, or glibc's own copy, to which nobody else has a pointer.
    unsafe { libc::free(old.cast()) };
    Ok(())
}

/// # Safety
///
/// The arguments are those of getnameinfo(3).
unsafe fn names(query: NameQuery) -> c_int {
    if nss_service::configure(FileKind::Hosts).is_err() {
        return libc::EAI_MEMORY;
    }
    let asked = nss_entry::times_asked();
    // SAFETY: the caller promises the arguments of getnameinfo(3).
    let error = unsafe { next_names(query) };
    let (node, node_len) = query.node;
    let is_wanted = !node.is_null() && node_len > 0 && query.flags & libc::NI_NUMERICHOST == 0;
    let was_asked = asked != nss_entry::times_asked();
    if is_wanted && !was_asked && matches!(error, 0 | libc::EAI_NONAME) {
        let guard = ErrnoGuard::new();
        // SAFETY: getnameinfo(3) has the caller promise `size` bytes.
        let has_name = unsafe { ip_of(query.address, query.size) }.is_some_and(has_name);
        drop(guard);
        return if has_name { libc::EAI_MEMORY } else { error };
    }
    let no_memory = error == libc::EAI_SYSTEM && Errno::last() == Errno::ENOMEM;
    if no_memory { libc::EAI_MEMORY } else { error }
}

/// True if the file has a name for the address, or if that cannot be known for lack of memory.
fn has_name(address: IpAddr) -> bool {
    let found = || {
        let (config, mut call) = (config::get()?, Call::enter()?);
        Ok::<_, Errno>(address_in_file(config, &mut call, address)?.is_some())
    };
    found().unwrap_or(true)
}

/// The IP address of a socket address; `None` if it is neither IPv4 nor IPv6, or too short.
///
/// # Safety
///
/// `address` is valid for reads of `size` bytes.
pub(super) unsafe fn ip_of(address: *const sockaddr, size: socklen_t) -> Option<IpAddr> {
    let has = |least: usize| size as usize >= least && !address.is_null();
    if !has(size_of::<libc::sockaddr_in>()) {
        return None;
    }
    // SAFETY: `has` shows that a whole `sockaddr_in` is there, which begins as a `sockaddr` does.
    match c_int::from(unsafe { (*address).sa_family }) {
        libc::AF_INET => {
            // SAFETY: `has` shows that a whole `sockaddr_in` is there.
            let v4 = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
            from_octets(libc::AF_INET, &v4.sin_addr.s_addr.to_ne_bytes())
        }
        libc::AF_INET6 if has(size_of::<libc::sockaddr_in6>()) => {
            // SAFETY: `has` shows that a whole `sockaddr_in6` is there.
            let v6 = unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
            from_octets(libc::AF_INET6, &v6.sin6_addr.s6_addr)
        }
        _ => None,
    }
}
