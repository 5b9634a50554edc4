//! The next lookup sees an edit of any kind.

use std::path::Path;

use crate::support::{library, module, probe, run, stdout, under};

fn edits(libraries: impl AsRef<Path>, rounds: &str, pause_us: &str) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    stdout(under(libraries, probe("edits")).arg(dir.path()).args([rounds, pause_us]));
}

/// Many edits fall into one tick of the clock that stamps files.
#[test]
fn edits_as_fast_as_they_can_be_made_are_seen_at_once() {
    edits(library(), "500", "0");
}

/// After a pause, and some lookups, the library trusts its snapshot and holds a descriptor.
#[test]
fn edits_of_a_file_that_has_rested_are_seen_at_once() {
    edits(library(), "8", "250000");
}

/// As libfaketime is, which has a lock and another time than the file system.
#[test]
fn a_preloaded_clock_is_not_asked_whether_a_stamp_is_old() {
    let (ours, clock) = (library().display(), module("fake_clock", &[]));
    for list in [format!("{ours}:{}", clock.display()), format!("{}:{ours}", clock.display())] {
        edits(&list, "4", "250000");
    }
}

/// write(2) sets the file's times before it copies the bytes. Where userfaultfd(2) is not allowed (not
/// root, or a container that forbids it) only the unit test of `is_settled` shows this.
#[test]
fn a_write_that_was_stopped_half_way_is_seen_when_it_has_returned() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let out = run(under(library(), probe("rewrite")).arg(dir.path()));
    if out.status.code() == Some(77) {
        eprintln!("not tested: userfaultfd(2) is not allowed, or the machine too slow");
        return;
    }
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}
