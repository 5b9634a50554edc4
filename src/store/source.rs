//! One configured file: its newest snapshot, and whether that still is what the file says.
//!
//! A lookup asks one question of the kernel when nothing has changed: fstat(2) of a descriptor that
//! is held for it, or stat(2) of the path. A held descriptor shows a rewrite, and, by the change of
//! link count and ctime, a rename over the file or an unlink. It does not show what happens to a
//! directory above, so the path is asked again when the coarse clock has moved (every few
//! milliseconds), and always where a symbolic link is in it.

use core::cell::Cell;
use core::ops::Deref;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

use super::file;
use crate::config::{self, Config, Path};
use crate::errno::Errno;
use crate::sync::{Mutex, Shared};
use crate::sys::{self, Stamp};
use crate::trace::{Bytes, log};

/// What a file's bytes become.
pub(crate) trait Content: Sized {
    /// Takes the bytes in, and reports malformed lines under the name `path`.
    fn load(bytes: Vec<u8>, path: &Path) -> Result<Self, Errno>;
    /// The bytes as they were read.
    fn bytes(&self) -> &[u8];
}

/// A file at one moment.
pub(crate) struct Snapshot<T> {
    stamp: Stamp,
    settled: AtomicBool,
    content: Shared<T>,
}

impl<T> Deref for Snapshot<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.content
    }
}

/// A thread's own pointer to the snapshot that it used last.
pub(crate) type Cached<T> = Cell<Option<Shared<Snapshot<T>>>>;

/// A snapshot on loan from a thread's cache, where it returns.
pub(crate) struct Lease<'a, T> {
    snapshot: Option<Shared<Snapshot<T>>>,
    home: &'a Cached<T>,
}

impl<T> Lease<'_, T> {
    /// The snapshot, to keep for an enumeration.
    pub(crate) fn pin(&self) -> Option<Shared<Snapshot<T>>> {
        self.snapshot.clone()
    }

    /// The content.
    pub(crate) fn get(&self) -> Option<&T> {
        self.snapshot.as_deref().map(Deref::deref)
    }
}

impl<T> Drop for Lease<'_, T> {
    fn drop(&mut self) {
        self.home.set(self.snapshot.take());
    }
}

/// What a source has to say now.
pub(crate) enum Now<'a, T> {
    /// Its variable is not set.
    Off,
    /// There is no such file, or it may not be read.
    Missing,
    /// The file's content.
    Here(Lease<'a, T>),
}

struct Newest<T> {
    /// The number of the load that made it; see [`Source::loads`].
    load: u64,
    snapshot: Option<Shared<Snapshot<T>>>,
}

/// A configured file.
pub(crate) struct Source<T> {
    path: fn(&Config) -> Option<&Path>,
    newest: Mutex<Newest<T>>,
    /// Held while the file is read and parsed. Nobody waits for it whose snapshot still holds.
    loading: Mutex<()>,
    /// Loads begun. An answer may come from any load that began after the question.
    loads: AtomicU64,
    /// The descriptor held for fstat, or [`NONE`], or [`NEVER`] for this snapshot.
    held: AtomicI32,
    /// The clock's tick at which the path was last asked.
    asked: AtomicU64,
    /// The file could not be read, and that has been said.
    complained: AtomicBool,
}

const NONE: i32 = -1;
const NEVER: i32 = -2;

impl<T: Content> Source<T> {
    pub(crate) const fn new(path: fn(&Config) -> Option<&Path>) -> Self {
        Self {
            path,
            newest: Mutex::new(Newest { load: 0, snapshot: None }),
            loading: Mutex::new(()),
            loads: AtomicU64::new(0),
            held: AtomicI32::new(NONE),
            asked: AtomicU64::new(0),
            complained: AtomicBool::new(false),
        }
    }

    /// True if the variable is set.
    pub(crate) fn is_on(&self) -> Result<bool, Errno> {
        Ok((self.path)(config::get()?).is_some())
    }

    /// What the file says now. `home` is the calling thread's cache for this source.
    #[inline]
    pub(crate) fn now<'a>(&self, home: &'a Cached<T>) -> Result<Now<'a, T>, Errno> {
        let Some(path) = (self.path)(config::get()?) else { return Ok(Now::Off) };
        if let Some(snapshot) = home.take()
            && self.is_current(&snapshot, path)
        {
            return Ok(Now::Here(Lease { snapshot: Some(snapshot), home }));
        }
        match self.newer(path)? {
            None => Ok(Now::Missing),
            snapshot => Ok(Now::Here(Lease { snapshot, home })),
        }
    }

    #[inline]
    fn is_current(&self, snapshot: &Snapshot<T>, path: &Path) -> bool {
        if !snapshot.settled.load(Ordering::Relaxed) {
            return false;
        }
        let tick = tick();
        let held = self.held.load(Ordering::Relaxed);
        if held >= 0
            && self.asked.load(Ordering::Relaxed) == tick
            && let Ok(st) = sys::fstat(held)
            && st == snapshot.stamp
        {
            return true;
        }
        self.path_is_current(snapshot, path, tick)
    }

    /// Asks the path itself, and sees to the held descriptor.
    #[inline(never)]
    fn path_is_current(&self, snapshot: &Snapshot<T>, path: &Path, tick: u64) -> bool {
        if sys::stat(path.as_c(), true) != Ok(snapshot.stamp) {
            return false;
        }
        let held = self.held.load(Ordering::Relaxed);
        if held == NONE {
            let fd = file::hold(path, &snapshot.stamp).unwrap_or(NEVER);
            if self.held.compare_exchange(NONE, fd, Ordering::Relaxed, Ordering::Relaxed).is_err()
                && fd >= 0
            {
                close_if(fd, &snapshot.stamp);
            }
        } else if held >= 0 && !sys::fstat(held).is_ok_and(|st| st.same_file(&snapshot.stamp)) {
            // The host has closed the number, and may have a file of its own there: forget it.
            _ = self.held.compare_exchange(held, NONE, Ordering::Relaxed, Ordering::Relaxed);
        }
        self.asked.store(tick, Ordering::Relaxed);
        true
    }

    /// The newest snapshot, from a load that began after this call did unless it is current anyway.
    #[cold]
    fn newer(&self, path: &Path) -> Result<Option<Shared<Snapshot<T>>>, Errno> {
        let begun = self.loads.load(Ordering::Acquire);
        let newest = self.newest.lock()?.snapshot.clone();
        if let Some(snapshot) = newest
            && self.is_current(&snapshot, path)
        {
            return Ok(Some(snapshot));
        }
        let loading = self.loading.lock()?;
        let old = {
            let newest = self.newest.lock()?;
            if newest.load > begun {
                return Ok(newest.snapshot.clone());
            }
            newest.snapshot.clone()
        };
        let load = self.loads.fetch_add(1, Ordering::AcqRel) + 1;
        let new = self.load(path, old.as_ref())?;
        self.let_go(old.as_ref(), new.as_ref());
        let before = {
            let mut newest = self.newest.lock()?;
            newest.load = load;
            core::mem::replace(&mut newest.snapshot, new.clone())
        };
        drop(loading);
        drop(before);
        Ok(new)
    }

    fn load(
        &self,
        path: &Path,
        old: Option<&Shared<Snapshot<T>>>,
    ) -> Result<Option<Shared<Snapshot<T>>>, Errno> {
        let read = match file::read(path) {
            Ok(read) => read,
            Err(error) if file::is_absent(error) => {
                if !self.complained.swap(true, Ordering::Relaxed) {
                    log!(
                        Error,
                        "load",
                        "Unable to open '{}': {}",
                        Bytes(path.bytes()),
                        error.text()
                    );
                }
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        self.complained.store(false, Ordering::Relaxed);
        let same = old.filter(|old| old.bytes() == read.bytes);
        if let Some(old) = same
            && old.stamp == read.stamp
        {
            old.settled.store(read.settled, Ordering::Relaxed);
            return Ok(Some(old.clone()));
        }
        let content = match same {
            Some(old) => old.content.clone(),
            None => Shared::new(T::load(read.bytes, path)?)?,
        };
        let settled = AtomicBool::new(read.settled);
        Shared::new(Snapshot { stamp: read.stamp, settled, content }).map(Some)
    }

    /// Closes the held descriptor if the new snapshot is of another file.
    fn let_go(&self, old: Option<&Shared<Snapshot<T>>>, new: Option<&Shared<Snapshot<T>>>) {
        if let (Some(old), Some(new)) = (old, new)
            && old.stamp.same_file(&new.stamp)
        {
            return;
        }
        let held = self.held.swap(NONE, Ordering::Relaxed);
        if let Some(old) = old
            && held >= 0
        {
            close_if(held, &old.stamp);
        }
    }
}

/// Closes the descriptor if it is what we opened there; a host may have the number by now.
fn close_if(fd: i32, stamp: &Stamp) {
    if sys::fstat(fd).is_ok_and(|st| st.same_file(stamp)) {
        sys::close(fd);
    }
}

fn tick() -> u64 {
    let (seconds, nanoseconds) = sys::coarse(libc::CLOCK_MONOTONIC_COARSE);
    seconds.unsigned_abs() << 30 | nanoseconds.unsigned_abs()
}
