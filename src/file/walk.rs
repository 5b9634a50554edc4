//! The enumeration of a file: its position, and the snapshot that it keeps from being freed.
//!
//! An enumeration refers to its snapshot by address, and between two calls no slot shows that address. So whoever
//! frees snapshots looks at the present enumeration too.
#![allow(unsafe_code, reason = "addresses of values that a slot shows")]

use core::marker::PhantomData;
use core::ptr::null;

use crate::rt::atomic::{AtomicU32, AtomicU64, Ordering, const_fn};
use crate::rt::errno::Errno;
use crate::rt::published::{Published, SlotRef, Value, show};
use crate::rt::thread;

/// An enumeration of a file: `resolve::cursor`.
pub(crate) struct Walk {
    /// The address of its snapshot; null if there is no file.
    snapshot: *const (),
    /// The position, in one word.
    pub(crate) position: AtomicU64,
    /// How many rows the module has given, and its epoch when its own enumeration began.
    pub(crate) module_rows: AtomicU64,
    pub(crate) module_epoch: AtomicU64,
}

// SAFETY: the snapshot's address is used only while a slot shows it: `Walks::get`.
unsafe impl Send for Walk {}
// SAFETY: the snapshot's address is used only while a slot shows it: `Walks::get`.
unsafe impl Sync for Walk {}

// SAFETY: numbers and an address.
unsafe impl Value for Walk {
    unsafe fn release(&self) {}
}

impl Walk {
    /// Moves on from the position `seen`; false if another thread has moved on from there before.
    pub(crate) fn move_on(&self, seen: u64, to: u64) -> bool {
        self.position.compare_exchange(seen, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

/// The process's enumeration of one file, if one has begun. Its snapshots are of type `T`.
pub(crate) struct Walks<T> {
    walk: Published<Walk>,
    /// How many enumerations have begun.
    begun: AtomicU32,
    of: PhantomData<fn() -> T>,
}

impl<T: Value> Walks<T> {
    const_fn! {
        pub(crate) fn new() -> Self {
            Self { walk: Published::new(), begun: AtomicU32::new(0), of: PhantomData }
        }
    }

    /// Begins an enumeration of the snapshot at `position`. With `anew` it replaces one that has begun; otherwise, if
    /// threads begin at once, the first one counts.
    ///
    /// # Safety
    ///
    /// `snapshot` is the address of a `T`, which a slot of the calling thread shows until this returns.
    pub(crate) unsafe fn begin(
        &'static self,
        snapshot: Option<*const ()>,
        position: u64,
        anew: bool,
        slot: &mut SlotRef<'_>,
    ) -> Result<(), Errno> {
        let walk = Walk {
            snapshot: snapshot.unwrap_or(null()),
            position: AtomicU64::new(position),
            module_rows: AtomicU64::new(0),
            module_epoch: AtomicU64::new(0),
        };
        self.reclaim_walks();
        self.walk.publish(walk, |_| (), !anew, slot)?;
        // This must be after all threads can see the enumeration, and before the slot may show another snapshot:
        // see `reclaim`.
        self.begun.fetch_add(1, Ordering::SeqCst);
        slot.clear();
        Ok(())
    }

    /// Ends the enumeration; true if there was one.
    pub(crate) fn end(&self) -> bool {
        self.walk.clear()
    }

    pub(crate) fn is_begun(&self) -> bool {
        !self.walk.is_empty()
    }

    /// The enumeration, and its snapshot if there is a file. The slots show them as long as they are borrowed.
    pub(crate) fn get<'a>(
        &self,
        mut walk_slot: SlotRef<'a>,
        mut walked_slot: SlotRef<'a>,
    ) -> Option<(&'a Walk, Option<&'a T>)> {
        loop {
            let walk = core::ptr::from_ref(self.walk.get(&mut walk_slot)?);
            // SAFETY: its slot shows it for as long as that is borrowed.
            let walk: &'a Walk = unsafe { &*walk };
            if walk.snapshot.is_null() {
                return Some((walk, None));
            }
            // SAFETY: a snapshot's address. It is used only if, after the slot shows it, the walk is still the present
            // one, so that the snapshot has not been freed.
            let snapshot = unsafe { show::<T>(&mut walked_slot, walk.snapshot) };
            let snapshot = core::ptr::from_ref(snapshot);
            if self.walk.is_newest(walk) {
                // SAFETY: its slot shows it for as long as that is borrowed.
                return Some((walk, Some(unsafe { &*snapshot })));
            }
        }
    }

    fn reclaim_walks(&'static self) {
        // SAFETY: a walk is shown in a slot before it is used.
        unsafe { self.walk.reclaim(thread::is_shown) };
    }

    /// Frees the snapshots and the enumerations that nobody uses any more. This is called before something new is
    /// published and after, because a call may be abandoned before it gets to the second.
    pub(crate) fn reclaim(&'static self, snapshots: &'static Published<T>, slot: &mut SlotRef<'_>) {
        self.reclaim_walks();
        if !snapshots.has_old() {
            return;
        }
        let begun = self.begun.load(Ordering::SeqCst);
        let walked = self.walk.get(slot).map_or(null(), |walk| walk.snapshot);
        // The present enumeration's snapshot is not freed. But another thread may have begun an enumeration since
        // then, and its slot may show the next snapshot already. So if one has begun meanwhile, nothing is freed.
        let has_begun = || self.begun.load(Ordering::SeqCst) != begun;
        // SAFETY: a slot that shows a snapshot is looked at, and so is the enumeration.
        unsafe {
            snapshots
                .reclaim(|address| address == walked || thread::is_shown(address) || has_begun());
        }
        slot.clear();
    }
}
