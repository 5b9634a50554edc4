//! How a thread watches a file: by fstat(2) of a descriptor with a high number.
//!
//! Each thread has a descriptor of its own: fstat(2) counts references in the open file, where threads that
//! share one would wait for each other. The program may close any descriptor and reuse the number, so a
//! descriptor is checked before it is closed here.

use core::cell::Cell;
use core::ffi::{CStr, c_int};

use crate::rt::errno::Errno;
use crate::rt::memory::ScratchBuf;
use crate::rt::sandbox;
use crate::rt::sys::{self, Fd, FdCell, FileId, OFlags, Stamp};
use crate::rt::thread;

/// The watch of one file. All zeros watch none.
pub(crate) struct Watch {
    fd: FdCell,
    file: Cell<FileId>,
    /// How many lookups there were without a descriptor; [`NEVER`] if the file cannot have one.
    uses: Cell<u32>,
    /// The clock's tick at the last stat(2) of the path.
    pub(crate) checked_at: Cell<i64>,
}

/// After so many lookups a thread opens a descriptor. For fewer it is not worth the system calls, and the growth of
/// the process's table of descriptors.
const WARMUP_USES: u32 = 16;
/// A value of [`Watch::uses`].
const NEVER: u32 = u32::MAX;

impl Watch {
    pub(crate) const fn new() -> Self {
        Self {
            fd: FdCell::new(None),
            file: Cell::new((0, 0)),
            uses: Cell::new(0),
            checked_at: Cell::new(0),
        }
    }

    #[inline(always)]
    pub(crate) fn fd(&self) -> Option<Fd> {
        self.fd.get()
    }

    /// Watches another file, or none. The old descriptor is closed, because it would keep a deleted file on the disk.
    pub(crate) fn track(&self, file: FileId) {
        if self.file.get() != file {
            self.release();
            self.file.set(file);
        }
    }

    /// Watches nothing from now on.
    pub(crate) fn release(&self) {
        close_watch_fd(&self.fd, self.file.get());
        self.uses.set(0);
        self.file.set((0, 0));
    }

    /// Opens the descriptor once that is worth it, and forgets it if the program has reused the number.
    pub(crate) fn maintain(&self, path: &CStr, stamp: &Stamp) {
        self.track(stamp.file());
        if let Some(fd) = self.fd() {
            if !sys::fstat(fd).is_ok_and(|now| now.file() == stamp.file()) {
                self.fd.take();
                self.uses.set(0);
            }
        } else if self.uses.get() != NEVER {
            let uses = self.uses.get() + 1;
            self.uses.set(uses);
            if uses >= WARMUP_USES && open_watch_fd(path, stamp, &self.fd).is_none() {
                self.uses.set(NEVER);
            }
        }
    }
}

/// The lowest number of a watch descriptor: the first of these that the process's limit permits. A program that chooses
/// numbers for its descriptors chooses lower ones. With a limit below all of them the program may need every descriptor.
/// (In a process with threads the kernel takes some milliseconds, once, to enlarge its table up to there.)
const HIGH_NUMBERS: [c_int; 3] = [1024 - 16, 512 - 16, 256 - 16];

/// Watch descriptors have lower numbers than this, so that many threads, each with a descriptor for each file, leave
/// most numbers to the program. The threads that get none make stat(2) of the path.
const WATCHES_END: c_int = 1024 + 128;

/// A watch descriptor; `None` if a part of the path is a symbolic link, because a switched link does not change the
/// file's inode, or in a sandbox that may kill for the system calls, or if there are many watches.
fn open_watch_fd(path: &CStr, stamp: &Stamp, place: &FdCell) -> Option<Fd> {
    if sandbox::may_kill() || has_symlink(path).unwrap_or(true) {
        return None;
    }
    let fd = open_high(path, stamp, place)?;
    if fd.number() < WATCHES_END {
        return Some(fd);
    }
    close_watch_fd(place, stamp.file());
    None
}

/// An `O_PATH` descriptor of the file, with a high number, if the file at `path` has that stamp.
pub(crate) fn open_high(path: &CStr, stamp: &Stamp, place: &FdCell) -> Option<Fd> {
    let own = FdCell::default();
    let low = thread::opened().map_or(&own, |[low, ..]| low);
    let fd = sys::open(path, OFlags::PATH, low).ok()?;
    // The path may lead to another file by now.
    let opened = sys::fstat_as_libc(fd).ok()?.file();
    // fcntl(2): `EINVAL` means that the limit of descriptors is not above the number.
    let mut copies = HIGH_NUMBERS.into_iter().map(|least| sys::dup_at_least(fd, least, place));
    let high = copies.find(|copy| *copy != Err(Errno::EINVAL));
    close_watch_fd(low, opened);
    let high = high?.ok()?;
    // A descriptor that could not be told from the program's own would never be closed.
    if sys::fstat(high) == Ok(*stamp) && is_path_only(high) {
        return Some(high);
    }
    close_watch_fd(place, opened);
    None
}

/// Empties the cell, and closes the descriptor if it is still what [`open_high`] opened: the program may have reused
/// the number, even for the same file. One race remains: another thread may close all descriptors and reuse
/// the number between our check and our close(2).
pub(crate) fn close_watch_fd(place: &FdCell, file: FileId) {
    let Some(fd) = place.get() else { return };
    let is_ours = sys::fstat_as_libc(fd).is_ok_and(|st| st.file() == file) && is_path_only(fd);
    place.take();
    if is_ours {
        sys::close(fd);
    }
}

/// The flags for reading a file. Few programs open a regular file with `O_NONBLOCK`, so this shows whether a
/// descriptor is ours.
pub(crate) const READ_FLAGS: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY);
/// Those of the flags that fcntl(2) tells.
pub(crate) const FCNTL_FLAGS: OFlags = OFlags::ACCMODE.union(OFlags::NONBLOCK).union(OFlags::PATH);

/// Closes the descriptor of an abandoned call, if it is still ours.
pub(crate) fn close_abandoned(place: &FdCell) {
    let Some(fd) = place.take() else { return };
    let is_read = || {
        !sandbox::may_kill()
            && sys::status_flags(fd)
                .is_ok_and(|flags| flags & FCNTL_FLAGS == READ_FLAGS & FCNTL_FLAGS)
    };
    if is_path_only(fd) || is_read() {
        sys::close(fd);
    }
}

/// True if the descriptor, which is open, was opened with `O_PATH`. fcntl(2) would tell that too, but glibc's files
/// module does not call it, so a sandbox may not let it pass.
fn is_path_only(fd: Fd) -> bool {
    sys::position(fd) == Err(Errno::EBADF)
}

/// True if a part of the path is a symbolic link; an error if that cannot be known.
fn has_symlink(path: &CStr) -> Result<bool, Errno> {
    let bytes = path.to_bytes();
    let ends = memchr::memchr_iter(b'/', bytes).filter(|&at| at > 0).chain([bytes.len()]);
    let mut part = ScratchBuf::<u8>::new();
    for end in ends {
        part.truncate(0);
        part.extend(bytes.get(..end).unwrap_or_default())?;
        part.push(0)?;
        let name = CStr::from_bytes_until_nul(&part).map_err(|_| Errno::EINVAL)?;
        if sys::lstat(name)?.kind() == libc::S_IFLNK {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;
    use std::ffi::CString;

    fn c_path(path: &std::path::Path) -> CString {
        CString::new(path.as_os_str().as_encoded_bytes()).unwrap()
    }

    #[test]
    fn a_path_that_leads_to_another_file_by_now_leaves_no_descriptor() {
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().canonicalize().unwrap().join("f");
        std::fs::write(&name, "").unwrap();
        assert_eq!(open_watch_fd(&c_path(&name), &Stamp::default(), &FdCell::default()), None);
        let mut open = std::fs::read_dir("/proc/self/fd").unwrap();
        let ours = |fd: std::fs::DirEntry| std::fs::read_link(fd.path()).is_ok_and(|to| to == name);
        assert!(!open.any(|fd| fd.is_ok_and(ours)));
    }

    #[test]
    fn symlinks_are_found_in_every_part_of_a_path() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        std::fs::create_dir(dir.join("d")).unwrap();
        std::fs::write(dir.join("d/f"), "").unwrap();
        std::os::unix::fs::symlink("d", dir.join("l")).unwrap();
        std::os::unix::fs::symlink("f", dir.join("d/g")).unwrap();
        for (name, want) in
            [("d/f", Some(false)), ("l/f", Some(true)), ("d/g", Some(true)), ("none", None)]
        {
            assert_eq!(has_symlink(&c_path(&dir.join(name))).ok(), want, "{name}");
        }
    }
}
