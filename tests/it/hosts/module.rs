//! The hosts of an NSS module.

use std::process::Command;

use crate::support::module_scene::{Scene, debian};
use crate::support::{library, module, peer, probe, run, stdout, with_services};

#[test]
fn hosts_come_from_the_file_and_then_from_the_module() {
    let scene = Scene::new();
    let mut command = scene.hosts(library(), &module("plain", &[]), "plain");
    let said = stdout(command.args([
        "host=listed",
        "host=h1",
        "host6=h1",
        "host_r=h2.",
        "host=none",
        "addr=10.9.0.1",
        "addr=10.9.0.3",
        "addr=fd00::2",
        "addr=10.8.8.8",
        "ai=listed",
        "ai=h1",
        "name=10.9.0.2",
        "name=10.9.0.3",
        "name=fd00::2",
        "name=10.8.8.8",
        "host=10.9.0.1",
    ]));
    let want = "\
host=listed: listed (also) 127.0.0.7
host=h1: h1 (alias1) 10.9.0.1
host6=h1: h1 (alias1) fd00::1
host_r=h2.: h2 (alias2) 10.9.0.2
host=none: none 0 1
addr=10.9.0.1: h1 (alias1) 10.9.0.1
addr=10.9.0.3: three () 10.9.0.3
addr=fd00::2: h2 (alias2) fd00::2
addr=10.8.8.8: none 0 1
ai=listed: 0 127.0.0.7 listed
name=10.9.0.2: 0 h2
name=10.9.0.3: 0 three
name=fd00::2: 0 h2
name=10.8.8.8: -2 -
host=10.9.0.1: 10.9.0.1 () 10.9.0.1
";
    // Which family getaddrinfo puts first depends on the machine's addresses.
    let (ai, rest): (Vec<&str>, Vec<&str>) = said.lines().partition(|l| l.starts_with("ai=h1:"));
    assert_eq!(rest, want.lines().collect::<Vec<_>>());
    let either = ["ai=h1: 0 fd00::1 10.9.0.1 h1", "ai=h1: 0 10.9.0.1 fd00::1 h1"];
    assert!(ai.len() == 1 && either.contains(&ai[0]), "{ai:?}");
}

#[test]
fn a_host_gets_as_much_room_as_it_wants_and_a_failure_is_no_host() {
    let scene = Scene::new();
    let mut command = scene.hosts(library(), &module("plain", &[]), "plain");
    let said = stdout(command.args([
        "host=room:200",
        "host_r=room:1000",
        "host6=room:3",
        "host=status:-2:11",
        "host=status:-1:111",
        "host_r=status:-1:0",
        "host_r=greedy",
    ]));
    let want = "\
host=room:200: room:200 (alias0) 10.9.0.0 10.9.0.1 10.9.0.2 10.9.0.3 of 200
host_r=room:1000: room:1000 (alias0) 10.9.0.0 10.9.0.1 10.9.0.2 10.9.0.3 of 1000
host6=room:3: room:3 (alias0) fd00:: fd00::1 fd00::2
host=status:-2:11: none 0 2
host=status:-1:111: none 0 1
host_r=status:-1:0: none 0 1
host_r=greedy: none 12 -1
";
    assert_eq!(said, want);
}

#[test]
fn an_old_module_has_ipv4_hosts_by_name_alone() {
    let scene = Scene::new();
    let mut command = scene.hosts(library(), &module("plain", &["-DOLD_HOSTS"]), "plain");
    let said = stdout(command.args(["host=h1", "host6=h1", "ai=h1", "addr=10.9.0.1"]));
    let want = "\
host=h1: h1 (alias1) 10.9.0.1
host6=h1: none 0 1
ai=h1: 0 10.9.0.1 h1
addr=10.9.0.1: none 0 1
";
    assert_eq!(said, want);
}

#[test]
fn without_a_hosts_file_hosts_are_libcs_as_with_the_peer() {
    let scene = Scene::new();
    for library in [library(), &peer()] {
        let mut command = scene.hosts(library, &module("plain", &[]), "plain");
        command.env_remove("NSS_WRAPPER_HOSTS").args(["host=h1", "host=localhost"]);
        let said = stdout(&mut command);
        assert!(said.starts_with("host=h1: none"), "{said}");
        assert!(
            said.contains("host=localhost: localhost ") && said.contains("127.0.0.1"),
            "{said}"
        );
    }
}

#[test]
fn what_the_module_does_not_know_falls_through_to_libc_if_asked() {
    let scene = Scene::new();
    let mut command = scene.hosts(library(), &module("plain", &[]), "plain");
    command.args(["host=h1", "host=localhost", "host=status:-2:11"]);
    assert!(stdout(&mut command).contains("host=localhost: none 0 1\n"));
    let said = stdout(command.env("NSS_WRAPPER_FALLTHROUGH", "1"));
    assert!(said.starts_with("host=h1: h1 (alias1) 10.9.0.1\n"), "{said}");
    assert!(said.contains("host=localhost: localhost "), "{said}");
    assert!(said.contains("host=status:-2:11: none"), "{said}");
}

#[test]
fn myhostname_answers_as_it_does_for_glibc() {
    let scene = Scene::new();
    let myhostname = debian("libnss_myhostname.so.2");
    let own = stdout(&mut Command::new("hostname"));
    let own = own.trim();
    // An IPv6 address of a host of the file that has none is h_errno 4 here and 1 with glibc's own
    // files, and the scopes of link-local addresses are not asked for.
    let names = ["localhost", "sub.localhost", own, "_gateway", "nosuch.invalid"];
    let mut args: Vec<String> = Vec::new();
    for call in ["host", "host6", "host_r"] {
        args.extend(names.map(|name| format!("{call}={name}")));
    }
    let others = [
        "host=LISTED",
        "ai=listed",
        "ai=localhost",
        "ai=_gateway",
        "addr=127.0.0.7",
        "addr=127.0.0.1",
        "addr=::1",
        "addr=127.0.0.2",
        "name=127.0.0.1",
        "name=::1",
        "name=10.9.0.3",
    ];
    args.extend(others.map(String::from));
    let ours = stdout(scene.hosts(library(), &myhostname, "myhostname").args(&args));
    let mut glibc = Command::new(probe("module_hosts"));
    glibc.env("LD_LIBRARY_PATH", myhostname.parent().expect("it is in a directory")).args(&args);
    let services = "files myhostname";
    let glibc = stdout(&mut with_services(scene.dir(), &scene.path("hosts"), services, &glibc));
    assert!(ours.contains("host=sub.localhost: localhost () 127.0.0.1\n"), "{ours}");
    assert_eq!(ours, glibc);
}

#[test]
fn memcheck_finds_nothing() {
    let scene = Scene::new();
    let args = ["host=h1", "host6=h1", "host_r=room:100", "addr=10.9.0.1", "ai=h2", "name=fd00::2"];
    let mut plain = scene.hosts(library(), &module("plain", &[]), "plain");
    let plain = plain.args(args);
    let mut valgrind = Command::new("valgrind");
    valgrind.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    valgrind.args(["--quiet", "--error-exitcode=9", "--leak-check=full"]);
    valgrind.arg("--errors-for-leak-kinds=definite,possible").arg(probe("module_hosts")).args(args);
    let out = run(&mut valgrind);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success() && said.is_empty(), "{}: {said}", out.status);
    assert_eq!(String::from_utf8_lossy(&out.stdout), stdout(plain));
}
