//! An enumeration gives the rows of one snapshot, whatever happens to the file meanwhile.

use std::fs;
use std::path::Path;

use crate::support::ask::Session;
use crate::support::{PYTHON, file, stdout, wrapped};

/// Lines of `count` users, whose ids begin with `first`.
fn users(first: u32, count: u32) -> Vec<String> {
    (first..first + count).map(|id| format!("u{id}:x:{id}:1:::")).collect()
}

fn groups(first: u32, count: u32) -> Vec<String> {
    (first..first + count).map(|id| format!("g{id}:x:{id}:bob")).collect()
}

/// Writes the lines to the file, in place or by rename(2).
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
            assert_eq!(session.ask("getpwent"), *old);
            // The file is rewritten after each row, longer or shorter. Lookups see that at once.
            write(&passwd, &users(first, 220 - first), in_place);
            assert_eq!(session.ask(&format!("getpwuid {first}")), users(first, 1)[0]);
            assert_eq!(session.ask("getpwnam u100"), "none");
        }
        assert_eq!(session.ask("getpwent"), "none");
        assert_eq!(session.ask("getpwent"), "none");
        // After setpwent or endpwent an enumeration begins again, in what the file holds now.
        assert_eq!(session.ask("setpwent"), "done");
        assert_eq!(session.ask("getpwent"), users(204, 1)[0]);
        write(&passwd, &users(300, 1), in_place);
        assert_eq!(session.ask("getpwent"), users(205, 1)[0]);
        assert_eq!(session.ask("endpwent"), "done");
        assert_eq!(session.ask("getpwent"), users(300, 1)[0]);
        assert_eq!(session.ask("getpwent"), "none");
        // The file is removed during an enumeration.
        assert_eq!(session.ask("setgrent"), "done");
        assert_eq!(session.ask("getgrent"), groups(100, 1)[0]);
        fs::remove_file(&group).expect("removed");
        assert_eq!(session.ask("getgrgid 101"), "none");
        assert_eq!(session.ask("getgrent"), groups(101, 1)[0]);
        assert_eq!(session.ask("setgrent"), "done");
        assert_eq!(session.ask("getgrent"), "none");
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
        assert_eq!(session.ask("getpwent"), *user);
        assert_eq!(session.ask("getpwuid 100"), users(100, 1)[0]);
        assert_eq!(session.ask("getgrent"), *group);
        assert_eq!(session.ask("getgrnam g549"), groups(549, 1)[0]);
        assert_eq!(session.ask("getgrouplist bob 7").split(' ').count(), 54);
        assert_eq!(session.ask("getpwnam nosuch"), "none");
        assert_eq!(session.ask("threads 8 50 getpwnam_r u149"), users(149, 1)[0]);
    }
    assert_eq!(session.ask("getpwent"), "none");
    assert_eq!(session.ask("getgrent"), "none");
    // A child of fork(2) goes on where its parent stood, and does not move the parent's enumeration.
    assert_eq!(session.ask("setpwent"), "done");
    assert_eq!(session.ask("fork getpwent"), users(100, 1)[0]);
    assert_eq!(session.ask("getpwent"), users(100, 1)[0]);
    assert_eq!(session.ask("fork getpwent"), users(101, 1)[0]);
    assert_eq!(session.end(), [""; 0]);
}

/// As in glibc threads share the enumeration: each row goes to one of them.
#[test]
fn threads_that_enumerate_together_get_each_row_once() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (passwd, group) = (dir.path().join("passwd"), dir.path().join("group"));
    write(&passwd, &users(1, 2000), true);
    write(&group, &groups(1, 2000), true);
    let mut session = Session::with(&passwd, &group);
    for _ in 0..20 {
        // Then all threads begin the enumeration at once.
        assert_eq!(session.ask("endpwent; endgrent"), "done; done");
        assert_eq!(session.ask("share getpwent_r"), "2000 rows, 2000 different");
        assert_eq!(session.ask("share getgrent_r"), "2000 rows, 2000 different");
    }
}

/// setpwent(3) cannot report an error, and the rows of the enumeration before it would be taken for those of the new one.
#[test]
fn after_a_failed_beginning_the_next_row_is_the_first_or_an_error() {
    let script = r#"
import ctypes, os, resource, sys
libc = ctypes.CDLL(None, use_errno=True)
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
class Row(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p)]
def limit(soft):
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
for kind, path in [("pw", sys.argv[1]), ("gr", sys.argv[2]), ("sp", sys.argv[3])]:
    row = getattr(libc, f"get{kind}ent")
    row.restype = ctypes.POINTER(Row)
    getattr(libc, f"set{kind}ent")()
    first = row().contents.name
    text = open(path).read()
    with open(path, "w") as file:
        file.write(text.replace("x", "y"))
    limit(3)
    getattr(libc, f"set{kind}ent")()
    ctypes.set_errno(0)
    without = bool(row()), os.strerror(ctypes.get_errno())
    limit(hard)
    print(first.decode(), without, row().contents.name.decode())
"#;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let passwd = file(dir.path(), "passwd", "a:x:1:1:::\nb:x:2:2:::\n");
    let group = file(dir.path(), "group", "a:x:1:\nb:x:2:\n");
    let shadow = file(dir.path(), "shadow", "a:x:1:1:1::::\nb:x:1:1:1::::\n");
    let mut command = wrapped(PYTHON, &*passwd, &*group);
    command.args(["-c", script]).args([&passwd, &group, &shadow]);
    let said = stdout(command.env("NSS_WRAPPER_SHADOW", &shadow));
    assert_eq!(said, "a (False, 'Too many open files') a\n".repeat(3));
}
