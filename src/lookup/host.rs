//! Hosts: who answers, and the enumeration of gethostent(3).

use core::net::IpAddr;

use crate::config;
use crate::errno::Errno;
use crate::lookup::Answer;
use crate::record::{Host, without_dot};
use crate::store::{HOSTS, Hosts, Matches, Now, Snapshot};
use crate::sync::{Mutex, Shared};
use crate::thread;
use crate::trace::{Bytes, log};

/// True if the hosts are ours.
pub(crate) fn is_on() -> Result<bool, Errno> {
    HOSTS.is_on()
}

/// Asks for all lines of a name, and hands the answer to `take` while their bytes are there. What
/// is asked after the file is asked here.
pub(crate) fn by_name<R>(
    name: &[u8],
    take: impl FnOnce(Answer<&Matches<'_>>) -> R,
) -> Result<R, Errno> {
    let name = without_dot(name);
    file(|hosts, is_on| {
        let found = hosts.map(|hosts| hosts.by_name(name)).transpose()?.flatten();
        tell(is_on, format_args!("{}", Bytes(name)), found.is_some());
        Ok(take(found.as_ref().map_or(unknown(is_on)?, Answer::Row)))
    })
}

/// Asks for the first line of an address; like [`by_name`].
pub(crate) fn by_address<R>(
    address: IpAddr,
    take: impl FnOnce(Answer<Host<'_>>) -> R,
) -> Result<R, Errno> {
    file(|hosts, is_on| {
        let found = hosts.map(|hosts| hosts.by_address(address)).transpose()?.flatten();
        tell(is_on, format_args!("{address}"), found.is_some());
        Ok(take(found.map_or(unknown(is_on)?, Answer::Row)))
    })
}

/// Gives `ask` the file's content, if there is any, and whether there should be.
fn file<R>(ask: impl FnOnce(Option<&Hosts>, bool) -> Result<R, Errno>) -> Result<R, Errno> {
    match HOSTS.now(&thread::here()?.hosts)? {
        Now::Off => ask(None, false),
        Now::Missing => ask(None, true),
        Now::Here(lease) => ask(lease.get(), true),
    }
}

/// What it means that our sources do not know a host. `is_on` says whether there is one.
fn unknown<T>(is_on: bool) -> Result<Answer<T>, Errno> {
    Ok(if is_on && !config::get()?.fall_through { Answer::Absent } else { Answer::Pass })
}

fn tell(is_on: bool, what: core::fmt::Arguments<'_>, is_found: bool) {
    if is_on {
        log!(Trace, "hosts", "{what}: {}", if is_found { "found" } else { "not found" });
    }
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
