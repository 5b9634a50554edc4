//! Debug lines, straight to write(2), in the peer's shape:
//! `NWRAP_ERROR[prog (pid)] - where: text`.
//!
//! A line is formatted on the stack and written by one system call: nothing is allocated, and no
//! stdio lock of the host is taken.
#![allow(unsafe_code, reason = "the name of the program")]

use core::ffi::{CStr, c_char};
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::real::PROGRAM_NAME;
use crate::{config, sys};

/// What a line is about; shown from the `NSS_WRAPPER_DEBUGLEVEL` of the same number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Something the user asked for does not work. Shown always.
    Error,
    /// It works, but perhaps not as meant.
    Warn,
    /// What was loaded.
    Debug,
    /// What each lookup did.
    Trace,
}

/// Writes one line if `level` is on: `log!(Error, "where", "text {}", …)`. The arguments are not
/// evaluated otherwise.
macro_rules! log {
    ($level:ident, $place:expr, $($text:tt)*) => {
        if $crate::trace::on($crate::trace::Level::$level) {
            $crate::trace::line($crate::trace::Level::$level, $place, format_args!($($text)*));
        }
    };
}
pub(crate) use log;

/// True if lines of this level are written.
pub(crate) fn on(level: Level) -> bool {
    level == Level::Error || config::known().is_some_and(|c| c.level >= level as u8)
}

/// Bytes of a file or an argument, with what is not printable escaped.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A name of any length must not fill a log, but a path that is in use is shown whole.
        let shown = self.0.get(..ROOM / 2);
        write!(f, "{}", shown.unwrap_or(self.0).escape_ascii())?;
        if shown.is_some() { f.write_str("...") } else { Ok(()) }
    }
}

/// The longest line.
const ROOM: usize = 2048;

struct Line {
    text: [u8; ROOM],
    len: usize,
}

impl Write for Line {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        // One byte stays for the newline; a longer line is cut.
        let last = self.text.len() - 1;
        let room = self.text.get_mut(self.len..last).unwrap_or_default();
        let count = room.len().min(s.len());
        for (to, from) in room.iter_mut().zip(s.as_bytes()) {
            *to = *from;
        }
        self.len += count;
        Ok(())
    }
}

/// Formats and writes the line. Use [`log!`].
#[cold]
#[inline(never)]
pub(crate) fn line(level: Level, place: &str, text: fmt::Arguments<'_>) {
    if !stderr_is_the_one_we_know() || !has_room() {
        return;
    }
    let name = match level {
        Level::Error => "ERROR",
        Level::Warn => "WARN",
        Level::Debug => "DEBUG",
        Level::Trace => "TRACE",
    };
    let mut line = Line { text: [0; ROOM], len: 0 };
    let program = Bytes(program());
    let pid = sys::pid();
    // Writing to a Line does not fail, and the arguments are ours.
    _ = write!(line, "NWRAP_{name}[{program} ({pid})] - {place}: {text}");
    if let Some(end) = line.text.get_mut(line.len) {
        *end = b'\n';
    }
    sys::write(2, line.text.get(..=line.len).unwrap_or_default());
}

/// Standard error's device and inode at load.
static STDERR: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// A host that closed descriptor 2 and opened a file of its own there keeps it clean.
fn stderr_is_the_one_we_know() -> bool {
    let known = STDERR.each_ref().map(|half| half.load(Ordering::Relaxed));
    sys::fstat(2).is_ok_and(|st| [st.dev, st.ino] == known)
}

/// False if a write would block for long, or end the host by `SIGPIPE`: then the line is lost. A slow
/// reader is waited for, until one was too slow.
fn has_room() -> bool {
    /// Long for a reader that reads, short for a host.
    const PATIENCE_MS: i64 = 200;
    static GIVEN_UP: AtomicBool = AtomicBool::new(false);
    let patience = if GIVEN_UP.load(Ordering::Relaxed) { 0 } else { PATIENCE_MS };
    let room = sys::can_be_written(2, patience);
    GIVEN_UP.swap(!room, Ordering::Relaxed);
    room
}

/// Remembers standard error. Also when no variable is set: the host may set one itself.
#[inline(always)]
pub(crate) fn at_load() {
    if let Ok(st) = sys::fstat(2) {
        for (half, value) in STDERR.iter().zip([st.dev, st.ino]) {
            half.store(value, Ordering::Relaxed);
        }
    }
}

fn program() -> &'static [u8] {
    let Some(name) = PROGRAM_NAME.address() else { return b"?" };
    // SAFETY: `program_invocation_short_name` is a `char *`, in glibc and in musl.
    let name = unsafe { *name.cast::<*const c_char>().as_ptr() };
    if name.is_null() {
        return b"?";
    }
    // SAFETY: libc points it at the last part of argv[0].
    unsafe { CStr::from_ptr(name) }.to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_cut() {
        let mut line = Line { text: [0; ROOM], len: 0 };
        for _ in 0..ROOM {
            line.write_str("abcdefg").unwrap();
        }
        assert_eq!(line.len, ROOM - 1);
    }

    #[test]
    fn unprintable_bytes_are_escaped_and_long_names_cut() {
        assert_eq!(Bytes(b"a\x1b[31m\n").to_string(), "a\\x1b[31m\\n");
        assert_eq!(Bytes(&[b'x'; ROOM]).to_string().len(), ROOM / 2 + 3);
    }
}
