//! The state of each thread of the program, and the part of it that a call in progress uses.
//!
//! A signal handler may interrupt a call at any instruction, call the library itself, and jump away for ever.
//! So there are levels, each with its own memory: the outermost call of a thread uses the first, the call of a
//! handler that interrupts it the second, and so on. A call takes a level by setting its mark (`rt::mark`). If
//! the mark is that of an abandoned call, the level is free; what that call held is freed then.
#![allow(unsafe_code, reason = "thread-local memory that a pthread key frees")]

mod level;

use core::cell::Cell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use crate::rt::errno::Errno;
use crate::rt::mark::{Mark, Marked, Reentry, frame_address};
use crate::rt::published::{Slot, SlotRef};
use crate::rt::registry::{first, register, states};
use crate::rt::static_result::StaticResult;
use crate::rt::thread_locals::ThreadLocals;
use crate::rt::watch::Watch;
use level::present;
pub(crate) use level::{Level, opened, scratch, set_adopting, set_lock, set_owned};

/// How many sources have a slot and a watch of their own: one for each `config::FileKind`.
pub(crate) const SOURCES: usize = 6;
/// How deep calls can be nested, by signal handlers that interrupt and modules that ask. A deeper call fails with
/// `EAGAIN`.
const LEVELS: usize = 8;

/// While this value lives, the calling thread is in a function of libc that the library called. If libc asks our
/// service meanwhile, the service finds nothing.
pub(crate) struct InLibc {
    _mark: Marked<'static>,
}

impl InLibc {
    #[inline(always)]
    pub(crate) fn enter() -> Self {
        Self { _mark: Marked::at(&ThreadLocals::current().in_libc, frame_address()) }
    }

    /// True if the calling thread is in a function of libc that the library called.
    #[inline(always)]
    pub(crate) fn is_on() -> bool {
        ThreadLocals::current().in_libc.is_live(frame_address())
    }
}

/// How many functions of a module there are: `module`.
pub(crate) const MODULE_FUNCTIONS: usize = 11;

/// The state of one thread.
///
/// The fields that a process with a single lookup writes to are the last ones, on one page with the library's other
/// variables: `link_order` in build.rs.
#[repr(C)]
pub(crate) struct ThreadState {
    /// The levels that interrupt the outermost one, and each other.
    inner: [Level; LEVELS - 1],
    /// The functions of the module that the thread is in.
    pub(crate) in_module: [Reentry; MODULE_FUNCTIONS],
    /// The canonical name of the host that was given to libc last, and its length.
    canonical: StaticResult<()>,
    canonical_len: Cell<usize>,
    /// Set while libc is asked whether it has the synthetic user's id.
    pub(crate) in_system_check: Reentry,
    /// Set while the loader loads the module.
    pub(crate) in_loader: Mark,
    /// When the thread was last known to be in no sandbox, by the coarse monotonic clock; 0 for never.
    pub(crate) unfiltered_at_ns: Cell<i64>,
    outermost: Level,
    /// How the outermost level watches each file.
    pub(crate) watches: [Watch; SOURCES],
    /// 1 while a thread has this state.
    pub(super) in_use: AtomicU32,
    /// The thread's address space when it was last seen: `rt::registry`.
    pub(super) address_space: AtomicU32,
    /// A number that no other state has; never 0.
    pub(super) number: AtomicU32,
    pub(super) next: AtomicPtr<ThreadState>,
}

impl ThreadState {
    pub(crate) const fn new() -> Self {
        Self {
            inner: [const { Level::new() }; LEVELS - 1],
            in_module: [const { Reentry::new() }; MODULE_FUNCTIONS],
            canonical: StaticResult::new(),
            canonical_len: Cell::new(0),
            in_system_check: Reentry::new(),
            in_loader: Mark::new(),
            unfiltered_at_ns: Cell::new(0),
            outermost: Level::new(),
            watches: [const { Watch::new() }; SOURCES],
            in_use: AtomicU32::new(0),
            address_space: AtomicU32::new(0),
            number: AtomicU32::new(1),
            next: AtomicPtr::new(null_mut()),
        }
    }

    /// The levels, from the outermost on.
    fn levels(&self) -> impl Iterator<Item = &Level> {
        core::iter::once(&self.outermost).chain(&self.inner)
    }

    pub(crate) fn clear_canonical(&self) {
        self.canonical_len.set(0);
    }

    /// Remembers the canonical name, unless there is one already.
    pub(crate) fn remember_canonical(&self, name: &[u8]) -> Result<(), Errno> {
        if self.canonical_name().is_some() {
            return Ok(());
        }
        while self.canonical.memory().2 < name.len() {
            self.canonical.grow()?;
        }
        // SAFETY: `grow` has made room for the name, and the memory is this thread's own.
        unsafe { self.canonical.memory().1.copy_from_nonoverlapping(name.as_ptr(), name.len()) };
        self.canonical_len.set(name.len());
        Ok(())
    }

    pub(crate) fn canonical_name(&self) -> Option<&[u8]> {
        let ((_, name, _), len) = (self.canonical.memory(), self.canonical_len.get());
        // SAFETY: `remember_canonical` has written so many bytes to the buffer, and then the length.
        (len > 0).then(|| unsafe { core::slice::from_raw_parts(name, len) })
    }

    /// The id of a call on the level, as the owner of a value that it makes or frees (`rt::published`): the numbers of
    /// the thread and of the level.
    fn owner(&self, level: &Level) -> u64 {
        let at = self.levels().position(|other| core::ptr::eq(other, level)).unwrap_or(0);
        u64::from(self.number.load(Ordering::Relaxed)) * LEVELS as u64 + at as u64
    }

    /// Frees what the state's thread held, which has ended. Its results stay for whoever still has pointers to them, as
    /// with glibc, until the next thread of the state overwrites them.
    pub(super) fn reset(&self) {
        for level in self.levels() {
            level.mark.clear();
            level.clean_up(self.owner(level));
            level.slots().for_each(Slot::clear);
        }
        self.canonical_len.set(0);
        self.in_loader.clear();
        self.unfiltered_at_ns.set(0);
        self.watches.iter().for_each(Watch::release);
        self.in_module.iter().chain([&self.in_system_check]).for_each(Reentry::clear);
    }
}

/// True if a slot of any thread shows the value at that address.
pub(crate) fn is_shown(address: *const ()) -> bool {
    states().any(|state| state.levels().any(|level| level.slots().any(|slot| slot.shows(address))))
}

/// A call in progress. While this value lives, no other call uses its level.
pub(crate) struct Call {
    state: &'static ThreadState,
    level: &'static Level,
    /// The level of the call that this one interrupts, unless the level is the outermost.
    outer: Option<&'static Level>,
}

impl Call {
    /// Takes a level of the calling thread: `ENOMEM` if the thread's first call finds no memory, `EAGAIN` if calls are
    /// nested too deep.
    #[inline(always)]
    pub(crate) fn enter() -> Result<Self, Errno> {
        let locals = ThreadLocals::current();
        let here = frame_address();
        let state = match locals.state.get() {
            Some(state) => state,
            None => register()?,
        };
        let outer = locals.level.get();
        let mut level = &state.outermost;
        if !level.mark.is_set() {
            Self::begin(level, here);
        } else {
            level = Self::begin_inner(state, here)?;
        }
        Ok(Self { state, level, outer })
    }

    #[inline(always)]
    fn begin(level: &'static Level, here: usize) {
        level.mark.set(here);
        ThreadLocals::current().level.set(Some(level));
    }

    /// Takes the first level without a live call.
    #[cold]
    fn begin_inner(state: &'static ThreadState, here: usize) -> Result<&'static Level, Errno> {
        let mut levels = state.levels();
        let level = levels.find(|level| !level.mark.is_live(here)).ok_or(Errno::EAGAIN)?;
        // The calls on deeper levels were abandoned too.
        let deeper = levels.filter(|level| level.mark.is_set());
        // Marked first, so that a signal handler does not use the level while it is cleaned up.
        let was_marked = level.mark.is_set();
        Self::begin(level, here);
        if was_marked {
            level.clean_up(state.owner(level));
        }
        for level in deeper {
            level.clean_up(state.owner(level));
            level.slots().for_each(Slot::clear);
            level.mark.clear();
        }
        Ok(level)
    }

    /// True if this call interrupts no other call of the thread.
    #[inline(always)]
    pub(crate) fn is_outermost(&self) -> bool {
        core::ptr::eq(self.level, &raw const self.state.outermost)
    }

    #[inline(always)]
    pub(crate) fn level(&self) -> &'static Level {
        self.level
    }

    #[inline(always)]
    pub(crate) fn thread(&self) -> &'static ThreadState {
        self.state
    }

    /// The slot for a snapshot of the source with that number, and the slot for an enumeration.
    #[inline(always)]
    pub(crate) fn file_slots(&mut self, source: usize) -> [SlotRef<'_>; 2] {
        let Level { snapshots, walk, walked, .. } = self.level;
        // SAFETY: the level is this call's, which is borrowed for as long as these two slots are.
        [snapshots.get(source).unwrap_or(walked), walk].map(|slot| unsafe { SlotRef::new(slot) })
    }

    /// The slots for an enumeration and its snapshot.
    pub(crate) fn walk_slots(&mut self) -> [SlotRef<'_>; 2] {
        let Level { walk, walked, .. } = self.level;
        // SAFETY: the level is this call's, which is borrowed for as long as these two slots are.
        [walk, walked].map(|slot| unsafe { SlotRef::new(slot) })
    }
}

impl Drop for Call {
    #[inline(always)]
    fn drop(&mut self) {
        let mut outer = None;
        if !self.is_outermost() {
            self.level.slots().for_each(Slot::clear);
            outer = self.outer;
        }
        ThreadLocals::current().level.set(outer);
        self.level.mark.clear();
    }
}

/// True if the present call interrupts no other call of the thread.
pub(crate) fn is_outermost() -> bool {
    state()
        .zip(present())
        .is_some_and(|(state, level)| core::ptr::eq(level, &raw const state.outermost))
}

/// The calling thread's state; `None` before its first call.
pub(crate) fn state() -> Option<&'static ThreadState> {
    ThreadLocals::current().state.get()
}

/// The present call's id as the owner of a value: `rt::published`; never 0.
pub(crate) fn owner() -> u64 {
    let state = state().unwrap_or(first());
    present().map_or(LEVELS as u64, |level| state.owner(level))
}
