//! An enumeration walks one snapshot, whatever happens to the file meanwhile.

use std::fs;
use std::path::Path;

use crate::support::session::Session;

/// `first` and the ids that follow it, `count` of them.
fn users(first: u32, count: u32) -> Vec<String> {
    (first..first + count).map(|id| format!("u{id}:x:{id}:1:::")).collect()
}

fn groups(first: u32, count: u32) -> Vec<String> {
    (first..first + count).map(|id| format!("g{id}:x:{id}:bob")).collect()
}

/// Puts the lines where the file was, by rename or in place.
fn write(path: &Path, lines: &[String], in_place: bool) {
    let text = lines.join("\n") + "\n";
    if in_place {
        fs::write(path, text).expect("written");
    } else {
        let new = path.with_extension("new");
        fs::write(&new, text).expect("written");
        fs::rename(&new, path).expect("renamed");
    }
}

#[test]
fn an_enumeration_goes_on_in_the_old_content_and_a_new_one_sees_the_new() {
    for in_place in [false, true] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (passwd, group) = (dir.path().join("passwd"), dir.path().join("group"));
        write(&passwd, &users(100, 5), in_place);
        write(&group, &groups(100, 5), in_place);
        let mut session = Session::with(&passwd, &group);
        for (old, first) in users(100, 5).iter().zip(200..) {
            assert_eq!(session.ask("next users"), *old);
            // Rewritten at each step, to longer and shorter files; lookups see it at once.
            write(&passwd, &users(first, 220 - first), in_place);
            assert_eq!(session.ask(&format!("user {first}")), users(first, 1)[0]);
            assert_eq!(session.ask("user u100"), "none");
        }
        assert_eq!(session.ask("next users"), "none");
        assert_eq!(session.ask("next users"), "none");
        // setpwent, or endpwent and going on, begins anew, in what the file holds now.
        assert_eq!(session.ask("set users"), "done");
        assert_eq!(session.ask("next users"), users(204, 1)[0]);
        write(&passwd, &users(300, 1), in_place);
        assert_eq!(session.ask("next users"), users(205, 1)[0]);
        assert_eq!(session.ask("end users"), "done");
        assert_eq!(session.ask("next users"), users(300, 1)[0]);
        assert_eq!(session.ask("next users"), "none");
        // The file is gone in the middle.
        assert_eq!(session.ask("set groups"), "done");
        assert_eq!(session.ask("next groups"), groups(100, 1)[0]);
        fs::remove_file(&group).expect("removed");
        assert_eq!(session.ask("group 101"), "none");
        assert_eq!(session.ask("next groups"), groups(101, 1)[0]);
        assert_eq!(session.ask("set groups"), "done");
        assert_eq!(session.ask("next groups"), "none");
        assert_eq!(session.end().len(), 1, "the group file is missing");
    }
}

#[test]
fn two_enumerations_and_lookups_do_not_disturb_each_other() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (passwd, group) = (dir.path().join("passwd"), dir.path().join("group"));
    write(&passwd, &users(100, 50), true);
    write(&group, &groups(500, 50), true);
    let mut session = Session::with(&passwd, &group);
    for (user, group) in users(100, 50).iter().zip(&groups(500, 50)) {
        assert_eq!(session.ask("next users"), *user);
        assert_eq!(session.ask("user 100"), users(100, 1)[0]);
        assert_eq!(session.ask("next groups"), *group);
        assert_eq!(session.ask("group g549"), groups(549, 1)[0]);
        assert_eq!(session.ask("memberships bob").split(' ').count(), 51);
        assert_eq!(session.ask("user nosuch"), "none");
        assert_eq!(session.ask("threads u149"), "8");
    }
    assert_eq!(session.ask("next users"), "none");
    assert_eq!(session.ask("next groups"), "none");
    // A child of fork goes on where its parent stood, and does not move it.
    assert_eq!(session.ask("set users"), "done");
    assert_eq!(session.ask("fork next users"), users(100, 1)[0]);
    assert_eq!(session.ask("next users"), users(100, 1)[0]);
    assert_eq!(session.ask("fork next users"), users(101, 1)[0]);
    assert_eq!(session.end(), [""; 0]);
}

/// As glibc has it, threads share the enumeration: each row goes to one of them.
#[test]
fn threads_that_enumerate_together_get_each_row_once() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (passwd, group) = (dir.path().join("passwd"), dir.path().join("group"));
    write(&passwd, &users(1, 2000), true);
    write(&group, &groups(1, 2000), true);
    let mut session = Session::with(&passwd, &group);
    for _ in 0..20 {
        // Begun by all at once.
        assert_eq!(session.ask("share users"), "2000 rows, 2000 different");
        assert_eq!(session.ask("share groups"), "2000 rows, 2000 different");
    }
}
