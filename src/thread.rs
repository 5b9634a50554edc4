//! What each thread of the host keeps: its snapshots, and room for results without `_r`.
#![allow(unsafe_code, reason = "thread-local memory that a pthread key frees")]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::{Cell, UnsafeCell};
use core::ffi::{c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::errno::Errno;
use crate::real::{KEY_CREATE, SET_SPECIFIC};
use crate::store::{Cached, Groups, Hosts, Passwds, Shadows, Table};
use crate::sync::try_box;
use crate::tls;

/// One thread's part.
pub(crate) struct Thread {
    pub(crate) passwds: Cached<Table<Passwds>>,
    pub(crate) groups: Cached<Table<Groups>>,
    pub(crate) shadows: Cached<Table<Shadows>>,
    pub(crate) hosts: Cached<Hosts>,
    pub(crate) passwd: Static<libc::passwd>,
    pub(crate) group: Static<libc::group>,
    pub(crate) shadow: Static<libc::spwd>,
    pub(crate) host: Static<libc::hostent>,
    /// The functions of the NSS module that the thread is in: a bit for each.
    pub(crate) inside: Cell<u32>,
}

/// The result of a function without `_r`: it lives until the thread's next call of that family.
pub(crate) struct Static<T> {
    row: UnsafeCell<MaybeUninit<T>>,
    buffer: Cell<Vec<u8>>,
}

/// The first size of a result's buffer; sysconf(3) suggests the same.
const BUFFER: usize = 1024;

impl<T> Static<T> {
    const fn new() -> Self {
        Self { row: UnsafeCell::new(MaybeUninit::uninit()), buffer: Cell::new(Vec::new()) }
    }

    /// Has `fill` write into the row and a buffer that grows for as long as it says `ERANGE`. True
    /// if it says that there is a row.
    pub(crate) fn fill(
        &self,
        mut fill: impl FnMut(*mut T, *mut u8, usize) -> Result<bool, Errno>,
    ) -> Result<*mut T, Errno> {
        // Taken out, so that a signal handler's lookup does not write into the same memory.
        let mut buffer = self.buffer.take();
        let row = self.row.get().cast::<T>();
        let done = loop {
            match fill(row, buffer.as_mut_ptr(), buffer.capacity()) {
                Err(Errno::ERANGE) => {
                    let size = (buffer.capacity() * 2).max(BUFFER);
                    // What a failed attempt wrote is not worth copying.
                    buffer = Vec::new();
                    if buffer.try_reserve_exact(size).is_err() {
                        break Err(Errno::ENOMEM);
                    }
                }
                done => break done,
            }
        };
        self.buffer.set(buffer);
        done.map(|found| if found { row } else { null_mut() })
    }
}

/// The calling thread's part, made at its first call: `ENOMEM` if that finds no room.
#[inline]
pub(crate) fn here() -> Result<&'static Thread, Errno> {
    let here = tls::own().here.get().cast::<Thread>();
    if here.is_null() {
        return first();
    }
    // SAFETY: set in `first`, and cleared before it is freed, both by this thread alone. The
    // borrow does not outlive the exported function, so not the thread either.
    Ok(unsafe { &*here })
}

#[cold]
fn first() -> Result<&'static Thread, Errno> {
    let new = try_box(Thread {
        passwds: Cached::new(),
        groups: Cached::new(),
        shadows: Cached::new(),
        hosts: Cached::new(),
        passwd: Static::new(),
        group: Static::new(),
        shadow: Static::new(),
        host: Static::new(),
        inside: Cell::new(0),
    })?;
    let new: &'static Thread = Box::leak(new);
    tls::own().here.set((&raw const *new).cast());
    if let (Some(key), Some(set_specific)) = (key(), SET_SPECIFIC.get()) {
        // SAFETY: the key exists for the life of the process. If libc has no room for the value,
        // the thread's part is not freed at its end.
        unsafe { set_specific(key, (&raw const *new).cast()) };
    }
    Ok(new)
}

/// Frees a thread's part.
///
/// # Safety
///
/// `own` is what [`first`] gave the key.
unsafe extern "C" fn at_thread_exit(own: *mut c_void) {
    tls::own().here.set(core::ptr::null());
    // SAFETY: the value that `first` gave the key, a leaked box, and nobody refers to it now.
    drop(unsafe { Box::from_raw(own.cast::<Thread>()) });
}

/// The pthread key whose destructor frees a thread's part; made once, and never deleted.
fn key() -> Option<libc::pthread_key_t> {
    /// The key plus one.
    static KEY: AtomicU64 = AtomicU64::new(0);
    let known = KEY.load(Ordering::Relaxed);
    if known != 0 {
        return libc::pthread_key_t::try_from(known - 1).ok();
    }
    let mut key: libc::pthread_key_t = 0;
    let create = KEY_CREATE.get()?;
    // SAFETY: writes the key; the destructor takes what `first` stores.
    let failed: c_int = unsafe { create(&raw mut key, Some(at_thread_exit)) };
    if failed != 0 {
        return None;
    }
    // Two threads may get here at once: the later key is not used, and stays empty.
    match KEY.compare_exchange(0, u64::from(key) + 1, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => Some(key),
        Err(first) => libc::pthread_key_t::try_from(first - 1).ok(),
    }
}
