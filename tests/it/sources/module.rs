//! `NSS_WRAPPER_MODULE_SO_PATH` and `NSS_WRAPPER_MODULE_FN_PREFIX`, with modules of `tests/modules`.

use std::process::Command;

use crate::support;
use crate::support::module_scene::Scene;
use crate::support::{file, library, module, stdout};

#[test]
fn users_and_groups_come_from_the_files_and_then_from_the_module() {
    let said = Scene::new().plain(&[
        "pwnam=root",
        "pwnam=m3",
        "pwuid=12",
        "pwuid=11",
        "pwnam=nobody",
        "pwuid_r=99",
        "grnam=files",
        "grnam=g1",
        "grgid=22",
        "grgid_r=23",
        "grnam=nogroup",
    ]);
    let want = "\
pwnam=root: root:x:0:0::/root:/bin/sh
pwnam=m3: m3:x:13:14::/m:/bin/m
pwuid=12: m2:x:12:13::/m:/bin/m
pwuid=11: first:x:11:11:of the file:/f:/f
pwnam=nobody: none 0
pwuid_r=99: none 0
grnam=files: files:x:7:m0|first 
grnam=g1: g1:x:21:m0|a, b 
grgid=22: g2:x:22:m0|a, b 
grgid_r=23: g3:x:23:m0|a, b 
grnam=nogroup: none 0
";
    assert_eq!(said, want);
}

#[test]
fn a_row_in_the_modules_own_memory_is_copied_into_the_callers_buffer() {
    let want = "static:x:900:901:in static memory:/s:/bin/s\n";
    let said = Scene::new().plain(&["pwnam_r=static", "pwnam=static"]);
    assert_eq!(said, format!("pwnam_r=static: {want}pwnam=static: {want}"));
}

#[test]
fn a_module_that_wants_more_room_gets_it() {
    let said = Scene::new().plain(&[
        "pwnam=room:900",
        "pwnam=room:1500",
        "pwnam_r=room:100000",
        "pwnam=room:1000000",
        "grnam=room:1500",
        "grnam_r=room:100000",
        "grnam=room:1000000",
    ]);
    let want = "\
pwnam=room:900: room:900:x:904:905:<900>:/m:/bin/m
pwnam=room:1500: room:1500:x:904:905:<1500>:/m:/bin/m
pwnam_r=room:100000: room:100000:x:904:905:<100000>:/m:/bin/m
pwnam=room:1000000: room:1000000:x:904:905:<1000000>:/m:/bin/m
grnam=room:1500: room:1500:x:904:m0|a, b|<1500> 
grnam_r=room:100000: room:100000:x:904:m0|a, b|<100000> 
grnam=room:1000000: room:1000000:x:904:m0|a, b|<1000000> 
";
    assert_eq!(said, want);
}

#[test]
fn a_module_that_is_never_content_gets_no_more_than_is_sane() {
    let said = Scene::new().plain(&["pwnam_r=greedy", "pwnam=greedy", "grnam_r=greedy"]);
    let lines: Vec<String> = ["pwnam_r=greedy", "pwnam=greedy", "grnam_r=greedy"]
        .map(|name| format!("{name}: none {}\n", libc::ENOMEM))
        .to_vec();
    assert_eq!(said, lines.concat());
}

#[test]
fn each_status_gives_the_error_that_glibc_gives() {
    // Of the status and the error number that the module reports: what getpwnam_r returns.
    for (status, error, want) in [
        (0, libc::ENOENT, 0),
        (0, 0, 0),
        (-1, 0, 0),
        (-1, libc::ENOENT, 0),
        (-1, libc::ECONNREFUSED, libc::ECONNREFUSED),
        (-1, libc::ERANGE, libc::EINVAL),
        (-2, libc::EAGAIN, libc::EAGAIN),
        (-2, libc::ENOMEM, libc::ENOMEM),
        (-2, 0, libc::EAGAIN),
        (2, 0, 0),
        (-7, libc::EIO, 0),
    ] {
        for function in ["pwnam_r", "grnam_r", "pwnam", "grnam"] {
            let ask = format!("{function}=status:{status}:{error}");
            assert_eq!(Scene::new().plain(&[&ask]), format!("{ask}: none {want}\n"));
        }
    }
}

#[test]
fn an_enumeration_goes_on_from_the_files_into_the_module() {
    let scene = Scene::new();
    let said = scene.plain(&["setpwent", "pwent", "pwent", "endpwent", "pwent=1", "grent"]);
    let want = "\
pwent: root:x:0:0::/root:/bin/sh
pwent: first:x:11:11:of the file:/f:/f
pwent: m0:x:10:11::/m:/bin/m
pwent: room:2000:x:11:12:<2000>:/m:/bin/m
pwent: m2:x:12:13::/m:/bin/m
pwent: room:70000:x:13:14:<70000>:/m:/bin/m
pwent: m4:x:14:15::/m:/bin/m
pwent=1: root:x:0:0::/root:/bin/sh
grent: root:x:0: 
grent: files:x:7:m0|first 
grent: g0:x:20:m0|a, b 
grent: room:2000:x:21:m0|a, b|<2000> 
grent: g2:x:22:m0|a, b 
grent: room:70000:x:23:m0|a, b|<70000> 
grent: g4:x:24:m0|a, b 
";
    assert_eq!(said.replace("x:0:\n", "x:0: \n"), want);
    assert_eq!(scene.log(), "load\nsetpwent\nendpwent\nsetgrent\n");
}

#[test]
fn a_buffer_that_is_too_short_loses_no_row_of_an_enumeration() {
    let said = Scene::new().plain(&[
        "pwent=3",
        "pwent_r=100",
        "pwent_r=2000",
        "pwent_r=2100",
        "pwent_r=10",
        "pwent_r=100",
        "grent=3",
        "grent_r=2000",
        "grent_r=3000",
        "grent=1",
    ]);
    let tail: Vec<&str> = said.lines().filter(|line| !line.contains("ent=")).collect();
    let want = [
        "pwent_r=100: none 34",
        "pwent_r=2000: none 34",
        "pwent_r=2100: room:2000:x:11:12:<2000>:/m:/bin/m",
        "pwent_r=10: none 34",
        "pwent_r=100: m2:x:12:13::/m:/bin/m",
        "grent_r=2000: none 34",
        "grent_r=3000: room:2000:x:21:m0|a, b|<2000> ",
    ];
    assert_eq!(tail, want);
    assert!(said.ends_with("grent=1: g2:x:22:m0|a, b \n"), "{said}");
}

#[test]
fn the_modules_set_and_end_are_called_as_the_enumeration_gets_there() {
    for (args, want) in [
        (&["pwnam=root", "setpwent", "pwent=2", "endpwent"][..], ""),
        (&["pwent=3", "endpwent", "endpwent"], "load\nsetpwent\nendpwent\n"),
        (&["pwent", "endpwent", "pwent"], "load\nsetpwent\nendpwent\nsetpwent\n"),
        (&["pwent=3", "setpwent", "pwent"], "load\nsetpwent\nendpwent\nsetpwent\n"),
        (&["grent=3", "setgrent", "grent=3"], "load\nsetgrent\nendgrent\nsetgrent\n"),
    ] {
        let scene = Scene::new();
        scene.plain(args);
        assert_eq!(scene.log(), want, "{args:?}");
    }
}

#[test]
fn a_module_alone_switches_users_and_groups_on() {
    let scene = Scene::new();
    let mut command = scene.probe(library(), &module("plain", &[]), "plain");
    command.env_remove("NSS_WRAPPER_PASSWD").env_remove("NSS_WRAPPER_GROUP");
    command.args(["pwnam=m1", "pwnam=root", "pwent=1", "grnam=root", "grgid=20", "list=m1"]);
    let want = "\
pwnam=m1: m1:x:11:12::/m:/bin/m
pwnam=root: none 0
pwent=1: m0:x:10:11::/m:/bin/m
grnam=root: none 0
grgid=20: g0:x:20:m0|a, b 
list=m1: 1: 1
";
    assert_eq!(stdout(&mut command), want);
}

#[test]
fn a_database_that_a_module_alone_does_not_have_stays_with_libc() {
    let scene = Scene::new();
    let mut command = scene.probe(library(), &module("partial", &[]), "partial");
    command.env_remove("NSS_WRAPPER_PASSWD").env_remove("NSS_WRAPPER_GROUP");
    command.args(["pwnam=part", "pwnam=root", "grnam=root", "grent=1", "list=root"]);
    let want = "\
pwnam=part: part::77:0:::
pwnam=root: none 0
grnam=root: root:x:0:
grent=1: root:x:0:
list=root: 2: 1 0
";
    // The machine's root may be in more groups.
    let said = stdout(&mut command);
    assert_eq!(said.split("list=").next(), want.split("list=").next());
    assert!(said.contains("list=root: ") && !said.contains("list=root: -"), "{said}");
}

#[test]
fn the_groups_of_a_user_come_from_the_files_and_from_initgroups_dyn() {
    let said = Scene::new().plain(&["list=m0", "list=first", "list=none", "list=status:-1:5"]);
    let want = "\
list=m0: 502: 1 7 5000 5002 5004 5006 5008 5010
list=first: 2: 1 7
list=none: 1: 1
list=status:-1:5: 1: 1
";
    assert_eq!(said, want);
}

#[test]
fn groups_are_searched_where_a_module_has_no_initgroups_dyn() {
    let scene = Scene::new();
    let plain = module("plain", &["-DWITHOUT_INITGROUPS"]);
    let said = stdout(scene.probe(library(), &plain, "plain").args([
        "list=m0",
        "list=a, b",
        "list=none",
        "grent=4",
        "list=m0",
        "list=none",
        "grent=2",
        "grent",
    ]));
    let want = "\
list=m0: 7: 1 7 20 21 22 23 24
list=a, b: 6: 1 20 21 22 23 24
list=none: 1: 1
grent=4: root:x:0:
grent=4: files:x:7:m0|first 
grent=4: g0:x:20:m0|a, b 
grent=4: room:2000:x:21:m0|a, b|<2000> 
list=m0: 7: 1 7 20 21 22 23 24
list=none: 1: 1
grent=2: g2:x:22:m0|a, b 
grent=2: room:70000:x:23:m0|a, b|<70000> 
grent: g4:x:24:m0|a, b 
";
    assert_eq!(said, want, "the searches do not disturb the enumeration");
}

#[test]
fn initgroups_sets_the_modules_groups_under_uid_wrapper() {
    let scene = Scene::new();
    let mut command = scene.probe(library(), &module("plain", &[]), "plain");
    let preload = format!("{}:{}", library().display(), support::uid_wrapper().display());
    command.env("LD_PRELOAD", preload).env("UID_WRAPPER", "1").env("UID_WRAPPER_ROOT", "1");
    assert_eq!(stdout(command.arg("init=m0")), "init=m0: 0: 1 7 5000 5002 5004 5006 5008 5010\n");
}

#[test]
fn a_module_may_ask_us_meanwhile_and_never_asks_itself_for_ever() {
    let said = Scene::new().plain(&["pwnam=asks", "pwnam_r=asks", "pwnam=loops", "pwnam=m1"]);
    let want = "\
pwnam=asks: room:1 m0:x:902:903:g:/m:/bin/m
pwnam_r=asks: room:1 m0:x:902:903:g:/m:/bin/m
pwnam=loops: loops:x:903:904::/m:/bin/m
pwnam=m1: m1:x:11:12::/m:/bin/m
";
    assert_eq!(said, want);
}

#[test]
fn what_libc_asks_from_inside_gets_to_the_module() {
    let said = Scene::new().plain(&["expand=~first/x", "expand=~m1/x", "expand=~nobody/x"]);
    assert_eq!(
        said,
        "expand=~first/x: 0 /f/x\nexpand=~m1/x: 0 /m/x\nexpand=~nobody/x: 0 ~nobody/x\n"
    );
}

#[test]
fn the_own_entry_is_not_needed_by_a_user_of_the_module() {
    let scene = Scene::new();
    let uid = stdout(Command::new("id").arg("-u"));
    let module = module("plain", &["-DWHOEVER_ASKS"]);
    for (prefix, want) in [("plain", "whoever"), ("none", "own")] {
        let mut command = scene.probe(library(), &module, prefix);
        file(scene.dir(), "passwd", "nobody:x:65534:65534:::\n");
        command.env("NSS_WRAPPER_USER", "own:x:%u:%g:::");
        let said = stdout(command.arg(format!("pwuid={}", uid.trim())));
        assert!(said.contains(&format!(": {want}:x:")), "{said}");
    }
}

#[test]
fn what_files_and_module_do_not_know_falls_through_to_libc_if_asked() {
    let scene = Scene::new();
    let mut command = scene.probe(library(), &module("plain", &[]), "plain");
    command.env("NSS_WRAPPER_FALLTHROUGH", "1");
    command.args(["pwnam=m1", "pwnam=daemon", "pwnam=no-such-user", "grnam=daemon"]);
    let said = stdout(command.args(["pwnam=status:-1:5", "pwent"]));
    assert!(said.contains("pwnam=m1: m1:x:11:12:"), "{said}");
    assert!(said.contains("pwnam=daemon: daemon:"), "{said}");
    assert!(said.contains("grnam=daemon: daemon:"), "{said}");
    assert!(said.contains("pwnam=no-such-user: none"), "{said}");
    assert!(said.contains("pwnam=status:-1:5: none"), "libc has no such user: {said}");
    let names: Vec<&str> = said
        .lines()
        .filter_map(|line| line.strip_prefix("pwent: "))
        .map(|row| &row[..row.find(':').unwrap_or(0)])
        .collect();
    let at = |name: &str| names.iter().position(|n| *n == name);
    assert!(at("first") < at("m4") && at("m4") < at("daemon"), "{names:?}");
    assert_eq!(names.iter().filter(|n| **n == "root").count(), 1, "{names:?}");
}

#[test]
fn threads_and_children_of_threads_are_answered_by_the_module() {
    let said = Scene::new().plain(&["threads=4", "forks=100"]);
    assert_eq!(said, "threads=4: right\nforks=100: right\n");
    let said = Scene::new().plain(&["fork", "pwnam=m2", "grent=3"]);
    assert!(said.starts_with("pwnam=m2: m2:x:12:13::/m:/bin/m\n"), "{said}");
}
