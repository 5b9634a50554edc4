//! The part of a thread's state that one call uses, and what a call records there.
#![allow(unsafe_code, reason = "memory that an abandoned call has left")]

use core::cell::Cell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering, compiler_fence};

use super::SOURCES;
use crate::rt::fork_lock::ForkLock;
use crate::rt::mark::Mark;
use crate::rt::memory::{Header, ScratchList};
use crate::rt::published::{self, Slot};
use crate::rt::static_result::StaticResults;
use crate::rt::sys::FdCell;
use crate::rt::thread_locals::ThreadLocals;
use crate::rt::watch::close_abandoned;

/// What a call in progress uses.
pub(crate) struct Level {
    pub(super) mark: Mark,
    /// The snapshot of each source that the level uses. Those of the outermost level stay between calls: they are the
    /// thread's cache.
    pub(super) snapshots: [Slot; SOURCES],
    /// The enumeration that the level uses, and its snapshot.
    pub(super) walk: Slot,
    pub(super) walked: Slot,
    scratch: ScratchList,
    /// The descriptors that the call has open: of a file that is read or will be watched; of a file that is kept for
    /// the time after chroot(2); and of what `rt::sandbox` reads.
    opened: [FdCell; 3],
    /// The lock that the call holds or waits for.
    lock: Cell<Option<&'static ForkLock>>,
    /// The state of a value that is being made or freed: `rt::published`.
    owned: Cell<Option<&'static AtomicU64>>,
    /// A cell that memory is being put into: [`crate::rt::buf_cell::BufCell`].
    adopting: Cell<Option<&'static AtomicPtr<Header>>>,
    /// The array that a module fills, and enlarges by realloc(3).
    pub(crate) module_gids: Cell<*mut libc::gid_t>,
    pub(crate) passwd: StaticResults<libc::passwd>,
    pub(crate) group: StaticResults<libc::group>,
    pub(crate) shadow: StaticResults<libc::spwd>,
    pub(crate) hosts: StaticResults<libc::hostent>,
}

impl Level {
    pub(crate) const fn new() -> Self {
        Self {
            mark: Mark::new(),
            snapshots: [const { Slot::new() }; SOURCES],
            walk: Slot::new(),
            walked: Slot::new(),
            scratch: ScratchList::new(),
            opened: [const { FdCell::new(None) }; 3],
            lock: Cell::new(None),
            owned: Cell::new(None),
            adopting: Cell::new(None),
            module_gids: Cell::new(null_mut()),
            passwd: StaticResults::new(),
            group: StaticResults::new(),
            shadow: StaticResults::new(),
            hosts: StaticResults::new(),
        }
    }

    /// Frees what an abandoned call held, whose id as an owner is given. If this is abandoned too, it is called again,
    /// and each step finds its work done or does it again.
    #[cold]
    pub(super) fn clean_up(&self, owner: u64) {
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

    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.snapshots.iter().chain([&self.walk, &self.walked])
    }
}

/// The level of the calling thread's present call.
#[inline(always)]
pub(super) fn present() -> Option<&'static Level> {
    ThreadLocals::current().level.get()
}

/// The list of what the present call has allocated; `None` outside of a call.
pub(crate) fn scratch() -> Option<&'static ScratchList> {
    present().map(|level| &level.scratch)
}

/// Where the present call records its descriptors.
pub(crate) fn opened() -> Option<&'static [FdCell; 3]> {
    present().map(|level| &level.opened)
}

/// Records the lock that the present call takes, or that it has none any more.
pub(crate) fn set_lock(lock: Option<&'static ForkLock>) {
    if let Some(level) = present() {
        level.lock.set(lock);
    }
}

/// Records the state of a value that the present call makes or frees, before the call owns it; or that there is none
/// any more.
pub(crate) fn set_owned(state: Option<&'static AtomicU64>) {
    if let Some(level) = present() {
        level.owned.set(state);
        compiler_fence(Ordering::SeqCst);
    }
}

/// Records a cell that the present call is about to put memory into, or that this is done.
pub(crate) fn set_adopting(cell: Option<&'static AtomicPtr<Header>>) {
    if let Some(level) = present() {
        compiler_fence(Ordering::SeqCst);
        level.adopting.set(cell);
        compiler_fence(Ordering::SeqCst);
    }
}
