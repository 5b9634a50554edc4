//! The enumeration of a file: where it stands, and the snapshot that it pins.
//!
//! An enumeration refers to its snapshot by address, and no slot shows that address between two calls. So
//! whoever frees snapshots asks for the present enumeration, too.
#![allow(unsafe_code, reason = "addresses of values that a slot shows")]

use core::marker::PhantomData;
use core::ptr::null;

use crate::rt::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::rt::errno::Errno;
use crate::rt::published::{Published, SlotRef, Value, show};
use crate::rt::thread;

/// Where an enumeration of a file stands: `resolve::cursor`.
pub(crate) struct Walk {
    /// The snapshot that is walked, by its address; null if there is no file.
    snapshot: *const (),
    /// What comes next, in one word.
    pub(crate) position: AtomicU64,
    /// How many rows the module has given, and its epoch when its own enumeration was begun.
    pub(crate) module_rows: AtomicU64,
    pub(crate) module_epoch: AtomicU64,
}

// SAFETY: the snapshot's address is not followed without a slot that shows it: `Walks::get`.
unsafe impl Send for Walk {}
// SAFETY: the snapshot's address is not followed without a slot that shows it: `Walks::get`.
unsafe impl Sync for Walk {}

// SAFETY: numbers and an address.
unsafe impl Value for Walk {
    unsafe fn release(&self) {}
}

impl Walk {
    /// Moves on from the position that was seen; false if another thread has moved on from there before.
    pub(crate) fn move_on(&self, seen: u64, to: u64) -> bool {
        self.position.compare_exchange(seen, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

/// The process's enumeration of one file, if it is begun, whose snapshots are `T`.
pub(crate) struct Walks<T> {
    walk: Published<Walk>,
    /// How many have begun.
    begun: AtomicU32,
    of: PhantomData<fn() -> T>,
}

impl<T: Value> Walks<T> {
    /// None is begun.
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self { walk: Published::new(), begun: AtomicU32::new(0), of: PhantomData }
    }

    /// None is begun.
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self { walk: Published::new(), begun: AtomicU32::new(0), of: PhantomData }
    }

    /// Begins an enumeration of the snapshot at `position`. With `anew` it takes the place of one that has
    /// begun; else, as between threads that begin at once, the first counts.
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
        if anew {
            self.walk.publish(walk, |_| (), slot)?;
        } else {
            self.walk.publish_first(walk, |_| (), slot)?;
        }
        // After the enumeration is there for all, and before the slot may show another snapshot: see
        // `reclaim`.
        self.begun.fetch_add(1, Ordering::SeqCst);
        slot.clear();
        Ok(())
    }

    /// Leaves none begun; true if one was.
    pub(crate) fn end(&self) -> bool {
        self.walk.clear()
    }

    /// True if one is begun.
    pub(crate) fn is_begun(&self) -> bool {
        !self.walk.is_empty()
    }

    /// The one that is begun, and the snapshot that it walks, if there is a file. The slots show them for
    /// as long as they are borrowed.
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
            // SAFETY: a snapshot's address; it is used only if the walk still is the present one, which
            // pins it, after the slot shows it.
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

    /// Frees the snapshots and the enumerations that nobody uses any more. Calls may be abandoned before
    /// they come to this, again and again: so it is done before something new is published, too.
    pub(crate) fn reclaim(&'static self, snapshots: &'static Published<T>, slot: &mut SlotRef<'_>) {
        self.reclaim_walks();
        if !snapshots.has_old() {
            return;
        }
        let begun = self.begun.load(Ordering::SeqCst);
        let walked = self.walk.get(slot).map_or(null(), |walk| walk.snapshot);
        // An enumeration that was there pins its snapshot. One that another thread has begun since then
        // was not seen, and that thread's slot may have been looked at when it showed the next snapshot
        // already: so if one has begun meanwhile, nothing is freed.
        let has_begun = || self.begun.load(Ordering::SeqCst) != begun;
        // SAFETY: a slot that shows a snapshot is looked at, and so is the enumeration.
        unsafe {
            snapshots
                .reclaim(|address| address == walked || thread::is_shown(address) || has_begun());
        }
        slot.clear();
    }
}
