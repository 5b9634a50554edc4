//! Real programs that a test harness runs with the library preloaded.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::thread;

use nss_wrapper_environment::{Database, Environment, Group, User};

/// The built library.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("NSS_WRAPPER_RS_SO") {
            return path.into();
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target/tmp");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--release", "--quiet", "--lib", "--package", "nss_wrapper_rs"]);
        cargo.arg("--target-dir").arg(target).current_dir(root);
        assert!(cargo.status().expect("cargo runs").success());
        target.join("release/libnss_wrapper_rs.so")
    })
}

fn environment() -> Environment {
    Environment::new().library(library())
}

fn run(environment: &Environment, command: &[&str]) -> Output {
    let mut child = Command::new(command[0]);
    child.args(&command[1..]).env_remove("LD_PRELOAD");
    environment.apply(&mut child).expect("right").output().expect("it runs")
}

fn said(environment: &Environment, command: &[&str]) -> String {
    let out = run(environment, command);
    assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("text")
}

#[test]
fn a_command_sees_users_groups_and_hosts_beside_those_of_the_system() {
    let address: IpAddr = [127, 0, 0, 9].into();
    let all = environment()
        .user(User::new("alice", 2000).home("/home/alice"))
        .group(Group::new("lab", 77).member("alice"))
        .host("db.test", address)
        .hostname("box.test");
    let want = "uid=2000(alice) gid=2000(alice) groups=2000(alice),77(lab)\n";
    assert_eq!(said(&all, &["id", "alice"]), want);
    assert_eq!(
        said(&all, &["getent", "passwd", "2000"]),
        "alice:x:2000:2000::/home/alice:/bin/sh\n"
    );
    assert_eq!(said(&all, &["id", "-u", "root"]), "0\n");
    let python = "import socket; print(socket.gethostbyname('db.test'), socket.gethostname())";
    assert_eq!(said(&all, &["/usr/bin/python3", "-c", python]), "127.0.0.9 box.test\n");
    // And the harness itself does not.
    let out = Command::new("id").arg("alice").output().expect("it runs");
    assert!(!out.status.success());
}

#[test]
fn files_and_the_end_of_falling_through_leave_the_system_out() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let passwd = dir.path().join("it's a \"passwd\" file");
    std::fs::write(&passwd, "bob:x:7:7::/:/bin/sh\n").expect("ours");
    let filed = environment().file(Database::Passwd, &passwd).user(User::new("alice", 8).gid(0));
    assert_eq!(said(&filed, &["getent", "passwd"]).lines().count(), 2);
    assert!(!run(&filed, &["id", "root"]).status.success());
    let alone = environment().user(User::new("alice", 8)).fall_through(false);
    assert_eq!(said(&alone, &["getent", "passwd"]), "alice:x:8:8::/:/bin/sh\n");
    let own =
        environment().file(Database::Passwd, &passwd).user_line("u%u:x:%u:%g:50%%:%h:/bin/sh");
    let name = said(&own, &["sh", "-c", "echo u$(id -u); id -un"]);
    assert_eq!(name.lines().next(), name.lines().nth(1));
}

#[test]
fn what_is_preloaded_stays_behind_the_library() {
    for (given, want) in [(None, "LIB"), (Some(""), "LIB"), (Some("a.so b.so"), "LIB:a.so:b.so")] {
        let mut command = Command::new("id");
        match given {
            Some(given) => command.env("LD_PRELOAD", given),
            None => command.env_remove("LD_PRELOAD"),
        };
        environment().apply(&mut command).expect("right");
        let set = command.get_envs().find(|(name, _)| *name == "LD_PRELOAD");
        let set = set.and_then(|(_, value)| value).expect("set").to_str().expect("text");
        assert_eq!(set, want.replace("LIB", library().to_str().expect("text")), "{given:?}");
    }
}

#[test]
fn what_the_command_was_given_before_stays() {
    let mut command = Command::new("getent");
    command.args(["passwd", "bob", "alice"]).env("NSS_WRAPPER_PASSWD", "bob:x:7:7::/:/bin/sh\n");
    let out =
        environment().user(User::new("alice", 8).gid(0)).apply(&mut command).map(Command::output);
    let out = out.expect("right").expect("it runs").stdout;
    assert_eq!(String::from_utf8_lossy(&out), "bob:x:7:7::/:/bin/sh\nalice:x:8:0::/:/bin/sh\n");
}

/// As in a container whose image preloads the library and names whoever runs it.
#[test]
fn the_callers_group_has_a_name_where_the_image_named_the_caller() {
    if std::env::var_os("NSS_WRAPPER_USER").is_some() {
        let all = environment().user(User::new("magic", 10000));
        assert_eq!(said(&all, &["id", "-gn"]), "magic\n");
        let others = environment().user(User::new("other", 7).gid(10000));
        assert_eq!(said(&others, &["id", "-gn"]), "app\n");
        return;
    }
    let name = "the_callers_group_has_a_name_where_the_image_named_the_caller";
    let mut again = Command::new("unshare");
    again.args(["--map-user=10000", "--map-group=10000", "--"]);
    again.arg(std::env::current_exe().expect("this test")).args(["--exact", name]);
    again.env("LD_PRELOAD", library()).env("NSS_WRAPPER_RS_SO", library());
    let out = again.env("NSS_WRAPPER_USER", "app:x:%u:%g::/:/bin/sh").output().expect("it runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
}

#[test]
fn threads_of_a_harness_have_users_of_their_own() {
    thread::scope(|scope| {
        for number in 3000..3008 {
            scope.spawn(move || {
                let name = format!("user{number}");
                let all = environment().user(User::new(&name, number));
                for _ in 0..5 {
                    assert_eq!(said(&all, &["id", "-u", &name]), format!("{number}\n"));
                    let others = format!("user{}", number ^ 1);
                    assert!(!run(&all, &["id", &others]).status.success());
                }
            });
        }
    });
}

#[test]
fn without_a_library_nothing_is_set() {
    let mut command = Command::new("id");
    let error = Environment::new().library("/none.so").apply(&mut command).expect_err("none");
    assert_eq!(error.to_string(), "the library /none.so: No such file or directory");
    assert_eq!(command.get_envs().count(), 0);
    let error = environment().user(User::new("a:b", 1)).apply(&mut command).expect_err("none");
    assert_eq!(error.to_string(), "no user can have the name \"a:b\"");
    assert_eq!(command.get_envs().count(), 0);
}
