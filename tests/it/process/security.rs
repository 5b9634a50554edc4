//! Claims of docs/security.md that no other test shows.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::support::ask::{Session, answers_and_log, ask, word};
use crate::support::scene::{Scene, UID, both, has, is_root};
use crate::support::{file, library, probe, run, stdout, under};

#[test]
fn a_change_of_the_variables_after_the_first_lookup_does_nothing() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let bob = file(dir.path(), "bob", "bob:x:7:7:::\n");
    let eve = file(dir.path(), "eve", "eve:x:8:8:::\n");
    let mut session = Session::new(ask().env("NSS_WRAPPER_PASSWD", &bob));
    assert_eq!(session.ask("getpwnam bob"), "bob:x:7:7:::");
    let question = format!("setenv NSS_WRAPPER_PASSWD {}", eve.display());
    assert_eq!(session.ask(&question), "done");
    assert_eq!(session.ask("getpwnam bob"), "bob:x:7:7:::");
    assert_eq!(session.ask("getpwnam eve"), "none");
    assert_eq!(session.end(), [""; 0]);
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
    let mut session = Session::new(ask().env("NSS_WRAPPER_PASSWD", &passwd));
    // Lookups until the library keeps a descriptor of the file.
    let held = (0..500).any(|_| {
        assert_eq!(session.ask("getpwnam bob"), "bob:x:7:7:::");
        std::thread::sleep(Duration::from_millis(1));
        session.open_files().contains(&passwd)
    });
    assert!(held, "{:?}", session.open_files());
    assert_eq!(session.ask("exec cat"), "done");
    assert_eq!(session.ask("said by cat"), "said by cat");
    assert!(!session.open_files().contains(&passwd), "{:?}", session.open_files());
}

#[test]
fn the_log_shows_no_control_byte_and_no_password() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let shadow = "bob:SECRET-hash:1:2:3::::\nbad:SECRET-hash:x:2:3::::\nworse SECRET\x1b[2J\n";
    let shadow = file(dir.path(), "sha\x1b]0;title\x07\ndow", shadow);
    let mut command = ask();
    command.env("NSS_WRAPPER_SHADOW", &shadow).env("NSS_WRAPPER_DEBUGLEVEL", "3");
    let forged = word("\x1b[31mred\nNWRAP_ERROR[init (1)] - forged");
    let questions = ["getspnam bob", "getspnam_r bob"].map(str::to_owned);
    let forging = ["getspnam", "getspnam_r"].map(|function| format!("{function} {forged}"));
    let (_, log) = answers_and_log(&mut command, &[questions, forging].concat());
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

/// How long lookups take may tell something of the secret in the hash function. So it must not be the same random
/// number as the stack's canary.
#[test]
fn the_hash_secret_is_not_the_stacks_canary() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let users = file(dir.path(), "passwd", "ann:x:1:1:::\nbob:x:2:2:::\neve:x:3:3:::\n");
    let said = stdout(under(library(), probe("canary")).env("NSS_WRAPPER_PASSWD", users));
    assert_eq!(said, "0 of many\n");
}
