//! `NSS_WRAPPER_USER` and `NSS_WRAPPER_FALLTHROUGH`, beside the machine's own users.

use std::collections::HashSet;
use std::process::Command;

use crate::support::ask::{Session, answers, musl_ask, names, rows, word};
use crate::support::namespace::after_mounts;
use crate::support::scene::{Scene, both, failure, has, is_root};
use crate::support::{PYTHON, copy_program, file, module, probe, run, stdout, under};

const USER: &str = "ipython:x:%u:%g:I, Python:/home/%u:/bin/bash";

/// A command with the synthetic user set, and nothing else.
fn as_synthetic<const N: usize>(scene: &Scene, uid: u32, gid: u32, args: [&str; N]) -> Command {
    let mut command = scene.as_ids(uid, gid, args);
    command.env("NSS_WRAPPER_USER", USER);
    command
}

/// The field number `at` of each of the machine's entries, without the library.
fn of_machine(database: &str, at: usize) -> Vec<String> {
    let all = stdout(Command::new("getent").arg(database));
    all.lines().map(|line| line.split(':').nth(at).unwrap_or_default().to_owned()).collect()
}

#[test]
fn an_id_without_an_entry_has_the_synthetic_users_name() {
    let scene = Scene::new();
    let mut command = as_synthetic(&scene, 10000, 0, ["id"]);
    assert_eq!(stdout(&mut command), "uid=10000(ipython) gid=0(root) groups=0(root)\n");
    has(&both(&run(command.env_remove("NSS_WRAPPER_USER"))), "uid=10000 gid=0(root)");
    for (args, want) in [
        (["id", "ipython"], "uid=10000(ipython) gid=0(root) groups=0(root)\n"),
        (["id", "-un"], "ipython\n"),
    ] {
        assert_eq!(stdout(&mut as_synthetic(&scene, 10000, 0, args)), want);
    }
    let line = "ipython:x:10000:0:I, Python:/home/10000:/bin/bash\n";
    for key in ["ipython", "10000"] {
        assert_eq!(stdout(&mut as_synthetic(&scene, 10000, 0, ["getent", "passwd", key])), line);
    }
    for (program, want) in [
        (["bash", "--norc", "-c", r"p='\u'; echo ${p@P} ~ipython"], "ipython /home/10000\n"),
        (["perl", "-e", "print getpwuid($<) . glob('~ipython')", ""], "ipython/home/10000"),
    ] {
        assert_eq!(stdout(&mut as_synthetic(&scene, 10000, 0, program)), want);
    }
    let python = "import getpass, os, pwd; print(getpass.getuser(), pwd.getpwuid(os.getuid())[5])";
    let mut python = as_synthetic(&scene, 10000, 0, [PYTHON, "-c", python]);
    assert_eq!(stdout(&mut python), "ipython /home/10000\n");
}

/// As in glibc, which asks the next service then.
#[test]
fn a_module_that_fails_is_passed_over_if_libc_is_asked_too() {
    let scene = Scene::new();
    copy_program(probe("ask"), scene.path("ask"));
    copy_program(module("plain", &["-DBUSY"]), scene.path("busy.so"));
    let ask = scene.path("ask").display().to_string();
    let said = |fall_through: &str| {
        let mut command = as_synthetic(&scene, 10000, 0, [&ask]);
        command
            .env("NSS_WRAPPER_MODULE_SO_PATH", scene.path("busy.so"))
            .env("NSS_WRAPPER_MODULE_FN_PREFIX", "plain")
            .env("NSS_WRAPPER_FALLTHROUGH", fall_through);
        answers(&mut command, &["getpwuid_r 10000", "setpwent; all getpwent"])
    };
    let [own, all] = said("1").try_into().expect("two answers");
    assert!(own.starts_with("ipython:x:10000:0:"), "{own}");
    let all = names(all.trim_start_matches("done; "));
    assert!(all.contains(" daemon ") && all.ends_with(" ipython"), "{all}");
    let busy = format!("error {}", libc::EBUSY);
    assert_eq!(said("0"), [&*busy, &*format!("done; {busy}")]);
}

#[test]
fn a_group_id_without_an_entry_has_the_synthetic_users_name_too() {
    let scene = Scene::new();
    let mut id = as_synthetic(&scene, 10000, 10000, ["id"]);
    let want = "uid=10000(ipython) gid=10000(ipython) groups=10000(ipython)\n";
    assert_eq!(stdout(&mut id), want);
    for key in ["ipython", "10000"] {
        let mut getent = as_synthetic(&scene, 10000, 10000, ["getent", "group", key]);
        assert_eq!(stdout(&mut getent), "ipython:x:10000:\n");
    }
    let python = "import grp; print(sum(g.gr_name == 'ipython' for g in grp.getgrall()))";
    assert_eq!(stdout(&mut as_synthetic(&scene, 10000, 10000, [PYTHON, "-c", python])), "1\n");
}

/// Kubernetes gives a pod with an fsGroup a supplementary group that has no name. Only root can set such a group.
#[test]
fn every_group_of_the_process_has_a_name_both_ways_and_in_lists() {
    if !is_root() {
        return assert!(failure(Command::new("setpriv").arg("--groups=77")).contains("not"));
    }
    let scene = Scene::new();
    for (gid, group) in [(0, "root"), (10000, "ipython")] {
        let with = |args: &[&str]| {
            let mut command = under(&scene.library, "setpriv");
            command.arg("--reuid=10000").arg(format!("--regid={gid}"));
            command.args(["--groups=1000680000,1000680001,5", "--"]).args(args);
            stdout(command.env("NSS_WRAPPER_USER", USER).env_remove("NSS_WRAPPER_PASSWD"))
        };
        assert_eq!(with(&["groups"]), format!("{group} tty g1000680000 g1000680001\n"));
        for key in ["1000680000", "g1000680000"] {
            assert_eq!(with(&["getent", "group", key]), "g1000680000:x:1000680000:\n");
        }
        let python = "import grp, os; names = [g.gr_name for g in grp.getgrall()]; \
                      print(os.getgrouplist('ipython', 7), names.count('g1000680000'), \
                      names.count('g1000680001'), names.count('tty'), names.count('root'))";
        assert_eq!(with(&[PYTHON, "-c", python]), "[7, 1000680000, 1000680001] 1 1 1 1\n");
    }
}

/// The work was once that of the cube of their number: 80 groups took `id` twelve seconds. Here it would take days.
#[test]
fn a_process_of_many_groups_has_their_names_in_time() {
    if !is_root() {
        return assert!(failure(Command::new("setpriv").arg("--groups=77")).contains("not"));
    }
    let scene = Scene::new();
    let groups: Vec<String> = (0..2000).map(|n| (1_000_680_000 + n).to_string()).collect();
    let with = |args: &[&str]| {
        let mut command = under(&scene.library, "timeout");
        command.args(["300", "setpriv", "--reuid=10000", "--regid=10000", "--groups"]);
        command.arg(groups.join(",")).arg("--").args(args);
        stdout(command.env("NSS_WRAPPER_USER", USER).env_remove("NSS_WRAPPER_PASSWD"))
    };
    let names = groups.iter().map(|gid| format!("g{gid}"));
    let want = format!("ipython {}\n", names.clone().collect::<Vec<_>>().join(" "));
    assert_eq!(with(&["id", "-Gn"]), want);
    let listed = with(&["getent", "group"]);
    let listed =
        listed.lines().filter_map(|line| line.split(':').next()).filter(|n| n.starts_with("g10"));
    assert!(listed.eq(names));
}

#[test]
fn whoever_has_an_entry_stays_who_they_are() {
    let scene = Scene::new();
    for (uid, gid) in [(0, 0), (5, 60), (5, 0), (5, 4711)] {
        for args in [&["id"][..], &["getent", "passwd"], &["getent", "group"], &["ls", "-ld", "/"]]
        {
            let mut wrapped = scene.as_ids(uid, gid, args);
            wrapped.env("NSS_WRAPPER_USER", USER);
            let with = both(&run(&mut wrapped));
            let without = both(&run(wrapped.env_remove("LD_PRELOAD")));
            assert_eq!(with, without, "{uid}:{gid} {args:?}");
        }
        has(&failure(&mut as_synthetic(&scene, uid, gid, ["id", "ipython"])), "no such user");
    }
}

#[test]
fn the_machines_other_users_are_there_and_each_is_listed_once() {
    let scene = Scene::new();
    let root = stdout(&mut as_synthetic(&scene, 10000, 0, ["getent", "passwd", "root"]));
    assert_eq!(root, stdout(Command::new("getent").args(["passwd", "root"])));
    let listed = stdout(&mut as_synthetic(&scene, 10000, 0, ["getent", "passwd"]));
    let names: Vec<_> = listed.lines().filter_map(|line| line.split(':').next()).collect();
    let mut want = of_machine("passwd", 0);
    want.push("ipython".to_owned());
    assert_eq!(names, want);
    // A machine's user of the same name is not listed.
    let mut command = scene.as_ids(10000, 0, ["getent", "passwd"]);
    command.env("NSS_WRAPPER_USER", "games:x:%u:%g:::");
    let listed = stdout(&mut command);
    let names: Vec<_> = listed.lines().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(names.len(), names.iter().collect::<HashSet<_>>().len(), "{listed}");
    has(&listed, "games:x:10000:0:::\n");
}

/// The library takes libc's part of the list from getpwent_r where libc has it; musl does not.
#[test]
fn musl_programs_list_the_machines_users_and_the_synthetic_user() {
    let scene = Scene::new();
    let list = |program: std::path::PathBuf| {
        let copy = scene.path("list");
        copy_program(program, &copy);
        let copy = copy.to_str().expect("the path is ASCII");
        let mut command = as_synthetic(&scene, 10000, 10000, [copy]);
        let said = answers(&mut command, &["all getpwent", "endpwent", "all getgrent", "endgrent"]);
        [names(&said[0]), names(&said[2])]
    };
    let musls = list(musl_ask());
    assert_eq!(musls, list(probe("ask")));
    for names in musls {
        assert_eq!(names.matches("ipython").count(), 1, "{names}");
        assert!(names.split(' ').count() > 10, "{names}");
    }
}

#[test]
fn with_a_passwd_file_the_synthetic_user_answers_what_the_file_lacks() {
    let scene = Scene::new();
    let user = "magic:x:%u:%g:::";
    let mut id = scene.wrapped(["id", "-un"]);
    assert_eq!(stdout(id.env("NSS_WRAPPER_USER", user)), "ipython\n", "the file has 10000");
    let passwd = file(scene.dir.path(), "others", "root:x:0:0:::\nmagic:x:7:7:::\n");
    let mut command = scene.wrapped(["getent", "passwd"]);
    command.env("NSS_WRAPPER_USER", user).env("NSS_WRAPPER_PASSWD", &passwd);
    assert_eq!(stdout(&mut command), "root:x:0:0:::\nmagic:x:10000:0:::\n");
    let mut id = scene.wrapped(["id", "magic"]);
    id.env("NSS_WRAPPER_USER", user).env("NSS_WRAPPER_PASSWD", &passwd);
    assert_eq!(stdout(&mut id), "uid=10000(magic) gid=0(crew) groups=0(crew)\n");
}

#[test]
fn a_literal_id_is_a_user_that_nobody_else_is() {
    let scene = Scene::new();
    let mut command = scene.as_ids(10000, 0, ["id", "magic"]);
    command.env("NSS_WRAPPER_USER", "magic:x:4242:4243:::");
    assert_eq!(stdout(&mut command), "uid=4242(magic) gid=4243(magic) groups=4243(magic)\n");
    let mut command = scene.as_ids(10000, 0, ["id", "magic"]);
    command.env("NSS_WRAPPER_USER", "magic:x:0:0:::");
    has(&failure(&mut command), "no such user");
}

/// Podman and CRI-O write such an entry.
#[test]
fn an_entry_whose_name_is_its_id_does_not_count() {
    let scene = Scene::new();
    let text = |path: &str, more: &str| std::fs::read_to_string(path).expect("readable") + more;
    let passwd = text("/etc/passwd", "10000:x:10000:10000:10000 user:/:/sbin/nologin\n");
    let passwd = file(&scene.home, "system-passwd", passwd);
    let group = file(&scene.home, "system-group", text("/etc/group", "10000:x:10000:\n"));
    let mount = "mount --bind \"$1\" /etc/passwd; mount --bind \"$2\" /etc/group; mount --bind \"$3\" /etc/nsswitch.conf";
    for services in ["files", "sss files systemd"] {
        let services = format!("passwd: {services}\ngroup: {services}\n");
        let nsswitch = file(&scene.home, "nsswitch", services);
        let script = "id; getent passwd ipython 10000 games | cut -d: -f1,3; id -un 10000; id -gn";
        let command = as_synthetic(&scene, 10000, 10000, ["sh", "-c", script]);
        let said = stdout(&mut after_mounts(mount, &[&passwd, &group, &nsswitch], &command));
        assert_eq!(
            said,
            "uid=10000(ipython) gid=10000(ipython) groups=10000(ipython)\nipython:10000\n\
             ipython:10000\ngames:5\nipython\nipython\n"
        );
        // Where the file is named in a variable somebody has decided what stands in it.
        let mut command = as_synthetic(&scene, 10000, 10000, ["id", "-un"]);
        assert_eq!(stdout(command.env("NSS_WRAPPER_PASSWD", &passwd)), "10000\n");
    }
}

/// As in an image that has no more than one program and its libraries.
#[test]
fn where_the_machine_has_no_users_the_synthetic_user_is_there_and_nothing_is_reported() {
    let scene = Scene::new();
    let etc = scene.path("etc");
    std::fs::create_dir(&etc).expect("ours");
    let mut command = Command::new("id");
    command.env("LD_PRELOAD", &scene.library).env("NSS_WRAPPER_USER", "a:x:%u:%g:::");
    // The loader may need its cache.
    let mount = "cp /etc/ld.so.cache \"$1\" || true; mount --bind \"$1\" /etc";
    let out = run(&mut after_mounts(mount, &[&etc], &command));
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(said.starts_with("uid=0(a) gid=0(a)"), "{said}");
    assert_eq!(String::from_utf8_lossy(&out.stderr), "");
}

#[test]
fn a_malformed_value_is_reported_once_and_changes_nothing() {
    let scene = Scene::new();
    for value in
        ["ipython", ":x:%u:%g:::", "ipython:x:me:%g:::", "+:x:%u:%g:::", "a:x:%u:0\nb:x:1:1"]
    {
        let mut command = scene.as_ids(10000, 0, ["id", "games"]);
        command.env("NSS_WRAPPER_USER", value);
        let out = run(&mut command);
        assert!(out.status.success());
        let log = String::from_utf8_lossy(&out.stderr);
        assert_eq!(log.matches("NWRAP_ERROR[id (").count(), 1, "{log}");
        has(&log, "NSS_WRAPPER_USER: '");
        has(&log, "it is not used");
        let without = stdout(command.env_remove("LD_PRELOAD"));
        assert_eq!(String::from_utf8_lossy(&out.stdout), without);
    }
}

#[test]
fn what_the_files_do_not_know_falls_through_to_libc() {
    let scene = Scene::new();
    let passwd = file(scene.dir.path(), "one", "magic:x:10000:5001::/m:/s\ngames:x:9:9::/g:/s\n");
    let group = file(scene.dir.path(), "lab", "lab:x:5001:magic\nroot:x:5002:games\n");
    let fall = |args: &[&str]| {
        let mut command = scene.as_ids(10000, 0, args);
        command
            .env("NSS_WRAPPER_PASSWD", &passwd)
            .env("NSS_WRAPPER_GROUP", &group)
            .env("NSS_WRAPPER_FALLTHROUGH", "1");
        command
    };
    let daemon = stdout(Command::new("getent").args(["passwd", "daemon"]));
    assert_eq!(stdout(&mut fall(&["getent", "passwd", "daemon"])), daemon);
    assert_eq!(stdout(&mut fall(&["getent", "passwd", "games"])), "games:x:9:9::/g:/s\n");
    assert_eq!(
        stdout(&mut fall(&["id", "magic"])),
        "uid=10000(magic) gid=5001(lab) groups=5001(lab)\n"
    );
    has(&failure(&mut fall(&["id", "stranger"])), "no such user");
    // First the entries of the file, then those of libc's that have another name.
    let listed = stdout(&mut fall(&["getent", "passwd"]));
    let names: Vec<_> = listed.lines().filter_map(|line| line.split(':').next()).collect();
    let others = of_machine("passwd", 0).into_iter().filter(|name| name != "games");
    let want: Vec<_> = ["magic".to_owned(), "games".to_owned()].into_iter().chain(others).collect();
    assert_eq!(names, want);
    let mut closed = fall(&["getent", "passwd", "daemon"]);
    assert_eq!(failure(closed.env("NSS_WRAPPER_FALLTHROUGH", "0")), "");
}

#[test]
fn the_groups_of_a_user_are_those_of_the_file_and_of_libc() {
    let scene = Scene::new();
    // A member of one of the machine's groups.
    let line = stdout(Command::new("getent").arg("group"));
    let (gid, user) = line
        .lines()
        .filter_map(|line| {
            let fields: Vec<_> = line.split(':').collect();
            let member = fields.get(3)?.split(',').next().filter(|name| !name.is_empty())?;
            Some((fields[2].to_owned(), member.to_owned()))
        })
        .next()
        .unwrap_or_else(|| panic!("no group of this machine has a member: {line}"));
    let group = file(scene.dir.path(), "lab", format!("lab:x:5001:{user}\n"));
    let mut command = scene.as_ids(10000, 0, ["getent", "initgroups", &user]);
    command.env("NSS_WRAPPER_GROUP", &group).env("NSS_WRAPPER_FALLTHROUGH", "1");
    let groups = stdout(&mut command);
    let words: Vec<_> = groups.split_whitespace().collect();
    assert_eq!(words[..2], [user.as_str(), "5001"], "{groups}");
    assert!(words[2..].contains(&gid.as_str()), "{groups}");
    command.env_remove("NSS_WRAPPER_FALLTHROUGH");
    let alone = stdout(&mut command);
    assert_eq!(alone.split_whitespace().collect::<Vec<_>>(), [user.as_str(), "5001"]);
}

/// The probe of that name, as an id without an entry, with the synthetic user and nothing else.
fn probe_as_synthetic(scene: &Scene, name: &str) -> Command {
    let copy = scene.path(name);
    copy_program(probe(name), &copy);
    as_synthetic(scene, 10000, 10000, [copy.to_str().expect("the path is ASCII")])
}

#[test]
fn every_entry_fits_its_buffer_or_says_so() {
    let scene = Scene::new();
    let line = "ipython:x:10000:10000:I, Python:/home/10000:/bin/bash";
    let questions = [
        ("getpwuid_r 10000", line),
        ("getpwnam_r ipython", line),
        ("getgrgid_r 10000", "ipython:x:10000:"),
        ("getgrnam_r ipython", "ipython:x:10000:"),
    ];
    let mut command = probe_as_synthetic(&scene, "buffers");
    let said = stdout(command.args(questions.map(|(question, _)| question)));
    for (line, (question, want)) in said.lines().zip(questions) {
        assert!(line.starts_with(&format!("{want}\terror ERANGE\t")), "{question}: {line}");
    }
    assert_eq!(said.lines().count(), questions.len());
    // libc is asked, too, and sets errno.
    let nobody = format!("getpwnam_r {}", word("nobody there"));
    let said = answers(&mut probe_as_synthetic(&scene, "ask"), &[nobody]).concat();
    assert!(said.starts_with("none"), "{said}");
}

/// An enumeration has libc's rows, and the synthetic user once. Here the first buffer for each row is too short.
#[test]
fn a_short_buffer_loses_neither_a_row_of_libcs_nor_the_synthetic_user() {
    let scene = Scene::new();
    let mut session = Session::new(&mut probe_as_synthetic(&scene, "ask"));
    let is_synthetic = |row: &&str| row.starts_with("ipython:");
    let all = session.ask("all getpwent");
    assert_eq!(rows(&all).iter().filter(|row| is_synthetic(row)).count(), 1, "{all}");
    assert_eq!(session.ask("getpwent"), "none");
    assert_eq!(session.ask("setpwent"), "done");
    let mut again = Vec::new();
    loop {
        let short = session.ask("getpwent_r 8");
        if short == "error ENOENT" {
            break;
        }
        // libc's getpwent_r sets errno.
        assert!(short.starts_with("error ERANGE"), "{short}");
        again.push(session.ask("getpwent_r"));
    }
    assert_eq!(session.ask("endpwent"), "done");
    assert!(again.len() > 6, "{again:?}");
    assert_eq!(again.iter().filter(|row| is_synthetic(&row.as_str())).count(), 1, "{again:?}");
}
