//! Lookups that libc makes inside itself, without an interposed function: glob(3), wordexp(3), getpw(3),
//! cuserid(3) and getlogin_r(3) get answers from the same files.

use std::process::Command;

use crate::support;
use crate::support::ask::{answers, expect, musl_ask};
use crate::support::scene::{Scene, UID, has, is_root};
use crate::support::{copy_program, file, probe, run, stdout};

/// Copies the probe to the scene's directory, where 10000 can reach it.
fn ask_in(scene: &Scene) -> String {
    let copy = scene.path("ask");
    copy_program(probe("ask"), &copy);
    copy.to_str().expect("the path is ASCII").to_owned()
}

/// The probe as 10000.
fn ask_as_10000(scene: &Scene) -> Command {
    scene.as_ids(UID, 0, [ask_in(scene)])
}

/// Questions for which libc looks up this user, and for which it looks up whoever runs the process.
fn questions_of(user: &str) -> [String; 5] {
    let of_user = ["glob", "glob64", "wordexp"].map(|function| format!("{function} ~{user}"));
    let [glob, glob64, wordexp] = of_user;
    [glob, glob64, wordexp, "getpw".into(), "cuserid".into()]
}

#[test]
fn libc_itself_sees_wrapped_users() {
    let scene = Scene::new();
    let questions = questions_of("builder");
    let mut command = ask_as_10000(&scene);
    let alone = answers(command.env_remove("LD_PRELOAD"), &questions);
    assert_eq!(alone, ["~builder", "~builder", "~builder", "none", "none"].map(String::from));
    let mut command = ask_as_10000(&scene);
    command.env("NSS_WRAPPER_PASSWD", scene.path("passwd"));
    let home = "/home/builder".to_owned();
    let own =
        format!("ipython:x:10000:0:Interactive Python,Room 1:{}:/bin/bash", scene.home.display());
    let want = [home.clone(), home.clone(), home, own, "ipython".to_owned()];
    assert_eq!(answers(&mut command, &questions), want);
}

#[test]
fn libc_itself_sees_the_synthetic_user_and_what_falls_through() {
    let scene = Scene::new();
    let user = "magic:x:%u:%g::/home/magic:/bin/sh";
    let mut command = ask_as_10000(&scene);
    let said = answers(command.env("NSS_WRAPPER_USER", user), &questions_of("magic"));
    let home = "/home/magic";
    assert_eq!(said[..4], [home, home, home, "magic:x:10000:0::/home/magic:/bin/sh"]);
    let root = stdout(Command::new("getent").args(["passwd", "root"]));
    let home = root.split(':').nth(5).expect("root has a home");
    let mut command = ask_as_10000(&scene);
    expect(command.env("NSS_WRAPPER_USER", user), &[("glob ~root", home)]);
    let one = file(scene.dir.path(), "one", "magic:x:10000:0::/m:/s\n");
    for (fall_through, home) in [("1", home), ("0", "~root")] {
        let mut command = ask_as_10000(&scene);
        command.env("NSS_WRAPPER_PASSWD", &one).env("NSS_WRAPPER_FALLTHROUGH", fall_through);
        expect(&mut command, &[("glob ~root", home), ("cuserid", "magic")]);
    }
}

/// Only root may set the login of a process, `/proc/self/loginuid`.
#[test]
fn getlogin_finds_the_name_of_the_login() {
    if !is_root() {
        return;
    }
    let scene = Scene::new();
    let mut command = support::under(&scene.library, probe("ask"));
    command.env("NSS_WRAPPER_PASSWD", scene.path("passwd"));
    let said = answers(&mut command, &["getlogin_r 1001", "glob ~builder"]);
    // A kernel without audit has no loginuid to set.
    if std::path::Path::new("/proc/self/loginuid").exists() {
        assert_eq!(said[0], "builder");
    }
    assert_eq!(said[1], "/home/builder");
}

/// libc is made to ask the library as late as possible, and once. A process without such lookups does not even
/// read nsswitch.conf.
#[test]
fn only_lookups_inside_libc_pay_for_the_service() {
    let scene = Scene::new();
    let calls = |args: &[&str], fall: &str| {
        let mut command =
            scene.wrapped([&["strace", "-f", "-e", "trace=openat,open"], args].concat());
        command.env("NSS_WRAPPER_FALLTHROUGH", fall);
        String::from_utf8_lossy(&run(&mut command).stderr).into_owned()
    };
    for args in [&["true"][..], &["id", "ipython"], &["ls", "-l", "/"]] {
        let log = calls(args, "0");
        has(&log, "libc.so.6");
        assert!(!log.contains("nsswitch.conf"), "{args:?}: {log}");
    }
    let ask = ask_in(&scene);
    let questions = questions_of("root");
    let args: Vec<_> = [ask.as_str()].into_iter().chain(questions.iter().map(|q| &**q)).collect();
    let log = calls(&args, "1");
    // libc reads it once for the other databases; the library reads it once, to learn which services come next.
    let count = log.matches("/etc/nsswitch.conf").count();
    assert!((1..=2).contains(&count), "{log}");
}

#[test]
fn musl_looks_nothing_up_inside_and_works_as_before() {
    let scene = Scene::new();
    let copy = scene.path("ask-musl");
    copy_program(musl_ask(), &copy);
    let mut command = scene.wrapped([copy.to_str().expect("ASCII")]);
    command.args(["wordexp ~root", "wordexp plain"]);
    let with = stdout(&mut command);
    has(&with, "\nplain\n");
    assert_eq!(with, stdout(command.env_remove("LD_PRELOAD")));
}

#[test]
fn threads_may_ask_from_inside_at_once() {
    let scene = Scene::new();
    let mut command = support::under(&scene.library, probe("ask"));
    command.env("NSS_WRAPPER_PASSWD", scene.path("passwd"));
    expect(&mut command, &[("threads 8 100 glob ~builder", "/home/builder")]);
}
