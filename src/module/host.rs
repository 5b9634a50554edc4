//! Hosts of a module.

use alloc::vec::Vec;
use core::ffi::{c_char, c_int, c_void};
use core::net::IpAddr;
use core::ptr::null_mut;

use libc::{hostent, size_t, socklen_t};

use super::open::{self, Hosts, State};
use super::row::{Entry, append, append_each};
use super::{Reply, as_c, ask, c_string};
use crate::errno::Errno;
use crate::record::{Family, Host};
use crate::sync::try_extend;
use crate::trace::log;

/// In [`super::Inside`], beside the bits of the databases.
const BY_NAME: u32 = 1 << 28;
const BY_ADDRESS: u32 = 1 << 29;

pub(super) type ByName2 = unsafe extern "C" fn(
    *const c_char,
    c_int,
    *mut hostent,
    *mut c_char,
    size_t,
    *mut c_int,
    *mut c_int,
) -> c_int;
pub(super) type ByName = unsafe extern "C" fn(
    *const c_char,
    *mut hostent,
    *mut c_char,
    size_t,
    *mut c_int,
    *mut c_int,
) -> c_int;
pub(super) type ByAddress = unsafe extern "C" fn(
    *const c_void,
    socklen_t,
    c_int,
    *mut hostent,
    *mut c_char,
    size_t,
    *mut c_int,
    *mut c_int,
) -> c_int;

/// A host from a module.
pub(crate) struct KeptHost {
    addresses: Vec<IpAddr>,
    name: Vec<u8>,
    /// Between blanks, as in a file.
    aliases: Vec<u8>,
}

impl KeptHost {
    /// As the lines that a file would have for it.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = Host<'_>> + Clone {
        self.addresses.iter().enumerate().map(|(at, &address)| Host {
            address,
            name: &self.name,
            alias_list: if at == 0 { &self.aliases } else { b"" },
        })
    }

    /// As the line that a file would have for an address of it.
    pub(crate) fn at(&self, address: IpAddr) -> Host<'_> {
        Host { address, name: &self.name, alias_list: &self.aliases }
    }
}

impl Entry for hostent {
    const EMPTY: Self = Self {
        h_name: null_mut(),
        h_aliases: null_mut(),
        h_addrtype: 0,
        h_length: 0,
        h_addr_list: null_mut(),
    };
    type Kept = KeptHost;

    unsafe fn keep(&self) -> Result<KeptHost, Errno> {
        let (mut addresses, mut name, mut aliases) = (Vec::new(), Vec::new(), Vec::new());
        // SAFETY: the contract of this function.
        unsafe { append(&mut name, self.h_name) }?;
        // SAFETY: as above: an array of C strings that ends in null.
        unsafe { append_each(&mut aliases, self.h_aliases) }?;
        for byte in &mut aliases {
            if *byte == 0 {
                *byte = b' ';
            }
        }
        let mut at = self.h_addr_list;
        while !at.is_null() {
            // SAFETY: not past the array's end, which was not seen yet.
            let bytes = unsafe { *at };
            if bytes.is_null() {
                break;
            }
            // SAFETY: an element before the end has `h_length` bytes.
            if let Some(address) = unsafe { address_at(bytes, self.h_addrtype, self.h_length) } {
                try_extend(&mut addresses, &[address])?;
            }
            // SAFETY: this element was not the end, so there is another.
            at = unsafe { at.add(1) };
        }
        Ok(KeptHost { addresses, name, aliases })
    }
}

/// # Safety
///
/// `bytes` is valid for reads of `len` bytes.
unsafe fn address_at(bytes: *const c_char, family: c_int, len: c_int) -> Option<IpAddr> {
    match (family, len) {
        // SAFETY: four bytes, by the contract.
        (libc::AF_INET, 4) => Some(unsafe { bytes.cast::<[u8; 4]>().read() }.into()),
        // SAFETY: sixteen bytes, by the contract.
        (libc::AF_INET6, 16) => Some(unsafe { bytes.cast::<[u8; 16]>().read() }.into()),
        _ => None,
    }
}

fn functions() -> Result<Option<&'static Hosts>, Errno> {
    Ok(match open::state()? {
        State::In(module) => Some(&module.hosts),
        State::Off | State::Out => None,
    })
}

/// A host by name, with its addresses of the family, or of both.
pub(crate) fn host_by_name(name: &[u8], family: Option<Family>) -> Result<Option<KeptHost>, Errno> {
    let Some(hosts) = functions()? else { return Ok(None) };
    let key = c_string(name)?;
    let of = |family| {
        if let Some(call) = hosts.by_name2 {
            let family = if family == Family::V4 { libc::AF_INET } else { libc::AF_INET6 };
            return found(ask::<hostent>(BY_NAME, |row, buf, len, error| {
                let (key, mut reason) = (as_c(&key).as_ptr(), 0);
                // SAFETY: a C string, and what `ask` lends.
                unsafe { call(key, family, row, buf, len, error, &raw mut reason) }
            }));
        }
        // As glibc, this one is asked for IPv4 alone.
        let Some(call) = hosts.by_name.filter(|_| family == Family::V4) else { return Ok(None) };
        found(ask::<hostent>(BY_NAME, |row, buf, len, error| {
            let (key, mut reason) = (as_c(&key).as_ptr(), 0);
            // SAFETY: a C string, and what `ask` lends.
            unsafe { call(key, row, buf, len, error, &raw mut reason) }
        }))
    };
    let Some(family) = family else { return both(of(Family::V4)?, of(Family::V6)?) };
    of(family)
}

/// The addresses of both, under the names of the first.
fn both(first: Option<KeptHost>, second: Option<KeptHost>) -> Result<Option<KeptHost>, Errno> {
    match (first, second) {
        (Some(mut host), Some(more)) => {
            try_extend(&mut host.addresses, &more.addresses)?;
            Ok(Some(host))
        }
        (first, second) => Ok(first.or(second)),
    }
}

/// A host by address.
pub(crate) fn host_by_address(address: IpAddr) -> Result<Option<KeptHost>, Errno> {
    let Some(call) = functions()?.and_then(|hosts| hosts.by_address) else { return Ok(None) };
    let (mut octets, family, size) = ([0; 16], libc::AF_INET, 4);
    let (family, size) = match address {
        IpAddr::V4(ip) => {
            octets.iter_mut().zip(ip.octets()).for_each(|(to, from)| *to = from);
            (family, size)
        }
        IpAddr::V6(ip) => {
            octets = ip.octets();
            (libc::AF_INET6, 16)
        }
    };
    found(ask::<hostent>(BY_ADDRESS, |row, buf, len, error| {
        let (from, mut reason) = (octets.as_ptr().cast(), 0);
        // SAFETY: `size` bytes of an address, and what `ask` lends.
        unsafe { call(from, size, family, row, buf, len, error, &raw mut reason) }
    }))
}

/// A module that is not available knows no hosts: others may.
fn found(reply: Result<Reply<KeptHost>, Errno>) -> Result<Option<KeptHost>, Errno> {
    match reply {
        Ok(Reply::Row(host)) if !host.addresses.is_empty() => Ok(Some(host)),
        Ok(_) => Ok(None),
        Err(error @ (Errno::ENOMEM | Errno::EAGAIN)) => Err(error),
        Err(error) => {
            log!(Debug, "hosts", "the module failed: {}", error.text());
            Ok(None)
        }
    }
}
