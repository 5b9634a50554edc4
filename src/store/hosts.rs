//! The lines of a hosts file: its bytes, and where in them a name or an address is.
//!
//! A name may stand in many lines, which all count: the index has the first, a list the others.
//! As with users, lines are parsed when they are asked for, and the first questions of a process
//! are answered by a search.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::sync::atomic::{AtomicU32, Ordering};

use super::index::{Index, of_bytes};
use super::source::Content;
use super::text::Text;
use crate::config::{Config, Path};
use crate::errno::Errno;
use crate::parse::{self, Parsed};
use crate::record::{Family, Host, is_space, without_dot};
use crate::sync::Once;
use crate::trace::{Bytes, log};

/// As nsswitch.conf(5) names the database.
const NAME: &str = "hosts";

/// Questions that a search answers. One getaddrinfo(3) asks up to three.
const SEARCHES: u32 = 3;

struct Indexes {
    /// Where each name stands first: compared there, for a line may be long.
    by_name: Index,
    /// The first line of each address; see [`Host::address_as`].
    by_address: Index,
    /// Where a name stands first, and a later line that has it too; sorted.
    later: Vec<(usize, usize)>,
}

/// A hosts file.
pub(crate) struct Hosts {
    text: Text,
    /// A NUL byte is in some line.
    has_nul: bool,
    /// How many names are in the lines.
    names: usize,
    /// How many addresses, with those of the other family; see [`Host::address_as`].
    addresses: usize,
    asked: AtomicU32,
    indexes: Once<Indexes>,
}

/// The lines that have a name, in the file's order.
pub(crate) struct Matches<'a> {
    first: Host<'a>,
    later: Vec<Host<'a>>,
}

impl<'a> Matches<'a> {
    /// Of hosts that share a name; `None` if there is none.
    pub(crate) fn of(mut hosts: impl Iterator<Item = Host<'a>>) -> Result<Option<Self>, Errno> {
        let Some(first) = hosts.next() else { return Ok(None) };
        let mut later = Vec::new();
        for host in hosts {
            later.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            later.push(host);
        }
        Ok(Some(Self { first, later }))
    }

    /// The hosts; at least one.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = Host<'a>> + Clone {
        core::iter::once(self.first).chain(self.later.iter().copied())
    }
}

impl Content for Hosts {
    fn path(config: &Config) -> Option<&Path> {
        config.hosts.as_ref()
    }

    fn load(text: Text, path: &Path) -> Result<Self, Errno> {
        let mut table = Self::new(text);
        let (mut at, mut number) = (0, 0_usize);
        let (mut count, mut names, mut addresses) = (0_usize, 0, 0);
        while let Some((line, next)) = table.line(at) {
            number += 1;
            match table.parse(line) {
                Ok(None) => {}
                Ok(Some(host)) => {
                    count += 1;
                    names += host.names().count();
                    addresses += addresses_of(&host).count();
                }
                Err(reason) => {
                    log!(Error, NAME, "{}:{number}: {reason}, line skipped", Bytes(path.bytes()));
                }
            }
            at = next;
        }
        log!(Debug, NAME, "loaded {count} entries from {}", Bytes(path.bytes()));
        (table.names, table.addresses) = (names, addresses);
        Ok(table)
    }

    fn bytes(&self) -> &[u8] {
        &self.text
    }
}

impl Hosts {
    fn new(text: Text) -> Self {
        let (asked, indexes) = (AtomicU32::new(0), Once::new());
        let has_nul = memchr::memchr(0, &text).is_some();
        Self { text, has_nul, names: 0, addresses: 0, asked, indexes }
    }

    /// The line that begins at `at`, and where the next one does; `None` at the end.
    fn line(&self, at: usize) -> Option<(&[u8], usize)> {
        let rest = self.text.get(at..).filter(|rest| !rest.is_empty())?;
        let len = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        Some((rest.get(..len)?, at + len + 1))
    }

    /// The host at `at`, where one is known to be.
    fn host_at(&self, at: usize) -> Option<Host<'_>> {
        parse::host(self.line(at)?.0).ok().flatten()
    }

    fn parse<'a>(&self, line: &'a [u8]) -> Parsed<Host<'a>> {
        if self.has_nul && memchr::memchr(0, line).is_some() {
            return Err(parse::NUL);
        }
        parse::host(line)
    }

    /// The first host at `at` or after it, and where to go on.
    pub(crate) fn host_from(&self, at: usize) -> Option<(Host<'_>, usize)> {
        self.lines_from(at).next().map(|(_, host, next)| (host, next))
    }

    /// The lines with a host from `at` on: where each begins, and where to go on.
    fn lines_from(&self, mut at: usize) -> impl Iterator<Item = (usize, Host<'_>, usize)> {
        core::iter::from_fn(move || {
            loop {
                let begin = at;
                let (line, next) = self.line(begin)?;
                at = next;
                if let Ok(Some(host)) = self.parse(line) {
                    return Some((begin, host, next));
                }
            }
        })
    }

    /// All lines with that name, whatever their address.
    pub(crate) fn by_name(&self, name: &[u8]) -> Result<Option<Matches<'_>>, Errno> {
        let Some(indexes) = self.indexes()? else {
            let hosts = self.lines_from(0).map(|(_, host, _)| host);
            return Matches::of(hosts.filter(|host| host.has_name(name)));
        };
        let found = indexes.by_name.find(of_name(name), |at| self.name_at(at, name));
        let Some(first) = found else { return Ok(None) };
        let Some(host) = self.host_at(self.line_around(first)) else { return Ok(None) };
        let later = indexes.later.partition_point(|&(of, _)| of < first);
        let later = indexes.later.get(later..).unwrap_or_default();
        let later = later.iter().take_while(|&&(of, _)| of == first);
        Matches::of(core::iter::once(host).chain(later.filter_map(|&(_, at)| self.host_at(at))))
    }

    /// `at` if the name stands there.
    fn name_at(&self, at: usize, name: &[u8]) -> Option<usize> {
        let rest = self.text.get(at..)?;
        let end = rest.iter().position(|b| is_space(b) || *b == b'#').unwrap_or(rest.len());
        let own = without_dot(rest.get(..end)?);
        own.eq_ignore_ascii_case(without_dot(name)).then_some(at)
    }

    /// The host at `at`, where one is known to be, without a look at its names.
    fn nameless_at(&self, at: usize) -> Option<Host<'_>> {
        let rest = self.text.get(at..)?;
        let blank = rest.iter().position(|b| !is_space(b))?;
        let word = rest.iter().skip(blank).position(|b| is_space(b) || *b == b'#');
        let end = word.map_or(rest.len(), |len| blank + len);
        parse::host(rest.get(..end)?).ok().flatten()
    }

    /// Where the line begins that `at` is in.
    fn line_around(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or_default();
        memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1)
    }

    /// The first line with that address.
    pub(crate) fn by_address(&self, address: IpAddr) -> Result<Option<Host<'_>>, Errno> {
        let Some(indexes) = self.indexes()? else {
            return Ok(self
                .lines_from(0)
                .map(|(_, host, _)| host)
                .find(|host| has_address(host, address)));
        };
        let take = |at| self.host_at(at).filter(|host| has_address(host, address));
        Ok(indexes.by_address.find(of_address(address), take))
    }

    /// The indexes, once they are worth it.
    fn indexes(&self) -> Result<Option<&Indexes>, Errno> {
        if let Some(indexes) = self.indexes.get() {
            return Ok(Some(indexes));
        }
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        if asked < SEARCHES || self.text.len() >= Index::LIMIT {
            return Ok(None);
        }
        self.indexes.get_or_try_init(|| self.index()).map(Some)
    }

    #[cold]
    fn index(&self) -> Result<Indexes, Errno> {
        // The empty name of a last line stands after the last byte.
        let mut by_name = Index::new(self.names, self.text.len() + 1)?;
        let mut by_address = Index::new(self.addresses, self.text.len())?;
        let mut later = Vec::new();
        for (at, host, next) in self.lines_from(0) {
            for name in host.names() {
                let hash = of_name(name);
                match by_name.find(hash, |at| self.name_at(at, name)) {
                    None => {
                        // A line without a name has an empty one at its end.
                        let own = name.as_ptr().addr().wrapping_sub(self.text.as_ptr().addr());
                        let own = if name.is_empty() { next - 1 } else { own };
                        by_name.insert(hash, own, |_| false);
                    }
                    // A line may have a name twice.
                    Some(first) if first >= at || later.last() == Some(&(first, at)) => {}
                    Some(first) => {
                        later.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                        later.push((first, at));
                    }
                }
            }
            for address in addresses_of(&host) {
                by_address.insert(of_address(address), at, |other| {
                    self.nameless_at(other).is_some_and(|host| has_address(&host, address))
                });
            }
        }
        later.sort_unstable();
        later.dedup();
        Ok(Indexes { by_name, by_address, later })
    }
}

/// What a host is found by; see [`Host::address_as`].
fn addresses_of(host: &Host<'_>) -> impl Iterator<Item = IpAddr> + use<> {
    [Family::V4, Family::V6].map(|family| host.address_as(family)).into_iter().flatten()
}

fn has_address(host: &Host<'_>, address: IpAddr) -> bool {
    addresses_of(host).any(|own| own == address)
}

/// The hash of a name, in any letter case and with or without a dot at its end.
fn of_name(name: &[u8]) -> u64 {
    let mut hash = 0_u64;
    for part in without_dot(name).chunks(32) {
        let mut lower = [0; 32];
        for (to, from) in lower.iter_mut().zip(part) {
            *to = from.to_ascii_lowercase();
        }
        hash = hash.rotate_left(5) ^ of_bytes(lower.get(..part.len()).unwrap_or_default());
    }
    hash
}

fn of_address(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(ip) => of_bytes(&ip.octets()),
        IpAddr::V6(ip) => of_bytes(&ip.octets()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "127.0.0.1 localhost\n::1 LOCALHOST ip6\n\n# c\nbad line\n10.0.0.1 a b a.\n\
        10.0.0.2 nul\0\n10.0.0.3 B c\n10.0.0.4 a a\nfd00::1 b a\n10.0.0.1 again\n::ffff:10.0.0.9 m\n\
        10.0.0.9 n\n10.0.0.5\n10.0.0.6 end";

    fn table(asked: u32) -> Hosts {
        let table =
            Hosts::load(Text::new(FILE.as_bytes()).unwrap(), &Path::new(b"/t").unwrap()).unwrap();
        table.asked.store(asked, Ordering::Relaxed);
        table
    }

    fn lines(table: &Hosts, name: &str) -> Vec<String> {
        let found = table.by_name(name.as_bytes()).unwrap();
        found.iter().flat_map(|m| m.hosts()).map(|host| host.address.to_string()).collect()
    }

    #[test]
    fn the_search_and_the_index_give_all_lines_of_a_name_in_the_files_order() {
        let want: &[(&str, &[&str])] = &[
            ("localhost", &["127.0.0.1", "::1"]),
            ("LocalHost.", &["127.0.0.1", "::1"]),
            ("ip6", &["::1"]),
            ("a", &["10.0.0.1", "10.0.0.4", "fd00::1"]),
            ("b", &["10.0.0.1", "10.0.0.3", "fd00::1"]),
            ("c", &["10.0.0.3"]),
            ("nul", &[]),
            ("line", &[]),
            ("", &["10.0.0.5"]),
            (".", &[]),
            ("end", &["10.0.0.6"]),
            ("10.0.0.6", &[]),
        ];
        for asked in [0, SEARCHES] {
            let table = table(asked);
            for (name, addresses) in want {
                table.asked.store(asked, Ordering::Relaxed);
                assert_eq!(lines(&table, name), *addresses, "{name}, {asked}");
            }
            assert_eq!(table.indexes.get().is_some(), asked > 0);
        }
    }

    #[test]
    fn the_first_line_of_an_address_answers() {
        for asked in [0, SEARCHES] {
            let table = table(asked);
            for (address, name) in [
                ("127.0.0.1", Some("localhost")),
                ("::1", Some("LOCALHOST")),
                ("10.0.0.1", Some("a")),
                ("10.0.0.2", None),
                ("10.0.0.9", Some("m")),
                ("::ffff:10.0.0.9", Some("m")),
                ("::ffff:10.0.0.1", None),
                ("10.0.0.5", Some("")),
                ("10.0.0.7", None),
            ] {
                table.asked.store(asked, Ordering::Relaxed);
                let found = table.by_address(address.parse().unwrap()).unwrap();
                assert_eq!(found.map(|host| host.name), name.map(str::as_bytes), "{address}");
            }
        }
    }

    #[test]
    fn a_name_in_every_line_has_every_line() {
        let text: String =
            (0..5000).map(|n| format!("10.0.{}.{} same h{n}\n", n / 250, n % 250)).collect();
        let table =
            Hosts::load(Text::new(text.as_bytes()).unwrap(), &Path::new(b"/t").unwrap()).unwrap();
        table.asked.store(SEARCHES, Ordering::Relaxed);
        assert_eq!(lines(&table, "SAME").len(), 5000);
        assert_eq!(lines(&table, "h4999"), ["10.0.19.249"]);
    }

    /// Quadratic work would take minutes here.
    #[test]
    fn long_lines_and_equal_names_or_addresses_are_no_burden() {
        let names: String = (0..60_000).map(|n| format!(" n{n}")).collect();
        let again = "10.0.0.1 m\n".repeat(60_000);
        let text = format!("10.0.0.1{names}\n10.0.0.2{names}#c\n10.0.0.3\n10.0.0.4#x\n{again}");
        let table =
            Hosts::load(Text::new(text.as_bytes()).unwrap(), &Path::new(b"/t").unwrap()).unwrap();
        table.asked.store(SEARCHES, Ordering::Relaxed);
        assert_eq!(lines(&table, "N59999."), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(lines(&table, ""), ["10.0.0.3", "10.0.0.4"]);
        assert_eq!(lines(&table, "n60000"), [""; 0]);
    }

    #[test]
    fn the_end_of_a_file_of_any_length_is_a_place() {
        for blank in 0..70 {
            let text = "\n".repeat(blank) + "::";
            let table =
                Hosts::load(Text::new(text.as_bytes()).unwrap(), &Path::new(b"/t").unwrap());
            let table = table.unwrap();
            table.asked.store(SEARCHES, Ordering::Relaxed);
            assert_eq!(lines(&table, ""), ["::"], "{blank}");
        }
    }

    #[test]
    fn addresses_of_two_families_find_room() {
        let text: String = (0..256).map(|n| format!("::ffff:10.0.0.{n} h{n}\n")).collect();
        let table =
            Hosts::load(Text::new(text.as_bytes()).unwrap(), &Path::new(b"/t").unwrap()).unwrap();
        table.asked.store(SEARCHES, Ordering::Relaxed);
        let found = table.by_address("10.0.0.200".parse().unwrap()).unwrap();
        assert_eq!(found.map(|host| host.name), Some(&b"h200"[..]));
        assert_eq!(table.by_address("10.0.1.1".parse().unwrap()).unwrap(), None);
    }

    #[test]
    fn long_names_are_told_apart() {
        let long = "x".repeat(70);
        assert_eq!(of_name(long.as_bytes()), of_name(long.to_uppercase().as_bytes()));
        assert_ne!(of_name(long.as_bytes()), of_name(&long.as_bytes()[..69]));
        assert_ne!(of_name(b"a"), of_name(b"b"));
    }
}
