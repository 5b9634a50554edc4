//! Values that threads read while others replace and free them: `rt::published`.

use crate::models::{Value, check};
use crate::rt::published::Published;
use crate::rt::thread::{is_shown, set_name, slots};
use loom::sync::Arc;
use loom::thread::spawn;

fn reclaim(published: &Published<Value>) {
    // SAFETY: all slots of the model are looked at.
    unsafe { published.reclaim(|address, _| is_shown(address)) };
}

/// Frees all, once the other threads have ended.
fn finish(published: &Published<Value>) {
    published.clear();
    // SAFETY: no thread uses anything any more.
    unsafe { published.reclaim(|_, _| false) };
}

/// Asks twice: the values come in order, and each is there while the slot shows it.
fn read_twice(published: &Published<Value>) {
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

fn replace(published: &Published<Value>, number: u32) {
    let [mut slot, ..] = slots();
    assert_eq!(published.publish(Value::new(number), &mut slot).unwrap().number(), number);
    reclaim(published);
}

#[test]
fn no_reader_sees_a_value_that_another_thread_has_freed() {
    check(None, || {
        let published = Arc::new(Published::new());
        replace(&published, 1);
        let reader = spawn({
            let published = Arc::clone(&published);
            move || {
                set_name(2);
                read_twice(&published);
            }
        });
        replace(&published, 2);
        replace(&published, 3);
        reader.join().unwrap();
        finish(&published);
    });
}

#[test]
fn two_threads_replace_and_free_values_that_a_third_reads() {
    check(Some(4), || {
        let published = Arc::new(Published::new());
        replace(&published, 1);
        let others = [2, 3].map(|name| {
            let published = Arc::clone(&published);
            spawn(move || {
                set_name(name);
                match name {
                    2 => replace(&published, 2),
                    _ => {
                        let [mut slot, ..] = slots();
                        published.get(&mut slot).unwrap().number();
                    }
                }
            })
        });
        replace(&published, 2);
        for other in others {
            other.join().unwrap();
        }
        finish(&published);
    });
}

#[test]
fn of_first_values_published_at_once_one_counts_for_all() {
    check(None, || {
        let published = Arc::new(Published::new());
        let first = |published: &Published<Value>, number| {
            let [mut slot, ..] = slots();
            published.publish_first(Value::new(number), &mut slot).unwrap().0.number()
        };
        let other = spawn({
            let published = Arc::clone(&published);
            move || {
                set_name(2);
                first(&published, 2)
            }
        });
        let seen = first(&published, 1);
        assert_eq!(seen, other.join().unwrap());
        finish(&published);
    });
}

#[test]
fn a_first_value_may_be_taken_away_while_others_publish_theirs() {
    check(None, || {
        let published = Arc::new(Published::new());
        let other = spawn({
            let published = Arc::clone(&published);
            move || {
                set_name(2);
                let [mut slot, ..] = slots();
                // `EAGAIN` if the one that was first is gone again.
                if let Ok((value, _)) = published.publish_first(Value::new(2), &mut slot) {
                    assert!([1, 2].contains(&value.number()));
                }
            }
        });
        let [mut slot, ..] = slots();
        assert!(published.publish_first(Value::new(1), &mut slot).unwrap().0.number() > 0);
        slot.clear();
        published.clear();
        reclaim(&published);
        other.join().unwrap();
        finish(&published);
    });
}
