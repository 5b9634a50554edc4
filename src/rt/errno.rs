//! Error numbers as types, and the guard that puts the caller's `errno` back.
#![allow(unsafe_code, reason = "errno is a C thread-local behind a pointer")]

use core::ffi::c_int;
use core::fmt;

use crate::rt::next::H_ERRNO_LOCATION;

/// An `errno` value; never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(c_int);

macro_rules! numbers {
    ($($name:ident)*) => {$(pub(crate) const $name: Self = Self(libc::$name);)*};
}

impl Errno {
    numbers! {
        EAGAIN EBADF EFBIG EMFILE ENFILE EINVAL EPERM ESRCH ENOENT
        ENOMEM ENOTDIR EACCES ELOOP EISDIR ENAMETOOLONG ENOSYS ERANGE
    }

    /// What a function returned; `None` for 0.
    pub(crate) const fn new(number: c_int) -> Option<Self> {
        if number == 0 { None } else { Some(Self(number)) }
    }

    pub(crate) const fn get(self) -> c_int {
        self.0
    }

    /// What the last failed call of libc left in `errno`.
    pub(crate) fn last() -> Self {
        Self(read())
    }

    /// Stores the number in `errno`, and gives -1, which a function returns then.
    pub(crate) fn fail(self) -> c_int {
        self.set();
        -1
    }

    pub(crate) fn set(self) {
        write(self.0);
    }

    /// What the number means for a file; empty for a number that has no text here.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::ENOENT => "No such file or directory",
            Self::EACCES => "Permission denied",
            Self::EPERM => "Operation not permitted",
            Self::ENOTDIR => "Not a directory",
            Self::ELOOP => "Too many levels of symbolic links",
            Self::EISDIR => "Is a directory",
            Self::EINVAL => "Not a regular file",
            Self::ENAMETOOLONG => "File name too long",
            Self::ENOMEM => "Cannot allocate memory",
            Self::EMFILE | Self::ENFILE => "Too many open files",
            Self::EAGAIN => "Resource temporarily unavailable",
            Self::EFBIG => "File too large",
            Self(libc::EIO) => "Input/output error",
            _ => "",
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            "" => write!(f, "error {}", self.0),
            text => f.write_str(text),
        }
    }
}

/// An `h_errno` value: why there is no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostErrno(c_int);

impl HostErrno {
    /// `errno` says more.
    pub(crate) const NETDB_INTERNAL: Self = Self(-1);
    pub(crate) const NETDB_SUCCESS: Self = Self(0);
    pub(crate) const HOST_NOT_FOUND: Self = Self(1);
    pub(crate) const TRY_AGAIN: Self = Self(2);
    /// The host is known, but has no address of that family.
    pub(crate) const NO_DATA: Self = Self(4);

    pub(crate) const fn get(self) -> c_int {
        self.0
    }

    pub(crate) fn set(self) {
        let Some(location) = H_ERRNO_LOCATION.get() else { return };
        // SAFETY: `__h_errno_location` takes nothing.
        let place = unsafe { location() };
        // SAFETY: glibc and musl return a valid pointer for the life of the thread.
        unsafe { place.write(self.0) };
    }
}

impl From<Errno> for HostErrno {
    fn from(error: Errno) -> Self {
        if error == Errno::EAGAIN { Self::TRY_AGAIN } else { Self::NETDB_INTERNAL }
    }
}

/// Sets `errno` to 0, before a call that reports an error only there.
pub(crate) fn clear() {
    write(0);
}

/// The address of the calling thread's `errno`, for functions that take one.
pub(crate) fn place() -> *mut c_int {
    // SAFETY: `__errno_location` takes nothing, in glibc and in musl.
    unsafe { libc::__errno_location() }
}

/// Restores `errno` when dropped: a lookup that finds nothing must leave it untouched (POSIX, getpwnam_r).
pub(crate) struct ErrnoGuard(c_int);

impl ErrnoGuard {
    pub(crate) fn new() -> Self {
        Self(read())
    }

    /// Leaves that error in `errno` instead.
    pub(crate) fn leave(&mut self, error: Errno) {
        self.0 = error.get();
    }
}

impl Drop for ErrnoGuard {
    fn drop(&mut self) {
        write(self.0);
    }
}

fn read() -> c_int {
    // SAFETY: glibc and musl return a valid pointer for the life of the thread.
    unsafe { *place() }
}

fn write(value: c_int) {
    // SAFETY: glibc and musl return a valid pointer for the life of the thread.
    unsafe { *place() = value };
}
