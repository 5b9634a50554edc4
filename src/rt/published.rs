//! A value that threads read while another thread replaces it, without a lock and without reference counts.
//!
//! A reader writes the address into a slot of its own before it uses the value (a hazard pointer: Michael,
//! "Hazard Pointers: Safe Memory Reclamation for Lock-Free Objects", 2004). A value that was replaced is
//! freed once no slot shows its address.
//!
//! Each step is one atomic operation on one word. So a child of fork(2) finds the old value or the new one,
//! whatever the other threads were doing. A signal handler may interrupt any instruction, and read or replace
//! the value itself. If it jumps away for ever, no lock stays locked and no count stays wrong.
#![allow(unsafe_code, reason = "memory that several threads reach")]

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::null_mut;
use core::sync::atomic::AtomicUsize;

use crate::rt::atomic::{AtomicPtr, AtomicU64, Ordering, const_fn};
use crate::rt::buf_cell::TryOnce;
use crate::rt::errno::Errno;
use crate::rt::{annotate, thread};

/// Where a thread shows the address of the value that it uses. Zeros are an empty slot.
pub(crate) struct Slot(AtomicPtr<()>);

impl Slot {
    const_fn! {
        pub(crate) fn new() -> Self {
            Self(AtomicPtr::new(null_mut()))
        }
    }

    /// Empties the slot: the thread no longer uses the value.
    pub(crate) fn clear(&self) {
        self.set(null_mut());
    }

    /// True if the slot shows the value at that address.
    pub(crate) fn shows(&self, address: *const ()) -> bool {
        let shown = self.0.load(Ordering::SeqCst);
        annotate::acquired(self);
        shown.cast_const() == address
    }

    fn set(&self, address: *mut ()) {
        // What this thread has read of the old value, it has read before that can be freed.
        annotate::releases(self);
        self.0.swap(address, Ordering::SeqCst);
    }
}

/// A slot that only the holder of this reference changes.
pub(crate) struct SlotRef<'a>(&'a Slot);

impl<'a> SlotRef<'a> {
    /// # Safety
    ///
    /// For as long as this value lives nothing else sets or clears the slot.
    pub(crate) unsafe fn new(slot: &'a Slot) -> Self {
        Self(slot)
    }

    /// Empties the slot: the value is no longer used.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// What can be published. Its memory is never freed, and used for another value later.
///
/// # Safety
///
/// Zeros are a valid value, and so is one that is partly overwritten by another: it consists of numbers, flags
/// and cells, and the cells of a new one are empty.
pub(crate) unsafe trait Value: 'static {
    /// Empties the cells. If this is abandoned, it is called again.
    ///
    /// # Safety
    ///
    /// Nobody uses the value any more.
    unsafe fn release(&self);
}

/// Memory for a value.
pub(crate) struct Node<T: Value> {
    state: AtomicU64,
    value: UnsafeCell<MaybeUninit<T>>,
    next: TryOnce<Node<T>>,
}

// A state has, from its lowest bit on: one of these three kinds; the owner, if there is one (`thread::owner`); and
// how many values the node has had, so that no state occurs twice.
/// There is no value.
const FREE: u64 = 0;
/// The value is or was the newest, or the call that made it was abandoned.
const DONE: u64 = 1;
/// A call is making or freeing the value.
const OWNED: u64 = 2;
const KIND: u64 = 3;
const COUNT_SHIFT: u32 = 32;

fn owned_by(state: u64, owner: u64) -> u64 {
    state >> COUNT_SHIFT << COUNT_SHIFT | (owner << 2) & (u64::MAX >> COUNT_SHIFT) | OWNED
}

/// Ends the ownership of a call that was abandoned, if the state has that owner.
pub(crate) fn disown(state: &AtomicU64, owner: u64) {
    let seen = state.load(Ordering::SeqCst);
    if seen == owned_by(seen, owner) {
        let count = seen >> COUNT_SHIFT << COUNT_SHIFT;
        state.swap(count | DONE, Ordering::SeqCst);
    }
}

/// The newest value, if there is one, and those that were replaced and not freed yet.
///
/// A call may be abandoned at any instruction. So a value that is being made or freed stays in its node, and the
/// node's state says which call owns it. If that call was abandoned, the thread's next call ends the ownership
/// (`rt::thread`), and the next call that reclaims frees the value.
pub(crate) struct Published<T: Value> {
    newest: AtomicPtr<T>,
    first: Node<T>,
    /// How many nodes the next call that reclaims passes over, because the last one has looked at them. (Any number will
    /// do, so loom need not know of it.)
    passed: AtomicUsize,
}

/// After so many replaced values that are in use a call that reclaims stops, and leaves the rest to the next one.
/// Thousands of idle threads may each show another value, and for each value all their slots are looked at.
const MOST_IN_USE: usize = 16;

// SAFETY: gives `&T` to several threads, and frees what a `T` has in another thread than the one that made it.
unsafe impl<T: Value + Send + Sync> Sync for Published<T> {}
// SAFETY: as for the `Published` that it is a part of.
unsafe impl<T: Value + Send + Sync> Sync for Node<T> {}

impl<T: Value> Node<T> {
    const_fn! {
        fn new() -> Self {
            let value = UnsafeCell::new(MaybeUninit::zeroed());
            Self { state: AtomicU64::new(FREE), value, next: TryOnce::new() }
        }
    }

    fn value(&self) -> *mut T {
        self.value.get().cast()
    }

    /// Makes the calling call the owner of the node, if its state still is `seen`.
    fn own(&'static self, seen: u64) -> bool {
        let mine = owned_by(seen, thread::owner());
        thread::set_owned(Some(&self.state));
        let won = self.state.compare_exchange(seen, mine, Ordering::SeqCst, Ordering::SeqCst);
        if won.is_err() {
            thread::set_owned(None);
        }
        annotate::acquired(self);
        won.is_ok()
    }

    /// Ends the calling call's ownership of the node, with that state.
    fn let_go(&self, state: u64) {
        annotate::releases(self);
        self.state.swap(state, Ordering::SeqCst);
        thread::set_owned(None);
    }

    /// The same for a node with a value.
    fn done(&self) {
        let count = self.state.load(Ordering::Relaxed) >> COUNT_SHIFT << COUNT_SHIFT;
        self.let_go(count | DONE);
    }
}

impl<T: Value> Published<T> {
    const_fn! {
        pub(crate) fn new() -> Self {
            let passed = AtomicUsize::new(0);
            Self { newest: AtomicPtr::new(null_mut()), first: Node::new(), passed }
        }
    }

    /// The newest value. The slot shows its address from now on, so it is not freed before the slot changes.
    pub(crate) fn get<'s>(&self, slot: &'s mut SlotRef<'_>) -> Option<&'s T> {
        let mut seen = self.newest.load(Ordering::SeqCst);
        loop {
            slot.0.set(seen.cast());
            // Between the load and the store another thread may have replaced the value, and looked at the slot
            // before it showed it. Then it is not the newest any more.
            let now = self.newest.load(Ordering::SeqCst);
            if now == seen {
                break;
            }
            seen = now;
        }
        annotate::acquired(seen);
        // SAFETY: it was still the newest after the slot showed it, so whoever frees it looks at the slot later, and
        // the slot changes only through `slot`.
        unsafe { seen.as_ref() }
    }

    /// The value that the slot shows, whether or not it still is the newest.
    ///
    /// # Safety
    ///
    /// The slot shows only values of this type.
    #[inline(always)]
    pub(crate) unsafe fn shown<'s>(slot: &'s SlotRef<'_>) -> Option<&'s T> {
        let value = slot.0.0.load(Ordering::Relaxed).cast::<T>();
        // SAFETY: `get` or `publish` has put the address there, and the value is not freed while the slot shows it;
        // the caller promises the type.
        unsafe { value.as_ref() }
    }

    /// Makes `value` the newest, and shows it in the slot. `fill` fills the cells of the value once it is in its node.
    /// With `only_first` a value that is there already stays the newest; then that one is given, and false.
    pub(crate) fn publish<'s>(
        &'static self,
        value: T,
        fill: impl FnOnce(&'static T),
        only_first: bool,
        slot: &'s mut SlotRef<'_>,
    ) -> Result<(&'s T, bool), Errno> {
        let node = self.free_node()?;
        let new = node.value();
        // SAFETY: the calling call owns the node, so nobody else reads or writes it. The value before was released.
        unsafe { new.write(value) };
        // SAFETY: just written.
        let value = unsafe { &*new };
        fill(value);
        slot.0.set(new.cast());
        annotate::releases(new);
        let is_newest = if only_first {
            let none = null_mut();
            self.newest.compare_exchange(none, new, Ordering::SeqCst, Ordering::SeqCst).is_ok()
        } else {
            self.newest.swap(new, Ordering::SeqCst);
            true
        };
        node.done();
        if is_newest {
            return Ok((value, true));
        }
        // Another thread was first: its value counts.
        self.get(slot).map(|first| (first, false)).ok_or(Errno::EAGAIN)
    }

    /// A node without a value, which the calling call owns from now on.
    fn free_node(&'static self) -> Result<&'static Node<T>, Errno> {
        let mut node = &self.first;
        loop {
            let state = node.state.load(Ordering::SeqCst);
            if state & KIND == FREE && node.own(state) {
                return Ok(node);
            }
            node = node.next.get_or_try_init(|| Ok(Node::new()))?;
        }
    }

    /// Removes the newest value. True if there was one.
    pub(crate) fn clear(&self) -> bool {
        // Mostly there is none, and a load is cheaper than a swap.
        !self.is_empty() && !self.newest.swap(null_mut(), Ordering::SeqCst).is_null()
    }

    /// True if the value is still the newest.
    pub(crate) fn is_newest(&self, value: &T) -> bool {
        core::ptr::eq(self.newest.load(Ordering::SeqCst), value)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.newest.load(Ordering::SeqCst).is_null()
    }

    fn nodes(&'static self) -> impl Iterator<Item = &'static Node<T>> {
        core::iter::successors(Some(&self.first), |node| node.next.get())
    }

    /// True if the node, in that state, has a value that was replaced or was never the newest. If a thread sets
    /// its slot to it from now on, [`Published::get`] notices that.
    fn is_old(&self, node: &Node<T>, state: u64) -> bool {
        state & KIND == DONE && self.newest.load(Ordering::SeqCst) != node.value()
    }

    /// True if there is a value that was replaced, in use or not.
    pub(crate) fn has_old(&'static self) -> bool {
        self.nodes().any(|node| self.is_old(node, node.state.load(Ordering::SeqCst)))
    }

    /// Frees values that were replaced and are not in use: all, if few are in use.
    ///
    /// # Safety
    ///
    /// `is_used` is true for an address that any slot shows, and for one that a thread may still show by [`show`].
    pub(crate) unsafe fn reclaim(&'static self, is_used: impl Fn(*const ()) -> bool) {
        let mut in_use = 0;
        let passed = self.passed.swap(0, Ordering::Relaxed);
        for (at, node) in self.nodes().enumerate().skip(passed) {
            let (state, value) = (node.state.load(Ordering::SeqCst), node.value());
            if !self.is_old(node, state) {
                continue;
            }
            if in_use == MOST_IN_USE {
                self.passed.swap(at, Ordering::Relaxed);
                break;
            }
            if is_used(value.cast_const().cast()) {
                in_use += 1;
            } else if node.own(state) {
                annotate::forget(value);
                // SAFETY: the node's, in which zeros and all that was written since are values.
                let value = unsafe { &*value };
                // SAFETY: the calling call owns the node, and no slot shows the value.
                unsafe { value.release() };
                node.let_go(((state >> COUNT_SHIFT) + 1) << COUNT_SHIFT | FREE);
            }
        }
    }
}

/// The address of a value of a [`Published`], as slots show it.
pub(crate) fn address_of<T>(value: &T) -> *const () {
    core::ptr::from_ref(value).cast()
}

/// The value at an address that [`address_of`] gave, shown in the slot from now on.
///
/// # Safety
///
/// The address is of a value of a `Published<T>`. It is checked after this call, before the value is used,
/// that the value had not been freed when the slot showed it.
pub(crate) unsafe fn show<'s, T: Value>(slot: &'s mut SlotRef<'_>, address: *const ()) -> &'s T {
    slot.0.set(address.cast_mut());
    // SAFETY: a node's memory is never freed; the value is used only once the caller has checked that it is there.
    unsafe { &*address.cast::<T>() }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::collections::HashSet;

    struct Number(#[allow(dead_code, reason = "a value has an address")] u32);

    // SAFETY: a number.
    unsafe impl Value for Number {
        unsafe fn release(&self) {}
    }

    /// Each of a hundred idle threads may use a value of its own.
    #[test]
    fn a_call_looks_at_few_values_in_use_and_the_next_calls_at_the_others() {
        static PUBLISHED: Published<Number> = Published::new();
        let slot = Slot::new();
        // SAFETY: nothing else has the slot.
        let mut slot = unsafe { SlotRef::new(&slot) };
        for number in 0..=100 {
            PUBLISHED.publish(Number(number), |_| (), false, &mut slot).unwrap();
        }
        let seen = RefCell::new(HashSet::new());
        for calls in 1..=7 {
            let before = seen.borrow().len();
            let note = |address| {
                seen.borrow_mut().insert(address);
                true
            };
            // SAFETY: nothing is freed.
            unsafe { PUBLISHED.reclaim(note) };
            let found = seen.borrow().len() - before;
            assert!(found <= 16 && (found == 16 || calls == 7), "call {calls}: {found}");
        }
        assert_eq!(seen.borrow().len(), 100);
        // SAFETY: only the newest is in use.
        unsafe { PUBLISHED.reclaim(|_| false) };
        assert!(!PUBLISHED.has_old());
    }
}
