//! The hosts of an NSS module.

use std::process::Command;

use crate::support::ask::{answers, expect};
use crate::support::module_scene::{ModuleScene, debian};
use crate::support::namespace::with_services;
use crate::support::valgrind::{sound, valgrind};
use crate::support::{library, module, peer, probe, stdout};

const NOT_FOUND: &str = "none, HOST_NOT_FOUND";

/// The probe with the file for hosts, and the module `plain`.
fn plain(scene: &ModuleScene) -> Command {
    scene.hosts(library(), &module("plain", &[]), "plain")
}

/// getaddrinfo(3) of a stream socket with `AI_CANONNAME`.
fn addrinfo(name: &str) -> String {
    format!("getaddrinfo {name} 80 0 {} 0 {}", libc::SOCK_STREAM, libc::AI_CANONNAME)
}

/// getnameinfo(3) with `NI_NAMEREQD`.
fn nameinfo(address: &str) -> String {
    format!("getnameinfo {address} 0 {} 256 0", libc::NI_NAMEREQD)
}

#[test]
fn hosts_come_from_the_file_and_then_from_the_module() {
    let scene = ModuleScene::new();
    let pairs = [
        ("gethostbyname listed", "listed (also) 127.0.0.7"),
        ("gethostbyname h1", "h1 (alias1) 10.9.0.1"),
        ("gethostbyname2 h1 inet6", "h1 (alias1) fd00::1"),
        ("gethostbyname_r h2.", "h2 (alias2) 10.9.0.2"),
        ("gethostbyname none", NOT_FOUND),
        ("gethostbyaddr 10.9.0.1", "h1 (alias1) 10.9.0.1"),
        ("gethostbyaddr 10.9.0.3", "three () 10.9.0.3"),
        ("gethostbyaddr fd00::2", "h2 (alias2) fd00::2"),
        ("gethostbyaddr 10.8.8.8", NOT_FOUND),
        (&addrinfo("listed"), "listed [127.0.0.7]:80/2/1/6/0x2"),
        (&nameinfo("10.9.0.2"), "h2 -"),
        (&nameinfo("10.9.0.3"), "three -"),
        (&nameinfo("fd00::2"), "h2 -"),
        (&nameinfo("10.8.8.8"), "error EAI_NONAME"),
        ("gethostbyname 10.9.0.1", "10.9.0.1 () 10.9.0.1"),
    ];
    expect(&mut plain(&scene), &pairs);
    // Which family getaddrinfo puts first depends on the machine's addresses.
    let said = answers(&mut plain(&scene), &[addrinfo("h1")]).concat();
    let (v4, v6) = ("[10.9.0.1]:80/2/1/6/0x2", "[fd00::1]:80/10/1/6/0x2");
    let either = [format!("h1 {v4} {v6}"), format!("h1 {v6} {v4}")];
    assert!(either.contains(&said), "{said}");
}

#[test]
fn a_host_gets_as_much_room_as_it_wants_and_a_failure_is_no_host() {
    let scene = ModuleScene::new();
    let room = |count: usize| {
        let addresses: String =
            (0..count).map(|i| format!(" 10.9.{}.{}", i >> 8, i & 255)).collect();
        format!(r"room:{count} (alias0){addresses}")
    };
    let pairs = [
        ("gethostbyname room:200", room(200)),
        ("gethostbyname_r room:1000", room(1000)),
        ("gethostbyname2 room:3 inet6", "room:3 (alias0) fd00:: fd00::1 fd00::2".to_owned()),
        ("gethostbyname status:-2:11", "none, TRY_AGAIN errno EAGAIN".to_owned()),
        ("gethostbyname status:-1:111", NOT_FOUND.to_owned()),
        ("gethostbyname_r status:-1:0", NOT_FOUND.to_owned()),
        ("gethostbyname_r greedy", "error ENOMEM, NETDB_INTERNAL errno ENOMEM".to_owned()),
    ];
    expect(&mut plain(&scene), &pairs);
}

#[test]
fn an_old_module_has_ipv4_hosts_by_name_alone() {
    let scene = ModuleScene::new();
    let pairs = [
        ("gethostbyname h1", "h1 (alias1) 10.9.0.1"),
        ("gethostbyname2 h1 inet6", NOT_FOUND),
        (&addrinfo("h1"), "h1 [10.9.0.1]:80/2/1/6/0x2"),
        ("gethostbyaddr 10.9.0.1", NOT_FOUND),
    ];
    expect(&mut scene.hosts(library(), &module("plain", &["-DOLD_HOSTS"]), "plain"), &pairs);
}

#[test]
fn without_a_hosts_file_hosts_are_libcs_as_with_the_peer() {
    let scene = ModuleScene::new();
    for library in [library(), &peer()] {
        let mut command = scene.with_module(library, &module("plain", &[]), "plain");
        let said = answers(&mut command, &["gethostbyname h1", "gethostbyname localhost"]);
        assert!(said[0].starts_with("none"), "{said:?}");
        assert!(said[1].starts_with("localhost ") && said[1].contains("127.0.0.1"), "{said:?}");
    }
}

#[test]
fn libc_is_given_the_modules_hosts_only_beside_a_hosts_file_too() {
    let scene = ModuleScene::new();
    // Not preloaded: libc loads the library as the service.
    std::os::unix::fs::symlink(library(), scene.dir().join("libnss_wrapper_rs.so.2")).unwrap();
    let found = |scene_of_module: Command| {
        let mut getent = Command::new("getent");
        getent.envs(scene_of_module.get_envs().filter_map(|(name, value)| Some((name, value?))));
        getent.env_remove("LD_PRELOAD").env("LD_LIBRARY_PATH", scene.dir());
        let output = getent.args(["-s", "wrapper_rs", "ahosts", "h1"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let module = module("plain", &[]);
    assert_eq!(found(scene.with_module(library(), &module, "plain")), "");
    let listed = found(scene.hosts(library(), &module, "plain"));
    assert!(listed.contains("10.9.0.1") && listed.contains("fd00::1"), "{listed}");
}

#[test]
fn what_the_module_does_not_know_falls_through_to_libc_if_asked() {
    let scene = ModuleScene::new();
    expect(&mut plain(&scene), &[("gethostbyname localhost", NOT_FOUND)]);
    let mut command = plain(&scene);
    let questions = ["gethostbyname h1", "gethostbyname localhost", "gethostbyname status:-2:11"];
    let said = answers(command.env("NSS_WRAPPER_FALLTHROUGH", "1"), &questions);
    assert_eq!(said[0], "h1 (alias1) 10.9.0.1");
    assert!(said[1].starts_with("localhost "), "{said:?}");
    assert!(said[2].starts_with("none"), "{said:?}");
}

#[test]
fn without_a_free_descriptor_for_loading_a_host_is_an_error_and_no_absence() {
    let scene = ModuleScene::new();
    let error = "error EMFILE, NETDB_INTERNAL errno EMFILE";
    let pairs = [
        ("gethostbyname listed", "listed (also) 127.0.0.7"),
        ("files 3", "done"),
        ("gethostbyname_r h1", error),
        ("gethostbyaddr_r 10.9.0.1", error),
        ("files 99", "done"),
        ("gethostbyname_r h1", "h1 (alias1) 10.9.0.1"),
        ("gethostbyaddr_r 10.9.0.1", "h1 (alias1) 10.9.0.1"),
    ];
    expect(plain(&scene).env_remove("MODULE_LOG"), &pairs);
}

#[test]
fn myhostname_answers_as_it_does_for_glibc() {
    let scene = ModuleScene::new();
    let myhostname = debian("libnss_myhostname.so.2");
    let own = stdout(&mut Command::new("hostname"));
    // Two kinds of questions are left out, whose answers differ: for an IPv6 address of a host that has
    // none in the file h_errno is 4 here, and 1 with glibc's files module; and link-local addresses have
    // scopes.
    let names = ["localhost", "sub.localhost", own.trim(), "_gateway", "nosuch.invalid"];
    let mut questions: Vec<String> = Vec::new();
    for name in names {
        questions.push(format!("gethostbyname2 {name} inet"));
        questions.push(format!("gethostbyname2 {name} inet6"));
        questions.push(format!("gethostbyname_r {name}"));
    }
    questions.push("gethostbyname2 LISTED inet".to_owned());
    questions.extend(["listed", "localhost", "_gateway"].map(addrinfo));
    questions.extend(
        ["127.0.0.7", "127.0.0.1", "::1", "127.0.0.2"].map(|at| format!("gethostbyaddr {at}")),
    );
    questions.extend(["127.0.0.1", "::1", "10.9.0.3"].map(nameinfo));
    let ours = answers(&mut scene.hosts(library(), &myhostname, "myhostname"), &questions);
    let mut glibc = Command::new(probe("ask"));
    glibc.env("LD_LIBRARY_PATH", myhostname.parent().expect("it is in a directory"));
    let services = "files myhostname";
    let mut glibc =
        with_services(scene.dir(), &scene.path("hosts"), services, glibc.args(&questions));
    let at = questions.iter().position(|question| question == "gethostbyname2 sub.localhost inet");
    assert_eq!(ours[at.expect("asked")], "localhost () 127.0.0.1");
    // glibc may change errno.
    let plain = |answer: &str| answer.split(" errno ").next().unwrap_or_default().to_owned();
    let ours: Vec<_> = ours.iter().map(|answer| plain(answer)).collect();
    let theirs: Vec<_> = stdout(&mut glibc).lines().map(plain).collect();
    assert_eq!(ours, theirs);
}

#[test]
fn memcheck_finds_nothing() {
    let scene = ModuleScene::new();
    let questions = [
        "gethostbyname h1",
        "gethostbyname2 h1 inet6",
        "gethostbyname_r room:100",
        "gethostbyaddr 10.9.0.1",
        &addrinfo("h2"),
        &nameinfo("fd00::2"),
    ];
    let mut checked = valgrind("leaks", plain(&scene).args(questions));
    let (said, log) = sound(&mut checked);
    assert_eq!(log, "");
    assert_eq!(said.lines().collect::<Vec<_>>(), answers(&mut plain(&scene), &questions));
}
