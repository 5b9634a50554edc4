//! Where a `setXent`, `getXent`, `endXent` enumeration stands. There is one for the process and
//! database, as getpwent(3) has it.
//!
//! It walks our file, then libc where libc is asked for what the file does not know, then comes the
//! own entry. No lock is held while libc is asked: its turn is a step that the caller takes.

use crate::errno::Errno;
use crate::lookup::{self, Database, own};
use crate::store::{Now, Snapshot, Table};
use crate::sync::{Mutex, Shared, try_box};
use crate::thread;
use alloc::boxed::Box;

type Pinned<D> = Option<Shared<Snapshot<Table<D>>>>;

enum Phase {
    /// In the snapshot, at an offset.
    File(usize),
    Libc,
    Own,
    End,
}

/// What an enumeration walks. No snapshot if there is no file.
struct Walk<D: Database> {
    pinned: Pinned<D>,
    phase: Phase,
    /// The own entry, if it takes part.
    own: Option<own::Line>,
}

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
    let walk = try_box(Walk { pinned, phase: Phase::File(0), own })?;
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
    let asks_libc = lookup::asks_libc::<D>()?;
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
                None => walk.phase = if asks_libc { Phase::Libc } else { Phase::Own },
            },
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

fn is_own(own: &Option<own::Line>, name: &[u8]) -> bool {
    own.as_ref().is_some_and(|line| line.user().name == name)
}

/// True if the enumeration has another row of that name, which libc's must not repeat.
pub(crate) fn has_listed<D: Database>(name: &[u8]) -> Result<bool, Errno> {
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
    // What is left may be the last of its kind: freed without the lock.
    drop(place);
    drop(new);
    Ok(())
}
