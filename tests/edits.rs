//! An edit of any kind is seen by the very next lookup.

mod common;

use common::{library, probe, stdout, under};

fn edits(rounds: &str, pause_us: &str) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    stdout(under(library(), probe("edits")).arg(dir.path()).args([rounds, pause_us]));
}

/// Many edits fall into one tick of the clock that stamps files.
#[test]
fn edits_as_fast_as_they_can_be_made_are_seen_at_once() {
    edits("500", "0");
}

/// With pauses the library trusts its snapshot, and with enough lookups holds a descriptor.
#[test]
fn edits_of_a_file_that_has_rested_are_seen_at_once() {
    edits("40", "12000");
}
