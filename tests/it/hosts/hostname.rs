//! `NSS_WRAPPER_HOSTNAME`.

use std::path::Path;
use std::process::Command;

use crate::support::{compiled, library, peer, probe, stdout, under};

const LENGTHS: [&str; 5] = ["0", "1", "15", "16", "200"];

fn wrapped(library: &Path, program: &Path) -> Command {
    let mut command = under(library, program);
    command.args(LENGTHS).env("NSS_WRAPPER_HOSTNAME", "magic.host.test");
    command
}

#[test]
fn gethostname_says_the_wrapped_name_or_that_it_is_too_long() {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("Linux");
    let said = stdout(&mut wrapped(library(), &probe("hostname")));
    let short = ["0", "1", "15"].map(|len| format!("{len}: -1 ENAMETOOLONG \n")).concat();
    let long = ["16", "200"].map(|len| format!("{len}: 0 magic.host.test \n")).concat();
    assert_eq!(said, format!("{short}{long}uname: {kernel}"));
    let peers = stdout(&mut wrapped(&peer(), &probe("hostname")));
    assert_eq!(said, peers, "the peer says the same");
}

/// Such programs call `__gethostname_chk`, which the peer does not wrap.
#[test]
fn a_fortified_program_sees_the_wrapped_name_too() {
    let program = compiled("hostname", "cc", &["-O2", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"]);
    let names = stdout(Command::new("nm").arg("-D").arg(&program));
    assert!(names.contains("__gethostname_chk"), "{names}");
    let plain = stdout(&mut wrapped(library(), &probe("hostname")));
    assert_eq!(stdout(&mut wrapped(library(), &program)), plain);
}

#[test]
fn without_the_variable_the_name_is_the_kernels() {
    let program = probe("hostname");
    let mut command = under(library(), &program);
    assert_eq!(stdout(command.args(LENGTHS)), stdout(Command::new(&program).args(LENGTHS)));
}

#[test]
fn hostname_1_prints_the_wrapped_name() {
    let mut command = under(library(), "hostname");
    assert_eq!(stdout(command.env("NSS_WRAPPER_HOSTNAME", "magic")), "magic\n");
}
