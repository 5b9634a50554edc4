//! What the functions about hosts do: those of `<netdb.h>`, and those that libc asks.

use core::ffi::{c_int, c_void};
use core::iter::once;
use core::net::IpAddr;
use core::ptr::null_mut;

use libc::{hostent, socklen_t};

use super::Lent;
use crate::errno::{Errno, HostErrno, KeepErrno};
use crate::lookup::{self, Answer};
use crate::pack::Entry;
use crate::parse::{Literal, literal};
use crate::record::{Family, Host};
use crate::thread;

/// What came of a question.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The room holds it.
    Host,
    /// Our sources decide that there is none, and why.
    None(HostErrno),
    /// Not ours; call the next definition.
    Pass,
}

pub(super) type Filled = Result<Found, Errno>;

/// The family of a number as C has it, if it has host addresses. As with the peer
/// `AF_UNSPEC` means IPv4 where one family must do.
pub(super) fn family(number: c_int) -> Option<Family> {
    match number {
        libc::AF_UNSPEC | libc::AF_INET => Some(Family::V4),
        libc::AF_INET6 => Some(Family::V6),
        _ => None,
    }
}

/// The address that C lent; `None` if its length is not the family's, or the family has no hosts.
///
/// # Safety
///
/// `address` is valid for reads of `len` bytes.
pub(super) unsafe fn address(
    address: *const c_void,
    len: socklen_t,
    family: c_int,
) -> Option<IpAddr> {
    match (family, len) {
        // SAFETY: four bytes, by the contract.
        (libc::AF_INET, 4) => Some(unsafe { address.cast::<[u8; 4]>().read() }.into()),
        // SAFETY: sixteen bytes, by the contract.
        (libc::AF_INET6, 16) => Some(unsafe { address.cast::<[u8; 16]>().read() }.into()),
        _ => None,
    }
}

/// A host by name, or an address as text, which is a host though no file lists it.
pub(super) fn ask_name_or_address(
    name: &[u8],
    family: Option<Family>,
    room: &Lent<hostent>,
) -> Filled {
    if !lookup::host::is_on()? {
        return Ok(Found::Pass);
    }
    // As with glibc an address needs no good family.
    let asked = family.unwrap_or(Family::V4);
    match (literal(name, asked), family) {
        (Literal::Address(address), _) => {
            fill(room, asked, once(Host { address, name, alias_list: b"" }))
        }
        (Literal::Name, Some(family)) => ask_name(name, family, room),
        (Literal::Name, None) | (Literal::Wrong, _) => Ok(Found::None(HostErrno::HOST_NOT_FOUND)),
    }
}

/// A host by name.
pub(super) fn ask_name(name: &[u8], family: Family, room: &Lent<hostent>) -> Filled {
    let filled = lookup::host::by_name(name, Some(family), |answer| match answer {
        Answer::Row(matches) => fill(room, family, matches.hosts()),
        Answer::Absent => Ok(Found::None(HostErrno::HOST_NOT_FOUND)),
        Answer::Pass => Ok(Found::Pass),
    });
    filled.flatten()
}

/// A host by address. An address that is none is no host's.
pub(super) fn ask_address(address: Option<IpAddr>, room: &Lent<hostent>) -> Filled {
    let Some(address) = address else {
        let is_on = lookup::host::is_on()?;
        return Ok(if is_on { Found::None(HostErrno::HOST_NOT_FOUND) } else { Found::Pass });
    };
    let filled = lookup::host::by_address(address, |answer| match answer {
        Answer::Row(host) => fill(room, family_of(address), once(host)),
        Answer::Absent => Ok(Found::None(HostErrno::HOST_NOT_FOUND)),
        Answer::Pass => Ok(Found::Pass),
    });
    filled.flatten()
}

/// The next host of the enumeration, of either family.
pub(super) fn next(room: &Lent<hostent>) -> Filled {
    if !lookup::host::is_on()? {
        return Ok(Found::Pass);
    }
    lookup::host::next(|answer| match answer {
        Answer::Row(host) => fill(room, family_of(host.address), once(host)),
        Answer::Absent => Ok(Found::None(HostErrno::HOST_NOT_FOUND)),
        Answer::Pass => Ok(Found::Pass),
    })
}

fn fill<'a>(
    room: &Lent<hostent>,
    family: Family,
    hosts: impl Iterator<Item = Host<'a>> + Clone,
) -> Filled {
    match Entry::of(family, hosts) {
        Some(entry) => room.fill(Answer::Row(entry)).map(|_| Found::Host),
        None => Ok(Found::None(HostErrno::NO_DATA)),
    }
}

/// The family of an address.
fn family_of(address: IpAddr) -> Family {
    if address.is_ipv4() { Family::V4 } else { Family::V6 }
}

/// Answers a `_r` function: 0 with the host or null, and why in `*reason`; `None` to call on.
/// `absent` is what the function returns where there is none.
///
/// # Safety
///
/// `reason` is valid for a write.
pub(super) unsafe fn answer_r(
    room: &Lent<hostent>,
    reason: *mut c_int,
    absent: c_int,
    ask: impl FnOnce(&Lent<hostent>) -> Filled,
) -> Option<c_int> {
    let keep = KeepErrno::new();
    let filled = ask(room);
    let (filled, why) = match filled {
        Ok(Found::Host) => (Ok(Some(true)), HostErrno::NETDB_SUCCESS),
        Ok(Found::None(why)) => (Ok(Some(false)), why),
        Ok(Found::Pass) => (Ok(None), HostErrno::NETDB_SUCCESS),
        Err(error) => (Err(error), error.into()),
    };
    let done = room.done(filled, absent);
    drop(keep);
    if let Err(error) = filled {
        error.set();
    }
    if done.is_some() {
        // SAFETY: by the contract.
        unsafe { reason.write(why.get()) };
    }
    done
}

/// Answers a function without `_r` from the thread's own memory, and says in `h_errno` why there is
/// no host; `None` to call on.
pub(super) fn answer(ask: impl FnMut(&Lent<hostent>) -> Filled) -> Option<*mut hostent> {
    let keep = KeepErrno::new();
    let kept = keep_host(ask);
    drop(keep);
    match kept {
        Ok(Ok(host)) => Some(host),
        Ok(Err(Found::None(why))) => {
            why.set();
            Some(null_mut())
        }
        Ok(Err(_)) => None,
        Err(error) => {
            HostErrno::from(error).set();
            error.set();
            Some(null_mut())
        }
    }
}

/// The host in the thread's own memory, or what there is in its place.
fn keep_host(
    mut ask: impl FnMut(&Lent<hostent>) -> Filled,
) -> Result<Result<*mut hostent, Found>, Errno> {
    if !lookup::host::is_on()? {
        return Ok(Err(Found::Pass));
    }
    let mut found = Found::Pass;
    let host = thread::here()?.host.fill(|out, buf, len| {
        let room = Lent { out, buf, len, found: null_mut() };
        found = ask(&room)?;
        Ok(found == Found::Host)
    })?;
    Ok(if host.is_null() { Err(found) } else { Ok(host) })
}
