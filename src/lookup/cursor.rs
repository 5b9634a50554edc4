//! Where a `setXent`, `getXent`, `endXent` enumeration stands. There is one for the process and
//! database, as getpwent(3) has it.
//!
//! It walks our file, then the module, then libc where libc is asked for what those do not know, then
//! comes the own entry. No lock is held while the module or libc is asked: their turns are steps
//! that the caller takes.

use crate::errno::Errno;
use crate::lookup::{self, Database, Kept, own};
use crate::module::{self, Reply};
use crate::store::{Now, Snapshot, Table};
use crate::sync::{Mutex, Shared, try_box};
use crate::thread;
use alloc::boxed::Box;

type Pinned<D> = Option<Shared<Snapshot<Table<D>>>>;

enum Phase {
    /// In the snapshot, at an offset.
    File(usize),
    Module,
    Libc,
    Own,
    End,
}

/// What an enumeration walks. No snapshot if there is no file.
struct Walk<D: Database> {
    pinned: Pinned<D>,
    phase: Phase,
    visit: Visit<Kept<D>>,
    /// The own entry, if it takes part.
    own: Option<own::Line>,
}

/// Where the module's own enumeration stands. Each is one word: see [`Cursor`].
struct Visit<K> {
    /// The module's epoch when it was begun; [`NOT_BEGUN`] before that.
    epoch: u64,
    /// The rows it has given.
    passed: usize,
    /// A row that was given and not accepted yet.
    waiting: Option<Box<K>>,
}

const NOT_BEGUN: u64 = u64::MAX;
/// It has to be begun anew.
const STALE: u64 = u64::MAX - 1;

/// An enumeration's state; nothing before its beginning. One pointer, for the lock may be taken
/// over between any two instructions: a child of fork sees the one walk or the other, whole.
pub(crate) struct Cursor<D: Database>(Mutex<Option<Box<Walk<D>>>>);

impl<D: Database> Cursor<D> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }
}

/// Whether an enumeration also walks libc's entries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Libc {
    Asked,
    LeftAlone,
}

/// What comes next.
pub(crate) enum Step<R> {
    /// A row, and what was made of it.
    Row(R),
    /// It is the module's turn: [`next_of_module`].
    Module,
    /// It is libc's turn until [`libc_is_done`].
    Libc,
    /// Nothing.
    End,
}

/// Begins with what the file holds now, and with the own entry if it takes part, unless another
/// thread has begun meanwhile.
pub(crate) fn start<D: Database>(own: Option<own::Line>) -> Result<Libc, Errno> {
    let pinned = match D::source().now(D::home(thread::here()?))? {
        Now::Off | Now::Missing => None,
        Now::Here(lease) => lease.pin(),
    };
    let visit = Visit { epoch: NOT_BEGUN, passed: 0, waiting: None };
    let walk = try_box(Walk { pinned, phase: Phase::File(0), visit, own })?;
    put::<D>(Some(walk), Option::is_none)?;
    libc::<D>()
}

/// Forgets the enumeration, and lets go of what it held.
pub(crate) fn end<D: Database>() -> Result<Libc, Errno> {
    put::<D>(None, |_| true)?;
    libc::<D>()
}

fn libc<D: Database>() -> Result<Libc, Errno> {
    Ok(if lookup::asks_libc::<D>()? { Libc::Asked } else { Libc::LeftAlone })
}

/// True between [`start`] and [`end`].
pub(crate) fn is_begun<D: Database>() -> Result<bool, Errno> {
    Ok(D::cursor().0.lock()?.is_some())
}

/// The next step. The enumeration goes on only if `take` accepts the row: a buffer that was too
/// short loses nothing.
pub(crate) fn next<D: Database, R>(
    take: impl FnOnce(D::Row<'_>) -> Result<R, Errno>,
) -> Result<Step<R>, Errno> {
    let asks_module = lookup::asks_module::<D>()?;
    let mut place = D::cursor().0.lock()?;
    let Some(walk) = &mut *place else { return Ok(Step::End) };
    loop {
        match &mut walk.phase {
            Phase::File(at) => match walk.pinned.as_deref().and_then(|table| table.row_from(*at)) {
                Some((row, after)) if is_own(&walk.own, lookup::name_of::<D>(&row)) => {
                    *at = after;
                }
                Some((row, after)) => {
                    let taken = take(row)?;
                    *at = after;
                    return Ok(Step::Row(taken));
                }
                None => walk.phase = if asks_module { Phase::Module } else { Phase::Libc },
            },
            Phase::Module => return Ok(Step::Module),
            Phase::Libc => return Ok(Step::Libc),
            Phase::Own => {
                let row = walk.own.as_ref().and_then(|line| D::own(line.user()));
                let taken = row.map(take).transpose()?;
                walk.phase = Phase::End;
                return Ok(taken.map_or(Step::End, Step::Row));
            }
            Phase::End => return Ok(Step::End),
        }
    }
}

/// The module's next row; `None` if its turn is over. As [`next`], a row that `take` does not accept
/// comes again.
pub(crate) fn next_of_module<D: Database, R>(
    take: impl FnOnce(D::Row<'_>) -> Result<R, Errno>,
) -> Result<Option<R>, Errno> {
    let mut take = Some(take);
    while let Some(kept) = from_module::<D>()? {
        let Some(row) = D::of_module(&kept) else { continue };
        let taken = match in_file_or_own::<D>(lookup::name_of::<D>(&row)) {
            Ok(true) => continue,
            Ok(false) => take.take().map(|take| take(row)).transpose(),
            Err(error) => Err(error),
        };
        if taken.is_err()
            && let Some(walk) = &mut *D::cursor().0.lock()?
        {
            walk.visit.waiting = Some(kept);
        }
        return taken;
    }
    if let Some(walk) = &mut *D::cursor().0.lock()?
        && matches!(walk.phase, Phase::Module)
    {
        walk.phase = Phase::Libc;
    }
    Ok(None)
}

fn from_module<D: Database>() -> Result<Option<Box<Kept<D>>>, Errno> {
    let now = module::epoch::<D::Entry>();
    let again = {
        let mut place = D::cursor().0.lock()?;
        let Some(walk) = &mut *place else { return Ok(None) };
        if let Some(kept) = walk.visit.waiting.take() {
            return Ok(Some(kept));
        }
        let before = core::mem::replace(&mut walk.visit.epoch, now);
        (before != now).then_some(walk.visit.passed)
    };
    if let Some(passed) = again {
        module::rewind::<D::Entry>()?;
        for _ in 0..passed {
            module::next::<D::Entry>()?;
        }
    }
    let given = module::next::<D::Entry>().and_then(|reply| match reply {
        Reply::Row(kept) => try_box(kept).map(Some),
        Reply::Absent | Reply::Off => Ok(None),
    });
    if let Some(walk) = &mut *D::cursor().0.lock()? {
        match given {
            Ok(_) => walk.visit.passed += 1,
            // The module may have gone past a row that there was no memory for.
            Err(_) => walk.visit.epoch = STALE,
        }
    }
    given
}

fn is_own(own: &Option<own::Line>, name: &[u8]) -> bool {
    own.as_ref().is_some_and(|line| line.user().name == name)
}

/// True if the enumeration has another row of that name, which libc's must not repeat.
pub(crate) fn has_listed<D: Database>(name: &[u8]) -> Result<bool, Errno> {
    if in_file_or_own::<D>(name)? {
        return Ok(true);
    }
    let asks_module = lookup::asks_module::<D>()?;
    Ok(asks_module && matches!(module::by_name::<D::Entry>(name), Ok(Reply::Row(_))))
}

fn in_file_or_own<D: Database>(name: &[u8]) -> Result<bool, Errno> {
    let pinned = {
        let place = D::cursor().0.lock()?;
        let Some(walk) = &*place else { return Ok(false) };
        if is_own(&walk.own, name) {
            return Ok(true);
        }
        walk.pinned.clone()
    };
    pinned.map_or(Ok(false), |table| Ok(table.by_name(name)?.is_some()))
}

/// Ends libc's turn.
pub(crate) fn libc_is_done<D: Database>() -> Result<(), Errno> {
    if let Some(walk) = &mut *D::cursor().0.lock()?
        && matches!(walk.phase, Phase::Libc)
    {
        walk.phase = Phase::Own;
    }
    Ok(())
}

/// Puts the walk in place of the one there is, if `replaces` that.
fn put<D: Database>(
    mut new: Option<Box<Walk<D>>>,
    replaces: impl FnOnce(&Option<Box<Walk<D>>>) -> bool,
) -> Result<(), Errno> {
    let mut place = D::cursor().0.lock()?;
    if replaces(&place) {
        core::mem::swap(&mut *place, &mut new);
    }
    drop(place);
    // What is left may be the last of its kind: freed without the lock.
    match new {
        Some(walk) if walk.visit.epoch != NOT_BEGUN => module::close::<D::Entry>(),
        _ => Ok(()),
    }
}
