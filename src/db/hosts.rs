//! hosts(5).
//!
//! A name may stand in many lines, which all count, as with `multi on` in host.conf(5).
#![allow(unsafe_code, reason = "reads what C has filled")]

use core::ffi::{c_char, c_int};
use core::iter::once;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::ptr::{NonNull, null_mut};

use super::address::{self, Family, with_octets};
use super::bytes::{is_space, skip_space, split_word};
use super::fields::{Fields, Reason};
use super::key::{Key, What};
use super::{By, Database, OwnedRow, pointers};
use crate::config::FileKind;
use crate::rt::errno::Errno;
use crate::rt::memory::copy;
use crate::rt::out_buf::{OutBuf, Place, Room};
use crate::rt::static_result::StaticResults;
use crate::rt::thread::Level;

/// The database of hosts.
pub(crate) enum Hosts {}

/// One line: an address and its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostRow<'a> {
    pub(crate) address: IpAddr,
    /// The canonical name.
    pub(crate) name: &'a [u8],
    /// The other names as the file has them; [`HostRow::aliases`] takes them apart.
    pub(crate) alias_list: &'a [u8],
}

impl<'a> HostRow<'a> {
    /// The aliases in the file's order.
    pub(crate) fn aliases(&self) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        let mut rest = self.alias_list;
        core::iter::from_fn(move || {
            let (name, after) = split_word(rest);
            rest = after;
            (!name.is_empty()).then_some(name)
        })
    }

    /// The canonical name and the aliases.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        once(self.name).chain(self.aliases())
    }

    /// Its address in that family, if there is one. As in glibc `::1` is also 127.0.0.1, and an IPv4-mapped address
    /// is also IPv4.
    pub(crate) fn address_as(&self, family: Family) -> Option<IpAddr> {
        match (family, self.address) {
            (Family::V4, IpAddr::V6(Ipv6Addr::LOCALHOST)) => Some(Ipv4Addr::LOCALHOST.into()),
            (Family::V4, IpAddr::V6(ip)) => ip.to_ipv4_mapped().map(IpAddr::V4),
            (Family::V6, IpAddr::V4(_)) => None,
            (_, ip) => Some(ip),
        }
    }

    /// The addresses by which it is found.
    fn addresses(&self) -> impl Iterator<Item = IpAddr> + use<> {
        [Family::V4, Family::V6].map(|family| self.address_as(family)).into_iter().flatten()
    }
}

impl Database for Hosts {
    type Row<'a> = HostRow<'a>;
    type C = libc::hostent;
    const NAME: &'static str = "hosts";
    const FILE: FileKind = FileKind::Hosts;
    /// One of each family.
    const MOST_IDS: usize = 2;

    /// As in glibc (`nss/nss_files/files-hosts.c`) a comment may begin anywhere in a line, and a line may lack the
    /// name.
    fn parse<'a>(fields: &mut Fields<'a>) -> Result<HostRow<'a>, Reason> {
        fields.skip_space();
        let line = fields.rest();
        let end = memchr::memchr(b'#', line).unwrap_or(line.len());
        let (ip, rest) = split_word(line.get(..end).unwrap_or_default());
        let (name, alias_list) = split_word(rest);
        let address = address::address(ip).ok_or("not an IPv4 or IPv6 address")?;
        Ok(HostRow { address, name, alias_list })
    }

    fn has(row: &HostRow<'_>, key: &Key<'_>) -> bool {
        match key.what {
            What::Address(wanted) => row.addresses().any(|own| own == wanted),
            _ => row.names().any(|name| key.is_name(name)),
        }
    }

    fn name<'a>(row: &Self::Row<'a>) -> &'a [u8] {
        row.name
    }

    fn first_keys<'a>(row: &Self::Row<'a>, _: By) -> impl Iterator<Item = Key<'a>> {
        row.addresses().map(Key::address)
    }

    fn all_keys<'a>(row: &Self::Row<'a>) -> impl Iterator<Item = Key<'a>> {
        row.names().map(Key::host)
    }

    fn begins_with(file: &[u8], key: &Key<'_>) -> Option<bool> {
        let file = skip_space(file);
        let end = file.iter().position(|&byte| Self::ends_listed(byte)).unwrap_or(file.len());
        let address = address::address(file.get(..end)?)?;
        Some(Self::has(&HostRow { address, name: b"", alias_list: b"" }, key))
    }

    fn ends_listed(byte: u8) -> bool {
        is_space(&byte) || byte == b'#'
    }

    fn write_strings(row: &HostRow<'_>, out: &mut OutBuf<'_, libc::hostent>) -> Result<(), Errno> {
        write_all(once(*row), Family::of(row.address), out).map(|_| ())
    }

    fn static_results(level: &Level) -> &StaticResults<libc::hostent> {
        &level.hosts
    }

    unsafe fn copy_of(row: &libc::hostent) -> Result<OwnedRow, Errno> {
        let mut copy = OwnedRow::default();
        // SAFETY: the caller promises that the field is as the man page says, or null.
        unsafe { copy.push_c(row.h_name) }?;
        // SAFETY: the caller promises that the field is as the man page says, or null.
        unsafe { copy.push_list(row.h_aliases, b' ') }?;
        let size = match (row.h_addrtype, row.h_length) {
            (libc::AF_INET, 4) => 4,
            (libc::AF_INET6, 16) => 16,
            _ => 0,
        };
        // SAFETY: the caller promises that the field is as the man page says, or null.
        for address in unsafe { pointers(row.h_addr_list) } {
            // SAFETY: gethostbyname(3): an element has `h_length` bytes, which `size` is unless it is 0.
            copy.push(unsafe { core::slice::from_raw_parts(address.cast(), size) })?;
        }
        copy.end_part();
        copy.ids = [row.h_addrtype.unsigned_abs(), u32::try_from(size).unwrap_or(0)];
        Ok(copy)
    }

    fn row_of(copy: &OwnedRow) -> HostRow<'_> {
        let first = address_at(copy, 0).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        HostRow { address: first, name: copy.part(0), alias_list: copy.part(1) }
    }
}

/// Address number `at` of a copy.
pub(crate) fn address_at(copy: &OwnedRow, at: usize) -> Option<IpAddr> {
    let [family, size] = copy.ids;
    let octets = copy.part(2).chunks_exact((size as usize).max(1)).nth(at)?;
    address::from_octets(c_int::try_from(family).unwrap_or(0), octets)
}

/// How many addresses a copy has.
pub(crate) fn address_count(copy: &OwnedRow) -> usize {
    let [_, size] = copy.ids;
    // All are of one family, or none is an address.
    address_at(copy, 0).map_or(0, |_| copy.part(2).len() / (size as usize).max(1))
}

/// The hosts that have an address of the family, with the address.
fn with_address<'a>(
    family: Family,
    hosts: &(impl Iterator<Item = HostRow<'a>> + Clone),
) -> impl Iterator<Item = (IpAddr, HostRow<'a>)> {
    hosts.clone().filter_map(move |host| Some((host.address_as(family)?, host)))
}

/// What a line adds to the aliases of a name: as in glibc (`gethostbyname3_multi`), all names except the canonical one.
fn aliases<'a>(host: &HostRow<'a>, canonical: &[u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let own = (host.name != canonical).then_some(host.name);
    host.aliases().chain(own)
}

/// Writes the hosts of one name as one result; false if none has an address of the family.
pub(crate) fn write_all<'a>(
    hosts: impl Iterator<Item = HostRow<'a>> + Clone,
    family: Family,
    out: &mut OutBuf<'_, libc::hostent>,
) -> Result<bool, Errno> {
    // The canonical name is that of the first host that has an address of the family.
    let mut first = None;
    let (mut address_count, mut alias_count) = (0, 0);
    for (_, host) in with_address(family, &hosts) {
        address_count += 1;
        alias_count += aliases(&host, first.get_or_insert(host.name)).count();
    }
    let Some(canonical) = first else { return Ok(false) };
    let mut room = out.room();
    // The pointers come first, so that the addresses after them are aligned too.
    let mut addresses = room.array(address_count + 1)?;
    let mut names = room.array(alias_count + 1)?;
    for (address, _) in with_address(family, &hosts) {
        addresses.push(with_octets(address, |octets| room.bytes(octets))?)?;
    }
    addresses.push(null_mut())?;
    let h_name = room.string(canonical)?;
    for (_, host) in with_address(family, &hosts) {
        for alias in aliases(&host, canonical) {
            names.push(room.string(alias)?)?;
        }
    }
    names.push(null_mut())?;
    let (h_addrtype, h_length) = family.to_c();
    let (h_aliases, h_addr_list) = (names.address(0), addresses.address(0));
    out.set(libc::hostent { h_name, h_aliases, h_addrtype, h_length, h_addr_list });
    Ok(true)
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

const _: () = assert!(size_of::<AddressTuple>() == 24 + 2 * size_of::<usize>());

/// Where libc expects such a list.
pub(crate) struct TupleList<'l> {
    list: Place<'l, *mut AddressTuple>,
    /// The first tuple, if libc has memory for it.
    first: Option<Place<'l, AddressTuple>>,
}

impl TupleList<'_> {
    /// # Safety
    ///
    /// Until the exported function returns `list` is valid for reads and writes, and `*list` null or valid for writes.
    pub(crate) unsafe fn new(list: *mut *mut AddressTuple) -> Self {
        // SAFETY: the caller promises that it is valid for reads.
        let first = NonNull::new(unsafe { *list });
        // SAFETY: the caller promises that it is valid for writes, not being null.
        let first = first.map(|first| unsafe { Place::new(first.as_ptr()) });
        // SAFETY: the caller promises that it is valid for writes.
        Self { list: unsafe { Place::new(list) }, first }
    }
}

/// Writes the addresses of all families as a list: the first tuple into libc's memory if it has some, the others into
/// `room`. The first has the canonical name.
pub(crate) fn write_tuples<'a>(
    hosts: impl Iterator<Item = HostRow<'a>> + Clone,
    TupleList { mut list, mut first }: TupleList<'_>,
    mut room: Room<'_>,
) -> Result<(), Errno> {
    let count = hosts.clone().count();
    let skipped = usize::from(first.is_some());
    let mut tuples = room.array::<AddressTuple>(count.saturating_sub(skipped))?;
    // Nothing is written before there is room for all.
    let mut name = room.string(hosts.clone().next().map_or(b"", |host| host.name))?;
    if first.is_none() {
        list.set(tuples.address(0));
    }
    for (n, host) in hosts.enumerate() {
        let next = if n + 1 < count { tuples.address(n + 1 - skipped) } else { null_mut() };
        let (family, _) = Family::of(host.address).to_c();
        let mut address = [0; 16];
        with_octets(host.address, |octets| copy(&mut address, octets));
        let tuple = AddressTuple { next, name, family, address, scope_id: 0 };
        match first.take() {
            Some(mut first) => first.set(tuple),
            None => tuples.push(tuple)?,
        }
        name = null_mut();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::fields::tests::with_line;

    fn parse<R>(line: &str, take: impl FnOnce(Result<HostRow<'_>, Reason>) -> R) -> R {
        with_line(line.as_bytes(), |line| take(Hosts::parse(&mut Fields::new(line).unwrap())))
    }

    #[test]
    fn the_address_the_name_and_the_aliases_are_found_in_odd_lines_too() {
        for (line, address, names) in [
            ("10.1.2.3 a.site\ta b", "10.1.2.3", "a.site a b"),
            ("fd00::1 x", "fd00::1", "x"),
            (" \t127.0.0.1\x0b\x0ca \r", "127.0.0.1", "a"),
            ("127.0.0.1 a b#c d", "127.0.0.1", "a b"),
            ("127.0.0.1 a # c", "127.0.0.1", "a"),
            ("127.0.0.1", "127.0.0.1", ""),
            ("127.0.0.1#a", "127.0.0.1", ""),
        ] {
            parse(line, |row| {
                let row = row.unwrap();
                assert_eq!(row.address, address.parse::<IpAddr>().unwrap(), "{line}");
                let found: Vec<_> = row.names().collect();
                assert_eq!(found.join(&b' '), names.as_bytes(), "{line}");
            });
        }
    }

    #[test]
    fn malformed_lines_are_refused_with_a_reason() {
        for line in
            ["a", "1.2.3 a", "127.0.0.1:80 a", "fe80::1%lo a", "127.0.0.01 a", "\u{b9}.2.3.4 a"]
        {
            assert!(parse(line, |row| row.is_err()), "{line}");
        }
    }
}
