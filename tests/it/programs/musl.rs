//! The probes of other tests, compiled for musl: the same file keeps the same promises there.

use crate::support::{compiled, file, library, stdout, under, wrapped};

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
fn descriptors_stay_the_hosts() {
    for case in ["numbers", "reuse", "ended", "64"] {
        musl("descriptors", &[case]);
    }
}

#[test]
fn the_hosts_own_hash_table_works() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let passwd = file(dir.path(), "passwd", "bob:x:4242:77:Bob:/b:/bin/b\n");
    let group = file(dir.path(), "group", "lab:x:77:bob,eve\n");
    let said = stdout(&mut wrapped(compiled("hcreate", "musl-gcc", &[]), &*passwd, &*group));
    assert_eq!(said, "fine\n");
}
