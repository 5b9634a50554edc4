//! `<pwd.h>`: every function, from a file of its own, and from libc where none is set.

use std::path::{Path, PathBuf};

use crate::support::session::Session;
use crate::support::{file, peer, probe, stdout, under, wrapped};
use tempfile::TempDir;

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/bash
bob:x:1000:100:Bob, B.:/home/bob:/bin/sh
ann:*:1001:100::/home/ann:
bob:x:1002:100:second::
alias:x:1000:5:::
";

fn passwd() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = file(dir.path(), "passwd", PASSWD);
    (dir, path)
}

/// The lines of what the probe `calls` says about one database.
fn about(database: &str, said: &str) -> String {
    said.lines().filter(|line| line.starts_with(database)).map(|line| format!("{line}\n")).collect()
}

#[test]
fn every_function_answers_from_the_file_and_leaves_errno_alone() {
    let (_dir, path) = passwd();
    let keys = ["bob", "1000", "ann", "1002", "nosuch", "4294967295"];
    let said = stdout(wrapped(probe("calls"), &*path, None).args(keys));
    let bob = "bob:x:1000:100:Bob, B.:/home/bob:/bin/sh";
    let second = "bob:x:1002:100:second::";
    let mut want = format!(
        "passwd getpwnam(bob) {bob}\npasswd getpwnam_r(bob) 0 {bob}\n\
         passwd getpwuid(1000) {bob}\npasswd getpwuid_r(1000) 0 {bob}\n\
         passwd getpwnam(ann) ann:*:1001:100::/home/ann:\n\
         passwd getpwnam_r(ann) 0 ann:*:1001:100::/home/ann:\n\
         passwd getpwuid(1002) {second}\npasswd getpwuid_r(1002) 0 {second}\n\
         passwd getpwnam(nosuch) none\npasswd getpwnam_r(nosuch) 0 none\n\
         passwd getpwuid(4294967295) none\npasswd getpwuid_r(4294967295) 0 none\n\
         passwd getpwent, not begun root:x:0:0:root:/root:/bin/bash\n\
         passwd getpwent, begun root:x:0:0:root:/root:/bin/bash\n\
         passwd getpwent, second {bob}\n"
    );
    for line in PASSWD.lines() {
        want += &format!("passwd getpwent {line}\n");
    }
    want += "passwd getpwent none\npasswd getpwent, after the end none\npasswd setpwent\n";
    for line in PASSWD.lines() {
        want += &format!("passwd getpwent_r 0 {line}\n");
    }
    want += &format!("passwd getpwent_r {} none\npasswd endpwent\n", libc::ENOENT);
    assert_eq!(about("passwd", &said), want);
}

#[test]
fn without_variables_every_call_is_libcs() {
    let keys = ["root", "0", "daemon", "1", "nobody", "nosuch", "10000"];
    let alone = stdout(under("", probe("calls")).args(keys));
    assert!(alone.contains("passwd getpwnam(root) root:"), "{alone}");
    assert!(alone.contains("group getgrouplist(root, 7, room for 64) "), "{alone}");
    assert_eq!(stdout(wrapped(probe("calls"), None, None).args(keys)), alone);
    // An empty value is none.
    let mut empty = wrapped(probe("calls"), None, None);
    empty.env("NSS_WRAPPER_PASSWD", "").env("NSS_WRAPPER_GROUP", "").args(keys);
    assert_eq!(stdout(&mut empty), alone);
}

#[test]
fn each_variable_switches_on_its_own_database_only() {
    let (dir, path) = passwd();
    let group = file(dir.path(), "group", "lab:x:100:bob\n");
    let keys = ["bob", "1000", "lab", "100", "root", "0"];
    let alone = stdout(under("", probe("calls")).args(keys));
    let both = stdout(wrapped(probe("calls"), &*path, &*group).args(keys));
    let users = stdout(wrapped(probe("calls"), &*path, None).args(keys));
    let groups = stdout(wrapped(probe("calls"), None, &*group).args(keys));
    for database in ["passwd", "group"] {
        assert_ne!(about(database, &both), about(database, &alone));
    }
    assert_eq!(about("passwd", &users), about("passwd", &both));
    assert_eq!(about("group", &users), about("group", &alone));
    assert_eq!(about("group", &groups), about("group", &both));
    assert_eq!(about("passwd", &groups), about("passwd", &alone));
}

/// What the peer finds, this library finds with the same fields. (Where it finds nothing it
/// returns `ENOENT`, sets errno, and stores no null pointer.)
#[test]
fn what_the_peer_finds_is_found_with_the_same_fields() {
    let (dir, path) = passwd();
    let group = file(dir.path(), "group", "wheel:x:0:\nlab:x:100:bob,ann\nclub:*:200:bob\n");
    let keys = ["root", "0", "bob", "1000", "1002", "ann", "lab", "100", "club", "200"];
    let ours = stdout(wrapped(probe("calls"), &*path, &*group).args(keys));
    let mut command = under(peer(), probe("calls"));
    command.env("NSS_WRAPPER_PASSWD", &path).env("NSS_WRAPPER_GROUP", &group).args(keys);
    let theirs = stdout(&mut command);
    assert_eq!(ours.lines().count(), theirs.lines().count());
    let mut equal = 0;
    for (our, their) in ours.lines().zip(theirs.lines()) {
        let found = !their.contains("none") && !their.contains("left alone");
        // Its getgrouplist stores nothing when the room is short, and disturbs errno.
        if found && !their.contains(" -1 of ") {
            assert_eq!(our, their.trim_end_matches(" errno 2"));
            equal += 1;
        }
    }
    assert!(equal > 40, "{theirs}");
}

/// It is the one that the program had at its first lookup.
#[test]
fn a_relative_path_stays_in_the_working_directory() {
    let (dir, path) = passwd();
    let mut command = wrapped(probe("ask"), Path::new("passwd"), Path::new("./group"));
    let mut session = Session::new(command.current_dir(dir.path()));
    file(dir.path(), "group", "lab:x:5:bob\n");
    assert_eq!(session.ask("user 1001"), "ann:*:1001:100::/home/ann:");
    assert_eq!(session.ask("chdir /"), "done");
    assert_eq!(session.ask("user 1001"), "ann:*:1001:100::/home/ann:");
    assert_eq!(session.ask("group lab"), "lab:x:5:bob");
    std::fs::write(path, "carl:x:1001:1:::\n").expect("written");
    assert_eq!(session.ask("user 1001"), "carl:x:1001:1:::");
    assert_eq!(session.end(), [""; 0]);
}
