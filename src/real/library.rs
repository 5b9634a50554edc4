//! Another shared object: dlopen(3).

use core::ffi::{CStr, c_void};
use core::ptr::NonNull;

use super::{DLERROR, DLOPEN, WEAK, dlsym};
use crate::errno::{self, Errno};
use crate::sys;

/// An object that was loaded; it stays loaded.
pub(crate) struct Library(NonNull<c_void>);

// SAFETY: a handle is only handed to dlsym, which any thread may call.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

impl Library {
    /// Loads it, or takes what is loaded; `None` if the loader cannot, or if there is no loader to
    /// ask. [`complaint`] says why. An error is a passing lack of something.
    pub(crate) fn open(path: &CStr) -> Result<Option<Self>, Errno> {
        // Before glibc 2.34 dlopen is in libdl.so; without that libc has its own entry.
        let Some(dlopen) = DLOPEN.get().or(WEAK.libc_dlopen) else { return Ok(None) };
        // Found now: the search would replace what there will be to complain of.
        _ = DLERROR.address();
        errno::clear();
        // Differs from upstream: without RTLD_DEEPBIND the module's own questions come to us.
        // SAFETY: `path` ends in NUL. What the object's constructors do is up to who named it.
        let handle = unsafe { dlopen(path.as_ptr(), libc::RTLD_LAZY | libc::RTLD_LOCAL) };
        match NonNull::new(handle) {
            None if Errno::last() == Errno::ENOMEM => Err(Errno::ENOMEM),
            // glibc keeps the number of other errors to itself.
            None if is_without_descriptors() => Err(Errno::EMFILE),
            handle => Ok(handle.map(Self)),
        }
    }

    /// Where a symbol of it is; `ENOMEM` if there was no room to find out.
    pub(crate) fn symbol(&self, name: &CStr) -> Result<Option<NonNull<c_void>>, Errno> {
        errno::clear();
        match dlsym(self.0.as_ptr(), name) {
            None if Errno::last() == Errno::ENOMEM => Err(Errno::ENOMEM),
            found => Ok(found),
        }
    }
}

/// True if no file can be opened now.
fn is_without_descriptors() -> bool {
    match sys::open(c"/", libc::O_PATH) {
        Ok(fd) => {
            sys::close(fd);
            false
        }
        Err(error) => matches!(error.get(), libc::EMFILE | libc::ENFILE),
    }
}

/// What the loader last complained of, cut where `room` ends; it forgets that. A copy, since any
/// use of dlsym, and so the log, frees the loader's own.
pub(crate) fn complaint(room: &mut [u8]) -> &[u8] {
    let text = DLERROR.get().map_or(core::ptr::null(), |dlerror| {
        // SAFETY: takes nothing.
        unsafe { dlerror() }
    });
    if text.is_null() {
        return b"no reason given";
    }
    // SAFETY: dlerror's result is a C string until the thread's next call of a dl function.
    let text = unsafe { CStr::from_ptr(text) }.to_bytes();
    let len = room.len().min(text.len());
    for (to, from) in room.iter_mut().zip(text) {
        *to = *from;
    }
    room.get(..len).unwrap_or_default()
}
