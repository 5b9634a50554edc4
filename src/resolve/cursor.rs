//! Enumerations by `setXent`, `getXent`, `endXent`. As in getpwent(3) each database has one for the process; hosts
//! too.
//!
//! An enumeration gives the rows of one snapshot of the file, then the module's, then libc's if libc is asked too,
//! then the synthetic user's. The position is one word, which is moved on by compare-and-swap after a row was
//! written. So threads that ask at once get different rows, no row is lost if a buffer is too short, and a child of
//! fork, a signal handler, or the call after an abandoned one finds the position before the row or after it.
#![allow(unsafe_code, reason = "asks libc")]

use core::ptr::null_mut;
use core::sync::atomic::Ordering;

use super::position::{Phase, Position};
use super::synthetic_user;
use super::user_line::User;
use super::{Interposed, LibcFunctions, asks_libc, asks_module, configured, goes_on};
use crate::config::{Config, FileKind};
use crate::db::key::Key;
use crate::db::{Database, OwnedRow, Status};
use crate::file::snapshot::Snapshot;
use crate::file::source::{FileState, Request};
use crate::file::walk::Walk;
use crate::module;
use crate::rt::errno::Errno;
use crate::rt::out_buf::OutBuf;
use crate::rt::thread::{Call, InLibc, ThreadState};

/// [`Walk::module_epoch`] before the module's own enumeration has begun.
const NOT_BEGUN: u64 = 0;
/// The same if it has to be begun again.
const STALE: u64 = u64::MAX;

/// Begins an enumeration of the file's present snapshot. With `anew` it replaces one that has begun.
fn start<D: Interposed>(config: &'static Config, call: &mut Call, anew: bool) -> Result<(), Errno> {
    let has_synthetic = match User::current(config)? {
        Some(user) if D::synthetic(&user.row()).is_some() => {
            synthetic_user::takes_part::<D>(config, call, &user.row())?
        }
        _ => false,
    };
    let snapshot = match config.file(D::FILE) {
        Some(path) => match (Request { kind: D::FILE, path, key: None, call }).current::<D>()? {
            FileState::Loaded(snapshot, _) => Some(snapshot.address()),
            FileState::Missing => None,
        },
        None => None,
    };
    let position = Position { phase: Phase::File(0), has_synthetic }.to_word();
    // SAFETY: `current` has just given it to this call, which has asked for no other since.
    unsafe { D::FILE.source().begin_walk(call, snapshot, position, anew) }
}

/// `setXent`: begins an enumeration. True if libc's is to be begun too.
pub(crate) fn set<D: Interposed>() -> Result<bool, Errno> {
    let Some(config) = configured::<D>()? else { return Ok(true) };
    let begin = |mut call| {
        close_module::<D>(&mut call)?;
        start::<D>(config, &mut call, true)
    };
    // After an error the one before does not go on: the next `getXent` begins an enumeration, or reports the error.
    if Call::enter().and_then(begin).is_err() {
        D::FILE.source().end_walk();
    }
    asks_libc::<D>(config)
}

/// `endXent`: ends the enumeration. True if libc's is to be ended too.
pub(crate) fn end<D: Database>() -> Result<bool, Errno> {
    let Some(config) = configured::<D>()? else { return Ok(true) };
    // Usually none has begun, and then this is all.
    let source = D::FILE.source();
    if source.is_walked() {
        let mut call = Call::enter();
        _ = call.as_mut().map(close_module::<D>);
        source.end_walk();
        _ = call.as_mut().map(|call| source.reclaim(call));
    }
    asks_libc::<D>(config)
}

/// Ends the module's own enumeration, if it has begun.
fn close_module<D: Database>(call: &mut Call) -> Result<(), Errno> {
    let thread = call.thread();
    let walk = D::FILE.source().walk(call);
    let is_begun = walk
        .is_some_and(|(walk, _)| walk.module_epoch.swap(NOT_BEGUN, Ordering::Relaxed) != NOT_BEGUN);
    if !is_begun {
        return Ok(());
    }
    let _turn = module::enumeration::<D>();
    module::close::<D>(thread)
}

/// Who asks for the next row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    /// The program, by `getXent`.
    Program,
    /// libc, which enumerates its other services itself.
    Libc,
}

/// Writes the next row. Begins an enumeration if none has begun.
pub(crate) fn next<D: Interposed>(
    config: &'static Config,
    call: &mut Call,
    out: &mut OutBuf<'_, D::C>,
    asker: Asker,
) -> Result<Status, Errno> {
    let thread = call.thread();
    loop {
        let Some((walk, snapshot)) = D::FILE.source().walk(call) else {
            start::<D>(config, call, false)?;
            continue;
        };
        let seen = walk.position.load(Ordering::Acquire);
        let position = Position::from_word(seen);
        let has_synthetic = position.has_synthetic;
        let earlier = EarlierRows { config, snapshot, has_synthetic, thread };
        let go_to = |phase| {
            let word = Position { phase, ..position }.to_word();
            walk.move_on(seen, word)
        };
        let written = match position.phase {
            Phase::File(at) => {
                let row = snapshot.and_then(|rows| rows.row_from::<D>(usize::try_from(at).ok()?));
                match row {
                    Some((row, after)) => {
                        let is_shown = !(has_synthetic && User::is_called(config, D::name(&row))?);
                        if is_shown {
                            D::write(&row, out)?;
                        }
                        // If another thread has given the row meanwhile, the next one is tried.
                        go_to(Phase::File(after as u64)) && is_shown
                    }
                    None => {
                        go_to(Phase::Module);
                        false
                    }
                }
            }
            Phase::Module if !asks_module::<D>(config) => {
                go_to(Phase::Libc);
                false
            }
            Phase::Module => {
                let _turn = module::enumeration::<D>();
                // Another thread may have got to the end meanwhile, after which a module may begin again.
                if walk.position.load(Ordering::Acquire) != seen {
                    continue;
                }
                let written = match next_of_module::<D>(&earlier, walk, out) {
                    Err(error) if goes_on(config, error) => false,
                    written => written?,
                };
                if !written {
                    go_to(Phase::Libc);
                }
                written
            }
            Phase::Libc if asker == Asker::Libc || !asks_libc::<D>(config)? => {
                go_to(Phase::Synthetic(0));
                false
            }
            Phase::Libc => {
                let family = D::libc();
                if family.next_r.is_none() && family.next.is_none() {
                    // The export has to call libc, with the caller's own arguments.
                    return Ok(Status::Pass);
                }
                let written = next_of_libc::<D>(&earlier, out, &family)?;
                if !written {
                    go_to(Phase::Synthetic(0));
                }
                written
            }
            Phase::Synthetic(number) => {
                // Even without the user, there may be groups of the process without a name.
                let number = if has_synthetic { number } else { number.max(1) };
                let written = write_synthetic::<D>(config, call, number, out)?;
                let next = written.map_or(Phase::End, |_| Phase::Synthetic(number + 1));
                let next = Position { phase: next, ..position }.to_word();
                let Some((walk, _)) = D::FILE.source().walk(call) else { continue };
                walk.move_on(seen, next) && written == Some(true)
            }
            Phase::End => return Ok(Status::NotFound),
        };
        if written {
            return Ok(Status::Found(()));
        }
    }
}

/// Writes the row of the synthetic user (number 0), or of a group of the process that nobody else names. False if that
/// number has no row, `None` if there are no more.
fn write_synthetic<D: Interposed>(
    config: &'static Config,
    call: &mut Call,
    number: u64,
    out: &mut OutBuf<'_, D::C>,
) -> Result<Option<bool>, Errno> {
    let Some(number) = number.checked_sub(1) else {
        let Some(user) = User::current(config)? else { return Ok(None) };
        let Some(row) = D::synthetic(&user.row()) else { return Ok(None) };
        return D::write(&row, out).map(|()| Some(true));
    };
    if !matches!(D::FILE, FileKind::Group) {
        return Ok(None);
    }
    let Some(user) = synthetic_user::used(config, call)? else { return Ok(None) };
    let (groups, number) = (synthetic_user::groups_of_process()?, usize::try_from(number));
    let Some((before, [gid, ..])) = number.ok().and_then(|number| groups.split_at_checked(number))
    else {
        return Ok(None);
    };
    let is_new =
        !before.contains(gid) && synthetic_user::is_nameless::<D>(config, call, &user, *gid)?;
    Ok(Some(is_new && synthetic_user::write_group::<D>(*gid, out)?))
}

/// The rows that were given already, so that later sources do not repeat them.
struct EarlierRows<'a> {
    config: &'static Config,
    snapshot: Option<&'a Snapshot>,
    has_synthetic: bool,
    thread: &'static ThreadState,
}

impl EarlierRows<'_> {
    /// True if the file or the synthetic user has that name.
    fn has<D: Database>(&self, name: &[u8]) -> Result<bool, Errno> {
        if self.has_synthetic && User::is_called(self.config, name)? {
            return Ok(true);
        }
        Ok(self.snapshot.is_some_and(|rows| rows.find::<D>(Key::name(name)).is_some()))
    }

    /// The same, or true if the module has that name.
    fn has_or_module_has<D: Database>(&self, name: &[u8]) -> Result<bool, Errno> {
        if self.has::<D>(name)? {
            return Ok(true);
        }
        let found = || module::find::<D>(self.thread, &Key::name(name));
        Ok(asks_module::<D>(self.config) && matches!(found(), Ok(Status::Found(_))))
    }
}

/// Writes the module's next row that is not in the file; false if there are no more.
fn next_of_module<D: Database>(
    earlier: &EarlierRows<'_>,
    walk: &Walk,
    out: &mut OutBuf<'_, D::C>,
) -> Result<bool, Errno> {
    loop {
        let (_, _, room) = out.raw();
        let begin_again = |error| {
            walk.module_epoch.store(STALE, Ordering::Relaxed);
            error
        };
        let copy = match next_in_module::<D>(earlier.thread, walk, room) {
            Ok(Some(copy)) => copy,
            Ok(None) => return Ok(false),
            // The module gives the row again next time.
            Err(Errno::ERANGE) => return Err(Errno::ERANGE),
            // The module may have moved past a row for which there was no memory.
            Err(error) => return Err(begin_again(error)),
        };
        let row = D::row_of(&copy);
        // After an error the row has to be given again.
        let is_repeated = earlier.has::<D>(D::name(&row)).map_err(begin_again)?;
        if !is_repeated {
            D::write(&row, out).map_err(begin_again)?;
        }
        walk.module_rows.fetch_add(1, Ordering::Relaxed);
        if !is_repeated {
            return Ok(true);
        }
    }
}

/// The module's next row. If its enumeration has to begin again, the rows that were given already are skipped.
fn next_in_module<D: Database>(
    thread: &'static ThreadState,
    walk: &Walk,
    room: usize,
) -> Result<Option<OwnedRow>, Errno> {
    let epoch = module::epoch::<D>().wrapping_add(1);
    if walk.module_epoch.swap(epoch, Ordering::Relaxed) != epoch {
        module::rewind::<D>(thread)?;
        for _ in 0..walk.module_rows.load(Ordering::Relaxed) {
            module::next::<D>(thread, None)?;
        }
    }
    match module::next::<D>(thread, Some(room))? {
        Status::Found(copy) => Ok(Some(copy)),
        Status::NotFound | Status::Pass => Ok(None),
    }
}

/// Writes libc's next row whose name no source of ours has; false if there are no more.
fn next_of_libc<D: Database>(
    earlier: &EarlierRows<'_>,
    out: &mut OutBuf<'_, D::C>,
    family: &LibcFunctions<D::C>,
) -> Result<bool, Errno> {
    let next_r = family.next_r.and_then(|next_r| next_r.get());
    let next = family.next.and_then(|next| next.get());
    loop {
        let mut found = null_mut();
        if let Some(next_r) = next_r {
            let (row, buf, len) = out.raw();
            let in_libc = InLibc::enter();
            // SAFETY: the row and the buffer that the program gave its call, and a pointer of this function's own.
            let error = unsafe { next_r(row, buf, len, &raw mut found) };
            drop(in_libc);
            match Errno::new(error) {
                None | Some(Errno::ENOENT) => {}
                Some(error) => return Err(error),
            }
        } else if let Some(next) = next {
            // musl has no `getXent_r`, so the program has called `getXent`, whose result may point into libc's memory.
            let in_libc = InLibc::enter();
            // SAFETY: getpwent(3) takes nothing; its result is the thread's or the process's, and is copied at once.
            found = unsafe { next() };
            drop(in_libc);
        }
        // SAFETY: null, or libc stored the address of a row that it has filled.
        let Some(row) = (unsafe { found.as_ref() }) else { return Ok(false) };
        // SAFETY: libc has filled what it returned, as getpwent(3) says.
        let copy = unsafe { D::copy_of(row) }?;
        if earlier.has_or_module_has::<D>(D::name(&D::row_of(&copy)))? {
            continue;
        }
        if next_r.is_none() {
            // SAFETY: `found` is not null, and libc has filled it; a C struct may be copied.
            out.set(unsafe { found.read() });
        }
        return Ok(true);
    }
}
