//! Hosts into the caller's buffer: `struct hostent`, and the list that glibc's getaddrinfo(3) takes.

use core::ffi::{c_char, c_int};
use core::net::IpAddr;
use core::ptr::null_mut;

use super::{Pack, Packer};
use crate::errno::Errno;
use crate::record::{Family, Host};

/// The hosts of one name as one result of the family; the first has the canonical name.
pub(crate) struct Entry<I> {
    pub(crate) family: Family,
    pub(crate) hosts: I,
}

impl<'a, I: Iterator<Item = Host<'a>> + Clone> Entry<I> {
    fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let family = self.family;
        self.hosts.clone().filter_map(move |host| host.address_as(family))
    }

    /// The hosts that have an address of the family.
    fn shown(&self) -> impl Iterator<Item = Host<'a>> + Clone {
        let family = self.family;
        self.hosts.clone().filter(move |host| host.address_as(family).is_some())
    }

    /// As glibc has it (`gethostbyname3_multi`): all names of the lines but the first one's own.
    fn aliases(&self) -> impl Iterator<Item = &'a [u8]> {
        let canonical = self.name();
        let own = move |host: &Host<'a>| Some(host.name).filter(|name| *name != canonical);
        self.shown().flat_map(move |host| host.aliases().chain(own(&host)))
    }

    fn name(&self) -> &'a [u8] {
        self.shown().next().map_or(b"", |host| host.name)
    }

    /// True if no host has an address of the family.
    pub(crate) fn is_empty(&self) -> bool {
        self.shown().next().is_none()
    }
}

impl<'a, I: Iterator<Item = Host<'a>> + Clone> Pack for Entry<I> {
    type C = libc::hostent;

    fn pack(&self, into: &mut Packer<'_>) -> Result<libc::hostent, Errno> {
        // The pointers first, so that the addresses after them are aligned too.
        let mut addresses = into.pointers(self.addresses().count() + 1)?;
        let mut aliases = into.pointers(self.aliases().count() + 1)?;
        for address in self.addresses() {
            addresses.push(match address {
                IpAddr::V4(ip) => into.bytes(&ip.octets())?,
                IpAddr::V6(ip) => into.bytes(&ip.octets())?,
            })?;
        }
        addresses.push(null_mut())?;
        let h_name = into.string(self.name())?;
        for alias in self.aliases() {
            aliases.push(into.string(alias)?)?;
        }
        aliases.push(null_mut())?;
        let (h_addrtype, h_length) = match self.family {
            Family::V4 => (libc::AF_INET, 4),
            Family::V6 => (libc::AF_INET6, 16),
        };
        Ok(libc::hostent {
            h_name,
            h_aliases: aliases.first,
            h_addrtype,
            h_length,
            h_addr_list: addresses.first,
        })
    }
}

/// `struct gaih_addrtuple` of glibc's `<nss.h>`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct AddressTuple {
    next: *mut AddressTuple,
    name: *mut c_char,
    family: c_int,
    address: [u8; 16],
    scope_id: u32,
}

const _: () = assert!(size_of::<AddressTuple>() == 40 && align_of::<AddressTuple>() == 8);

/// Writes the addresses of all families as a list: the first tuple to where `*list` points, or if
/// that is null into the buffer too. The first has the canonical name.
///
/// # Safety
///
/// `list` is valid for a read and a write, `*list` null or valid for a write, and `buf` for writes
/// of `len` bytes, for as long as the list is used.
pub(crate) unsafe fn tuples_at<'a>(
    hosts: impl Iterator<Item = Host<'a>> + Clone,
    list: *mut *mut AddressTuple,
    buf: *mut u8,
    len: usize,
) -> Result<(), Errno> {
    // SAFETY: the caller's promise about `buf`.
    let mut packer = unsafe { Packer::new(buf, len) };
    // SAFETY: the caller's promise about `list`.
    let given = unsafe { *list };
    let skipped = usize::from(!given.is_null());
    let count = hosts.clone().count();
    let room = packer.array::<AddressTuple>(count.saturating_sub(skipped))?;
    let mut name = packer.string(hosts.clone().next().map_or(b"", |host| host.name))?;
    // Nothing is written before there is room for all.
    let place = |n: usize| if n < skipped { given } else { room.wrapping_add(n - skipped) };
    for (n, host) in hosts.enumerate() {
        let next = if n + 1 < count { place(n + 1) } else { null_mut() };
        let (family, address) = match host.address {
            IpAddr::V4(ip) => (libc::AF_INET, {
                let [a, b, c, d] = ip.octets();
                [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
            }),
            IpAddr::V6(ip) => (libc::AF_INET6, ip.octets()),
        };
        let tuple = AddressTuple { next, name, family, address, scope_id: 0 };
        // SAFETY: the tuple that was given, or one of the array.
        unsafe { place(n).write(tuple) };
        name = null_mut();
    }
    // SAFETY: the caller's promise about `list`.
    unsafe { list.write(place(0)) };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn hosts() -> Vec<Host<'static>> {
        let lines = ["10.0.0.1 Name a b", "fd00::1 name c", "10.0.0.2 Name d"];
        lines.iter().map(|line| parse::host(line.as_bytes()).unwrap().unwrap()).collect()
    }

    /// The least length that `fits`, at each alignment: all lengths from there on must do.
    fn least(fits: impl Fn(*mut u8, usize) -> bool) -> Vec<usize> {
        let mut buf = [0xaa_u8; 512];
        let lengths = (0..8).map(|offset| {
            let at = buf.as_mut_ptr().wrapping_add(offset);
            let fits: Vec<bool> = (0..400).map(|len| fits(at, len)).collect();
            let least = fits.iter().position(|&ok| ok).unwrap();
            assert!(fits[least..].iter().all(|&ok| ok));
            least - buf.as_ptr().wrapping_add(offset).addr().wrapping_neg() % 8
        });
        lengths.collect()
    }

    #[test]
    fn a_host_fits_exactly_or_not_at_all() {
        let hosts = hosts();
        for (family, want) in [
            (Family::V4, (3 + 4) * 8 + 2 * 4 + "Name\0a\0b\0d\0".len()),
            (Family::V6, (2 + 2) * 8 + 16 + "name\0c\0".len()),
        ] {
            let entry = Entry { family, hosts: hosts.iter().copied() };
            let fits = |at, len| {
                // SAFETY: at most 407 bytes of a buffer of 512.
                let mut packer = unsafe { Packer::new(at, len) };
                entry.pack(&mut packer).is_ok()
            };
            assert_eq!(least(fits), [want; 8]);
        }
    }

    #[test]
    fn addresses_names_and_aliases_are_merged_as_glibc_does() {
        let hosts = hosts();
        let entry = Entry { family: Family::V6, hosts: hosts.iter().copied() };
        assert_eq!((entry.name(), entry.is_empty()), (&b"name"[..], false));
        let odd = ["10.0.0.1 x y", "10.0.0.2 y x z"].map(|line| parse::host(line.as_bytes()));
        let entry = Entry { family: Family::V4, hosts: odd.iter().flatten().flatten().copied() };
        assert_eq!(entry.name(), b"x");
        assert_eq!(entry.aliases().collect::<Vec<_>>(), [b"y", b"x", b"z", b"y"]);
        assert!(Entry { family: Family::V6, hosts: entry.hosts }.is_empty());
    }

    #[test]
    fn a_list_fits_exactly_or_not_at_all() {
        let hosts = hosts();
        let empty = AddressTuple {
            next: null_mut(),
            name: null_mut(),
            family: 0,
            address: [0; 16],
            scope_id: 7,
        };
        for given in [false, true] {
            let fits = |at, len| {
                let mut one = empty;
                let mut list = if given { &raw mut one } else { null_mut() };
                // SAFETY: at most 407 bytes of a buffer of 512, and a tuple that lives.
                unsafe { tuples_at(hosts.iter().copied(), &raw mut list, at, len) }.is_ok()
            };
            assert_eq!(least(fits), [(3 - usize::from(given)) * 40 + "Name\0".len(); 8]);
        }
    }

    #[test]
    fn a_list_has_every_address_in_order() {
        let hosts = hosts();
        let mut buf = [0; 256];
        let mut list = null_mut();
        let hosts = hosts.iter().copied();
        // SAFETY: a buffer, and a null pointer.
        unsafe { tuples_at(hosts, &raw mut list, buf.as_mut_ptr(), buf.len()) }.unwrap();
        let mut seen = Vec::new();
        while !list.is_null() {
            // SAFETY: a tuple of the list.
            let tuple = unsafe { *list };
            seen.push((tuple.family, tuple.address[0], tuple.name.is_null(), tuple.scope_id));
            list = tuple.next;
        }
        let (v4, v6) = (libc::AF_INET, libc::AF_INET6);
        assert_eq!(seen, [(v4, 10, false, 0), (v6, 0xfd, true, 0), (v4, 10, true, 0)]);
    }
}
