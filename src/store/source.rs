//! One configured file: its newest snapshot, and whether that still is what the file says.
//!
//! A lookup asks one question of the kernel when nothing has changed: fstat(2) of a descriptor that
//! is held for it, or stat(2) of the path. A held descriptor shows a rewrite, and, by the change of
//! link count and ctime, a rename over the file or an unlink. It does not show what happens to a
//! directory above, so the path is asked again when the coarse clock has moved (every few
//! milliseconds), and always where a symbolic link is in it.

use core::cell::Cell;
use core::ops::Deref;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::file;
use super::text::Text;
use crate::config::{self, Config, Path};
use crate::errno::Errno;
use crate::sync::{Mutex, Shared};
use crate::sys::{self, FileId, Stamp};
use crate::trace::{Bytes, log};

/// What a file's bytes become.
pub(crate) trait Content: Sized {
    /// The file that is configured for it.
    fn path(config: &Config) -> Option<&Path>;
    /// Takes the bytes in, and reports malformed lines under the name `path`.
    fn load(text: Text, path: &Path) -> Result<Self, Errno>;
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

/// What a thread keeps of a source: the snapshot that it used last, and how it watches the file.
///
/// Each thread holds a descriptor of its own: fstat(2) counts references in the open file, and
/// threads that share one wait for each other there. A child of fork keeps the descriptors of its
/// parent's other threads until it runs another program.
pub(crate) struct Cached<T> {
    snapshot: Cell<Option<Shared<Snapshot<T>>>>,
    /// What is watched.
    file: Cell<FileId>,
    /// The descriptor held for fstat, or [`NONE`], or [`NEVER`] for this file.
    held: Cell<i32>,
    /// How often the path was asked while no descriptor was held.
    turns: Cell<u32>,
    /// The clock's tick at which the path was last asked.
    asked: Cell<u64>,
}

const NONE: i32 = -1;
const NEVER: i32 = -2;

/// A descriptor is worth the calls that it takes, and the growth of the process's table of them,
/// only to a thread that asks often.
const PATIENCE: u32 = 16;

impl<T> Cached<T> {
    pub(crate) const fn new() -> Self {
        Self {
            snapshot: Cell::new(None),
            file: Cell::new((0, 0)),
            held: Cell::new(NONE),
            turns: Cell::new(0),
            asked: Cell::new(0),
        }
    }

    /// Turns to another file, or none: the descriptor must not keep a deleted one on the disk.
    fn watch(&self, file: FileId) {
        if self.file.get() != file {
            let held = self.held.replace(NONE);
            if held >= 0 {
                file::release(held, self.file.get());
            }
            self.file.set(file);
            self.turns.set(0);
        }
    }

    /// Opens the descriptor when its time has come, and forgets it when the host has the number.
    fn tend(&self, path: &Path, stamp: &Stamp) {
        self.watch(stamp.file());
        let held = self.held.get();
        if held >= 0 {
            if !sys::fstat(held).is_ok_and(|st| st.file() == stamp.file()) {
                self.held.set(NONE);
                self.turns.set(0);
            }
        } else if held == NONE {
            self.turns.set(self.turns.get() + 1);
            if self.turns.get() >= PATIENCE {
                // A signal handler's lookup in between must not open another.
                self.held.set(NEVER);
                self.held.set(file::hold(path, stamp).unwrap_or(NEVER));
            }
        }
    }
}

impl<T> Drop for Cached<T> {
    fn drop(&mut self) {
        self.watch((0, 0));
    }
}

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
        self.home.snapshot.set(self.snapshot.take());
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
    newest: Mutex<Newest<T>>,
    /// Held while the file is read and parsed. Nobody waits for it whose snapshot still holds.
    loading: Mutex<()>,
    /// Loads begun. An answer may come from any load that began after the question.
    loads: AtomicU64,
    /// The file cannot be read, and that has been said.
    complained: AtomicBool,
}

impl<T: Content> Source<T> {
    pub(crate) const fn new() -> Self {
        Self {
            newest: Mutex::new(Newest { load: 0, snapshot: None }),
            loading: Mutex::new(()),
            loads: AtomicU64::new(0),
            complained: AtomicBool::new(false),
        }
    }

    /// The file, for the log.
    pub(crate) fn shown(&self) -> Option<Bytes<'static>> {
        T::path(config::known()?).map(|path| Bytes(path.bytes()))
    }

    /// True if the variable is set.
    pub(crate) fn is_on(&self) -> Result<bool, Errno> {
        Ok(T::path(config::get()?).is_some())
    }

    /// What the file says now. `home` is the calling thread's cache for this source.
    #[inline]
    pub(crate) fn now<'a>(&self, home: &'a Cached<T>) -> Result<Now<'a, T>, Errno> {
        let Some(path) = T::path(config::get()?) else { return Ok(Now::Off) };
        self.now_after(path, home, |_| None::<()>).map(|(now, _)| now)
    }

    /// As [`Source::now`] of the file that is configured. `expect` is shown the content that is
    /// probably current before the kernel is asked: what it has the processor fetch comes meanwhile.
    /// What it gives is returned if the content is indeed current.
    #[inline(always)]
    pub(crate) fn now_after<'a, E>(
        &self,
        path: &Path,
        home: &'a Cached<T>,
        expect: impl FnOnce(&T) -> Option<E>,
    ) -> Result<(Now<'a, T>, Option<E>), Errno> {
        if let Some(snapshot) = home.snapshot.take() {
            let expected = expect(&snapshot);
            if self.is_current(&snapshot, path, home) {
                return Ok((Now::Here(Lease { snapshot: Some(snapshot), home }), expected));
            }
        }
        self.reload(path, home).map(|now| (now, None))
    }

    #[cold]
    fn reload<'a>(&self, path: &Path, home: &'a Cached<T>) -> Result<Now<'a, T>, Errno> {
        let snapshot = self.newer(path, home)?;
        home.watch(snapshot.as_ref().map_or((0, 0), |snapshot| snapshot.stamp.file()));
        match snapshot {
            None => Ok(Now::Missing),
            snapshot => Ok(Now::Here(Lease { snapshot, home })),
        }
    }

    #[inline]
    fn is_current(&self, snapshot: &Snapshot<T>, path: &Path, home: &Cached<T>) -> bool {
        if !snapshot.settled.load(Ordering::Relaxed) {
            return false;
        }
        let tick = tick();
        let held = home.held.get();
        if held >= 0
            && home.asked.get() == tick
            && let Ok(st) = sys::fstat(held)
            && st == snapshot.stamp
        {
            return true;
        }
        if path.is_text() {
            return true;
        }
        let current = sys::stat(path.as_c(), true) == Ok(snapshot.stamp);
        if current {
            home.tend(path, &snapshot.stamp);
            home.asked.set(tick);
        }
        current
    }

    /// The newest snapshot, from a load that began after this call did unless it is current anyway.
    #[cold]
    fn newer(&self, path: &Path, home: &Cached<T>) -> Result<Option<Shared<Snapshot<T>>>, Errno> {
        let begun = self.loads.load(Ordering::Acquire);
        let newest = self.newest.lock()?.snapshot.clone();
        if let Some(snapshot) = newest
            && self.is_current(&snapshot, path, home)
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
            Err(error) => {
                if !self.complained.swap(true, Ordering::Relaxed) {
                    log!(Error, "load", "Unable to open '{}': {error}", Bytes(path.bytes()));
                }
                return if file::is_absent(error) { Ok(None) } else { Err(error) };
            }
        };
        self.complained.swap(false, Ordering::Relaxed);
        let same = old.filter(|old| old.bytes() == &*read.text);
        if let Some(old) = same
            && old.stamp == read.stamp
        {
            old.settled.swap(read.settled, Ordering::Relaxed);
            return Ok(Some(old.clone()));
        }
        let content = match same {
            Some(old) => old.content.clone(),
            None => Shared::new(T::load(read.text, path)?)?,
        };
        let settled = AtomicBool::new(read.settled);
        Shared::new(Snapshot { stamp: read.stamp, settled, content }).map(Some)
    }
}

fn tick() -> u64 {
    let (seconds, nanoseconds) = sys::coarse(libc::CLOCK_MONOTONIC_COARSE);
    seconds.unsigned_abs() << 30 | nanoseconds.unsigned_abs()
}
