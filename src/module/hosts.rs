//! The hosts of a module.
#![allow(unsafe_code, reason = "calls of foreign functions")]

use core::net::IpAddr;

use libc::socklen_t;

use super::status::NOTFOUND;
use super::{Function, as_c, ask, c_string, module};
use crate::db::address::{Family, with_octets};
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
    let (key, (number, _)) = (c_string(name)?, family.to_c());
    let found =
        ask::<Hosts>(thread, Function::HostByName, question, None, |row, buf, len, error| {
            let (key, row, mut reason) = (as_c(&key).as_ptr(), row.cast(), 0);
            match (module.host_by_name2, module.host_by_name) {
                // SAFETY: a C string, and what `ask` gives: a row, a buffer of `len` bytes, and where errno is.
                (Some(ask), _) => unsafe {
                    ask(key, number, row, buf, len, error, &raw mut reason)
                },
                // As in glibc, this function is asked for IPv4 only.
                (None, Some(ask)) if family == Family::V4 => {
                    // SAFETY: a C string, and what `ask` gives: a row, a buffer of `len` bytes, and where errno is.
                    unsafe { ask(key, row, buf, len, error, &raw mut reason) }
                }
                _ => NOTFOUND,
            }
        });
    host(found)
}

/// A host by an address.
pub(crate) fn host_by_address(
    thread: &'static ThreadState,
    address: IpAddr,
) -> Result<Option<OwnedRow>, Errno> {
    let Status::Found(module) = module()? else { return Ok(None) };
    let Some(by_address) = module.host_by_address else { return Ok(None) };
    let question = Key::address(address).hash;
    let (family, _) = Family::of(address).to_c();
    let found =
        ask::<Hosts>(thread, Function::HostByAddress, question, None, |row, buf, len, error| {
            with_octets(address, |octets| {
                let (from, row, mut reason) = (octets.as_ptr().cast(), row.cast(), 0);
                let size = socklen_t::try_from(octets.len()).unwrap_or(0);
                // SAFETY: `size` bytes of an address, and what `ask` gives: a row, a buffer of `len` bytes, errno's
                // place.
                unsafe { by_address(from, size, family, row, buf, len, error, &raw mut reason) }
            })
        });
    host(found)
}

fn host(found: Result<Status<OwnedRow>, Errno>) -> Result<Option<OwnedRow>, Errno> {
    match found {
        Ok(Status::Found(host)) => Ok(address_at(&host, 0).is_some().then_some(host)),
        Ok(_) => Ok(None),
        Err(error @ (Errno::ENOMEM | Errno::EAGAIN)) => Err(error),
        Err(error) => {
            log!(Debug, "hosts", "the module failed: {error}");
            Ok(None)
        }
    }
}
