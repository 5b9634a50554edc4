//! The probes of other tests, compiled for musl: the same library file answers there in the same way.

use crate::support::{compiled, library, stdout, under};

/// Runs the probe in a directory of its own.
fn musl(name: &str, args: &[&str]) -> String {
    let dir = tempfile::tempdir().expect("a temporary directory");
    stdout(under(library(), compiled(name, "musl-gcc", &[])).arg(dir.path()).args(args))
}

#[test]
fn edits_are_seen_at_once() {
    musl("edits", &["50", "0"]);
}

#[test]
fn threads_and_children_get_right_answers() {
    assert!(musl("threads", &["1"]).contains(" lookups, "));
    assert!(musl("threads", &["0", "50"]).contains(" lookups, "));
    assert!(musl("vfork", &["1"]).contains(" children"));
}

#[test]
fn descriptors_stay_the_programs() {
    for case in ["numbers", "reuse", "ended", "64"] {
        musl("descriptors", &[case]);
    }
}
