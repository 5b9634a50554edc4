//! `NSS_WRAPPER_MODULE_SO_PATH` and `NSS_WRAPPER_MODULE_FN_PREFIX`: users and groups, with modules of
//! `tests/modules`. The enumeration: `module_enumeration`.

use std::process::Command;

use crate::support;
use crate::support::ask::{answers, expect, rows};
use crate::support::module_scene::ModuleScene;
use crate::support::{compiled, file, library, module, stdout};

/// The members `m0` and `a, b`, as the probe prints them. The second one is a single name, which the library must not
/// split at the comma.
pub(super) const MEMBERS: &str = r"m0,a\x2c b";

/// The module's user `room:N`, whose gecos field has N bytes.
pub(super) fn user_of(room: usize, uid: u32) -> String {
    format!(r"room\x3a{room}:x:{uid}:{}:{}:/m:/bin/m", uid + 1, "g".repeat(room))
}

/// The module's group `room:N`, with a member whose name has N bytes.
pub(super) fn group_of(room: usize, gid: u32) -> String {
    format!(r"room\x3a{room}:x:{gid}:{MEMBERS},{}", "m".repeat(room))
}

/// The module's group of that number.
pub(super) fn group(number: u32) -> String {
    format!("g{number}:x:{}:{MEMBERS}", 20 + number)
}

#[test]
fn users_and_groups_come_from_the_files_and_then_from_the_module() {
    let pairs = [
        ("getpwnam root", "root:x:0:0::/root:/bin/sh"),
        ("getpwnam m3", "m3:x:13:14::/m:/bin/m"),
        ("getpwuid 12", "m2:x:12:13::/m:/bin/m"),
        ("getpwuid 11", "first:x:11:11:of the file:/f:/f"),
        ("getpwnam nobody", "none"),
        ("getpwuid_r 99", "none"),
        ("getgrnam files", "files:x:7:m0,first"),
        ("getgrnam g1", &group(1)),
        ("getgrgid 22", &group(2)),
        ("getgrgid_r 23", &group(3)),
        ("getgrnam nogroup", "none"),
    ];
    expect(&mut ModuleScene::new().plain(), &pairs);
}

#[test]
fn a_row_in_the_modules_own_memory_is_copied_into_the_callers_buffer() {
    let want = "static:x:900:901:in static memory:/s:/bin/s";
    let pairs = [("getpwnam_r static", want), ("getpwnam static", want)];
    expect(&mut ModuleScene::new().plain(), &pairs);
}

#[test]
fn a_module_that_wants_more_room_gets_it() {
    let pairs = [
        ("getpwnam room:900", user_of(900, 904)),
        ("getpwnam room:1500", user_of(1500, 904)),
        ("getpwnam_r room:100000", user_of(100_000, 904)),
        ("getpwnam room:1000000", user_of(1_000_000, 904)),
        ("getgrnam room:1500", group_of(1500, 904)),
        ("getgrnam_r room:100000", group_of(100_000, 904)),
        ("getgrnam room:1000000", group_of(1_000_000, 904)),
    ];
    expect(&mut ModuleScene::new().plain(), &pairs);
}

#[test]
fn a_module_that_is_never_content_gets_no_more_than_is_sane() {
    let pairs = ["getpwnam_r greedy", "getpwnam greedy", "getgrnam_r greedy"]
        .map(|question| (question, "error ENOMEM"));
    expect(&mut ModuleScene::new().plain(), &pairs);
}

#[test]
fn each_status_gives_the_error_that_glibc_gives() {
    // The status and the error number that the module returns, and what the functions answer then.
    for (status, error, want) in [
        (0, libc::ENOENT, "none"),
        (0, 0, "none"),
        (-1, 0, "none"),
        (-1, libc::ENOENT, "none"),
        (-1, libc::ECONNREFUSED, "error ECONNREFUSED"),
        (-1, libc::ERANGE, "error EINVAL"),
        (-2, libc::EAGAIN, "error EAGAIN"),
        (-2, libc::ENOMEM, "error ENOMEM"),
        (-2, 0, "error EAGAIN"),
        (2, 0, "none"),
        (-7, libc::EIO, "none"),
    ] {
        let pairs = ["getpwnam_r", "getgrnam_r", "getpwnam", "getgrnam"]
            .map(|function| (format!("{function} status:{status}:{error}"), want));
        for pair in pairs {
            expect(&mut ModuleScene::new().plain(), &[pair]);
        }
    }
}

#[test]
fn a_module_without_files_wraps_users_and_groups() {
    let scene = ModuleScene::new();
    let pairs = [
        ("getpwnam m1", "m1:x:11:12::/m:/bin/m"),
        ("getpwnam root", "none"),
        ("getpwent", "m0:x:10:11::/m:/bin/m"),
        ("getgrnam root", "none"),
        ("getgrgid 20", &group(0)),
        ("getgrouplist m1 1", "1 of 1: 1"),
    ];
    expect(&mut scene.with_module(library(), &module("plain", &[]), "plain"), &pairs);
}

#[test]
fn a_database_that_a_module_alone_does_not_have_stays_with_libc() {
    let scene = ModuleScene::new();
    let mut command = scene.with_module(library(), &module("partial", &[]), "partial");
    let questions =
        ["getpwnam part", "getpwnam root", "getgrnam root", "getgrent", "getgrouplist root 1"];
    let said = answers(&mut command, &questions);
    // The module does not fill all fields. libc may change errno, and may know more groups of root.
    assert_eq!(said[..2], ["part::77:0:::", "none"]);
    assert!(said[2].starts_with("root:x:0:") && said[3].starts_with("root:x:0:"), "{said:?}");
    assert!(said[4].contains(" of ") && !said[4].starts_with('-'), "{said:?}");
}

#[test]
fn the_groups_of_a_user_come_from_the_files_and_from_initgroups_dyn() {
    // The module gives 1,000 groups, of which every second one is that of the question.
    let mut many: Vec<_> = [1, 7].into_iter().chain((5000..6000).step_by(2)).collect();
    assert_eq!(many.len(), 502);
    let many: Vec<_> = many.drain(..).map(|gid| gid.to_string()).collect();
    let pairs = [
        ("getgrouplist m0 1", format!("502 of 502: {}", many.join(" "))),
        ("getgrouplist first 1", "2 of 2: 1 7".to_owned()),
        ("getgrouplist none 1", "1 of 1: 1".to_owned()),
        ("getgrouplist status:-1:5 1", "1 of 1: 1".to_owned()),
    ];
    expect(&mut ModuleScene::new().plain(), &pairs);
}

#[test]
fn initgroups_sets_the_modules_groups_under_uid_wrapper() {
    let scene = ModuleScene::new();
    let preload = format!("{}:{}", library().display(), support::uid_wrapper().display());
    let mut command = scene.plain();
    command.env("LD_PRELOAD", preload).env("UID_WRAPPER", "1").env("UID_WRAPPER_ROOT", "1");
    let said = answers(&mut command, &["initgroups m0 1", "getgroups"]);
    assert_eq!(said[0], "0");
    assert!(said[1].starts_with("1 7 5000 5002 5004 5006 5008 5010 "), "{}", said[1]);
    assert_eq!(said[1].split(' ').count(), 502);
}

#[test]
fn a_module_may_ask_us_meanwhile_and_never_asks_itself_for_ever() {
    let asks = r"room\x3a1 m0:x:902:903:g:/m:/bin/m";
    let pairs = [
        ("getpwnam asks", asks),
        ("getpwnam_r asks", asks),
        ("getpwnam loops", "loops:x:903:904::/m:/bin/m"),
        ("getpwnam m1", "m1:x:11:12::/m:/bin/m"),
    ];
    expect(&mut ModuleScene::new().plain(), &pairs);
}

#[test]
fn what_libc_asks_from_inside_gets_to_the_module() {
    let pairs = [
        ("wordexp ~first/x", "/f/x"),
        ("wordexp ~m1/x", "/m/x"),
        ("wordexp ~nobody/x", "~nobody/x"),
    ];
    expect(&mut ModuleScene::new().plain(), &pairs);
}

#[test]
fn the_synthetic_user_is_not_needed_by_a_user_of_the_module() {
    let scene = ModuleScene::new();
    let uid = stdout(Command::new("id").arg("-u"));
    let module = module("plain", &["-DWHOEVER_ASKS"]);
    for (prefix, want) in [("plain", "whoever"), ("none", "own")] {
        let mut command = scene.users(library(), &module, prefix);
        file(scene.dir(), "passwd", "nobody:x:65534:65534:::\n");
        command.env("NSS_WRAPPER_USER", "own:x:%u:%g:::");
        let said = answers(&mut command, &[format!("getpwuid {}", uid.trim())]).concat();
        assert!(said.starts_with(&format!("{want}:x:")), "{said}");
    }
}

#[test]
fn what_files_and_module_do_not_know_falls_through_to_libc_if_asked() {
    let scene = ModuleScene::new();
    let mut command = scene.plain();
    command.env("NSS_WRAPPER_FALLTHROUGH", "1");
    let questions = [
        "getpwnam m1",
        "getpwnam daemon",
        "getpwnam no-such-user",
        "getgrnam daemon",
        "getpwnam status:-1:5",
        "all getpwent",
    ];
    let said = answers(&mut command, &questions);
    // Of libc's answers the beginning counts: it may change errno.
    let want = ["m1:x:11:12:", "daemon:", "none", "daemon:", "none"];
    for ((answer, want), question) in said.iter().zip(want).zip(questions) {
        assert!(answer.starts_with(want), "{question}: {answer}");
    }
    let names: Vec<&str> =
        rows(&said[5]).iter().map(|row| &row[..row.find(':').unwrap_or(0)]).collect();
    let at = |name: &str| names.iter().position(|n| *n == name);
    assert!(at("first") < at("m4") && at("m4") < at("daemon"), "{names:?}");
    assert_eq!(names.iter().filter(|n| **n == "root").count(), 1, "{names:?}");
}

/// Questions about users and groups of the module, and about a name that nobody has.
pub(super) const AT_ONCE: &str = "getpwnam_r m0; getgrgid_r 20; getpwuid 10; getpwnam_r nobody; \
    getpwnam_r m2; getgrgid_r 22; getpwuid 12; getpwnam_r m3; getgrgid_r 23; getpwuid 13";

/// The answers to [`AT_ONCE`].
pub(super) fn all_at_once() -> String {
    let user = |n: u32| format!("m{n}:x:{}:{}::/m:/bin/m", 10 + n, 11 + n);
    let both = |n: u32| format!("{}; {}; {}", user(n), group(n), user(n));
    format!("{}; none; {}; {}", both(0), both(2), both(3))
}

#[test]
fn threads_and_children_of_threads_are_answered_by_the_module() {
    let pairs = [
        (format!("threads 4 800 {AT_ONCE}"), all_at_once()),
        (format!("forks 2 100 {AT_ONCE}"), all_at_once()),
    ];
    for pair in pairs {
        expect(&mut ModuleScene::new().plain(), &[pair]);
    }
    let pairs = [(
        "fork getpwnam m2; getgrent; getgrent; getgrent",
        format!("m2:x:12:13::/m:/bin/m; root:x:0:; files:x:7:m0,first; {}", group(0)),
    )];
    expect(&mut ModuleScene::new().plain(), &pairs);
}

/// As a thread does that pthread_cancel(3) ends, or a C++ exception of the module: the unwinder must find its way through
/// the library's functions.
#[test]
fn a_thread_that_ends_in_the_module_runs_what_its_callers_left_to_clean_up() {
    let scene = ModuleScene::new();
    let probe = compiled("ends_inside", "cc", &["-fexceptions"]);
    let mut command = support::wrapped(probe, &*scene.path("passwd"), None);
    command.env("NSS_WRAPPER_MODULE_SO_PATH", module("plain", &[]));
    command.env("NSS_WRAPPER_MODULE_FN_PREFIX", "plain");
    assert_eq!(stdout(command.arg("ends")), "cleaned up\nfirst\n");
}
