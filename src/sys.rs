//! The few system calls the library makes.
//!
//! None goes through libc: its wrappers are cancellation points for the host's threads, its
//! `syscall` is replaced by uid_wrapper and socket_wrapper, `stat` and `fstat` do not exist as symbols
//! before glibc 2.33, and all of them write `errno`.
#![allow(unsafe_code, reason = "system calls")]

use core::arch::asm;
use core::ffi::{CStr, c_int, c_long};
use core::mem::MaybeUninit;
use core::sync::atomic::AtomicU32;

use crate::errno::Errno;

/// Calls the kernel with its arguments in order.
///
/// # Safety
///
/// The call's own: pointers are valid for what it reads and writes.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "long and pointers have the same size: lib.rs")]
unsafe fn syscall<const N: usize>(number: c_long, args: [usize; N]) -> Result<usize, Errno> {
    const { assert!(N <= 6) };
    let [a, b, c, d, e, f] = core::array::from_fn(|n| args.get(n).copied().unwrap_or(0));
    let returned: isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the kernel's calling convention: syscall(2). It keeps all other registers.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => returned,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack)
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a => returned,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f,
            options(nostack)
        );
    }
    Errno::of_kernel(returned)
}

/// A C int as an argument, whose sign counts.
fn int(value: c_int) -> usize {
    #[allow(clippy::cast_sign_loss, reason = "the kernel takes the low half, as an int")]
    let wide = value as isize as usize;
    wide
}

fn narrow(returned: usize) -> c_int {
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
    unsafe { syscall(libc::SYS_fstat, [int(fd), st.as_mut_ptr().expose_provenance()]) }?;
    // SAFETY: the call succeeded, so the kernel has filled it.
    Ok(Stamp::new(unsafe { st.assume_init_ref() }))
}

/// stat(2), following symbolic links, or lstat(2).
pub(crate) fn stat(path: &CStr, follow: bool) -> Result<Stamp, Errno> {
    let mut st = MaybeUninit::<libc::stat>::uninit();
    let flags = if follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
    let (from, to) = (path.as_ptr().expose_provenance(), st.as_mut_ptr().expose_provenance());
    let args = [int(libc::AT_FDCWD), from, to, int(flags)];
    // SAFETY: `path` ends in NUL, and newfstatat writes one struct stat.
    unsafe { syscall(libc::SYS_newfstatat, args) }?;
    // SAFETY: the call succeeded, so the kernel has filled it.
    Ok(Stamp::new(unsafe { st.assume_init_ref() }))
}

/// open(2) with `O_CLOEXEC`.
pub(crate) fn open(path: &CStr, flags: c_int) -> Result<c_int, Errno> {
    let flags = int(flags | libc::O_CLOEXEC);
    let args = [int(libc::AT_FDCWD), path.as_ptr().expose_provenance(), flags];
    loop {
        // SAFETY: `path` ends in NUL; the call writes nothing of ours.
        match unsafe { syscall(libc::SYS_openat, args) } {
            Err(Errno::EINTR) => {}
            done => return done.map(narrow),
        }
    }
}

/// close(2). The caller knows that the descriptor is its own.
pub(crate) fn close(fd: c_int) {
    // SAFETY: closes a number; no memory is involved.
    _ = unsafe { syscall(libc::SYS_close, [int(fd)]) };
}

/// pread(2): how many bytes came, 0 at the end of the file.
pub(crate) fn pread(fd: c_int, into: &mut [u8], at: usize) -> Result<usize, Errno> {
    let args = [int(fd), into.as_mut_ptr().expose_provenance(), into.len(), at];
    loop {
        // SAFETY: the kernel writes at most `into.len()` bytes into the slice.
        match unsafe { syscall(libc::SYS_pread64, args) } {
            Err(Errno::EINTR) => {}
            done => return done,
        }
    }
}

/// mmap(2): `size` bytes of zeros of the process's own, and where they are. `more` are further flags.
pub(crate) fn map(size: usize, more: c_int) -> Result<usize, Errno> {
    let access = int(libc::PROT_READ | libc::PROT_WRITE);
    let kind = int(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | more);
    // SAFETY: new memory where nothing else is.
    unsafe { syscall(libc::SYS_mmap, [0, size, access, kind, int(-1), 0]) }
}

/// munmap(2).
///
/// # Safety
///
/// [`map`] gave `start` for `size` bytes, and nothing refers to them any more.
pub(crate) unsafe fn unmap(start: usize, size: usize) {
    // SAFETY: by the contract.
    _ = unsafe { syscall(libc::SYS_munmap, [start, size]) };
}

/// madvise(2): huge pages for a part of what [`map`] gave. A kernel that has none refuses, and
/// nothing is lost.
pub(crate) fn prefer_huge_pages(start: usize, size: usize) {
    // SAFETY: changes how memory is kept, not what it holds.
    _ = unsafe { syscall(libc::SYS_madvise, [start, size, int(libc::MADV_HUGEPAGE)]) };
}

/// write(2); what cannot be written is dropped.
pub(crate) fn write(fd: c_int, bytes: &[u8]) {
    let args = [int(fd), bytes.as_ptr().expose_provenance(), bytes.len()];
    // SAFETY: the kernel reads `bytes.len()` bytes of a live slice.
    _ = unsafe { syscall(libc::SYS_write, args) };
}

/// True if a write would neither block nor find the other end gone, within `patience` milliseconds:
/// poll(2).
pub(crate) fn can_be_written(fd: c_int, patience: i64) -> bool {
    let mut asked = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    let (seconds, nanoseconds) = (patience / 1000, patience % 1000 * 1_000_000);
    let mut time = libc::timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    loop {
        let asked_at = (&raw mut asked).expose_provenance();
        let time_at = (&raw mut time).expose_provenance();
        // SAFETY: one struct pollfd and one timespec are read and written; the signal mask stays.
        match unsafe { syscall(libc::SYS_ppoll, [asked_at, 1, time_at, 0, 8]) } {
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
    let args = [int(fd), int(libc::F_DUPFD_CLOEXEC), int(least)];
    // SAFETY: works on numbers; no memory is involved.
    unsafe { syscall(libc::SYS_fcntl, args) }.map(narrow)
}

/// How the descriptor was opened, and what fcntl(2) has changed since.
pub(crate) fn status_flags(fd: c_int) -> Result<c_int, Errno> {
    // SAFETY: works on numbers; no memory is involved.
    unsafe { syscall(libc::SYS_fcntl, [int(fd), int(libc::F_GETFL)]) }.map(narrow)
}

/// The process's soft limit on descriptors: getrlimit(2).
pub(crate) fn descriptor_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let out = (&raw mut limit).expose_provenance();
    let what = libc::RLIMIT_NOFILE as usize;
    // SAFETY: process 0 is the caller, and one struct rlimit is written.
    _ = unsafe { syscall(libc::SYS_prlimit64, [0, what, 0, out]) };
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
    let pid = unsafe { syscall(libc::SYS_getpid, []) };
    narrow(pid.unwrap_or(0)).unsigned_abs()
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
    let tid = unsafe { syscall(libc::SYS_gettid, []) };
    narrow(tid.unwrap_or(0)).unsigned_abs()
}

/// True if there is no thread of that number any more, in this process or in another.
pub(crate) fn thread_is_gone(tid: u32) -> bool {
    // SAFETY: signal 0 is only checked for, not sent.
    let sent = unsafe { syscall(libc::SYS_tkill, [tid as usize, 0]) };
    matches!(sent, Err(e) if e.get() == libc::ESRCH)
}

/// A zero that is zero again in every child of fork(2), which has memory of its own; one that shares
/// the memory shares this too: `MADV_WIPEONFORK` of madvise(2). It is never given back.
pub(crate) fn word_wiped_on_fork() -> Option<&'static AtomicU32> {
    const SIZE: usize = 4096;
    // Else it costs two page faults: the word is read, and then written.
    let at = map(SIZE, libc::MAP_POPULATE).ok()?;
    let advice = int(libc::MADV_WIPEONFORK);
    // SAFETY: advice about the page that was just mapped.
    if unsafe { syscall(libc::SYS_madvise, [at, SIZE, advice]) }.is_err() {
        // SAFETY: the page that was just mapped, which nobody has seen.
        unsafe { unmap(at, SIZE) };
        return None;
    }
    let word = core::ptr::with_exposed_provenance::<AtomicU32>(at);
    // SAFETY: zeroed, aligned to a page, and never unmapped; only atomics touch it.
    unsafe { word.as_ref() }
}

/// Sleeps for `nanoseconds`, or until a signal.
pub(crate) fn nap(nanoseconds: i64) {
    let time = libc::timespec { tv_sec: 0, tv_nsec: nanoseconds };
    let args = [(&raw const time).expose_provenance()];
    // SAFETY: reads one timespec; the remaining time is not asked for.
    _ = unsafe { syscall(libc::SYS_nanosleep, args) };
}

/// The working directory's path with its NUL: getcwd(2).
pub(crate) fn working_directory(into: &mut [u8]) -> Option<&[u8]> {
    let args = [into.as_mut_ptr().expose_provenance(), into.len()];
    // SAFETY: the kernel writes at most `into.len()` bytes, and returns how many with the NUL.
    let len = unsafe { syscall(libc::SYS_getcwd, args) };
    into.get(..len.ok()?)
}
