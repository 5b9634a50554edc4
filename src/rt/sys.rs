//! The few system calls that the library makes, through `rustix`, which calls the kernel itself.
//!
//! None goes through libc: its wrappers are cancellation points for the program's threads, its
//! `syscall` is replaced by uid_wrapper and socket_wrapper, `stat` and `fstat` do not exist as symbols
//! before glibc 2.33, and all of them write `errno`. The exceptions are at the end of this file.
//!
//! Descriptors are plain numbers here. `OwnedFd` closes on drop, which this library must never do
//! unasked: the program may have closed the number and opened a file of its own there.
#![allow(unsafe_code, reason = "descriptors that the program may close, and a few libc functions")]

use core::cell::Cell;
use core::ffi::{CStr, c_int, c_void};
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::{BorrowedFd, IntoRawFd};
use rustix::fs::{AtFlags, CWD, Mode, SeekFrom, Stat};
use rustix::mm::{Advice, MapFlags, ProtFlags};
use rustix::thread::futex;

use crate::rt::errno::Errno;
use crate::rt::next::{GETCWD, GETEUID, GETGROUPS};
use crate::rt::sandbox;
pub(crate) use rustix::fs::OFlags;

impl From<rustix::io::Errno> for Errno {
    fn from(error: rustix::io::Errno) -> Self {
        Self::new(error.raw_os_error()).unwrap_or(Self::EINVAL)
    }
}

/// A descriptor's number; never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fd(c_int);

impl Fd {
    /// Standard error.
    pub(crate) const STDERR: Self = Self(2);

    /// A number in a cell that holds 0 for none, and else the number plus one.
    #[inline(always)]
    pub(crate) fn from_cell(value: c_int) -> Option<Self> {
        if value > 0 { Some(Self(value - 1)) } else { None }
    }

    /// What such a cell holds.
    pub(crate) fn to_cell(self) -> c_int {
        self.0.wrapping_add(1)
    }

    #[inline(always)]
    fn borrow(self) -> BorrowedFd<'static> {
        // SAFETY: whoever makes an `Fd` has the number from the kernel, or is `from_cell`: never negative.
        unsafe { core::hint::assert_unchecked(self.0 != -1) };
        // SAFETY: not -1. A number that is closed, or open as something else, is an error of the call,
        // not of memory.
        unsafe { BorrowedFd::borrow_raw(self.0) }
    }
}

/// A file's device and inode.
pub(crate) type FileId = (u64, u64);

/// What tells one state of a file from another: inode(7). Times are seconds and nanoseconds.
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

    /// Which inode of which file system, whatever it holds.
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

/// fstat(2).
#[inline(always)]
pub(crate) fn fstat(fd: Fd) -> Result<Stamp, Errno> {
    Ok(Stamp::new(&rustix::fs::fstat(fd.borrow())?))
}

/// The same by the call that glibc makes for it since 2.33, which a sandbox lets pass where it lets a program
/// start and read files. It is slower before Linux 6.11.
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

/// open(2) with `O_CLOEXEC`. The descriptor is written down at once: a call that is abandoned here loses it
/// only within the few instructions from one to the other.
pub(crate) fn open(path: &CStr, flags: OFlags, place: &FdCell) -> Result<Fd, Errno> {
    let flags = flags | OFlags::CLOEXEC;
    loop {
        match rustix::fs::openat(CWD, path, flags, Mode::empty()) {
            Ok(fd) => return Ok(place.put(Fd(fd.into_raw_fd()))),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Where a descriptor stands while a call has it open. All zeros are none.
pub(crate) struct FdCell(Cell<c_int>);

impl FdCell {
    pub(crate) const fn new() -> Self {
        Self(Cell::new(0))
    }

    #[inline(always)]
    fn put(&self, fd: Fd) -> Fd {
        self.0.set(fd.to_cell());
        fd
    }

    /// What stands there.
    #[inline(always)]
    pub(crate) fn get(&self) -> Option<Fd> {
        Fd::from_cell(self.0.get())
    }

    /// Has another one stand there, or none.
    pub(crate) fn set(&self, fd: Option<Fd>) {
        self.0.set(fd.map_or(0, Fd::to_cell));
    }

    /// Empties the cell.
    pub(crate) fn take(&self) -> Option<Fd> {
        Fd::from_cell(self.0.replace(0))
    }
}

/// close(2). The caller knows that the descriptor is the library's own.
pub(crate) fn close(fd: Fd) {
    // SAFETY: closes a number, which is no error of memory. `file::read` and `rt::watch` look first whose it is.
    unsafe { rustix::io::close(fd.0) };
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

/// True if a write would neither block nor find the other end gone, within `wait_ms` milliseconds:
/// poll(2).
pub(crate) fn can_be_written(fd: Fd, wait_ms: i64) -> bool {
    let mut asked = [PollFd::from_borrowed_fd(fd.borrow(), PollFlags::OUT)];
    let timeout = Timespec { tv_sec: wait_ms / 1000, tv_nsec: (wait_ms % 1000 * 1_000_000) as _ };
    let ready = retry(|| rustix::event::poll(&mut asked, Some(&timeout)));
    let wanted = PollFlags::OUT | PollFlags::ERR;
    ready == Ok(1) && asked.first().is_some_and(|fd| fd.revents() & wanted == PollFlags::OUT)
}

/// A copy of `fd` on the lowest free number that is at least `least`, closed on exec: fcntl(2).
pub(crate) fn dup_at_least(fd: Fd, least: c_int, place: &FdCell) -> Result<Fd, Errno> {
    Ok(place.put(Fd(rustix::io::fcntl_dupfd_cloexec(fd.borrow(), least)?.into_raw_fd())))
}

/// How the descriptor was opened, and what fcntl(2) has changed since.
pub(crate) fn status_flags(fd: Fd) -> Result<OFlags, Errno> {
    Ok(rustix::fs::fcntl_getfl(fd.borrow())?)
}

/// The process's soft limit on descriptors: getrlimit(2), by libc's name, for rustix panics where the kernel
/// refuses.
pub(crate) fn descriptor_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit(2) writes one struct rlimit, which `limit` is.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    #[allow(clippy::useless_conversion, reason = "narrower on 32-bit machines")]
    limit.rlim_cur.into()
}

/// mmap(2): `size` bytes of zeros of the process's own.
pub(crate) fn map(size: usize, flags: MapFlags) -> Result<*mut c_void, Errno> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: mmap(2): without an address the kernel chooses memory where nothing else is.
    let at = unsafe {
        rustix::mm::mmap_anonymous(core::ptr::null_mut(), size, access, flags | MapFlags::PRIVATE)
    };
    Ok(at?)
}

/// munmap(2).
///
/// # Safety
///
/// [`map`] gave `start` for `size` bytes, and nothing refers to them any more.
pub(crate) unsafe fn unmap(start: *mut c_void, size: usize) {
    // SAFETY: who calls this promises a whole mapping of `map`, to which nothing refers.
    _ = unsafe { rustix::mm::munmap(start, size) };
}

/// madvise(2): huge pages for a part of what [`map`] gave. A kernel that has none refuses, and
/// nothing is lost.
///
/// # Safety
///
/// [`map`] gave the `size` bytes at `start`.
pub(crate) unsafe fn prefer_huge_pages(start: *mut c_void, size: usize) {
    if cfg!(miri) || sandbox::may_kill() {
        return;
    }
    // SAFETY: who calls this promises memory of ours; the advice changes how that is kept, not what it holds.
    _ = unsafe { rustix::mm::madvise(start, size, Advice::LinuxHugepage) };
}

/// A zero that is zero again in every child of fork(2), which has memory of its own; one that shares
/// the memory shares this too: `MADV_WIPEONFORK` of madvise(2). It is never given back. `EINVAL` where
/// the kernel cannot (before 4.14).
pub(crate) fn word_wiped_on_fork() -> Result<&'static AtomicU32, Errno> {
    const PAGE: usize = 4096;
    // Populated: else it costs two page faults, as the word is read and then written.
    let at = map(PAGE, MapFlags::POPULATE)?;
    // SAFETY: advice about the page that was just mapped.
    if let Err(error) = unsafe { rustix::mm::madvise(at, PAGE, Advice::LinuxWipeOnFork) } {
        // SAFETY: the page that was just mapped, which nobody has seen.
        unsafe { unmap(at, PAGE) };
        return Err(error.into());
    }
    // SAFETY: zeroed, aligned to a page, and never unmapped; only atomics touch it.
    unsafe { at.cast::<AtomicU32>().as_ref() }.ok_or(Errno::ENOMEM)
}

/// Sleeps until the word differs from `value` and [`wake_all`] says so, a signal comes, or
/// `timeout_ms` milliseconds have passed: futex(2). An error means that the kernel refuses to wait.
pub(crate) fn wait_while(word: &AtomicU32, value: u32, timeout_ms: i64) -> Result<(), Errno> {
    let (seconds, ms) = (timeout_ms / 1000, timeout_ms % 1000);
    let timeout = futex::Timespec { tv_sec: seconds, tv_nsec: (ms * 1_000_000) as _ };
    match futex::wait(word, futex::Flags::PRIVATE, value, Some(&timeout)) {
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR | rustix::io::Errno::TIMEDOUT) => {
            Ok(())
        }
        done => Ok(done?),
    }
}

/// Wakes all that sleep in [`wait_while`].
pub(crate) fn wake_all(word: &AtomicU32) {
    _ = futex::wake(word, futex::Flags::PRIVATE, i32::MAX.unsigned_abs());
}

/// getpid(2), asked of the kernel: a copy in memory would be wrong after fork.
pub(crate) fn pid() -> u32 {
    rustix::process::getpid().as_raw_nonzero().get().unsigned_abs()
}

/// The working directory's path with its NUL: getcwd(3). By libc's name: rustix has it with `Vec`,
/// whose growth can abort. libc's is no cancellation point.
pub(crate) fn working_directory(into: &mut [u8]) -> Option<&[u8]> {
    let getcwd = GETCWD.get()?;
    // SAFETY: getcwd(3) writes at most as many bytes as it is told, which `into` has.
    let at = unsafe { getcwd(into.as_mut_ptr().cast(), into.len()) };
    if at.is_null() {
        return None;
    }
    let len = memchr::memchr(0, into)?;
    into.get(..=len)
}

/// The coarse monotonic clock as a number that differs whenever it has moved.
#[inline(always)]
pub(crate) fn tick() -> i64 {
    let (seconds, ns) = coarse_time(libc::CLOCK_MONOTONIC_COARSE);
    seconds << 30 | ns
}

/// A coarse clock in nanoseconds. It moves once per scheduler tick, and reading it costs no system
/// call. By libc's name, which knows the vDSO; it is in libc.so since glibc 2.17.
pub(crate) fn coarse_clock(clock: libc::clockid_t) -> i64 {
    nanoseconds(coarse_time(clock))
}

#[inline(always)]
fn coarse_time(clock: libc::clockid_t) -> (i64, i64) {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime(2) writes one timespec, which `now` is.
    unsafe { libc::clock_gettime(clock, &raw mut now) };
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_lossless,
        reason = "narrower on 32-bit machines"
    )]
    (now.tv_sec as i64, now.tv_nsec as i64)
}

/// Seconds and nanoseconds as one number; it lasts for 292 years from 1970 on.
#[inline(always)]
pub(crate) fn nanoseconds(time: (i64, i64)) -> i64 {
    time.0.saturating_mul(1_000_000_000).saturating_add(time.1)
}

/// The second eight of the random bytes that the kernel gives each new program: `AT_RANDOM` of
/// getauxval(3). glibc makes the stack canary of the first eight, so those are left alone.
pub(crate) fn random() -> Option<u64> {
    let at = usize::try_from(auxiliary(libc::AT_RANDOM)).ok().filter(|&at| at != 0)?;
    let at = core::ptr::with_exposed_provenance::<[[u8; 8]; 2]>(at);
    // SAFETY: null, or as getauxval(3) says 16 bytes, which the kernel has put on the stack for good.
    unsafe { at.as_ref() }.map(|&[_, second]| u64::from_ne_bytes(second))
}

/// What [`is_secure`] knows. Not within the function: those lie on another page, which a first lookup would
/// touch for this alone.
static SECURE: AtomicU8 = AtomicU8::new(0);

/// True in a set-user-id program, or one that the kernel takes as seriously: `AT_SECURE`. That does not change,
/// and is asked before each variable.
pub(crate) fn is_secure() -> bool {
    const IS_SECURE: u8 = 1;
    const IS_NOT: u8 = 2;
    match SECURE.load(Ordering::Relaxed) {
        0 => {
            let is_secure = auxiliary(libc::AT_SECURE) != 0;
            SECURE.swap(if is_secure { IS_SECURE } else { IS_NOT }, Ordering::Relaxed);
            is_secure
        }
        known => known == IS_SECURE,
    }
}

/// What the kernel has told the new program: getauxval(3), which Miri has not.
fn auxiliary(kind: libc::c_ulong) -> libc::c_ulong {
    if cfg!(miri) {
        return 0;
    }
    // SAFETY: getauxval(3) takes any number, and returns 0 for one that it does not know.
    unsafe { libc::getauxval(kind) }
}

/// getuid(2), by libc's name: uid_wrapper and fakeroot answer it.
pub(crate) fn uid() -> u32 {
    // SAFETY: getuid(2) takes nothing, and always succeeds.
    unsafe { libc::getuid() }
}

/// geteuid(2), by libc's name.
pub(crate) fn euid() -> u32 {
    // SAFETY: geteuid(2) takes nothing, and always succeeds.
    GETEUID.get().map_or(0, |geteuid| unsafe { geteuid() })
}

/// getgid(2), by libc's name.
pub(crate) fn gid() -> u32 {
    // SAFETY: getgid(2) takes nothing, and always succeeds.
    unsafe { libc::getgid() }
}

/// getgroups(2), by libc's name: the supplementary groups that fit, and how many there are.
pub(crate) fn groups(into: &mut [u32]) -> usize {
    let Some(getgroups) = GETGROUPS.get() else { return 0 };
    let room = c_int::try_from(into.len()).unwrap_or(c_int::MAX);
    // SAFETY: getgroups(2) writes at most `room` elements, which `into` has; with no room it only counts.
    let count = unsafe { getgroups(room, into.as_mut_ptr()) };
    usize::try_from(count).unwrap_or(0)
}

/// sigaltstack(2): where the alternative signal stack begins and how long it is, if there is one. By
/// libc's name: rustix keeps it for programs without libc. Miri has neither it nor signals.
pub(crate) fn signal_stack() -> Option<(usize, usize)> {
    if cfg!(miri) {
        return None;
    }
    let mut stack =
        libc::stack_t { ss_sp: core::ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
    // SAFETY: sigaltstack(2) takes null for no new stack, and writes one stack_t, which `stack` is.
    unsafe { libc::sigaltstack(core::ptr::null(), &raw mut stack) };
    (stack.ss_flags & libc::SS_DISABLE == 0).then_some((stack.ss_sp.addr(), stack.ss_size))
}

/// True if nobody but root can write what is open, a regular file.
pub(crate) fn only_root_writes(fd: Fd) -> bool {
    rustix::fs::statat(fd.borrow(), c"", AtFlags::EMPTY_PATH)
        .is_ok_and(|st| Stamp::new(&st).kind() == libc::S_IFREG && is_roots(&st))
}

/// True if nobody but root can write what a path leads to.
pub(crate) fn only_root_writes_path(path: &CStr) -> bool {
    rustix::fs::lstat(path).is_ok_and(|st| is_roots(&st))
}

fn is_roots(st: &Stat) -> bool {
    /// Whose a file seems to be whose owner has no number in the process's user namespace: root's too,
    /// in one that does not map root. Only a process without privilege may believe it.
    const OVERFLOW_UID: u32 = 65534;
    let is_owner = st.st_uid == 0 || st.st_uid == OVERFLOW_UID && !is_secure() && euid() != 0;
    is_owner && st.st_mode & 0o022 == 0
}
