//! Hosts: who answers for a name or an address.

use core::net::{IpAddr, Ipv6Addr};

use super::goes_on;
use crate::config::Config;
use crate::db::address::Family;
use crate::db::hosts::{HostRow, address_at, address_count, write_all};
use crate::db::key::{Key, without_dot};
use crate::db::{Database, Hosts, OwnedRow, Status};
use crate::file::snapshot::Snapshot;
use crate::file::source::{FileState, Request};
use crate::file::table::Lines;
use crate::module;
use crate::rt::errno::{Errno, HostErrno};
use crate::rt::log::{Bytes, log};
use crate::rt::out_buf::OutBuf;
use crate::rt::thread::{Call, ThreadState};

/// What came of a question, and why there is no host (if the status is `NotFound`).
pub(crate) type HostStatus = (Status, HostErrno);

pub(crate) const FOUND: HostStatus = (Status::Found(()), HostErrno::NETDB_SUCCESS);
pub(crate) const PASS: HostStatus = (Status::Pass, HostErrno::NETDB_SUCCESS);

/// The status of a host that our sources do not have.
fn unknown(config: &Config) -> HostStatus {
    if config.fall_through { PASS } else { (Status::NotFound, HostErrno::HOST_NOT_FOUND) }
}

/// The status of a host that is known, but may have no address of the family, so that nothing was written.
fn known(is_written: bool) -> HostStatus {
    if is_written { FOUND } else { (Status::NotFound, HostErrno::NO_DATA) }
}

/// All lines of a name, from the file or from the module.
pub(crate) enum Matches<'t> {
    Lines(FileLines<'t>),
    /// The module's hosts: one copy, or one for each family.
    Copies([Option<OwnedRow>; 2]),
}

/// Lines of the file. The first few, often all, are parsed only once, however often they are iterated.
pub(crate) struct FileLines<'t> {
    table: &'t Snapshot,
    lines: Lines<'t>,
    first: [Option<HostRow<'t>>; FEW],
}

const FEW: usize = 4;

impl<'t> FileLines<'t> {
    fn new(table: &'t Snapshot, lines: Lines<'t>) -> Self {
        let mut first = [None; FEW];
        for (place, row) in first.iter_mut().zip(table.rows_at::<Hosts>(&lines)) {
            *place = Some(row);
        }
        Self { table, lines, first }
    }

    /// The row of line number `at`; `None` after the last.
    fn row(&self, at: usize) -> Option<HostRow<'_>> {
        match self.first.get(at) {
            Some(row) => *row,
            None => self.table.rows_at::<Hosts>(self.lines.get(at..)?).next(),
        }
    }
}

impl Matches<'_> {
    /// The hosts, as rows.
    pub(crate) fn rows(&self) -> Rows<'_> {
        Rows { matches: self, at: 0 }
    }
}

/// The rows of [`Matches`]. (Adapters of iterators would do, but are slow to copy and to step.)
#[derive(Clone)]
pub(crate) struct Rows<'m> {
    matches: &'m Matches<'m>,
    /// How many have been seen.
    at: usize,
}

impl<'m> Iterator for Rows<'m> {
    type Item = HostRow<'m>;

    fn next(&mut self) -> Option<HostRow<'m>> {
        let at = self.at;
        self.at += 1;
        let copies = match self.matches {
            Matches::Lines(lines) => return lines.row(at),
            Matches::Copies(copies) => copies,
        };
        // All addresses get the name of the first copy, and the first address its aliases.
        let row = Hosts::row_of(copies.iter().flatten().next()?);
        let alias_list = if at == 0 { row.alias_list } else { b"" };
        let mut left = at;
        for copy in copies.iter().flatten() {
            match address_at(copy, left) {
                Some(address) => return Some(HostRow { address, name: row.name, alias_list }),
                None => left -= address_count(copy),
            }
        }
        None
    }
}

/// All lines of a name in the file; `None` if it has none.
pub(crate) fn in_file<'a>(
    config: &'static Config,
    call: &'a mut Call,
    name: &[u8],
) -> Result<Option<Matches<'a>>, Errno> {
    let Some(path) = config.file(Hosts::FILE) else { return Ok(None) };
    let shown = Bytes(path.bytes());
    let FileState::Loaded(table, _) =
        (Request { kind: Hosts::FILE, path, key: None, call }).current::<Hosts>()?
    else {
        log!(Trace, Hosts::NAME, "{}: cannot read {shown}", Bytes(name));
        return Ok(None);
    };
    let lines = table.find_all::<Hosts>(&Key::host(name))?;
    let what = if lines.is_empty() { "not in" } else { "found in" };
    log!(Trace, Hosts::NAME, "{}: {what} {shown}", Bytes(name));
    Ok(if lines.is_empty() { None } else { Some(Matches::Lines(FileLines::new(table, lines))) })
}

/// The first line of an address in the file. As in glibc `::` has none, and an IPv4-mapped address those of the IPv4
/// address.
pub(crate) fn address_in_file<'a>(
    config: &'static Config,
    call: &'a mut Call,
    address: IpAddr,
) -> Result<Option<HostRow<'a>>, Errno> {
    let path = config.file(Hosts::FILE).filter(|_| address != Ipv6Addr::UNSPECIFIED);
    let Some(path) = path else { return Ok(None) };
    let shown = Bytes(path.bytes());
    let request = Request { kind: Hosts::FILE, path, key: None, call };
    let found = match request.current::<Hosts>()? {
        FileState::Loaded(table, _) => table.find::<Hosts>(Key::address(address.to_canonical())),
        FileState::Missing => None,
    };
    let what = if found.is_some() { "found in" } else { "not in" };
    log!(Trace, Hosts::NAME, "{address}: {what} {shown}");
    Ok(found)
}

/// All lines of a name in the file or, if it has none, the module's hosts with addresses of both families.
pub(crate) fn find_all<'a>(
    config: &'static Config,
    call: &'a mut Call,
    name: &[u8],
) -> Result<Option<Matches<'a>>, Errno> {
    let thread = call.thread();
    match in_file(config, call, name)? {
        Some(found) => Ok(Some(found)),
        None => in_module(config, thread, name, None),
    }
}

/// What the module gave; nothing if libc is asked after its error.
fn of_module(
    config: &Config,
    found: Result<Option<OwnedRow>, Errno>,
) -> Result<Option<OwnedRow>, Errno> {
    found.or_else(|error| if goes_on(config, error) { Ok(None) } else { Err(error) })
}

/// The module's hosts of a name, with addresses of the family, or of both.
#[cold]
fn in_module(
    config: &Config,
    thread: &'static ThreadState,
    name: &[u8],
    family: Option<Family>,
) -> Result<Option<Matches<'static>>, Errno> {
    let ask = |asked| match family {
        Some(family) if family != asked => Ok(None),
        _ => of_module(config, module::host_by_name(thread, without_dot(name), asked)),
    };
    let copies = [ask(Family::V4)?, ask(Family::V6)?];
    if copies.iter().all(Option::is_none) {
        return Ok(None);
    }
    log!(Trace, Hosts::NAME, "{}: found by the module", Bytes(name));
    Ok(Some(Matches::Copies(copies)))
}

/// Writes the hosts of a name, with addresses of a family.
pub(crate) fn find_name(
    config: &'static Config,
    call: &mut Call,
    name: &[u8],
    family: Family,
    out: &mut OutBuf<'_, libc::hostent>,
) -> Result<HostStatus, Errno> {
    let thread = call.thread();
    // Not by `find_all`, whose result would be copied.
    let is_written = match in_file(config, call, name)? {
        Some(found) => write_all(found.rows(), family, out)?,
        None => match in_module(config, thread, name, Some(family))? {
            Some(found) => write_all(found.rows(), family, out)?,
            None => return Ok(unknown(config)),
        },
    };
    Ok(known(is_written))
}

/// Writes the first host of an address. Without an address there is no host.
pub(crate) fn find_address(
    config: &'static Config,
    call: &mut Call,
    address: Option<IpAddr>,
    out: &mut OutBuf<'_, libc::hostent>,
) -> Result<HostStatus, Errno> {
    let Some(address) = address else {
        return Ok((Status::NotFound, HostErrno::HOST_NOT_FOUND));
    };
    let thread = call.thread();
    let copy;
    let host = match address_in_file(config, call, address)? {
        Some(host) => host,
        None => match of_module(config, module::host_by_address(thread, address))? {
            Some(found) => {
                log!(Trace, Hosts::NAME, "{address}: found by the module");
                copy = found;
                Hosts::row_of(&copy)
            }
            None => return Ok(unknown(config)),
        },
    };
    let host = HostRow { address, ..host };
    write_all(core::iter::once(host), Family::of(address), out).map(known)
}
