//! The own entry: the passwd(5) line of `NSS_WRAPPER_USER`, `%u` and `%g` standing for the real ids
//! of the process.

use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};

use crate::config;
use crate::errno::Errno;
use crate::parse;
use crate::record::Passwd;
use crate::sync::try_extend;
use crate::sys;
use crate::trace::{Bytes, log};

/// True if the variable is set.
pub(crate) fn is_set() -> Result<bool, Errno> {
    Ok(config::get()?.user.is_some())
}

/// A line that is known to be one user's.
pub(crate) struct Line(Vec<u8>);

impl Line {
    /// The variable's line with the ids of now; `None` if it is not set or, as is reported once,
    /// malformed.
    pub(crate) fn now() -> Result<Option<Self>, Errno> {
        /// The line is malformed, and that has been said.
        static COMPLAINED: AtomicBool = AtomicBool::new(false);
        let Some(template) = &config::get()?.user else { return Ok(None) };
        let line = expand(template.bytes(), sys::uid(), sys::gid())?;
        match check(&line) {
            Ok(()) => Ok(Some(Self(line))),
            Err(reason) => {
                if !COMPLAINED.swap(true, Ordering::Relaxed) {
                    let value = Bytes(template.bytes());
                    log!(Error, "NSS_WRAPPER_USER", "'{value}': {reason}, it is not used");
                }
                Ok(None)
            }
        }
    }

    /// Its row.
    pub(crate) fn user(&self) -> Passwd<'_> {
        const NOBODY: Passwd<'static> = Passwd {
            name: b"",
            passwd: b"",
            uid: u32::MAX,
            gid: u32::MAX,
            gecos: b"",
            dir: b"",
            shell: b"",
            line: b"",
        };
        // `now` has checked it.
        parse::passwd(&self.0).ok().flatten().unwrap_or(NOBODY)
    }
}

fn check(line: &[u8]) -> Result<(), parse::Reason> {
    if line.contains(&b'\n') {
        return Err("more than one line");
    }
    match parse::passwd(line)? {
        Some(row) if !row.name.is_empty() => Ok(()),
        _ => Err("no user name"),
    }
}

fn expand(template: &[u8], uid: u32, gid: u32) -> Result<Vec<u8>, Errno> {
    let mut line = Vec::new();
    let mut rest = template;
    while let Some(at) = memchr::memchr(b'%', rest) {
        let (before, sign) = rest.split_at_checked(at).unwrap_or((rest, b""));
        try_extend(&mut line, before)?;
        let (with, used) = match sign.get(1) {
            Some(b'u') => (Some(uid), 2),
            Some(b'g') => (Some(gid), 2),
            _ => (None, 1),
        };
        match with {
            Some(id) => write!(Onto(&mut line), "{id}").map_err(|_| Errno::ENOMEM)?,
            None => try_extend(&mut line, b"%")?,
        }
        rest = sign.get(used..).unwrap_or_default();
    }
    try_extend(&mut line, rest)?;
    Ok(line)
}

/// Formats onto the end of bytes; an error is `ENOMEM`.
struct Onto<'a>(&'a mut Vec<u8>);

impl Write for Onto<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        try_extend(self.0, text.as_bytes()).map_err(|_| fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_ids_stand_for_their_signs() {
        let whole = expand(b"a:x:%u:%g:%:/home/%u/%x%", 0, u32::MAX).unwrap();
        assert_eq!(whole, b"a:x:0:4294967295:%:/home/0/%x%");
        assert_eq!(expand(b"", 1, 2).unwrap(), b"");
        assert_eq!(expand(b"%u", 1_000_000_009, 2).unwrap(), b"1000000009");
    }

    #[test]
    fn a_value_that_is_not_one_users_line_is_refused() {
        assert_eq!(check(b"a:x:1:2:::"), Ok(()));
        for line in
            [&b"a"[..], b"", b"# a:x:1:2:::", b":x:1:2:::", b"a:x:1:2\nb:x:1:2", b"a:x:%u:1"]
        {
            assert!(check(line).is_err(), "{}", line.escape_ascii());
        }
    }
}
