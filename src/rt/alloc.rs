//! What std would bring: memory from the program's libc, and a panic handler.
#![allow(unsafe_code, reason = "an allocator")]

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;
use core::ptr::null_mut;

use rustix::process::{Signal, getpid, kill_process};

/// malloc(3) of whatever libc the program has.
struct Malloc;

/// What malloc aligns to at least, on every libc; nothing here asks for more.
const ALIGN: usize = 2 * size_of::<usize>();

// SAFETY: malloc and free do what GlobalAlloc asks for, for alignments up to malloc(3)'s; null
// means that there is no memory.
unsafe impl GlobalAlloc for Malloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > ALIGN {
            return null_mut();
        }
        // SAFETY: malloc(3) takes any size.
        unsafe { libc::malloc(layout.size()) }.cast()
    }

    unsafe fn dealloc(&self, at: *mut u8, _: Layout) {
        // SAFETY: GlobalAlloc has the caller promise that `at` is from one of these functions, and freed once.
        unsafe { libc::free(at.cast()) };
    }
}

#[global_allocator]
static MALLOC: Malloc = Malloc;

/// The panic handler. No panic is reachable (tests/it/packaging/panics.rs reads the binary), so it kills the process.
/// Not by abort(3), because each symbol of libc's costs at the start of every process (`rt::next`).
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        // The program may ignore the first signal, and not the second.
        for signal in [Signal::ABORT, Signal::KILL] {
            _ = kill_process(getpid(), signal);
        }
    }
}

// The precompiled core refers to this function, though with `panic = "abort"` nothing unwinds. It is hidden, so
// that the library does not export it.
core::arch::global_asm!(
    ".text",
    ".globl rust_eh_personality",
    ".hidden rust_eh_personality",
    ".type rust_eh_personality, %function",
    "rust_eh_personality:",
    // Nothing calls it; any instruction will do.
    "nop",
);
