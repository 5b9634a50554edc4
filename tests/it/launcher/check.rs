//! `nss-wrapper --check` names the lines that the library would skip, as pwck(8) does.

use std::fs;
use std::process::{Command, Stdio};

use super::scene::{as_ids, as_self, scene};
use crate::support::scene::{has, is_root};
use crate::support::{file, run, stdout};

/// Exit code and standard output of a check, which must write nothing to standard error.
fn checked(command: &mut Command) -> (Option<i32>, String) {
    let out = run(command);
    assert!(out.stderr.is_empty(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
    (out.status.code(), String::from_utf8(out.stdout).expect("text"))
}

#[test]
fn good_files_give_no_line_and_exit_code_0() {
    let (scene, _) = scene();
    file(&scene.home, "hosts", "10.0.0.1 a b\n# c\n::1 d");
    let args = ["--check", "--passwd", "../passwd", "--group", "../group", "--hosts", "hosts"];
    for uid in [10000, 0] {
        assert_eq!(checked(&mut as_ids(&scene, uid, 0, args)), (Some(0), String::new()));
    }
    let text = fs::read_to_string(scene.path("passwd")).expect("ours");
    let mut command = as_self(&scene, ["--check"]);
    let command = command.env("NSS_WRAPPER_PASSWD", text).env("NSS_WRAPPER_GROUP", "../group");
    assert_eq!(checked(command), (Some(0), String::new()));
}

#[test]
fn each_bad_line_is_path_number_and_reason_and_the_exit_code_1() {
    let (scene, _) = scene();
    file(&scene.home, "passwd", "root:x:0:0::/:/bin/sh\nbad\n\n# no\na:x:4294967296:1::/:/\n");
    file(&scene.home, "my group", "lab:x:7:\nlab\n");
    file(&scene.home, "hosts", "10.0.0.1 a\nhundred b\n");
    file(&scene.home, "shadow", "bob:*:1:2:3:4:5:6:7\nbob\n");
    let passwd = scene.home.join("passwd");
    let args = ["--check", "--passwd", passwd.to_str().expect("plain"), "--group", "./my group"];
    let mut command = as_ids(&scene, 10000, 0, args);
    let (code, said) = checked(command.args(["--hosts", "hosts", "--shadow", "shadow"]));
    assert_eq!(code, Some(1));
    let mut places = Vec::new();
    for line in said.lines() {
        let (place, reason) = line.split_once(": ").unwrap_or_else(|| panic!("{said}"));
        assert!(!reason.is_empty() && !reason.contains("skipped"), "{line}");
        places.push(place.replace(&scene.home.display().to_string(), "HOME"));
    }
    assert_eq!(places, ["HOME/passwd:2", "HOME/passwd:5", "./my group:2", "shadow:2", "hosts:2"]);
}

#[test]
fn a_variable_whose_name_is_misspelt_is_a_line() {
    let (scene, _) = scene();
    let want = "NSS_WRAPPER_PASWD: the library has no such variable\n".to_owned();
    let mut command = as_self(&scene, ["--check"]);
    command.env("NSS_WRAPPER_PASWD", "/x");
    assert_eq!(checked(&mut command), (Some(1), want.clone()));
    command.env("NSS_WRAPPER_GROUP", "../group");
    assert_eq!(checked(&mut command), (Some(1), want));
    // Options say what is to be checked.
    command.args(["--passwd", "../passwd"]);
    assert_eq!(checked(&mut command), (Some(0), String::new()));
}

#[test]
fn what_cannot_be_read_and_a_variable_that_is_wrong_are_a_line_too() {
    let (scene, _) = scene();
    let mut command = as_self(&scene, ["--check", "--passwd", "none", "--group", "."]);
    let want = "none: No such file or directory\n.: not a regular file\n".to_owned();
    assert_eq!(checked(&mut command), (Some(1), want));
    if is_root() {
        let secret = file(&scene.home, "secret", "root:x:0:0::/:/bin/sh\n");
        stdout(Command::new("chmod").arg("600").arg(&secret));
        let mut command = as_ids(&scene, 10000, 0, ["--check", "--passwd", "secret"]);
        let want = "secret: Permission denied\n".to_owned();
        assert_eq!(checked(&mut command), (Some(1), want));
    }
    let mut command = as_self(&scene, ["--check"]);
    let command =
        command.env("NSS_WRAPPER_USER", "a:x:%u:%g::%z:/").env("NSS_WRAPPER_HOSTS", "hundred b\n");
    let (code, said) = checked(command);
    assert_eq!(code, Some(1));
    has(&said, "NSS_WRAPPER_USER: %z stands for nothing");
    has(&said, "\nNSS_WRAPPER_HOSTS:1: ");
    // The library would take the path for the content.
    file(&scene.home, "root:x:0:0:::\n", "bad\n");
    let out = run(&mut as_self(&scene, ["--check", "--passwd", "root:x:0:0:::\n"]));
    assert_eq!(out.status.code(), Some(125));
    has(&String::from_utf8_lossy(&out.stderr), "--passwd: a path with a line break in it");
    let args = ["--check", "--user", "a:x:%u:%g:100%%:%h:/bin/sh"];
    assert_eq!(checked(&mut as_self(&scene, args)), (Some(0), String::new()));
    let out = run(&mut as_self(&scene, ["--check"]));
    assert_eq!(out.status.code(), Some(125));
    has(&String::from_utf8_lossy(&out.stderr), "nss-wrapper: nothing to check: ");
}

#[test]
fn a_large_file_shows_progress_on_a_terminal_and_nowhere_else() {
    let (scene, launcher) = scene();
    let mut text = String::new();
    for id in 1..60_000 {
        text += &format!("user{id}:x:{id}:{id}::/home/user{id}:/bin/sh\n");
    }
    file(&scene.home, "large", text + &"bad\n".repeat(1100));
    let check = ["--check", "--passwd", "large"];
    let (code, said) = checked(&mut as_self(&scene, check));
    assert_eq!((code, said.lines().count()), (Some(1), 1100), "{said}");
    has(&said, "large:60000: ");
    // script(1) runs the command on a terminal.
    let mut command = Command::new("script");
    let line = format!("{launcher} {} >faults", check.join(" "));
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    let out = run(command.current_dir(&scene.home).env_remove("LD_PRELOAD").stdin(Stdio::null()));
    assert_eq!(out.status.code(), Some(1));
    let shown = String::from_utf8_lossy(&out.stdout).into_owned();
    has(&shown, "\rlarge: ");
    has(&shown, "100 % of 61099 lines, with faults");
    assert!(shown.ends_with("\r\x1b[K"), "{shown:?}");
    assert_eq!(fs::read_to_string(scene.home.join("faults")).expect("written"), said);
}
