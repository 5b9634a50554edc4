//! Signal handlers, forks and jumps at every instruction of the library.
//!
//! A signal handler may interrupt a lookup anywhere, ask a question itself, fork, or leave the lookup for ever
//! by siglongjmp(3), as resolvers with a time limit by SIGALRM do. The probe steps through a call, and does one of
//! these at an instruction. The first scenario that reaches an instruction tries it there. A later scenario tries it at
//! every sixteenth of the instructions that others have reached before. The long form, `ci/step`, tries all
//! instructions in every scenario.

use std::fmt::Write as _;
use std::process::Output;

use crate::support::namespace::after_mounts;
use crate::support::scene::{Scene, UID, both};
use crate::support::{copy_program, module, probe, run};

/// All kinds of calls.
const ALL: &[&str] = &[
    "cold",
    "reload",
    "relink",
    "index",
    "warm",
    "tick",
    "users",
    "hosts",
    "memberships",
    "static",
    "addrinfo",
    "synthetic",
    "known",
    "module",
    "loading",
];

/// Those where the library remembers something across a call: a lock, an enumeration, that it is
/// inside libc or a module.
const REMEMBERING: &[&str] = &["cold", "reload", "users", "hosts", "synthetic", "known", "module"];

/// At so many instructions of one scenario a jump may lose a block of memory or a descriptor. These are the
/// instructions between a call of libc or the kernel that gives or takes it, and the one that writes that down. For
/// malloc they are 7, for free 3, for open 14, for close 3.
const ISOLATED: usize = 32;

fn step(scene: &Scene, scenario: &str, action: &str, stride: &str) -> Output {
    let dir = scene.home.join(format!("{scenario}-{action}"));
    std::fs::create_dir(&dir).expect("the directory is ours");
    scene.give(&dir);
    let (probe, been) = (scene.path("step"), scene.home.join(action));
    let args = [&*probe, &*dir, scenario.as_ref(), action.as_ref(), &*been, stride.as_ref()];
    let mut command = scene.as_ids(UID, 0, args);
    // Without malloc's cache for each thread: memory in it counts as in use, and calloc(3) does not take any from it.
    command.env("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0");
    if matches!(scenario, "module" | "loading" | "loader") {
        command
            .env("NSS_WRAPPER_MODULE_SO_PATH", scene.path("plain.so"))
            .env("NSS_WRAPPER_MODULE_FN_PREFIX", "plain");
    }
    if scenario == "cold" {
        // The first call reads the configuration of the service too, which sets nothing.
        let script = "mount -t tmpfs -o mode=755 none /etc; touch /etc/nss_wrapper_rs.conf";
        command = after_mounts(script, &[], &command);
    }
    run(&mut command)
}

/// How many instructions lose something: the last line begins with that.
fn losses(said: &str) -> Option<usize> {
    said.lines().last()?.split(' ').next()?.parse().ok()
}

#[track_caller]
fn all_is_right(action: &str, scenarios: &[&str], stride: &str) {
    let scene = Scene::new();
    copy_program(probe("step"), scene.path("step"));
    copy_program(module("plain", &[]), scene.path("plain.so"));
    let mut faults = String::new();
    for scenario in scenarios {
        let out = step(&scene, scenario, action, stride);
        let said = both(&out);
        // The first call, and the one that begins to watch a file, open two files one after the other.
        let places = if matches!(*scenario, "cold" | "index") { 2 } else { 1 };
        let few = losses(&said).is_some_and(|count| count <= places * ISOLATED);
        if !out.status.success() || !few {
            writeln!(faults, "{scenario}: {}\n{said}", out.status).expect("memory");
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

#[test]
fn a_handler_may_ask_at_every_instruction() {
    all_is_right("ask", ALL, "1");
}

#[test]
fn a_handler_may_leave_a_call_at_every_instruction_and_nothing_is_lost() {
    all_is_right("jump", ALL, "1");
}

#[test]
fn a_handler_may_fork_at_every_instruction() {
    all_is_right("fork", ALL, "1");
}

/// The handler comes while the loader changes its list of objects, and before the loader has relocated the module.
#[test]
fn a_handler_that_interrupts_the_loader_does_not_end_the_program() {
    for action in ["ask", "ask-alt", "fork"] {
        all_is_right(action, &["loader"], "1");
    }
}

#[test]
fn a_thread_may_fork_while_another_is_at_any_instruction() {
    all_is_right("stop", ALL, "1");
}

#[test]
fn a_handler_may_walk_the_enumeration_that_it_interrupts() {
    all_is_right("reenter", &["users", "hosts"], "1");
}

#[test]
fn a_handler_may_have_a_stack_of_its_own_below_or_above_the_interrupted_one() {
    for action in ["ask-alt", "ask-above", "jump-alt", "jump-above"] {
        all_is_right(action, REMEMBERING, "4");
    }
}

/// Then the frames of the abandoned call lie above those of the next question.
#[test]
fn after_a_jump_the_next_question_may_come_from_deeper_in_the_stack() {
    all_is_right("jump-deep", REMEMBERING, "2");
}
