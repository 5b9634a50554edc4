//! What is done when the library is loaded. There is one constructor: each page of code that the start
//! of a process touches costs it more than all that is done here.
#![allow(unsafe_code, reason = "a constructor")]

use crate::rt::{annotate, log, registry};

// Assembler comes before all functions in the object file, and so does the section that it names
// first. The constructor then lies among what the loader reads anyway: the kernel maps 64 KiB around a
// page that is missing.
#[cfg(not(any(test, fuzzing)))]
core::arch::global_asm!(".pushsection .text.startup,\"ax\",%progbits", ".popsection");

#[cfg_attr(not(any(test, fuzzing)), unsafe(link_section = ".init_array"))]
#[cfg_attr(any(test, fuzzing), allow(dead_code, reason = "only a loader calls it"))]
#[used]
static AT_LOAD: extern "C" fn() = {
    #[cfg_attr(not(any(test, fuzzing)), unsafe(link_section = ".text.startup"))]
    extern "C" fn at_load() {
        annotate::at_load();
        log::at_load();
        registry::at_load();
    }
    at_load
};
