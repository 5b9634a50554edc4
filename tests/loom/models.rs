//! What stands below the library's files in a model: atomics, memory, sleep, slots.

use core::cell::{Cell, RefCell};
use core::sync::atomic::{AtomicUsize, Ordering};
use std::alloc::{GlobalAlloc, Layout, System};

/// Tries all orders, or those with at most `preemptions` switches between threads that could have gone on
/// where all would take days. What a model has made in the library's memory must be freed at its end.
pub(crate) fn check(preemptions: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_branches = 100_000;
    let runs = std::sync::Arc::new(AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&runs);
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        memory::release_quarantine();
        model();
        assert_eq!(memory::living(), 0, "values that are not freed");
    });
    println!("{} orders", runs.load(Ordering::Relaxed));
}

/// loom's atomics with `SeqCst` as strong as it is: loom takes it for `AcqRel`, except in fences.
pub(crate) mod atomic {
    pub(crate) use loom::sync::atomic::{Ordering, fence};

    fn ordered<R>(order: Ordering, operation: impl FnOnce() -> R) -> R {
        let is_total = order == Ordering::SeqCst;
        if is_total {
            fence(order);
        }
        let result = operation();
        if is_total {
            fence(order);
        }
        result
    }

    macro_rules! atomics {
        ($($name:ident $(<$t:ident>)?: $value:ty),* $(,)?) => {$(
            #[derive(Debug)]
            pub(crate) struct $name $(<$t>)? (loom::sync::atomic::$name $(<$t>)?);

            impl $(<$t>)? $name $(<$t>)? {
                pub(crate) fn new(value: $value) -> Self {
                    Self(loom::sync::atomic::$name::new(value))
                }

                pub(crate) fn load(&self, order: Ordering) -> $value {
                    ordered(order, || self.0.load(order))
                }

                pub(crate) fn store(&self, value: $value, order: Ordering) {
                    ordered(order, || self.0.store(value, order));
                }

                pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                    ordered(order, || self.0.swap(value, order))
                }

                pub(crate) fn compare_exchange(
                    &self,
                    old: $value,
                    new: $value,
                    order: Ordering,
                    failed: Ordering,
                ) -> Result<$value, $value> {
                    ordered(order, || self.0.compare_exchange(old, new, order, failed))
                }
            }
        )*};
    }
    atomics! {
        AtomicBool: bool,
        AtomicPtr<T>: *mut T,
        AtomicU32: u32,
        AtomicU64: u64,
    }

    impl AtomicU32 {
        pub(crate) fn fetch_add(&self, value: u32, order: Ordering) -> u32 {
            ordered(order, || self.0.fetch_add(value, order))
        }
    }
}

/// Errors, of which none comes here but one.
pub(crate) mod errno {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[allow(clippy::upper_case_acronyms, reason = "errno's own name")]
    pub(crate) enum Errno {
        EAGAIN,
    }
}

/// Memory that knows when it is used after it was freed.
pub(crate) mod memory {
    use super::{LIVING, QUARANTINE, TRACKS};
    use crate::rt::errno::Errno;

    pub(crate) fn try_box<T>(value: T) -> Result<Box<T>, Errno> {
        TRACKS.set(true);
        let new = Box::new(value);
        TRACKS.set(false);
        Ok(new)
    }

    /// How many of those boxes there are.
    pub(crate) fn living() -> usize {
        LIVING.with_borrow(Vec::len)
    }

    /// Gives back what the runs before have freed.
    pub(crate) fn release_quarantine() {
        // Runs that have failed are not followed by others.
        LIVING.with_borrow_mut(Vec::clear);
        for (at, layout) in QUARANTINE.take() {
            // SAFETY: from `Watching::alloc` with this layout, and not given back before.
            unsafe { std::alloc::GlobalAlloc::dealloc(&std::alloc::System, at, layout) };
        }
    }
}

std::thread_local! {
    /// The next allocation is one of [`memory::try_box`].
    static TRACKS: Cell<bool> = const { Cell::new(false) };
    /// What that has allocated and nobody has freed.
    static LIVING: RefCell<Vec<*mut u8>> = const { RefCell::new(Vec::new()) };
    /// What has been freed: overwritten, and not used again before the run has ended.
    static QUARANTINE: RefCell<Vec<(*mut u8, Layout)>> = const { RefCell::new(Vec::new()) };
}

/// The system's allocator, but for the boxes of [`memory::try_box`]. A model runs in one thread of the
/// system, so what this remembers is that thread's.
struct Watching;

#[global_allocator]
static ALLOCATOR: Watching = Watching;

// SAFETY: hands on to `System`; what is kept back is not given out again before it is freed there.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout.
        let at = unsafe { System.alloc(layout) };
        if TRACKS.try_with(|tracks| tracks.take()).unwrap_or(false) {
            LIVING.with_borrow_mut(|living| living.push(at));
        }
        at
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        let is_tracked = LIVING.try_with(|living| {
            let mut living = living.try_borrow_mut().ok()?;
            let place = living.iter().position(|&other| other == at)?;
            Some(living.swap_remove(place))
        });
        if let Ok(Some(_)) = is_tracked {
            // SAFETY: the caller gives up these bytes.
            unsafe { at.write_bytes(0xdd, layout.size()) };
            QUARANTINE.with_borrow_mut(|freed| freed.push((at, layout)));
        } else {
            // SAFETY: the caller's memory, from `System`.
            unsafe { System.dealloc(at, layout) };
        }
    }
}

/// futex(2): whether the word still has its value is seen, and the sleep begun, in one step that a wake-up
/// comes before or after. Nobody wakes but by a wake-up: a sleeper that needs the time-out sleeps for ever.
pub(crate) mod sys {
    use crate::rt::atomic::{AtomicU32, Ordering};
    use crate::rt::errno::Errno;
    use loom::sync::{Condvar, Mutex};

    struct Futex {
        queue: Mutex<()>,
        wakes: Condvar,
    }

    loom::lazy_static! {
        /// One for all words: each model has one word.
        static ref FUTEX: Futex = Futex { queue: Mutex::new(()), wakes: Condvar::new() };
    }

    pub(crate) fn wait_while(word: &AtomicU32, value: u32, _timeout_ms: i64) -> Result<(), Errno> {
        let queue = FUTEX.queue.lock().unwrap();
        if word.load(Ordering::SeqCst) == value {
            drop(FUTEX.wakes.wait(queue).unwrap());
        }
        Ok(())
    }

    pub(crate) fn wake_all(_word: &AtomicU32) {
        let queue = FUTEX.queue.lock().unwrap();
        FUTEX.wakes.notify_all();
        drop(queue);
    }
}

/// Threads that know their name and have slots.
pub(crate) mod thread {
    use crate::rt::published::{Slot, SlotRef};
    use core::cell::Cell;

    loom::thread_local! {
        static NAME: Cell<u64> = Cell::new(1);
    }

    /// Says which thread this is, from 1 on.
    pub(crate) fn set_name(name: u64) {
        NAME.with(|own| own.set(name));
    }

    pub(crate) fn name() -> u64 {
        NAME.with(Cell::get)
    }

    pub(crate) fn is_alive(_name: u64) -> bool {
        true
    }

    /// The slots of a thread: `rt::thread::Level`.
    struct Slots {
        snapshot: Slot,
        walk: Slot,
        walked: Slot,
    }

    loom::lazy_static! {
        static ref SLOTS: [Slots; 3] = core::array::from_fn(|_| {
            Slots { snapshot: Slot::new(), walk: Slot::new(), walked: Slot::new() }
        });
    }

    fn of(name: u64) -> &'static Slots {
        &SLOTS[usize::try_from(name - 1).unwrap()]
    }

    pub(crate) fn is_shown(address: *const ()) -> bool {
        SLOTS.iter().any(|slots| {
            [&slots.snapshot, &slots.walk, &slots.walked].iter().any(|slot| slot.shows(address))
        })
    }

    /// The calling thread's slots: for a snapshot, an enumeration, and its snapshot.
    pub(crate) fn slots() -> [SlotRef<'static>; 3] {
        let own = of(name());
        // SAFETY: each model asks once in each thread, or when it has done with what it got before.
        [&own.snapshot, &own.walk, &own.walked].map(|slot| unsafe { SlotRef::new(slot) })
    }
}

/// A value that is marked when it is freed; loom sees whether a thread may still be reading it then.
pub(crate) struct Value {
    mark: u64,
    number: loom::cell::UnsafeCell<u32>,
}

const MARK: u64 = 0x6d61_726b_6d61_726b;

impl Value {
    pub(crate) fn new(number: u32) -> Self {
        Self { mark: MARK, number: loom::cell::UnsafeCell::new(number) }
    }

    pub(crate) fn number(&self) -> u32 {
        assert_eq!(self.mark, MARK, "the value is freed");
        // SAFETY: written when it was made; loom reports a race with its end.
        self.number.with(|number| unsafe { *number })
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        assert_eq!(self.mark, MARK, "the value is freed for the second time");
        self.number.with_mut(|_| ());
    }
}
