//! Three words for each thread.
//!
//! std's `thread_local!` would ask `__tls_get_addr` at every access. These lie in the memory that
//! libc sets aside for the libraries of a program's start (the initial-exec model), at a fixed
//! distance from the thread pointer: two instructions. A program that opens the library later finds
//! room for a few bytes there, too.
#![allow(unsafe_code, reason = "a thread-local variable in assembler")]

use core::arch::{asm, global_asm};
use core::cell::Cell;

global_asm!(
    ".pushsection .tbss.nwrap_own,\"awT\",%nobits",
    ".balign 8",
    ".globl nwrap_own",
    ".hidden nwrap_own",
    ".type nwrap_own, %tls_object",
    ".size nwrap_own, 24",
    "nwrap_own:",
    ".zero 24",
    ".popsection",
);

/// What is the calling thread's own: zeros at first.
#[repr(C)]
pub(crate) struct Own {
    /// The thread's part; see `thread`.
    pub(crate) here: Cell<*const ()>,
    /// How many calls of the next definition the thread is in.
    pub(crate) passing: Cell<usize>,
    /// How often libc has asked the thread for a host.
    pub(crate) asked: Cell<usize>,
}

const _: () = assert!(size_of::<Own>() == 24);

/// The calling thread's own. The reference cannot leave the thread.
#[inline(always)]
pub(crate) fn own() -> &'static Own {
    let at: *const Own;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the thread pointer, which x86_64 keeps at its own address, and the variable's
    // distance from it, which ld.so has put into the GOT.
    unsafe {
        asm!(
            "mov {at}, fs:0",
            "add {at}, qword ptr [rip + nwrap_own@GOTTPOFF]",
            at = out(reg) at,
            options(pure, nomem, nostack)
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above, with the thread pointer in a register of its own.
    unsafe {
        asm!(
            "mrs {thread}, tpidr_el0",
            "adrp {at}, :gottprel:nwrap_own",
            "ldr {at}, [{at}, :gottprel_lo12:nwrap_own]",
            "add {at}, {at}, {thread}",
            thread = out(reg) _,
            at = out(reg) at,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    // SAFETY: 24 bytes of zeros are an `Own`; only this thread reaches them, and its code ends before
    // they do.
    unsafe { &*at }
}
