//! Debug lines, straight to write(2), in the peer's shape: `NWRAP_ERROR[prog (pid)] - where: text`.
//!
//! A line is formatted on the stack and written by one system call: nothing is allocated, and no stdio lock of the
//! program is taken.
#![allow(unsafe_code, reason = "the name of the program")]

use core::ffi::c_char;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use crate::rt::memory::copy;
use crate::rt::next::PROGRAM_NAME;
use crate::rt::out_buf::c_bytes;
use crate::rt::sandbox;
use crate::rt::sys::{self, Fd};

/// What a line is about; shown from the `NSS_WRAPPER_DEBUGLEVEL` of the same number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LogLevel {
    /// Something the user asked for does not work. Shown at every level.
    Error,
    /// It works, but perhaps not as meant.
    Warn,
    /// What was loaded.
    Debug,
    /// What each lookup did.
    Trace,
}

/// Writes one line if the level is on: `log!(Error, "where", "text {}", …)`. Otherwise the arguments are not evaluated.
macro_rules! log {
    ($level:ident, $place:expr, $($text:tt)*) => {
        if $crate::rt::log::is_on($crate::rt::log::LogLevel::$level) {
            $crate::rt::log::line($crate::rt::log::LogLevel::$level, $place, format_args!($($text)*));
        }
    };
}
pub(crate) use log;

/// `NSS_WRAPPER_DEBUGLEVEL`, once the configuration has been read.
static LEVEL: AtomicU8 = AtomicU8::new(0);

/// Switches on the lines up to this level.
pub(crate) fn set_level(level: u8) {
    LEVEL.swap(level, Ordering::Relaxed);
}

/// True if lines of this level are written.
#[inline(always)]
pub(crate) fn is_on(level: LogLevel) -> bool {
    level == LogLevel::Error || LEVEL.load(Ordering::Relaxed) >= level as u8
}

/// Bytes of a file or an argument, with what is not printable escaped.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A long name must not fill the log; usual paths are shorter than this.
        let shown = self.0.get(..LINE_BYTES / 2);
        write!(f, "{}", shown.unwrap_or(self.0).escape_ascii())?;
        if shown.is_some() { f.write_str("...") } else { Ok(()) }
    }
}

const LINE_BYTES: usize = 2048;

struct LogLine {
    text: [u8; LINE_BYTES],
    len: usize,
}

impl Write for LogLine {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        // One byte stays for the newline; a longer line is cut.
        let last = self.text.len() - 1;
        let room = self.text.get_mut(self.len..last).unwrap_or_default();
        self.len += copy(room, s.as_bytes());
        Ok(())
    }
}

/// Formats and writes the line. Use [`log!`].
#[cold]
#[inline(never)]
pub(crate) fn line(level: LogLevel, place: &str, text: fmt::Arguments<'_>) {
    // A sandbox may kill the program for the system calls of a line. Whoever has set a level wants the lines.
    if LEVEL.load(Ordering::Relaxed) == 0 && sandbox::may_kill() {
        return;
    }
    let Some(kind) = known_stderr() else { return };
    // A write to a regular file does not block.
    if kind != libc::S_IFREG && !has_room() {
        return;
    }
    let name = match level {
        LogLevel::Error => "ERROR",
        LogLevel::Warn => "WARN",
        LogLevel::Debug => "DEBUG",
        LogLevel::Trace => "TRACE",
    };
    let mut line = LogLine { text: [0; LINE_BYTES], len: 0 };
    let program = Bytes(program());
    let pid = sys::pid();
    // Writing to a LogLine does not fail, and the arguments are ours.
    _ = write!(line, "NWRAP_{name}[{program} ({pid})] - {place}: {text}");
    if let Some(end) = line.text.get_mut(line.len) {
        *end = b'\n';
    }
    sys::write(Fd::STDERR, line.text.get(..=line.len).unwrap_or_default());
}

/// Standard error's device and inode at load; zeros before.
static STDERR: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// The kind of file that standard error is; `None` if it is not what it was at load. A program may have closed
/// descriptor 2 and opened a file of its own there, which gets no lines.
fn known_stderr() -> Option<u32> {
    let known = || STDERR.each_ref().map(|half| half.load(Ordering::Relaxed));
    if known() == [0; 2] {
        // Another library's constructor asks, and ours has not run yet.
        at_load();
    }
    let now = sys::fstat_as_libc(Fd::STDERR).ok()?;
    ([now.dev, now.ino] == known()).then(|| now.kind())
}

/// False if a write would block for long, or end the program by `SIGPIPE`: then the line is dropped. This waits
/// for a slow reader, but not again after one was too slow.
fn has_room() -> bool {
    /// Long enough for a reader, short for a program.
    const READER_MS: i64 = 200;
    static GIVEN_UP: AtomicBool = AtomicBool::new(false);
    let wait_ms = if GIVEN_UP.load(Ordering::Relaxed) { 0 } else { READER_MS };
    let room = sys::can_be_written(Fd::STDERR, wait_ms);
    GIVEN_UP.swap(!room, Ordering::Relaxed);
    room
}

/// Remembers standard error, also when no variable is set: the program may set one later.
#[inline(always)]
pub(crate) fn at_load() {
    let closed = [u64::MAX; 2];
    let known = sys::fstat_as_libc(Fd::STDERR).map_or(closed, |st| [st.dev, st.ino]);
    for (half, value) in STDERR.iter().zip(known) {
        half.store(value, Ordering::Relaxed);
    }
}

fn program() -> &'static [u8] {
    let Some(name) = PROGRAM_NAME.address() else { return b"?" };
    // SAFETY: `__progname` is a `char *`, in glibc and in musl.
    let name = unsafe { *name.cast::<*const c_char>().as_ptr() };
    // SAFETY: null, or libc points it at the last part of argv[0].
    unsafe { c_bytes(name) }.unwrap_or(b"?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_cut() {
        let mut line = LogLine { text: [0; LINE_BYTES], len: 0 };
        for _ in 0..LINE_BYTES {
            line.write_str("abcdefg").unwrap();
        }
        assert_eq!(line.len, LINE_BYTES - 1);
    }

    #[test]
    fn unprintable_bytes_are_escaped_and_long_names_cut() {
        assert_eq!(Bytes(b"a\x1b[31m\n").to_string(), "a\\x1b[31m\\n");
        assert_eq!(Bytes(&[b'x'; LINE_BYTES]).to_string().len(), LINE_BYTES / 2 + 3);
    }
}
