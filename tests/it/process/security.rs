//! What docs/security.md says, where no other test shows it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::support::scene::{Scene, UID, both, has, is_root};
use crate::support::{file, library, probe, run, stdout, under};

#[test]
fn a_change_of_the_variables_after_the_first_lookup_does_nothing() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let bob = file(dir.path(), "bob", "bob:x:7:7:::\n");
    let eve = file(dir.path(), "eve", "eve:x:8:8:::\n");
    let mut command = under(library(), probe("security"));
    command.arg("once").arg(&eve).env("NSS_WRAPPER_PASSWD", &bob);
    assert_eq!(stdout(&mut command), "bob: found\nbob: found, eve: not found\n");
}

#[test]
fn a_file_that_calls_somebody_root_gives_no_right() {
    if !is_root() {
        return;
    }
    let scene = Scene::new();
    file(scene.dir.path(), "passwd", format!("root:x:{UID}:0:::\nroot:x:0:0:::\nme:x:0:0:::\n"));
    let secret = file(scene.dir.path(), "secret", "of root");
    fs::set_permissions(&secret, Permissions::from_mode(0o600)).expect("ours");
    assert_eq!(stdout(&mut scene.wrapped(["id", "-un"])), "root\n");
    assert_eq!(stdout(&mut scene.wrapped(["id", "-u"])), format!("{UID}\n"));
    let out = run(&mut scene.wrapped(["cat", secret.to_str().expect("ASCII")]));
    assert!(!out.status.success());
    has(&both(&out), "Permission denied");
}

#[test]
fn a_file_that_the_process_may_not_read_is_not_read() {
    if !is_root() {
        return;
    }
    let scene = Scene::new();
    fs::set_permissions(scene.path("passwd"), Permissions::from_mode(0o600)).expect("ours");
    let out = run(&mut scene.wrapped(["getent", "passwd", "ipython"]));
    assert_eq!(out.status.code(), Some(2), "{}", both(&out));
    has(&both(&out), "passwd': Permission denied");
}

#[test]
fn the_descriptor_that_is_held_is_not_handed_to_another_program() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let real = dir.path().canonicalize().expect("it is there");
    let passwd = file(&real, "passwd", "bob:x:7:7:::\n");
    let mut command = under(library(), probe("security"));
    command.arg("exec").env("NSS_WRAPPER_PASSWD", &passwd);
    let said = stdout(&mut command);
    let (before, after) = said.split_once("--\n").expect("two lists");
    has(before, passwd.to_str().expect("ASCII"));
    assert!(!after.contains(passwd.to_str().expect("ASCII")), "{after}");
}

#[test]
fn the_log_shows_no_control_byte_and_no_password() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let shadow = "bob:SECRET-hash:1:2:3::::\nbad:SECRET-hash:x:2:3::::\nworse SECRET\x1b[2J\n";
    let shadow = file(dir.path(), "sha\x1b]0;title\x07\ndow", shadow);
    let mut command = under(library(), probe("shadow"));
    command.args(["names", "bob", "\x1b[31mred\nNWRAP_ERROR[init (1)] - forged"]);
    command.env("NSS_WRAPPER_SHADOW", &shadow).env("NSS_WRAPPER_DEBUGLEVEL", "3");
    let out = run(&mut command);
    let log = String::from_utf8(out.stderr).expect("ASCII");
    assert!(log.contains("line skipped") && log.contains("not found"), "{log}");
    for line in log.lines() {
        assert!(
            line.starts_with("NWRAP_") && line.chars().all(|c| (' '..='~').contains(&c)),
            "{line:?}"
        );
        assert!(!line.starts_with("NWRAP_ERROR[init"), "{line}");
    }
    assert!(!log.contains("SECRET"), "{log}");
}
