//! Local answers to names that std mentions for the backtrace of a panic, which never comes.
//!
//! With `panic = "abort"` nothing unwinds, so `_Unwind_*` need not come from libgcc_s.so. And
//! glibc has `stat64` and `fstat64` only since 2.33, musl none of the `64` names for new programs.
//! All are hidden: the library does not show them to the program.
#![allow(unsafe_code, reason = "assembler")]

macro_rules! nothing {
    ($body:literal: $($name:literal)*) => {
        core::arch::global_asm!(
            ".text",
            $(
                concat!(".globl ", $name),
                concat!(".hidden ", $name),
                concat!(".type ", $name, ", %function"),
                concat!($name, ":"),
            )*
            $body,
        );
    };
}

#[cfg(target_arch = "x86_64")]
nothing! { "xor eax, eax\nret":
    "_Unwind_Backtrace" "_Unwind_DeleteException" "_Unwind_FindEnclosingFunction" "_Unwind_GetCFA"
    "_Unwind_GetDataRelBase" "_Unwind_GetIP" "_Unwind_GetIPInfo"
    "_Unwind_GetLanguageSpecificData" "_Unwind_GetRegionStart" "_Unwind_GetTextRelBase"
    "_Unwind_RaiseException" "_Unwind_Resume" "_Unwind_SetGR" "_Unwind_SetIP"
}

#[cfg(target_arch = "x86_64")]
nothing! { "mov rax, -1\nret": "fstat64" "lseek64" "mmap64" "open64" "stat64" }

#[cfg(target_arch = "aarch64")]
nothing! { "mov x0, xzr\nret":
    "_Unwind_Backtrace" "_Unwind_DeleteException" "_Unwind_FindEnclosingFunction" "_Unwind_GetCFA"
    "_Unwind_GetDataRelBase" "_Unwind_GetIP" "_Unwind_GetIPInfo"
    "_Unwind_GetLanguageSpecificData" "_Unwind_GetRegionStart" "_Unwind_GetTextRelBase"
    "_Unwind_RaiseException" "_Unwind_Resume" "_Unwind_SetGR" "_Unwind_SetIP"
}

#[cfg(target_arch = "aarch64")]
nothing! { "mov x0, #-1\nret": "fstat64" "lseek64" "mmap64" "open64" "stat64" }
