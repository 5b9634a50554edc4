//! Tells valgrind's helgrind and drd which accesses an atomic operation orders. They cannot see that: to them an
//! acquire is a plain load. The cargo feature `annotate`, which the test build switches on, puts the code in.
//!
//! A request is a few instructions that change nothing on a processor (`VALGRIND_DO_CLIENT_REQUEST` of
//! valgrind.h). Both tools know that a read-modify-write is atomic, but take a store for a plain write. So
//! atomics that threads share are written with `swap`, except on the path of a lookup.
#![allow(unsafe_code, reason = "assembler")]

/// `VG_USERREQ_TOOL_BASE('H', 'G') + 256`, from where helgrind.h counts; drd.h has the same numbers.
const HELGRIND: usize = 0x4847_0100;

#[cfg(all(feature = "annotate", target_arch = "x86_64"))]
#[cold]
fn tell(what: usize, address: usize, size: usize) {
    // A null pointer was read, so nothing was released; drd would end the program.
    if address == 0 {
        return;
    }
    let block = [what, address, size, 0, 0, 0];
    // SAFETY: the rotations add up to 128 bits and the exchange is with itself, so nothing
    // changes; valgrind reads the block and writes rdx.
    unsafe {
        core::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") block.as_ptr(),
            inout("rdx") 0_usize => _,
            options(nostack),
        );
    }
}

/// Without the feature nothing is told.
#[cfg(not(all(feature = "annotate", target_arch = "x86_64")))]
#[inline(always)]
fn tell(_: usize, _: usize, _: usize) {}

/// Called when the library is loaded: memchr stores, at its first call, what the processor can do. Under the
/// tools this must happen before there are threads.
#[inline(always)]
pub(crate) fn at_load() {
    #[cfg(feature = "annotate")]
    {
        _ = memchr::memchr(0, &[]);
        _ = memchr::memrchr(0, &[]);
    }
}

/// `ANNOTATE_HAPPENS_BEFORE`: called before an operation on `at` that releases what this thread has written.
#[inline(always)]
pub(crate) fn releases<T>(at: *const T) {
    tell(HELGRIND + 33, at.addr(), 0);
}

/// `ANNOTATE_HAPPENS_AFTER`: called after an operation on `at` that acquires what was released there.
#[inline(always)]
pub(crate) fn acquired<T>(at: *const T) {
    tell(HELGRIND + 34, at.addr(), 0);
}

/// `ANNOTATE_HAPPENS_BEFORE_FORGET_ALL`: called before the memory at `at` is freed, whose next use is not ordered after
/// this one.
#[inline(always)]
pub(crate) fn forget<T>(at: *const T) {
    tell(HELGRIND + 35, at.addr(), 0);
}

/// `DRD_IGNORE_VAR` of drd.h: called for a word of futex(2), a call of which drd would take for a store to it.
#[inline(always)]
pub(crate) fn is_futex<T>(at: *const T) {
    tell(0x4452_0002, at.addr(), size_of::<T>());
}
