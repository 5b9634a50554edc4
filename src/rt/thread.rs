//! What each thread of the program keeps, and what of it a call in progress uses.
//!
//! A signal handler may interrupt a call at any instruction, ask in its turn, and jump away for ever. So
//! there are levels: the outermost call of a thread uses the first, a handler's call that interrupts it
//! the second, and so on; each has memory of its own. A level is taken by writing an address in the
//! call's stack frame into it. Stacks grow downwards: the frame of a call that is still there lies above
//! that of one that interrupted it. A mark at or below the present frame is therefore that of a call
//! which was abandoned, and the level is free; what the call held is put back then.
#![allow(unsafe_code, reason = "thread-local memory that a pthread key frees")]

use core::cell::{Cell, UnsafeCell};
use core::ffi::{c_int, c_void};
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::{NonNull, null, null_mut};
use core::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, compiler_fence,
};

use crate::rt::annotate;
use crate::rt::errno::Errno;
use crate::rt::fork_lock::ForkLock;
use crate::rt::memory::{Header, OwnedBuf, ScratchList};
use crate::rt::next::{KEY_CREATE, REGISTER_ATFORK, SET_SPECIFIC};
use crate::rt::published::{self, Slot, SlotRef};
use crate::rt::sandbox;
use crate::rt::sys::{self, FdCell};
use crate::rt::thread_locals::ThreadLocals;
use crate::rt::watch::{Watch, close_abandoned};

/// How many sources have a slot and a watch of their own: `file::source::Kind`.
pub(crate) const SOURCES: usize = 6;
/// How deep calls can lie in each other: signal handlers that interrupt, and modules that ask. A deeper
/// one is told `EAGAIN`.
const LEVELS: usize = 8;

/// An address in the stack frame of a call in progress; 0 where there is none. It is of a thread's own memory,
/// so no reference to it may go to another thread.
pub(crate) struct Mark(AtomicUsize, PhantomData<*const ()>);

impl Mark {
    pub(crate) const fn new() -> Self {
        Self(AtomicUsize::new(0), PhantomData)
    }

    /// True if the call that set the mark is still there: it called or was interrupted by the one
    /// whose frame has the address `here`.
    pub(crate) fn is_live(&self, here: usize) -> bool {
        let mark = self.0.load(Ordering::Relaxed);
        mark != 0 && is_above(mark, here, sys::signal_stack())
    }

    fn set(&self, address: usize) {
        self.0.store(address, Ordering::Relaxed);
        // A handler must see the mark before what the call does under it, and not after.
        compiler_fence(Ordering::SeqCst);
    }
}

/// True if a frame at `mark` is still there for one at `here`. An alternative signal stack may lie
/// above the ordinary one: a handler that runs there has interrupted a frame on the other.
fn is_above(mark: usize, here: usize, signal_stack: Option<(usize, usize)>) -> bool {
    let is_there = |address: usize| {
        signal_stack.is_some_and(|(start, size)| address.wrapping_sub(start) < size)
    };
    match (is_there(mark), is_there(here)) {
        (false, true) => true,
        (true, false) => false,
        _ => mark > here,
    }
}

/// An address in the caller's frame.
#[inline(always)]
pub(crate) fn frame_address() -> usize {
    let here = 0_u8;
    (&raw const here).addr()
}

/// Marks of a function that may ask us in its turn, and must not ask itself for ever. Three calls of it can
/// be in each other, two of them with the same question: the second one may be that of a signal handler, or
/// the mark that of a call which was abandoned, and which seems to be live since the next question comes from
/// deeper in the stack.
pub(crate) struct Reentry([Entry; 3]);

struct Entry {
    mark: Mark,
    question: AtomicU64,
    /// The same question came from within a third time: the function asks itself.
    asks_itself: AtomicBool,
}

impl Entry {
    const fn new() -> Self {
        let (question, asks_itself) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { mark: Mark::new(), question, asks_itself }
    }
}

impl Reentry {
    const fn new() -> Self {
        Self([const { Entry::new() }; 3])
    }

    /// Marks that the caller enters the function with that question; `None` if it may not, since two calls with
    /// the same question are in each other already, or three calls.
    #[inline(always)]
    pub(crate) fn enter(&self, question: u64) -> Option<Entered<'_>> {
        let here = frame_address();
        let is_same = |entry: &Entry| {
            entry.mark.is_live(here) && entry.question.load(Ordering::Relaxed) == question
        };
        let times = self.0.iter().filter(|entry| is_same(entry)).count();
        if times >= 2 {
            let same = self.0.iter().filter(|entry| is_same(entry));
            same.for_each(|entry| entry.asks_itself.store(true, Ordering::Relaxed));
            return None;
        }
        let entry = self.0.iter().find(|entry| !entry.mark.is_live(here))?;
        entry.question.store(question, Ordering::Relaxed);
        entry.asks_itself.store(false, Ordering::Relaxed);
        let _mark = Marked::at(&entry.mark, here);
        Some(Entered { _mark, is_inner: times > 0, asks_itself: &entry.asks_itself })
    }
}

/// A function is in progress while this lives.
pub(crate) struct Entered<'a> {
    _mark: Marked<'a>,
    is_inner: bool,
    asks_itself: &'a AtomicBool,
}

impl Entered<'_> {
    /// True if another call of the function with the same question is in progress.
    pub(crate) fn is_inner(&self) -> bool {
        self.is_inner
    }

    /// True if the function has asked itself meanwhile, and this call is itself the answer to that.
    pub(crate) fn is_asked_by_itself(&self) -> bool {
        self.is_inner && self.asks_itself.load(Ordering::Relaxed)
    }
}

/// Keeps a mark set while it lives.
struct Marked<'a> {
    mark: &'a Mark,
    before: usize,
}

impl<'a> Marked<'a> {
    /// Sets the mark to an address in the caller's frame. Where it is compared before, that must be the very
    /// same address: two in one frame differ, and the mark of a call that was abandoned at the same depth would
    /// seem to be live.
    #[inline(always)]
    fn at(mark: &'a Mark, here: usize) -> Self {
        let before = mark.0.load(Ordering::Relaxed);
        mark.set(here);
        Self { mark, before }
    }
}

impl Drop for Marked<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.mark.set(self.before);
    }
}

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

/// The result of a function without `_r`: it lives until the thread's next call of that family.
pub(crate) struct StaticResult<T> {
    row: UnsafeCell<MaybeUninit<T>>,
    /// An [`OwnedBuf`] as one word: a call that is abandoned leaves the old one or the new one.
    buffer: Cell<*mut Header>,
}

/// The first size of a result's buffer; sysconf(3) suggests the same.
const RESULT_BYTES: usize = 1024;

impl<T> StaticResult<T> {
    pub(crate) const fn new() -> Self {
        Self { row: UnsafeCell::new(MaybeUninit::uninit()), buffer: Cell::new(null_mut()) }
    }

    /// Where the row goes, and the buffer for what it points to.
    pub(crate) fn memory(&self) -> (*mut T, *mut u8, usize) {
        let (buffer, size) = match NonNull::new(self.buffer.get()) {
            // SAFETY: the cell holds what `grow` has put there, and takes it back only there.
            Some(raw) => unsafe { OwnedBuf::<u8>::raw_parts(raw) },
            None => (null_mut(), 0),
        };
        (self.row.get().cast(), buffer, size)
    }

    /// A buffer of twice the size; what the old one held is not kept.
    pub(crate) fn grow(&self) -> Result<(), Errno> {
        let size = (self.memory().2 * 2).max(RESULT_BYTES);
        let new = OwnedBuf::<u8>::zeroed(size)?;
        self.replace(Some(new));
        Ok(())
    }

    fn replace(&self, new: Option<OwnedBuf<u8>>) {
        let new = new.map_or(null_mut(), OwnedBuf::into_raw);
        if let Some(old) = NonNull::new(self.buffer.replace(new)) {
            // SAFETY: from `into_raw` in `grow`, and no longer in the cell.
            drop(unsafe { OwnedBuf::<u8>::from_raw(old) });
        }
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
    /// A cell that memory is being put into: [`crate::rt::memory::BufCell`].
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
        // SAFETY: null or libc's memory, and no longer in the cell.
        unsafe { libc::free(self.module_gids.replace(null_mut()).cast()) };
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
    in_use: AtomicU32,
    /// Which memory its thread was in when it came: see [`memory`].
    memory: AtomicU32,
    /// What tells it from the other threads' parts; never 0.
    number: AtomicU32,
    next: AtomicPtr<ThreadState>,
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
            memory: AtomicU32::new(0),
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
    fn reset(&self) {
        for level in self.levels() {
            level.mark.set(0);
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
        let entered = self.in_module.iter().chain([&self.in_system_check]);
        entered.flat_map(|entered| &entered.0).for_each(|entry| entry.mark.set(0));
    }
}

/// The part of the thread that has loaded the library; it needs no memory and no pthread key.
static FIRST: First = First(ThreadState::new());

/// A part that all threads reach, though `ThreadState` itself is not to be handed to another one.
struct First(ThreadState);

// SAFETY: this file hands a part to its own thread alone, and looks at the atomic fields of the others.
unsafe impl Sync for First {}

impl core::ops::Deref for First {
    type Target = ThreadState;

    fn deref(&self) -> &ThreadState {
        &self.0
    }
}

/// The thread that has loaded the library, by the address of its [`ThreadLocals`].
static LOADER: AtomicUsize = AtomicUsize::new(0);
/// More than one thread has asked, in this process or the one that it was forked from.
static HAS_THREADS: AtomicBool = AtomicBool::new(false);

/// True if more than one thread has asked.
pub(crate) fn has_threads() -> bool {
    HAS_THREADS.load(Ordering::SeqCst)
}

/// Remembers which thread loads the library.
#[inline(always)]
pub(crate) fn at_load() {
    LOADER.store(core::ptr::from_ref(ThreadLocals::current()).addr(), Ordering::Relaxed);
}

/// All parts, whether a thread has them or not. They are never freed.
fn states() -> impl Iterator<Item = &'static ThreadState> {
    let mut next = &raw const FIRST.0;
    core::iter::from_fn(move || {
        // SAFETY: null, `FIRST`, or one that `register` has leaked.
        let state = unsafe { next.as_ref() }?;
        next = state.next.load(Ordering::Acquire);
        annotate::acquired(next);
        Some(state)
    })
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
        if level.mark.0.load(Ordering::Relaxed) == 0 {
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
        let deeper = levels.filter(|level| level.mark.0.load(Ordering::Relaxed) != 0);
        // Marked first, so that a handler leaves the level alone while it is cleaned.
        let was_marked = level.mark.0.load(Ordering::Relaxed) != 0;
        Self::begin(level, here);
        if was_marked {
            level.clean_up(state.owner(level));
        }
        for level in deeper {
            level.clean_up(state.owner(level));
            level.slots().for_each(Slot::clear);
            level.mark.set(0);
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
        self.level.mark.set(0);
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

/// Gives the calling thread a part.
#[cold]
fn register() -> Result<&'static ThreadState, Errno> {
    let locals = ThreadLocals::current();
    let is_loader = LOADER.load(Ordering::Relaxed) == core::ptr::from_ref(locals).addr();
    if is_loader {
        // Another thread at the same address has ended.
        if FIRST.in_use.swap(1, Ordering::Relaxed) != 0 {
            FIRST.reset();
        }
        locals.state.set(&raw const FIRST.0);
        return Ok(&FIRST);
    }
    HAS_THREADS.swap(true, Ordering::SeqCst);
    let memory = memory();
    let free = states().skip(1).find(|state| {
        state.in_use.compare_exchange(0, 1, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    });
    let state = match free {
        Some(state) => {
            annotate::acquired(&raw const state.in_use);
            state
        }
        None => new_state()?,
    };
    state.memory.swap(memory, Ordering::SeqCst);
    locals.state.set(state);
    if let (Some(key), Some(set_specific)) = (key(), SET_SPECIFIC.get()) {
        // SAFETY: the key exists for the life of the process. If libc has no room for the value, the
        // part stays in use after the thread's end.
        unsafe { set_specific(key, core::ptr::from_ref(state).cast()) };
    }
    Ok(state)
}

/// A part that is in use, at the end of the list.
fn new_state() -> Result<&'static ThreadState, Errno> {
    // The numbers count on in a child of fork.
    static LAST: AtomicU32 = AtomicU32::new(1);
    let state = crate::rt::memory::try_box(ThreadState::new())?;
    state.in_use.store(1, Ordering::Relaxed);
    state
        .number
        .store(LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1).max(1), Ordering::Relaxed);
    let state: &'static ThreadState = alloc::boxed::Box::leak(state);
    annotate::releases(core::ptr::from_ref(state));
    let mut last: &ThreadState = &FIRST;
    loop {
        let end = last.next.compare_exchange(
            null_mut(),
            core::ptr::from_ref(state).cast_mut(),
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        match end {
            Ok(_) => return Ok(state),
            Err(next) => {
                annotate::acquired(next);
                // SAFETY: not null, so a part that was leaked here.
                last = unsafe { &*next };
            }
        }
    }
}

/// The destructor of the pthread key: what the thread held is let go, and its part can be another's.
///
/// # Safety
///
/// `state` is what [`register`] gave the key, in the calling thread.
unsafe extern "C" fn at_thread_exit(state: *mut c_void) {
    ThreadLocals::current().state.set(null());
    // SAFETY: a part is never freed.
    let state = unsafe { &*state.cast::<ThreadState>() };
    state.reset();
    annotate::releases(&raw const state.in_use);
    state.in_use.swap(0, Ordering::SeqCst);
}

/// The pthread key whose destructor lets a thread's part go; made once, and never deleted.
fn key() -> Option<libc::pthread_key_t> {
    /// The key plus one.
    static KEY: AtomicU64 = AtomicU64::new(0);
    let known = KEY.load(Ordering::Relaxed);
    if known != 0 {
        return libc::pthread_key_t::try_from(known - 1).ok();
    }
    let mut key: libc::pthread_key_t = 0;
    let create = KEY_CREATE.get()?;
    // SAFETY: writes the key; the destructor takes what `register` stores.
    let failed: c_int = unsafe { create(&raw mut key, Some(at_thread_exit)) };
    if failed != 0 {
        return None;
    }
    // Two threads may get here at once: the later key is not used, and stays empty.
    match KEY.compare_exchange(0, u64::from(key) + 1, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => Some(key),
        Err(first) => libc::pthread_key_t::try_from(first - 1).ok(),
    }
}

/// A number that differs from that of every ancestor whose memory was copied by fork(2). A child of
/// vfork(2), or of clone(2) with `CLONE_VM`, has another process id, but shares the memory and its
/// locks, and this number. 0 as long as one thread alone has asked: then there is nobody to tell apart.
fn memory() -> u32 {
    /// The word that the kernel makes zero in a child which has a copy; [`NOT_WIPED`] where it cannot.
    static WIPED: AtomicPtr<AtomicU32> = AtomicPtr::new(null_mut());
    /// In its place where the kernel cannot (before 4.14).
    static NOT_WIPED: AtomicU32 = AtomicU32::new(0);
    /// In its place in a sandbox, where not even the process id may be asked for: how often fork(3) was called
    /// on the way here, plus one.
    static COUNTED: AtomicU32 = AtomicU32::new(1);
    extern "C" fn count_fork() {
        COUNTED.fetch_add(1, Ordering::Relaxed);
    }
    /// True if fork(3) counts from now on.
    fn count_forks() -> bool {
        REGISTER_ATFORK.get().is_some_and(|register| {
            // SAFETY: the handler touches one word; null stands for a library that stays loaded.
            unsafe { register(None, None, Some(count_fork), null()) == 0 }
        })
    }
    /// Copied by fork like any other memory, so that a child counts on.
    static LAST: AtomicU32 = AtomicU32::new(0);
    let choose = || {
        let wiped = if sandbox::may_kill() { Err(Errno::EPERM) } else { sys::word_wiped_on_fork() };
        match wiped {
            Ok(word) => word,
            Err(error) if error != Errno::EINVAL && count_forks() => &COUNTED,
            Err(_) => &NOT_WIPED,
        }
    };
    if !HAS_THREADS.load(Ordering::SeqCst) {
        return 0;
    }
    let known = WIPED.load(Ordering::Acquire);
    annotate::acquired(&raw const WIPED);
    // SAFETY: null, or a word that is never unmapped.
    let word = unsafe { known.as_ref() }.unwrap_or_else(|| {
        let word = choose();
        let new = core::ptr::from_ref(word).cast_mut();
        annotate::releases(&raw const WIPED);
        match WIPED.compare_exchange(null_mut(), new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => word,
            // Another thread was first. The page is not given back: that happens once at most.
            Err(first) => {
                annotate::acquired(&raw const WIPED);
                // SAFETY: not null, so a word that is never unmapped.
                unsafe { &*first }
            }
        }
    });
    if core::ptr::eq(word, &raw const NOT_WIPED) {
        // The process id stands for the memory: right but for vfork.
        return sys::pid();
    }
    let number = word.load(Ordering::Relaxed);
    if number != 0 {
        return number;
    }
    let next = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1).max(1);
    match word.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => next,
        Err(other) => other,
    }
}

/// What the calling thread is called in a lock: its memory and its number in that.
pub(crate) fn name() -> u64 {
    // SAFETY: null, or a part, which is never freed. Who takes a lock is in a call, and so has one.
    let state = unsafe { ThreadLocals::current().state.get().as_ref() }.unwrap_or(&FIRST);
    let memory = memory();
    let before = state.memory.load(Ordering::Relaxed);
    if before != memory {
        // This thread has come through fork (or was alone until now), and no other has that had a
        // part before: what theirs hold can go. Their watch descriptors are copies.
        for other in states().filter(|other| !core::ptr::eq(*other, state)) {
            let is_lost = other.memory.load(Ordering::SeqCst) == before && before != 0;
            if is_lost && other.in_use.load(Ordering::SeqCst) == 1 {
                other.reset();
                annotate::releases(&raw const other.in_use);
                other.in_use.swap(0, Ordering::SeqCst);
            }
        }
        state.memory.swap(memory, Ordering::SeqCst);
    }
    u64::from(memory) << 32 | u64::from(state.number.load(Ordering::Relaxed))
}

/// False if the thread that had that [`name`] has ended, or was left behind by fork(2).
pub(crate) fn is_alive(name: u64) -> bool {
    let (its_memory, number) = ((name >> 32) as u32, (name & 0xffff_ffff) as u32);
    let is_here = |state: &ThreadState| {
        state.number.load(Ordering::Relaxed) == number && state.in_use.load(Ordering::SeqCst) == 1
    };
    // A name without a memory is that of a thread which was alone when it took the lock.
    (its_memory == 0 || its_memory == memory()) && states().any(is_here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn enter_and_be_abandoned(reentry: &Reentry) -> bool {
        reentry.enter(1).map(core::mem::forget).is_some()
    }

    #[test]
    fn calls_that_were_abandoned_at_one_depth_are_no_calls_in_each_other() {
        let reentry = Reentry::new();
        assert!((0..5).all(|_| enter_and_be_abandoned(&reentry)));
        let outer = reentry.enter(1);
        assert!(outer.is_some() && reentry.enter(2).is_some());
    }

    #[test]
    fn a_frame_is_there_if_it_lies_above_or_on_the_other_stack() {
        let stack = Some((5000, 1000));
        for (mark, here, want) in [
            (900, 800, true),
            (800, 900, false),
            (800, 800, false),
            (900, 5900, true),
            (5900, 900, false),
            (5900, 5800, true),
            (5800, 5900, false),
            (6000, 5900, true),
        ] {
            assert_eq!(is_above(mark, here, stack), want, "{mark} {here}");
        }
        assert!(!is_above(900, 5900, None));
    }
}
