//! Threads that look up and fork while a writer replaces the files. The long form is `ci/stress`.

use crate::support::{library, probe, stdout, under};

/// Runs the probe, and returns how many lookups and edits it counted.
fn counts(args: &[&str]) -> Vec<u64> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let said = stdout(under(library(), probe("threads")).arg(dir.path()).args(args));
    said.split(' ').filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn no_answer_is_wrong_torn_or_missing_while_files_are_replaced() {
    let counts = counts(&["3"]);
    assert!(counts.len() == 2 && counts[0] > 1000 && counts[1] > 100, "{counts:?}");
}

/// Each child has 60 seconds, because other tests run at the same time. `ci/stress` wants its answers within a second.
#[test]
fn children_of_a_threaded_process_answer() {
    let counts = counts(&["0", "400", "60"]);
    assert!(counts.len() == 2 && counts[0] >= 400 * 8, "{counts:?}");
}

/// Children of vfork(2) share the memory of their parent, and so the locks, but have process ids of their own.
#[test]
fn children_of_vfork_and_threads_take_no_lock_from_each_other() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let said = stdout(under(library(), probe("vfork")).arg(dir.path()).arg("2"));
    let counts: Vec<u64> = said.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(counts.len() == 2 && counts[0] > 1000 && counts[1] > 50, "{counts:?}");
}

#[test]
fn a_result_without_r_is_the_threads_own_until_its_next_call() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut command = under(library(), probe("statics"));
    for database in ["PASSWD", "GROUP", "SHADOW", "HOSTS"] {
        command.env(format!("NSS_WRAPPER_{database}"), dir.path().join(database));
    }
    assert_eq!(stdout(&mut command), "fine\n");
}
