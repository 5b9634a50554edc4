//! Malformed lines are reported, the other lines of the file still answer, and nobody becomes root.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::ask::Session;
use crate::support::{file, peer, probe, stdout, under, wrapped};
use tempfile::TempDir;

fn scene() -> (TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (passwd, group) = (dir.path().join("passwd"), dir.path().join("group"));
    (dir, passwd, group)
}

/// Files for either database, from well-formed to nonsense.
fn odd_files() -> Vec<Vec<u8>> {
    let long = |head: &str, tail: &str| [head, &"x".repeat(1 << 20), tail].concat();
    let mut files: Vec<Vec<u8>> = [
        "",
        "\n",
        "root:x:0:0:root:/root:/bin/bash\nbob:x:1000:100:Bob, B.:/home/bob:/bin/sh\n",
        "wheel:x:0:\nlab:x:100:bob,ann\nclub:*:200: bob,,ann ,\nmany:x:100:bob\nnone:x:3",
        "# comment\n \t # comment\n\n  \n\t\r\na:x:1:1:::\n#b:x:2:2:::\n c:x:3:3:::\n",
        "crlf:x:1:2:g:/h:/s\r\ncrlf2:x:2:2:a,b\r\nlab:x:4\r\n\r\n",
        "last:x:5:5:no newline:/h:/s",
        "a:x:-1:1:::\nb:x:4294967296:1:::\nc:x:abc:1:::\nd:x::1:::\ne:x:1a:1:::\nz:x:9:9:::\n",
        "a:x:4294967295:4294967295:::\nb:x:4294967294:4294967294:::\nz:x:9:9:::\n",
        "a:x:18446744073709551616:1:::\nb:x:-18446744073709551615:-18446744073709551614:::\n",
        "a:x:00012:+13:::\nb:x: 14: 15:::\nc:x:\t+7:8:::\nd:x:-0:5:::\ne:x:0x10:5:::\n",
        "a\nb:x\nc:x:\nd:x:1\ne:x:1:\nf:x:1:2\ng:x:1:2:\nh:x:1:2:3:4:5:6:7\n:x:1:1:::\n:\n::::::\n",
        "+\n-\n+:x:0:0:::\n-bob:x:1:1:::\n+@net::::::\n+bob::::::\nz:x:9:9:a,b\n",
        "a:x:1:1:::\na:x:2:2:::\nb:x:1:3:::\nA:x:1:1:::\n a:x:5:5:::\n",
        "g:x:1:a,b,c,,,d\nh:x:2:, ,\ni:x:3:a b , c\nj:x:4:a:b,c:d\nk:x:5:a,a,a\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    files.push(
        b"a:x:1:1:::\nnul:x:2:2:\0::\nb:x:3:3:::\n\0\nc\0:x:4:4:::\n\0c:x:4:4:::\nd:x:5:5:a\0"
            .to_vec(),
    );
    files.push(b"caf\xc3\xa9:x:1:1:\xff\xfe:/\x80:\x1b[31m\n\x7f:x:2:2:::\n".to_vec());
    files.push(long("a:x:1:1:::\nlong:x:2:2:", ":/h:/s\nb:x:3:3:::\n").into_bytes());
    files.push(long("a:x:1:1:::\nlong", ":x:2:2:::\n").into_bytes());
    files.push(long("a:x:1:1:::\n# ", "\nb:x:3:3:::\n").into_bytes());
    files.push(long("a:x:1:1:::\n", "\nb:x:3:3:::").into_bytes());
    let members: Vec<String> = (0..20_000).map(|i| format!("member{i}")).collect();
    files.push(format!("a:x:1:1:::\nbig:x:7:{}\nb:x:3:3:::\n", members.join(",")).into_bytes());
    files
}

/// Every odd file, and thousands of mutations of them, give what glibc's `fgetpwent_r` and
/// `fgetgrent_r` find. The exceptions are lines with a NUL byte and names that start with + or -.
#[test]
fn what_glibc_accepts_is_accepted_with_equal_fields_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let files: Vec<PathBuf> = odd_files()
        .iter()
        .enumerate()
        .map(|(i, bytes)| file(dir.path(), &format!("odd{i}"), bytes))
        .collect();
    for database in ["passwd", "group"] {
        let path = dir.path().join(database);
        let mut command = wrapped(probe("input"), None, None);
        command.arg(&path).args([database, "3000", "20261124"]).args(&files);
        let said = stdout(&mut command);
        let counts: Vec<u64> = said.split(' ').filter_map(|word| word.parse().ok()).collect();
        assert!(counts[0] > 2500 && counts[1] > 3000, "{database}: {said}");
    }
}

#[test]
fn the_good_lines_answer_and_nobody_becomes_root() {
    let (_dir, passwd, group) = scene();
    let ids = [
        "-1",
        "4294967296",
        "18446744073709551616",
        "abc",
        "",
        "0x0",
        "1 ",
        "99999999999999999999",
    ];
    let mut text = String::from("first:x:1:1:::\n");
    for (i, id) in ids.iter().enumerate() {
        text += &format!("u{i}:x:{id}:1:::\ng{i}:x:1:{id}:::\n");
    }
    text += "+:x:0:0:::\n+root:x:0:0:::\n-::::::\nlast:x:2:2:::";
    fs::write(&passwd, text).expect("written");
    let mut text = String::from("first:x:1:\n");
    for (i, id) in ids.iter().enumerate() {
        text += &format!("u{i}:x:{id}:first\n");
    }
    // The last field may be missing, as in glibc.
    text += "+:x:0:\n-x:x:0:first\nshort:x:3\nlast:x:2:first,bob";
    fs::write(&group, text).expect("written");

    let mut session = Session::with(&passwd, &group);
    assert_eq!(session.users(), "first last");
    assert_eq!(session.groups(), "first short last");
    assert_eq!(session.ask("getpwnam last"), "last:x:2:2:::");
    assert_eq!(session.ask("getgrnam short"), "short:x:3:");
    assert_eq!(session.ask("getgrouplist first 7"), "2 of 2: 7 2");
    for id in ["0", "4294967295"] {
        assert_eq!(session.ask(&format!("getpwuid {id}")), "none");
        assert_eq!(session.ask(&format!("getgrgid {id}")), "none");
    }
    for i in 0..ids.len() {
        assert_eq!(session.ask(&format!("getpwnam u{i}")), "none");
        assert_eq!(session.ask(&format!("getpwnam g{i}")), "none");
        assert_eq!(session.ask(&format!("getgrnam u{i}")), "none");
    }
    let reports = session.end();
    assert_eq!(reports.len(), 3 * ids.len() + 5, "{reports:#?}");
}

#[test]
fn each_bad_line_is_reported_once_for_each_version_with_path_line_and_reason() {
    let (_dir, passwd, group) = scene();
    fs::write(&passwd, "# comment\n\nbob:x:1:1:::\nbad\nabc:x:abc:1:::\nn\0l:x:1:1:::\n+nis\n")
        .expect("written");
    fs::write(&group, "bob:x:1:\n  \nbad:x\nn:x:-1:\n").expect("written");
    let mut session = Session::with(&passwd, &group);
    // Lookups by search and by index, enumerations, threads, and a child; before and after the clock's next tick.
    for _ in 0..40 {
        assert_eq!(session.ask("getpwnam bob"), "bob:x:1:1:::");
        assert_eq!(session.ask("getpwuid 2"), "none");
        assert_eq!(session.users(), "bob");
        assert_eq!(session.groups(), "bob");
        assert_eq!(session.ask("getgrnam bob"), "bob:x:1:");
    }
    assert_eq!(session.ask("threads 8 50 getpwnam_r bob"), "bob:x:1:1:::");
    assert_eq!(session.ask("fork getpwnam bob"), "bob:x:1:1:::");
    // A new file with the same content is no new version.
    let same = fs::read(&passwd).expect("readable");
    fs::write(passwd.with_extension("new"), same).expect("written");
    fs::rename(passwd.with_extension("new"), &passwd).expect("renamed");
    assert_eq!(session.ask("getpwnam bob"), "bob:x:1:1:::");
    // A new version.
    fs::write(&passwd, "worse:x\nbob:x:2:1:::\n").expect("written");
    assert_eq!(session.ask("threads 8 50 getpwnam_r bob"), "bob:x:2:1:::");
    assert_eq!(session.ask("getpwnam bob"), "bob:x:2:1:::");
    let at = |path: &Path, line: u32, reason: &str| {
        let database = path.file_name().expect("a file").to_str().expect("ASCII");
        format!("{database}: {}:{line}: {reason}, line skipped", path.display())
    };
    let number = "the user id is not a number of 32 bits";
    let want = [
        at(&passwd, 4, number),
        at(&passwd, 5, number),
        at(&passwd, 6, "NUL byte"),
        at(&passwd, 7, "NIS compat entries are not supported"),
        at(&group, 3, "the group id is not a number of 32 bits"),
        at(&group, 4, "the group id is not a number of 32 bits"),
        at(&passwd, 1, number),
    ];
    assert_eq!(session.end(), want);
}

/// The threads make their first lookup at the same time.
#[test]
fn threads_report_a_bad_line_once() {
    let (_dir, passwd, group) = scene();
    fs::write(&passwd, "").expect("written");
    let mut session = Session::with(&passwd, &group);
    let versions = 1..=20;
    for version in versions.clone() {
        let text = "\n".repeat(version - 1) + "bad\nbob:x:1:1:::\n";
        fs::write(&passwd, text).expect("written");
        assert_eq!(session.ask("threads 8 50 getpwnam_r bob"), "bob:x:1:1:::");
    }
    let at = |line| {
        let path = passwd.display();
        format!("passwd: {path}:{line}: the user id is not a number of 32 bits, line skipped")
    };
    assert_eq!(session.end(), versions.map(at).collect::<Vec<_>>());
}

#[test]
fn a_missing_file_is_one_clear_error_and_works_once_it_is_there() {
    let (_dir, passwd, group) = scene();
    let mut session = Session::with(&passwd, &group);
    for _ in 0..3 {
        assert_eq!(session.ask("getpwnam bob"), "none");
        assert_eq!(session.ask("getpwuid 0"), "none");
        assert_eq!(session.users(), "");
        assert_eq!(session.ask("threads 8 50 getpwnam_r bob"), "none");
        assert_eq!(session.ask("getgrnam bob"), "none");
        assert_eq!(session.groups(), "");
        assert_eq!(session.ask("getgrouplist bob 7"), "1 of 1: 7");
    }
    fs::write(&passwd, "bob:x:1:1:::\n").expect("written");
    fs::write(&group, "lab:x:5:bob\n").expect("written");
    assert_eq!(session.ask("getpwnam bob"), "bob:x:1:1:::");
    assert_eq!(session.users(), "bob");
    assert_eq!(session.ask("getgrouplist bob 7"), "2 of 2: 7 5");
    fs::remove_file(&passwd).expect("removed");
    assert_eq!(session.ask("getpwnam bob"), "none");
    assert_eq!(session.ask("getpwnam bob"), "none");
    let missing = |path: &Path| {
        format!("load: Unable to open '{}': No such file or directory", path.display())
    };
    assert_eq!(session.end(), [missing(&passwd), missing(&group), missing(&passwd)]);
}

#[test]
fn what_is_not_a_readable_file_is_one_clear_error_and_blocks_nobody() {
    let (dir, passwd, group) = scene();
    fs::write(&group, "lab:x:5:bob\n").expect("written");
    let make = |kind: &str| {
        drop(fs::remove_file(&passwd));
        drop(fs::remove_dir(&passwd));
        match kind {
            "Is a directory" => fs::create_dir(&passwd).expect("made"),
            "Not a regular file" => {
                stdout(Command::new("mkfifo").arg(&passwd));
            }
            "Too many levels of symbolic links" => {
                std::os::unix::fs::symlink("passwd", &passwd).expect("made");
            }
            _ => unreachable!(),
        }
    };
    let kinds = ["Is a directory", "Not a regular file", "Too many levels of symbolic links"];
    for kind in kinds {
        make(kind);
        let mut session = Session::with(&passwd, &group);
        for _ in 0..3 {
            assert_eq!(session.ask("getpwnam bob"), "none");
            assert_eq!(session.users(), "");
        }
        assert_eq!(session.ask("getgrnam lab"), "lab:x:5:bob");
        let want = format!("load: Unable to open '{}': {kind}", passwd.display());
        assert_eq!(session.end(), [want]);
    }
    // A component of the path that is no directory.
    let mut session = Session::with(&group.join("passwd"), &group);
    assert_eq!(session.ask("getpwnam bob"), "none");
    assert_eq!(session.end().len(), 1);
    // Once a regular file has replaced the FIFO, it answers.
    make("Not a regular file");
    let mut session = Session::with(&passwd, &group);
    assert_eq!(session.ask("getpwnam bob"), "none");
    fs::write(dir.path().join("new"), "bob:x:1:1:::\n").expect("written");
    fs::rename(dir.path().join("new"), &passwd).expect("renamed");
    assert_eq!(session.ask("getpwnam bob"), "bob:x:1:1:::");
    assert_eq!(session.end().len(), 1);
}

/// A lookup does not wake a process that waits to write into the FIFO, and does not wait itself.
#[test]
fn a_fifo_is_not_opened() {
    let (_dir, passwd, group) = scene();
    stdout(Command::new("mkfifo").arg(&passwd));
    let path = passwd.clone();
    let writer = std::thread::spawn(move || fs::OpenOptions::new().write(true).open(path));
    // Gives the thread the time to begin to wait in open(2). If that is too short, the test passes, but shows less.
    std::thread::sleep(std::time::Duration::from_millis(100));
    let mut session = Session::with(&passwd, &group);
    for _ in 0..3 {
        assert_eq!(session.ask("getpwnam bob"), "none");
    }
    assert!(!writer.is_finished(), "a lookup has opened the FIFO");
    let reader = fs::File::open(&passwd).expect("ours");
    drop(writer.join().expect("no panic").expect("a reader is there"));
    drop(reader);
    assert_eq!(session.end().len(), 1);
}

/// Root may read every file, so the probe runs without that capability.
#[test]
fn a_file_that_may_not_be_read_is_one_clear_error_and_answers_once_it_may() {
    let (_dir, passwd, group) = scene();
    fs::write(&passwd, "bob:x:1:1:::\n").expect("written");
    fs::write(&group, "lab:x:5:bob\n").expect("written");
    let mode = |mode| {
        fs::set_permissions(&passwd, fs::Permissions::from_mode(mode)).expect("ours");
    };
    mode(0);
    let mut command = if fs::read(&passwd).is_ok() {
        let mut command = wrapped("setpriv", &*passwd, &*group);
        command.args(["--bounding-set=-dac_override,-dac_read_search", "--"]).arg(probe("ask"));
        command
    } else {
        wrapped(probe("ask"), &*passwd, &*group)
    };
    let mut session = Session::new(&mut command);
    for _ in 0..3 {
        assert_eq!(session.ask("getpwnam bob"), "none");
        assert_eq!(session.users(), "");
        assert_eq!(session.ask("getgrnam lab"), "lab:x:5:bob");
    }
    mode(0o600);
    assert_eq!(session.ask("getpwnam bob"), "bob:x:1:1:::");
    mode(0);
    assert_eq!(session.ask("getpwnam bob"), "none");
    let want = format!("load: Unable to open '{}': Permission denied", passwd.display());
    assert_eq!(session.end(), [want.clone(), want]);
}

/// `/dev/null` is the usual way to say "nobody".
#[test]
fn a_character_device_is_an_empty_file() {
    let null = Path::new("/dev/null");
    let mut session = Session::with(null, null);
    for _ in 0..30 {
        assert_eq!(session.ask("getpwnam root"), "none");
        assert_eq!(session.groups(), "");
    }
    assert_eq!(session.end(), [""; 0]);
}

#[test]
fn a_line_of_a_mebibyte_is_found_whole() {
    let (_dir, passwd, group) = scene();
    let long = "x".repeat(1 << 20);
    fs::write(&passwd, format!("a:x:1:1:::\nb:x:2:2:{long}:/b:\nc:x:3:3:::")).expect("written");
    fs::write(&group, format!("a:x:1:\nb:x:2:{long},c,{long}\nc:x:3:{long}")).expect("written");
    let mut session = Session::with(&passwd, &group);
    for key in ["nam b", "uid 2"] {
        assert!(session.ask(&format!("getpw{key}")) == format!("b:x:2:2:{long}:/b:"));
    }
    for key in ["nam b", "gid 2"] {
        assert!(session.ask(&format!("getgr{key}")) == format!("b:x:2:{long},c,{long}"));
    }
    assert_eq!(session.users(), "a b c");
    assert_eq!(session.groups(), "a b c");
    assert_eq!(session.ask("getgrouplist c 7"), "2 of 2: 7 2");
    assert_eq!(session.end(), [""; 0]);
}

#[test]
fn good_files_give_what_the_peer_gives() {
    let (_dir, passwd, group) = scene();
    fs::copy("/etc/passwd", &passwd).expect("copied");
    fs::copy("/etc/group", &group).expect("copied");
    let run = |command: &mut Command| {
        command.env("NSS_WRAPPER_PASSWD", &passwd).env("NSS_WRAPPER_GROUP", &group);
        let mut session = Session::new(command);
        let mut said = vec![session.users(), session.groups()];
        for name in said.join(" ").split_whitespace() {
            said.push(session.ask(&format!("getgrouplist {name} 7")));
        }
        for name in said[0].clone().split_whitespace() {
            said.push(session.ask(&format!("getpwnam {name}")));
        }
        for name in said[1].clone().split_whitespace() {
            said.push(session.ask(&format!("getgrnam {name}")));
        }
        for id in (0..200).chain([1000, 65534]) {
            said.push(session.ask(&format!("getpwuid {id}")));
            said.push(session.ask(&format!("getgrgid {id}")));
        }
        // The peer changes errno to ENOENT, and for a missing entry its functions with _r return ENOENT.
        let plain =
            |text: &String| text.replace(" errno ENOENT", "").replace("error ENOENT", "none");
        said.iter().map(plain).collect()
    };
    let ours: Vec<String> = run(&mut wrapped(probe("ask"), None, None));
    let theirs: Vec<String> = run(&mut under(peer(), probe("ask")));
    assert!(ours.len() > 450 && ours[0].starts_with("root "));
    assert_eq!(ours, theirs);
}
