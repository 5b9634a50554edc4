//! Enumerations of snapshots that other threads replace and free: `file::walk`.

use crate::file::walk::Walks;
use crate::models::{Value, check, leak};
use crate::rt::atomic::Ordering;
use crate::rt::published::{Published, address_of};
use crate::rt::thread::{set_name, slots};
use loom::thread::spawn;

/// A file, as `file::source` has it.
struct Source {
    snapshot: Published<Value>,
    walks: Walks<Value>,
}

impl Source {
    fn new() -> &'static Self {
        let source = leak(Self { snapshot: Published::new(), walks: Walks::new() });
        source.load(1);
        source
    }

    /// The file is read again: `Source::load`.
    fn load(&'static self, number: u32) {
        let [mut slot, mut walk_slot, _] = slots();
        self.snapshot.publish(Value::new(number), |_| (), false, &mut slot).unwrap();
        self.walks.reclaim(&self.snapshot, &mut walk_slot);
    }

    /// A lookup: the thread's slot shows the newest snapshot from now on.
    fn look_up(&'static self) {
        let [mut slot, ..] = slots();
        self.snapshot.get(&mut slot).unwrap().number();
    }

    /// `setXent`, or the first `getXent`.
    fn begin(&'static self, anew: bool) {
        let [mut slot, mut walk_slot, _] = slots();
        let snapshot = address_of(self.snapshot.get(&mut slot).unwrap());
        // SAFETY: the address of a snapshot that the slot shows.
        unsafe { self.walks.begin(Some(snapshot), 0, anew, &mut walk_slot) }.unwrap();
        self.walks.reclaim(&self.snapshot, &mut walk_slot);
    }

    /// `getXent`: which row, of which snapshot; `None` at the end, after three.
    fn next(&'static self) -> Option<(u64, u32)> {
        loop {
            let [_, walk_slot, walked_slot] = slots();
            let Some((walk, snapshot)) = self.walks.get(walk_slot, walked_slot) else {
                self.begin(false);
                continue;
            };
            let seen = walk.position.load(Ordering::Acquire);
            let number = snapshot.unwrap().number();
            if seen == 2 {
                return None;
            }
            if walk.move_on(seen, seen + 1) {
                return Some((seen, number));
            }
        }
    }

    /// Frees all, once the other threads have ended.
    fn finish(&'static self) {
        self.walks.end();
        self.snapshot.clear();
        for name in [3, 2, 1] {
            set_name(name);
            for mut slot in slots() {
                slot.clear();
            }
        }
        let [_, mut walk_slot, _] = slots();
        self.walks.reclaim(&self.snapshot, &mut walk_slot);
    }
}

fn beside(
    source: &'static Source,
    name: u64,
    then: fn(&'static Source),
) -> loom::thread::JoinHandle<()> {
    spawn(move || {
        set_name(name);
        then(&source);
    })
}

#[test]
fn an_enumeration_keeps_its_snapshot_while_the_file_is_read_again() {
    check(Some(5), || {
        let source = Source::new();
        let other = beside(source, 2, |source| {
            source.load(2);
        });
        source.begin(true);
        // Then this thread's slot shows another snapshot, and only the enumeration keeps the first one.
        source.look_up();
        source.next();
        other.join().unwrap();
        source.finish();
    });
}

#[test]
fn threads_that_share_an_enumeration_get_each_row_once() {
    check(Some(4), || {
        let source = Source::new();
        let other = spawn({
            move || {
                set_name(2);
                [source.next(), source.next()]
            }
        });
        let own = [source.next(), source.next()];
        let rows = [own, other.join().unwrap()];
        let mut rows: Vec<_> = rows.as_flattened().iter().flatten().collect();
        rows.sort_unstable();
        assert_eq!(rows, [&(0, 1), &(1, 1)]);
        source.finish();
    });
}

#[test]
fn an_enumeration_may_begin_anew_and_end_while_another_thread_takes_rows() {
    check(Some(4), || {
        let source = Source::new();
        source.begin(true);
        let other = beside(source, 2, |source| {
            source.next();
        });
        source.load(2);
        source.begin(true);
        assert!(source.walks.end());
        other.join().unwrap();
        source.finish();
    });
}
