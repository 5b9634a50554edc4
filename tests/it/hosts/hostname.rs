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
    let (short, name) = ("-1 errno ENAMETOOLONG", "magic.host.test");
    let want = [short, short, short, name, name, kernel.trim_end()];
    let pairs: Vec<_> = QUESTIONS.into_iter().zip(want).collect();
    expect(&mut wrapped(library(), &probe("ask")), &pairs);
    expect(&mut wrapped(&peer(), &probe("ask")), &pairs);
}

/// Such programs call `__gethostname_chk`, which the peer does not wrap.
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

#[test]
fn hostname_1_prints_the_wrapped_name() {
    let mut command = under(library(), "hostname");
    assert_eq!(stdout(command.env("NSS_WRAPPER_HOSTNAME", "magic")), "magic\n");
}
