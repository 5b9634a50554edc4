//! The line of `NSS_WRAPPER_USER`, and the user that it describes with the process's ids.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};

use crate::config::Config;
use crate::db::fields::Fields;
use crate::db::passwd::PasswdRow;
use crate::db::{Database, Passwd};
use crate::file::text::{ScratchText, first_line};
use crate::rt::buf_cell::TryOnce;
use crate::rt::errno::Errno;
use crate::rt::log::{Bytes, log};
use crate::rt::memory::{OwnedBuf, ScratchBuf};
use crate::rt::sys;

/// The line, expanded with these ids, and the newlines that a parser needs after it.
pub(crate) struct UserLine {
    padded: OwnedBuf<u8>,
    ids: (u32, u32),
    is_good: bool,
}

/// The user: the line that was made first, or one made for this call because the process has changed its ids.
pub(crate) enum User {
    Known(&'static UserLine),
    Fresh(UserLine),
}

impl User {
    /// The user with the present ids; `None` if the variable is not set, or malformed, which is reported once.
    pub(crate) fn current(config: &Config) -> Result<Option<Self>, Errno> {
        static LINE: TryOnce<UserLine> = TryOnce::new();
        if config.user.is_none() {
            return Ok(None);
        }
        let ids = (sys::uid(), sys::gid());
        let kept = LINE.get_or_try_init(|| UserLine::new(config, ids))?;
        let user = if kept.ids == ids {
            Self::Known(kept)
        } else {
            Self::Fresh(UserLine::new(config, ids)?)
        };
        Ok(user.line().is_good.then_some(user))
    }

    fn line(&self) -> &UserLine {
        match self {
            Self::Known(line) => line,
            Self::Fresh(line) => line,
        }
    }

    /// Its row.
    pub(crate) fn row(&self) -> PasswdRow<'_> {
        // `is_good` says that it has one.
        parse(&self.line().padded).ok().flatten().unwrap_or(NOBODY)
    }

    /// True if there is a synthetic user of that name.
    pub(crate) fn is_called(config: &Config, name: &[u8]) -> Result<bool, Errno> {
        Ok(Self::current(config)?.is_some_and(|user| user.row().name == name))
    }
}

/// A row that names nobody.
pub(super) const NOBODY: PasswdRow<'static> = PasswdRow {
    name: b"",
    passwd: b"",
    uid: u32::MAX,
    gid: u32::MAX,
    gecos: b"",
    dir: b"",
    shell: b"",
    line: b"",
};

/// The row of a text that has newlines after it.
fn parse(padded: &[u8]) -> Result<Option<PasswdRow<'_>>, &'static str> {
    let fields = first_line(padded).and_then(Fields::new);
    fields.map(|mut fields| Passwd::parse(&mut fields)).transpose()
}

impl UserLine {
    fn new(config: &Config, ids: (u32, u32)) -> Result<Self, Errno> {
        static HAS_COMPLAINED: AtomicBool = AtomicBool::new(false);
        let template = config.user.as_ref().map_or(b"".as_slice(), |user| user.bytes());
        let home = config.home.as_ref().map_or(b"".as_slice(), |home| home.bytes());
        let expanded = expand(trimmed(template), ids, home)?;
        let text = ScratchText::copy_of(expanded.as_deref().unwrap_or_default())?;
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
        Ok(Self { padded: text.into_padded()?, ids, is_good: fault.is_none() })
    }
}

/// Why a line is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Because(&'static str),
    /// A percent sign before this byte.
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

/// The value without a line break at its end, which YAML's `|` block adds.
fn trimmed(value: &[u8]) -> &[u8] {
    let value = value.strip_suffix(b"\n").unwrap_or(value);
    value.strip_suffix(b"\r").unwrap_or(value)
}

fn check(value: &[u8], text: &ScratchText) -> Result<(), Fault> {
    match value {
        [quote @ (b'"' | b'\''), .., last] if quote == last => {
            return Err(Fault::Because("the quotes around the value belong to it"));
        }
        _ => {}
    }
    if text.contains(&b'\n') {
        return Err(Fault::Because("more than one line"));
    }
    match parse(text.padded()).map_err(Fault::Because)? {
        Some(row) if !row.name.is_empty() => Ok(()),
        _ => Err(Fault::Because("no user name")),
    }
}

/// The line with `%u` and `%g` replaced by the real ids, `%h` by the home directory, and `%%` by a percent sign.
fn expand(
    template: &[u8],
    (uid, gid): (u32, u32),
    home: &[u8],
) -> Result<Result<ScratchBuf<u8>, Fault>, Errno> {
    // A relative path, or one that would be more than one field, is not used.
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
            check(line, &ScratchText::copy_of(line).unwrap())
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
}
