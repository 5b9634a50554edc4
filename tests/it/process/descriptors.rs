//! The library does not touch the program's descriptors.

use crate::support::namespace::after_mounts;
use crate::support::{library, probe, stdout, under};

fn descriptors(case: &str) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    stdout(under(library(), probe("descriptors")).arg(dir.path()).arg(case));
}

#[test]
fn a_lookup_does_not_change_which_number_the_next_open_gets() {
    descriptors("numbers");
}

#[test]
fn a_program_that_closes_all_descriptors_and_reuses_the_numbers_keeps_them() {
    descriptors("reuse");
}

#[test]
fn no_answer_comes_from_a_file_that_the_program_opens_under_a_lookup() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let said = stdout(under(library(), probe("closing")).arg(dir.path()).arg("20000"));
    assert!(said.ends_with(" lookups\n"), "{said}");
}

#[test]
fn threads_that_end_and_files_that_are_replaced_leave_no_descriptor() {
    descriptors("ended");
}

/// Each thread would keep one for each file.
#[test]
fn many_threads_leave_the_program_most_of_its_descriptors() {
    descriptors("many");
}

/// A file answers as long as it is unchanged. After a change a lookup fails with `EMFILE`, until a descriptor
/// is free.
#[test]
fn a_full_table_of_descriptors_gives_no_wrong_answer() {
    // The limit of open files: so few that the library keeps no descriptor, and so many that it does.
    descriptors("64");
    descriptors("300");
}

/// On ramfs the times of a file move with the clock's tick, as on every file system before Linux 6.13: an edit
/// may leave them as they were.
#[test]
fn a_full_table_gives_no_wrong_answer_where_stamps_are_coarse() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for most in ["64", "300"] {
        let mut command = under(library(), probe("descriptors"));
        command.arg(dir.path()).arg(most);
        let script = "mount -t ramfs none \"$1\"";
        stdout(&mut after_mounts(script, &[dir.path()], &command));
    }
}
