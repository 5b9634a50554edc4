//! `NSS_WRAPPER_SHADOW`.

use std::path::Path;
use std::process::Command;

use crate::support::{file, library, peer, probe, root, run, stdout, under};

const GOOD: &str = "root:*:19000:0:99999:7:::\n\
                    bob:$6$salt$hash:19001:1:90:7:30:20000:5\n\
                    old:!:1:2:3:\n\
                    empty::::::::\n";

fn shadow(path: &Path, args: &[&str]) -> Command {
    let mut command = under(library(), probe("shadow"));
    command.args(args).env("NSS_WRAPPER_SHADOW", path);
    command
}

/// What glibc makes of the same bytes, without the library.
fn of_glibc(path: &Path) -> String {
    stdout(Command::new(probe("shadow")).arg("fget").arg(path))
}

#[test]
fn entries_are_found_and_listed_with_every_field() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = file(dir.path(), "shadow", GOOD);
    let all = stdout(&mut shadow(&path, &["list"]));
    assert_eq!(
        all,
        "root:*:19000:0:99999:7:-1:-1:18446744073709551615\n\
         bob:$6$salt$hash:19001:1:90:7:30:20000:5\n\
         old:!:1:2:3:-1:-1:-1:18446744073709551615\n\
         empty::-1:-1:-1:-1:-1:-1:18446744073709551615\n"
    );
    assert_eq!(all, of_glibc(&path));
    let names = stdout(&mut shadow(&path, &["names", "bob", "nobody there", "old", ""]));
    let line = |at: usize| all.lines().nth(at).expect("four lines");
    assert_eq!(names.lines().collect::<Vec<_>>(), [line(1), "-", line(2), "-"]);
    let mut getent = under(library(), "getent");
    getent.args(["shadow", "bob"]).env("NSS_WRAPPER_SHADOW", &path);
    assert_eq!(stdout(&mut getent), "bob:$6$salt$hash:19001:1:90:7:30:20000:5\n");
}

/// But for the flag, which the peer does not read and leaves 0. It has no `getspnam_r`, and takes
/// only lines with all fields.
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
    // More of the same, by a generator that always gives the same.
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
    let ours = stdout(&mut shadow(&path, &["list"]));
    assert!(ours.lines().count() > 100, "{ours}");
    assert_eq!(ours, of_glibc(&path));
}

#[test]
fn every_short_buffer_is_refused_and_no_byte_outside_is_touched() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = file(dir.path(), "shadow", "bob:$6$salt$hash:19001:1:90:7:30:20000:5\n");
    assert_eq!(stdout(&mut shadow(&path, &["buffers"])), "ok\n");
}

#[test]
fn bad_lines_are_reported_and_a_missing_file_too() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = file(dir.path(), "shadow", "good:x:1:2:3::::\nbad:x:one:2:3::::\n");
    let out = run(&mut shadow(&path, &["names", "good", "bad", "good"]));
    let log = String::from_utf8_lossy(&out.stderr);
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("shadow:2: the date of the last change is not a number"), "{log}");
    let none = run(&mut shadow(&root().join("tests/none"), &["names", "good", "bad"]));
    let log = String::from_utf8_lossy(&none.stderr);
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("tests/none': No such file or directory"), "{log}");
    assert_eq!(none.stdout, b"-\n-\n");
}
