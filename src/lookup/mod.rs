//! For one question, asks the sources in their order and says row, absent, or not ours.
//!
//! Nothing here calls the next definition: the exported function, which still holds the caller's
//! own arguments, does that when the answer is [`Answer::Pass`].

pub(crate) mod cursor;
pub(crate) mod membership;

use crate::errno::Errno;
use crate::store::{self, Cached, Groups, Lines, Now, Passwds, Source, Table};
use crate::thread::{self, Thread};
use crate::trace::{Bytes, log};
use cursor::Cursor;

/// What our sources say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer<T> {
    /// The row.
    Row(T),
    /// Our sources decide, and have no such row.
    Absent,
    /// Not ours; call the next definition.
    Pass,
}

/// A database of rows in a file: where its sources are.
pub(crate) trait Database: Lines + Sized + 'static {
    /// The configured file.
    fn source() -> &'static Source<Table<Self>>;
    /// The thread's cache for it.
    fn home(thread: &Thread) -> &Cached<Table<Self>>;
    /// The process's enumeration.
    fn cursor() -> &'static Cursor<Self>;
}

impl Database for Passwds {
    fn source() -> &'static Source<Table<Self>> {
        &store::PASSWD
    }

    fn home(thread: &Thread) -> &Cached<Table<Self>> {
        &thread.passwds
    }

    fn cursor() -> &'static Cursor<Self> {
        static CURSOR: Cursor<Passwds> = Cursor::new();
        &CURSOR
    }
}

impl Database for Groups {
    fn source() -> &'static Source<Table<Self>> {
        &store::GROUP
    }

    fn home(thread: &Thread) -> &Cached<Table<Self>> {
        &thread.groups
    }

    fn cursor() -> &'static Cursor<Self> {
        static CURSOR: Cursor<Groups> = Cursor::new();
        &CURSOR
    }
}

/// Asks for the row of that name, and hands the answer to `take` while its bytes are there.
#[inline]
pub(crate) fn by_name<D: Database, R>(
    name: &[u8],
    take: impl FnOnce(Answer<D::Row<'_>>) -> R,
) -> Result<R, Errno> {
    ask::<D, R>(|table| table.by_name(name), format_args!("{}", Bytes(name)), take)
}

/// Asks for the row of that id.
#[inline]
pub(crate) fn by_id<D: Database, R>(
    id: u32,
    take: impl FnOnce(Answer<D::Row<'_>>) -> R,
) -> Result<R, Errno> {
    ask::<D, R>(|table| table.by_id(id), format_args!("{id}"), take)
}

#[inline]
fn ask<D: Database, R>(
    find: impl FnOnce(&Table<D>) -> Result<Option<D::Row<'_>>, Errno>,
    what: core::fmt::Arguments<'_>,
    take: impl FnOnce(Answer<D::Row<'_>>) -> R,
) -> Result<R, Errno> {
    let now = D::source().now(D::home(thread::here()?))?;
    let answer = match &now {
        Now::Off => return Ok(take(Answer::Pass)),
        Now::Missing => None,
        Now::Here(lease) => lease.get().map(find).transpose()?.flatten(),
    };
    log!(Trace, D::NAME, "{what}: {}", if answer.is_some() { "found" } else { "not found" });
    Ok(take(answer.map_or(Answer::Absent, Answer::Row)))
}
