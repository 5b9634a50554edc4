//! Threads that look up and fork while a writer replaces the files. The long form is `ci/stress`.

use std::process::Command;

use crate::support::{file, library, probe, run, stdout, under};

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
fn a_result_without_r_is_the_threads_own_until_its_next_call_of_that_function() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut command = under(library(), probe("statics"));
    for database in ["PASSWD", "GROUP", "SHADOW", "HOSTS"] {
        command.env(format!("NSS_WRAPPER_{database}"), dir.path().join(database));
    }
    assert_eq!(stdout(&mut command), "fine\n");
}

/// How many instructions it takes to register so many threads, which all live at once.
fn registering(count: u32) -> u64 {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--max-threads=1100"]);
    command.arg("--toggle-collect=*::register_another").arg(probe("crowd")).arg(count.to_string());
    command.env("NSS_WRAPPER_PASSWD", file(dir.path(), "passwd", "bob:x:1:1:::\n"));
    let out = run(command.env("LD_PRELOAD", library()));
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success() && out.stdout == b"fine\n", "{said}");
    let counted = said.lines().find_map(|line| line.split("Collected : ").nth(1));
    counted.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{said}"))
}

#[test]
fn a_thread_is_registered_as_fast_beside_a_thousand_others_as_beside_a_hundred() {
    let (hundred, thousand) = (registering(100), registering(1000));
    assert!(hundred > 10_000 && thousand < 12 * hundred, "{hundred}, {thousand}");
}
