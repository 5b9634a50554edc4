//! Files that a process can no longer reach, after chroot(2) or setuid(2). It has read them before, and still
//! answers from its snapshot. A file that was deleted no longer answers.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::scene::is_root;
use crate::support::{file, library, peer, probe, stdout, under};
use tempfile::TempDir;

/// How many lookups the process makes before: one, or enough for all that the library does only for a process with
/// many lookups.
const LOOKUPS: [&str; 2] = ["1", "40"];

/// `None` if the tests do not run as root.
fn files() -> Option<TempDir> {
    if !is_root() {
        eprintln!("skipped: only root can drop its root and its rights");
        return None;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).expect("the directory is ours");
    fs::create_dir(dir.path().join("jail")).expect("the directory is ours");
    file(dir.path(), "passwd", "bob:x:4242:77::/home/bob:/bin/sh\n");
    file(dir.path(), "other", "bob:x:4243:77::/home/other:/bin/sh\n");
    file(dir.path(), "group", "lab:x:77:bob\n");
    file(dir.path(), "shadow", "bob:secret:19000:0:99999:7:::\n");
    file(dir.path(), "hosts", "127.0.0.9 db.test\n");
    Some(dir)
}

fn dropped(library: &Path, dir: &Path, how: &str, lookups: &str) -> String {
    let mut command: Command = under(library, probe("dropped"));
    command.arg(dir).args([how, lookups]);
    for (name, file) in
        [("PASSWD", "passwd"), ("GROUP", "group"), ("SHADOW", "shadow"), ("HOSTS", "hosts")]
    {
        command.env(format!("NSS_WRAPPER_{name}"), dir.join(file));
    }
    stdout(&mut command)
}

/// What the probe prints if it gets the same answer everywhere.
fn everywhere(answer: &str) -> String {
    ["first", "second", "thread", "child", "later"].map(|who| format!("{who}: {answer}\n")).concat()
}

const FOUND: &str = "/home/bob bob bob secret db.test 2";
const NONE: &str = "none none none none none 1";

/// Asserts what the process answers, with files that were written just now, and with older ones.
#[track_caller]
fn answers(how: &str, want: &str) {
    let mut faults = Vec::new();
    for rest in [Duration::ZERO, Duration::from_millis(300)] {
        for lookups in LOOKUPS {
            let Some(dir) = files() else { return };
            std::thread::sleep(rest);
            let said = dropped(library(), dir.path(), how, lookups);
            if said != everywhere(want) {
                faults.push(format!("{how}, {lookups} lookups, {rest:?} old:\n{said}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_process_that_has_changed_its_root_still_answers() {
    answers("chroot", FOUND);
}

#[test]
fn a_process_that_may_not_search_the_directory_any_more_still_answers() {
    answers("setuid", FOUND);
}

#[test]
fn a_deleted_file_no_longer_answers() {
    answers("delete", NONE);
}

#[test]
fn a_file_that_is_mounted_over_the_path_is_seen_with_the_clocks_next_tick() {
    answers("bind", "/home/other none bob secret db.test 2");
}

#[test]
fn the_peer_never_sees_a_file_that_is_mounted_over_the_path() {
    let Some(dir) = files() else { return };
    let said = dropped(&peer(), dir.path(), "bind", "1");
    assert_eq!(said, everywhere("/home/bob bob bob none db.test 2"));
}

#[test]
fn the_peer_answers_after_a_change_of_root() {
    let Some(dir) = files() else { return };
    let said = dropped(&peer(), dir.path(), "chroot", "1");
    // The peer has no getspnam_r, and newer libcs say that their file is not there.
    let said = said.replace("No such file or directory", "none");
    assert_eq!(said, everywhere("/home/bob bob bob none db.test 2"));
}

/// The process that deletes the files is another one, which still sees them.
#[test]
fn a_file_that_is_deleted_after_chroot_no_longer_answers() {
    answers("gone", NONE);
}
