//! The lock: `rt::fork_lock`. If a wake-up were lost a model would wait for ever, which loom reports.

use crate::models::check;
use crate::rt::fork_lock::ForkLock;
use crate::rt::thread::set_name;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread::spawn;

struct Guarded {
    lock: ForkLock,
    count: UnsafeCell<u32>,
}

// SAFETY: the count is touched under the lock alone; that is what is checked.
unsafe impl Sync for Guarded {}
// SAFETY: a number and atomics.
unsafe impl Send for Guarded {}

impl Guarded {
    /// Adds one, with a gap between reading and writing.
    fn add(&self) {
        while !self.lock.wait() {}
        // SAFETY: under the lock; loom reports a race.
        let count = self.count.with(|count| unsafe { *count });
        loom::thread::yield_now();
        // SAFETY: under the lock; loom reports a race.
        self.count.with_mut(|at| unsafe { *at = count + 1 });
        self.lock.release();
    }
}

fn threads(preemptions: Option<usize>, threads: u64, turns: u32) {
    check(preemptions, move || {
        let guarded = Arc::new(Guarded { lock: ForkLock::new(), count: UnsafeCell::new(0) });
        let others: Vec<_> = (2..=threads)
            .map(|name| {
                let guarded = Arc::clone(&guarded);
                spawn(move || {
                    set_name(name);
                    (0..turns).for_each(|_| guarded.add());
                })
            })
            .collect();
        (0..turns).for_each(|_| guarded.add());
        for other in others {
            other.join().unwrap();
        }
        let total = u32::try_from(threads).unwrap() * turns;
        // SAFETY: no other thread is left.
        assert_eq!(guarded.count.with(|count| unsafe { *count }), total);
    });
}

#[test]
fn two_threads_hold_the_lock_one_at_a_time_and_no_wake_up_is_lost() {
    threads(Some(5), 2, 2);
}

#[test]
fn three_threads_hold_the_lock_one_at_a_time_and_no_wake_up_is_lost() {
    threads(Some(3), 3, 1);
}
