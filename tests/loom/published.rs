//! Values that threads read while others replace and free them: `rt::published`.

use crate::models::{Value, check, leak};
use crate::rt::published::Published;
use crate::rt::thread::{is_shown, set_name, slots};
use loom::thread::spawn;

fn reclaim(published: &'static Published<Value>) {
    // SAFETY: all slots of the model are looked at.
    unsafe { published.reclaim(is_shown) };
}

/// Frees all, once the other threads have ended.
fn finish(published: &'static Published<Value>) {
    published.clear();
    // SAFETY: no thread uses anything any more.
    unsafe { published.reclaim(|_| false) };
}

/// Reads twice: an older value never follows a newer one, and each stays readable while the slot shows it.
fn read_twice(published: &'static Published<Value>) {
    let [mut slot, ..] = slots();
    let mut before = 0;
    for _ in 0..2 {
        let number = published.get(&mut slot).unwrap().number();
        assert!(number >= before);
        before = number;
    }
    // SAFETY: the slot has been shown to this `Published` alone.
    let shown = unsafe { Published::<Value>::shown(&slot) };
    assert_eq!(shown.unwrap().number(), before);
    slot.clear();
}

fn replace(published: &'static Published<Value>, number: u32) {
    let [mut slot, ..] = slots();
    assert_eq!(
        published.publish(Value::new(number), |_| (), false, &mut slot).unwrap().0.number(),
        number
    );
    reclaim(published);
}

#[test]
fn no_reader_sees_a_value_that_another_thread_has_freed() {
    check(None, || {
        let published = leak(Published::new());
        replace(published, 1);
        let reader = spawn({
            let published = published;
            move || {
                set_name(2);
                read_twice(published);
            }
        });
        replace(published, 2);
        replace(published, 3);
        reader.join().unwrap();
        finish(published);
    });
}

#[test]
fn two_threads_replace_and_free_values_that_a_third_reads() {
    check(Some(4), || {
        let published = leak(Published::new());
        replace(published, 1);
        let others = [2, 3].map(|name| {
            let published = published;
            spawn(move || {
                set_name(name);
                match name {
                    2 => replace(published, 2),
                    _ => {
                        let [mut slot, ..] = slots();
                        published.get(&mut slot).unwrap().number();
                    }
                }
            })
        });
        replace(published, 2);
        for other in others {
            other.join().unwrap();
        }
        finish(published);
    });
}

/// A `Published` with a value that no slot shows.
fn published() -> &'static Published<Value> {
    let published = leak(Published::new());
    replace(published, 1);
    let [mut slot, ..] = slots();
    slot.clear();
    published
}

/// A thread that frees values looks at each slot, and at which value is the newest, one after the other. Meanwhile a
/// value may be replaced that another thread has just begun to read.
#[test]
fn a_thread_that_only_frees_takes_no_value_from_one_that_reads() {
    check(Some(4), || {
        let published = published();
        let replacing = spawn(move || {
            set_name(2);
            replace(published, 2);
        });
        let reading = spawn(move || {
            set_name(3);
            let [mut slot, ..] = slots();
            published.get(&mut slot).unwrap().number();
        });
        reclaim(published);
        replacing.join().unwrap();
        reading.join().unwrap();
        finish(published);
    });
}

/// Before the thread frees a value, another thread may have freed it, and may have put a new value into its node.
#[test]
fn a_thread_that_frees_a_value_does_not_free_the_next_one_in_its_node() {
    check(Some(4), || {
        let published = published();
        let replacing = spawn(move || {
            set_name(2);
            replace(published, 2);
            replace(published, 3);
            let [mut slot, ..] = slots();
            assert_eq!(published.get(&mut slot).unwrap().number(), 3);
        });
        reclaim(published);
        replacing.join().unwrap();
        finish(published);
    });
}

#[test]
fn of_first_values_published_at_once_one_counts_for_all() {
    check(None, || {
        let published = leak(Published::new());
        let first = |published: &'static Published<Value>, number| {
            let [mut slot, ..] = slots();
            published.publish(Value::new(number), |_| (), true, &mut slot).unwrap().0.number()
        };
        let other = spawn({
            let published = published;
            move || {
                set_name(2);
                first(published, 2)
            }
        });
        let seen = first(published, 1);
        assert_eq!(seen, other.join().unwrap());
        finish(published);
    });
}

#[test]
fn a_first_value_may_be_taken_away_while_others_publish_theirs() {
    check(None, || {
        let published = leak(Published::new());
        let other = spawn({
            let published = published;
            move || {
                set_name(2);
                let [mut slot, ..] = slots();
                // `EAGAIN` if the one that was first is gone again.
                if let Ok((value, _)) = published.publish(Value::new(2), |_| (), true, &mut slot) {
                    assert!([1, 2].contains(&value.number()));
                }
            }
        });
        let [mut slot, ..] = slots();
        assert!(published.publish(Value::new(1), |_| (), true, &mut slot).unwrap().0.number() > 0);
        slot.clear();
        published.clear();
        reclaim(published);
        other.join().unwrap();
        finish(published);
    });
}
