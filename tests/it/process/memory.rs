//! Memory: no failed allocation ends the host or gives a wrong answer, and nothing leaks.

use std::path::Path;

use crate::support::{compiled, file, library, probe, run, stdout, under};

#[test]
fn every_failing_allocation_is_an_error_code() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let failing = compiled("failing_malloc", "cc", &["-shared", "-fPIC"]);
    let libraries = format!("{}:{}", failing.display(), library().display());
    let mut command = under(libraries, probe("memory"));
    command
        .env("NSS_WRAPPER_PASSWD", dir.path().join("passwd"))
        .env("NSS_WRAPPER_GROUP", dir.path().join("group"));
    let said = stdout(&mut command);
    let count: u32 = said.split(' ').next().and_then(|word| word.parse().ok()).expect("a number");
    assert!(count > 20, "{said}");
}

/// Runs the probe under Valgrind's memcheck: no invalid access, no block lost.
fn checked(dir: &Path, name: &str, args: &[&str]) -> String {
    let passwd =
        file(dir, "passwd", "bad\nroot:x:0:0:::\nbob:x:1000:100:Bob, B.:/home/bob:/bin/sh\n");
    let group =
        file(dir, "group", "wheel:x:0:\nworse\nlab:x:100:bob,ann\nclub:x:200: bob,,ann ,\n");
    let mut command = under(library(), "valgrind");
    command
        .args(["--quiet", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect"])
        .args(["--show-leak-kinds=definite,indirect", "--error-exitcode=9"])
        .arg(probe(name))
        .args(args)
        .env("NSS_WRAPPER_PASSWD", &passwd)
        .env("NSS_WRAPPER_GROUP", &group);
    let out = run(&mut command);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{name}: {}\n{said}", out.status);
    // Valgrind's own lines begin so.
    assert!(!said.contains("=="), "{name}: {said}");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

#[test]
fn memcheck_finds_neither_an_error_nor_a_leak() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| dir.path().join(name).display().to_string();
    let said = checked(dir.path(), "calls", &["bob", "1000", "lab", "100", "nosuch", "9999"]);
    assert!(said.contains("getpwnam(bob) bob:x:1000"), "{said}");
    // Files that change.
    let odd = file(dir.path(), "odd", "a:x:1:1:::\nb:x:2\n#\nc:x:3:a,b, c,\n\0\n+:x:0:0:::");
    let odd = odd.display().to_string();
    for database in ["passwd", "group"] {
        let args = [&path("wrapped"), database, "60", "7", &odd];
        let said = checked(dir.path(), "input", &args.map(|arg| arg));
        assert!(said.starts_with("61 files"), "{said}");
    }
    // Threads that come and go while files are replaced, and hold descriptors.
    checked(dir.path(), "descriptors", &[&dir.path().display().to_string(), "ended"]);
    let said = checked(dir.path(), "threads", &[&dir.path().display().to_string(), "2"]);
    assert!(said.contains(" lookups, "), "{said}");
}
