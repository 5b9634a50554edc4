//! For one question, asks the sources in their order and says row, absent, or not ours.
//!
//! Nothing here calls the next definition: the exported function, which still holds the caller's
//! own arguments, does that when the answer is [`Answer::Pass`].

pub(crate) mod cursor;
pub(crate) mod host;
pub(crate) mod membership;
pub(crate) mod nsswitch;
pub(crate) mod own;

use core::fmt;

use crate::config;
use crate::errno::Errno;
use crate::module::{self, Reply, Served};
use crate::record::{Group, Keyed, Passwd};
use crate::store::{
    self, Cached, Content, Groups, Key, Lines, Now, Passwds, Shadows, Source, Table,
};
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
    /// What the own entry's user has here, if anything.
    fn own(user: Passwd<'_>) -> Option<Self::Row<'_>>;
    /// What a module fills for it.
    type Entry: Served;
    /// A row from a module.
    fn of_module(kept: &Kept<Self>) -> Option<Self::Row<'_>>;
}

/// A row that a module gave.
pub(crate) type Kept<D> = <<D as Database>::Entry as module::Entry>::Kept;

/// Says where a database's sources are.
macro_rules! database {
    (
        $lines:ty: $source:ident, $home:ident, $user:ident => $own:expr,
        $entry:ty: $kept:ident => $row:expr
    ) => {
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

            type Entry = $entry;

            fn of_module($kept: &Kept<Self>) -> Option<Self::Row<'_>> {
                $row
            }
        }
    };
}

database! {
    Passwds: PASSWD, passwds, user => Some(user),
    libc::passwd: kept => Some(kept.row())
}
database! {
    Groups: GROUP, groups, user => Some(Group {
        name: user.name,
        passwd: b"x",
        gid: user.gid,
        member_list: b"",
        line: b"",
    }),
    libc::group: kept => Some(kept.row())
}
database! { Shadows: SHADOW, shadows, _user => None, module::Nothing: _kept => None }

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
    Ok(D::source().is_on()? || D::HAS_ID && (own::is_set()? || module::is_on()?))
}

/// True if a module takes part in the database.
pub(crate) fn asks_module<D: Database>() -> Result<bool, Errno> {
    Ok(D::HAS_ID && module::is_on()?)
}

/// True if libc is asked for what our sources do not know.
pub(crate) fn asks_libc<D: Database>() -> Result<bool, Errno> {
    let ours = D::source().is_on()? || D::HAS_ID && module::serves::<D::Entry>()?;
    Ok(!ours || config::get()?.fall_through)
}

/// Asks for the row of that name, and hands the answer on while its bytes are there: the row of a file
/// that is found at once to `row`, which so can stand in the caller's own code, all else to `take`.
#[inline(always)]
pub(crate) fn by_name<D: Database, R>(
    name: &[u8],
    row: impl FnOnce(D::Row<'_>) -> R,
    take: impl FnOnce(Answer<D::Row<'_>>) -> R,
) -> Result<R, Errno> {
    ask::<D, R>(Key::name(name), || module::by_name::<D::Entry>(name), row, take)
}

/// As [`by_name`], by id.
#[inline(always)]
pub(crate) fn by_id<D: Database, R>(
    id: u32,
    row: impl FnOnce(D::Row<'_>) -> R,
    take: impl FnOnce(Answer<D::Row<'_>>) -> R,
) -> Result<R, Errno> {
    ask::<D, R>(Key::id(id), || module::by_id::<D::Entry>(id), row, take)
}

#[inline(always)]
fn ask<D: Database, R>(
    key: Key<'_>,
    of_module: impl FnOnce() -> Result<Reply<Kept<D>>, Errno>,
    row: impl FnOnce(D::Row<'_>) -> R,
    take: impl FnOnce(Answer<D::Row<'_>>) -> R,
) -> Result<R, Errno> {
    // Before the thread is given anything of ours.
    let Some(path) = D::path(config::get()?) else {
        return ask_module::<D, R>(of_module, &key, take);
    };
    let home = D::home(thread::here()?);
    let (now, at) = D::source().now_after(path, home, |table| table.expect(&key))?;
    if let Some(at) = at
        && let Now::Here(lease) = &now
        && let Some(table) = lease.get()
        && let Some(found) = table.expected(&key, at)
    {
        log!(Trace, D::NAME, "{key}: {}", OfFile::new(D::source(), &now, true));
        return Ok(row(found));
    }
    ask_file::<D, R>(now, of_module, &key, take)
}

/// The rest of a lookup where the row is not where it was expected.
#[cold]
fn ask_file<D: Database, R>(
    now: Now<'_, Table<D>>,
    of_module: impl FnOnce() -> Result<Reply<Kept<D>>, Errno>,
    key: &Key<'_>,
    take: impl FnOnce(Answer<D::Row<'_>>) -> R,
) -> Result<R, Errno> {
    let row = match &now {
        Now::Off | Now::Missing => None,
        Now::Here(lease) => match lease.get() {
            Some(table) => table.find(key)?,
            None => None,
        },
    };
    log!(Trace, D::NAME, "{key}: {}", OfFile::new(D::source(), &now, row.is_some()));
    if let Some(row) = row {
        return Ok(take(Answer::Row(row)));
    }
    // What is lent may be asked for again while the module is asked.
    drop(now);
    ask_module::<D, R>(of_module, key, take)
}

/// The rest of a lookup, once the file does not know the row.
#[cold]
fn ask_module<D: Database, R>(
    of_module: impl FnOnce() -> Result<Reply<Kept<D>>, Errno>,
    key: &Key<'_>,
    take: impl FnOnce(Answer<D::Row<'_>>) -> R,
) -> Result<R, Errno> {
    let mut is_ours = D::source().is_on()?;
    if asks_module::<D>()? {
        match of_module() {
            Ok(Reply::Row(kept)) => {
                log!(Trace, D::NAME, "{key}: found by the module");
                return Ok(take(D::of_module(&kept).map_or(Answer::Absent, Answer::Row)));
            }
            Ok(Reply::Absent) => is_ours = true,
            Ok(Reply::Off) => {}
            Err(error) => {
                let why = error.text();
                log!(Debug, D::NAME, "{key}: the module failed: {why}");
                // As in glibc the next service is asked, if there is one.
                if error == Errno::ENOMEM || !config::get()?.fall_through {
                    return Err(error);
                }
            }
        }
    }
    let pass = !is_ours || config::get()?.fall_through;
    log!(Trace, D::NAME, "{key}: {}", unknown_means(pass));
    Ok(take(if pass { Answer::Pass } else { Answer::Absent }))
}

/// What becomes of a question that no source of ours has an answer to, for the log.
fn unknown_means(pass: bool) -> &'static str {
    if pass { "asked of libc" } else { "not found" }
}

/// What a file has to say to a question, for the log.
struct OfFile {
    path: Option<Bytes<'static>>,
    verdict: &'static str,
}

impl OfFile {
    fn new<T: Content>(source: &Source<T>, now: &Now<'_, T>, is_found: bool) -> Self {
        let verdict = match now {
            _ if is_found => "found in",
            Now::Missing => "cannot read",
            _ => "not in",
        };
        Self { path: source.shown(), verdict }
    }
}

impl fmt::Display for OfFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.verdict)?;
        self.path.as_ref().map_or(Ok(()), |path| write!(f, " {path}"))
    }
}
