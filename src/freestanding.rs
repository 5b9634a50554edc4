//! What std would bring: memory from the program's libc, and an end for a panic that never comes.
#![allow(unsafe_code, reason = "an allocator")]

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;
use core::ptr::null_mut;

/// malloc(3) of whatever libc the program has.
struct Malloc;

/// What malloc aligns to; nothing here asks for more.
const ALIGN: usize = 16;

// SAFETY: malloc, calloc, realloc and free keep the contract for what malloc aligns, and null says
// that there is no room.
unsafe impl GlobalAlloc for Malloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > ALIGN {
            return null_mut();
        }
        // SAFETY: any size will do.
        unsafe { libc::malloc(layout.size()) }.cast()
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.align() > ALIGN {
            return null_mut();
        }
        // SAFETY: any size will do.
        unsafe { libc::calloc(layout.size(), 1) }.cast()
    }

    unsafe fn realloc(&self, at: *mut u8, _: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller has `at` from one of these, so it is aligned as malloc does.
        unsafe { libc::realloc(at.cast(), size) }.cast()
    }

    unsafe fn dealloc(&self, at: *mut u8, _: Layout) {
        // SAFETY: the caller has `at` from one of these, and frees it once.
        unsafe { libc::free(at.cast()) };
    }
}

#[global_allocator]
static MALLOC: Malloc = Malloc;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: takes nothing, and does not return.
    unsafe { libc::abort() }
}

// The precompiled core names it, though with `panic = "abort"` nothing unwinds. Hidden: the library
// does not show it to the program.
core::arch::global_asm!(
    ".text",
    ".globl rust_eh_personality",
    ".hidden rust_eh_personality",
    ".type rust_eh_personality, %function",
    "rust_eh_personality:",
    "ret",
);
