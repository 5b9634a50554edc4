//! Cells of one word for memory that outlives the call that made it.
//!
//! A call may be abandoned at any instruction. While memory is both in a cell and in the list of what the call
//! has allocated, the call's level names the cell, so that the thread's next call can take the memory off the list.
#![allow(unsafe_code, reason = "memory that several threads reach")]

use core::marker::PhantomData;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::rt::errno::Errno;
use crate::rt::memory::{Header, ScratchBuf, Zero, elements, free, off_list};
use crate::rt::{annotate, thread};

/// A cell that is filled once, and again after [`BufCell::release`] has emptied it. All zeros are an empty one.
pub(crate) struct BufCell<T> {
    header: AtomicPtr<Header>,
    elements: PhantomData<T>,
}

impl<T: Zero> BufCell<T> {
    pub(crate) const fn new() -> Self {
        Self { header: AtomicPtr::new(null_mut()), elements: PhantomData }
    }

    /// What the cell holds.
    #[inline(always)]
    pub(crate) fn get(&self) -> Option<&[T]> {
        let header = NonNull::new(self.header.load(Ordering::Acquire))?;
        annotate::acquired(self);
        // SAFETY: put there by `adopt`; the caller of `release` promises that nobody uses it any more.
        let (first, count) = unsafe { elements(header) };
        // SAFETY: `count` elements that were zeroed, and are not written to any more.
        Some(unsafe { core::slice::from_raw_parts(first, count) })
    }

    /// Puts the memory into the cell, or gives it back if the cell is full: of threads that come here at once the
    /// first one fills it. A call that is abandoned here has either done it or not.
    pub(crate) fn adopt(&'static self, buf: ScratchBuf<T>) -> Option<ScratchBuf<T>> {
        let header = buf.header()?;
        annotate::releases(self);
        thread::set_adopting(Some(&self.header));
        let (none, new) = (null_mut(), header.as_ptr());
        let won = self.header.compare_exchange(none, new, Ordering::AcqRel, Ordering::Relaxed);
        let full = match won {
            Ok(_) => {
                core::mem::forget(buf);
                off_list(header);
                None
            }
            Err(_) => Some(buf),
        };
        thread::set_adopting(None);
        full
    }

    /// Empties the cell, and frees what it held. A call that is abandoned here has either done it or not.
    ///
    /// # Safety
    ///
    /// Nobody uses what the cell holds, and the cell's own memory is never freed.
    #[inline(never)]
    pub(crate) unsafe fn release(&self) {
        annotate::forget(self);
        let place = &raw const self.header;
        // SAFETY: the caller promises that the cell is never freed.
        let place: &'static AtomicPtr<Header> = unsafe { &*place };
        let Some(header) = NonNull::new(place.load(Ordering::Relaxed)) else { return };
        let list = thread::scratch();
        thread::set_adopting(Some(place));
        if let Some(list) = list {
            list.push(header);
        }
        place.store(null_mut(), Ordering::Relaxed);
        thread::set_adopting(None);
        // SAFETY: it was in the cell, and so nobody else's; the caller promises that nobody uses it.
        unsafe { free(header) };
    }
}

/// A value that is made when it is first needed, and never freed. If making it fails, the next call tries again.
pub(crate) struct TryOnce<T> {
    memory: BufCell<u8>,
    value: PhantomData<T>,
}

impl<T: 'static> TryOnce<T> {
    pub(crate) const fn new() -> Self {
        Self { memory: BufCell::new(), value: PhantomData }
    }

    /// The value, if it is made.
    #[inline(always)]
    pub(crate) fn get(&'static self) -> Option<&'static T> {
        let header = NonNull::new(self.memory.header.load(Ordering::Acquire))?;
        annotate::acquired(&raw const self.memory);
        // SAFETY: put there by `init`, and never freed.
        let (value, _) = unsafe { elements::<T>(header) };
        // SAFETY: `init` has written the value there, which is never freed.
        unsafe { value.as_ref() }
    }

    /// The value, made now if need be. Threads that come here at once each make one, and the first is taken.
    #[inline]
    pub(crate) fn get_or_try_init(
        &'static self,
        make: impl FnOnce() -> Result<T, Errno>,
    ) -> Result<&'static T, Errno> {
        match self.get() {
            Some(value) => Ok(value),
            None => self.init(make),
        }
    }

    #[cold]
    fn init(&'static self, make: impl FnOnce() -> Result<T, Errno>) -> Result<&'static T, Errno> {
        const { assert!(align_of::<T>() <= align_of::<Header>()) };
        let value = make()?;
        let mut memory = ScratchBuf::<u8>::zeroed(size_of::<T>())?;
        // SAFETY: fresh memory of T's size; what stands behind a header is aligned as that is.
        unsafe { memory.as_mut_ptr().cast::<T>().write(value) };
        if let Some(mut memory) = self.memory.adopt(memory) {
            // SAFETY: the value that was written above, which nobody else has.
            unsafe { memory.as_mut_ptr().cast::<T>().drop_in_place() };
        }
        self.get().ok_or(Errno::EAGAIN)
    }
}
