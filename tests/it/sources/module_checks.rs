//! NSS modules under checkers, and with failing allocations.

use std::process::Command;

use super::module::{AT_ONCE, all_at_once};
use crate::support::ask::answers;
use crate::support::module_scene::ModuleScene;
use crate::support::valgrind::{sound, valgrind};
use crate::support::{annotated_library, compiled, library, module};

/// Every kind of call of the module.
const ALL: &[&str] = &[
    "getpwnam m1",
    "getpwnam_r room:3000",
    "getpwuid 12",
    "getpwnam nobody",
    "getpwnam status:-2:11",
    "getpwent; getpwent; getpwent; getpwent",
    "getpwent_r 20",
    "all getpwent",
    "endpwent",
    "getgrnam g1",
    "getgrgid_r 22",
    "getgrnam_r room:3000",
    "getgrouplist m0 1",
    "all getgrent",
    "endgrent",
];

#[test]
fn memcheck_finds_nothing() {
    for flags in [&[][..], &["-DWITHOUT_INITGROUPS"]] {
        let scene = ModuleScene::new();
        let plain = || scene.users(library(), &module("plain", flags), "plain");
        let (said, log) = sound(&mut valgrind("leaks", plain().args(ALL)));
        assert_eq!(log, "");
        assert_eq!(said.lines().collect::<Vec<_>>(), answers(&mut plain(), ALL));
    }
}

#[test]
fn helgrind_and_drd_see_no_race_between_threads_that_ask_the_module() {
    let scene = ModuleScene::new();
    let question = format!("threads 2 800 {AT_ONCE}");
    let plain = || scene.users(annotated_library(), &module("plain", &[]), "plain");
    for tool in ["helgrind", "drd"] {
        let (said, log) = sound(&mut valgrind(tool, plain().arg(&question)));
        assert_eq!([said.trim_end(), &log], [&all_at_once(), ""]);
    }
}

/// The command with a library that makes allocations fail, before the library under test.
fn with_failing_allocations(command: &mut Command) -> &mut Command {
    let failing = compiled("failing_malloc", "cc", &["-shared", "-fPIC"]);
    let preload = format!("{}:{}", failing.display(), library().display());
    command.env("LD_PRELOAD", preload)
}

/// The answers when the allocation of that number fails, and how many have failed.
fn failing(mut probe: Command, nth: usize, questions: &[&str]) -> (Vec<String>, String) {
    let fail = format!("fail {nth}");
    let all: Vec<_> = [fail.as_str()].into_iter().chain(questions.iter().copied()).collect();
    let all: Vec<_> = all.into_iter().chain(["failed"]).collect();
    let mut said = answers(with_failing_allocations(&mut probe), &all);
    let failed = said.pop().expect("the last answer");
    (said.split_off(1), failed)
}

/// Has each allocation of the probe fail in its turn: every answer must be as it is with all of them,
/// or say that there was no memory.
fn without_memory(
    probe: impl Fn() -> Command,
    questions: &[&str],
    is_error: impl Fn(&str) -> bool,
) {
    let (right, _) = failing(probe(), 0, questions);
    for nth in 1..1000 {
        let (said, failed) = failing(probe(), nth, questions);
        for (answer, right) in said.iter().zip(&right) {
            assert!(answer == right || is_error(answer), "allocation {nth}: {answer}");
        }
        if failed == "0" {
            assert!(nth > 20, "the module alone takes more");
            assert_eq!(said, right);
            return;
        }
    }
    panic!("there is no end of allocations");
}

#[test]
fn an_allocation_that_fails_is_an_error_and_never_an_absence() {
    let scene = ModuleScene::new();
    let questions = [
        "getpwnam_r m3",
        "getgrnam_r g1",
        "getpwuid_r 12",
        "getgrnam_r room:3000",
        "getgrouplist m0 1",
    ];
    without_memory(
        || scene.plain(),
        &questions,
        // Without memory getgrouplist(3) has the given group alone, as in glibc.
        |answer| answer == "error ENOMEM" || answer == "1 of 1: 1",
    );
}

#[test]
fn an_allocation_that_fails_loses_no_row_of_an_enumeration() {
    let scene = ModuleScene::new();
    let rows = |nth: usize| {
        let (said, failed) = failing(scene.plain(), nth, &["getpwent_r"; 6]);
        let rows: Vec<_> = said.into_iter().filter(|answer| answer.contains('/')).collect();
        (rows, failed == "1")
    };
    let (right, _) = rows(0);
    assert_eq!(right.len(), 6);
    let mut nth = 1;
    loop {
        let (rows, failed) = rows(nth);
        assert_eq!(rows, right[..rows.len()], "allocation {nth}");
        assert!(rows.len() >= 5, "allocation {nth}: {rows:?}");
        if !failed {
            break;
        }
        nth += 1;
    }
    assert!(nth > 20, "{nth}");
}

#[test]
fn an_allocation_that_fails_for_a_host_is_an_error_and_never_an_absence() {
    let scene = ModuleScene::new();
    let questions = [
        "gethostbyname_r h1",
        "gethostbyname_r room:400",
        "gethostbyname2 h2 inet6",
        "gethostbyaddr fd00::2",
    ];
    let plain = module("plain", &[]);
    without_memory(
        || scene.hosts(library(), &plain, "plain"),
        &questions,
        |answer| {
            answer.contains("ENOMEM, NETDB_INTERNAL") || answer.starts_with("none, NETDB_INTERNAL")
        },
    );
}
