//! The synthetic user: the passwd(5) line of `NSS_WRAPPER_USER`.
//!
//! It stands for a user that nobody else has: neither our files nor the system's services have an entry of
//! its id. Whoever has one is left as they are, so an image can set the variable for all. Where it answers,
//! every group of the process that nobody else names gets a name too.
//!
//! What the system's services know is asked of `/etc/passwd` and `/etc/group` here, like of any other
//! file. Only where nsswitch.conf(5) names more services than those files is libc asked, and its answer
//! holds for a second.
#![allow(unsafe_code, reason = "asks libc")]

use core::fmt::{self, Write};
use core::mem::MaybeUninit;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{Interposed, nsswitch};
use crate::config::{self, Config, FileKind};
use crate::db::fields::Fields;
use crate::db::key::{Key, What};
use crate::db::passwd::PasswdRow;
use crate::db::{Database, Passwd};
use crate::file::source::{FileState, Request};
use crate::file::text::{ScratchText, Text};
use crate::module::{self, Reply};
use crate::rt::errno::Errno;
use crate::rt::log::{Bytes, log};
use crate::rt::memory::ScratchBuf;
use crate::rt::out_buf::OutBuf;
use crate::rt::sync::TryOnce;
use crate::rt::sys;
use crate::rt::thread::{Call, InLibc};

/// The line with the ids that it was expanded with.
pub(crate) struct Line {
    text: Text,
    ids: (u32, u32),
    is_good: bool,
}

/// The line of the process: kept, or made for this call because the process has changed its ids.
pub(crate) enum User {
    Known(&'static Line),
    Fresh(Line),
}

impl User {
    /// The line's user with the ids of now; `None` if it is not set or, as is reported once, malformed.
    pub(crate) fn current(config: &Config) -> Result<Option<Self>, Errno> {
        static KEPT: TryOnce<Line> = TryOnce::new();
        if config.user.is_none() {
            return Ok(None);
        }
        let ids = (sys::uid(), sys::gid());
        let kept = KEPT.get_or_try_init(|| Line::new(config, ids))?;
        let user =
            if kept.ids == ids { Self::Known(kept) } else { Self::Fresh(Line::new(config, ids)?) };
        Ok(user.line().is_good.then_some(user))
    }

    fn line(&self) -> &Line {
        match self {
            Self::Known(line) => line,
            Self::Fresh(line) => line,
        }
    }

    /// Its row; nothing if the line is malformed.
    pub(crate) fn row(&self) -> Option<PasswdRow<'_>> {
        parse(&self.line().text).ok().flatten()
    }
}

/// A line's row.
fn parse(text: &Text) -> Result<Option<PasswdRow<'_>>, &'static str> {
    let fields = text.line(0).and_then(Fields::new);
    fields.map(|mut fields| Passwd::parse(&mut fields)).transpose()
}

impl Line {
    fn new(config: &Config, ids: (u32, u32)) -> Result<Self, Errno> {
        static HAS_COMPLAINED: AtomicBool = AtomicBool::new(false);
        let template = config.user.as_ref().map_or(b"".as_slice(), |user| user.bytes());
        let home = config.home.as_ref().map_or(b"".as_slice(), |home| home.bytes());
        let expanded = expand(trimmed(template), ids, home)?;
        let text = ScratchText::copy_of(expanded.as_deref().unwrap_or_default())?.keep()?;
        let fault = match &expanded {
            Ok(_) => check(trimmed(template), &text).err(),
            Err(fault) => Some(*fault),
        };
        if let Some(fault) = fault {
            if !HAS_COMPLAINED.swap(true, Ordering::Relaxed) {
                let value = Bytes(template);
                log!(Error, "NSS_WRAPPER_USER", "'{value}': {fault}, it is not used");
            }
        }
        Ok(Self { text, ids, is_good: fault.is_none() })
    }
}

/// Why a line is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Because(&'static str),
    /// A percent sign and this.
    UnknownSign(u8),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Because(why) => f.write_str(why),
            Self::UnknownSign(sign) => write!(f, "%{} is unknown", Bytes(&[*sign])),
        }
    }
}

/// The value without one line break at its end, as YAML's `|` block gives it.
fn trimmed(value: &[u8]) -> &[u8] {
    let value = value.strip_suffix(b"\n").unwrap_or(value);
    value.strip_suffix(b"\r").unwrap_or(value)
}

fn check(value: &[u8], text: &Text) -> Result<(), Fault> {
    match value {
        [quote @ (b'"' | b'\''), .., last] if quote == last => {
            return Err(Fault::Because("the quotes around the value belong to it"));
        }
        _ => {}
    }
    if text.contains(&b'\n') {
        return Err(Fault::Because("more than one line"));
    }
    match parse(text).map_err(Fault::Because)? {
        Some(row) if !row.name.is_empty() => Ok(()),
        _ => Err(Fault::Because("no user name")),
    }
}

/// The line with what the signs stand for: `%u` and `%g` the real ids, `%h` the home directory, `%%` a
/// percent sign.
fn expand(
    template: &[u8],
    (uid, gid): (u32, u32),
    home: &[u8],
) -> Result<Result<ScratchBuf<u8>, Fault>, Errno> {
    // What would be more than one field is no home directory, nor is a relative path.
    let is_path =
        home.starts_with(b"/") && !home.iter().any(|b| *b == b':' || b.is_ascii_control());
    let home = if is_path { home } else { b"/" };
    let mut line = ScratchBuf::new();
    let mut rest = template;
    while let Some(at) = memchr::memchr(b'%', rest) {
        let (before, sign) = rest.split_at_checked(at).unwrap_or((rest, b""));
        line.extend(before)?;
        match sign.get(1) {
            Some(b'u') => write!(line, "{uid}").map_err(|_| Errno::ENOMEM)?,
            Some(b'g') => write!(line, "{gid}").map_err(|_| Errno::ENOMEM)?,
            Some(b'h') => line.extend(home)?,
            Some(b'%') => line.push(b'%')?,
            sign => return Ok(Err(Fault::UnknownSign(sign.copied().unwrap_or(b' ')))),
        }
        rest = sign.get(2..).unwrap_or_default();
    }
    line.extend(rest)?;
    Ok(Ok(line))
}

/// Writes the synthetic user's row if that is what the key asks for, and nobody else has its id.
#[cold]
pub(crate) fn answers<D: Interposed>(
    config: &'static Config,
    call: &mut Call,
    key: Key<'_>,
    out: &mut OutBuf<'_, D::C>,
) -> Result<bool, Errno> {
    let Some(user) = User::current(config)? else { return Ok(false) };
    let row = user.row().and_then(|row| Some((row, D::synthetic(&row)?)));
    let Some((user, row)) = row.filter(|(_, row)| D::has(row, &key)) else { return Ok(false) };
    let answers = takes_part::<D>(config, call, &user)?;
    let does = if answers { "answers" } else { "gives way to another of its id" };
    log!(Trace, D::NAME, "the synthetic user, {}, {does}", Bytes(user.name));
    if answers {
        D::write(&row, out)?;
    }
    Ok(answers)
}

/// True if the user has a row in the database: nobody else has its id, nor that of the row.
pub(crate) fn takes_part<D: Interposed>(
    config: &'static Config,
    call: &mut Call,
    user: &PasswdRow<'_>,
) -> Result<bool, Errno> {
    if is_named::<Passwd>(config, call, user.uid)? {
        return Ok(false);
    }
    let is_user = matches!(D::FILE, FileKind::Passwd);
    Ok(is_user || !is_named::<D>(config, call, user.gid)?)
}

/// True if our files, the module, or the system's services have a row of that id.
fn is_named<D: Interposed>(
    config: &'static Config,
    call: &mut Call,
    id: u32,
) -> Result<bool, Errno> {
    let key = Key::id(id);
    let mut is_ours = false;
    if let Some(path) = config.file(D::FILE) {
        if has_row::<D>(D::FILE, path, call, &key)? {
            return Ok(true);
        }
        is_ours = true;
    }
    if config.module().is_some() {
        match module::find::<D>(call.thread(), &key)? {
            Reply::Row(_) => return Ok(true),
            Reply::Absent => is_ours = true,
            Reply::Off => {}
        }
    }
    if is_ours && !config.fall_through {
        return Ok(false);
    }
    if let Some((kind, path)) = D::SYSTEM_FILE.and_then(|kind| Some((kind, config.file(kind)?))) {
        if has_row::<D>(kind, path, call, &key)? {
            return Ok(true);
        }
    }
    services_have::<D>(call, id)
}

fn has_row<D: Database>(
    kind: FileKind,
    path: &'static config::Path,
    call: &mut Call,
    key: &Key<'_>,
) -> Result<bool, Errno> {
    match (Request { kind, path, call }).current::<D>()? {
        FileState::Loaded(table) => Ok(table.find::<D>(*key)?.is_some()),
        FileState::Missing => Ok(false),
    }
}

/// Whether services other than the files have a row of that id, as they said within the last second.
fn services_have<D: Interposed>(call: &Call, id: u32) -> Result<bool, Errno> {
    /// The answers for users and groups, one word each: the id, the second, the answer, and a 1.
    static ANSWERS: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
    let [users, groups] = &ANSWERS;
    let kept = if matches!(D::FILE, FileKind::Passwd) { users } else { groups };
    let second = sys::coarse_clock(libc::CLOCK_MONOTONIC_COARSE) / 1_000_000_000;
    let second = second.unsigned_abs() & 0x3fff_ffff;
    let word = |taken: bool| u64::from(id) << 32 | second << 2 | u64::from(taken) << 1 | 1;
    let known = kept.load(Ordering::Relaxed);
    if known & !2 == word(false) {
        return Ok(known & 2 != 0);
    }
    let taken = nsswitch::has_other_services(D::NAME)? && libc_has::<D>(call, id)?;
    kept.store(word(taken), Ordering::Relaxed);
    Ok(taken)
}

fn libc_has<D: Interposed>(call: &Call, id: u32) -> Result<bool, Errno> {
    let Some(by_id_r) = D::libc().by_id_r.and_then(|by_id_r| by_id_r.get()) else {
        return Ok(false);
    };
    let mut row = MaybeUninit::<D::C>::uninit();
    let mut size = 1024;
    loop {
        let mut buf = ScratchBuf::<u8>::zeroed(size)?;
        let mut found = null_mut();
        // Whoever is asked whether it knows the user may ask us in its turn, but not for ever.
        let Some(checking) = call.thread().in_system_check.enter(id.into(), 2) else {
            return Ok(true);
        };
        let in_libc = InLibc::enter();
        // SAFETY: a row, a buffer of `size` bytes, and a pointer, all of this function's own.
        let error =
            unsafe { by_id_r(id, row.as_mut_ptr(), buf.as_mut_ptr().cast(), size, &raw mut found) };
        drop((in_libc, checking));
        match Errno::new(error) {
            Some(Errno::ERANGE) => size *= 2,
            // getpwuid_r(3): some systems say so that there is none.
            None | Some(Errno::ENOENT | Errno::ESRCH | Errno::EPERM | Errno::EBADF) => {
                return Ok(!found.is_null());
            }
            Some(error) => return Err(error),
        }
    }
}

/// Writes a group of the process that nobody names, if the key asks for one: `g1000680000` is 1000680000.
pub(crate) fn names_group<D: Interposed>(
    config: &'static Config,
    call: &mut Call,
    key: Key<'_>,
    out: &mut OutBuf<'_, D::C>,
) -> Result<bool, Errno> {
    let gid = match key.what {
        What::Id(gid) => Some(gid),
        What::Name(name) => gid_in(name),
        What::Host(_) | What::Address(_) => None,
    };
    let Some(gid) = gid.filter(|_| matches!(D::FILE, FileKind::Group)) else { return Ok(false) };
    if !nameless_groups::<D>(config, call)?.contains(&gid) {
        return Ok(false);
    }
    write_group::<D>(gid, out)
}

/// Writes the group of the process that has that id and no other name.
pub(crate) fn write_group<D: Database>(
    gid: u32,
    out: &mut OutBuf<'_, D::C>,
) -> Result<bool, Errno> {
    let mut name = ScratchBuf::<u8>::new();
    write!(name, "g{gid}").map_err(|_| Errno::ENOMEM)?;
    let user = PasswdRow { name: &name, gid, ..NOBODY };
    match D::synthetic(&user) {
        Some(row) => D::write(&row, out).map(|()| true),
        None => Ok(false),
    }
}

const NOBODY: PasswdRow<'static> = PasswdRow {
    name: b"",
    passwd: b"",
    uid: u32::MAX,
    gid: u32::MAX,
    gecos: b"",
    dir: b"",
    shell: b"",
    line: b"",
};

/// The id in `g1000680000`, as it is printed.
fn gid_in(name: &[u8]) -> Option<u32> {
    let digits = name.strip_prefix(b"g")?;
    let is_printed = digits.first() != Some(&b'0') || digits.len() == 1;
    let gid = core::str::from_utf8(digits).ok()?.parse().ok()?;
    (is_printed && digits.iter().all(u8::is_ascii_digit)).then_some(gid)
}

/// The groups of the process that nobody names but the synthetic user, if that takes part. Their number
/// is small, and so is that of the questions.
pub(crate) fn nameless_groups<D: Interposed>(
    config: &'static Config,
    call: &mut Call,
) -> Result<ScratchBuf<u32>, Errno> {
    let mut nameless = ScratchBuf::new();
    let Some(user) = User::current(config)? else { return Ok(nameless) };
    let Some(user) = user.row() else { return Ok(nameless) };
    if is_named::<Passwd>(config, call, user.uid)? {
        return Ok(nameless);
    }
    let mut all = ScratchBuf::<u32>::zeroed(sys::groups(&mut []))?;
    let count = sys::groups(&mut all);
    all.truncate(count);
    all.push(sys::gid())?;
    for &gid in all.iter() {
        let is_known = gid == user.gid || nameless.contains(&gid);
        if !is_known && !is_named::<D>(config, call, gid)? {
            nameless.push(gid)?;
        }
    }
    Ok(nameless)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(template: &str, home: &str) -> Result<String, Fault> {
        let line = expand(template.as_bytes(), (0, u32::MAX), home.as_bytes()).unwrap()?;
        Ok(String::from_utf8(line.to_vec()).unwrap())
    }

    #[test]
    fn the_real_ids_and_the_home_directory_stand_for_their_signs() {
        for (template, home, want) in [
            ("a:x:%u:%g:%%:/home/%u/%%h", "", "a:x:0:4294967295:%:/home/0/%h"),
            ("a:x:1:2::%h:", "/home/me", "a:x:1:2::/home/me:"),
            ("a:x:1:2::%h:", "", "a:x:1:2::/:"),
            ("a:x:1:2::%h:", "/a:/b", "a:x:1:2::/:"),
            ("", "", ""),
        ] {
            assert_eq!(expanded(template, home).as_deref(), Ok(want));
        }
        for (template, sign) in [("a:%x:", b'x'), ("a:%", b' '), ("%U", b'U')] {
            assert_eq!(expanded(template, ""), Err(Fault::UnknownSign(sign)));
        }
    }

    #[test]
    fn a_value_that_is_not_one_users_line_is_refused() {
        let checked = |line: &[u8]| {
            let line = trimmed(line);
            check(line, &ScratchText::copy_of(line).unwrap().keep().unwrap())
        };
        for line in [&b"a:x:1:2:::"[..], b"a:x:1:2:::\n", b"a:x:1:2:::\r\n", b"a:x:1:2:\"::"] {
            assert_eq!(checked(line), Ok(()), "{}", line.escape_ascii());
        }
        for line in [
            &b"a"[..],
            b"",
            b"# a:x:1:2:::",
            b":x:1:2:::",
            b"a:x:1:2\nb:x:1:2",
            b"a:x:1:2:::\n\n",
            b"a:x:%u:1",
            b"\"a:x:1:2:::/bin/sh\"",
            b"'a:x:1:2:::/bin/sh'",
        ] {
            assert!(checked(line).is_err(), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn a_groups_name_is_its_id_behind_a_g() {
        for (name, want) in [
            ("g1000680000", Some(1_000_680_000)),
            ("g0", Some(0)),
            ("g4294967295", Some(u32::MAX)),
            ("g4294967296", None),
            ("g01", None),
            ("g+1", None),
            ("g", None),
            ("1", None),
        ] {
            assert_eq!(gid_in(name.as_bytes()), want, "{name}");
        }
    }
}
