//! An NSS module under test: a shared object with functions `_nss_NAME_getpwnam_r` and so on, as glibc loads
//! them for nsswitch.conf(5). Loaded at the first question that gets to it.
//!
//! No lock of ours is held while the module's code runs: it may ask us in its turn. Within one of its functions
//! the same question gets to it once more, since it may be that of a signal handler, and three questions in
//! all; so none asks itself for ever. When the question comes a third time the function asks itself, and the
//! second one is told that there is nothing.
#![allow(unsafe_code, reason = "calls of foreign functions")]

mod loading;

use core::ffi::{CStr, c_char, c_int, c_long};
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

use libc::{gid_t, socklen_t};

use crate::config::{self, FileKind};
use crate::db::address::Family;
use crate::db::hosts::address_at;
use crate::db::key::{Key, What};
use crate::db::{Database, Group, Hosts, OwnedRow};
use crate::rt::errno::{self, Errno};
use crate::rt::log::log;
use crate::rt::mark::Entered;
use crate::rt::memory::ScratchBuf;
use crate::rt::next::Library;
use crate::rt::sync::TryOnce;
use crate::rt::thread::{Call, Level, MODULE_FUNCTIONS, ThreadState};

/// What the module says.
pub(crate) enum Reply {
    /// This.
    Row(OwnedRow),
    /// It has nothing of that kind, or cannot be loaded.
    Absent,
    /// There is no module, or it does not have this database at all.
    Off,
}

/// `enum nss_status` of `<nss.h>`.
pub(crate) mod status {
    use core::ffi::c_int;

    pub(crate) const TRYAGAIN: c_int = -2;
    pub(crate) const UNAVAIL: c_int = -1;
    pub(crate) const NOTFOUND: c_int = 0;
    pub(crate) const SUCCESS: c_int = 1;
}
use loading::{Functions, Module, Row, open};
use status::{NOTFOUND, SUCCESS, TRYAGAIN, UNAVAIL};

/// The functions that a thread can be in. Those of groups come four later than those of users.
#[derive(Clone, Copy)]
enum Function {
    ByName = 0,
    ById = 1,
    Next = 2,
    SetEnd = 3,
    HostByName = 8,
    HostByAddress = 9,
    GroupsOf = 10,
    Opening = 11,
}

const _: () = assert!(Function::Opening as usize + 1 == MODULE_FUNCTIONS);

impl Function {
    fn number<D: Database>(self) -> usize {
        self as usize + if matches!(D::FILE, FileKind::Group) { 4 } else { 0 }
    }
}

/// Marks that the calling thread is in a function of the module with a question; `None` if it is twice with
/// the same one, or with three. The mark is an address in the caller's frame.
#[inline(always)]
fn enter(thread: &'static ThreadState, function: usize, question: u64) -> Option<Entered<'static>> {
    thread.in_module.get(function)?.enter(question)
}

/// What has become of the configured module.
enum State {
    /// There is none.
    Off,
    /// It cannot be loaded, or is just being loaded by this thread.
    Out,
    /// Its functions.
    Loaded(&'static Module),
}

/// True if a module is configured, whether or not it can be loaded.
pub(crate) fn is_on() -> Result<bool, Errno> {
    Ok(config::get()?.module().is_some())
}

/// The module, loaded at the first call. One that cannot be loaded is reported once, and works once it
/// can.
fn state(thread: &'static ThreadState) -> Result<State, Errno> {
    static MODULE: TryOnce<Module> = TryOnce::new();
    if let Some(module) = MODULE.get() {
        return Ok(State::Loaded(module));
    }
    let Some((path, prefix)) = config::get()?.module() else { return Ok(State::Off) };
    let Some(opening) = enter(thread, Function::Opening as usize, 0) else {
        return Ok(State::Out);
    };
    // The module's constructors may ask what only the module knows. A signal handler may ask before the loader
    // has come to the module.
    if opening.is_inner() && Library::is_loaded(path.as_c()) {
        return Ok(State::Out);
    }
    let Some(module) = open(path, prefix, opening)? else { return Ok(State::Out) };
    // Two threads may get here: both have the same functions.
    MODULE.get_or_try_init(|| Ok(module)).map(State::Loaded)
}

/// The functions of a database, or the reply where there are none.
fn functions<D: Database>(
    thread: &'static ThreadState,
) -> Result<Result<&'static Functions, Reply>, Errno> {
    let module = match state(thread)? {
        State::Off => return Ok(Err(Reply::Off)),
        State::Out => return Ok(Err(Reply::Absent)),
        State::Loaded(module) => module,
    };
    let functions = match D::FILE {
        FileKind::Passwd => &module.passwd,
        FileKind::Group => &module.group,
        _ => return Ok(Err(Reply::Off)),
    };
    Ok(if functions.any() { Ok(functions) } else { Err(Reply::Off) })
}

/// True if a module is configured that has the database, or that cannot be loaded to say so.
pub(crate) fn serves<D: Database>(thread: &'static ThreadState) -> Result<bool, Errno> {
    Ok(is_on()? && !matches!(functions::<D>(thread)?, Err(Reply::Off)))
}

/// The row of that name or id.
pub(crate) fn find<D: Database>(
    thread: &'static ThreadState,
    key: &Key<'_>,
) -> Result<Reply, Errno> {
    let functions = match functions::<D>(thread)? {
        Ok(functions) => functions,
        Err(reply) => return Ok(reply),
    };
    let question = key.hash;
    match (key.what, functions.by_name, functions.by_id) {
        (What::Name(name), Some(by_name), _) => {
            let key = c_string(name)?;
            ask::<D>(thread, Function::ByName, question, None, |row, buf, len, error| {
                // SAFETY: a C string, and what `ask` gives: a row, a buffer of `len` bytes, and where errno is.
                unsafe { by_name(as_c(&key).as_ptr(), row, buf, len, error) }
            })
        }
        (What::Id(id), _, Some(by_id)) => {
            ask::<D>(thread, Function::ById, question, None, |row, buf, len, error| {
                // SAFETY: what `ask` gives: a row, a buffer of `len` bytes, and where errno is.
                unsafe { by_id(id, row, buf, len, error) }
            })
        }
        _ => Ok(Reply::Absent),
    }
}

/// Begins the module's enumeration anew.
pub(crate) fn rewind<D: Database>(thread: &'static ThreadState) -> Result<(), Errno> {
    let Ok(functions) = functions::<D>(thread)? else { return Ok(()) };
    if let (Some(set), Some(_inside)) =
        (functions.set, enter(thread, Function::SetEnd.number::<D>(), 0))
    {
        // SAFETY: takes a number; glibc passes 0 too.
        unsafe { set(0) };
    }
    Ok(())
}

/// The next row of the module's enumeration, `Absent` at its end. With `room` bytes alone the module says
/// `ERANGE` for a row that is larger, and gives it again.
pub(crate) fn next<D: Database>(
    thread: &'static ThreadState,
    room: Option<usize>,
) -> Result<Reply, Errno> {
    let functions = match functions::<D>(thread)? {
        Ok(functions) => functions,
        Err(reply) => return Ok(reply),
    };
    let Some(next) = functions.next else { return Ok(Reply::Absent) };
    ask::<D>(thread, Function::Next, 0, room, |row, buf, len, error| {
        let len = room.map_or(len, |room| room.min(len));
        // SAFETY: what `ask` gives: a row, a buffer of `len` bytes, and where errno is.
        let status = unsafe { next(row, buf, len, error) };
        // What is not available has no rows: glibc.
        if status == UNAVAIL { NOTFOUND } else { status }
    })
}

/// Ends the module's enumeration.
pub(crate) fn close<D: Database>(thread: &'static ThreadState) -> Result<(), Errno> {
    let Ok(functions) = functions::<D>(thread)? else { return Ok(()) };
    if let (Some(end), Some(_inside)) =
        (functions.end, enter(thread, Function::SetEnd.number::<D>(), 0))
    {
        // SAFETY: takes nothing.
        unsafe { end() };
    }
    Ok(())
}

/// The first size of the buffer that a module gets.
const FIRST_ROOM_BYTES: usize = 1024;
/// The last one; no row of a sane module is larger.
const MOST_ROOM_BYTES: usize = 64 << 20;

/// Calls a function with a buffer that grows for as long as the module wants more, and copies what it
/// found. An error is what the module says is wrong with it, or `ENOMEM`.
fn ask<D: Database>(
    thread: &'static ThreadState,
    function: Function,
    question: u64,
    room: Option<usize>,
    mut ask: impl FnMut(Row, *mut c_char, usize, *mut c_int) -> c_int,
) -> Result<Reply, Errno> {
    let Some(inside) = enter(thread, function.number::<D>(), question) else {
        return Ok(Reply::Absent);
    };
    let mut size = FIRST_ROOM_BYTES;
    loop {
        let mut buffer = ScratchBuf::<u8>::zeroed(size)?;
        let mut row = MaybeUninit::<D::C>::zeroed();
        // Some modules report in errno itself; glibc passes its address too.
        errno::clear();
        let status = ask(row.as_mut_ptr().cast(), buffer.as_mut_ptr().cast(), size, errno::place());
        if inside.is_asked_by_itself() {
            return Ok(Reply::Absent);
        }
        match outcome(status, Errno::new(Errno::last().get())) {
            Outcome::Found => {
                // SAFETY: zeros are a value of the struct, and the module says that it has filled it.
                let row = unsafe { row.assume_init_ref() };
                // SAFETY: it is as a module has to fill it.
                return unsafe { D::copy_of(row) }.map(Reply::Row);
            }
            Outcome::Absent => return Ok(Reply::Absent),
            Outcome::Short if room.is_some_and(|room| room <= size) => return Err(Errno::ERANGE),
            Outcome::Short if size < MOST_ROOM_BYTES => size *= 4,
            Outcome::Short => {
                log!(Warn, "module", "The module is not content with {size} bytes");
                return Err(Errno::ENOMEM);
            }
            Outcome::Failed(error) => return Err(error),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Found,
    Absent,
    /// The buffer is too small.
    Short,
    Failed(Errno),
}

/// What a status means with an error number, as in glibc: a failure without one is an absence, and
/// `ERANGE` is about the buffer only beside `TRYAGAIN`.
fn outcome(status: c_int, error: Option<Errno>) -> Outcome {
    match (status, error) {
        (SUCCESS, _) => Outcome::Found,
        (TRYAGAIN, Some(Errno::ERANGE)) => Outcome::Short,
        (TRYAGAIN, None) => Outcome::Failed(Errno::EAGAIN),
        // A missing file of a module's own, for one.
        (UNAVAIL, Some(Errno::ENOENT)) => Outcome::Absent,
        (UNAVAIL, Some(Errno::ERANGE)) => Outcome::Failed(Errno::EINVAL),
        (TRYAGAIN | UNAVAIL, Some(error)) => Outcome::Failed(error),
        // NOTFOUND, RETURN, UNAVAIL without a reason, and what nss.h does not know.
        _ => Outcome::Absent,
    }
}

fn c_string(bytes: &[u8]) -> Result<ScratchBuf<u8>, Errno> {
    let mut text = ScratchBuf::copy_of(bytes)?;
    text.push(0)?;
    Ok(text)
}

fn as_c(text: &[u8]) -> &CStr {
    CStr::from_bytes_until_nul(text).unwrap_or_default()
}

/// Adds the module's groups of a user to `gids`. A module that cannot tell loses its groups only, as in
/// glibc: callers of getgrouplist(3) take any failure for a lack of room.
pub(crate) fn groups_of(
    call: &Call,
    user: &[u8],
    first: gid_t,
    gids: &mut ScratchBuf<u32>,
) -> Result<(), Errno> {
    let thread = call.thread();
    let State::Loaded(module) = state(thread)? else { return Ok(()) };
    let Some(groups_of) = module.groups_of else { return groups_with(thread, user, gids) };
    let Some(_inside) = enter(thread, Function::GroupsOf as usize, Key::name(user).hash) else {
        return Ok(());
    };
    let key = c_string(user)?;
    let mut list = GidList::new(call.level(), first)?;
    let (start, size) = (&raw mut list.start, &raw mut list.size);
    let place = call.level().module_gids.as_ptr();
    errno::clear();
    // SAFETY: a C string, and an array from malloc of `size` elements, `start` of them filled. A limit
    // below 1 is none.
    let status =
        unsafe { groups_of(as_c(&key).as_ptr(), first, start, size, place, -1, errno::place()) };
    match outcome(status, Errno::new(Errno::last().get())) {
        Outcome::Failed(Errno::ENOMEM) => return Err(Errno::ENOMEM),
        Outcome::Failed(error) => log!(Warn, "module", "initgroups_dyn failed: {}", error.text()),
        Outcome::Short => log!(Warn, "module", "initgroups_dyn wants a buffer that it has not"),
        Outcome::Found | Outcome::Absent => {}
    }
    gids.extend(list.filled())
}

/// Counts what has been done to the module's enumeration of groups behind the back of the program's.
static DISTURBED: AtomicU64 = AtomicU64::new(0);

/// Changes when an enumeration that is under way has to be begun anew.
pub(crate) fn epoch<D: Database>() -> u64 {
    let is_group = matches!(D::FILE, FileKind::Group);
    if is_group { DISTURBED.load(Ordering::Relaxed) } else { 0 }
}

/// The groups that list the user, of a module without `initgroups_dyn`.
fn groups_with(
    thread: &'static ThreadState,
    user: &[u8],
    gids: &mut ScratchBuf<u32>,
) -> Result<(), Errno> {
    DISTURBED.fetch_add(1, Ordering::Relaxed);
    rewind::<Group>(thread)?;
    loop {
        match next::<Group>(thread, None) {
            Ok(Reply::Row(copy)) => {
                let row = Group::row_of(&copy);
                if row.members().any(|name| name == user) {
                    gids.push(row.gid)?;
                }
            }
            Ok(Reply::Absent | Reply::Off) => break,
            Err(Errno::ENOMEM) => return Err(Errno::ENOMEM),
            Err(error) => {
                log!(Warn, "module", "getgrent_r failed: {}", error.text());
                break;
            }
        }
    }
    close::<Group>(thread)
}

/// The array that `initgroups_dyn` fills, and makes larger by realloc(3). It stands in the level, where it is
/// found when the call has been abandoned.
struct GidList {
    level: &'static Level,
    start: c_long,
    size: c_long,
}

impl GidList {
    fn new(level: &'static Level, first: gid_t) -> Result<Self, Errno> {
        const COUNT: c_long = 16;
        // SAFETY: takes a size. The memory must be libc's, for the module's realloc.
        level.module_gids.set(unsafe { libc::calloc(16, size_of::<gid_t>()) }.cast());
        let list = Self { level, start: 1, size: COUNT };
        let place = NonNull::new(level.module_gids.get()).ok_or(Errno::ENOMEM)?;
        // SAFETY: fresh memory for more than one element.
        unsafe { place.write(first) };
        Ok(list)
    }

    fn filled(&self) -> &[gid_t] {
        let count = usize::try_from(self.start.min(self.size)).unwrap_or(0);
        let Some(first) = NonNull::new(self.level.module_gids.get()) else { return &[] };
        // SAFETY: the module has filled the first `start` elements of an array of `size`.
        unsafe { core::slice::from_raw_parts(first.as_ptr(), count) }
    }
}

impl Drop for GidList {
    fn drop(&mut self) {
        self.level.free_module_gids();
    }
}

/// A host by name, with its addresses of the family. A module that is not available knows no hosts:
/// others may.
pub(crate) fn host_by_name(
    thread: &'static ThreadState,
    name: &[u8],
    family: Family,
) -> Result<Option<OwnedRow>, Errno> {
    let State::Loaded(module) = state(thread)? else { return Ok(None) };
    let question = Key::host(name).hash;
    let (key, function) = (c_string(name)?, Function::HostByName);
    if let Some(by_name2) = module.host_by_name2 {
        let (family, _) = family.to_c();
        return host(ask::<Hosts>(thread, function, question, None, |row, buf, len, error| {
            let (key, mut reason) = (as_c(&key).as_ptr(), 0);
            // SAFETY: a C string, and what `ask` gives: a row, a buffer of `len` bytes, and where errno is.
            unsafe { by_name2(key, family, row.cast(), buf, len, error, &raw mut reason) }
        }));
    }
    // As glibc, this one is asked for IPv4 alone.
    let Some(by_name) = module.host_by_name.filter(|_| family == Family::V4) else {
        return Ok(None);
    };
    host(ask::<Hosts>(thread, function, question, None, |row, buf, len, error| {
        let (key, mut reason) = (as_c(&key).as_ptr(), 0);
        // SAFETY: a C string, and what `ask` gives: a row, a buffer of `len` bytes, and where errno is.
        unsafe { by_name(key, row.cast(), buf, len, error, &raw mut reason) }
    }))
}

/// A host by the bytes of an address.
pub(crate) fn host_by_address(
    thread: &'static ThreadState,
    octets: &[u8],
    family: Family,
) -> Result<Option<OwnedRow>, Errno> {
    let State::Loaded(module) = state(thread)? else { return Ok(None) };
    let Some(by_address) = module.host_by_address else { return Ok(None) };
    let question = Key::name(octets).hash;
    let (family, _) = family.to_c();
    let size = socklen_t::try_from(octets.len()).unwrap_or(0);
    host(ask::<Hosts>(thread, Function::HostByAddress, question, None, |row, buf, len, error| {
        let (from, mut reason) = (octets.as_ptr().cast(), 0);
        // SAFETY: `size` bytes of an address, and what `ask` gives: a row, a buffer of `len` bytes, and where errno is.
        unsafe { by_address(from, size, family, row.cast(), buf, len, error, &raw mut reason) }
    }))
}

fn host(reply: Result<Reply, Errno>) -> Result<Option<OwnedRow>, Errno> {
    match reply {
        Ok(Reply::Row(host)) => {
            let has_address = address_at(&host, 0).is_some();
            Ok(has_address.then_some(host))
        }
        Ok(_) => Ok(None),
        Err(error @ (Errno::ENOMEM | Errno::EAGAIN)) => Err(error),
        Err(error) => {
            log!(Debug, "hosts", "the module failed: {}", error.text());
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_mean_what_they_mean_to_glibc() {
        let io = Errno::new(libc::EIO).unwrap();
        for (status, error, want) in [
            (SUCCESS, None, Outcome::Found),
            (SUCCESS, Some(io), Outcome::Found),
            (NOTFOUND, None, Outcome::Absent),
            (NOTFOUND, Some(Errno::ENOENT), Outcome::Absent),
            (UNAVAIL, None, Outcome::Absent),
            (UNAVAIL, Some(Errno::ENOENT), Outcome::Absent),
            (UNAVAIL, Some(io), Outcome::Failed(io)),
            (UNAVAIL, Some(Errno::ERANGE), Outcome::Failed(Errno::EINVAL)),
            (TRYAGAIN, Some(Errno::ERANGE), Outcome::Short),
            (TRYAGAIN, Some(Errno::EAGAIN), Outcome::Failed(Errno::EAGAIN)),
            (TRYAGAIN, None, Outcome::Failed(Errno::EAGAIN)),
            (2, Some(io), Outcome::Absent),
            (-3, Some(io), Outcome::Absent),
        ] {
            assert_eq!(outcome(status, error), want, "{status} {error:?}");
        }
    }
}
