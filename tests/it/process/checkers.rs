//! The probes under valgrind's thread checkers, and built with gcc's sanitizers. No report about the library
//! is suppressed.

use std::process::Command;

use crate::support::ask::expect;
use crate::support::valgrind::{sound, valgrind};
use crate::support::{annotated_library, compiled, file, library, probe, stdout, under};

/// What the probe says under a tool of valgrind.
fn under_tool(tool: &str, name: &str, prepare: impl FnOnce(&mut Command)) -> String {
    let library = if tool == "memcheck" { library() } else { annotated_library() };
    let mut command = under(library, probe(name));
    prepare(&mut command);
    sound(&mut valgrind(tool, &command)).0
}

fn threads(tool: &str) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let said = under_tool(tool, "threads", |command| {
        command.arg(dir.path()).args(["2", "5", "60", "2000"]);
    });
    assert!(said.contains(" lookups, "), "{said}");
    // Threads whose first lookup is one that libc makes inside itself, for glob(3). libc then loads an NSS
    // module. drd does not know that memory which dlopen(3) has freed may go to another thread, so the module
    // is loaded before the threads start.
    let question = "threads 8 100 glob ~builder";
    let questions: &[&str] = if tool == "drd" { &["glob ~builder", question] } else { &[question] };
    let passwd = file(dir.path(), "users", "builder:x:1:1::/home/builder:/bin/sh\n");
    let said = under_tool(tool, "ask", |command| {
        command.args(questions).env("NSS_WRAPPER_PASSWD", passwd);
    });
    assert_eq!(said, "/home/builder\n".repeat(questions.len()));
    // Threads that make their first lookup at the same time, that share an enumeration, and that end.
    let users: String = (0..300).map(|n| format!("u{n}:x:{n}:1:::\n")).collect();
    let passwd = file(dir.path(), "many", users);
    let said = under_tool(tool, "ask", |command| {
        let threads = ["u3", "u5"].map(|name| format!("threads 8 50 getpwnam_r {name}"));
        command.args([&threads[0], "share getpwent_r", &threads[1]]);
        command.env("NSS_WRAPPER_PASSWD", passwd);
    });
    assert_eq!(said, "u3:x:3:1:::\n300 rows, 300 different\nu5:x:5:1:::\n");
    let at = dir.path().join("ended");
    std::fs::create_dir(&at).expect("the directory is ours");
    under_tool(tool, "descriptors", |command| {
        command.arg(&at).arg("ended");
    });
    let said = under_tool(tool, "statics", |command| {
        for database in ["PASSWD", "GROUP", "SHADOW", "HOSTS"] {
            command.env(format!("NSS_WRAPPER_{database}"), dir.path().join(database));
        }
    });
    assert_eq!(said, "fine\n");
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
    let mut ask = sanitized("ask");
    ask.env("NSS_WRAPPER_PASSWD", &passwd).env("NSS_WRAPPER_GROUP", &group);
    let (bob, lab) = ("bob:x:4242:77:::", "lab:x:77:bob,eve");
    let pairs = [
        ("getpwnam_r bob", bob),
        ("getpwuid 4242", bob),
        (
            "setpwent; getpwent; getpwent",
            &format!("done; builder:x:1:1::/home/builder:/bin/sh; {bob}"),
        ),
        ("getgrnam_r lab", lab),
        ("getgrgid 77", lab),
        ("all getgrent", lab),
        ("threads 8 100 glob ~builder", "/home/builder"),
    ];
    expect(&mut ask, &pairs);
    let mut buffers = sanitized("buffers");
    buffers.args(["getspnam_r bob", "setspent; getspent_r"]).env("NSS_WRAPPER_SHADOW", &shadow);
    let entry = "bob:$6$salt$hash:19001:1:90:7:30:20000:5\terror ERANGE\t";
    assert!(stdout(&mut buffers).starts_with(entry));
    stdout(sanitized("edits").arg(at("edits")).args(["20", "0"]));
    // Without forks: an allocation in the child may wait for ever for a lock of gcc 12's sanitizer.
    let said = stdout(sanitized("threads").arg(at("threads")).arg("2"));
    assert!(said.contains(" lookups, "), "{said}");
    let said = stdout(sanitized("soak").arg(at("soak")).arg("3"));
    assert!(said.contains(" lookups, "), "{said}");
}
