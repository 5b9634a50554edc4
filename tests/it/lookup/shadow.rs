//! `NSS_WRAPPER_SHADOW`. `buffers` tests short buffers.

use std::path::Path;
use std::process::Command;

use crate::support::ask::{answers, answers_and_log, ask, expect, word};
use crate::support::{file, library, peer, probe, root, run, stdout, under};

const GOOD: &str = "root:*:19000:0:99999:7:::\n\
                    bob:$6$salt$hash:19001:1:90:7:30:20000:5\n\
                    old:!:1:2:3:\n\
                    empty::::::::\n";

fn shadow(path: &Path) -> Command {
    let mut command = ask();
    command.env("NSS_WRAPPER_SHADOW", path);
    command
}

/// All entries, by getspent and by getspent_r.
fn all(path: &Path) -> String {
    let said = answers(&mut shadow(path), &["all getspent", "setspent", "all getspent_r"]);
    assert_eq!(said[0], said[2]);
    said[0].clone()
}

/// The entries that glibc's own parser finds in the same file, without the library.
fn of_glibc(path: &Path) -> String {
    answers(&mut under("", probe("ask")), &[format!("fgetspent {}", path.display())]).concat()
}

#[test]
fn entries_are_found_and_listed_with_every_field() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = file(dir.path(), "shadow", GOOD);
    let want = [
        "root:*:19000:0:99999:7:-1:-1:18446744073709551615",
        "bob:$6$salt$hash:19001:1:90:7:30:20000:5",
        "old:!:1:2:3:-1:-1:-1:18446744073709551615",
        "empty::-1:-1:-1:-1:-1:-1:18446744073709551615",
    ];
    assert_eq!(all(&path).split('\t').collect::<Vec<_>>(), want);
    assert_eq!(all(&path), of_glibc(&path));
    for (name, want) in [("bob", want[1]), ("nobody there", "none"), ("old", want[2]), ("", "none")]
    {
        let name = word(name);
        let questions = [format!("getspnam {name}"), format!("getspnam_r {name}")];
        expect(&mut shadow(&path), &questions.map(|question| (question, want)));
    }
    let mut getent = under(library(), "getent");
    getent.args(["shadow", "bob"]).env("NSS_WRAPPER_SHADOW", &path);
    assert_eq!(stdout(&mut getent), "bob:$6$salt$hash:19001:1:90:7:30:20000:5\n");
}

/// All fields but the flag, which the peer does not read and leaves 0. The peer has no `getspnam_r`, and
/// takes only lines with all fields.
#[test]
fn the_peer_finds_the_same() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path =
        file(dir.path(), "shadow", "root:*:19000:0:99999:7:::\nbob:h:19001:1:90:7:30:20000:\n");
    let passwd = file(dir.path(), "passwd", "root:x:0:0:::\nbob:x:1:1:::\n");
    let group = file(dir.path(), "group", "root:x:0:\n");
    let ask = |library: &Path, key: &str| {
        let mut command = under(library, "getent");
        command
            .args(["shadow", key])
            .env("NSS_WRAPPER_SHADOW", &path)
            .env("NSS_WRAPPER_PASSWD", &passwd)
            .env("NSS_WRAPPER_GROUP", &group);
        let line = String::from_utf8_lossy(&run(&mut command).stdout).into_owned();
        line.rsplit_once(':').map(|(fields, _flag)| fields.to_owned())
    };
    assert!(ask(library(), "bob").is_some());
    for key in ["root", "bob", "none"] {
        assert_eq!(ask(library(), key), ask(&peer(), key), "{key}");
    }
}

#[test]
fn odd_lines_are_read_as_glibc_reads_them() {
    let mut lines: Vec<Vec<u8>> = [
        "a:b:1:2:3:4:5:6:7",
        "a:b:1:2:3:4:5:6:",
        "a:b:1:2:3:4:5:6",
        "a:b:1:2:3:4:5",
        "a:b:1:2:3:4:",
        "a:b:1:2:3:",
        "a:b:1:2:3",
        "a:b:1:2:",
        "a:b:1:2",
        "a:b:",
        "a:b",
        "a",
        ":b:1:2:3:::::",
        "a:b:-1:-2:-3:-4:-5:-6:-7",
        "a:b:99999999999:4294967295:4294967296:2147483648:2147483647:00:18446744073709551616",
        "a:b:1:2:3: :5:6:7",
        "a:b:1:2:3: 4:5:6:7",
        "a:b:1:2:3:   ",
        "a:b: 1:\t2:+3:4:5:6:7",
        "a:b:x:::::::",
        "a:b:::::::x",
        "a:b:1 :::::::",
        "a:b:::::::7:",
        "  a:b:::::::",
        "# a:b:::::::",
        "",
        "   ",
        "a:b:::::::\r",
        "a:b::::\r",
        "a:b::::::::",
        "a b:c d:1:2:3:4:5:6:7",
    ]
    .map(|line| line.as_bytes().to_vec())
    .to_vec();
    // Pseudo-random lines, the same ones in each run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let alphabet = b":::::::::11112290 -+x";
    for _ in 0..5000 {
        let mut line = b"u:p:".to_vec();
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            line.push(alphabet[(state >> 33) as usize % alphabet.len()]);
        }
        lines.push(line);
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = file(dir.path(), "shadow", lines.join(&b'\n'));
    let ours = all(&path);
    assert!(ours.split('\t').count() > 100, "{ours}");
    assert_eq!(ours, of_glibc(&path));
}

#[test]
fn bad_lines_are_reported_and_a_missing_file_too() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = file(dir.path(), "shadow", "good:x:1:2:3::::\nbad:x:one:2:3::::\n");
    let questions = ["getspnam good", "getspnam_r bad", "getspnam good"];
    let (_, log) = answers_and_log(&mut shadow(&path), &questions);
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("shadow:2: the date of the last change is not a number"), "{log}");
    let mut none = shadow(&root().join("tests/none"));
    let (said, log) = answers_and_log(&mut none, &["getspnam good", "getspnam_r bad"]);
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("tests/none': No such file or directory"), "{log}");
    assert_eq!(said, ["none", "none"]);
}
