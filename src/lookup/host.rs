//! Hosts: who answers, and the enumeration of gethostent(3).

use core::net::IpAddr;

use crate::config;
use crate::errno::Errno;
use crate::lookup::{Answer, OfFile};
use crate::module;
use crate::record::{Family, Host, without_dot};
use crate::store::{HOSTS, Hosts, Matches, Now, Snapshot};
use crate::sync::{Mutex, Shared};
use crate::thread;
use crate::trace::{Bytes, log};

/// True if the hosts are ours.
pub(crate) fn is_on() -> Result<bool, Errno> {
    HOSTS.is_on()
}

/// Asks for all lines of a name, and hands the answer to `take` while their bytes are there. A
/// module is asked after the file, for its addresses of the family, or of both.
pub(crate) fn by_name<R>(
    name: &[u8],
    family: Option<Family>,
    take: impl FnOnce(Answer<&Matches<'_>>) -> R,
) -> Result<R, Errno> {
    let name = without_dot(name);
    let now = HOSTS.now(&thread::here()?.hosts)?;
    let found = file(&now).map(|hosts| hosts.by_name(name)).transpose()?.flatten();
    let is_on = tell(&now, format_args!("{}", Bytes(name)), found.is_some());
    if let Some(found) = &found {
        return Ok(take(Answer::Row(found)));
    }
    // What is lent may be asked for again while the module is asked.
    drop(found);
    drop(now);
    if is_on && let Some(host) = or_libc(module::host_by_name(name, family))? {
        log!(Trace, "hosts", "{}: found by the module", Bytes(name));
        let found = Matches::of(host.hosts())?;
        return Ok(take(found.as_ref().map_or(unknown(is_on)?, Answer::Row)));
    }
    Ok(take(unknown(is_on)?))
}

/// Asks for the first line of an address; like [`by_name`].
pub(crate) fn by_address<R>(
    address: IpAddr,
    take: impl FnOnce(Answer<Host<'_>>) -> R,
) -> Result<R, Errno> {
    let now = HOSTS.now(&thread::here()?.hosts)?;
    let found = file(&now).map(|hosts| hosts.by_address(address)).transpose()?.flatten();
    let is_on = tell(&now, format_args!("{address}"), found.is_some());
    if let Some(found) = found {
        return Ok(take(Answer::Row(found)));
    }
    drop(now);
    if is_on && let Some(host) = or_libc(module::host_by_address(address))? {
        log!(Trace, "hosts", "{address}: found by the module");
        return Ok(take(Answer::Row(host.at(address))));
    }
    Ok(take(unknown(is_on)?))
}

/// All lines of a name in the file, if there are any.
pub(crate) fn listed_name<R>(
    name: &[u8],
    take: impl FnOnce(Option<&Matches<'_>>) -> R,
) -> Result<R, Errno> {
    let now = HOSTS.now(&thread::here()?.hosts)?;
    let found = file(&now).map(|hosts| hosts.by_name(without_dot(name))).transpose()?.flatten();
    Ok(take(found.as_ref()))
}

/// The first line of an address in the file, if there is one.
pub(crate) fn listed_address<R>(
    address: IpAddr,
    take: impl FnOnce(Option<Host<'_>>) -> R,
) -> Result<R, Errno> {
    let now = HOSTS.now(&thread::here()?.hosts)?;
    let found = file(&now).map(|hosts| hosts.by_address(address)).transpose()?.flatten();
    Ok(take(found))
}

fn file<'a>(now: &'a Now<'_, Hosts>) -> Option<&'a Hosts> {
    match now {
        Now::Off | Now::Missing => None,
        Now::Here(lease) => lease.get(),
    }
}

/// A module that cannot say now is passed over where libc is asked next.
fn or_libc<T>(asked: Result<Option<T>, Errno>) -> Result<Option<T>, Errno> {
    match asked {
        Err(error) if error != Errno::ENOMEM && config::get()?.fall_through => Ok(None),
        asked => asked,
    }
}

/// What it means that our sources do not know a host. `is_on` says whether there is one.
fn unknown<T>(is_on: bool) -> Result<Answer<T>, Errno> {
    Ok(if is_on && !config::get()?.fall_through { Answer::Absent } else { Answer::Pass })
}

/// True if the hosts are ours; then it is worth a line what the file knows.
fn tell(now: &Now<'_, Hosts>, what: core::fmt::Arguments<'_>, is_found: bool) -> bool {
    if matches!(now, Now::Off) {
        return false;
    }
    log!(Trace, "hosts", "{what}: {}", OfFile::new(&HOSTS, now, is_found));
    true
}

/// An enumeration: our file, then libc where it is asked for what the file does not know.
struct Walk {
    /// No snapshot if there is no file.
    pinned: Option<Shared<Snapshot<Hosts>>>,
    /// Where in the snapshot; `None` at its end.
    at: Option<usize>,
}

/// The process's enumeration; nothing before its beginning.
static WALK: Mutex<Option<Walk>> = Mutex::new(None);

/// Begins anew, with what the file holds now. True if libc takes part.
pub(crate) fn set() -> Result<bool, Errno> {
    if !is_on()? {
        return Ok(true);
    }
    let pinned = match HOSTS.now(&thread::here()?.hosts)? {
        Now::Off | Now::Missing => None,
        Now::Here(lease) => lease.pin(),
    };
    put(Some(Walk { pinned, at: Some(0) }))?;
    asks_libc()
}

/// Forgets the enumeration, and lets go of what it held. True if libc takes part.
pub(crate) fn end() -> Result<bool, Errno> {
    put(None)?;
    asks_libc()
}

/// True if libc takes part in an enumeration.
fn asks_libc() -> Result<bool, Errno> {
    Ok(unknown::<()>(is_on()?)? == Answer::Pass)
}

fn put(new: Option<Walk>) -> Result<(), Errno> {
    let mut walk = WALK.lock()?;
    let old = core::mem::replace(&mut *walk, new);
    // The old snapshot may be the last of its kind: freed without the lock.
    drop(walk);
    drop(old);
    Ok(())
}

/// The next line of the file: of any family. The enumeration goes on only if `take` accepts it: a
/// buffer that was too short loses nothing. `Pass` when it is libc's turn.
pub(crate) fn next<R>(take: impl FnOnce(Answer<Host<'_>>) -> Result<R, Errno>) -> Result<R, Errno> {
    if WALK.lock()?.is_none() {
        set()?;
    }
    let mut walk = WALK.lock()?;
    if let Some(Walk { pinned: Some(hosts), at: Some(at) }) = &mut *walk
        && let Some((host, after)) = hosts.host_from(*at)
    {
        let taken = take(Answer::Row(host))?;
        *at = after;
        return Ok(taken);
    }
    if let Some(walk) = &mut *walk {
        walk.at = None;
    }
    drop(walk);
    take(unknown(is_on()?)?)
}
