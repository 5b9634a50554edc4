//! Models of what the library's files use: atomics, memory, sleep, slots.

use core::cell::Cell;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Tries all orders of the threads' steps. Where that would take days, `preemptions` says how often at most a thread
/// is interrupted that could have gone on. The values of a model must be freed at its end.
pub(crate) fn check(preemptions: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_branches = 100_000;
    let runs = std::sync::Arc::new(AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&runs);
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        LIVING.set(0);
        model();
        assert_eq!(LIVING.get(), 0, "values that are not freed");
    });
    println!("{} orders", runs.load(Ordering::Relaxed));
}

/// Makes a value that the threads of a model share, like a static of the library.
pub(crate) fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// loom's atomics. loom takes `SeqCst` for `AcqRel`, except in fences, so an operation with that order has a fence
/// before it and after it.
pub(crate) mod atomic {
    macro_rules! const_fn {
        ($($function:tt)*) => { $($function)* };
    }
    pub(crate) use const_fn;
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

/// The only error that the modelled files name: `rt::errno`.
pub(crate) mod errno {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[allow(clippy::upper_case_acronyms, reason = "errno's own name")]
    pub(crate) enum Errno {
        EAGAIN,
    }
}

/// Memory that is allocated once and never freed: `rt::buf_cell`.
pub(crate) mod memory {
    use crate::rt::atomic::{AtomicPtr, Ordering};
    use crate::rt::errno::Errno;
    use core::ptr::null_mut;

    /// A value that is made when it is first needed. It is never freed.
    pub(crate) struct TryOnce<T>(AtomicPtr<T>);

    impl<T: 'static> TryOnce<T> {
        pub(crate) fn new() -> Self {
            Self(AtomicPtr::new(null_mut()))
        }

        pub(crate) fn get(&'static self) -> Option<&'static T> {
            // SAFETY: null, or what `get_or_try_init` has put there, which the model never frees.
            unsafe { self.0.load(Ordering::SeqCst).as_ref() }
        }

        pub(crate) fn get_or_try_init(
            &'static self,
            make: impl FnOnce() -> Result<T, Errno>,
        ) -> Result<&'static T, Errno> {
            if self.get().is_none() {
                let new = Box::into_raw(Box::new(make()?));
                _ = self.0.compare_exchange(null_mut(), new, Ordering::SeqCst, Ordering::SeqCst);
            }
            self.get().ok_or(Errno::EAGAIN)
        }
    }
}
/// futex(2): to compare the word and to begin to sleep is one step, and a wake-up comes before or after it. There is
/// no time-out: a thread whose wake-up is lost sleeps for ever.
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

    /// Time stands still, so no thread has waited too long.
    pub(crate) fn coarse_clock(_clock: libc::clockid_t) -> i64 {
        0
    }

    pub(crate) fn wake_all(_word: &AtomicU32) {
        let queue = FUTEX.queue.lock().unwrap();
        FUTEX.wakes.notify_all();
        drop(queue);
    }
}

/// Threads with a number for a name, and with slots: `rt::thread` and `rt::registry`.
pub(crate) mod thread {
    use crate::rt::published::{Slot, SlotRef};
    use core::cell::Cell;

    loom::thread_local! {
        static NAME: Cell<u64> = Cell::new(1);
    }

    /// Gives the calling thread its name; the first thread is 1.
    pub(crate) fn set_name(name: u64) {
        NAME.with(|own| own.set(name));
    }

    pub(crate) fn owner_id() -> u64 {
        NAME.with(Cell::get)
    }

    pub(crate) fn is_alive(_name: u64) -> bool {
        true
    }

    /// The owner that a call writes into the state of a value while it makes or frees the value.
    pub(crate) fn owner() -> u64 {
        owner_id()
    }

    /// No call is abandoned here, so nothing has to be remembered.
    pub(crate) fn set_owned(_state: Option<&'static crate::rt::atomic::AtomicU64>) {}

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
        let own = of(owner_id());
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

std::thread_local! {
    /// How many values are made and not freed. A model runs in one thread of the system.
    static LIVING: Cell<usize> = const { Cell::new(0) };
}

impl Value {
    pub(crate) fn new(number: u32) -> Self {
        LIVING.set(LIVING.get() + 1);
        Self { mark: MARK, number: loom::cell::UnsafeCell::new(number) }
    }

    pub(crate) fn number(&self) -> u32 {
        assert_eq!(self.mark, MARK, "the value is freed");
        // SAFETY: written when it was made; loom reports a race with its end.
        self.number.with(|number| unsafe { *number })
    }
}

// SAFETY: no call is abandoned here, so none is half written.
unsafe impl crate::rt::published::Value for Value {
    unsafe fn release(&self) {
        assert_eq!(self.mark, MARK, "the value is freed for the second time");
        self.number.with_mut(|_| ());
        LIVING.set(LIVING.get() - 1);
        let this = core::ptr::from_ref(self).cast_mut();
        // SAFETY: nobody uses it any more, says the caller.
        unsafe { (&raw mut (*this).mark).write(0) };
    }
}
