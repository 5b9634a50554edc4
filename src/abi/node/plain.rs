//! getaddrinfo(3) and getnameinfo(3) on a libc without NSS modules: musl.
//!
//! musl's getaddrinfo is asked for an address as text, the first of the file that suits, so a name
//! has one address here. The list is musl's own in one block, and so is the canonical name in it: a
//! copy of the text, in whose place the file's name is written. The text is made as long as that.

use alloc::vec::Vec;
use core::ffi::{CStr, c_char, c_int};
use core::net::IpAddr;

use libc::{addrinfo, sockaddr, socklen_t};

use super::super::call_on;
use super::super::face::lent;
use super::family_and_flags;
use crate::errno::{Errno, KeepErrno};
use crate::lookup::{self, Answer};
use crate::pack::Packer;
use crate::parse::numeric;
use crate::real::netdb;
use crate::record::{Family, Host};
use crate::store::Matches;
use crate::sync::try_extend;

/// What to ask libc for in place of a node.
enum Node {
    /// The node itself: the file has it not.
    Given,
    /// An address as text, and what it is called.
    Listed(Vec<u8>, Vec<u8>),
    /// The file has it, without an address of the family.
    NoAddress,
}

/// As [`super::addresses`].
///
/// # Safety
///
/// As there.
pub(super) unsafe fn addresses(
    node: *const c_char,
    service: *const c_char,
    hints: *const addrinfo,
    list: *mut *mut addrinfo,
) -> c_int {
    let keep = KeepErrno::new();
    // SAFETY: by the contract, a C string.
    let key = unsafe { lent(node) }.unwrap_or_default();
    // SAFETY: by the contract, null or hints.
    let (family, flags) = unsafe { family_and_flags(hints) };
    let found = find(key, family, flags);
    drop(keep);
    match found {
        Err(_) => libc::EAI_MEMORY,
        Ok(Node::NoAddress) => libc::EAI_NONAME,
        Ok(Node::Given) => {
            call_on!((netdb::GETADDRINFO)(node, service, hints, list) or libc::EAI_SYSTEM)
        }
        Ok(Node::Listed(text, name)) => {
            let text = text.as_ptr().cast();
            let error =
                call_on!((netdb::GETADDRINFO)(text, service, hints, list) or libc::EAI_SYSTEM);
            if error == 0 {
                // SAFETY: the call succeeded, so it has stored a list there.
                let first = unsafe { *list };
                // SAFETY: libc's own list.
                let canonical = unsafe { (*first).ai_canonname };
                // SAFETY: a C string in the list.
                unsafe { overwrite(canonical, &name) };
            }
            error
        }
    }
}

fn find(node: &[u8], family: c_int, flags: c_int) -> Result<Node, Errno> {
    if let Some(ip) = numeric(node) {
        return lookup::host::listed_address(ip, |found| {
            found.map_or(Ok(Node::Given), |host| listed(ip, host.name))
        })
        .flatten();
    }
    if flags & libc::AI_NUMERICHOST != 0 {
        return Ok(Node::Given);
    }
    lookup::host::by_name(node, None, |answer| match answer {
        Answer::Row(matches) => match suiting(matches, family, flags) {
            Some((ip, host)) => listed(ip, host.name),
            None => Ok(Node::NoAddress),
        },
        Answer::Absent | Answer::Pass => Ok(Node::Given),
    })
    .flatten()
}

/// The first address that suits, and its line.
fn suiting<'a>(matches: &Matches<'a>, family: c_int, flags: c_int) -> Option<(IpAddr, Host<'a>)> {
    let first = |family| matches.hosts().find_map(|host| Some((host.address_as(family)?, host)));
    match family {
        libc::AF_UNSPEC => matches.hosts().next().map(|host| (host.address, host)),
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

fn listed(ip: IpAddr, name: &[u8]) -> Result<Node, Errno> {
    Ok(Node::Listed(text(ip, name)?, copy(name)?))
}

fn copy(bytes: &[u8]) -> Result<Vec<u8>, Errno> {
    let mut copy = Vec::new();
    try_extend(&mut copy, bytes)?;
    Ok(copy)
}

/// musl takes no node longer than this.
const LONGEST: usize = 254;

/// An address as a C string that is at least as long as `name`, if libc takes that: zeros before an
/// octal number change nothing, nor do they as the number of a scope.
fn text(ip: IpAddr, name: &[u8]) -> Result<Vec<u8>, Errno> {
    let digit = |n: u32| u8::try_from(char::from_digit(n & 15, 16).unwrap_or('0')).unwrap_or(b'0');
    let (mut number, mut zeros) = (Vec::new(), Vec::new());
    match ip {
        IpAddr::V4(ip) => {
            for octet in ip.octets().map(u32::from) {
                if !number.is_empty() {
                    try_extend(&mut number, b".")?;
                }
                let octal = [b'0', digit(octet >> 6), digit(octet >> 3 & 7), digit(octet & 7)];
                try_extend(&mut number, &octal)?;
            }
        }
        IpAddr::V6(ip) => {
            for group in ip.segments().map(u32::from) {
                let hex = [12, 8, 4, 0].map(|shift| digit(group >> shift));
                try_extend(&mut number, &hex)?;
                try_extend(&mut number, b":")?;
            }
            number.pop();
            if name.len() > number.len() {
                try_extend(&mut number, b"%0")?;
            }
        }
    }
    for _ in number.len()..name.len().min(LONGEST) {
        try_extend(&mut zeros, b"0")?;
    }
    let (head, tail) = if ip.is_ipv4() { (&zeros, &number) } else { (&number, &zeros) };
    let mut text = copy(head)?;
    try_extend(&mut text, tail)?;
    try_extend(&mut text, b"\0")?;
    Ok(text)
}

/// Writes `name` in the place of a C string, if it is no longer.
///
/// # Safety
///
/// `place` is null or a C string that may be written to.
unsafe fn overwrite(place: *mut c_char, name: &[u8]) {
    if place.is_null() {
        return;
    }
    // SAFETY: a C string, by the contract.
    let len = unsafe { CStr::from_ptr(place) }.count_bytes();
    // SAFETY: so many bytes, and the NUL after them.
    let mut room = unsafe { Packer::new(place.cast(), len + 1) };
    if name.len() <= len {
        // There is room for it.
        _ = room.string(name);
    }
}

/// As [`super::names`].
///
/// # Safety
///
/// As there.
pub(super) unsafe fn names(
    address: *const sockaddr,
    size: socklen_t,
    node: *mut c_char,
    node_len: socklen_t,
    service: *mut c_char,
    service_len: socklen_t,
    flags: c_int,
) -> c_int {
    let rest = |node, node_len, flags| {
        call_on!((netdb::GETNAMEINFO)(address, size, node, node_len, service, service_len, flags)
            or libc::EAI_SYSTEM)
    };
    // SAFETY: by the contract.
    let ip = unsafe { ip_of(address, size) };
    let Some(ip) = ip.filter(|_| node_len > 0 && flags & libc::NI_NUMERICHOST == 0) else {
        return rest(node, node_len, flags);
    };
    let keep = KeepErrno::new();
    let found = lookup::host::by_address(ip, |answer| match answer {
        Answer::Row(host) => {
            // SAFETY: by the contract, so many bytes; a socklen_t fits in a usize.
            let mut room = unsafe { Packer::new(node.cast(), node_len as usize) };
            Answer::Row(room.string(host.name).is_ok())
        }
        Answer::Absent => Answer::Absent,
        Answer::Pass => Answer::Pass,
    });
    drop(keep);
    match found {
        Err(_) => libc::EAI_MEMORY,
        Ok(Answer::Row(false)) => libc::EAI_OVERFLOW,
        Ok(Answer::Row(true)) if service.is_null() || service_len == 0 => 0,
        Ok(Answer::Row(true)) => rest(core::ptr::null_mut(), 0, flags & !libc::NI_NAMEREQD),
        Ok(Answer::Absent) if flags & libc::NI_NAMEREQD != 0 => libc::EAI_NONAME,
        Ok(Answer::Absent) => rest(node, node_len, flags | libc::NI_NUMERICHOST),
        Ok(Answer::Pass) => rest(node, node_len, flags),
    }
}

/// # Safety
///
/// `address` is valid for reads of `size` bytes.
pub(super) unsafe fn ip_of(address: *const sockaddr, size: socklen_t) -> Option<IpAddr> {
    let has = |least: usize| size as usize >= least && !address.is_null();
    if !has(size_of::<libc::sockaddr_in>()) {
        return None;
    }
    // SAFETY: long enough, by the contract.
    match c_int::from(unsafe { (*address).sa_family }) {
        libc::AF_INET => {
            // SAFETY: long enough.
            let v4 = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
            Some(IpAddr::from(v4.sin_addr.s_addr.to_ne_bytes()))
        }
        libc::AF_INET6 if has(size_of::<libc::sockaddr_in6>()) => {
            // SAFETY: long enough.
            let v6 = unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
            Some(IpAddr::from(v6.sin6_addr.s6_addr))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(ip: &str, len: usize) -> String {
        let mut text = text(ip.parse().unwrap(), &vec![b'x'; len]).unwrap();
        assert_eq!(text.pop(), Some(0));
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn an_address_is_spelled_as_long_as_a_name() {
        assert_eq!(shown("127.0.0.11", 3), "0177.0000.0000.0013");
        assert_eq!(shown("127.0.0.11", 22), "0000177.0000.0000.0013");
        assert_eq!(shown("fd00::1:2", 3), "fd00:0000:0000:0000:0000:0000:0001:0002");
        assert_eq!(shown("fd00::1:2", 40), "fd00:0000:0000:0000:0000:0000:0001:0002%0");
        assert_eq!(shown("::", 45).len(), 45);
        for ip in ["127.0.0.11", "255.8.64.0", "fd00::abcd"] {
            for len in [0, 19, 20, 39, 40, 100, LONGEST, 300] {
                let text = shown(ip, len);
                let text = text.split('%').next().unwrap();
                assert_eq!(numeric(text.as_bytes()), ip.parse().ok(), "{text}");
            }
        }
    }
}
