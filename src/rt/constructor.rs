//! What is done when the library is loaded. There is only one constructor, because each page of code that a
//! process touches at its start costs more than all that is done here.
#![allow(unsafe_code, reason = "a constructor")]

#[cfg(target_arch = "x86")]
use crate::rt::sys;
use crate::rt::{annotate, log, registry};

#[cfg_attr(not(any(test, fuzzing)), unsafe(link_section = ".init_array"))]
#[cfg_attr(any(test, fuzzing), allow(dead_code, reason = "only a loader calls it"))]
#[used]
static AT_LOAD: extern "C" fn() = {
    #[cfg_attr(not(any(test, fuzzing)), unsafe(link_section = ".text.startup"))]
    extern "C" fn at_load() {
        annotate::at_load();
        #[cfg(target_arch = "x86")]
        sys::use_vdso();
        log::at_load();
        registry::at_load();
    }
    at_load
};
