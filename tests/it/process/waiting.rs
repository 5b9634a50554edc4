//! Files whose reads are slow, fail or never end, and missing files: which thread waits, and for how long.
//!
//! A probe provides the file system, by FUSE. If `/dev/fuse` cannot be opened, the tests that need it say so
//! and do nothing.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::scene::has;
use crate::support::{built, compiled, file, library, probe, run, under};
use tempfile::TempDir;

/// A mounted file system with a passwd file in it.
struct LateFs {
    dir: TempDir,
    server: Child,
}

impl LateFs {
    /// `None`, with a message, if there is no FUSE.
    fn new(modes: &[&str]) -> Option<Self> {
        if let Err(error) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/fuse") {
            eprintln!("skipped: /dev/fuse cannot be opened: {error}");
            return None;
        }
        let flags = ["-D_FILE_OFFSET_BITS=64", "-I/usr/include/fuse3", "-lfuse3"];
        let program = compiled("late_fs", "cc", &flags);
        let dir = tempfile::tempdir_in(built()).expect("target/tmp is writable");
        let mountpoint = dir.path().join("mnt");
        std::fs::create_dir(&mountpoint).expect("the directory is ours");
        // The counters begin with zeros and version 1.
        let counters = [[0; 4], [0; 4], [0; 4], 1_u32.to_ne_bytes()].concat();
        let counters = file(dir.path(), "counters", counters);
        let mut command = Command::new(program);
        command.arg(&mountpoint).arg(counters).args(modes).stdin(Stdio::null());
        let server = command.stderr(Stdio::null()).spawn().expect("the probe starts");
        let fs = Self { dir, server };
        let begin = Instant::now();
        while !fs.passwd().exists() {
            assert!(begin.elapsed() < Duration::from_secs(10), "the file system is not mounted");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(fs)
    }

    fn passwd(&self) -> PathBuf {
        self.dir.path().join("mnt/passwd")
    }

    fn waiting(&self, args: &[&str]) -> Waited {
        waiting(&self.passwd(), &self.dir.path().join("counters"), args)
    }
}

impl Drop for LateFs {
    fn drop(&mut self) {
        let mountpoint = self.dir.path().join("mnt");
        _ = run(Command::new("fusermount3").args(["-u", "-z"]).arg(mountpoint));
        _ = self.server.kill();
        _ = self.server.wait();
    }
}

/// What the probe counted, and what was written to standard error.
#[derive(Debug)]
struct Waited {
    numbers: HashMap<String, u64>,
    stderr: String,
}

impl Waited {
    fn of(&self, name: &str) -> u64 {
        *self.numbers.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    #[track_caller]
    fn answers(&self, right: u64, absent: u64, failed: u64) {
        let have = (self.of("right"), self.of("absent"), self.of("failed"));
        assert_eq!(have, (right, absent, failed), "right, absent, failed: {self:?}");
    }

    #[track_caller]
    fn at_most(&self, name: &str, most: u64) {
        assert!(self.of(name) <= most, "{name} is more than {most}: {self:?}");
    }
}

fn waiting(passwd: &Path, counters: &Path, args: &[&str]) -> Waited {
    let mut command = under(library(), probe("waiting"));
    command.env("NSS_WRAPPER_PASSWD", passwd).arg(counters).args(args);
    let out = run(&mut command);
    let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{}: {stderr}", out.status);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let numbers = said.split_whitespace().filter_map(|word| {
        let (name, number) = word.split_once('=')?;
        Some((name.to_owned(), number.parse().ok()?))
    });
    Waited { numbers: numbers.collect(), stderr }
}

#[test]
fn threads_sleep_while_one_of_them_reads_a_late_file_and_all_have_its_answer() {
    let Some(fs) = LateFs::new(&["late=2000"]) else { return };
    let waited = fs.waiting(&["crowd", "20"]);
    waited.answers(20, 0, 0);
    // If the file was opened before a question, what was read may be too old for it. A second read is not.
    waited.at_most("opens", 2);
    waited.at_most("switches", 500);
    waited.at_most("cpu_ms", 100);
    assert_eq!(waited.stderr, "");
}

#[test]
fn a_thread_that_is_woken_too_early_waits_on() {
    let Some(fs) = LateFs::new(&["late=2000"]) else { return };
    let waited = fs.waiting(&["signals"]);
    waited.answers(20, 0, 0);
    waited.at_most("opens", 2);
}

#[test]
fn a_reader_that_jumps_away_leaves_nobody_waiting() {
    let Some(fs) = LateFs::new(&["late=2000"]) else { return };
    let waited = fs.waiting(&["jump"]);
    waited.answers(20, 0, 0);
    waited.at_most("ms", 20_000);
    waited.at_most("switches", 500);
}

/// The system calls that the library makes itself are no cancellation points, so the cancelled thread may have its
/// answer, too.
#[test]
fn a_reader_that_is_cancelled_leaves_nobody_waiting() {
    let Some(fs) = LateFs::new(&["late=1000"]) else { return };
    let waited = fs.waiting(&["cancel"]);
    waited.at_most("failed", 0);
    assert!(waited.of("right") >= 19, "{waited:?}");
    waited.at_most("switches", 500);
}

#[test]
fn a_child_does_not_wait_for_a_thread_that_read_in_its_parent() {
    let Some(fs) = LateFs::new(&["late=1000"]) else { return };
    let waited = fs.waiting(&["fork"]);
    waited.answers(2, 0, 0);
    waited.at_most("switches", 200);
}

#[test]
fn an_error_while_reading_is_reported_as_it_is() {
    let Some(fs) = LateFs::new(&["error"]) else { return };
    let waited = fs.waiting(&["crowd", "20"]);
    waited.answers(0, 0, 20);
    assert_eq!(waited.of("errno"), 5, "EIO: {waited:?}");
    waited.at_most("switches", 500);
    assert_eq!(waited.stderr.lines().count(), 1, "{}", waited.stderr);
    has(&waited.stderr, "Input/output error");
    has(&waited.stderr, "passwd");
    assert!(!waited.stderr.contains("Unable to open"), "it was opened: {}", waited.stderr);
}

#[test]
fn an_endless_file_is_an_error_and_takes_no_more_memory_than_its_size_says() {
    let Some(fs) = LateFs::new(&["endless"]) else { return };
    let waited = fs.waiting(&["crowd", "1"]);
    waited.answers(0, 0, 1);
    waited.at_most("ms", 30_000);
    waited.at_most("peak_kib", 256 << 10);
    // The reason must be the file. "No memory" would be true of the machine.
    let is_clear = ["too large", "no end"].iter().any(|why| waited.stderr.contains(why));
    assert!(is_clear, "{}", waited.stderr);
    assert_eq!(waited.stderr.lines().count(), 1, "{}", waited.stderr);
}

#[test]
fn a_file_with_a_stamp_in_the_future_is_trusted_once_it_has_been_still() {
    let Some(fs) = LateFs::new(&["future"]) else { return };
    let waited = fs.waiting(&["steady"]);
    // 1500 before the edit, and one after it.
    waited.answers(1501, 0, 0);
    assert_eq!(waited.of("late_opens"), 0, "read again and again: {waited:?}");
}

#[test]
fn threads_that_ask_about_a_missing_file_do_not_wait_for_each_other() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let missing = dir.path().join("passwd");
    let waited = waiting(&missing, &dir.path().join("counters"), &["turns"]);
    waited.answers(0, 40_000, 0);
    waited.at_most("switches", 50);
    assert_eq!(waited.stderr.lines().count(), 1, "{}", waited.stderr);
    has(&waited.stderr, "No such file or directory");
}
