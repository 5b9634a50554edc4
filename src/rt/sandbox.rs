//! Whether a system call that few programs make may be fatal: seccomp(2).
//!
//! A sandbox may kill a program for any call that its author did not foresee. The calls of glibc's own files module
//! were foreseen, so a lookup makes no others (docs/security.md has the list). Watch descriptors, the word that fork
//! wipes, and the log need more calls. The kernel does not say what a filter does, but /proc says how many there are.
//!
//! A filter for a whole container, like Docker's, lets shells and daemons run, so it lets these calls pass, or refuses
//! them with an error. If a thread has more filters than process 1, they were made for its program.

use core::ffi::CStr;

use crate::rt::errno::Errno;
use crate::rt::sys::{self, FdCell};
use crate::rt::thread;
use crate::rt::watch::READ_FLAGS;

/// True if the calling thread is under a filter of its own, or if that cannot be known. It is looked up each time,
/// because a program may set up its sandbox at any moment. That takes some microseconds.
#[cold]
pub(crate) fn may_kill() -> bool {
    // Miri has no fstatat(2), and kills nobody.
    if cfg!(miri) {
        return false;
    }
    match ProcStatus::read(c"/proc/thread-self/status") {
        // Then what needs a descriptor fails anyway, and the log has to say why.
        Err(Errno::EMFILE | Errno::ENFILE) => false,
        own => is_own(own.ok(), || ProcStatus::read(c"/proc/1/status").ok()),
    }
}

/// As [`may_kill`], for what is done whenever a file changes: an answer "no" of this thread counts for a second.
pub(crate) fn may_kill_lately() -> bool {
    const LATELY_NS: i64 = 1_000_000_000;
    let Some(seen) = thread::state().map(|state| &state.unfiltered_at_ns) else {
        return may_kill();
    };
    let now = sys::coarse_clock(libc::CLOCK_MONOTONIC_COARSE);
    if seen.get() != 0 && now.saturating_sub(seen.get()) < LATELY_NS {
        return false;
    }
    let kills = may_kill();
    seen.set(if kills { 0 } else { now });
    kills
}

fn is_own(own: Option<ProcStatus>, first: impl FnOnce() -> Option<ProcStatus>) -> bool {
    match own {
        None => true,
        Some(ProcStatus { filters: 0, .. }) => false,
        // This is process 1. Its first filter is the container's.
        Some(ProcStatus { process: 1, filters }) => filters > 1,
        Some(ProcStatus { filters, .. }) => {
            filters == UNKNOWN || first().is_none_or(|first| first.filters != filters)
        }
    }
}

/// Before Linux 5.9 /proc does not say how many filters there are.
const UNKNOWN: u32 = u32::MAX;

/// What proc_pid_status(5) says of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ProcStatus {
    process: u32,
    /// How many filters it is under, or [`UNKNOWN`].
    filters: u32,
}

impl ProcStatus {
    /// `EINVAL` if the file is not as expected.
    fn read(path: &CStr) -> Result<Self, Errno> {
        let own = FdCell::default();
        let place = thread::opened().map_or(&own, |[.., place]| place);
        let fd = sys::open(path, READ_FLAGS, place)?;
        let opened = sys::fstat_as_libc(fd);
        let status = Self::parse(|into| sys::read(fd, into).ok());
        // Another thread of the program may have closed all descriptors and reused this number.
        let is_ours = opened.is_ok() && sys::fstat_as_libc(fd) == opened;
        place.take();
        if is_ours {
            sys::close(fd);
        }
        status.ok_or(Errno::EINVAL)
    }

    fn parse(mut read: impl FnMut(&mut [u8]) -> Option<usize>) -> Option<Self> {
        let (mut process, mut mode, mut filters) = (None, None, None);
        // The start of a line. Lines with a number are short; the rest of a long one is not needed.
        let (mut start, mut len) = ([0; 32], 0);
        let mut room = [0; 512];
        loop {
            let count = read(&mut room)?;
            for &byte in room.get(..count)? {
                if byte != b'\n' {
                    if let Some(place) = start.get_mut(len) {
                        (*place, len) = (byte, len + 1);
                    }
                    continue;
                }
                let line = start.get(..len)?;
                process = process.or(number(line, b"Tgid:\t"));
                mode = mode.or(number(line, b"Seccomp:\t"));
                filters = filters.or(number(line, b"Seccomp_filters:\t"));
                len = 0;
            }
            if count == 0 {
                break;
            }
        }
        let filters = if mode? == 0 { 0 } else { filters.unwrap_or(UNKNOWN) };
        Some(Self { process: process?, filters })
    }
}

/// The number in the line, if the line has that name.
#[inline(never)]
fn number(line: &[u8], name: &[u8]) -> Option<u32> {
    core::str::from_utf8(line.strip_prefix(name)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses the text as it comes in parts of that length.
    fn parsed(text: &str, part: usize) -> Option<ProcStatus> {
        let mut rest = text.as_bytes();
        ProcStatus::parse(|into| {
            let (now, later) = rest.split_at(rest.len().min(part).min(into.len()));
            into[..now.len()].copy_from_slice(now);
            rest = later;
            Some(now.len())
        })
    }

    #[test]
    fn the_status_of_a_process_says_how_many_filters_it_is_under() {
        let groups = "4 ".repeat(if cfg!(miri) { 20 } else { 3000 });
        let text = |last: &str| format!("Name:\tx\nTgid:\t42\nGroups:\t{groups}\n{last}Cpus:\t3\n");
        let status = |process, filters| Some(ProcStatus { process, filters });
        for part in [1, 7, 512, 9000] {
            for (last, want) in [
                ("Seccomp:\t0\nSeccomp_filters:\t0\n", status(42, 0)),
                ("Seccomp:\t2\nSeccomp_filters:\t13\n", status(42, 13)),
                ("Seccomp:\t0\n", status(42, 0)),
                ("Seccomp:\t2\n", status(42, UNKNOWN)),
                ("Seccomp:\tx\n", None),
                ("", None),
            ] {
                assert_eq!(parsed(&text(last), part), want, "{last}");
            }
        }
        assert_eq!(parsed("Seccomp:\t0\n", 99), None, "no process");
    }

    #[test]
    fn a_filter_that_process_1_is_not_under_may_kill() {
        let status = |process, filters| Some(ProcStatus { process, filters });
        for (own, first, want) in [
            (status(7, 0), None, false),
            (status(7, 1), status(1, 1), false),
            (status(7, 2), status(1, 1), true),
            (status(7, 1), status(1, 0), true),
            (status(7, 1), None, true),
            (status(7, UNKNOWN), status(1, UNKNOWN), true),
            (status(1, 0), None, false),
            (status(1, 1), None, false),
            (status(1, 2), None, true),
            (None, None, true),
        ] {
            assert_eq!(is_own(own, || first), want, "{own:?} {first:?}");
        }
    }
}
