//! Reading a whole file, and knowing whether the content and its stamp belong together.

use super::text::ScratchText;
use crate::config::Path;
use crate::rt::errno::Errno;
use crate::rt::next::{is_musl, is_single_threaded};
use crate::rt::sandbox;
use crate::rt::sys::{self, Fd, FdCell, Stamp, nanoseconds};
use crate::rt::thread;
use crate::rt::watch::{FCNTL_FLAGS, READ_FLAGS};

/// What was read of a file.
pub(crate) struct Read {
    pub(crate) text: ScratchText,
    pub(crate) stamp: Stamp,
    /// When reading began, by the two coarse clocks, in nanoseconds.
    pub(crate) begun: Clocks,
    /// The file did not change while it was read.
    pub(crate) is_steady: bool,
}

/// The coarse clocks: the one that the kernel stamps files with, and one that nobody can set.
#[derive(Clone, Copy)]
pub(crate) struct Clocks {
    pub(crate) real_ns: i64,
    pub(crate) monotonic_ns: i64,
}

impl Clocks {
    pub(crate) fn now() -> Self {
        Self {
            real_ns: sys::coarse_clock(libc::CLOCK_REALTIME_COARSE),
            monotonic_ns: sys::coarse_clock(libc::CLOCK_MONOTONIC_COARSE),
        }
    }
}

/// How often a file that changes meanwhile is read again. The last content is taken, and the next lookup reads anew.
const TRIES: u32 = 8;

/// Reads a file. A character device, like `/dev/null`, counts as an empty file. Anything else that is not a regular
/// file is an error, and is not opened: that could block, or have an effect at the other end.
pub(crate) fn read(path: &Path) -> Result<Read, Errno> {
    let mut sharing = is_single_threaded().then_some(Sharing::Alone);
    for tries_left in (0..=TRIES).rev() {
        let begun = Clocks::now();
        let whole = |text, stamp| Ok(Read { text, stamp, begun, is_steady: true });
        if let Some(text) = path.text() {
            return whole(ScratchText::copy_of(text)?, Stamp::default());
        }
        let stamp = sys::stat(path.as_c())?;
        if !has_content(&stamp)? {
            return whole(ScratchText::copy_of(b"")?, stamp);
        }
        let Some(among) = sharing else {
            // Finding this out takes so long that the stamp has to be read again.
            sharing = Some(Sharing::among_threads());
            continue;
        };
        let own = FdCell::default();
        let place = thread::opened().map_or(&own, |[place, ..]| place);
        let fd = sys::open(path.as_c(), READ_FLAGS, place)?;
        let text = read_open(fd, &stamp, among);
        let after = sys::fstat_as_libc(fd);
        // If it is another file, it was replaced just now, or the program has reused the number for it.
        let is_same = after.is_ok_and(|after| after.file() == stamp.file());
        let is_closed = close_if_ours(fd, place, among, is_same);
        let is_less = |text: &ScratchText| i64::try_from(text.len()).is_ok_and(|n| n < stamp.size);
        if among == Sharing::Alone && text.as_ref().is_ok_and(is_less) {
            // A child that a signal handler has forked may have read a part: with read(2) both move the same position.
            sharing = None;
            continue;
        }
        let is_same = is_same && is_closed;
        let is_steady = after == Ok(stamp);
        if is_same && (is_steady || tries_left == 0 || text.is_err()) {
            return Ok(Read { text: text?, stamp, begun, is_steady });
        }
        // The file is replaced again and again between stat and open. The one that was opened was there at some moment.
        match after {
            Ok(opened) if is_closed && tries_left == 0 && opened.kind() == libc::S_IFREG => {
                return Ok(Read { text: text?, stamp: opened, begun, is_steady: false });
            }
            _ => {}
        }
    }
    Err(Errno::EAGAIN)
}

/// Who can close a descriptor while a file is read, and reuse its number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    /// Nobody: there is no other thread.
    Alone,
    /// Another thread.
    Shared,
    /// Another thread, in a sandbox where fcntl(2) may be fatal. (Not with musl, which calls fcntl(2) for each file.)
    Sandboxed,
}

impl Sharing {
    #[cold]
    #[inline(never)]
    fn among_threads() -> Self {
        if !is_musl() && sandbox::may_kill_lately() { Self::Sandboxed } else { Self::Shared }
    }
}

fn read_open(fd: Fd, stamp: &Stamp, sharing: Sharing) -> Result<ScratchText, Errno> {
    let size = usize::try_from(stamp.size).unwrap_or(0);
    ScratchText::read(size, |into, at| match sharing {
        // As libc does, because a sandbox lets that pass.
        Sharing::Alone => sys::read(fd, into),
        // This does not move the position of a file for which the program may have reused the number.
        Sharing::Shared | Sharing::Sandboxed => sys::pread(fd, into, at),
    })
}

/// Closes the descriptor that was opened for reading; false if it is not ours any more, because another thread of the
/// program has closed it and reused the number. `is_same` says that it is the same file.
fn close_if_ours(fd: Fd, place: &FdCell, sharing: Sharing, is_same: bool) -> bool {
    let is_ours = sharing == Sharing::Alone || is_ours_among_threads(fd, sharing, is_same);
    place.take();
    if is_ours {
        sys::close(fd);
    }
    is_ours
}

#[cold]
#[inline(never)]
fn is_ours_among_threads(fd: Fd, sharing: Sharing, is_same: bool) -> bool {
    // Less sure than fcntl(2), but permitted in a sandbox: the position of our own descriptor is still 0.
    let is_unmoved = || match sys::position(fd) {
        Ok(position) => position == 0,
        Err(error) => is_refused(error) && is_same,
    };
    if sharing == Sharing::Sandboxed {
        return is_unmoved();
    }
    match sys::status_flags(fd) {
        Ok(flags) => flags & FCNTL_FLAGS == READ_FLAGS & FCNTL_FLAGS,
        Err(error) => is_refused(error) && is_unmoved(),
    }
}

/// False if the file counts as empty.
fn has_content(stamp: &Stamp) -> Result<bool, Errno> {
    match stamp.kind() {
        libc::S_IFREG => Ok(true),
        libc::S_IFCHR => Ok(false),
        libc::S_IFDIR => Err(Errno::EISDIR),
        _ => Err(Errno::EINVAL),
    }
}

/// How old a stamp has to be. write(2) first sets the file's times and then copies the bytes. If a writer is stopped in
/// between (by the scheduler, a CPU quota, a page fault), the bytes change later, under the same stamp.
const SETTLE_NS: i64 = 200_000_000;
/// The same on a file system that stores whole seconds or, like FAT, even ones only.
const COARSE_SETTLE_NS: i64 = 3_000_000_000;

/// How old a stamp has to be, so that a later change surely has another one.
pub(crate) fn settle_ns(stamp: &Stamp) -> i64 {
    if stamp.ctime.1 == 0 { COARSE_SETTLE_NS } else { SETTLE_NS }
}

/// True if the file's last change was so long before `real_ns` that a later change has another stamp.
pub(crate) fn is_settled(stamp: &Stamp, real_ns: i64) -> bool {
    real_ns.saturating_sub(nanoseconds(stamp.ctime)) > settle_ns(stamp)
}

/// True if the error means that there is no usable file, and not a temporary lack of memory or descriptors.
pub(crate) fn is_absent(error: Errno) -> bool {
    is_gone(error)
        || is_forbidden(error)
        || matches!(error, Errno::ELOOP | Errno::EISDIR | Errno::EINVAL | Errno::ENAMETOOLONG)
}

/// True if the kernel, or a sandbox, refuses the call.
pub(crate) fn is_refused(error: Errno) -> bool {
    matches!(error, Errno::EPERM | Errno::EACCES | Errno::ENOSYS)
}

/// True if the path leads nowhere.
pub(crate) fn is_gone(error: Errno) -> bool {
    matches!(error, Errno::ENOENT | Errno::ENOTDIR)
}

/// True if the caller may not use the path.
pub(crate) fn is_forbidden(error: Errno) -> bool {
    matches!(error, Errno::EACCES | Errno::EPERM)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(ctime: (i64, i64)) -> Stamp {
        Stamp { ctime, mode: libc::S_IFREG, ..Stamp::default() }
    }

    #[test]
    fn a_file_is_settled_once_the_clock_has_moved_on() {
        let settled = |ctime, now| is_settled(&stamp(ctime), nanoseconds(now));
        assert!(settled((10, 5), (10, 200_000_006)));
        assert!(settled((10, 900_000_000), (11, 100_000_001)));
        assert!(!settled((10, 5), (10, 5)), "the same tick");
        assert!(!settled((10, 5), (10, 200_000_005)), "a write may be under way");
        assert!(!settled((11, 5), (10, 5)), "from the future");
        assert!(!settled((10, 0), (11, 9)), "whole seconds");
        assert!(settled((10, 0), (13, 1)));
    }
}
