//! hosts(5), compared with a simple reader and libc's `inet_pton`.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::net::{IpAddr, Ipv4Addr};
use std::ffi::CString;

use crate::db::Hosts;
use crate::db::hosts::HostRow;
use crate::db::key::Key;

unsafe extern "C" {
    fn inet_pton(family: c_int, text: *const c_char, to: *mut c_void) -> c_int;
}

/// A line: the address and the names. A line without names has one empty name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) address: IpAddr,
    pub(super) names: Vec<Vec<u8>>,
}

impl Line {
    fn of(host: HostRow<'_>) -> Self {
        Self { address: host.address, names: host.names().map(<[u8]>::to_vec).collect() }
    }

    fn read(line: &[u8]) -> Option<Self> {
        let before_comment = line.split(|&b| b == b'#').next()?;
        let is_space = |b: &u8| b" \t\n\x0b\x0c\r".contains(b);
        let mut words = before_comment.split(is_space).filter(|word| !word.is_empty());
        let address = pton(words.next()?)?;
        let mut names: Vec<_> = words.map(<[u8]>::to_vec).collect();
        if names.is_empty() {
            names.push(Vec::new());
        }
        Some(Self { address, names }).filter(|_| !line.contains(&0))
    }

    pub(super) fn has_name(&self, name: &[u8]) -> bool {
        let bare = |name: &[u8]| match name {
            [rest @ .., b'.'] if !rest.is_empty() => rest.to_ascii_lowercase(),
            name => name.to_ascii_lowercase(),
        };
        self.names.iter().any(|own| bare(own) == bare(name))
    }

    /// The address that a lookup of this family gets. glibc's files service maps some IPv6 addresses to IPv4.
    fn shown(&self, v6: bool) -> Option<IpAddr> {
        match (v6, self.address) {
            (true, ip) => Some(ip).filter(IpAddr::is_ipv6),
            (false, IpAddr::V6(ip)) if ip.is_loopback() => Some(Ipv4Addr::LOCALHOST.into()),
            (false, IpAddr::V6(ip)) => ip.to_ipv4_mapped().map(IpAddr::V4),
            (false, ip) => Some(ip),
        }
    }

    fn has_address(&self, address: IpAddr) -> bool {
        [false, true].iter().any(|&v6| self.shown(v6) == Some(address))
    }
}

fn pton(text: &[u8]) -> Option<IpAddr> {
    let text = CString::new(text).ok()?;
    let (mut v4, mut v6) = ([0_u8; 4], [0_u8; 16]);
    let take = |family, to: *mut c_void, text: &CStr| {
        // SAFETY: a C string, and room for an address of the family.
        unsafe { inet_pton(family, text.as_ptr(), to) == 1 }
    };
    if take(libc::AF_INET, (&raw mut v4).cast(), &text) {
        return Some(v4.into());
    }
    take(libc::AF_INET6, (&raw mut v6).cast(), &text).then(|| v6.into())
}

/// All lines of a file that have an address.
pub(super) fn model(content: &[u8]) -> Vec<Line> {
    content.split(|&b| b == b'\n').filter_map(Line::read).collect()
}

/// Questions, a newline, and a hosts(5) file.
pub fn hosts(data: &[u8]) {
    let (questions, content) = super::questions(data);
    for line in content.split(|&b| b == b'\n') {
        assert_eq!(super::alone::<Hosts, _>(line, Line::of), Line::read(line));
    }
    let model = model(content);
    let table = super::load::<Hosts>(content);
    assert_eq!(super::rows::<Hosts, _>(&table, Line::of), model);
    let own = model.iter().rev().take(2).flat_map(|line| line.names.iter().take(2));
    let names: Vec<&[u8]> = questions.iter().copied().chain(own.map(Vec::as_slice)).collect();
    let indexed = super::load::<Hosts>(content).with_much_searched();
    for name in names {
        let want: Vec<Line> = model.iter().filter(|line| line.has_name(name)).cloned().collect();
        for table in [&table, &indexed] {
            let lines = table.find_all::<Hosts>(&Key::host(name)).unwrap();
            let found: Vec<Line> = table.rows_at::<Hosts>(&lines).map(Line::of).collect();
            assert_eq!(found, want);
        }
    }
    let own = model.iter().rev().take(2).flat_map(|line| [line.shown(false), line.shown(true)]);
    for address in questions.iter().map(|question| pton(question)).chain(own).flatten() {
        let want = model.iter().find(|line| line.has_address(address)).cloned();
        let key = Key::address(address);
        let fresh = super::load::<Hosts>(content);
        for table in [&fresh, &indexed, &indexed] {
            if let Some(row) = table.sought_row::<Hosts>(&key, table.seek(&key)) {
                assert_eq!(Some(Line::of(row)), want);
            }
            assert_eq!(table.find::<Hosts>(key).map(Line::of), want);
        }
        assert!(content.is_empty() || !fresh.is_indexed(&key));
    }
}

/// The host that a file has for a name: what `struct hostent` shows of the lines of a family.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) aliases: Vec<Vec<u8>>,
    pub(super) addresses: Vec<IpAddr>,
}

impl Entry {
    pub(super) fn read(lines: &[Line], name: &[u8], v6: bool) -> Option<Self> {
        let shown = || lines.iter().filter(|line| line.has_name(name) && line.shown(v6).is_some());
        let canonical = shown().next()?.names[0].clone();
        let aliases = shown().flat_map(|line| {
            let own = Some(&line.names[0]).filter(|own| **own != canonical);
            line.names[1..].iter().chain(own).cloned().collect::<Vec<_>>()
        });
        let addresses = shown().filter_map(|line| line.shown(v6)).collect();
        Some(Self { aliases: aliases.collect(), name: canonical, addresses })
    }

    /// What a `struct hostent` shows.
    ///
    /// # Safety
    ///
    /// What `row` points to is as its man page says.
    pub(super) unsafe fn copied(row: &libc::hostent, v6: bool) -> Self {
        assert_eq!(row.h_length, if v6 { 16 } else { 4 });
        assert_eq!(row.h_addrtype, if v6 { libc::AF_INET6 } else { libc::AF_INET });
        // SAFETY: the caller guarantees a list that ends in null.
        let aliases = unsafe { list(row.h_aliases) };
        // SAFETY: the caller guarantees a list that ends in null.
        let addresses = unsafe { list(row.h_addr_list) };
        Self {
            // SAFETY: the caller guarantees a C string.
            name: unsafe { super::glibc::text(row.h_name) },
            // SAFETY: the caller guarantees that the list has C strings.
            aliases: aliases.into_iter().map(|at| unsafe { super::glibc::text(at) }).collect(),
            addresses: addresses
                .into_iter()
                .map(|at| match v6 {
                    // SAFETY: sixteen bytes, for the length says so.
                    true => IpAddr::from(unsafe { at.cast::<[u8; 16]>().read() }),
                    // SAFETY: four bytes, for the length says so.
                    false => IpAddr::from(unsafe { at.cast::<[u8; 4]>().read() }),
                })
                .collect(),
        }
    }
}

/// # Safety
///
/// `at` points to pointers that end in null.
pub(super) unsafe fn list(mut at: *mut *mut c_char) -> Vec<*mut c_char> {
    let mut all = Vec::new();
    loop {
        // SAFETY: the null pointer at the end has not been read yet, so `at` is within the list.
        let pointer = unsafe { *at };
        if pointer.is_null() {
            return all;
        }
        all.push(pointer);
        // SAFETY: this pointer was not null, so another one follows.
        at = unsafe { at.add(1) };
    }
}
