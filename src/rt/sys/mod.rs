//! The few system calls that the library makes, through `rustix`, which calls the kernel itself.
//!
//! libc's own wrappers are not used: they are cancellation points for the program's threads, its `syscall` is
//! replaced by uid_wrapper and socket_wrapper, `stat` and `fstat` do not exist as symbols before glibc 2.33, and
//! all of them write `errno`. The few functions that are called "by libc's name" say why.
#![allow(unsafe_code, reason = "memory from mmap(2), and a few libc functions")]

mod files;

use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags};
use rustix::thread::futex;

use crate::rt::errno::Errno;
use crate::rt::next::{GETCWD, GETEUID, GETGROUPS, clock_gettime};
use crate::rt::sandbox;
pub(crate) use files::*;

impl From<rustix::io::Errno> for Errno {
    fn from(error: rustix::io::Errno) -> Self {
        Self::new(error.raw_os_error()).unwrap_or(Self::EINVAL)
    }
}

/// mmap(2): `size` zeroed bytes of private memory.
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
    // SAFETY: the caller promises a whole mapping of `map`, to which nothing refers.
    _ = unsafe { rustix::mm::munmap(start, size) };
}

/// madvise(2): asks for huge pages for a part of what [`map`] gave. A kernel without them refuses, which does no harm.
///
/// # Safety
///
/// [`map`] gave the `size` bytes at `start`.
pub(crate) unsafe fn prefer_huge_pages(start: *mut c_void, size: usize) {
    if cfg!(miri) || sandbox::may_kill() {
        return;
    }
    // SAFETY: the caller promises memory of ours; the advice changes how that is kept, not what it holds.
    _ = unsafe { rustix::mm::madvise(start, size, Advice::LinuxHugepage) };
}

/// A word that the kernel makes zero in every child of fork(2) that gets a copy of the memory: `MADV_WIPEONFORK` of
/// madvise(2). It is never unmapped. `EINVAL` if the kernel cannot do that (before 4.14).
pub(crate) fn word_wiped_on_fork() -> Result<&'static AtomicU32, Errno> {
    const PAGE: usize = 4096;
    // Populated at once, because reading and then writing the word would cost two page faults.
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

/// Sleeps while the word is `value`, until [`wake_all`] is called, a signal comes, or `timeout_ms` milliseconds have
/// passed: futex(2). An error means that the kernel refuses the call.
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

/// Wakes all threads that sleep in [`wait_while`].
pub(crate) fn wake_all(word: &AtomicU32) {
    _ = futex::wake(word, futex::Flags::PRIVATE, i32::MAX.unsigned_abs());
}

/// getpid(2), from the kernel, because a copy in memory would be wrong after fork.
pub(crate) fn pid() -> u32 {
    rustix::process::getpid().as_raw_nonzero().get().unsigned_abs()
}

/// The working directory's path with its NUL: getcwd(3), by libc's name, because rustix's uses a `Vec`, whose
/// growth can abort. libc's is no cancellation point.
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

/// A coarse clock in nanoseconds. It moves once per scheduler tick, and reading it costs no system call, because libc
/// uses the vDSO.
pub(crate) fn coarse_clock(clock: libc::clockid_t) -> i64 {
    nanoseconds(coarse_time(clock))
}

#[inline(always)]
fn coarse_time(clock: libc::clockid_t) -> (i64, i64) {
    let now = clock_gettime(clock);
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_lossless,
        reason = "narrower on 32-bit machines"
    )]
    (now.tv_sec as i64, now.tv_nsec as i64)
}

/// Seconds and nanoseconds as one number, which overflows 292 years after 1970.
#[inline(always)]
pub(crate) fn nanoseconds(time: (i64, i64)) -> i64 {
    time.0.saturating_mul(1_000_000_000).saturating_add(time.1)
}

/// The last eight of the sixteen random bytes that the kernel gives each new program: `AT_RANDOM` of getauxval(3).
/// The first eight are not used, because glibc makes its stack canary from them.
pub(crate) fn random() -> Option<u64> {
    let at = usize::try_from(auxiliary(libc::AT_RANDOM)).ok().filter(|&at| at != 0)?;
    let at = core::ptr::with_exposed_provenance::<[[u8; 8]; 2]>(at);
    // SAFETY: null, or as getauxval(3) says 16 bytes, which the kernel has put on the stack for good.
    unsafe { at.as_ref() }.map(|&[_, second]| u64::from_ne_bytes(second))
}

/// What [`is_secure`] knows. A static inside the function would lie on another page, which a first lookup would
/// touch for this alone.
static SECURE: AtomicU8 = AtomicU8::new(0);

/// True in a set-user-id program, or another one that the kernel protects from its caller: `AT_SECURE`. The answer is
/// remembered, because it does not change and is needed for each variable.
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

/// What the kernel tells a new program: getauxval(3), which Miri lacks.
fn auxiliary(kind: libc::c_ulong) -> libc::c_ulong {
    if cfg!(miri) {
        return 0;
    }
    // SAFETY: getauxval(3) takes any number, and returns 0 for one that it does not know.
    unsafe { libc::getauxval(kind) }
}

/// Tells rustix where the vDSO is, through which 32-bit x86 calls the kernel several times faster than by `int 0x80`.
/// rustix would ask prctl(2) for it, which a sandbox may kill for, and could panic.
#[cfg(target_arch = "x86")]
pub(crate) fn use_vdso() {
    const AT_SYSINFO_EHDR: libc::c_ulong = 33;
    // No variables, and behind the null that ends them an auxiliary vector with one entry.
    let mut told = [0, AT_SYSINFO_EHDR, auxiliary(AT_SYSINFO_EHDR), 0, 0];
    // SAFETY: rustix reads words up to the null that ends the variables, and then pairs of words up to that of zeros.
    unsafe { rustix::param::init(told.as_mut_ptr().cast()) };
}

/// getuid(2), by libc's name, because uid_wrapper and fakeroot interpose it.
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

/// sigaltstack(2): where the alternative signal stack begins and how long it is, if there is one. By libc's name,
/// because rustix has it only for programs without libc. Miri has neither it nor signals.
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
