//! A value that threads read while another one replaces it, without a lock and without a count.
//!
//! A reader writes the address into a slot of its own before it uses the value (a hazard pointer: Michael,
//! "Hazard Pointers: Safe Memory Reclamation for Lock-Free Objects", 2004). Who replaces a value retires
//! the old one, and frees what is retired once no slot shows it.
//!
//! Each step is one atomic operation on one word. So a child of fork(2) finds the old value or the new
//! one, whatever the other threads were doing; a signal handler may interrupt any instruction and read
//! or replace the value itself; and it may jump away for ever, and nothing stays taken or counted.
#![allow(unsafe_code, reason = "memory that several threads reach")]

use alloc::boxed::Box;
use core::ptr::{NonNull, null_mut};

use crate::rt::annotate;
use crate::rt::atomic::{AtomicPtr, Ordering, fence};
use crate::rt::errno::Errno;
use crate::rt::memory::try_box;

/// Where a thread shows which value it uses. Zeros are an empty slot.
pub(crate) struct Slot(AtomicPtr<()>);

impl Slot {
    /// An empty slot.
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(null_mut()))
    }

    /// An empty slot.
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self(AtomicPtr::new(null_mut()))
    }

    /// Empties the slot: the thread uses the value no more.
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
        // What this thread has read of the value before is read before it can be freed.
        annotate::releases(self);
        self.0.swap(address, Ordering::SeqCst);
    }
}

/// A slot that nobody but the holder of this value changes.
pub(crate) struct SlotRef<'a>(&'a Slot);

impl<'a> SlotRef<'a> {
    /// # Safety
    ///
    /// For as long as this value lives nothing else sets or clears the slot.
    pub(crate) unsafe fn new(slot: &'a Slot) -> Self {
        Self(slot)
    }

    /// Empties the slot: what it showed is used no more.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// A value with room for its place in the list of retired ones.
pub(crate) struct Node<T> {
    next: AtomicPtr<Node<T>>,
    value: T,
}

/// The newest value, if there is one, and those that were replaced and not freed yet.
pub(crate) struct Published<T> {
    newest: AtomicPtr<Node<T>>,
    retired: AtomicPtr<Node<T>>,
}

// SAFETY: gives `&T` to several threads, and drops a `T` in another thread than the one that made it.
unsafe impl<T: Send + Sync> Sync for Published<T> {}

impl<T> Published<T> {
    /// Nothing yet.
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self { newest: AtomicPtr::new(null_mut()), retired: AtomicPtr::new(null_mut()) }
    }

    /// Nothing yet.
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self { newest: AtomicPtr::new(null_mut()), retired: AtomicPtr::new(null_mut()) }
    }

    /// The newest value. The slot shows it from now on, so it is not freed before the slot changes.
    pub(crate) fn get<'s>(&self, slot: &'s mut SlotRef<'_>) -> Option<&'s T> {
        let mut seen = self.newest.load(Ordering::SeqCst);
        loop {
            slot.0.set(seen.cast());
            // Between the load and the store another thread may have retired it and looked at the
            // slot before; then it is not the newest any more.
            let now = self.newest.load(Ordering::SeqCst);
            if now == seen {
                break;
            }
            seen = now;
        }
        annotate::acquired(seen);
        // SAFETY: it was the newest when the slot showed it already, so whoever retires it sees the
        // slot, which changes only through `slot`.
        NonNull::new(seen).map(|node| unsafe { &(*node.as_ptr()).value })
    }

    /// The value that the slot shows, whether or not it still is the newest.
    ///
    /// # Safety
    ///
    /// The slot has never been shown to another `Published` of another type.
    #[inline(always)]
    pub(crate) unsafe fn shown<'s>(slot: &'s SlotRef<'_>) -> Option<&'s T> {
        let node = slot.0.0.load(Ordering::Relaxed).cast::<Node<T>>();
        // SAFETY: `get` or `publish` has put it there and it is not freed while it stands there; its
        // type is the caller's word.
        NonNull::new(node).map(|node| unsafe { &(*node.as_ptr()).value })
    }

    /// Makes `value` the newest, shows it in the slot, and retires the one before.
    pub(crate) fn publish<'s>(&self, value: T, slot: &'s mut SlotRef<'_>) -> Result<&'s T, Errno> {
        let node = Box::into_raw(try_box(Node { next: AtomicPtr::new(null_mut()), value })?);
        slot.0.set(node.cast());
        annotate::releases(node);
        self.replace(node);
        // SAFETY: just made, and the slot shows it.
        Ok(unsafe { &(*node).value })
    }

    /// As [`Published::publish`] if there is no value yet; else gives the newest, and false.
    pub(crate) fn publish_first<'s>(
        &self,
        value: T,
        slot: &'s mut SlotRef<'_>,
    ) -> Result<(&'s T, bool), Errno> {
        let node = Box::into_raw(try_box(Node { next: AtomicPtr::new(null_mut()), value })?);
        slot.0.set(node.cast());
        annotate::releases(node);
        let before =
            self.newest.compare_exchange(null_mut(), node, Ordering::SeqCst, Ordering::SeqCst);
        if before.is_err() {
            // Another thread was first: its value counts. Nobody has seen this one.
            // SAFETY: made above by `Box::into_raw`, and not published.
            drop(unsafe { Box::from_raw(node) });
            if let Some(first) = self.get(slot) {
                // SAFETY: the slot shows it for as long as `slot` is borrowed. (The borrow checker
                // does not see that the branch without a value does not use it.)
                return Ok((unsafe { &*core::ptr::from_ref(first) }, false));
            }
            return Err(Errno::EAGAIN);
        }
        // SAFETY: just made, and the slot shows it.
        Ok((unsafe { &(*node).value }, true))
    }

    /// Leaves no newest value, and retires the one before. True if there was one.
    pub(crate) fn clear(&self) -> bool {
        // A load is cheaper than a swap for what nobody began.
        !self.newest.load(Ordering::SeqCst).is_null() && self.replace(null_mut())
    }

    /// True if the value, one of these, still is the newest.
    pub(crate) fn is_newest(&self, value: &T) -> bool {
        self.newest.load(Ordering::SeqCst).cast_const().cast() == address_of(value)
    }

    /// True if there is no value.
    pub(crate) fn is_empty(&self) -> bool {
        self.newest.load(Ordering::SeqCst).is_null()
    }

    fn replace(&self, node: *mut Node<T>) -> bool {
        let old = self.newest.swap(node, Ordering::SeqCst);
        if let Some(old) = NonNull::new(old) {
            self.retire(old);
        }
        !old.is_null()
    }

    fn retire(&self, node: NonNull<Node<T>>) {
        let mut first = self.retired.load(Ordering::SeqCst);
        loop {
            // SAFETY: only this call has taken the node out of `newest` or off the list.
            unsafe { node.as_ref() }.next.store(first, Ordering::Relaxed);
            annotate::releases(&raw const self.retired);
            match self.retired.compare_exchange(
                first,
                node.as_ptr(),
                Ordering::SeqCst,
                Ordering::SeqCst,
            ) {
                Ok(_) => return,
                Err(now) => first = now,
            }
        }
    }

    /// Frees what is retired and not in use.
    ///
    /// # Safety
    ///
    /// `is_used` says true of a value's address that any slot shows, and of one that a thread may still
    /// show in its slot by [`show`].
    pub(crate) unsafe fn reclaim(&self, is_used: impl Fn(*const (), &T) -> bool) {
        if self.retired.load(Ordering::Relaxed).is_null() {
            return;
        }
        let mut rest = self.retired.swap(null_mut(), Ordering::SeqCst);
        annotate::acquired(&raw const self.retired);
        fence(Ordering::SeqCst);
        while let Some(node) = NonNull::new(rest) {
            // SAFETY: the whole list was taken, so nobody else frees what is in it.
            rest = unsafe { node.as_ref() }.next.load(Ordering::Relaxed);
            // SAFETY: not freed yet, as was said.
            let value = unsafe { &(*node.as_ptr()).value };
            if is_used(node.as_ptr().cast_const().cast(), value) {
                self.retire(node);
            } else {
                annotate::forget(node.as_ptr());
                // SAFETY: made by `Box::into_raw`; nobody can reach it any more, and no slot shows it.
                drop(unsafe { Box::from_raw(node.as_ptr()) });
            }
        }
    }
}

/// Where a value of a [`Published`] lies, as slots show it.
pub(crate) fn address_of<T>(value: &T) -> *const () {
    let offset = core::mem::offset_of!(Node<T>, value);
    core::ptr::from_ref(value).cast::<u8>().wrapping_sub(offset).cast()
}

/// The value at an address that [`address_of`] gave, shown in the slot from now on.
///
/// # Safety
///
/// The address is of a `T`. It is checked after this call, before the value is used, that the value
/// had not been freed when the slot showed it.
pub(crate) unsafe fn show<'s, T>(slot: &'s mut SlotRef<'_>, address: *const ()) -> &'s T {
    slot.0.set(address.cast_mut());
    // SAFETY: the field of a node, whose type is the caller's word; it is used only once the caller
    // has checked that the node is there.
    unsafe { &(*address.cast::<Node<T>>()).value }
}
