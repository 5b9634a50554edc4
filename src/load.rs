//! What is done when the library is loaded: the one constructor, for each page of code that the start
//! of a process touches costs it more than all that is done here.
#![allow(unsafe_code, reason = "a constructor")]

use crate::{trace, valgrind};

#[cfg_attr(not(any(test, fuzzing)), unsafe(link_section = ".init_array"))]
#[cfg_attr(any(test, fuzzing), allow(dead_code, reason = "only a loader calls it"))]
#[used]
static AT_LOAD: extern "C" fn() = {
    extern "C" fn at_load() {
        valgrind::at_load();
        trace::at_load();
    }
    at_load
};
