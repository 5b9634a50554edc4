//! getaddrinfo(3) and getnameinfo(3) on a libc without NSS services: musl.
//!
//! musl's getaddrinfo is called with an address as text in place of the name: the first suitable one of the file or the
//! module, so a name has one address here. musl makes the list and the canonical name, a copy of the text, in one
//! block. The file's name is written over that copy. So the text is made at least as long as the name.

use core::ffi::{CStr, c_char, c_int};
use core::fmt::Write;
use core::net::IpAddr;

use super::addrinfo::{NameQuery, Query, family_and_flags, ip_of, next_addresses, next_names};
use crate::config;
use crate::db::address::{Family, numeric};
use crate::db::hosts::HostRow;
use crate::resolve::hosts::{Matches, address_in_file, find_all};
use crate::rt::errno::{Errno, ErrnoGuard};
use crate::rt::memory::ScratchBuf;
use crate::rt::out_buf::{Room, c_bytes};
use crate::rt::thread::{Call, InLibc};

/// What libc is given as the node.
enum NodeText {
    /// The node itself, for which our sources have no host.
    Given,
    /// An address as text, and its canonical name.
    Address(ScratchBuf<u8>, ScratchBuf<u8>),
    /// Nothing, because the host has no address of the family.
    NoAddress,
}

/// getaddrinfo.
///
/// # Safety
///
/// The arguments are those of getaddrinfo(3), and `node` is not null.
pub(super) unsafe fn addresses(query: Query) -> c_int {
    let guard = ErrnoGuard::new();
    // SAFETY: getaddrinfo(3) has the caller promise a C string.
    let key = unsafe { c_bytes(query.node) }.unwrap_or_default();
    // SAFETY: getaddrinfo(3) has the caller promise null or hints.
    let (family, flags) = unsafe { family_and_flags(query.hints) };
    let mut call = Call::enter();
    let found = match &mut call {
        Ok(call) => find(call, key, family, flags),
        Err(error) => Err(*error),
    };
    drop(guard);
    let in_libc = InLibc::enter();
    let error = match found {
        Err(_) => libc::EAI_MEMORY,
        Ok(NodeText::NoAddress) => libc::EAI_NONAME,
        // SAFETY: the caller promises the arguments of getaddrinfo(3).
        Ok(NodeText::Given) => unsafe { next_addresses(query) },
        Ok(NodeText::Address(text, name)) => {
            // SAFETY: the caller promises such arguments; `text` ends in NUL: the function of that name.
            let error = unsafe { next_addresses(Query { node: text.as_ptr().cast(), ..query }) };
            if error == 0 {
                // SAFETY: getaddrinfo(3) has returned 0, so it has stored a list there.
                let first = unsafe { *query.list };
                // SAFETY: getaddrinfo(3): a list has a first result.
                let canonical = unsafe { (*first).ai_canonname };
                // SAFETY: null, or a C string in the list, which the program has not seen yet.
                unsafe { overwrite(canonical, &name) };
            }
            error
        }
    };
    drop(in_libc);
    error
}

fn find(call: &mut Call, node: &[u8], family: c_int, flags: c_int) -> Result<NodeText, Errno> {
    let config = config::get()?;
    if let Some(ip) = numeric(node) {
        let found = address_in_file(config, call, ip)?;
        return found.map_or(Ok(NodeText::Given), |host| in_place_of(ip, host.name));
    }
    if flags & libc::AI_NUMERICHOST != 0 {
        return Ok(NodeText::Given);
    }
    let Some(matches) = find_all(config, call, node)? else { return Ok(NodeText::Given) };
    match suiting(&matches, family, flags) {
        Some((ip, host)) => in_place_of(ip, host.name),
        None => Ok(NodeText::NoAddress),
    }
}

/// The first address that suits, and its line.
fn suiting<'a>(
    matches: &'a Matches<'_>,
    family: c_int,
    flags: c_int,
) -> Option<(IpAddr, HostRow<'a>)> {
    let first = |family| matches.rows().find_map(|host| Some((host.address_as(family)?, host)));
    match family {
        libc::AF_UNSPEC => matches.rows().next().map(|host| (host.address, host)),
        libc::AF_INET => first(Family::V4),
        libc::AF_INET6 => first(Family::V6).or_else(|| {
            let (ip, host) = first(Family::V4).filter(|_| flags & libc::AI_V4MAPPED != 0)?;
            match ip {
                IpAddr::V4(ip) => Some((ip.to_ipv6_mapped().into(), host)),
                IpAddr::V6(_) => None,
            }
        }),
        _ => None,
    }
}

fn in_place_of(ip: IpAddr, name: &[u8]) -> Result<NodeText, Errno> {
    Ok(NodeText::Address(text(ip, name)?, ScratchBuf::copy_of(name)?))
}

/// musl takes no node longer than this.
const LONGEST_NODE_BYTES: usize = 254;

/// An address as a C string that is at least as long as `name`, unless that is longer than libc takes. It is filled
/// with zeros that change nothing: before an octal number, or as the number of a scope.
fn text(ip: IpAddr, name: &[u8]) -> Result<ScratchBuf<u8>, Errno> {
    let len = name.len().min(LONGEST_NODE_BYTES);
    let mut text = ScratchBuf::new();
    match ip {
        IpAddr::V4(ip) => {
            for _ in "0000.0000.0000.0000".len()..len {
                text.push(b'0')?;
            }
            let [a, b, c, d] = ip.octets();
            write!(text, "{a:04o}.{b:04o}.{c:04o}.{d:04o}")
        }
        IpAddr::V6(ip) => {
            let [a, b, c, d, e, f, g, h] = ip.segments();
            write!(text, "{a:04x}:{b:04x}:{c:04x}:{d:04x}:{e:04x}:{f:04x}:{g:04x}:{h:04x}")
        }
    }
    .map_err(|_| Errno::ENOMEM)?;
    if text.len() < len {
        text.extend(b"%0")?;
    }
    while text.len() < len {
        text.push(b'0')?;
    }
    text.push(0)?;
    Ok(text)
}

/// Writes `name` over a C string, if it is not longer than that.
///
/// # Safety
///
/// `place` is null or a C string that may be written to.
unsafe fn overwrite(place: *mut c_char, name: &[u8]) {
    if place.is_null() {
        return;
    }
    // SAFETY: the caller promises a C string; it is not null, as checked.
    let len = unsafe { CStr::from_ptr(place) }.count_bytes();
    // SAFETY: `count_bytes` has found so many bytes and the NUL; the caller promises that they can be written.
    let mut room = unsafe { Room::new(place.cast(), len + 1) };
    if name.len() <= len {
        // It cannot fail: there is room.
        _ = room.string(name);
    }
}

/// getnameinfo.
///
/// # Safety
///
/// The arguments are those of getnameinfo(3).
pub(super) unsafe fn names(query: NameQuery) -> c_int {
    let (node, node_len) = query.node;
    // SAFETY: the caller promises the arguments of getnameinfo(3), of which the node's part may be left out.
    let rest = |query| unsafe { next_names(query) };
    // SAFETY: getnameinfo(3) has the caller promise `size` bytes.
    let ip = unsafe { ip_of(query.address, query.size) };
    let Some(ip) = ip.filter(|_| node_len > 0 && query.flags & libc::NI_NUMERICHOST == 0) else {
        return rest(query);
    };
    let guard = ErrnoGuard::new();
    // SAFETY: getnameinfo(3) has the caller promise so many bytes; a socklen_t fits in a usize.
    let room = unsafe { Room::new(node.cast(), node_len as usize) };
    let found = write_name(ip, room);
    drop(guard);
    match found {
        Err(Errno::ERANGE) => libc::EAI_OVERFLOW,
        Err(_) => libc::EAI_MEMORY,
        Ok(Some(())) if query.service.0.is_null() || query.service.1 == 0 => 0,
        Ok(Some(())) => rest(NameQuery {
            node: (core::ptr::null_mut(), 0),
            flags: query.flags & !libc::NI_NAMEREQD,
            ..query
        }),
        Ok(None) if config::get().is_ok_and(|config| config.fall_through) => rest(query),
        Ok(None) if query.flags & libc::NI_NAMEREQD != 0 => libc::EAI_NONAME,
        Ok(None) => rest(NameQuery { flags: query.flags | libc::NI_NUMERICHOST, ..query }),
    }
}

/// Writes the name that the file has for an address; `None` if it has none, `ERANGE` if the name does not fit.
fn write_name(ip: IpAddr, mut room: Room<'_>) -> Result<Option<()>, Errno> {
    let (config, mut call) = (config::get()?, Call::enter()?);
    match address_in_file(config, &mut call, ip)? {
        Some(host) => room.string(host.name).map(|_| Some(())),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(ip: &str, len: usize) -> String {
        let text = text(ip.parse().unwrap(), &vec![b'x'; len]).unwrap();
        let (end, text) = text.split_last().unwrap();
        assert_eq!(*end, 0);
        String::from_utf8(text.to_vec()).unwrap()
    }

    #[test]
    fn an_address_is_spelled_as_long_as_a_name() {
        assert_eq!(shown("127.0.0.11", 3), "0177.0000.0000.0013");
        assert_eq!(shown("127.0.0.11", 22), "0000177.0000.0000.0013");
        assert_eq!(shown("fd00::1:2", 3), "fd00:0000:0000:0000:0000:0000:0001:0002");
        assert_eq!(shown("fd00::1:2", 40), "fd00:0000:0000:0000:0000:0000:0001:0002%0");
        assert_eq!(shown("::", 45).len(), 45);
        for ip in ["127.0.0.11", "255.8.64.0", "fd00::abcd"] {
            for len in [0, 19, 20, 39, 40, 100, LONGEST_NODE_BYTES, 300] {
                let text = shown(ip, len);
                let text = text.split('%').next().unwrap();
                assert_eq!(numeric(text.as_bytes()), ip.parse().ok(), "{text}");
            }
        }
    }
}
