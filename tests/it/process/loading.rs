//! Ways to load the library: late, with all symbols bound at once, with little thread-local memory left.

use std::path::PathBuf;
use std::process::Command;

use crate::support::ask::{BOB_AND_LAB, ask, expect, with_bob_and_lab};
use crate::support::{
    compiled, copy_program, file, library, module, probe, stdout, under, wrapped,
};
use tempfile::{TempDir, tempdir};

#[test]
fn the_library_loads_where_every_name_is_bound_at_once() {
    let dir = tempdir().expect("a temporary directory");
    let mut command = ask();
    command.env("LD_BIND_NOW", "1");
    expect(with_bob_and_lab(&mut command, dir.path()), &BOB_AND_LAB);
}

/// Asked by way of that dlsym, what comes after it may be this library again.
#[test]
fn beside_a_library_with_a_dlsym_of_its_own_libc_is_found() {
    let dir = tempdir().expect("a temporary directory");
    let passwd = file(dir.path(), "passwd", "bob:x:1:1:::\n");
    let (ours, other) = (library().display(), module("own_dlsym", &[]));
    for list in [format!("{ours}:{}", other.display()), format!("{}:{ours}", other.display())] {
        for (args, want) in
            [(["passwd", "bob"], "bob:x:1:1:::\n"), (["group", "root"], "root:x:0:\n")]
        {
            let mut command = wrapped("getent", &*passwd, None);
            assert_eq!(stdout(command.args(args).env("LD_PRELOAD", &list)), want, "{list}");
        }
    }
}

/// What a program says that opens the library by dlopen(3), after the `hogs`, with bob and lab in files.
fn late(program: PathBuf, dir: &TempDir, hogs: &[PathBuf]) -> String {
    let mut command = under("", program);
    command.arg(library()).args(hogs);
    stdout(with_bob_and_lab(&mut command, dir.path()))
}

const ANSWERS: &str = "main: /b bob\nthread: /b bob\nlibc: root\n";

#[test]
fn a_program_that_opens_the_library_late_is_answered() {
    let dir = tempdir().expect("a temporary directory");
    assert_eq!(late(probe("late_tls"), &dir, &[]), format!("0 of 0\n{ANSWERS}"));
}

/// Copies of a library that together take all thread-local memory which glibc has for libraries that are opened
/// late.
fn hogs(dir: &TempDir) -> Vec<PathBuf> {
    let mut hogs = Vec::new();
    for (bytes, count) in [(1024, 8), (128, 8), (8, 20)] {
        let hog = module("tls_hog", &[&format!("-DHOG={bytes}")]);
        for number in 0..count {
            let copy = dir.path().join(format!("hog-{bytes}-{number}.so"));
            copy_program(&hog, &copy);
            hogs.push(copy);
        }
    }
    hogs
}

#[test]
fn where_thread_local_memory_has_run_out_the_loader_says_so_and_the_program_lives() {
    let dir = tempdir().expect("a temporary directory");
    let hogs = hogs(&dir);
    let said = late(probe("late_tls"), &dir, &hogs);
    let (count, rest) = said.split_once('\n').expect("lines");
    assert!(
        !count.starts_with("0 of") && !count.starts_with(&format!("{} of", hogs.len())),
        "{count}"
    );
    if cfg!(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")) {
        let path = library().display();
        let want =
            format!("not loaded: {path}: cannot allocate memory in static TLS block\nlibc: root\n");
        assert_eq!(rest, want);
    } else {
        assert_eq!(rest, ANSWERS);
    }
}

/// musl has no static thread-local memory for libraries that are opened late.
#[test]
fn musl_says_why_it_does_not_open_the_library_late() {
    let dir = tempdir().expect("a temporary directory");
    let said = late(compiled("late_tls", "musl-gcc", &[]), &dir, &[]);
    assert!(said.starts_with("0 of 0\nnot loaded: ") && said.contains("TLS"), "{said}");
    assert!(said.ends_with("libc: root\n"), "{said}");
}

/// Some builds of musl 1.2.5 crash if there is none.
#[test]
fn the_relocation_that_musl_refuses_has_one_with_a_symbol_before_it() {
    let said = stdout(Command::new("readelf").args(["--relocs", "--wide"]).arg(library()));
    // A line is "offset info type [value symbol +] addend".
    let mut relocations = said.lines().filter(|line| line.contains(" R_"));
    let before = relocations.by_ref().take_while(|line| !line.contains("TPOFF"));
    assert!(before.filter(|line| line.contains(" + ")).count() > 0, "{said}");
    assert!(relocations.count() > 0, "{said}");
}
