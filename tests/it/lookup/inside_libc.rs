//! Door 2: what libc asks from inside, past every interposed name.

use std::process::Command;

use crate::support;
use crate::support::scene::{Scene, UID, has, is_root};
use crate::support::{compiled, copy_program, file, probe, run, stdout};

fn flags() -> [&'static str; 2] {
    // The linker warns of getpw, and warnings are for the compiler here.
    ["-Wl,--no-fatal-warnings", "-Wno-deprecated-declarations"]
}

/// The probe as 10000, below the scene.
fn inside(scene: &Scene, args: &[&str]) -> Command {
    let copy = scene.path("inside");
    copy_program(compiled("inside", "cc", &flags()), &copy);
    let copy = copy.to_str().expect("the path is ASCII");
    scene.as_ids(UID, 0, [&[copy], args].concat())
}

#[test]
fn libc_itself_sees_wrapped_users() {
    let scene = Scene::new();
    let mut command = inside(&scene, &["builder"]);
    let alone = stdout(command.env_remove("LD_PRELOAD"));
    assert_eq!(
        alone,
        "glob: ~builder\nglob64: ~builder\nwordexp: ~builder\ngetpw: -\ncuserid: -\n"
    );
    let mut command = inside(&scene, &["builder"]);
    command.env("NSS_WRAPPER_PASSWD", scene.path("passwd"));
    let home = scene.home.display();
    assert_eq!(
        stdout(&mut command),
        format!(
            "glob: /home/builder\nglob64: /home/builder\nwordexp: /home/builder\n\
             getpw: ipython:x:10000:0:Interactive Python,Room 1:{home}:/bin/bash\n\
             cuserid: ipython\n"
        )
    );
}

#[test]
fn libc_itself_sees_the_own_entry_and_what_falls_through() {
    let scene = Scene::new();
    let mut command = inside(&scene, &["magic"]);
    command.env("NSS_WRAPPER_USER", "magic:x:%u:%g::/home/magic:/bin/sh");
    let own = stdout(&mut command);
    let line = "magic:x:10000:0::/home/magic:/bin/sh";
    has(
        &own,
        &format!("glob: /home/magic\nglob64: /home/magic\nwordexp: /home/magic\ngetpw: {line}\n"),
    );
    let root = stdout(Command::new("getent").args(["passwd", "root"]));
    let home = root.split(':').nth(5).expect("root has a home");
    let mut command = inside(&scene, &["root"]);
    command.env("NSS_WRAPPER_USER", "magic:x:%u:%g::/home/magic:/bin/sh");
    has(&stdout(&mut command), &format!("glob: {home}\n"));
    let one = file(scene.dir.path(), "one", "magic:x:10000:0::/m:/s\n");
    let mut command = inside(&scene, &["root"]);
    command.env("NSS_WRAPPER_PASSWD", &one).env("NSS_WRAPPER_FALLTHROUGH", "1");
    let said = stdout(&mut command);
    has(&said, &format!("glob: {home}\n"));
    has(&said, "cuserid: magic\n");
    command.env("NSS_WRAPPER_FALLTHROUGH", "0");
    has(&stdout(&mut command), "glob: ~root\n");
}

/// Only root may say whose login a process is.
#[test]
fn getlogin_finds_the_name_of_the_login() {
    if !is_root() {
        return;
    }
    let scene = Scene::new();
    let mut command = support::under(&scene.library, compiled("inside", "cc", &flags()));
    command.args(["builder", "1001"]).env("NSS_WRAPPER_PASSWD", scene.path("passwd"));
    let said = stdout(&mut command);
    // A kernel without audit has no loginuid to set.
    if std::path::Path::new("/proc/self/loginuid").exists() {
        has(&said, "getlogin_r: builder\n");
    }
    has(&said, "glob: /home/builder\n");
}

/// Late and once: a process that asks nothing from inside does not even look into nsswitch.conf.
#[test]
fn only_who_asks_from_inside_pays_for_it() {
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
    let copy = scene.path("inside");
    copy_program(compiled("inside", "cc", &flags()), &copy);
    let log = calls(&[copy.to_str().expect("ASCII"), "root"], "1");
    // Once by libc, for the other databases, and once to learn what comes after us.
    let count = log.matches("/etc/nsswitch.conf").count();
    assert!((1..=2).contains(&count), "{log}");
}

#[test]
fn musl_has_no_such_door_and_works_as_before() {
    let scene = Scene::new();
    let program = compiled("inside", "musl-gcc", &[]);
    let copy = scene.path("inside-musl");
    copy_program(program, &copy);
    let mut command = scene.wrapped([copy.to_str().expect("ASCII"), "root"]);
    let with = stdout(&mut command);
    has(&with, "wordexp: ");
    assert_eq!(with, stdout(command.env_remove("LD_PRELOAD")));
}

#[test]
fn threads_may_come_to_the_door_at_once() {
    let scene = Scene::new();
    let mut command = support::under(&scene.library, probe("inside_threads"));
    command.env("NSS_WRAPPER_PASSWD", scene.path("passwd"));
    assert_eq!(stdout(&mut command), "ok\n");
}
