//! `<grp.h>`, the groups of a user, and the library's own functions.

use std::path::PathBuf;
use std::process::Command;

use crate::support::{file, library, peer, probe, run, stdout, uid_wrapper, under, wrapped};
use tempfile::TempDir;

const GROUP: &str = "\
wheel:x:0:
lab:x:100:bob,ann
club:*:200: bob,,ann ,
many:x:100:bob
own:x:7:bob
bobby:x:300:bobby
";

fn group() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = file(dir.path(), "group", GROUP);
    (dir, path)
}

#[test]
fn every_function_answers_from_the_file_and_leaves_errno_alone() {
    let (_dir, path) = group();
    let keys = ["lab", "100", "nosuch", "4294967295"];
    let said = stdout(wrapped(probe("calls"), None, &*path).args(keys));
    let said: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("group") && !line.contains("getgrouplist"))
        .collect();
    // Blanks before a member's name are skipped and empty names dropped, as in glibc.
    let rows = GROUP.lines().map(|line| line.replace(": bob,,ann ,", ":bob,ann "));
    let rows: Vec<String> = rows.collect();
    let mut want = format!(
        "group getgrnam(lab) {lab}\ngroup getgrnam_r(lab) 0 {lab}\n\
         group getgrgid(100) {lab}\ngroup getgrgid_r(100) 0 {lab}\n\
         group getgrnam(nosuch) none\ngroup getgrnam_r(nosuch) 0 none\n\
         group getgrgid(4294967295) none\ngroup getgrgid_r(4294967295) 0 none\n\
         group getgrent, not begun {wheel}\ngroup getgrent, begun {wheel}\n\
         group getgrent, second {lab}\n",
        wheel = rows[0],
        lab = rows[1]
    );
    for row in &rows {
        want += &format!("group getgrent {row}\n");
    }
    want += "group getgrent none\ngroup getgrent, after the end none\ngroup setgrent\n";
    for row in &rows {
        want += &format!("group getgrent_r 0 {row}\n");
    }
    want += &format!("group getgrent_r {} none\ngroup endgrent\n", libc::ENOENT);
    assert_eq!(said.join("\n") + "\n", want);
}

#[test]
fn getgrouplist_stores_what_fits_and_the_total_with_no_group_twice() {
    let (_dir, path) = group();
    let said = stdout(wrapped(probe("calls"), None, &*path).args(["bob", "bobb", "ann", "nosuch"]));
    let lists = said.lines().filter_map(|line| line.strip_prefix("group getgrouplist("));
    // Own's 7 is the group that the caller gives, and many's 100 is lab's.
    let want = [
        "bob, 7, room for 64) 3 of 3: 7 100 200",
        "bob, 7, room for 3) 3 of 3: 7 100 200",
        "bob, 7, room for 2) -1 of 3: 7 100",
        "bob, 7, room for 1) -1 of 3: 7",
        "bob, 7, room for 0) -1 of 3:",
        "bobb, 7, room for 64) 1 of 1: 7",
        "bobb, 7, room for 3) 1 of 1: 7",
        "bobb, 7, room for 2) 1 of 1: 7",
        "bobb, 7, room for 1) 1 of 1: 7",
        "bobb, 7, room for 0) -1 of 1:",
        "ann, 7, room for 64) 2 of 2: 7 100",
        "ann, 7, room for 3) 2 of 2: 7 100",
        "ann, 7, room for 2) 2 of 2: 7 100",
        "ann, 7, room for 1) -1 of 2: 7",
        "ann, 7, room for 0) -1 of 2:",
        "nosuch, 7, room for 64) 1 of 1: 7",
        "nosuch, 7, room for 3) 1 of 1: 7",
        "nosuch, 7, room for 2) 1 of 1: 7",
        "nosuch, 7, room for 1) 1 of 1: 7",
        "nosuch, 7, room for 0) -1 of 1:",
    ];
    assert_eq!(lists.collect::<Vec<_>>(), want);
}

/// The probe under several libraries, in the order given.
fn initgroups(libraries: &[PathBuf], group: &PathBuf) -> Command {
    let list: Vec<_> = libraries.iter().map(|path| path.to_str().expect("ASCII")).collect();
    let mut command = under(list.join(":"), probe("initgroups"));
    command.env("NSS_WRAPPER_GROUP", group).args(["bob", "7"]);
    command
}

#[test]
fn initgroups_sets_uid_wrappers_groups() {
    let (dir, path) = group();
    let passwd = file(dir.path(), "passwd", "bob:x:1000:7:::\n");
    let ours = library().to_owned();
    for libraries in [[ours.clone(), uid_wrapper()], [uid_wrapper(), ours]] {
        let mut command = initgroups(&libraries, &path);
        command.env("UID_WRAPPER", "1").env("UID_WRAPPER_ROOT", "1");
        let said = stdout(&mut command);
        assert!(said.ends_with("\n0 errno 0\nafter: 7 100 200\n"), "{said}");
    }
    // The peer does the same, but for a group twice, one behind a blank, and an errno.
    let mut command = initgroups(&[peer(), uid_wrapper()], &path);
    command.env("UID_WRAPPER", "1").env("UID_WRAPPER_ROOT", "1").env("NSS_WRAPPER_PASSWD", passwd);
    let said = stdout(&mut command);
    assert!(said.contains("\n0 errno ") && said.ends_with("\nafter: 7 100 100\n"), "{said}");
}

#[test]
fn without_uid_wrapper_initgroups_warns_and_leaves_the_groups() {
    let (_dir, path) = group();
    let ours = [library().to_owned()];
    let out = run(initgroups(&ours, &path).env("NSS_WRAPPER_DEBUGLEVEL", "1"));
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[1], "0 errno 0");
    assert_eq!(lines[0].strip_prefix("before"), lines[2].strip_prefix("after"), "{said}");
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    let (head, text) = told.split_once("] - ").expect("one line in the peer's shape");
    assert!(head.starts_with("NWRAP_WARN[initgroups-cc ("), "{told}");
    assert_eq!(text, "initgroups: UID_WRAPPER is not set, the groups of the process stay\n");
    assert_eq!(run(&mut initgroups(&ours, &path)).stderr, b"", "silent unless asked");
}

#[test]
fn the_librarys_own_functions_say_what_is_wrapped() {
    let ask = |library: PathBuf, set: &[&str]| {
        let mut command = under(library, probe("enabled"));
        for name in set {
            command.env(name, "/dev/null");
        }
        stdout(&mut command).split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ask(PathBuf::new(), &["NSS_WRAPPER_PASSWD"]), "missing missing missing");
    for (set, want) in [
        (&[][..], "no no no"),
        (&["NSS_WRAPPER_PASSWD"], "no no no"),
        (&["NSS_WRAPPER_GROUP"], "no no no"),
        (&["NSS_WRAPPER_PASSWD", "NSS_WRAPPER_GROUP"], "yes no no"),
        (&["NSS_WRAPPER_PASSWD", "NSS_WRAPPER_GROUP", "NSS_WRAPPER_SHADOW"], "yes yes no"),
        (&["NSS_WRAPPER_SHADOW"], "no yes no"),
        (&["NSS_WRAPPER_HOSTS"], "no no yes"),
    ] {
        assert_eq!(ask(library().to_owned(), set), want, "{set:?}");
        assert_eq!(ask(peer(), set), want, "{set:?}, the peer");
    }
}
