//! dlopen(3), for code that never calls an interposed function.
//!
//! Code loaded with `RTLD_DEEPBIND` (every shared PHP extension on Debian) binds to libc before this library. So
//! when something is loaded in this way libc is told to ask us (`nss_service`), and the code's lookups come back
//! through libc. The loader uses dlopen's return address: RUNPATH, `$ORIGIN` and the namespace are those of the
//! calling object. So the export is a few lines of assembler that leave stack and arguments unchanged and jump to
//! the next definition.

use core::ffi::c_int;

use super::nss_service::configure_each;
use crate::config::FileKind;
use crate::rt::errno::{Errno, ErrnoGuard};
use crate::rt::next::DLOPEN;

/// The address to jump to.
///
/// # Safety
///
/// Any arguments will do. (Only the assembler below calls it.)
unsafe extern "C" fn nwrap_before_dlopen(mode: c_int) -> usize {
    /// The `libc` crate has it for glibc alone.
    const RTLD_DEEPBIND: c_int = 8;
    if mode & RTLD_DEEPBIND != 0 {
        let _guard = ErrnoGuard::new();
        configure_each(&[FileKind::Passwd, FileKind::Group, FileKind::Shadow, FileKind::Hosts]);
    }
    match DLOPEN.address() {
        Some(next) => next.as_ptr().addr(),
        // This does not happen: a program that calls dlopen was linked with a definition of it.
        None => {
            let missing: extern "C" fn() -> usize = no_dlopen;
            missing as usize
        }
    }
}

/// Takes dlopen's place if there is none.
extern "C" fn no_dlopen() -> usize {
    Errno::ENOSYS.set();
    0
}

/// dlopen(3). The linker exports only Rust functions, so this one jumps to the assembler, with nothing on the stack.
/// tests/it/programs/deepbind.rs compares what a program sees of it with libc's own dlopen.
///
/// # Safety
///
/// As dlopen(3): a C string, and a mode.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn dlopen() -> ! {
    #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
    // SAFETY: goes on with the stack and the registers that the caller has prepared for dlopen.
    unsafe {
        core::arch::asm!("jmp nwrap_dlopen", options(noreturn, nostack));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: goes on with the stack and the registers that the caller has prepared for dlopen.
    unsafe {
        core::arch::asm!("b nwrap_dlopen", options(noreturn, nostack));
    }
}

/// Defines `nwrap_dlopen` with these instructions.
macro_rules! trampoline {
    ($($line:literal,)*) => {
        core::arch::global_asm!(
            ".pushsection .text.dlopen,\"ax\",%progbits",
            ".globl nwrap_dlopen",
            ".hidden nwrap_dlopen",
            ".type nwrap_dlopen, %function",
            "nwrap_dlopen:",
            $($line,)*
            ".size nwrap_dlopen, . - nwrap_dlopen",
            ".popsection",
            before = sym nwrap_before_dlopen,
        );
    };
}

#[cfg(target_arch = "x86_64")]
trampoline! {
    "endbr64",
    "push rdi",
    "push rsi",
    "sub rsp, 8",
    "mov edi, esi",
    "call {before}",
    "add rsp, 8",
    "pop rsi",
    "pop rdi",
    "jmp rax",
}

// The stack is aligned to 16 bytes at the call: 4 for the return address, 8 here and 4 for the argument.
#[cfg(target_arch = "x86")]
trampoline! {
    "sub esp, 8",
    "push dword ptr [esp + 16]",
    "call {before}",
    "add esp, 12",
    "jmp eax",
}

// "hint #34" is bti c.
#[cfg(target_arch = "aarch64")]
trampoline! {
    "hint #34",
    "stp x29, x30, [sp, #-32]!",
    "stp x0, x1, [sp, #16]",
    "mov w0, w1",
    "bl {before}",
    "mov x16, x0",
    "ldp x0, x1, [sp, #16]",
    "ldp x29, x30, [sp], #32",
    "br x16",
}
