//! How NSS modules are loaded, and Debian's own modules.

use std::process::Command;

use super::module::group;
use crate::support::ask::{answers, answers_and_log, expect, expect_and_log};
use crate::support::module_scene::{ModuleScene, debian};
use crate::support::namespace::after_mounts;
use crate::support::{file, library, module, peer, probe, stdout};

const ROOT: &str = "root:x:0:0::/root:/bin/sh";
const M1: &str = "m1:x:11:12::/m:/bin/m";

#[test]
fn a_module_that_cannot_be_loaded_is_reported_once_and_works_once_it_can() {
    let scene = ModuleScene::new();
    let plain = module("plain", &[]);
    let mut command = scene.users(library(), &scene.path("module.so"), "plain");
    let link = format!("symlink {} module.so", plain.display());
    let pairs = [
        ("getpwnam root", ROOT),
        ("getpwnam m1", "none"),
        ("getgrnam g1", "none"),
        ("getgrouplist m0 1", "2 of 2: 1 7"),
        ("getpwent", ROOT),
        ("getpwent", "first:x:11:11:of the file:/f:/f"),
        ("getpwent", "none"),
        (&link, "done"),
        ("getpwnam m1", M1),
        ("getgrnam g1", &group(1)),
    ];
    let said = expect_and_log(&mut command, &pairs);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("NWRAP_ERROR[ask-cc ("), "{said}");
    assert!(said.contains("Cannot open shared library "), "{said}");
    assert!(said.contains("module.so: cannot open shared object file"), "the reason: {said}");
}

#[test]
fn without_a_free_descriptor_for_loading_the_answer_is_an_error_and_no_absence() {
    let scene = ModuleScene::new();
    let mut command = scene.plain();
    command.env_remove("NSS_WRAPPER_PASSWD").env_remove("MODULE_LOG");
    let pairs = [
        ("files 3", "done"),
        ("getpwnam_r m1", "error EMFILE"),
        ("getpwnam m1", "error EMFILE"),
        ("files 99", "done"),
        ("getpwnam_r m1", M1),
    ];
    assert_eq!(expect_and_log(&mut command, &pairs), "");
}

#[test]
fn functions_that_a_module_lacks_are_a_warning_as_with_the_peer() {
    let scene = ModuleScene::new();
    let partial = module("partial", &[]);
    let ask = |level: &str| {
        let mut command = scene.users(library(), &partial, "partial");
        let questions = [
            "getpwnam part",
            "getpwuid 77",
            "getgrnam g",
            "getgrouplist part 1",
            "getpwent; getpwent; getpwent",
            "endpwent",
        ];
        let (said, log) = answers_and_log(command.env("NSS_WRAPPER_DEBUGLEVEL", level), &questions);
        assert_eq!(said[..2], ["part::77:0:::", "none"]);
        log
    };
    assert_eq!(ask("0"), "");
    let warned = |said: &str| -> Vec<String> {
        let mut names: Vec<String> = said
            .lines()
            .filter(|line| line.starts_with("NWRAP_WARN["))
            .filter_map(|line| line.split_once("Cannot find function "))
            .map(|(_, rest)| rest.to_owned())
            .collect();
        names.sort();
        names
    };
    let ours = warned(&ask("1"));
    assert_eq!(ours.len(), 13, "all but getpwnam_r: {ours:?}");
    let mut peers = scene.users(&peer(), &partial, "partial");
    let (_, peers) = answers_and_log(peers.env("NSS_WRAPPER_DEBUGLEVEL", "1"), &["getpwnam part"]);
    // The peer looks for some functions more than once, and warns each time. So only the names are compared.
    let peers = warned(&peers);
    assert!(!peers.is_empty());
    for line in peers {
        assert!(ours.contains(&line), "{line} is not in {ours:?}");
    }
}

#[test]
fn a_prefix_that_fits_no_function_is_an_error() {
    let scene = ModuleScene::new();
    let mut command = scene.users(library(), &module("plain", &[]), "plane");
    let pairs = [("getpwnam m1", "none"), ("getpwnam root", ROOT), ("getgrnam g1", "none")];
    let said = expect_and_log(&mut command, &pairs);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("no function whose name begins with _nss_plane_"), "{said}");
}

#[test]
fn a_module_may_ask_us_while_it_is_being_loaded() {
    let scene = ModuleScene::new();
    let asks = module("plain", &["-DASKS_WHILE_LOADING"]);
    let static_row = "static:x:900:901:in static memory:/s:/bin/s";
    let pairs = [("getpwnam m1", M1), ("getpwnam static", static_row)];
    expect(&mut scene.users(library(), &asks, "plain"), &pairs);
    assert_eq!(scene.log(), "load: static is known\n");
}

#[test]
fn what_a_module_is_told_while_it_is_being_loaded_is_what_glibc_tells_it() {
    let scene = ModuleScene::new();
    let asks = module("plain", &["-DASKS_WHILE_LOADING"]);
    std::fs::copy(asks, scene.path("libnss_plain.so.2")).expect("the module is built");
    let nsswitch = file(scene.dir(), "nsswitch", "passwd: files plain\n");
    let mut ask = Command::new(probe("ask"));
    ask.arg("getpwnam m1").env("LD_LIBRARY_PATH", scene.dir());
    ask.env("MODULE_LOG", scene.path("log"));
    let script = "mount --bind \"$1\" /etc/nsswitch.conf";
    let said = stdout(&mut after_mounts(script, &[&nsswitch], &ask));
    assert!(said.starts_with(M1), "{said}");
    assert_eq!(scene.log(), "load: static is known\n");
}

/// The command where libc asks these services, Debian's module extrausers reads `users` and `groups`, and libc's module
/// files reads the scene's files.
fn with_extrausers(
    scene: &ModuleScene,
    services: &str,
    (users, groups): (&str, &str),
    command: &Command,
) -> Command {
    file(scene.dir(), "users", users);
    file(scene.dir(), "groups", groups);
    file(scene.dir(), "nsswitch", format!("passwd: {services}\ngroup: {services}\n"));
    let script = "mount -t tmpfs none /var/lib; mkdir /var/lib/extrausers; \
        cp users /var/lib/extrausers/passwd; cp groups /var/lib/extrausers/group; \
        mount --bind passwd /etc/passwd; mount --bind group /etc/group; \
        mount --bind nsswitch /etc/nsswitch.conf";
    let mut inside = after_mounts(script, &[], command);
    inside.current_dir(scene.dir());
    inside
}

#[test]
fn as_a_service_the_library_finds_users_of_the_services_behind_it() {
    let scene = ModuleScene::new();
    std::os::unix::fs::symlink(library(), scene.dir().join("libnss_wrapper_rs.so.2")).unwrap();
    let extrausers = debian("libnss_extrausers.so.2");
    let others = extrausers.parent().expect("it is in a directory");
    let asked = |id: &str| {
        // Not preloaded: libc loads the library as the service.
        let mut getent = Command::new("getent");
        getent.args(["passwd", id]);
        getent.env("LD_LIBRARY_PATH", format!("{}:{}", scene.dir().display(), others.display()));
        getent.env("NSS_WRAPPER_USER", format!("magic:x:{id}:7000:::"));
        let users = "extra:x:7001:7001:::\n";
        stdout(&mut with_extrausers(&scene, "wrapper_rs extrausers", (users, ""), &getent))
    };
    assert_eq!(asked("7001"), "extra:x:7001:7001:::\n");
    assert_eq!(asked("7002"), "magic:x:7002:7000:::\n");
}

#[test]
fn extrausers_answers_as_it_does_for_glibc_and_the_peer() {
    let scene = ModuleScene::new();
    let extrausers = debian("libnss_extrausers.so.2");
    let mut users = String::from("ann:x:5001:5001:Ann:/home/ann:/bin/sh\n");
    users.push_str(&format!("bob:x:5002:5001:{}:/home/bob:/bin/sh\n", "b".repeat(900)));
    let mut groups = String::from("staffers:x:5001:ann,bob\nlarge:x:5002:ann");
    for n in 0..5000 {
        groups.push_str(&format!(",member-{n:07}"));
    }
    groups.push_str("\nlast:x:5003:bob,ann\n");
    let same_as_peer = [
        "getpwnam root",
        "getpwnam ann",
        "getpwnam bob",
        "getpwuid 5002",
        "getpwnam none",
        "getpwuid 77",
        "getpwnam_r ann",
        "getpwuid_r 5002",
        "getgrnam files",
        "getgrnam staffers",
        "getgrgid 5003",
        "getgrnam large",
        "setpwent",
        "all getpwent",
        "endpwent",
    ];
    let of_glibc = [
        "getpwnam_r none",
        "getgrgid_r 77",
        "getgrnam_r large",
        "setgrent",
        "all getgrent",
        "getgrouplist ann 1",
        "getgrouplist bob 1",
        "getgrouplist m0 1",
        "endgrent",
        "getgrent; getgrent; getgrent",
    ];
    let ours = || scene.users(library(), &extrausers, "extrausers");
    let peers = scene.users(&peer(), &extrausers, "extrausers");
    let mut glibc = Command::new(probe("ask"));
    glibc.env("LD_LIBRARY_PATH", extrausers.parent().expect("it is in a directory"));
    let say = |command: Command, questions: &[&str]| {
        answers(
            &mut with_extrausers(&scene, "files extrausers", (&users, &groups), &command),
            questions,
        )
    };
    // Removes what glibc and the peer set errno to. For an unknown name the peer returns ENOENT, which becomes "none".
    let plain = |answers: Vec<String>| -> Vec<String> {
        let row = |row: &str| row.split(" errno ").next().unwrap_or_default().to_owned();
        let rows = |rows: &str| rows.split('\t').map(row).collect::<Vec<_>>().join("\t");
        let all = |all: &String| all.split("; ").map(rows).collect::<Vec<_>>().join("; ");
        answers.iter().map(all).map(|answer| answer.replace("error ENOENT", "none")).collect()
    };
    let said = say(ours(), &same_as_peer);
    let bob = format!("bob:x:5002:5001:{}:/home/bob:/bin/sh", "b".repeat(900));
    assert_eq!(said[3], bob);
    let the_peers = plain(say(peers, &same_as_peer));
    // The same for the end of an enumeration, which is "none" then. The probe leaves that out for the library.
    let ends: Vec<_> = the_peers.iter().map(|answer| answer.trim_end_matches("\tnone")).collect();
    assert_eq!(said, ends);
    let all: Vec<&str> = same_as_peer.iter().chain(&of_glibc).copied().collect();
    let said = say(ours(), &all);
    assert!(said.contains(&"4 of 4: 1 5001 5002 5003".to_owned()), "{said:?}");
    let glibcs = plain(say(glibc, &all));
    let ends: Vec<_> = glibcs.iter().map(|answer| answer.trim_end_matches("\tnone")).collect();
    assert_eq!(said, ends);
}
