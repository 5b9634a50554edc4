//! NSS modules: how they are loaded, Debian's own, and what checkers find.

use std::process::Command;

use crate::support;
use crate::support::module_scene::{Scene, debian};
use crate::support::{compiled, file, library, module, peer, probe, run, stderr, stdout};

#[test]
fn a_module_that_cannot_be_loaded_is_reported_once_and_works_once_it_can() {
    let scene = Scene::new();
    let plain = module("plain", &[]);
    let mut command = scene.probe(library(), &scene.path("module.so"), "plain");
    let link = format!("link={}", plain.display());
    command.args(["pwnam=root", "pwnam=m1", "grnam=g1", "list=m0", "pwent=3"]);
    let out = run(command.args([&link, "pwnam=m1", "grnam=g1"]));
    let want = "\
pwnam=root: root:x:0:0::/root:/bin/sh
pwnam=m1: none 0
grnam=g1: none 0
list=m0: 2: 1 7
pwent=3: root:x:0:0::/root:/bin/sh
pwent=3: first:x:11:11:of the file:/f:/f
pwnam=m1: m1:x:11:12::/m:/bin/m
grnam=g1: g1:x:21:m0|a, b 
";
    assert_eq!(String::from_utf8_lossy(&out.stdout), want);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("NWRAP_ERROR[module-cc ("), "{said}");
    assert!(said.contains("Cannot open shared library "), "{said}");
    assert!(said.contains("module.so: cannot open shared object file"), "the reason: {said}");
}

#[test]
fn without_a_free_descriptor_for_loading_the_answer_is_an_error_and_no_absence() {
    let scene = Scene::new();
    let mut command = scene.probe(library(), &module("plain", &[]), "plain");
    command.env_remove("NSS_WRAPPER_PASSWD").env_remove("MODULE_LOG");
    let out = run(command.args(["files=3", "pwnam_r=m1", "pwnam=m1", "files=99", "pwnam_r=m1"]));
    let full = libc::EMFILE;
    let want = format!(
        "pwnam_r=m1: none {full}\npwnam=m1: none {full}\npwnam_r=m1: m1:x:11:12::/m:/bin/m\n"
    );
    assert_eq!(String::from_utf8_lossy(&out.stdout), want);
    assert_eq!(String::from_utf8_lossy(&out.stderr), "");
}

#[test]
fn functions_that_a_module_lacks_are_a_warning_as_with_the_peer() {
    let scene = Scene::new();
    let partial = module("partial", &[]);
    let ask = |level: &str| {
        let mut command = scene.probe(library(), &partial, "partial");
        let args = ["pwnam=part", "pwuid=77", "grnam=g", "list=part", "pwent=3", "endpwent"];
        let out = run(command.env("NSS_WRAPPER_DEBUGLEVEL", level).args(args));
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(text.contains("pwnam=part: part::77:0:::\npwuid=77: none 0\n"), "{text}");
        String::from_utf8_lossy(&out.stderr).into_owned()
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
    let peers = stderr(
        scene
            .probe(&peer(), &partial, "partial")
            .env("NSS_WRAPPER_DEBUGLEVEL", "1")
            .arg("pwnam=part"),
    );
    // The peer binds a function twice where it falls back.
    for line in warned(&peers) {
        assert!(ours.contains(&line), "{line} is not in {ours:?}");
    }
}

#[test]
fn a_prefix_that_fits_no_function_is_an_error() {
    let scene = Scene::new();
    let mut command = scene.probe(library(), &module("plain", &[]), "plane");
    let out = run(command.args(["pwnam=m1", "pwnam=root", "grnam=g1"]));
    let want = "\
pwnam=m1: none 0
pwnam=root: root:x:0:0::/root:/bin/sh
grnam=g1: none 0
";
    assert_eq!(String::from_utf8_lossy(&out.stdout), want);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("no function whose name begins with _nss_plane_"), "{said}");
}

#[test]
fn a_module_may_ask_us_while_it_is_being_loaded() {
    let scene = Scene::new();
    let asks = module("plain", &["-DASKS_WHILE_LOADING"]);
    let said = stdout(scene.probe(library(), &asks, "plain").args(["pwnam=m1", "pwnam=static"]));
    assert!(said.starts_with("pwnam=m1: m1:"), "{said}");
    assert_eq!(scene.log(), "load: static is not known\n");
}

/// The command where Debian's extrausers finds `users` and `groups`, and where libc's own `files`
/// are the scene's. It needs root, or user namespaces.
fn with_extrausers(scene: &Scene, users: &str, groups: &str, command: &Command) -> Command {
    file(scene.dir(), "users", users);
    file(scene.dir(), "groups", groups);
    file(scene.dir(), "nsswitch", "passwd: files extrausers\ngroup: files extrausers\n");
    let script = "mount -t tmpfs none /var/lib; mkdir /var/lib/extrausers; \
        cp users /var/lib/extrausers/passwd; cp groups /var/lib/extrausers/group; \
        mount --bind passwd /etc/passwd; mount --bind group /etc/group; \
        mount --bind nsswitch /etc/nsswitch.conf; exec env \"$@\"";
    let mut inside = Command::new("unshare");
    if !stdout(Command::new("id").arg("-u")).starts_with("0\n") {
        inside.arg("--map-root-user");
    }
    inside.current_dir(scene.dir()).args(["--mount", "sh", "-ec", script, "sh"]);
    // The variables are for the command alone: no library is to be loaded into the shell.
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => inside.arg(format!("{}={}", name.display(), value.display())),
            None => inside.env_remove(name),
        };
    }
    inside.arg(command.get_program()).args(command.get_args());
    inside
}

#[test]
fn extrausers_answers_as_it_does_for_glibc_and_the_peer() {
    let scene = Scene::new();
    let extrausers = debian("libnss_extrausers.so.2");
    let mut users = String::from("ann:x:5001:5001:Ann:/home/ann:/bin/sh\n");
    users.push_str(&format!("bob:x:5002:5001:{}:/home/bob:/bin/sh\n", "b".repeat(900)));
    let mut groups = String::from("staffers:x:5001:ann,bob\nlarge:x:5002:ann");
    for n in 0..5000 {
        groups.push_str(&format!(",member-{n:07}"));
    }
    groups.push_str("\nlast:x:5003:bob,ann\n");
    let same_as_peer = [
        "pwnam=root",
        "pwnam=ann",
        "pwnam=bob",
        "pwuid=5002",
        "pwnam=none",
        "pwuid=77",
        "pwnam_r=ann",
        "pwuid_r=5002",
        "grnam=files",
        "grnam=staffers",
        "grgid=5003",
        "grnam=large",
        "setpwent",
        "pwent",
        "endpwent",
    ];
    let of_glibc = [
        "pwnam_r=none",
        "grgid_r=77",
        "grnam_r=large",
        "setgrent",
        "grent",
        "list=ann",
        "list=bob",
        "list=m0",
        "endgrent",
        "grent=3",
    ];
    let ours = || scene.probe(library(), &extrausers, "extrausers");
    let peers = scene.probe(&peer(), &extrausers, "extrausers");
    let mut glibc = Command::new(probe("module"));
    glibc.env("LD_LIBRARY_PATH", extrausers.parent().expect("it is in a directory"));
    let say = |mut command: Command, args: &[&str]| {
        command.args(args);
        stdout(&mut with_extrausers(&scene, &users, &groups, &command))
    };
    let said = say(ours(), &same_as_peer);
    assert!(said.contains("pwuid=5002: bob:x:5002:5001:<900>:/home/bob:/bin/sh\n"), "{said}");
    // The peer returns ENOENT for an unknown name, and errno with it.
    let peers = say(peers, &same_as_peer).replace("none 2\n", "none 0\n");
    assert_eq!(said, peers);
    let all: Vec<&str> = same_as_peer.iter().chain(&of_glibc).copied().collect();
    let said = say(ours(), &all);
    assert!(said.contains("list=ann: 4: 1 5001 5002 5003\n"), "{said}");
    assert_eq!(said, say(glibc, &all).replace("none 2\n", "none 0\n"));
}

/// Every kind of call of the module.
const ALL: &[&str] = &[
    "pwnam=m1",
    "pwnam_r=room:3000",
    "pwuid=12",
    "pwnam=nobody",
    "pwnam=status:-2:11",
    "pwent=4",
    "pwent_r=20",
    "pwent",
    "endpwent",
    "grnam=g1",
    "grgid_r=22",
    "grnam_r=room:3000",
    "list=m0",
    "grent",
    "endgrent",
];

#[test]
fn memcheck_finds_nothing() {
    for flags in [&[][..], &["-DWITHOUT_INITGROUPS"]] {
        let scene = Scene::new();
        let mut command = scene.probe(library(), &module("plain", flags), "plain");
        let command = command.args(ALL);
        let mut valgrind = Command::new("valgrind");
        valgrind.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        valgrind.args(["--quiet", "--error-exitcode=9", "--leak-check=full"]);
        valgrind.arg("--errors-for-leak-kinds=definite,possible");
        let out = run(valgrind.current_dir(scene.dir()).arg(probe("module")).args(ALL));
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success() && said.is_empty(), "{}: {said}", out.status);
        assert_eq!(String::from_utf8_lossy(&out.stdout), stdout(command));
    }
}

#[test]
fn helgrind_and_drd_see_no_race_between_threads_that_ask_the_module() {
    let scene = Scene::new();
    let suppressions = support::root().join("tests/glibc.supp");
    for tool in ["helgrind", "drd"] {
        let plain = scene.probe(library(), &module("plain", &[]), "plain");
        let mut valgrind = Command::new("valgrind");
        valgrind.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        valgrind.args(["--quiet", "--error-exitcode=9", &format!("--tool={tool}")]);
        valgrind.arg(format!("--suppressions={}", suppressions.display()));
        let out = run(valgrind.arg(probe("module")).arg("threads=2"));
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success() && said.is_empty(), "{tool}: {}: {said}", out.status);
        assert_eq!(String::from_utf8_lossy(&out.stdout), "threads=2: right\n");
    }
}

/// Has each allocation of the probe fail in its turn: every line must be as it is with all of them,
/// or say that there was no memory.
fn without_memory(probe: Command, args: &[&str], is_error: impl Fn(&str) -> bool) {
    let failing = compiled("failing_malloc", "cc", &["-shared", "-fPIC"]);
    let preload = format!("{}:{}", failing.display(), library().display());
    let mut right = String::new();
    for nth in 0..1000 {
        let mut command = Command::new(probe.get_program());
        command.envs(probe.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("LD_PRELOAD", &preload).arg(format!("fail={nth}")).args(args).arg("failed=");
        let said = stdout(&mut command);
        let (lines, failed) = said.rsplit_once("failed ").expect("the last line");
        if nth == 0 {
            right = lines.to_owned();
            continue;
        }
        assert_eq!(lines.lines().count(), right.lines().count(), "allocation {nth}: {said}");
        for (line, right) in lines.lines().zip(right.lines()) {
            assert!(line == right || is_error(line), "allocation {nth}: {line}");
        }
        if failed == "0\n" {
            assert!(nth > 20, "the module alone takes more");
            assert_eq!(lines, right);
            return;
        }
    }
    panic!("there is no end of allocations");
}

#[test]
fn an_allocation_that_fails_is_an_error_and_never_an_absence() {
    let scene = Scene::new();
    let args = ["pwnam_r=m3", "grnam_r=g1", "pwuid_r=12", "grnam_r=room:3000", "list=m0"];
    let no_memory = format!("none {}", libc::ENOMEM);
    let probe = scene.probe(library(), &module("plain", &[]), "plain");
    without_memory(probe, &args, |line| line.ends_with(&no_memory) || line == "list=m0: -1:");
}

#[test]
fn an_allocation_that_fails_loses_no_row_of_an_enumeration() {
    let scene = Scene::new();
    // Each is asked for twice: one of them succeeds.
    let args = ["pwent_r"; 6];
    let failing = compiled("failing_malloc", "cc", &["-shared", "-fPIC"]);
    let preload = format!("{}:{}", failing.display(), library().display());
    let rows = |nth: u32| {
        let mut command = scene.probe(library(), &module("plain", &[]), "plain");
        command.env("LD_PRELOAD", &preload).arg(format!("fail={nth}")).args(args);
        let said = stdout(command.arg("failed="));
        let rows = said.lines().filter(|line| line.starts_with("pwent_r: ") && line.contains('/'));
        (rows.map(str::to_owned).collect::<Vec<_>>(), said.contains("failed 1\n"))
    };
    let (right, _) = rows(0);
    assert_eq!(right.len(), 6);
    let mut nth = 1;
    loop {
        let (rows, failed) = rows(nth);
        // The one call that failed gave none.
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
    let scene = Scene::new();
    let args = ["host_r=h1", "host_r=room:400", "host6=h2", "addr=fd00::2"];
    // h_errno is NETDB_INTERNAL.
    let no_memory = format!("none {} -1", libc::ENOMEM);
    let probe = scene.hosts(library(), &module("plain", &[]), "plain");
    without_memory(probe, &args, |line| line.ends_with(&no_memory) || line.ends_with("none 0 -1"));
}
