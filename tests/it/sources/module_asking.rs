//! NSS modules whose functions ask the library themselves, and ones that a signal handler leaves by siglongjmp(3). A
//! function that asks itself finds nothing. The next lookup asks it again.

use crate::support::ask::answers;
use crate::support::module_scene::ModuleScene;
use crate::support::namespace::with_services;
use crate::support::scene::Scene as Reach;
use crate::support::scene::{UID, has};
use crate::support::{copy_program, file, library, module, probe, stdout, under};

/// The probe's answers with the module, without how deep its functions were nested.
fn asked(flags: &[&str], questions: &[&str]) -> Vec<String> {
    let scene = ModuleScene::new();
    let mut command = scene.users(library(), &module("asking", flags), "asking");
    let said = answers(&mut command, questions);
    // That the module's functions end is tested, and not how deep they were nested: every depth becomes 1.
    let plain = |line: &String| match line.split_once("/depth/") {
        Some((start, rest)) => format!("{start}/depth/1{}", &rest[1..]),
        None => line.clone(),
    };
    said.iter().map(plain).collect()
}

fn row(times: u32) -> String {
    format!("asks{times}:x:{0}:{0}::/depth/1:/s", 600 + times)
}

#[test]
fn a_function_that_asks_any_number_of_questions_ends_and_is_asked_again() {
    for times in 0..5 {
        let by_name = format!("getpwnam asks{times}");
        let by_id = format!("getpwuid {}", 600 + times);
        let said = asked(&[], &[&by_name, &by_id, &by_name]);
        assert_eq!(said, [row(times), row(times), row(times)]);
    }
}

#[test]
fn a_constructor_that_asks_questions_ends_and_the_module_is_asked_after() {
    let said = asked(&["-DCONSTRUCTOR"], &["getpwnam asks2", "getpwnam asks2"]);
    assert_eq!(said, [row(2), row(2)]);
}

#[test]
fn a_function_for_hosts_that_asks_questions_ends() {
    let scene = ModuleScene::new();
    for times in 0..4 {
        let mut command = scene.hosts(library(), &module("asking", &[]), "asking");
        let question = format!("gethostbyname h{times}");
        for said in answers(&mut command, &[&question, &question]) {
            assert!(said.starts_with(&format!("h{times} ")), "{said}");
        }
    }
}

#[test]
fn a_slow_function_that_was_left_by_a_jump_is_asked_again() {
    let scene = ModuleScene::new();
    let mut command = under(library(), probe("leaving"));
    command
        .arg("module")
        .env("NSS_WRAPPER_PASSWD", scene.path("passwd"))
        .env("NSS_WRAPPER_MODULE_SO_PATH", module("asking", &[]))
        .env("NSS_WRAPPER_MODULE_FN_PREFIX", "asking");
    let after = "deeper: quick\nafter: quick\n".repeat(3);
    assert_eq!(stdout(&mut command), format!("before: quick\n{after}thread: quick\n"));
}

/// The handler leaves libc's own getaddrinfo(3), and not a function of the library.
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
