//! The list of thread states: which threads there are, their ids in a lock, and when a state is free again.
#![allow(unsafe_code, reason = "thread states, which a pthread key's destructor frees")]

use core::ffi::c_void;
use core::ptr::{null, null_mut};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::rt::annotate;
use crate::rt::errno::Errno;
use crate::rt::next::{KEY_CREATE, REGISTER_ATFORK, SET_SPECIFIC};
use crate::rt::sandbox;
use crate::rt::sys;
use crate::rt::thread::{self, ThreadState};
use crate::rt::thread_locals::ThreadLocals;

static FIRST: First = First(ThreadState::new());

/// A state that all threads can reach, though a `ThreadState` must not be handed to another thread.
struct First(ThreadState);

// SAFETY: this file hands a state to its own thread alone, and reads only the atomic fields of the others.
unsafe impl Sync for First {}

/// The state of the thread that loaded the library; it needs no allocation and no pthread key.
#[inline(always)]
pub(super) fn first() -> &'static ThreadState {
    &FIRST.0
}

/// The thread that loaded the library, by the address of its [`ThreadLocals`].
static LOADER: AtomicUsize = AtomicUsize::new(0);
/// More than one thread has called the library, in this process or in one that it was forked from.
static HAS_THREADS: AtomicBool = AtomicBool::new(false);

/// True if more than one thread has called the library.
pub(crate) fn has_threads() -> bool {
    HAS_THREADS.load(Ordering::SeqCst)
}

/// Remembers which thread loads the library.
#[inline(always)]
pub(crate) fn at_load() {
    LOADER.store(core::ptr::from_ref(ThreadLocals::current()).addr(), Ordering::Relaxed);
}

/// All states, in use or not. They are never freed.
pub(super) fn states() -> impl Iterator<Item = &'static ThreadState> {
    states_from(Some(first()))
}

/// The same from one on.
fn states_from(first: Option<&'static ThreadState>) -> impl Iterator<Item = &'static ThreadState> {
    core::iter::successors(first, |state| {
        let next = state.next.load(Ordering::Acquire);
        annotate::acquired(next);
        // SAFETY: null, or one that `new_state` has leaked.
        unsafe { next.as_ref() }
    })
}

/// Gives the calling thread a state.
#[cold]
pub(super) fn register() -> Result<&'static ThreadState, Errno> {
    let locals = ThreadLocals::current();
    let is_loader = LOADER.load(Ordering::Relaxed) == core::ptr::from_ref(locals).addr();
    if is_loader {
        // If the state is in use, it was that of a thread that has ended and had its words at the same address.
        if first().in_use.swap(1, Ordering::Relaxed) != 0 {
            first().reset();
        }
        locals.state.set(Some(first()));
        return Ok(first());
    }
    register_another(locals)
}

/// The same for a thread that has not loaded the library.
#[inline(never)]
fn register_another(locals: &ThreadLocals) -> Result<&'static ThreadState, Errno> {
    HAS_THREADS.swap(true, Ordering::SeqCst);
    let space = address_space();
    let state = match free_state() {
        Some(state) => {
            annotate::acquired(&raw const state.in_use);
            state
        }
        None => new_state()?,
    };
    state.address_space.swap(space, Ordering::SeqCst);
    locals.state.set(Some(state));
    static KEY: AtomicU64 = AtomicU64::new(0);
    if let (Some(key), Some(set_specific)) = (key(&KEY, at_thread_exit), SET_SPECIFIC.get()) {
        // SAFETY: the key exists for the life of the process. If libc has no memory for the value, the state stays in
        // use after the thread's end.
        unsafe { set_specific(key, core::ptr::from_ref(state).cast()) };
    }
    Ok(state)
}

/// A state that was free, in use now. Only a part of a long list is searched, the next part by the next thread: where
/// thousands of threads live, hardly any state is free.
fn free_state() -> Option<&'static ThreadState> {
    const MOST_SEARCHED: usize = 64;
    /// Where the last search ended; null for the beginning.
    static SEARCHED: AtomicPtr<ThreadState> = AtomicPtr::new(null_mut());
    // SAFETY: null, or a state, which is never freed.
    let before = unsafe { SEARCHED.load(Ordering::Acquire).as_ref() };
    annotate::acquired(&raw const SEARCHED);
    let mut last = None;
    let part = states_from(before).chain(states().skip(1)).take(MOST_SEARCHED);
    let free = part.inspect(|state| last = Some(*state)).find(|state| {
        state.in_use.load(Ordering::Relaxed) == 0
            && state.in_use.compare_exchange(0, 1, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    });
    let last = last.map_or(null_mut(), |last| core::ptr::from_ref(last).cast_mut());
    annotate::releases(&raw const SEARCHED);
    SEARCHED.swap(last, Ordering::Release);
    free
}

/// A new state, in use, behind the first one in the list.
fn new_state() -> Result<&'static ThreadState, Errno> {
    // A child of fork goes on from the same number.
    static LAST: AtomicU32 = AtomicU32::new(1);
    let state = crate::rt::memory::try_box(ThreadState::new())?;
    state.in_use.store(1, Ordering::Relaxed);
    let number = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1).max(1);
    state.number.store(number, Ordering::Relaxed);
    let state: &'static ThreadState = alloc::boxed::Box::leak(state);
    let new = core::ptr::from_ref(state).cast_mut();
    let mut next = first().next.load(Ordering::Acquire);
    loop {
        annotate::acquired(next);
        state.next.store(next, Ordering::Relaxed);
        annotate::releases(new);
        match first().next.compare_exchange(next, new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return Ok(state),
            Err(other) => next = other,
        }
    }
}

/// The destructor of the pthread key: frees what the thread held, so that another thread can have its state.
///
/// # Safety
///
/// `state` is what [`register`] gave the key, in the calling thread.
unsafe extern "C" fn at_thread_exit(state: *mut c_void) {
    let locals = ThreadLocals::current();
    locals.state.set(None);
    // An abandoned call has left its level here, which may belong to another thread from now on.
    locals.level.set(None);
    // SAFETY: a state is never freed.
    let state = unsafe { &*state.cast::<ThreadState>() };
    state.reset();
    annotate::releases(&raw const state.in_use);
    state.in_use.swap(0, Ordering::SeqCst);
}

/// A pthread key, made once, and never deleted. `cell` holds the key plus one.
pub(super) fn key(
    cell: &AtomicU64,
    destructor: unsafe extern "C" fn(*mut c_void),
) -> Option<libc::pthread_key_t> {
    let known = cell.load(Ordering::Relaxed);
    if known != 0 {
        return libc::pthread_key_t::try_from(known - 1).ok();
    }
    let mut key: libc::pthread_key_t = 0;
    let create = KEY_CREATE.get()?;
    // SAFETY: writes the key; the destructor takes what the caller of this function stores.
    if unsafe { create(&raw mut key, Some(destructor)) } != 0 {
        return None;
    }
    // Two threads may get here at once: the later one's key is never used.
    match cell.compare_exchange(0, u64::from(key) + 1, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => Some(key),
        Err(first) => libc::pthread_key_t::try_from(first - 1).ok(),
    }
}

/// The number of this address space, which differs from that of every ancestor whose memory fork(2) copied. A
/// child of vfork(2), or of clone(2) with `CLONE_VM`, has another process id, but shares the memory with its locks,
/// and this number. 0 as long as only one thread has called the library: then nobody needs it.
fn address_space() -> u32 {
    /// The word that holds the number: one that the kernel makes zero in a child with a copy, or one of the next two.
    static WIPED: AtomicPtr<AtomicU32> = AtomicPtr::new(null_mut());
    /// The word if the kernel cannot do that (before 4.14).
    static NOT_WIPED: AtomicU32 = AtomicU32::new(0);
    /// The word in a sandbox, where even getpid(2) may be fatal: how many forks led to this process, plus one.
    static COUNTED: AtomicU32 = AtomicU32::new(1);
    extern "C" fn count_fork() {
        COUNTED.fetch_add(1, Ordering::Relaxed);
    }
    /// Copied by fork like any other memory, so that a child counts on.
    static LAST: AtomicU32 = AtomicU32::new(0);
    if !has_threads() {
        return 0;
    }
    let known = WIPED.load(Ordering::Acquire);
    annotate::acquired(&raw const WIPED);
    // SAFETY: null, or a word that is never unmapped.
    let word = unsafe { known.as_ref() }.unwrap_or_else(|| {
        let wiped = if sandbox::may_kill() { Err(Errno::EPERM) } else { sys::word_wiped_on_fork() };
        let count_forks = || {
            // SAFETY: the handler touches one word; null stands for a library that stays loaded.
            REGISTER_ATFORK.get().is_some_and(|register| unsafe {
                register(None, None, Some(count_fork), null()) == 0
            })
        };
        let word = match wiped {
            Ok(word) => word,
            Err(error) if error != Errno::EINVAL && count_forks() => &COUNTED,
            Err(_) => &NOT_WIPED,
        };
        let new = core::ptr::from_ref(word).cast_mut();
        annotate::releases(&raw const WIPED);
        match WIPED.compare_exchange(null_mut(), new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => word,
            // Another thread was first. The page is not unmapped; that happens once at most.
            Err(first) => {
                annotate::acquired(&raw const WIPED);
                // SAFETY: not null, so a word that is never unmapped.
                unsafe { &*first }
            }
        }
    });
    if core::ptr::eq(word, &raw const NOT_WIPED) {
        // The process id stands for the address space, which is wrong only in a child of vfork.
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

/// The calling thread's id in a lock: its address space, and its number there.
pub(crate) fn owner_id() -> u64 {
    // A thread that takes a lock is in a call, and so has a state.
    let state = thread::state().unwrap_or(first());
    let space = address_space();
    let before = state.address_space.load(Ordering::Relaxed);
    if before != space {
        // This thread has come through a fork (or was alone until now). The other threads of that time have not, so
        // what they held is freed here, with this process's copies of their watch descriptors.
        for other in states().filter(|other| !core::ptr::eq(*other, state)) {
            let is_lost = other.address_space.load(Ordering::SeqCst) == before && before != 0;
            if is_lost && other.in_use.load(Ordering::SeqCst) == 1 {
                other.reset();
                annotate::releases(&raw const other.in_use);
                other.in_use.swap(0, Ordering::SeqCst);
            }
        }
        state.address_space.swap(space, Ordering::SeqCst);
    }
    u64::from(space) << 32 | u64::from(state.number.load(Ordering::Relaxed))
}

/// False if the thread that had that [`owner_id`] has ended, or was left behind by fork(2).
pub(crate) fn is_alive(id: u64) -> bool {
    let (its_space, number) = ((id >> 32) as u32, (id & 0xffff_ffff) as u32);
    let is_here = |state: &ThreadState| {
        state.number.load(Ordering::Relaxed) == number && state.in_use.load(Ordering::SeqCst) == 1
    };
    // 0 is the address space of a thread that was alone when it took the lock.
    (its_space == 0 || its_space == address_space()) && states().any(is_here)
}
