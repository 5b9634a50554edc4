//! A value with a line break in it is not a path, but the content of a file.

use std::process::Command;

use crate::support::ask::{BOB_AND_LAB, expect};
use crate::support::{PYTHON, library, probe, run, stdout, under};

const PASSWD: &str = "bob:x:4242:77:Bob:/b:/bin/b\nbroken\n";
const GROUP: &str = "\nlab:x:77:bob,eve";

fn with(program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> Command {
    let mut command = under(library(), program);
    command.args(args).env("NSS_WRAPPER_PASSWD", PASSWD).env("NSS_WRAPPER_GROUP", GROUP);
    command
}

#[test]
fn users_and_groups_are_found_in_the_variables_themselves() {
    expect(&mut with(probe("ask"), &[]), &BOB_AND_LAB);
    assert_eq!(stdout(&mut with("getent", &["passwd"])), "bob:x:4242:77:Bob:/b:/bin/b\n");
    assert_eq!(stdout(&mut with("getent", &["group"])), "lab:x:77:bob,eve\n");
    assert_eq!(run(&mut with("getent", &["passwd", "root"])).status.code(), Some(2));
}

#[test]
fn no_file_is_opened_for_them_and_a_bad_line_is_reported_under_the_variable() {
    let mut command = with(PYTHON, &["-c", SCRIPT]);
    let out = run(&mut command);
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(String::from_utf8_lossy(&out.stdout), "bob 300\n", "{said}");
    assert_eq!(said.matches("NSS_WRAPPER_PASSWD:2:").count(), 1, "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

/// Looks up often enough for the library to hold a descriptor of a file, while none can be opened.
const SCRIPT: &str = "
import os, pwd, resource
before = sorted(os.listdir('/proc/self/fd'))
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
found = [pwd.getpwuid(4242).pw_name for i in range(300)]
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
assert sorted(os.listdir('/proc/self/fd')) == before
print(found[0], len(found))
";

#[test]
fn what_the_text_does_not_know_falls_through_when_asked_to() {
    let mut command = with("getent", &["passwd", "root"]);
    assert!(stdout(command.env("NSS_WRAPPER_FALLTHROUGH", "1")).starts_with("root:x:0:0:"));
}
