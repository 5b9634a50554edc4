//! One configured file: its newest snapshot, and whether that is still the file's content.
//!
//! If nothing has changed a lookup makes one system call: docs/design.md, "What decides freshness".
//!
//! A thread's cache is the snapshot that its outermost level shows in its slot (`rt::thread`).
#![allow(unsafe_code, reason = "slots whose type this file knows")]

use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

use super::read;
use super::snapshot::{Check, Snapshot, is_trusted};
use super::table::{Sought, Table};
use super::text::ScratchText;
use super::walk::{Walk, Walks};
use crate::config::{Config, FileKind, Path};
use crate::db::Database;
use crate::db::key::Key;
use crate::rt::errno::Errno;
use crate::rt::log::{Bytes, log};
use crate::rt::published::{Published, SlotRef};
use crate::rt::registry;
use crate::rt::sync::ForkMutex;
use crate::rt::sys::{self, Fd, FdCell};
use crate::rt::thread::{self, Call, SOURCES};
use crate::rt::watch::{Watch, close_watch_fd, open_high};

/// A configured file.
pub(crate) struct Source {
    snapshot: Published<Snapshot>,
    /// Locked while the file is read and parsed again, so that one thread does it for all. A thread whose snapshot is
    /// current does not wait for it.
    reloading: ForkMutex,
    /// How many loads have begun. An answer may come from any load that began after the question.
    loads: AtomicU32,
    /// The file cannot be read, and that was reported.
    has_complained: AtomicBool,
    /// A descriptor of the file that was opened before chroot(2), plus one; 0 for none.
    chroot_fd: AtomicI32,
    /// The process's enumeration, if one has begun.
    walks: Walks<Snapshot>,
}

static SOURCES_BY_KIND: [Source; SOURCES] = [const { Source::new() }; SOURCES];

impl FileKind {
    /// The source that reads the file.
    #[inline(always)]
    pub(crate) fn source(self) -> &'static Source {
        let [passwd, ..] = &SOURCES_BY_KIND;
        SOURCES_BY_KIND.get(self as usize).unwrap_or(passwd)
    }

    /// True for the files that are read for the synthetic user alone.
    pub(crate) fn is_system(self) -> bool {
        matches!(self, Self::SystemPasswd | Self::SystemGroup)
    }
}

/// The state of a file.
pub(crate) enum FileState<'a> {
    /// There is no such file, or it may not be read.
    Missing,
    /// The file's rows, and where the requested row is.
    Loaded(&'a Snapshot, Sought),
}

/// A request for the present state of a file, in a call.
pub(crate) struct Request<'a> {
    pub(crate) kind: FileKind,
    pub(crate) path: &'a Path,
    /// The key of the requested row, if only one is requested.
    pub(crate) key: Option<&'a Key<'a>>,
    pub(crate) call: &'a mut Call,
}

impl<'a> Request<'a> {
    /// The file's present state.
    #[inline(always)]
    pub(crate) fn current<D: Database>(self) -> Result<FileState<'a>, Errno> {
        let source = self.kind.source();
        let is_outermost = self.call.is_outermost();
        let watch = self.call.thread().watches.get(self.kind as usize).filter(|_| is_outermost);
        let [slot, walk_slot] = self.call.file_slots(self.kind as usize);
        // SAFETY: the slot of this number is shown to the source of this number alone. (The lifetime
        // is the request's, for which the call is borrowed: the slot changes only through that.)
        if let Some(snapshot) = unsafe { shown_for(&slot) } {
            // The processor fetches the line during the system call.
            let sought = self.key.map_or(Sought::Unknown, |key| snapshot.table.seek(key));
            if let Check::Current = snapshot.check(self.path, watch, &source.chroot_fd) {
                return Ok(FileState::Loaded(snapshot, sought));
            }
        }
        let what = Reload {
            kind: self.kind,
            path: self.path,
            key: self.key,
            watch,
            table_of: Table::of::<D>,
            report: Table::report::<D>,
        };
        source.reload(&what, slot, walk_slot)
    }
}

/// The arguments of a reload.
struct Reload<'a> {
    kind: FileKind,
    path: &'a Path,
    key: Option<&'a Key<'a>>,
    /// The thread's watch of the file, in an outermost call.
    watch: Option<&'a Watch>,
    /// [`Table::of`] and [`Table::report`] of the file's database.
    table_of: fn(&ScratchText, Option<&Key<'_>>) -> (Table, Sought),
    report: fn(&Table, &Path),
}

/// The snapshot that the slot shows.
///
/// # Safety
///
/// The slot is one of a source, and is borrowed for `'a`.
#[inline(always)]
unsafe fn shown_for<'a>(slot: &SlotRef<'_>) -> Option<&'a Snapshot> {
    // SAFETY: the caller promises a slot of a source, which shows nothing but snapshots.
    let snapshot = unsafe { Published::<Snapshot>::shown(slot) }?;
    // SAFETY: not freed while the slot shows it, and the caller promises the slot for `'a`.
    Some(unsafe { &*core::ptr::from_ref(snapshot) })
}

/// Called before chroot(2): opens the files that were loaded, so that their snapshots still answer after it.
pub(crate) fn open_before_chroot(config: &Config) -> Result<(), Errno> {
    let mut call = Call::enter()?;
    for kind in FileKind::ALL {
        let file = config.file(kind).filter(|path| path.text().is_none());
        let (Some(path), source) = (file, kind.source()) else { continue };
        let [mut slot, _] = call.file_slots(kind as usize);
        let Some(snapshot) = source.snapshot.get(&mut slot) else { continue };
        let own = FdCell::default();
        let place = thread::opened().map_or(&own, |[_, place, _]| place);
        if let Some(fd) = open_high(path.as_c(), &snapshot.stamp, place) {
            let before = source.chroot_fd.swap(fd.to_word(), Ordering::Relaxed);
            place.set(Fd::from_word(before));
            close_watch_fd(place, snapshot.stamp.file());
        }
    }
    Ok(())
}

impl Source {
    const fn new() -> Self {
        Self {
            snapshot: Published::new(),
            reloading: ForkMutex::new(),
            loads: AtomicU32::new(0),
            has_complained: AtomicBool::new(false),
            chroot_fd: AtomicI32::new(0),
            walks: Walks::new(),
        }
    }

    /// The newest snapshot. If it is not current, the file is loaded, or a load that began after this call is used.
    #[cold]
    fn reload<'a>(
        &'static self,
        what: &Reload<'_>,
        mut slot: SlotRef<'a>,
        mut walk_slot: SlotRef<'_>,
    ) -> Result<FileState<'a>, Errno> {
        let Reload { path, watch, .. } = *what;
        let begun = self.loads.load(Ordering::Acquire);
        let check = match self.snapshot.get(&mut slot) {
            Some(snapshot) => Some(snapshot.check(path, watch, &self.chroot_fd)),
            // The first load of a process does not wait for others.
            None if !registry::has_threads() || path.text().is_some() => None,
            None => Some(sys::stat(path.as_c()).map_or_else(Check::Lost, |_| Check::Changed)),
        };
        let outcome = match check {
            Some(Check::Current) => Ok(Some(Sought::Unknown)),
            Some(Check::Lost(error)) if read::is_absent(error) => self.complain(what, error),
            None => self.load(what, &mut slot, &mut walk_slot),
            Some(Check::Changed | Check::Lost(_)) => {
                self.load_in_turn(begun, what, &mut slot, &mut walk_slot)
            }
        };
        // SAFETY: the slot is this source's, and is borrowed for `'a`.
        let snapshot = unsafe { shown_for(&slot) }.filter(|_| matches!(outcome, Ok(Some(_))));
        if let Some(watch) = watch {
            watch.track(snapshot.map_or((0, 0), |snapshot| snapshot.stamp.file()));
        }
        Ok(match (snapshot, outcome?) {
            (Some(snapshot), Some(sought)) => FileState::Loaded(snapshot, sought),
            _ => FileState::Missing,
        })
    }

    /// Calls [`Source::load`], unless another load has begun and ended since there were `begun` loads.
    #[inline(never)]
    fn load_in_turn(
        &'static self,
        begun: u32,
        what: &Reload<'_>,
        slot: &mut SlotRef<'_>,
        walk_slot: &mut SlotRef<'_>,
    ) -> Result<Option<Sought>, Errno> {
        let lock = self.reloading.lock();
        let is_newer = |snapshot: &Snapshot| {
            let load = snapshot.load.load(Ordering::Acquire);
            #[allow(clippy::cast_possible_wrap, reason = "the numbers may wrap around")]
            let after = load.wrapping_sub(begun) as i32;
            after > 0
        };
        if lock.is_some() && self.snapshot.get(slot).is_some_and(is_newer) {
            return Ok(Some(Sought::Unknown));
        }
        self.load(what, slot, walk_slot)
    }

    /// Reports once what is wrong with the file, unless it is the system's; `None` if that counts as no file.
    #[cold]
    #[inline(never)]
    fn complain(&self, of: &Reload<'_>, error: Errno) -> Result<Option<Sought>, Errno> {
        if !of.kind.is_system() && !self.has_complained.swap(true, Ordering::Relaxed) {
            let what = if read::is_absent(error) { "open" } else { "read" };
            log!(Error, "load", "Unable to {what} '{}': {error}", Bytes(of.path.bytes()));
        }
        if read::is_absent(error) { Ok(None) } else { Err(error) }
    }

    /// Reads the file, and publishes a snapshot, which the slot shows; `None` if there is no file.
    fn load(
        &'static self,
        what: &Reload<'_>,
        slot: &mut SlotRef<'_>,
        walk_slot: &mut SlotRef<'_>,
    ) -> Result<Option<Sought>, Errno> {
        let path = what.path;
        let load = self.loads.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
        let read = read::read(path);
        let old = self.snapshot.get(slot);
        let read = match (read, old) {
            (Ok(read), _) => read,
            (Err(error), Some(old)) if old.outlives_at(path, &self.chroot_fd, error) => {
                return Ok(Some(Sought::Unknown));
            }
            (Err(error), _) => return self.complain(what, error),
        };
        self.has_complained.swap(false, Ordering::Relaxed);
        let old = old.filter(|old| old.stamp == read.stamp);
        let first_seen_ns = old.map_or(read.begun.monotonic_ns, |old| old.first_seen_ns);
        let is_settled = is_trusted(&read, first_seen_ns);
        let is_same = |table: &Table| table.bytes() == &*read.text;
        if let Some(old) = old.filter(|old| is_same(&old.table)) {
            old.load.swap(load, Ordering::AcqRel);
            old.is_settled.swap(is_settled, Ordering::Relaxed);
            return Ok(Some(Sought::Unknown));
        }
        // One look decides both: else a snapshot that another thread publishes in between is reported twice.
        let newest = self.snapshot.get(slot);
        let is_first = newest.is_none();
        let is_known = newest.is_some_and(|newest| is_same(&newest.table));
        let (table, sought) = (what.table_of)(&read.text, what.key);
        let snapshot = Snapshot {
            stamp: read.stamp,
            load: AtomicU32::new(load),
            is_settled: AtomicBool::new(is_settled),
            first_seen_ns,
            table,
        };
        if !is_first {
            self.walks.reclaim(&self.snapshot, walk_slot);
        }
        let fill = |snapshot: &'static Snapshot| snapshot.table.fill(read.text);
        let (snapshot, is_ours) = self.snapshot.publish(snapshot, fill, is_first, slot)?;
        // The same bytes with another stamp were reported already, and the system's files are not ours to report.
        if is_ours && !is_known && !what.kind.is_system() && snapshot.table.has_report() {
            (what.report)(snapshot, path);
        }
        if !(is_first && is_ours) {
            self.walks.reclaim(&self.snapshot, walk_slot);
        }
        Ok(Some(if is_ours { sought } else { Sought::Unknown }))
    }

    /// Begins an enumeration of the snapshot at the position `place`. With `anew` it replaces one that has begun;
    /// otherwise, if threads begin at once, the first one counts.
    ///
    /// # Safety
    ///
    /// `snapshot` is the address of the last one that the call has requested of this source.
    pub(crate) unsafe fn begin_walk(
        &'static self,
        call: &mut Call,
        snapshot: Option<*const ()>,
        place: u64,
        anew: bool,
    ) -> Result<(), Errno> {
        let [mut slot, _] = call.walk_slots();
        // SAFETY: the caller promises that the slot of this source in the call's level shows it.
        unsafe { self.walks.begin(snapshot, place, anew, &mut slot) }?;
        self.walks.reclaim(&self.snapshot, &mut slot);
        Ok(())
    }

    /// Ends the enumeration, if one has begun. It keeps its snapshot from being freed until [`Source::reclaim`].
    pub(crate) fn end_walk(&self) {
        self.walks.end();
    }

    /// Frees what nobody uses any more.
    pub(crate) fn reclaim(&'static self, call: &mut Call) {
        let [mut slot, _] = call.walk_slots();
        self.walks.reclaim(&self.snapshot, &mut slot);
    }

    /// True if an enumeration has begun.
    pub(crate) fn is_walked(&self) -> bool {
        self.walks.is_begun()
    }

    /// The enumeration, and its snapshot if there is a file.
    pub(crate) fn walk<'a>(&self, call: &'a mut Call) -> Option<(&'a Walk, Option<&'a Snapshot>)> {
        let [walk_slot, walked_slot] = call.walk_slots();
        self.walks.get(walk_slot, walked_slot)
    }
}
