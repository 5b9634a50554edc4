//! The content of a file at one moment, and whether the file has changed since.
#![allow(unsafe_code, reason = "what is published is released by hand")]

use core::ops::Deref;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

use super::read::{Read, is_forbidden, is_gone, is_settled, settle_ns};
use super::table::Table;
use crate::config::Path;
use crate::rt::errno::Errno;
use crate::rt::published::{Value, address_of};
use crate::rt::sys::{self, Fd, Stamp};
use crate::rt::watch::Watch;

/// A file at one moment.
pub(crate) struct Snapshot {
    pub(super) table: Table,
    pub(super) stamp: Stamp,
    /// The number of the last load that found this content; `Source::loads`.
    pub(super) load: AtomicU32,
    /// Any later change of the file will have another stamp.
    pub(super) is_settled: AtomicBool,
    /// When this stamp was first seen, by the coarse monotonic clock.
    pub(super) first_seen_ns: i64,
}

// SAFETY: numbers, flags, and cells that are empty in a new one: `Table::of`.
unsafe impl Value for Snapshot {
    unsafe fn release(&self) {
        // SAFETY: the caller promises that nobody uses it, and that its memory stays.
        unsafe { self.table.release() };
    }
}

/// Whether a snapshot is still the file's content.
pub(super) enum Check {
    Current,
    Changed,
    /// The path cannot be followed, and why.
    Lost(Errno),
}

impl Snapshot {
    #[inline(always)]
    pub(super) fn check(&self, path: &Path, watch: Option<&Watch>, chroot_fd: &AtomicI32) -> Check {
        if !self.is_settled.load(Ordering::Relaxed) {
            return Check::Changed;
        }
        let tick = sys::tick();
        if let Some(watch) = watch {
            if watch.checked_at.get() == tick {
                if let Some(fd) = watch.fd() {
                    if sys::fstat(fd) == Ok(self.stamp) {
                        return Check::Current;
                    }
                }
            }
        }
        self.check_path(path, watch, tick, chroot_fd)
    }

    #[inline]
    fn check_path(
        &self,
        path: &Path,
        watch: Option<&Watch>,
        tick: i64,
        chroot_fd: &AtomicI32,
    ) -> Check {
        if path.text().is_some() {
            return Check::Current;
        }
        match sys::stat(path.as_c()) {
            Ok(now) if now == self.stamp => {
                if let Some(watch) = watch {
                    watch.maintain(path.as_c(), &self.stamp);
                    watch.checked_at.set(tick);
                }
                Check::Current
            }
            Ok(_) => Check::Changed,
            Err(error) if self.outlives(error, chroot_fd) => Check::Current,
            Err(error) => Check::Lost(error),
        }
    }

    /// True if the snapshot still answers although its path cannot be followed. A daemon may call chroot(2), after
    /// which the path leads elsewhere, or setuid(2), after which it may not use the path, and then make lookups. But a
    /// deleted file no longer answers.
    #[cold]
    fn outlives(&self, error: Errno, chroot_fd: &AtomicI32) -> bool {
        let is_held = || {
            let fd = Fd::from_word(chroot_fd.load(Ordering::Relaxed));
            let now = fd.and_then(|fd| sys::fstat(fd).ok());
            now.is_some_and(|now| now.file() == self.stamp.file() && now.links > 0)
        };
        is_forbidden(error) || is_gone(error) && is_held()
    }

    /// As `outlives`, if the file could not be read for that reason. The snapshot also answers if the path still leads
    /// to its file: the stamp is equal, and either settled, or the process just may not read the file any more.
    #[cold]
    pub(super) fn outlives_at(&self, path: &Path, chroot_fd: &AtomicI32, reason: Errno) -> bool {
        match sys::stat(path.as_c()) {
            Ok(now) => {
                now == self.stamp
                    && (self.is_settled.load(Ordering::Relaxed) || is_forbidden(reason))
            }
            Err(error) => self.outlives(error, chroot_fd),
        }
    }

    /// The snapshot's address, for `Source::begin_walk`.
    pub(crate) fn address(&self) -> *const () {
        address_of(self)
    }
}

impl Deref for Snapshot {
    type Target = Table;

    #[inline(always)]
    fn deref(&self) -> &Table {
        &self.table
    }
}

/// True if any later change of the file will have another stamp: its last change was long enough before it was read. If
/// the clocks do not agree (a stamp may be in the future), it is enough that the stamp has been seen for as long by the
/// monotonic clock.
pub(super) fn is_trusted(read: &Read, first_seen_ns: i64) -> bool {
    let stood_ns = read.begun.monotonic_ns.saturating_sub(first_seen_ns);
    read.is_steady
        && (is_settled(&read.stamp, read.begun.real_ns) || stood_ns > settle_ns(&read.stamp))
}
