//! Reading a whole file so that it is known when what was read can be trusted.

use alloc::vec::Vec;
use core::ffi::c_int;

use super::text::Text;
use crate::config::Path;
use crate::errno::Errno;
use crate::sync::try_extend;
use crate::sys::{self, FileId, Stamp};

/// What a file held.
pub(crate) struct Read {
    pub(crate) text: Text,
    pub(crate) stamp: Stamp,
    /// False if a change right after could leave the same stamp behind.
    pub(crate) settled: bool,
}

/// Reads again this often when the file changes meanwhile; then what came is taken, unsettled.
const TRIES: u32 = 8;

/// The file's content. Regular files are read; a character device, like `/dev/null`, counts as an
/// empty file; anything else is an error, and is not opened: that could block, or be noticed at the
/// other end.
pub(crate) fn read(path: &Path) -> Result<Read, Errno> {
    if let Some(text) = path.text() {
        return Ok(Read { text: Text::new(text)?, stamp: Stamp::NONE, settled: true });
    }
    let mut tries = TRIES;
    loop {
        tries -= 1;
        let now = sys::coarse(libc::CLOCK_REALTIME_COARSE);
        let stamp = sys::stat(path.as_c(), true)?;
        if !has_content(&stamp)? {
            return Ok(Read { text: Text::new(b"")?, settled: is_settled(&stamp, now), stamp });
        }
        let fd = sys::open(path.as_c(), FLAGS)?;
        let before = sys::fstat(fd);
        let content = before.and_then(|stamp| content(fd, &stamp));
        let after = sys::fstat(fd);
        // A host that closes all descriptors in another thread may have the number already.
        let other = matches!((before, after), (Ok(b), Ok(a)) if b.file() != a.file());
        if other || !is_open_with(fd, FLAGS) {
            if tries == 0 {
                return Err(Errno::EAGAIN);
            }
            continue;
        }
        sys::close(fd);
        let steady = before == after;
        if steady || tries == 0 || content.is_err() {
            let stamp = before?;
            return Ok(Read { text: content?, stamp, settled: steady && is_settled(&stamp, now) });
        }
    }
}

/// How a file is opened to be read. Few open a regular file with `O_NONBLOCK`, so that with
/// [`is_open_with`] a number can be told from one that the host has taken.
const FLAGS: c_int = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY;

/// True if the descriptor was opened in our way: nothing else may be closed.
fn is_open_with(fd: c_int, flags: c_int) -> bool {
    const TOLD: c_int = libc::O_ACCMODE | libc::O_NONBLOCK | libc::O_PATH;
    sys::status_flags(fd).is_ok_and(|have| have & TOLD == flags & TOLD)
}

/// False for what counts as an empty file.
fn has_content(stamp: &Stamp) -> Result<bool, Errno> {
    match stamp.mode & libc::S_IFMT {
        libc::S_IFREG => Ok(true),
        libc::S_IFCHR => Ok(false),
        libc::S_IFDIR => Err(Errno::EISDIR),
        _ => Err(Errno::EINVAL),
    }
}

/// The file's bytes, whatever they are next.
pub(crate) fn read_file(path: &Path) -> Result<Text, Errno> {
    read(path).map(|read| read.text)
}

fn content(fd: c_int, stamp: &Stamp) -> Result<Text, Errno> {
    if !has_content(stamp)? {
        return Text::new(b"");
    }
    let size = usize::try_from(stamp.size).unwrap_or(0);
    Text::read(size, |into, at| sys::pread(fd, into, at))
}

/// write(2) stamps the file first and copies the bytes then; a writer that is stopped in between
/// (by the scheduler, a CPU quota, a page that must be fetched) comes back with new bytes under the
/// old stamp. In nanoseconds.
const LATE: i64 = 200_000_000;

/// A file whose last change is so long ago that a later one has another stamp. `now` is read before
/// the file is, from the clock the kernel stamps with.
fn is_settled(stamp: &Stamp, now: (i64, i64)) -> bool {
    let (seconds, nanoseconds) = stamp.ctime;
    // A file system that keeps whole seconds, or with FAT two of them.
    if nanoseconds == 0 {
        return seconds.saturating_add(2) < now.0;
    }
    let age = now.0.saturating_sub(seconds).saturating_mul(1_000_000_000);
    age.saturating_add(now.1 - nanoseconds) > LATE
}

/// True for what means that there is no file to be had, as against a passing lack of something.
pub(crate) fn is_absent(error: Errno) -> bool {
    matches!(
        error,
        Errno::ENOENT
            | Errno::EACCES
            | Errno::EPERM
            | Errno::ENOTDIR
            | Errno::ELOOP
            | Errno::EISDIR
            | Errno::EINVAL
            | Errno::ENAMETOOLONG
    )
}

/// Descriptors from here up are left alone by hosts that number their own. (In a process with
/// threads the kernel takes some milliseconds to make room for them, once.)
fn high_number() -> Option<c_int> {
    let limit = sys::descriptor_limit();
    // A host with so few descriptors needs each of them.
    (limit >= 256).then(|| c_int::try_from(limit.min(1024)).unwrap_or(1024) - 16)
}

/// An `O_PATH` descriptor of the file, on a high number, if `path` still leads to `stamp` and has no
/// symbolic link in it: a link can be switched without the file's own inode noticing.
pub(crate) fn hold(path: &Path, stamp: &Stamp) -> Option<c_int> {
    let least = high_number()?;
    if has_symlink(path) {
        return None;
    }
    let fd = sys::open(path.as_c(), libc::O_PATH).ok()?;
    // By now the path may lead to another file than `stamp` is of.
    let opened = sys::fstat(fd).ok()?.file();
    let high = sys::dup_high(fd, least);
    let kept = high.is_ok_and(|high| sys::fstat(high) == Ok(*stamp));
    for (fd, done) in [(Ok(fd), true), (high, !kept)] {
        if let Ok(fd) = fd
            && done
        {
            release(fd, opened);
        }
    }
    high.ok().filter(|_| kept)
}

/// Closes what [`hold`] opened, if it still is that: a host may have the number by now, even for the
/// same file.
pub(crate) fn release(fd: c_int, file: FileId) {
    if sys::fstat(fd).is_ok_and(|st| st.file() == file) && is_open_with(fd, libc::O_PATH) {
        sys::close(fd);
    }
}

/// True also where that cannot be told.
fn has_symlink(path: &Path) -> bool {
    let bytes = path.bytes();
    let ends = memchr::memchr_iter(b'/', bytes).filter(|&at| at > 0).chain([bytes.len()]);
    let mut part = Vec::new();
    for end in ends {
        part.clear();
        let written = try_extend(&mut part, bytes.get(..end).unwrap_or_default())
            .and_then(|()| try_extend(&mut part, b"\0"));
        let name = core::ffi::CStr::from_bytes_until_nul(&part);
        let (Ok(()), Ok(name)) = (written, name) else { return true };
        if !sys::stat(name, false).is_ok_and(|st| st.mode & libc::S_IFMT != libc::S_IFLNK) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(ctime: (i64, i64)) -> Stamp {
        Stamp { dev: 1, ino: 1, size: 0, links: 1, mtime: (0, 0), ctime, mode: libc::S_IFREG }
    }

    #[test]
    fn a_file_is_settled_once_the_clock_has_moved_on() {
        assert!(is_settled(&stamp((10, 5)), (10, 200_000_006)));
        assert!(is_settled(&stamp((10, 900_000_000)), (11, 100_000_001)));
        assert!(!is_settled(&stamp((10, 5)), (10, 5)), "the same tick");
        assert!(!is_settled(&stamp((10, 5)), (10, 200_000_005)), "a write may be under way");
        assert!(!is_settled(&stamp((11, 5)), (10, 5)), "from the future");
        assert!(!is_settled(&stamp((10, 0)), (11, 9)), "whole seconds");
        assert!(is_settled(&stamp((10, 0)), (13, 0)));
    }

    #[test]
    fn a_path_that_leads_to_another_file_by_now_leaves_no_descriptor() {
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().canonicalize().unwrap().join("f");
        std::fs::write(&name, "").unwrap();
        let path = Path::new(name.as_os_str().as_encoded_bytes()).unwrap();
        assert_eq!(hold(&path, &stamp((0, 0))), None);
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
        for (name, want) in [("d/f", false), ("l/f", true), ("d/g", true), ("none", true)] {
            let path = Path::new(dir.join(name).as_os_str().as_encoded_bytes()).unwrap();
            assert_eq!(has_symlink(&path), want, "{name}");
        }
    }
}
