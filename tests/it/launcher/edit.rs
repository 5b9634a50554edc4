//! `nss-wrapper --edit`, which under the name `nss_wrapper.pl` takes the place of the peer's script: it has the
//! script's options, messages, exit codes and results. Unlike the script it loses nothing if it is killed, or if two
//! run at once.
//!
//! The expected results are those of the script of nss_wrapper 1.1 with the same arguments under Perl 5.36.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::namespace::after_mounts;
use crate::support::scene::{Scene, has, is_root};
use crate::support::{built, compiled, copy_program, file, launcher, run, stdout};
use tempfile::TempDir;

/// A directory with the program under the script's name, and the two files.
struct Place(TempDir);

impl Place {
    fn new(passwd: &str, group: &str) -> Self {
        let place = Self(tempfile::tempdir_in(built()).expect("target/tmp is writable"));
        symlink(launcher(), place.path("nss_wrapper.pl")).expect("the directory is ours");
        fs::create_dir(place.path("d")).expect("the directory is ours");
        file(place.0.path(), "d/passwd", passwd);
        file(place.0.path(), "d/group", group);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.path("nss_wrapper.pl"));
        command.args(args).current_dir(self.path("d")).env_remove("LD_PRELOAD");
        command
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path("d").join(name)).expect("the file is there")
    }

    fn names(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.path("d")).expect("the directory is there");
        entries.map(|e| e.expect("readable").file_name().into_string().expect("plain")).collect()
    }
}

/// The options of a job on the files `passwd` and `group`.
fn job<'a>(action: &'a str, kind: &'a str, name: &'a str) -> Vec<&'a str> {
    let mut args = vec!["--action", action, "--type", kind, "--name", name];
    args.extend(["--passwd_path", "passwd", "--group_path", "group"]);
    args
}

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nbob:x:1000:100:B:/b:/bin/sh\nlast:x:5:5:::\n";
const GROUP: &str = "root:*:0:\nlab:p:1000:bob,eve\nend:x:1002:\n";

#[test]
fn users_groups_and_members_come_and_go_as_with_the_script() {
    let gecos = "gecos:/nodir:/bin/false\n";
    for (args, member, want) in [
        (job("add", "passwd", "new"), "", format!("{PASSWD}new:x:1001:65534:new {gecos}")),
        (
            [job("add", "passwd", "new"), vec!["--gid", "7"]].concat(),
            "",
            format!("{PASSWD}new:x:1001:7:new {gecos}"),
        ),
        (job("delete", "passwd", "bob"), "", PASSWD.replace("bob:x:1000:100:B:/b:/bin/sh\n", "")),
        (job("add", "group", "new"), "", format!("{GROUP}new:x:1001:\n")),
        (job("delete", "group", "lab"), "", GROUP.replace("lab:p:1000:bob,eve\n", "")),
        (
            job("add", "member", "lab"),
            "root",
            "root:*:0:\nend:x:1002:\nlab:x:1000:bob,eve,root\n".to_owned(),
        ),
        (
            job("delete", "member", "lab"),
            "bob",
            "root:*:0:\nend:x:1002:\nlab:x:1000:eve\n".to_owned(),
        ),
        (job("add", "member", "end"), "bob", GROUP.replace("end:x:1002:", "end:x:1002:bob")),
    ] {
        let place = Place::new(PASSWD, GROUP);
        let out = run(place.command(&args).args(["--member", member]));
        assert_eq!(out.status.code(), Some(0), "{args:?}: {out:?}");
        assert!(out.stdout.is_empty() && out.stderr.is_empty(), "{args:?}: {out:?}");
        let is_passwd = args[3] == "passwd";
        assert_eq!(place.read(if is_passwd { "passwd" } else { "group" }), want, "{args:?}");
        let other = if is_passwd { ("group", GROUP) } else { ("passwd", PASSWD) };
        assert_eq!(place.read(other.0), other.1);
        assert_eq!(place.names(), BTreeSet::from(["passwd".into(), "group".into()]));
    }
}

#[test]
fn what_cannot_be_done_is_said_as_the_script_says_it_and_changes_nothing() {
    let place = Place::new(PASSWD, GROUP);
    let dir = place.path("d").canonicalize().expect("it is there");
    let at = |name: &str| dir.join(name).display().to_string();
    let with = |args: Vec<&'static str>, more: [&'static str; 2]| [args, more.to_vec()].concat();
    let died = [
        (job("add", "passwd", "bob"), format!("account[bob] already exists in '{}'", at("passwd"))),
        (job("delete", "passwd", "x"), format!("account[x] does not exists in '{}'", at("passwd"))),
        (job("add", "group", "lab"), format!("group[lab] already exists in '{}'", at("group"))),
        (job("delete", "group", "x"), format!("group[x] does not exists in '{}'", at("group"))),
        (
            with(job("add", "member", "x"), ["--member", "bob"]),
            format!("group[x] does not exists in '{}'", at("group")),
        ),
        (
            with(job("add", "member", "lab"), ["--member", "eve"]),
            format!("account[eve] does not exists in '{}'", at("passwd")),
        ),
        (
            with(job("add", "member", "lab"), ["--member", "bob"]),
            "account[bob] is already member of 'lab'".to_owned(),
        ),
        (
            with(job("delete", "member", "lab"), ["--member", "root"]),
            "account[root] is not member of 'lab'".to_owned(),
        ),
    ];
    for (args, message) in died {
        let out = run(&mut place.command(&args));
        assert_eq!(out.status.code(), Some(255), "{args:?}");
        assert_eq!(String::from_utf8_lossy(&out.stderr), format!("{message}\n"));
        assert!(out.stdout.is_empty(), "{args:?}");
    }
    let usage = [
        (vec![], "missing: --action [add|delete]"),
        (vec!["--action", "x"], "invalid: --action [add|delete]: 'x'"),
        (vec!["--action", "add"], "missing: --type [passwd|group|member]"),
        (vec!["--action", "add", "--type", "member"], "missing: --member <member>"),
        (vec!["--action", "add", "--type", "passwd"], "missing: --passwd_path <path>"),
        (vec!["--action", "add", "--type", "group"], "missing: --group_path <path>"),
        (vec!["--action", "add", "--type", "x"], "invalid: --type [passwd|group]: 'x'"),
        (
            with(job("add", "passwd", "x"), ["--passwd_path", ""]),
            "invalid: --passwd_path <path>: ''",
        ),
        (
            with(job("add", "group", "x"), ["--group_path", "no/x"]),
            "invalid: --group_path <path>: 'no/x'",
        ),
        (
            job("add", "passwd", "x")[..4]
                .iter()
                .copied()
                .chain(["--passwd_path", "passwd"])
                .collect(),
            "missing: --name <name>",
        ),
        (job("add", "passwd", ""), "invalid: --name <name>"),
        // The script accepts these two names, and writes a broken file.
        (job("add", "passwd", "a:b"), "invalid: --name <name>"),
        (job("add", "passwd", "a\nb"), "invalid: --name <name>"),
    ];
    for (args, message) in usage {
        // If an option is given twice, the last one counts.
        let out = run(&mut place.command(&args));
        assert_eq!(out.status.code(), Some(1), "{args:?}: {out:?}");
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        assert_eq!(said.lines().next(), Some(message), "{args:?}");
        has(&said, "--passwd_path <PATH>");
    }
    let out = run(&mut place.command(&with(job("add", "passwd", "x"), ["--passwd_path", "none"])));
    assert_eq!(out.status.code(), Some(2), "ENOENT");
    has(
        &String::from_utf8_lossy(&out.stderr),
        &format!("Unable to open '{}' for read", at("none")),
    );
    assert_eq!((place.read("passwd"), place.read("group")), (PASSWD.into(), GROUP.into()));
}

#[test]
fn options_are_taken_as_getopt_long_takes_them() {
    for (args, code) in [
        ("-action add -TYPE=passwd --passwd_p passwd +name new x", 0),
        ("--act=add --type passwd --passwd_path ./passwd --name -- ignored", 0),
        ("-h", 0),
        ("-?", 0),
        ("--help", 0),
        ("--g 3", 1),
        ("--gid=1x", 1),
        ("--name=", 1),
        ("--no-such", 1),
    ] {
        let place = Place::new(PASSWD, GROUP);
        let args: Vec<_> = args.split(' ').collect();
        let out = run(&mut place.command(&args));
        assert_eq!(out.status.code(), Some(code), "{args:?}: {out:?}");
        let added = place.read("passwd").lines().count() == 4;
        assert_eq!(added, code == 0 && args.len() > 1, "{args:?}");
    }
}

#[test]
fn the_launcher_does_the_same_for_edit() {
    let place = Place::new(PASSWD, GROUP);
    for first in ["--edit", "nss_wrapper.pl"] {
        let args = [vec![first], job("add", "group", first.trim_start_matches('-'))].concat();
        stdout(Command::new(launcher()).args(args).current_dir(place.path("d")));
    }
    has(&place.read("group"), "edit:x:1001:\nnss_wrapper.pl:x:1003:\n");
}

#[test]
fn a_link_stays_a_link_and_the_file_keeps_its_mode_and_owner() {
    let scene = Scene::new();
    let dir = scene.dir.path();
    fs::create_dir(dir.join("real")).expect("the directory is ours");
    let real = file(dir, "real/passwd", PASSWD);
    let link = dir.join("link");
    symlink("real/passwd", &link).expect("the directory is ours");
    let (mode, owner) = (0o664, if is_root() { (1001, 5001) } else { owner_of(&real) });
    fs::set_permissions(&real, Permissions::from_mode(mode)).expect("the file is ours");
    if is_root() {
        std::os::unix::fs::chown(&real, Some(owner.0), Some(owner.1)).expect("root may");
    }
    let link = link.to_str().expect("a plain path");
    let mut add = Command::new(launcher());
    add.args(["--edit", "--action=add", "--type=passwd", "--name=new", "--passwd_path", link]);
    stdout(&mut add);
    assert!(fs::symlink_metadata(link).expect("it is there").is_symlink());
    has(&fs::read_to_string(&real).expect("it is there"), "new:x:1001:");
    assert_eq!(fs::metadata(&real).expect("it is there").mode() & 0o7777, mode);
    assert_eq!(owner_of(&real), owner);

    // A random user id with group 0, as in a container, edits root's file, which the group may write.
    if is_root() {
        let (program, dir) = (scene.path("nss-wrapper"), dir.join("real"));
        copy_program(launcher(), &program);
        std::os::unix::fs::chown(&real, Some(0), Some(0)).expect("root may");
        std::os::unix::fs::chown(&dir, Some(0), Some(0)).expect("root may");
        fs::set_permissions(&dir, Permissions::from_mode(0o775)).expect("root may");
        let program = program.to_str().expect("a plain path");
        let mut add = scene.as_ids(10000, 0, [program, "--edit", "--action=add", "--type=passwd"]);
        add.args(["--name=newer", "--passwd_path", link]).env_remove("LD_PRELOAD");
        stdout(&mut add);
        has(&fs::read_to_string(&real).expect("it is there"), "newer:x:1002:");
        assert_eq!(fs::metadata(&real).expect("it is there").mode() & 0o7777, mode);
        assert_eq!(owner_of(&real), (10000, 0));
    }
}

fn owner_of(path: &Path) -> (u32, u32) {
    let status = fs::metadata(path).expect("it is there");
    (status.uid(), status.gid())
}

#[test]
fn a_writer_killed_at_any_call_leaves_the_old_or_the_new_file_and_stops_nobody() {
    let die = compiled("die", "cc", &["-shared", "-fPIC"]);
    let place = Place::new(PASSWD, GROUP);
    let new = format!("{PASSWD}new:x:1001:65534:new gecos:/nodir:/bin/false\n");
    let (mut old_files, mut new_files) = (0, 0);
    for call in 1.. {
        assert!(call < 200, "it never ends");
        file(&place.path("d"), "passwd", PASSWD);
        let mut add = place.command(&job("add", "passwd", "new"));
        add.env("LD_PRELOAD", &die).env("DIE_BEFORE", call.to_string());
        let out = run(&mut add);
        if out.status.success() {
            assert_eq!(place.read("passwd"), new);
            break;
        }
        assert_eq!(out.status.signal(), Some(9), "call {call}: {out:?}");
        match place.read("passwd") {
            text if text == PASSWD => old_files += 1,
            text if text == new => new_files += 1,
            text => panic!("call {call}: {text}"),
        }
        // The next writer can do its job, and removes the files that were left behind.
        stdout(&mut place.command(&job("add", "passwd", "next")));
        has(&place.read("passwd"), "\nnext:x:100");
        assert_eq!(place.names(), BTreeSet::from(["passwd".into(), "group".into()]), "{call}");
    }
    // Some calls come before the file is replaced, and some after.
    assert!(old_files > 5 && new_files > 0, "{old_files} {new_files}");
}

#[test]
fn a_file_that_cannot_be_written_stays_and_nothing_is_left_beside_it() {
    let place = Place::new(PASSWD, GROUP);
    // Any write to a file fails.
    let mut add = Command::new("sh");
    add.args(["-c", "ulimit -f 0; trap '' XFSZ; exec \"$@\"", "sh", "../nss_wrapper.pl"]);
    add.args(job("add", "passwd", "new")).current_dir(place.path("d")).env_remove("LD_PRELOAD");
    let out = run(&mut add);
    assert_eq!(out.status.code(), Some(27), "EFBIG: {out:?}");
    has(&String::from_utf8_lossy(&out.stderr), "for write: File too large");
    assert_eq!(place.read("passwd"), PASSWD);
    assert_eq!(place.names(), BTreeSet::from(["passwd".into(), "group".into()]));
}

#[test]
fn on_a_read_only_file_system_the_file_is_read_and_cannot_be_written() {
    let place = Place::new(PASSWD, GROUP);
    let mounts = "mount --bind \"$1\" \"$1\"; mount -o remount,ro,bind \"$1\"";
    let (dir, program) = (place.path("d"), place.path("nss_wrapper.pl"));
    let passwd = dir.join("passwd");
    for (name, code, why) in [("bob", 255, "account[bob] already exists"), ("new", 30, "for write")]
    {
        let mut add = Command::new(&program);
        add.args(["--action", "add", "--type", "passwd", "--name", name, "--passwd_path"]);
        let out = run(&mut after_mounts(mounts, &[&dir], add.arg(&passwd)));
        assert_eq!(out.status.code(), Some(code), "{out:?}");
        has(&String::from_utf8_lossy(&out.stderr), why);
    }
}

/// cifs and vboxsf are such file systems.
#[test]
fn a_file_system_that_does_not_synchronise_directories_will_do() {
    let die = compiled("die", "cc", &["-shared", "-fPIC"]);
    let place = Place::new(PASSWD, GROUP);
    let mut add = place.command(&job("add", "passwd", "new"));
    stdout(add.env("LD_PRELOAD", &die).env("NO_DIRECTORY_FSYNC", "1"));
    has(&place.read("passwd"), "\nnew:x:1001:");
}

#[test]
fn two_writers_lose_nothing_of_each_others_while_others_are_killed() {
    const EACH: usize = 200;
    let place = Place::new(PASSWD, GROUP);
    let writer = |who: &'static str| {
        let place = &place;
        move || {
            for i in 0..EACH {
                let name = format!("{who}{i}");
                stdout(&mut place.command(&job("add", "passwd", &name)));
            }
        }
    };
    std::thread::scope(|scope| {
        let writers = [scope.spawn(writer("a")), scope.spawn(writer("b"))];
        let mut i = 0;
        while !writers.iter().all(|writer| writer.is_finished()) {
            let name = format!("killed{i}");
            let mut command = place.command(&job("add", "passwd", &name));
            let mut child = command.stderr(Stdio::null()).spawn().expect("it runs");
            std::thread::sleep(Duration::from_micros(i * 97 % 9000));
            child.kill().expect("it is ours");
            child.wait().expect("it ends");
            i += 1;
        }
    });
    let text = place.read("passwd");
    assert!(text.starts_with(PASSWD));
    let added: Vec<Vec<&str>> =
        text.lines().skip(3).map(|line| line.split(':').collect()).collect();
    assert!(added.iter().all(|fields| fields.len() == 7 && fields[6] == "/bin/false"));
    let kept = added.iter().filter(|fields| !fields[0].starts_with("killed"));
    let names: BTreeSet<_> = kept.map(|fields| fields[0].to_owned()).collect();
    let want = ["a", "b"].iter().flat_map(|who| (0..EACH).map(move |i| format!("{who}{i}")));
    assert_eq!(names, want.collect());
    let ids: BTreeSet<_> = added.iter().map(|fields| fields[2]).collect();
    assert_eq!(ids.len(), added.len(), "each has an id of its own");
}
