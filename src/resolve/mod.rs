//! Who answers, in which order: the synthetic user, the file, the module, and then libc if it is asked too.
//!
//! Nothing here calls an exported function. To ask libc, `Status::Pass` makes the exported function call the next
//! definition, because it still has the caller's own arguments.

pub(crate) mod cursor;
pub(crate) mod hosts;
pub(crate) mod membership;
pub(crate) mod nsswitch;
mod position;
pub(crate) mod synthetic_user;
pub(crate) mod user_line;

use core::ffi::{c_char, c_int};

use cursor::Asker;

use crate::config::{self, Config};
use crate::db::key::Key;
use crate::db::{Database, OwnedRow, Status};
use crate::file::source::{FileState, Request};
use crate::file::table::{Sought, Table};
use crate::module;
use crate::rt::errno::Errno;
use crate::rt::log::{self, Bytes, LogLevel, log};
use crate::rt::next::Next;
use crate::rt::out_buf::OutBuf;
use crate::rt::thread::Call;

/// Functions of libc that the resolver itself calls. Each may be missing.
pub(crate) struct LibcFunctions<C: 'static> {
    /// `getXid_r`.
    pub(crate) by_id_r: Option<&'static Next<ByIdR<C>>>,
    /// `getXent_r`.
    pub(crate) next_r: Option<&'static Next<NextR<C>>>,
    /// `getXent`.
    pub(crate) next: Option<&'static Next<NextRow<C>>>,
}

/// The type of `getpwuid_r`.
pub(crate) type ByIdR<C> =
    unsafe extern "C" fn(u32, *mut C, *mut c_char, usize, *mut *mut C) -> c_int;
/// The type of `getpwent_r`.
pub(crate) type NextR<C> = unsafe extern "C" fn(*mut C, *mut c_char, usize, *mut *mut C) -> c_int;
/// The type of `getpwent`.
pub(crate) type NextRow<C> = unsafe extern "C" fn() -> *mut C;

/// A database whose functions are interposed.
pub(crate) trait Interposed: Database {
    /// libc's own functions. This is a function because a table would be relocated in every process.
    fn libc() -> LibcFunctions<Self::C>;
}

/// Looks a key up and writes the row into the caller's buffer. All callers share one copy of the code, so that
/// what a first lookup runs fits into few pages.
#[inline(never)]
pub(crate) fn find<D: Interposed>(
    config: &'static Config,
    call: &mut Call,
    key: &Key<'_>,
    out: &mut OutBuf<'_, D::C>,
) -> Result<Status, Errno> {
    if config.user.is_some() && synthetic_user::answers::<D>(config, call, key, out)? {
        return Ok(Status::Found(()));
    }
    if let Some(path) = config.file(D::FILE) {
        let request = Request { kind: D::FILE, path, key: Some(key), call };
        let state = request.current::<D>()?;
        if let FileState::Loaded(table, sought) = state {
            if let Some(row) = table.sought_row::<D>(key, sought) {
                if D::write_line(&row, out) && !log::is_on(LogLevel::Trace) {
                    return Ok(Status::Found(()));
                }
            }
            if sought != Sought::Nowhere && find_slowly::<D>(config, table, key, out)? {
                return Ok(Status::Found(()));
            }
        }
        let is_missing = matches!(state, FileState::Missing);
        log_file::<D>(config, key, if is_missing { "cannot read" } else { "not in" });
    }
    find_elsewhere::<D>(config, call, key, out)
}

/// The slow part of [`find`] in the file: without an index, or with a new one, or if the answer is logged or does not
/// fit as a line. True if there is a row.
#[cold]
#[inline(never)]
fn find_slowly<D: Database>(
    config: &'static Config,
    table: &Table,
    key: &Key<'_>,
    out: &mut OutBuf<'_, D::C>,
) -> Result<bool, Errno> {
    let Some(row) = table.find::<D>(*key) else { return Ok(false) };
    log_file::<D>(config, key, "found in");
    D::write(&row, out).map(|()| true)
}

/// Logs what came of the question in the file.
#[inline(always)]
fn log_file<D: Database>(config: &'static Config, key: &Key<'_>, what: &str) {
    #[cold]
    #[inline(never)]
    fn line<D: Database>(config: &'static Config, key: &Key<'_>, what: &str) {
        let path = config.file(D::FILE).map_or(b"".as_slice(), |path| path.bytes());
        log!(Trace, D::NAME, "{key}: {what} {}", Bytes(path));
    }
    if log::is_on(LogLevel::Trace) {
        line::<D>(config, key, what);
    }
}

/// The rest of a lookup, if the file does not have the row.
#[cold]
fn find_elsewhere<D: Interposed>(
    config: &'static Config,
    call: &mut Call,
    key: &Key<'_>,
    out: &mut OutBuf<'_, D::C>,
) -> Result<Status, Errno> {
    let mut is_ours = config.file(D::FILE).is_some();
    if asks_module::<D>(config) {
        match find_in_module::<D>(config, call, key)? {
            Status::Found(copy) => {
                log!(Trace, D::NAME, "{key}: found by the module");
                D::write(&D::row_of(&copy), out)?;
                return Ok(Status::Found(()));
            }
            Status::NotFound => is_ours = true,
            Status::Pass => {}
        }
    }
    if config.user.is_some() && synthetic_user::names_group::<D>(config, call, key, out)? {
        return Ok(Status::Found(()));
    }
    let status = if is_ours && !config.fall_through { Status::NotFound } else { Status::Pass };
    let what = if status == Status::Pass { "asked of libc" } else { "not found" };
    log!(Trace, D::NAME, "{key}: {what}");
    Ok(status)
}

/// The module's row; `Pass` if libc's is to be asked for.
fn find_in_module<D: Database>(
    config: &Config,
    call: &Call,
    key: &Key<'_>,
) -> Result<Status<OwnedRow>, Errno> {
    module::find::<D>(call.thread(), key).or_else(|error| {
        log!(Debug, D::NAME, "{key}: the module failed: {error}");
        if goes_on(config, error) { Ok(Status::Pass) } else { Err(error) }
    })
}

/// True if libc is asked after that error of the module's. As in glibc the next service is, if there is one.
fn goes_on(config: &Config, error: Errno) -> bool {
    config.fall_through && !matches!(error, Errno::ENOMEM | Errno::ERANGE)
}

/// True if the database has ids. Only then can a synthetic user or a module answer.
fn has_ids<D: Database>() -> bool {
    D::SYSTEM_FILE.is_some()
}

/// The configuration, if any source of ours can answer for the database; otherwise libc alone does.
#[inline(always)]
pub(crate) fn configured<D: Database>() -> Result<Option<&'static Config>, Errno> {
    let config = config::get()?;
    let has_sources = config.file(D::FILE).is_some()
        || has_ids::<D>() && (config.user.is_some() || config.module().is_some());
    Ok(has_sources.then_some(config))
}

/// Asks a question in a call; `pass` if libc alone answers for the database. That is known without `Call::enter`, which
/// may allocate memory for the thread.
#[inline(always)]
pub(crate) fn ask<D: Database, T>(
    pass: T,
    ask: impl FnOnce(&'static Config, &mut Call) -> Result<T, Errno>,
) -> Result<T, Errno> {
    match configured::<D>()? {
        Some(config) => ask(config, &mut Call::enter()?),
        None => Ok(pass),
    }
}

/// What is asked of a database with rows in one C struct.
#[derive(Clone, Copy)]
pub(crate) enum Question<'k> {
    /// The row with a key.
    Row(Key<'k>),
    /// The next row of the enumeration.
    Next(Asker),
}

impl Question<'_> {
    /// Writes the row into the caller's buffer.
    #[inline(always)]
    pub(crate) fn answer<D: Interposed>(
        &self,
        config: &'static Config,
        call: &mut Call,
        out: &mut OutBuf<'_, D::C>,
    ) -> Result<Status, Errno> {
        match self {
            Self::Row(key) => find::<D>(config, call, key, out),
            Self::Next(asker) => cursor::next::<D>(config, call, out, *asker),
        }
    }
}

/// True if a module is asked for the database.
fn asks_module<D: Database>(config: &Config) -> bool {
    has_ids::<D>() && config.module().is_some()
}

/// True if libc is asked for what our sources do not have.
pub(crate) fn asks_libc<D: Database>(config: &Config) -> Result<bool, Errno> {
    if config.fall_through {
        return Ok(true);
    }
    let has_module = || {
        // The module is loaded in a call, so that a jump out of the loading loses no memory: `rt::memory`.
        let _call = Call::enter()?;
        module::serves::<D>()
    };
    Ok(config.file(D::FILE).is_none() && !(asks_module::<D>(config) && has_module()?))
}
