//! What each thread of the program keeps, and what of it a call in progress uses.
//!
//! A signal handler may interrupt a call at any instruction, ask in its turn, and jump away for ever. So
//! there are levels: the outermost call of a thread uses the first, a handler's call that interrupts it
//! the second, and so on; each has memory of its own. A level is taken by setting its mark (`rt::mark`). Where
//! the mark is that of a call which was abandoned, the level is free; what the call held is put back then.
#![allow(unsafe_code, reason = "thread-local memory that a pthread key frees")]

use core::cell::Cell;
use core::marker::PhantomData;
use core::ptr::{null, null_mut};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, compiler_fence};

use crate::rt::errno::Errno;
use crate::rt::fork_lock::ForkLock;
use crate::rt::mark::{Mark, Marked, Reentry, frame_address};
use crate::rt::memory::{Header, ScratchList};
use crate::rt::published::{self, Slot, SlotRef};
use crate::rt::registry::{FIRST, register, states};
use crate::rt::static_result::StaticResult;
use crate::rt::sys::FdCell;
use crate::rt::thread_locals::ThreadLocals;
use crate::rt::watch::{Watch, close_abandoned};

/// How many sources have a slot and a watch of their own: `file::source::Kind`.
pub(crate) const SOURCES: usize = 6;
/// How deep calls can lie in each other: signal handlers that interrupt, and modules that ask. A deeper
/// one is told `EAGAIN`.
const LEVELS: usize = 8;

/// While it lives the calling thread is inside libc, which was asked by us: our sources keep silent when
/// libc asks them in its turn.
pub(crate) struct InLibc {
    _mark: Marked<'static>,
}

impl InLibc {
    #[inline(always)]
    pub(crate) fn enter() -> Self {
        Self { _mark: Marked::at(&ThreadLocals::current().in_libc, frame_address()) }
    }

    /// True if the caller was called from inside libc, which was asked by us.
    #[inline(always)]
    pub(crate) fn is_on() -> bool {
        ThreadLocals::current().in_libc.is_live(frame_address())
    }
}

/// What a call in progress uses.
pub(crate) struct Level {
    mark: Mark,
    /// Which snapshot of each source the level uses. The outermost level's stay between calls: they
    /// are the thread's cache.
    snapshots: [Slot; SOURCES],
    /// Which enumeration the level uses, and that one's snapshot.
    walk: Slot,
    walked: Slot,
    scratch: ScratchList,
    /// What is open for reading, or on its way to a watch descriptor; one that is on its way elsewhere; and
    /// what `rt::sandbox` reads meanwhile.
    opened: [FdCell; 3],
    /// A lock that is held, or asked for.
    lock: Cell<Option<&'static ForkLock>>,
    /// The state of a value that is being made or freed: `rt::published`.
    owned: Cell<Option<&'static AtomicU64>>,
    /// A cell that memory is being put into: [`crate::rt::buf_cell::BufCell`].
    adopting: Cell<Option<&'static AtomicPtr<Header>>>,
    /// The array that a module fills, and makes larger by realloc(3).
    pub(crate) module_gids: Cell<*mut libc::gid_t>,
    pub(crate) passwd: StaticResult<libc::passwd>,
    pub(crate) group: StaticResult<libc::group>,
    pub(crate) shadow: StaticResult<libc::spwd>,
    pub(crate) hosts: StaticResult<libc::hostent>,
}

impl Level {
    pub(crate) const fn new() -> Self {
        Self {
            mark: Mark::new(),
            snapshots: [const { Slot::new() }; SOURCES],
            walk: Slot::new(),
            walked: Slot::new(),
            scratch: ScratchList::new(),
            opened: [const { FdCell::new() }; 3],
            lock: Cell::new(None),
            owned: Cell::new(None),
            adopting: Cell::new(None),
            module_gids: Cell::new(null_mut()),
            passwd: StaticResult::new(),
            group: StaticResult::new(),
            shadow: StaticResult::new(),
            hosts: StaticResult::new(),
        }
    }

    /// Puts back what an abandoned call held, of which `owner` was the name. A handler may interrupt this
    /// too, and leave it: what was done is then found done, or done again.
    #[cold]
    fn clean_up(&self, owner: u64) {
        if let Some(cell) = self.adopting.get() {
            self.scratch.finish_adopting(cell);
            self.adopting.set(None);
        }
        if let Some(state) = self.owned.get() {
            published::disown(state, owner);
            self.owned.set(None);
        }
        // SAFETY: the call that made the buffers has been left by siglongjmp(3).
        unsafe { self.scratch.free_all() };
        self.free_module_gids();
        self.opened.iter().for_each(close_abandoned);
        if let Some(lock) = self.lock.replace(None) {
            lock.leave();
        }
    }

    /// Frees the array that a module has filled.
    pub(crate) fn free_module_gids(&self) {
        let gids = self.module_gids.replace(null_mut());
        // A call that is abandoned after this must not find it in the cell again.
        compiler_fence(Ordering::SeqCst);
        // SAFETY: null or libc's memory, and no longer in the cell.
        unsafe { libc::free(gids.cast()) };
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.snapshots.iter().chain([&self.walk, &self.walked])
    }
}

/// How many functions of a module a thread can be in: `module`.
pub(crate) const MODULE_FUNCTIONS: usize = 12;

/// One thread's part. All zeros are a new one.
///
/// What a process that asks once writes to comes last, and so lies on one page with the other variables:
/// `link_order` in build.rs.
#[repr(C)]
pub(crate) struct ThreadState {
    /// The levels that interrupt the outermost one, and each other.
    inner: [Level; LEVELS - 1],
    /// In which of the module's functions the thread is.
    pub(crate) in_module: [Reentry; MODULE_FUNCTIONS],
    /// The canonical name of the host that libc was told last, and how long it is.
    canonical: StaticResult<usize>,
    /// Set while libc is asked whether it knows the synthetic user's id.
    pub(crate) in_system_check: Reentry,
    /// When the thread was last seen to be in no sandbox, by the coarse monotonic clock; 0 for never.
    unfiltered_at_ns: Cell<i64>,
    outermost: Level,
    /// How the outermost level watches each file.
    pub(crate) watches: [Watch; SOURCES],
    /// 1 while a thread has it.
    pub(super) in_use: AtomicU32,
    /// Which address space its thread was in when it came: see `rt::registry`.
    pub(super) address_space: AtomicU32,
    /// What tells it from the other threads' parts; never 0.
    pub(super) number: AtomicU32,
    pub(super) next: AtomicPtr<ThreadState>,
}

impl ThreadState {
    pub(crate) const fn new() -> Self {
        Self {
            inner: [const { Level::new() }; LEVELS - 1],
            in_module: [const { Reentry::new() }; MODULE_FUNCTIONS],
            canonical: StaticResult::new(),
            in_system_check: Reentry::new(),
            unfiltered_at_ns: Cell::new(0),
            outermost: Level::new(),
            watches: [const { Watch::new() }; SOURCES],
            in_use: AtomicU32::new(0),
            address_space: AtomicU32::new(0),
            number: AtomicU32::new(1),
            next: AtomicPtr::new(null_mut()),
        }
    }

    /// From the outermost one on.
    fn levels(&self) -> impl Iterator<Item = &Level> {
        core::iter::once(&self.outermost).chain(&self.inner)
    }

    /// Forgets the name.
    pub(crate) fn clear_canonical(&self) {
        let (len, _, _) = self.canonical.memory();
        // SAFETY: the row of `canonical` is one `usize`, and this thread's own memory.
        unsafe { len.write(0) };
    }

    /// Remembers the name, if there is none since it was forgotten.
    pub(crate) fn remember_canonical(&self, name: &[u8]) -> Result<(), Errno> {
        if self.canonical_name().is_some() {
            return Ok(());
        }
        while self.canonical.memory().2 < name.len() {
            self.canonical.grow()?;
        }
        let (len, buffer, _) = self.canonical.memory();
        // SAFETY: `grow` has seen to room for the name, and the memory is this thread's own.
        unsafe { buffer.copy_from_nonoverlapping(name.as_ptr(), name.len()) };
        // SAFETY: the row of `canonical` is one `usize`, and this thread's own memory.
        unsafe { len.write(name.len()) };
        Ok(())
    }

    /// The name that is remembered.
    pub(crate) fn canonical_name(&self) -> Option<&[u8]> {
        let (len, buffer, _) = self.canonical.memory();
        if buffer.is_null() {
            return None;
        }
        // SAFETY: written by `clear_canonical`, which comes first, or by `remember_canonical`.
        let len = unsafe { len.read() };
        // SAFETY: so many bytes have been written to the buffer.
        (len > 0).then(|| unsafe { core::slice::from_raw_parts(buffer, len) })
    }

    /// What a call on the level is called in the state of a value that it makes or frees: the thread's
    /// number and the level's.
    fn owner(&self, level: &Level) -> u64 {
        let at = self.levels().position(|other| core::ptr::eq(other, level)).unwrap_or(0);
        u64::from(self.number.load(Ordering::Relaxed)) * LEVELS as u64 + at as u64
    }

    /// Lets go of all that a thread held which is not there any more.
    pub(super) fn reset(&self) {
        for level in self.levels() {
            level.mark.clear();
            level.clean_up(self.owner(level));
            level.slots().for_each(Slot::clear);
            level.passwd.replace(None);
            level.group.replace(None);
            level.shadow.replace(None);
            level.hosts.replace(None);
        }
        self.canonical.replace(None);
        self.unfiltered_at_ns.set(0);
        self.watches.iter().for_each(Watch::release);
        self.in_module.iter().chain([&self.in_system_check]).for_each(Reentry::clear);
    }
}

/// True if a slot of any thread shows the value at that address.
pub(crate) fn is_shown(address: *const ()) -> bool {
    states().any(|state| state.levels().any(|level| level.slots().any(|slot| slot.shows(address))))
}

/// A call in progress. While it lives, its level is its own.
pub(crate) struct Call {
    state: &'static ThreadState,
    level: &'static Level,
    /// What was in progress before, unless the level is the outermost one.
    outer: *const Level,
    /// Not to be handed to another thread.
    here: PhantomData<*const ()>,
}

impl Call {
    /// Takes a level of the calling thread: `ENOMEM` if its first call finds no memory, `EAGAIN` if
    /// handlers have interrupted each other too often.
    #[inline(always)]
    pub(crate) fn enter() -> Result<Self, Errno> {
        let locals = ThreadLocals::current();
        let here = frame_address();
        // SAFETY: null, or what `register` has put there, which is never freed.
        let state = match unsafe { locals.state.get().as_ref() } {
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
        Ok(Self { state, level, outer, here: PhantomData })
    }

    #[inline(always)]
    fn begin(level: &'static Level, here: usize) {
        level.mark.set(here);
        ThreadLocals::current().level.set(level);
    }

    /// Begins on the first level whose call is not there any more.
    #[cold]
    fn begin_inner(state: &'static ThreadState, here: usize) -> Result<&'static Level, Errno> {
        let mut levels = state.levels();
        let level = levels.find(|level| !level.mark.is_live(here)).ok_or(Errno::EAGAIN)?;
        // Whoever was deeper has been abandoned with it.
        let deeper = levels.filter(|level| level.mark.is_set());
        // Marked first, so that a handler leaves the level alone while it is cleaned.
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

    /// True if no other call of the thread has been interrupted for this one.
    #[inline(always)]
    pub(crate) fn is_outermost(&self) -> bool {
        core::ptr::eq(self.level, &raw const self.state.outermost)
    }

    /// What the call uses.
    #[inline(always)]
    pub(crate) fn level(&self) -> &'static Level {
        self.level
    }

    /// The calling thread's part.
    #[inline(always)]
    pub(crate) fn thread(&self) -> &'static ThreadState {
        self.state
    }

    /// The slot for a snapshot of the source of that number, and the one for an enumeration.
    #[inline(always)]
    pub(crate) fn file_slots(&mut self, source: usize) -> (SlotRef<'_>, SlotRef<'_>) {
        // SAFETY: the level is this call's, which is borrowed for as long as the slots are.
        let walk = unsafe { SlotRef::new(&self.level.walk) };
        (self.snapshot_slot(source), walk)
    }

    /// The slot for a snapshot of the source of that number.
    #[inline(always)]
    pub(crate) fn snapshot_slot(&mut self, source: usize) -> SlotRef<'_> {
        let slot = self.level.snapshots.get(source).unwrap_or(&self.level.walked);
        // SAFETY: the level is this call's, and its slots are handed out one at a time: the call is
        // borrowed for as long as the slot is.
        unsafe { SlotRef::new(slot) }
    }

    /// The slots for an enumeration and its snapshot.
    pub(crate) fn walk_slots(&mut self) -> (SlotRef<'_>, SlotRef<'_>) {
        // SAFETY: the level is this call's, which is borrowed for as long as the slots are.
        let walk = unsafe { SlotRef::new(&self.level.walk) };
        // SAFETY: the level is this call's, which is borrowed for as long as the slots are.
        let walked = unsafe { SlotRef::new(&self.level.walked) };
        (walk, walked)
    }
}

impl Drop for Call {
    #[inline(always)]
    fn drop(&mut self) {
        let mut outer = null();
        if !self.is_outermost() {
            self.level.slots().for_each(Slot::clear);
            outer = self.outer;
        }
        ThreadLocals::current().level.set(outer);
        self.level.mark.clear();
    }
}

/// What is the calling thread's own.
pub(crate) fn locals() -> &'static ThreadLocals {
    ThreadLocals::current()
}

/// The level of the calling thread's present call.
#[inline(always)]
fn present() -> Option<&'static Level> {
    // SAFETY: null, or a level of this thread's part, which is never freed.
    unsafe { ThreadLocals::current().level.get().as_ref() }
}

/// Where a thread that has asked keeps when it was last seen to be in no sandbox: `rt::sandbox`.
pub(crate) fn unfiltered_at_ns() -> Option<&'static Cell<i64>> {
    // SAFETY: null, or a part of this thread's, which is never freed.
    unsafe { ThreadLocals::current().state.get().as_ref() }.map(|state| &state.unfiltered_at_ns)
}

/// The list of what the calling thread's present call has allocated. Outside of one nothing is written
/// down.
pub(crate) fn scratch() -> Option<&'static ScratchList> {
    present().map(|level| &level.scratch)
}

/// Where the present call writes down what it opens.
pub(crate) fn opened() -> Option<&'static [FdCell; 3]> {
    present().map(|level| &level.opened)
}

/// Writes down a lock that the present call takes, or that it has none any more.
pub(crate) fn set_lock(lock: Option<&'static ForkLock>) {
    if let Some(level) = present() {
        level.lock.set(lock);
    }
}

/// Writes down the state of a value that the present call makes or frees, before it is its own, or that
/// there is none any more.
pub(crate) fn set_owned(state: Option<&'static AtomicU64>) {
    if let Some(level) = present() {
        level.owned.set(state);
        compiler_fence(Ordering::SeqCst);
    }
}

/// Writes down a cell that the present call puts memory into, before it does, or that it has done so.
pub(crate) fn set_adopting(cell: Option<&'static AtomicPtr<Header>>) {
    if let Some(level) = present() {
        compiler_fence(Ordering::SeqCst);
        level.adopting.set(cell);
        compiler_fence(Ordering::SeqCst);
    }
}

/// What the present call is called in such a state; never 0.
pub(crate) fn owner() -> u64 {
    // SAFETY: null, or what `register` has put there, which is never freed.
    let state = unsafe { ThreadLocals::current().state.get().as_ref() }.unwrap_or(&FIRST);
    present().map_or(LEVELS as u64, |level| state.owner(level))
}
