//! The groups of a user: getgrouplist(3) and initgroups(3).

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::ask::{answers, ask, expect};
use crate::support::{file, library, peer, probe, uid_wrapper, under};
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
fn getgrouplist_stores_what_fits_and_the_total_with_no_group_twice() {
    let (_dir, path) = group();
    // The group `own` has the id 7, which the caller gives, and `many` has that of `lab`.
    let pairs = [
        ("getgrouplist bob 7 64", "3 of 3: 7 100 200"),
        ("getgrouplist bob 7 3", "3 of 3: 7 100 200"),
        ("getgrouplist bob 7 2", "-1 of 3: 7 100"),
        ("getgrouplist bob 7 1", "-1 of 3: 7"),
        ("getgrouplist bob 7 0", "-1 of 3:"),
        ("getgrouplist bobb 7 64", "1 of 1: 7"),
        ("getgrouplist bobb 7 3", "1 of 1: 7"),
        ("getgrouplist bobb 7 2", "1 of 1: 7"),
        ("getgrouplist bobb 7 1", "1 of 1: 7"),
        ("getgrouplist bobb 7 0", "-1 of 1:"),
        ("getgrouplist ann 7 64", "2 of 2: 7 100"),
        ("getgrouplist ann 7 3", "2 of 2: 7 100"),
        ("getgrouplist ann 7 2", "2 of 2: 7 100"),
        ("getgrouplist ann 7 1", "-1 of 2: 7"),
        ("getgrouplist ann 7 0", "-1 of 2:"),
        ("getgrouplist nosuch 7 64", "1 of 1: 7"),
        ("getgrouplist nosuch 7 3", "1 of 1: 7"),
        ("getgrouplist nosuch 7 2", "1 of 1: 7"),
        ("getgrouplist nosuch 7 1", "1 of 1: 7"),
        ("getgrouplist nosuch 7 0", "-1 of 1:"),
    ];
    expect(ask().env("NSS_WRAPPER_GROUP", path), &pairs);
}

/// The probe under several libraries, in the order given.
fn under_both(libraries: &[PathBuf], group: &Path) -> Command {
    let list: Vec<_> = libraries.iter().map(|path| path.to_str().expect("ASCII")).collect();
    let mut command = under(list.join(":"), probe("ask"));
    command.env("NSS_WRAPPER_GROUP", group);
    command
}

#[test]
fn initgroups_sets_uid_wrappers_groups() {
    let (dir, path) = group();
    let passwd = file(dir.path(), "passwd", "bob:x:1000:7:::\n");
    let ours = library().to_owned();
    let questions = ["initgroups bob 7", "getgroups"];
    for libraries in [[ours.clone(), uid_wrapper()], [uid_wrapper(), ours]] {
        let mut command = under_both(&libraries, &path);
        command.env("UID_WRAPPER", "1").env("UID_WRAPPER_ROOT", "1");
        assert_eq!(answers(&mut command, &questions), ["0", "7 100 200"]);
    }
    // The peer has a group twice, does not find a member behind a blank, and changes errno.
    let mut command = under_both(&[peer(), uid_wrapper()], &path);
    command.env("UID_WRAPPER", "1").env("UID_WRAPPER_ROOT", "1").env("NSS_WRAPPER_PASSWD", passwd);
    let [rc, groups] = &answers(&mut command, &questions)[..] else { unreachable!("two answers") };
    assert!(rc.starts_with("0 errno "), "{rc}");
    assert_eq!(groups, "7 100 100");
}
