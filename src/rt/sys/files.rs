//! Descriptors, and the system calls about files.
//!
//! A descriptor is a plain number here. `OwnedFd` closes on drop, which this library must never do unasked: the
//! program may have closed the number and opened a file of its own there.
#![allow(unsafe_code, reason = "descriptors that the program may close")]

use core::cell::Cell;
use core::ffi::{CStr, c_int};
use core::num::NonZero;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::{BorrowedFd, IntoRawFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, SeekFrom, Stat};

use super::{euid, is_secure};
use crate::rt::errno::Errno;
pub(crate) use rustix::fs::OFlags;

/// A descriptor's number plus one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fd(NonZero<c_int>);

/// Where a call records a descriptor that it has open. All zeros are none.
pub(crate) type FdCell = Cell<Option<Fd>>;

impl Fd {
    pub(crate) const STDERR: Self = match NonZero::new(2 + 1) {
        Some(word) => Self(word),
        None => unreachable!(),
    };

    /// A descriptor that the kernel has just given, recorded in `place`.
    fn new(fd: OwnedFd, place: &FdCell) -> Result<Self, Errno> {
        place.set(Self::from_word(fd.into_raw_fd().wrapping_add(1)));
        place.get().ok_or(Errno::EBADF)
    }

    /// The descriptor in a word that is 0 for none.
    pub(crate) fn from_word(word: c_int) -> Option<Self> {
        NonZero::new(word).map(Self)
    }

    pub(crate) fn to_word(self) -> c_int {
        self.0.get()
    }

    #[inline(always)]
    pub(crate) fn number(self) -> c_int {
        self.0.get().wrapping_sub(1)
    }

    #[inline(always)]
    fn borrow(self) -> BorrowedFd<'static> {
        // SAFETY: not -1, because the number plus one is not 0. If the number is closed, or is another file, the system
        // call fails or reads that; no memory is touched wrongly.
        unsafe { BorrowedFd::borrow_raw(self.number()) }
    }
}

/// A file's device and inode.
pub(crate) type FileId = (u64, u64);

/// What differs between two states of a file: inode(7). Times are seconds and nanoseconds. All zeros are no file's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    pub(crate) size: i64,
    pub(crate) links: u64,
    pub(crate) mtime: (i64, i64),
    pub(crate) ctime: (i64, i64),
    pub(crate) mode: u32,
}

impl Stamp {
    /// Which file it is, whatever its content.
    pub(crate) fn file(&self) -> FileId {
        (self.dev, self.ino)
    }

    /// The kind of file: `S_IFREG` and so on.
    pub(crate) fn kind(&self) -> u32 {
        self.mode & libc::S_IFMT
    }

    #[inline(always)]
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_possible_wrap,
        clippy::cast_lossless,
        reason = "the widths and signs of these fields differ between architectures"
    )]
    fn new(st: &Stat) -> Self {
        Self {
            dev: st.st_dev as u64,
            ino: st.st_ino as u64,
            size: st.st_size as i64,
            links: st.st_nlink as u64,
            mtime: (st.st_mtime as i64, st.st_mtime_nsec as i64),
            ctime: (st.st_ctime as i64, st.st_ctime_nsec as i64),
            mode: st.st_mode as u32,
        }
    }
}

#[inline(always)]
pub(crate) fn fstat(fd: Fd) -> Result<Stamp, Errno> {
    Ok(Stamp::new(&rustix::fs::fstat(fd.borrow())?))
}

/// The same by the call that glibc 2.33 to 2.38 use for it (newfstatat). A sandbox that lets a program start and read
/// files lets it pass. It is slower before Linux 6.11.
pub(crate) fn fstat_as_libc(fd: Fd) -> Result<Stamp, Errno> {
    Ok(Stamp::new(&rustix::fs::statat(fd.borrow(), c"", AtFlags::EMPTY_PATH)?))
}

/// stat(2), which follows symbolic links.
pub(crate) fn stat(path: &CStr) -> Result<Stamp, Errno> {
    Ok(Stamp::new(&rustix::fs::stat(path)?))
}

/// lstat(2), which does not.
pub(crate) fn lstat(path: &CStr) -> Result<Stamp, Errno> {
    Ok(Stamp::new(&rustix::fs::lstat(path)?))
}

/// Repeats a call that a signal has interrupted.
fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(rustix::io::Errno::INTR) => {}
            done => return Ok(done?),
        }
    }
}

/// open(2) with `O_CLOEXEC`. The descriptor is recorded in `place` at once: a call leaks it only if it is abandoned in
/// the few instructions between.
pub(crate) fn open(path: &CStr, flags: OFlags, place: &FdCell) -> Result<Fd, Errno> {
    let flags = flags | OFlags::CLOEXEC;
    Fd::new(retry(|| rustix::fs::openat(CWD, path, flags, Mode::empty()))?, place)
}

/// close(2). The caller knows that the descriptor is the library's own.
pub(crate) fn close(fd: Fd) {
    // SAFETY: closing a number touches no memory. `file::read` and `rt::watch` check first whose it is.
    unsafe { rustix::io::close(fd.number()) };
}

/// pread(2): how many bytes came, 0 at the end of the file.
pub(crate) fn pread(fd: Fd, into: &mut [u8], at: usize) -> Result<usize, Errno> {
    retry(|| rustix::io::pread(fd.borrow(), &mut *into, at as u64))
}

/// read(2): how many bytes came, 0 at the end of the file.
pub(crate) fn read(fd: Fd, into: &mut [u8]) -> Result<usize, Errno> {
    retry(|| rustix::io::read(fd.borrow(), &mut *into))
}

/// Where the next read(2) of the descriptor begins: lseek(2). `EBADF` from one that was opened with `O_PATH`.
pub(crate) fn position(fd: Fd) -> Result<u64, Errno> {
    Ok(rustix::fs::seek(fd.borrow(), SeekFrom::Current(0))?)
}

/// write(2); what cannot be written is dropped.
pub(crate) fn write(fd: Fd, bytes: &[u8]) {
    _ = rustix::io::write(fd.borrow(), bytes);
}

/// True if, within `wait_ms` milliseconds, a write would neither block nor find the other end closed: poll(2).
pub(crate) fn can_be_written(fd: Fd, wait_ms: i64) -> bool {
    let mut asked = [PollFd::from_borrowed_fd(fd.borrow(), PollFlags::OUT)];
    let timeout = Timespec { tv_sec: wait_ms / 1000, tv_nsec: (wait_ms % 1000 * 1_000_000) as _ };
    let ready = retry(|| rustix::event::poll(&mut asked, Some(&timeout)));
    let wanted = PollFlags::OUT | PollFlags::ERR;
    ready == Ok(1) && asked.first().is_some_and(|fd| fd.revents() & wanted == PollFlags::OUT)
}

/// A copy of `fd` on the lowest free number that is at least `least`, closed on exec: fcntl(2).
pub(crate) fn dup_at_least(fd: Fd, least: c_int, place: &FdCell) -> Result<Fd, Errno> {
    Fd::new(rustix::io::fcntl_dupfd_cloexec(fd.borrow(), least)?, place)
}

/// How the descriptor was opened, and what fcntl(2) has changed since.
pub(crate) fn status_flags(fd: Fd) -> Result<OFlags, Errno> {
    Ok(rustix::fs::fcntl_getfl(fd.borrow())?)
}

/// True if nobody but root can write what is open, a regular file.
pub(crate) fn only_root_writes(fd: Fd) -> bool {
    rustix::fs::statat(fd.borrow(), c"", AtFlags::EMPTY_PATH)
        .is_ok_and(|st| Stamp::new(&st).kind() == libc::S_IFREG && is_roots(&st))
}

/// True if nobody but root can write what is at a path, or what a symbolic link there leads to.
pub(crate) fn only_root_writes_path(path: &CStr) -> bool {
    rustix::fs::stat(path).is_ok_and(|st| is_roots(&st))
}

fn is_roots(st: &Stat) -> bool {
    /// The owner that is shown for a file whose owner has no number in the process's user namespace; that may be
    /// root. Only an unprivileged process may take it for root.
    const OVERFLOW_UID: u32 = 65534;
    let is_owner = st.st_uid == 0 || st.st_uid == OVERFLOW_UID && !is_secure() && euid() != 0;
    is_owner && st.st_mode & 0o022 == 0
}
