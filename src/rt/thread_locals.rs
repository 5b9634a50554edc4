//! Four words for each thread.
//!
//! std's `thread_local!` would call `__tls_get_addr` at every access. These words lie in the memory that libc reserves
//! for libraries that are loaded at the program's start (the initial-exec model), at a fixed distance from the thread
//! pointer: two instructions. glibc reserves a few bytes more, so that a program may also load the library later; musl
//! does not. On a machine for which there is no such access here, a pthread key finds the words.
#![allow(unsafe_code, reason = "a thread-local variable in assembler")]

use core::cell::Cell;

use super::mark::Mark;
use super::thread::{Level, ThreadState};

/// The calling thread's words; zeros at first.
#[repr(C)]
pub(crate) struct ThreadLocals {
    /// The thread's state, after its first call.
    pub(crate) state: Cell<Option<&'static ThreadState>>,
    /// The level of the call that is in progress.
    pub(crate) level: Cell<Option<&'static Level>>,
    /// Set while the thread is in a function of libc that the library called.
    pub(crate) in_libc: Mark,
    /// How often libc has asked the thread for a host.
    pub(crate) hosts_asked: Cell<usize>,
}

#[cfg(all(
    not(miri),
    any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")
))]
mod access {
    use super::ThreadLocals;
    use core::arch::{asm, global_asm};

    global_asm!(
        ".pushsection .tbss.nwrap_thread_locals,\"awT\",%nobits",
        ".balign 8",
        ".globl nwrap_thread_locals",
        ".hidden nwrap_thread_locals",
        ".type nwrap_thread_locals, %tls_object",
        ".size nwrap_thread_locals, 32",
        "nwrap_thread_locals:",
        ".zero 32",
        ".popsection",
    );

    const _: () = assert!(size_of::<ThreadLocals>() == 32);

    #[inline(always)]
    pub(super) fn address() -> *const ThreadLocals {
        let at: *const ThreadLocals;
        #[cfg(target_arch = "x86_64")]
        // SAFETY: reads the thread pointer, which x86_64 keeps at its own address, and the variable's
        // distance from it, which ld.so has put into the GOT.
        unsafe {
            asm!(
                "mov {at}, fs:0",
                "add {at}, qword ptr [rip + nwrap_thread_locals@GOTTPOFF]",
                at = out(reg) at,
                options(pure, nomem, nostack)
            );
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: reads the thread pointer from its register, and the variable's distance from the GOT.
        unsafe {
            asm!(
                "mrs {thread}, tpidr_el0",
                "adrp {at}, :gottprel:nwrap_thread_locals",
                "ldr {at}, [{at}, :gottprel_lo12:nwrap_thread_locals]",
                "add {at}, {at}, {thread}",
                thread = out(reg) _,
                at = out(reg) at,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
        #[cfg(target_arch = "riscv64")]
        // SAFETY: reads the variable's distance from the GOT, and adds the thread pointer.
        unsafe {
            asm!(
                "la.tls.ie {at}, nwrap_thread_locals",
                "add {at}, {at}, tp",
                at = out(reg) at,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
        at
    }
}

#[cfg(not(any(miri, target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
mod access {
    use super::ThreadLocals;
    use crate::rt::memory::try_box;
    use crate::rt::next::{GET_SPECIFIC, SET_SPECIFIC};
    use crate::rt::registry;
    use alloc::boxed::Box;
    use core::ffi::c_void;
    use core::sync::atomic::AtomicU64;

    static KEY: AtomicU64 = AtomicU64::new(0);

    /// Stores the words for the calling thread; `None` if libc cannot.
    fn store(key: libc::pthread_key_t, locals: Box<ThreadLocals>) -> Option<*const ThreadLocals> {
        let set_specific = SET_SPECIFIC.get()?;
        let at = Box::into_raw(locals);
        // SAFETY: the key exists for the life of the process, and its destructor frees the value.
        if unsafe { set_specific(key, at.cast()) } != 0 {
            // SAFETY: from `Box::into_raw`, and not stored.
            drop(unsafe { Box::from_raw(at) });
            return None;
        }
        Some(at)
    }

    /// # Safety
    ///
    /// `locals` is what [`find`] has made for the ending thread.
    unsafe extern "C" fn free_locals(locals: *mut c_void) {
        // SAFETY: from `Box::into_raw`, and the thread that had it ends.
        let locals = unsafe { Box::from_raw(locals.cast::<ThreadLocals>()) };
        if locals.state.get().is_some() {
            // The state's destructor comes later, and after it libc calls this one again. If a destructor in between found no
            // words here, it would take another state, and this one would stay in use.
            _ = registry::key(&KEY, free_locals).and_then(|key| store(key, locals));
        }
    }

    fn find() -> Option<*const ThreadLocals> {
        let key = registry::key(&KEY, free_locals)?;
        // SAFETY: the key exists for the life of the process.
        let at = unsafe { GET_SPECIFIC.get()?(key) };
        if at.is_null() { store(key, try_box(ThreadLocals::new()).ok()?) } else { Some(at.cast()) }
    }

    pub(super) fn address() -> *const ThreadLocals {
        /// For threads that find no memory. They share it, so an answer can be wrong, but no memory is touched wrongly.
        struct Fallback(ThreadLocals);
        // SAFETY: the cells are words, which the machines of this fallback read and write whole.
        unsafe impl Sync for Fallback {}
        static FALLBACK: Fallback = Fallback(ThreadLocals::new());
        find().unwrap_or(&raw const FALLBACK.0)
    }
}

/// Miri runs no assembler.
#[cfg(miri)]
mod access {
    use super::ThreadLocals;

    thread_local!(static LOCALS: ThreadLocals = const { ThreadLocals::new() });

    pub(super) fn address() -> *const ThreadLocals {
        LOCALS.with(core::ptr::from_ref)
    }
}

impl ThreadLocals {
    #[allow(dead_code, reason = "where `access` is in assembler, they are zeros")]
    const fn new() -> Self {
        let (state, level) = (Cell::new(None), Cell::new(None));
        Self { state, level, in_libc: Mark::new(), hosts_asked: Cell::new(0) }
    }

    /// The calling thread's own. The reference cannot leave the thread.
    #[inline(always)]
    pub(crate) fn current() -> &'static Self {
        // SAFETY: zeros are a `ThreadLocals`; only this thread reaches them, and its code ends before they do.
        unsafe { &*access::address() }
    }
}
