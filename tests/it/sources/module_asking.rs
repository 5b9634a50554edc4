//! NSS modules whose functions ask the program's own functions meanwhile, and ones that are left by
//! a signal handler. A function of a module is not entered while the thread is in it, and is asked
//! again after.

use crate::support::module_scene::Scene;
use crate::support::scene::Scene as Reach;
use crate::support::scene::{UID, has};
use crate::support::{
    copy_program, file, library, module, probe, run, stdout, under, with_services,
};

/// What the probe says to the questions with the module, whatever the depth was.
fn asked(flags: &[&str], questions: &[&str]) -> String {
    let scene = Scene::new();
    let mut command = scene.probe(library(), &module("asking", flags), "asking");
    let out = run(command.args(questions));
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{}: {said}{told}", out.status);
    // By name and by id are two functions: one may be inside the other, and neither in itself.
    said.replace("/depth/2", "/depth/1")
}

fn row(times: u32) -> String {
    format!("asks{times}:x:{0}:{0}::/depth/1:/s\n", 600 + times)
}

#[test]
fn a_function_that_asks_any_number_of_questions_ends_and_is_asked_again() {
    for times in 0..5 {
        let by_name = format!("pwnam=asks{times}");
        let by_id = format!("pwuid={}", 600 + times);
        let said = asked(&[], &[&by_name, &by_id, &by_name]);
        let row = row(times);
        assert_eq!(said, format!("{by_name}: {row}{by_id}: {row}{by_name}: {row}"));
    }
}

#[test]
fn a_constructor_that_asks_questions_ends_and_the_module_is_asked_after() {
    let said = asked(&["-DCONSTRUCTOR"], &["pwnam=asks2", "pwnam=asks2"]);
    let row = row(2);
    assert_eq!(said, format!("pwnam=asks2: {row}pwnam=asks2: {row}"));
}

#[test]
fn a_function_for_hosts_that_asks_questions_ends() {
    let scene = Scene::new();
    for times in 0..4 {
        let mut command = scene.hosts(library(), &module("asking", &[]), "asking");
        let question = format!("host=h{times}");
        let out = run(command.args([&question, &question]));
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(out.status.success(), "{times}: {}: {said}", out.status);
        assert_eq!(said.matches(&format!("{question}: h{times}")).count(), 2, "{said}");
    }
}

#[test]
fn a_slow_function_that_was_left_by_a_jump_is_asked_again() {
    let scene = Scene::new();
    let mut command = under(library(), probe("leaving"));
    command
        .arg("module")
        .env("NSS_WRAPPER_PASSWD", scene.path("passwd"))
        .env("NSS_WRAPPER_MODULE_SO_PATH", module("asking", &[]))
        .env("NSS_WRAPPER_MODULE_FN_PREFIX", "asking");
    let after = "deeper: quick\nafter: quick\n".repeat(3);
    assert_eq!(stdout(&mut command), format!("before: quick\n{after}thread: quick\n"));
}

/// libc's getaddrinfo(3) is left, not one of the library's own.
#[test]
fn after_a_resolver_was_left_by_a_jump_the_user_still_has_a_name() {
    let scene = Reach::new();
    copy_program(probe("leaving"), scene.path("leaving"));
    let hosts = file(scene.dir.path(), "hosts", "127.0.0.1 localhost\n");
    let leaving = scene.path("leaving");
    let mut command = scene.as_ids(UID, 0, [leaving.to_str().expect("ASCII"), "resolver"]);
    command.env("NSS_WRAPPER_USER", "me:x:%u:%g::/home/me:/bin/sh");
    let said = stdout(&mut with_services(scene.dir.path(), &hosts, "files dns", &command));
    let after = "deeper: me\nafter: me\n".repeat(3);
    has(&said, &format!("before: me\n{after}thread: me\n"));
}
