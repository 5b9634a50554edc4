//! The probes under valgrind's thread checkers, and built with gcc's sanitizers. Nothing of the
//! library's is suppressed.

use std::path::Path;
use std::process::Command;

use crate::support::{compiled, file, library, probe, root, run, stdout, under};

/// Runs the command under a tool of valgrind, which must have nothing to say.
fn silent(tool: &str, program: &Path, prepare: impl FnOnce(&mut Command)) -> String {
    let mut command = under(library(), "valgrind");
    command.arg(format!("--tool={tool}")).args(["--quiet", "--error-exitcode=9"]);
    if tool != "memcheck" {
        command.arg(format!("--suppressions={}", root().join("tests/glibc.supp").display()));
    }
    prepare(command.arg(program));
    let out = run(&mut command);
    let log = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && !log.contains("=="), "{tool}: {}\n{log}", out.status);
    String::from_utf8_lossy(&out.stdout).into_owned()
}

fn threads(tool: &str) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let said = silent(tool, &probe("threads"), |command| {
        command.arg(dir.path()).args(["2", "5", "60"]);
    });
    assert!(said.contains(" lookups, "), "{said}");
    let passwd = file(dir.path(), "users", "builder:x:1:1::/home/builder:/bin/sh\n");
    let said = silent(tool, &probe("inside_threads"), |command| {
        command.env("NSS_WRAPPER_PASSWD", passwd);
    });
    assert_eq!(said, "ok\n");
    // Threads whose first question comes at once, that share an enumeration, and that end.
    let users: String = (0..300).map(|n| format!("u{n}:x:{n}:1:::\n")).collect();
    let passwd = file(dir.path(), "many", users);
    let asked = file(dir.path(), "asked", "threads u3\nshare users\nthreads u5\n");
    let said = silent(tool, &probe("ask"), |command| {
        let asked = std::fs::File::open(asked).expect("it is there");
        command.env("NSS_WRAPPER_PASSWD", passwd).stdin(asked);
    });
    assert_eq!(said, "8\n300 rows, 300 different\n8\n");
    let at = dir.path().join("ended");
    std::fs::create_dir(&at).expect("the directory is ours");
    silent(tool, &probe("descriptors"), |command| {
        command.arg(&at).arg("ended");
    });
    let hosts =
        file(dir.path(), "hosts", "10.0.0.1 one.site\nfd00::2 two.site\n10.0.0.2 two.site\n");
    silent(tool, &probe("hosts"), |command| {
        command.args(["threads", "one.site", "two.site"]).env("NSS_WRAPPER_HOSTS", hosts);
    });
}

#[test]
fn helgrind_sees_no_race_between_threads_and_their_forks() {
    threads("helgrind");
}

#[test]
fn drd_sees_no_race_between_threads_and_their_forks() {
    threads("drd");
}

#[test]
fn memcheck_sees_no_error_in_threads_and_their_forks() {
    threads("memcheck");
}

/// The probe built with AddressSanitizer and UndefinedBehaviorSanitizer, the library preloaded behind
/// the sanitizer's own.
fn sanitized(name: &str) -> Command {
    let flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    let program = compiled(name, "gcc", &flags);
    let runtime = stdout(Command::new("gcc").arg("-print-file-name=libasan.so"));
    let mut command = under(library(), program);
    command.env("LD_PRELOAD", format!("{}:{}", runtime.trim(), library().display()));
    command
}

#[test]
fn the_address_and_undefined_behaviour_sanitizers_see_nothing() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir(&path).expect("the directory is ours");
        path
    };
    let passwd =
        file(dir.path(), "passwd", "builder:x:1:1::/home/builder:/bin/sh\nbob:x:4242:77:::\n");
    let group = file(dir.path(), "group", "lab:x:77:bob,eve\n");
    let shadow = file(dir.path(), "shadow", "bob:$6$salt$hash:19001:1:90:7:30:20000:5\n");
    let mut client = sanitized("client");
    client.env("NSS_WRAPPER_PASSWD", &passwd).env("NSS_WRAPPER_GROUP", &group);
    assert_eq!(stdout(&mut client), "bob:x:4242:77:::\nlab:x:77:bob,eve\n");
    let mut entries = sanitized("shadow");
    assert_eq!(stdout(entries.arg("buffers").env("NSS_WRAPPER_SHADOW", &shadow)), "ok\n");
    let mut inside = sanitized("inside_threads");
    assert_eq!(stdout(inside.env("NSS_WRAPPER_PASSWD", &passwd)), "ok\n");
    stdout(sanitized("edits").arg(at("edits")).args(["20", "0"]));
    // Without forks: an allocation in the child may wait for ever for a lock of gcc 12's sanitizer.
    let said = stdout(sanitized("threads").arg(at("threads")).arg("2"));
    assert!(said.contains(" lookups, "), "{said}");
    let said = stdout(sanitized("soak").arg(at("soak")).arg("3"));
    assert!(said.contains(" lookups, "), "{said}");
}
