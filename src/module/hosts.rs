//! The hosts of a module.
#![allow(unsafe_code, reason = "calls of foreign functions")]

use libc::socklen_t;

use super::{Function, as_c, ask, c_string, module};
use crate::db::address::Family;
use crate::db::hosts::address_at;
use crate::db::key::Key;
use crate::db::{Hosts, OwnedRow, Status};
use crate::rt::errno::Errno;
use crate::rt::log::log;
use crate::rt::thread::ThreadState;

/// A host by name, with its addresses of the family; `None` if there is no module, or it cannot be loaded.
pub(crate) fn host_by_name(
    thread: &'static ThreadState,
    name: &[u8],
    family: Family,
) -> Result<Option<OwnedRow>, Errno> {
    let Status::Found(module) = module()? else { return Ok(None) };
    let question = Key::host(name).hash;
    let (key, function) = (c_string(name)?, Function::HostByName);
    if let Some(by_name2) = module.host_by_name2 {
        let (family, _) = family.to_c();
        return host(ask::<Hosts>(thread, function, question, None, |row, buf, len, error| {
            let (key, mut reason) = (as_c(&key).as_ptr(), 0);
            // SAFETY: a C string, and what `ask` gives: a row, a buffer of `len` bytes, and where errno is.
            unsafe { by_name2(key, family, row.cast(), buf, len, error, &raw mut reason) }
        }));
    }
    // As in glibc, this function is asked for IPv4 only.
    let Some(by_name) = module.host_by_name.filter(|_| family == Family::V4) else {
        return Ok(None);
    };
    host(ask::<Hosts>(thread, function, question, None, |row, buf, len, error| {
        let (key, mut reason) = (as_c(&key).as_ptr(), 0);
        // SAFETY: a C string, and what `ask` gives: a row, a buffer of `len` bytes, and where errno is.
        unsafe { by_name(key, row.cast(), buf, len, error, &raw mut reason) }
    }))
}

/// A host by the bytes of an address.
pub(crate) fn host_by_address(
    thread: &'static ThreadState,
    octets: &[u8],
    family: Family,
) -> Result<Option<OwnedRow>, Errno> {
    let Status::Found(module) = module()? else { return Ok(None) };
    let Some(by_address) = module.host_by_address else { return Ok(None) };
    let question = Key::name(octets).hash;
    let (family, _) = family.to_c();
    let size = socklen_t::try_from(octets.len()).unwrap_or(0);
    host(ask::<Hosts>(thread, Function::HostByAddress, question, None, |row, buf, len, error| {
        let (from, mut reason) = (octets.as_ptr().cast(), 0);
        // SAFETY: `size` bytes of an address, and what `ask` gives: a row, a buffer of `len` bytes, and where errno is.
        unsafe { by_address(from, size, family, row.cast(), buf, len, error, &raw mut reason) }
    }))
}

fn host(found: Result<Status<OwnedRow>, Errno>) -> Result<Option<OwnedRow>, Errno> {
    match found {
        Ok(Status::Found(host)) => {
            let has_address = address_at(&host, 0).is_some();
            Ok(has_address.then_some(host))
        }
        Ok(_) => Ok(None),
        Err(error @ (Errno::ENOMEM | Errno::EAGAIN)) => Err(error),
        Err(error) => {
            log!(Debug, "hosts", "the module failed: {error}");
            Ok(None)
        }
    }
}
