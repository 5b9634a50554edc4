//! For one question, asks the sources in their order and says row, absent, or not ours.
//!
//! Nothing here calls the next definition: the exported function, which still holds the caller's
//! own arguments, does that when the answer is [`Answer::Pass`].

pub(crate) mod cursor;
pub(crate) mod host;
pub(crate) mod membership;
pub(crate) mod nsswitch;
pub(crate) mod own;

use crate::config;
use crate::errno::Errno;
use crate::record::{Group, Keyed, Passwd};
use crate::store::{self, Cached, Groups, Key, Lines, Now, Passwds, Shadows, Source, Table};
use crate::thread::{self, Thread};
use crate::trace::log;
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
    /// What the own entry's user has here, if anything.
    fn own(user: Passwd<'_>) -> Option<Self::Row<'_>>;
}

/// Says where a database's sources are.
macro_rules! database {
    ($lines:ty: $source:ident, $home:ident, $user:ident => $own:expr) => {
        impl Database for $lines {
            fn source() -> &'static Source<Table<Self>> {
                &store::$source
            }

            fn home(thread: &Thread) -> &Cached<Table<Self>> {
                &thread.$home
            }

            fn cursor() -> &'static Cursor<Self> {
                static CURSOR: Cursor<$lines> = Cursor::new();
                &CURSOR
            }

            fn own($user: Passwd<'_>) -> Option<Self::Row<'_>> {
                $own
            }
        }
    };
}

database! { Passwds: PASSWD, passwds, user => Some(user) }
database! { Groups: GROUP, groups, user => Some(Group {
    name: user.name,
    passwd: b"x",
    gid: user.gid,
    member_list: b"",
    line: b"",
}) }
database! { Shadows: SHADOW, shadows, _user => None }

/// The name of a row.
pub(crate) fn name_of<'a, D: Database>(row: &'a D::Row<'_>) -> &'a [u8] {
    row.name()
}

/// The id of a row, if its database has ids.
pub(crate) fn id_of<D: Database>(row: &D::Row<'_>) -> Option<u32> {
    row.id()
}

/// True if anything of ours takes part in the database; else all is libc's.
pub(crate) fn has_sources<D: Database>() -> Result<bool, Errno> {
    Ok(D::source().is_on()? || D::HAS_ID && own::is_set()?)
}

/// True if libc is asked for what our sources do not know.
pub(crate) fn asks_libc<D: Database>() -> Result<bool, Errno> {
    Ok(!D::source().is_on()? || config::get()?.fall_through)
}

/// Asks for the row of that name, and hands the answer to `take` while its bytes are there.
#[inline(always)]
pub(crate) fn by_name<D: Database, R>(
    name: &[u8],
    take: impl FnOnce(Answer<D::Row<'_>>) -> R,
) -> Result<R, Errno> {
    ask::<D, R>(Key::name(name), take)
}

/// Asks for the row of that id.
#[inline(always)]
pub(crate) fn by_id<D: Database, R>(
    id: u32,
    take: impl FnOnce(Answer<D::Row<'_>>) -> R,
) -> Result<R, Errno> {
    ask::<D, R>(Key::id(id), take)
}

#[inline(always)]
fn ask<D: Database, R>(
    key: Key<'_>,
    take: impl FnOnce(Answer<D::Row<'_>>) -> R,
) -> Result<R, Errno> {
    // Before the thread is given anything of ours.
    let now = match D::source().is_on()? {
        true => D::source().now_after(D::home(thread::here()?), |table| table.expect(&key))?,
        false => Now::Off,
    };
    let row = match &now {
        Now::Off | Now::Missing => None,
        Now::Here(lease) => match lease.get() {
            Some(table) => table.find(&key)?,
            None => None,
        },
    };
    let answer = match row {
        Some(row) => Answer::Row(row),
        None if asks_libc::<D>()? => Answer::Pass,
        None => Answer::Absent,
    };
    if !matches!(now, Now::Off) {
        let found = if matches!(answer, Answer::Row(_)) { "found" } else { "not found" };
        log!(Trace, D::NAME, "{key}: {found}");
    }
    Ok(take(answer))
}
