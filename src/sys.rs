//! The few system calls the library makes.
//!
//! All go through `syscall(2)`: no libc wrapper is a cancellation point for the host's threads, and
//! `stat` and `fstat` do not exist as symbols before glibc 2.33. `errno` is disturbed; the
//! exported functions put it back.
#![allow(unsafe_code, reason = "system calls")]

use core::ffi::{CStr, c_int, c_long, c_uint, c_void};
use core::mem::MaybeUninit;
use core::sync::atomic::AtomicU32;

use crate::errno::Errno;

/// Turns the C convention, −1 and errno, into a result.
fn check(returned: c_long) -> Result<c_long, Errno> {
    if returned == -1 { Err(Errno::last()) } else { Ok(returned) }
}

fn narrow(returned: c_long) -> c_int {
    // The kernel's descriptors and process ids fit in an int.
    c_int::try_from(returned).unwrap_or(c_int::MAX)
}

/// A file's device and inode.
pub(crate) type FileId = (u64, u64);

/// What tells one state of a file from another: inode(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Of what is no file.
    pub(crate) const NONE: Self =
        Self { dev: 0, ino: 0, size: 0, links: 0, mtime: (0, 0), ctime: (0, 0), mode: 0 };

    /// Which inode of which file system, whatever its content.
    pub(crate) fn file(&self) -> FileId {
        (self.dev, self.ino)
    }

    fn new(st: &libc::stat) -> Self {
        Self {
            dev: st.st_dev,
            ino: st.st_ino,
            size: st.st_size,
            #[allow(clippy::useless_conversion, reason = "u32 on some architectures")]
            links: st.st_nlink.into(),
            mtime: (st.st_mtime, st.st_mtime_nsec),
            ctime: (st.st_ctime, st.st_ctime_nsec),
            mode: st.st_mode,
        }
    }
}

/// fstat(2).
pub(crate) fn fstat(fd: c_int) -> Result<Stamp, Errno> {
    let mut st = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: fstat writes one struct stat, whose layout the kernel and libc share on 64-bit.
    check(unsafe { libc::syscall(libc::SYS_fstat, fd, st.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so the kernel has filled it.
    Ok(Stamp::new(unsafe { st.assume_init_ref() }))
}

/// stat(2), following symbolic links, or lstat(2).
pub(crate) fn stat(path: &CStr, follow: bool) -> Result<Stamp, Errno> {
    let mut st = MaybeUninit::<libc::stat>::uninit();
    let flags = if follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
    let at = libc::AT_FDCWD;
    // SAFETY: `path` ends in NUL, and newfstatat writes one struct stat.
    let done =
        unsafe { libc::syscall(libc::SYS_newfstatat, at, path.as_ptr(), st.as_mut_ptr(), flags) };
    check(done)?;
    // SAFETY: the call succeeded, so the kernel has filled it.
    Ok(Stamp::new(unsafe { st.assume_init_ref() }))
}

/// open(2) with `O_CLOEXEC`.
pub(crate) fn open(path: &CStr, flags: c_int) -> Result<c_int, Errno> {
    loop {
        let at = libc::AT_FDCWD;
        let flags = flags | libc::O_CLOEXEC;
        // SAFETY: `path` ends in NUL; the call writes nothing of ours.
        match check(unsafe { libc::syscall(libc::SYS_openat, at, path.as_ptr(), flags, 0) }) {
            Err(Errno::EINTR) => {}
            done => return done.map(narrow),
        }
    }
}

/// close(2). The caller knows that the descriptor is its own.
pub(crate) fn close(fd: c_int) {
    // SAFETY: closes a number; no memory is involved.
    unsafe { libc::syscall(libc::SYS_close, fd) };
}

/// pread(2) into the free room of `into`, at most `room` bytes: what it added, 0 at the end.
pub(crate) fn pread(fd: c_int, into: &mut Vec<u8>, room: usize) -> Result<usize, Errno> {
    let at = into.len();
    let spare = into.spare_capacity_mut();
    let room = room.min(spare.len());
    loop {
        let to = spare.as_mut_ptr();
        // SAFETY: the kernel writes at most `room` bytes into the spare capacity.
        match check(unsafe { libc::syscall(libc::SYS_pread64, fd, to, room, at) }) {
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e),
            Ok(count) => {
                let count = usize::try_from(count).unwrap_or(0);
                // SAFETY: the kernel has initialised `count <= room` bytes after `at`.
                unsafe { into.set_len(at + count) };
                return Ok(count);
            }
        }
    }
}

/// write(2); what cannot be written is dropped.
pub(crate) fn write(fd: c_int, bytes: &[u8]) {
    // SAFETY: the kernel reads `bytes.len()` bytes of a live slice.
    unsafe { libc::syscall(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) };
}

/// True if a write would neither block nor find the other end gone, within `patience` milliseconds:
/// poll(2).
pub(crate) fn can_be_written(fd: c_int, patience: i64) -> bool {
    let mut asked = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    let (seconds, nanoseconds) = (patience / 1000, patience % 1000 * 1_000_000);
    let mut time = libc::timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let mask = core::ptr::null::<c_void>();
    loop {
        let (asked_at, time_at) = (&raw mut asked, &raw mut time);
        // SAFETY: one struct pollfd and one timespec are read and written; the signal mask stays.
        match check(unsafe { libc::syscall(libc::SYS_ppoll, asked_at, 1, time_at, mask, 8) }) {
            // The kernel has stored the time that is left.
            Err(Errno::EINTR) => {}
            done => {
                let room = asked.revents & (libc::POLLOUT | libc::POLLERR) == libc::POLLOUT;
                return done == Ok(1) && room;
            }
        }
    }
}

/// A copy of `fd` on the lowest free number that is at least `least`, closed on exec: fcntl(2).
pub(crate) fn dup_high(fd: c_int, least: c_int) -> Result<c_int, Errno> {
    let command = libc::F_DUPFD_CLOEXEC;
    // SAFETY: works on numbers; no memory is involved.
    check(unsafe { libc::syscall(libc::SYS_fcntl, fd, command, least) }).map(narrow)
}

/// How the descriptor was opened, and what fcntl(2) has changed since.
pub(crate) fn status_flags(fd: c_int) -> Result<c_int, Errno> {
    // SAFETY: works on numbers; no memory is involved.
    check(unsafe { libc::syscall(libc::SYS_fcntl, fd, libc::F_GETFL) }).map(narrow)
}

/// The process's soft limit on descriptors: getrlimit(2).
pub(crate) fn descriptor_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let none = core::ptr::null::<libc::rlimit>();
    let out = &raw mut limit;
    let what = libc::RLIMIT_NOFILE;
    // SAFETY: process 0 is the caller, and one struct rlimit is written.
    unsafe { libc::syscall(libc::SYS_prlimit64, 0, what, none, out) };
    limit.rlim_cur
}

/// The coarse clocks: they move once per scheduler tick, and reading one costs no system call.
pub(crate) fn coarse(clock: c_int) -> (i64, i64) {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec. The function is in libc.so since glibc 2.17.
    unsafe { libc::clock_gettime(clock, &raw mut now) };
    (now.tv_sec, now.tv_nsec)
}

/// Eight of the random bytes that the kernel gives each new program: `AT_RANDOM` of getauxval(3).
pub(crate) fn random() -> Option<u64> {
    // SAFETY: takes a number, returns a number.
    let at = unsafe { libc::getauxval(libc::AT_RANDOM) };
    let at = core::ptr::with_exposed_provenance::<[u8; 8]>(usize::try_from(at).ok()?);
    // SAFETY: null, or the address of 16 bytes that stay for the life of the process.
    unsafe { at.as_ref() }.copied().map(u64::from_ne_bytes)
}

/// getpid(2), asked of the kernel: a copy in memory would be wrong after fork.
pub(crate) fn pid() -> u32 {
    // SAFETY: takes no argument.
    let pid = unsafe { libc::syscall(libc::SYS_getpid) };
    narrow(pid).unsigned_abs()
}

/// getuid(2), by libc's name: uid_wrapper and fakeroot answer it.
pub(crate) fn uid() -> u32 {
    // SAFETY: takes no argument.
    unsafe { libc::getuid() }
}

/// getgid(2), by libc's name.
pub(crate) fn gid() -> u32 {
    // SAFETY: takes no argument.
    unsafe { libc::getgid() }
}

/// gettid(2).
pub(crate) fn tid() -> u32 {
    // SAFETY: takes no argument.
    let tid = unsafe { libc::syscall(libc::SYS_gettid) };
    narrow(tid).unsigned_abs()
}

/// True if there is no thread of that number any more, in this process or in another.
pub(crate) fn thread_is_gone(tid: u32) -> bool {
    let nothing: c_uint = 0;
    // SAFETY: signal 0 is only checked for, not sent.
    let sent = check(unsafe { libc::syscall(libc::SYS_tkill, tid, nothing) });
    matches!(sent, Err(e) if e.get() == libc::ESRCH)
}

/// A zero that is zero again in every child of fork(2), which has memory of its own; one that shares
/// the memory shares this too: `MADV_WIPEONFORK` of madvise(2). It is never given back.
pub(crate) fn word_wiped_on_fork() -> Option<&'static AtomicU32> {
    const SIZE: usize = 4096;
    let (protection, kind) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let nowhere = core::ptr::null_mut::<c_void>();
    // A whole word: the last argument is passed in memory.
    let offset: libc::off_t = 0;
    // SAFETY: fresh memory, wherever the kernel likes.
    let at = unsafe { libc::syscall(libc::SYS_mmap, nowhere, SIZE, protection, kind, -1, offset) };
    let at = usize::try_from(check(at).ok()?).ok()?;
    // SAFETY: advice about the page that was just mapped.
    let advised =
        check(unsafe { libc::syscall(libc::SYS_madvise, at, SIZE, libc::MADV_WIPEONFORK) });
    if advised.is_err() {
        // SAFETY: the page that was just mapped, which nobody has seen.
        unsafe { libc::syscall(libc::SYS_munmap, at, SIZE) };
        return None;
    }
    let word = core::ptr::with_exposed_provenance::<AtomicU32>(at);
    // SAFETY: zeroed, aligned to a page, and never unmapped; only atomics touch it.
    unsafe { word.as_ref() }
}

/// Sleeps for `nanoseconds`, or until a signal.
pub(crate) fn nap(nanoseconds: i64) {
    let time = libc::timespec { tv_sec: 0, tv_nsec: nanoseconds };
    let none = core::ptr::null_mut::<libc::timespec>();
    // SAFETY: reads one timespec; the remaining time is not asked for.
    unsafe { libc::syscall(libc::SYS_nanosleep, &raw const time, none) };
}

/// The working directory's path with its NUL: getcwd(2).
pub(crate) fn working_directory(into: &mut [u8]) -> Option<&[u8]> {
    // SAFETY: the kernel writes at most `into.len()` bytes, and returns how many with the NUL.
    let len = check(unsafe { libc::syscall(libc::SYS_getcwd, into.as_mut_ptr(), into.len()) });
    into.get(..usize::try_from(len.ok()?).ok()?)
}
