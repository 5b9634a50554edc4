//! Tells valgrind's helgrind and drd what an atomic operation orders, which they cannot see: to them
//! an acquire is a plain load. A request is a few instructions that do nothing on a processor
//! (`VALGRIND_DO_CLIENT_REQUEST` of valgrind.h), and even those run only under valgrind.
//!
//! Both tools take a read-modify-write for atomic, but a store for a plain write. So atomics that
//! threads share are written with `swap`, off the path of a lookup.
#![allow(unsafe_code, reason = "assembler")]

use core::sync::atomic::{AtomicBool, Ordering};

/// `RUNNING_ON_VALGRIND`.
const RUNNING: usize = 0x1001;
/// `VG_USERREQ_TOOL_BASE('H', 'G') + 256`, from where helgrind.h counts; drd.h has the same numbers.
const HELGRIND: usize = 0x4847_0100;
/// `ANNOTATE_HAPPENS_BEFORE`.
const BEFORE: usize = HELGRIND + 33;
/// `ANNOTATE_HAPPENS_AFTER`.
const AFTER: usize = HELGRIND + 34;
/// `ANNOTATE_HAPPENS_BEFORE_FORGET_ALL`.
const FORGET: usize = HELGRIND + 35;

static ON: AtomicBool = AtomicBool::new(false);

/// Looks whether valgrind is there.
#[inline(always)]
pub(crate) fn at_load() {
    if ask(RUNNING, 0) != 0 {
        ON.store(true, Ordering::Relaxed);
        // These remember with a store, at their first call, what the processor can do.
        _ = memchr::memchr(0, &[]);
        _ = memchr::memrchr(0, &[]);
    }
}

/// Before the operation on `at` that releases: what this thread has written is to be seen.
#[inline]
pub(crate) fn releases<T>(at: *const T) {
    tell(BEFORE, at);
}

/// After the operation on `at` that acquires: what was released there is seen.
#[inline]
pub(crate) fn acquired<T>(at: *const T) {
    tell(AFTER, at);
}

/// The memory at `at` is about to be freed; its next use has nothing to do with this one.
#[inline]
pub(crate) fn forget<T>(at: *const T) {
    tell(FORGET, at);
}

#[inline]
fn tell<T>(what: usize, at: *const T) {
    if ON.load(Ordering::Relaxed) {
        request(what, at.addr());
    }
}

#[cold]
#[inline(never)]
fn request(what: usize, argument: usize) {
    ask(what, argument);
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn ask(what: usize, argument: usize) -> usize {
    let block = [what, argument, 0, 0, 0, 0];
    let mut answer = 0_usize;
    // SAFETY: the rotations add up to 128 bits and the exchange is with itself, so nothing changes;
    // valgrind reads the block and writes rdx.
    unsafe {
        core::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") block.as_ptr(),
            inout("rdx") answer,
            options(nostack),
        );
    }
    answer
}

/// Elsewhere the tools are not told.
#[cfg(not(target_arch = "x86_64"))]
fn ask(_what: usize, _argument: usize) -> usize {
    0
}
