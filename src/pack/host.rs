//! Hosts into the caller's buffer: `struct hostent`, and the list that glibc's getaddrinfo(3) takes.

use core::ffi::{c_char, c_int};
use core::net::IpAddr;
use core::ptr::null_mut;

use super::{Pack, Packer};
use crate::errno::Errno;
use crate::record::{Family, Host};

/// The hosts of one name as one result.
pub(crate) struct Entry<'a, I> {
    family: Family,
    hosts: I,
    /// The name of the first host that has an address of the family.
    canonical: &'a [u8],
    addresses: usize,
    aliases: usize,
}

impl<'a, I: Iterator<Item = Host<'a>> + Clone> Entry<'a, I> {
    /// `None` if no host has an address of the family.
    pub(crate) fn of(family: Family, hosts: I) -> Option<Self> {
        let mut entry = Self { family, hosts, canonical: b"", addresses: 0, aliases: 0 };
        for (_, host) in shown(family, &entry.hosts) {
            if entry.addresses == 0 {
                entry.canonical = host.name;
            }
            entry.addresses += 1;
            entry.aliases += aliases(&host, entry.canonical).count();
        }
        (entry.addresses > 0).then_some(entry)
    }
}

/// The hosts that have an address of the family, with that.
fn shown<'a>(
    family: Family,
    hosts: &(impl Iterator<Item = Host<'a>> + Clone),
) -> impl Iterator<Item = (IpAddr, Host<'a>)> {
    hosts.clone().filter_map(move |host| Some((host.address_as(family)?, host)))
}

/// What a line adds to the aliases of a name. As glibc has it (`gethostbyname3_multi`): all names
/// but the canonical one.
fn aliases<'a>(host: &Host<'a>, canonical: &[u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let own = (host.name != canonical).then_some(host.name);
    host.aliases().chain(own)
}

impl<'a, I: Iterator<Item = Host<'a>> + Clone> Pack for Entry<'a, I> {
    type C = libc::hostent;

    fn pack(&self, into: &mut Packer<'_>) -> Result<libc::hostent, Errno> {
        // The pointers first, so that the addresses after them are aligned too.
        let mut addresses = into.pointers(self.addresses + 1)?;
        let mut names = into.pointers(self.aliases + 1)?;
        for (address, _) in shown(self.family, &self.hosts) {
            addresses.push(match address {
                IpAddr::V4(ip) => into.bytes(&ip.octets())?,
                IpAddr::V6(ip) => into.bytes(&ip.octets())?,
            })?;
        }
        addresses.push(null_mut())?;
        let h_name = into.string(self.canonical)?;
        for (_, host) in shown(self.family, &self.hosts) {
            for alias in aliases(&host, self.canonical) {
                names.push(into.string(alias)?)?;
            }
        }
        names.push(null_mut())?;
        let (h_addrtype, h_length) = match self.family {
            Family::V4 => (libc::AF_INET, 4),
            Family::V6 => (libc::AF_INET6, 16),
        };
        Ok(libc::hostent {
            h_name,
            h_aliases: names.first,
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
            let entry = Entry::of(family, hosts.iter().copied()).unwrap();
            let fits = |at, len| {
                // SAFETY: at most 407 bytes of a buffer of 512.
                let mut packer = unsafe { Packer::new(at, len) };
                entry.pack(&mut packer).is_ok()
            };
            assert_eq!(least(fits), [want; 8]);
        }
    }

    #[test]
    fn names_and_aliases_are_merged_as_glibc_does() {
        let odd = ["10.0.0.1 x y", "10.0.0.2 y x z", "fd00::1 x w"]
            .map(|line| parse::host(line.as_bytes()));
        let hosts = odd.iter().flatten().flatten().copied();
        let text = |pointer: *mut c_char| {
            // SAFETY: a C string in the buffer.
            unsafe { core::ffi::CStr::from_ptr(pointer) }.to_str().unwrap()
        };
        let mut buf = [0; 256];
        // SAFETY: the buffer outlives what is made in it.
        let mut packer = unsafe { Packer::new(buf.as_mut_ptr(), buf.len()) };
        let packed = Entry::of(Family::V4, hosts.clone()).unwrap().pack(&mut packer).unwrap();
        // SAFETY: four aliases and null, aligned.
        let aliases = unsafe { packed.h_aliases.cast::<[*mut c_char; 5]>().read() };
        assert_eq!(text(packed.h_name), "x");
        assert_eq!(
            aliases[..4].iter().map(|&alias| text(alias)).collect::<Vec<_>>(),
            ["y", "x", "z", "y"]
        );
        assert!(aliases[4].is_null());
        assert!(Entry::of(Family::V6, hosts.clone()).is_some());
        assert!(Entry::of(Family::V6, hosts.take(2)).is_none());
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
