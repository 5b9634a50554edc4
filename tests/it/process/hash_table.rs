//! The library does not use the one hash table of a process, that of hcreate(3).

use std::path::PathBuf;

use crate::support::ask::with_bob_and_lab;
use crate::support::{compiled, library, probe, stdout, under};

fn works_in(program: PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for args in [&[][..], &["lookups first"]] {
        let mut command = under(library(), &program);
        with_bob_and_lab(&mut command, dir.path());
        assert_eq!(stdout(command.args(args)), "fine\n");
    }
}

#[test]
fn the_programs_own_hash_table_works() {
    works_in(probe("hcreate"));
}

#[test]
fn the_own_hash_table_of_a_musl_program_works() {
    works_in(compiled("hcreate", "musl-gcc", &[]));
}
