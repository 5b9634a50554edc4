//! Every kind of lookup during every kind of edit, in processes that fork, close their descriptors, lack memory,
//! and so on: the head of `tests/probes/soak.c` has the list. The long form is `ci/soak`.

use crate::support::{library, probe, stdout, under};

#[test]
fn every_answer_is_true_of_a_moment_between_call_and_return() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let said = stdout(under(library(), probe("soak")).arg(dir.path()).arg("6"));
    let counts: Vec<u64> = said
        .lines()
        .last()
        .unwrap_or_default()
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .collect();
    let [lookups, edits, refused, forks, signals, _late] = counts[..] else { panic!("{said}") };
    assert!(lookups > 1000 && edits > 100, "{said}");
    assert!(refused > 0 && forks > 0 && signals > 0, "{said}");
}
