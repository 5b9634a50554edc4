//! Where a `setXent`, `getXent`, `endXent` enumeration stands. There is one for the process and
//! database, as getpwent(3) has it.

use crate::errno::Errno;
use crate::lookup::{Answer, Database};
use crate::store::{Now, Snapshot, Table};
use crate::sync::{Mutex, Shared};
use crate::thread;

type Pinned<D> = Option<Shared<Snapshot<Table<D>>>>;

enum Place<D: Database> {
    /// Not begun.
    Start,
    /// In a file's snapshot, at an offset; no snapshot if the file was missing.
    In(Pinned<D>, usize),
}

/// An enumeration's state.
pub(crate) struct Cursor<D: Database>(Mutex<Place<D>>);

impl<D: Database> Cursor<D> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Place::Start))
    }
}

/// Begins anew, with what the file holds now. `Pass` if the database is not ours.
pub(crate) fn set<D: Database>() -> Result<Answer<()>, Errno> {
    let Some(pinned) = pin::<D>()? else { return Ok(Answer::Pass) };
    put::<D>(Place::In(pinned, 0))?;
    Ok(Answer::Row(()))
}

/// Forgets the enumeration, and lets go of what it held.
pub(crate) fn end<D: Database>() -> Result<Answer<()>, Errno> {
    put::<D>(Place::Start)?;
    match D::source().is_on()? {
        true => Ok(Answer::Row(())),
        false => Ok(Answer::Pass),
    }
}

/// The next row. The enumeration goes on only if `take` accepts it: a buffer that was too short
/// loses nothing.
pub(crate) fn next<D: Database, R>(
    take: impl FnOnce(Answer<D::Row<'_>>) -> Result<R, Errno>,
) -> Result<R, Errno> {
    if !D::source().is_on()? {
        return take(Answer::Pass);
    }
    let begun = matches!(*D::cursor().0.lock()?, Place::In(..));
    if !begun {
        set::<D>()?;
    }
    let mut place = D::cursor().0.lock()?;
    let Place::In(Some(table), at) = &mut *place else { return take(Answer::Absent) };
    let Some((row, after)) = table.row_from(*at) else { return take(Answer::Absent) };
    let taken = take(Answer::Row(row))?;
    *at = after;
    Ok(taken)
}

fn pin<D: Database>() -> Result<Option<Pinned<D>>, Errno> {
    Ok(match D::source().now(D::home(thread::here()?))? {
        Now::Off => None,
        Now::Missing => Some(None),
        Now::Here(lease) => Some(lease.pin()),
    })
}

fn put<D: Database>(new: Place<D>) -> Result<(), Errno> {
    let mut place = D::cursor().0.lock()?;
    let old = core::mem::replace(&mut *place, new);
    // The old snapshot may be the last of its kind: freed without the lock.
    drop(place);
    drop(old);
    Ok(())
}
