//! `NSS_WRAPPER_HOSTNAME`.

use std::path::Path;
use std::process::Command;

use crate::support::ask::{answers, expect};
use crate::support::{compiled, library, peer, probe, stdout, under};

const QUESTIONS: [&str; 6] = [
    "gethostname 0",
    "gethostname 1",
    "gethostname 15",
    "gethostname 16",
    "gethostname 200",
    "uname",
];

fn wrapped(library: &Path, program: &Path) -> Command {
    let mut command = under(library, program);
    command.env("NSS_WRAPPER_HOSTNAME", "magic.host.test");
    command
}

#[test]
fn gethostname_says_the_wrapped_name_or_that_it_is_too_long() {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("Linux");
    let name = "magic.host.test";
    let short = |len| format!("-1 errno ENAMETOOLONG, {}", &name[..len]);
    let [none, one, most] = [0, 1, 15].map(short);
    let pairs = |want: [&str; 3]| {
        let want = want.into_iter().chain([name, name, kernel.trim_end()]);
        QUESTIONS.into_iter().zip(want.map(str::to_owned)).collect::<Vec<_>>()
    };
    expect(&mut wrapped(library(), &probe("ask")), &pairs([&none, &one, &most]));
    // The peer writes nothing of a name that does not fit.
    expect(&mut wrapped(&peer(), &probe("ask")), &pairs([&none; 3]));
}

/// A program that is built with `_FORTIFY_SOURCE` calls `__gethostname_chk`, which the peer does not wrap.
#[test]
fn a_fortified_program_sees_the_wrapped_name_too() {
    let program = compiled("ask", "cc", &["-O2", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"]);
    let names = stdout(Command::new("nm").arg("-D").arg(&program));
    assert!(names.contains("__gethostname_chk"), "{names}");
    let plain = answers(&mut wrapped(library(), &probe("ask")), &QUESTIONS);
    assert_eq!(answers(&mut wrapped(library(), &program), &QUESTIONS), plain);
}

#[test]
fn without_the_variable_the_name_is_the_kernels() {
    let plain = answers(&mut Command::new(probe("ask")), &QUESTIONS);
    assert_eq!(answers(&mut under(library(), probe("ask")), &QUESTIONS), plain);
}

/// Test programs change the variable in their own process.
#[test]
fn a_change_of_the_variable_is_seen_at_the_next_call() {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("Linux");
    let pairs = [
        ("gethostname 200", "magic.host.test"),
        ("setenv NSS_WRAPPER_HOSTNAME other.host.test", "done"),
        ("gethostname 200", "other.host.test"),
        ("setenv NSS_WRAPPER_HOSTNAME", "done"),
        ("gethostname 200", kernel.trim_end()),
        ("setenv NSS_WRAPPER_HOSTNAME third", "done"),
        ("gethostname 200", "third"),
    ];
    expect(&mut wrapped(&peer(), &probe("ask")), &pairs);
    expect(&mut wrapped(library(), &probe("ask")), &pairs);
}

/// Even after a call that found the variable unset.
#[test]
fn a_variable_that_is_set_late_counts() {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("Linux");
    let late = [
        ("setenv NSS_WRAPPER_HOSTNAME late.host.test", "done"),
        ("gethostname 200", "late.host.test"),
    ];
    expect(&mut under(library(), probe("ask")), &late);
    let after = [("gethostname 200", kernel.trim_end()), late[0], late[1]];
    expect(&mut under(library(), probe("ask")), &after);
}

#[test]
fn hostname_1_prints_the_wrapped_name() {
    let mut command = under(library(), "hostname");
    assert_eq!(stdout(command.env("NSS_WRAPPER_HOSTNAME", "magic")), "magic\n");
}
