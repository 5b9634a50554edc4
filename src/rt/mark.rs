//! Marks of calls in progress, which show when a call was abandoned.
//!
//! A mark is an address in the stack frame of its call. Stacks grow downwards: the frame of a live call lies
//! above the frames of what it calls, and of what interrupts it. So a mark at or below the present frame belongs
//! to a call that was left by siglongjmp(3).

use core::marker::PhantomData;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering, compiler_fence};

use crate::rt::sys;

/// An address in the stack frame of a call in progress; 0 if there is none. A mark is part of one thread's
/// memory, so no other thread may get a reference to it.
pub(crate) struct Mark(AtomicUsize, PhantomData<*const ()>);

impl Mark {
    pub(crate) const fn new() -> Self {
        Self(AtomicUsize::new(0), PhantomData)
    }

    /// True if the call that set the mark is live: the frame at `here` was called by it or interrupted it.
    pub(crate) fn is_live(&self, here: usize) -> bool {
        let mark = self.0.load(Ordering::Relaxed);
        mark != 0 && is_above(mark, here, sys::signal_stack())
    }

    /// True if a call has set the mark and not cleared it, whether or not that call is live.
    #[inline(always)]
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// No call is in progress.
    #[inline(always)]
    pub(crate) fn clear(&self) {
        self.set(0);
    }

    /// The call whose frame has that address is in progress.
    #[inline(always)]
    pub(crate) fn set(&self, address: usize) {
        self.0.store(address, Ordering::Relaxed);
        // A signal handler must see the mark before anything that the call does next.
        compiler_fence(Ordering::SeqCst);
    }
}

/// True if a frame at `mark` is live in the view of one at `here`. An alternative signal stack may lie above the
/// ordinary one: a handler that runs there has interrupted a frame on the ordinary one.
fn is_above(mark: usize, here: usize, signal_stack: Option<(usize, usize)>) -> bool {
    let is_there = |address: usize| {
        signal_stack.is_some_and(|(start, size)| address.wrapping_sub(start) < size)
    };
    match (is_there(mark), is_there(here)) {
        (false, true) => true,
        (true, false) => false,
        _ => mark > here,
    }
}

/// An address in the caller's frame.
#[inline(always)]
pub(crate) fn frame_address() -> usize {
    let here = 0_u8;
    (&raw const here).addr()
}

/// Marks of a function that may call the library, and through it itself, but not for ever. Up to three calls
/// of it can be nested, two of them with the same question: the second may come from a signal handler, or the
/// first was abandoned and only seems to be live, because the next question comes from deeper in the stack.
pub(crate) struct Reentry([Entry; 3]);

struct Entry {
    mark: Mark,
    /// The question, but for its lowest bit. That is [`ASKS_ITSELF`].
    question: AtomicU64,
}

/// The same question came a third time from inside: the function asks itself.
const ASKS_ITSELF: u64 = 1;

impl Reentry {
    pub(crate) const fn new() -> Self {
        Self([const { Entry { mark: Mark::new(), question: AtomicU64::new(0) } }; 3])
    }

    /// Marks that the caller enters the function with that question; `None` if it may not, because two calls with
    /// the same question are nested already, or three calls with any. The lowest bit of a question does not count.
    #[inline(always)]
    pub(crate) fn enter(&self, question: u64) -> Option<Entered<'_>> {
        let (here, question) = (frame_address(), question & !ASKS_ITSELF);
        let is_same = |entry: &Entry| {
            let own = entry.question.load(Ordering::Relaxed) & !ASKS_ITSELF;
            entry.mark.is_live(here) && own == question
        };
        let times = self.0.iter().filter(|entry| is_same(entry)).count();
        if times >= 2 {
            let same = self.0.iter().filter(|entry| is_same(entry));
            same.for_each(|entry| entry.question.store(question | ASKS_ITSELF, Ordering::Relaxed));
            return None;
        }
        let entry = self.0.iter().find(|entry| !entry.mark.is_live(here))?;
        // Marked first, so that the call of a signal handler takes another entry.
        let _mark = Marked::at(&entry.mark, here);
        entry.question.store(question, Ordering::Relaxed);
        Some(Entered { _mark, is_inner: times > 0, question: &entry.question })
    }

    /// No call is in progress.
    pub(crate) fn clear(&self) {
        self.0.iter().for_each(|entry| entry.mark.clear());
    }
}

/// A function is in progress while this lives.
pub(crate) struct Entered<'a> {
    _mark: Marked<'a>,
    is_inner: bool,
    question: &'a AtomicU64,
}

impl Entered<'_> {
    /// True if the function has asked itself since this call began, and this is the inner call.
    pub(crate) fn is_asked_by_itself(&self) -> bool {
        self.is_inner && self.question.load(Ordering::Relaxed) & ASKS_ITSELF != 0
    }
}

/// Keeps a mark set while it lives.
pub(crate) struct Marked<'a> {
    mark: &'a Mark,
    before: usize,
}

impl<'a> Marked<'a> {
    /// Sets the mark to an address in the caller's frame. If the caller has compared marks with an address before,
    /// it must give the same one: with another one of its frame the mark of a call that was abandoned at the same
    /// depth could seem to be live.
    #[inline(always)]
    pub(crate) fn at(mark: &'a Mark, here: usize) -> Self {
        let before = mark.0.load(Ordering::Relaxed);
        mark.set(here);
        Self { mark, before }
    }
}

impl Drop for Marked<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.mark.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn enter_and_be_abandoned(reentry: &Reentry) -> bool {
        reentry.enter(1).map(core::mem::forget).is_some()
    }

    #[test]
    fn calls_that_were_abandoned_at_one_depth_are_no_calls_in_each_other() {
        let reentry = Reentry::new();
        assert!((0..5).all(|_| enter_and_be_abandoned(&reentry)));
        let outer = reentry.enter(1);
        assert!(outer.is_some() && reentry.enter(2).is_some());
    }

    #[test]
    fn a_frame_is_there_if_it_lies_above_or_on_the_other_stack() {
        let stack = Some((5000, 1000));
        for (mark, here, want) in [
            (900, 800, true),
            (800, 900, false),
            (800, 800, false),
            (900, 5900, true),
            (5900, 900, false),
            (5900, 5800, true),
            (5800, 5900, false),
            (6000, 5900, true),
        ] {
            assert_eq!(is_above(mark, here, stack), want, "{mark} {here}");
        }
        assert!(!is_above(900, 5900, None));
    }
}
