//! `nss-wrapper` sets variables, and then executes the command in its own process.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::scene::{as_ids, as_self, scene};
use crate::support;
use crate::support::scene::{failure, has};
use crate::support::{PYTHON, copy_program, file, launcher, root, run, stdout};

#[test]
fn the_caller_has_the_name_that_is_asked_for() {
    let scene = scene().0;
    for args in [["--user", "magic", "--", "id", "-un"], ["--user", "magic", "--", "whoami", ""]] {
        let args = args.map(str::to_owned);
        let args: Vec<_> = args.iter().map(String::as_str).filter(|a| !a.is_empty()).collect();
        let mut own = Command::new(scene.path("nss-wrapper"));
        assert_eq!(stdout(own.args(&args).env_remove("LD_PRELOAD")), "magic\n");
    }
    for (uid, gid, group) in [(10000, 10000, "magic"), (10000, 0, "root"), (0, 0, "root")] {
        let want = format!("uid={uid}(magic) gid={gid}({group}) groups={gid}({group})\n");
        let mut id = as_ids(&scene, uid, gid, ["--user", "magic", "id"]);
        assert_eq!(stdout(&mut id), want);
        let mut id = as_ids(&scene, uid, gid, ["--user", "magic", "id", "magic"]);
        assert_eq!(stdout(&mut id), want);
    }
}

#[test]
fn another_user_exists_beside_those_of_the_system() {
    let scene = scene().0;
    let user = "magic:4242:4343";
    for (args, want) in [
        (["id", "magic"], "uid=4242(magic) gid=4343(magic) groups=4343(magic)\n"),
        (["getent", "passwd 4242"], "magic:x:4242:4343:magic:/:/bin/sh\n"),
        (["getent", "group magic"], "magic:x:4343:\n"),
        (["id", "-u root"], "0\n"),
        (["getent", "group root"], "root:x:0:\n"),
        // The process's own ids do not change.
        (["id", "-u"], "10000\n"),
    ] {
        let mut command = as_ids(&scene, 10000, 0, ["--user", user, args[0]]);
        command.args(args[1].split(' '));
        assert_eq!(stdout(&mut command), want, "{args:?}");
    }
    has(&failure(&mut as_ids(&scene, 10000, 0, ["--user", user, "id", "-un"])), "10000");
    let mut all = as_ids(&scene, 10000, 0, ["--user", user, "getent", "passwd"]);
    let all = stdout(&mut all);
    assert_eq!(all.matches("magic:").count(), 2, "{all}");
    assert_eq!(all.lines().filter(|line| line.starts_with("root:")).count(), 1, "{all}");
}

#[test]
fn several_users_may_be_named_and_the_first_of_an_id_names_it() {
    let scene = scene().0;
    let users = ["--user", "a:70001:70000", "--user", "b:70002:70000", "--user", "c:70001"];
    for (key, want) in [("70001", "a:x:70001:70000"), ("c", "c:x:70001:0"), ("b", "b:x:70002")] {
        let mut command = as_ids(&scene, 10000, 0, users);
        has(&stdout(command.args(["getent", "passwd", key])), want);
    }
    let mut command = as_ids(&scene, 10000, 0, users);
    assert_eq!(stdout(command.args(["getent", "group", "70000"])), "a:x:70000:\n");
}

#[test]
fn a_line_that_is_no_entry_has_no_id() {
    let scene = scene().0;
    file(&scene.home, "group", "#old:x:70008:\n +::70008:\n-old:x:70008:\n");
    let args = ["--group", "group", "--user", "magic:70007:70008", "id", "magic"];
    let want = "uid=70007(magic) gid=70008(magic) groups=70008(magic)\n";
    assert_eq!(stdout(&mut as_ids(&scene, 10000, 0, args)), want);
    // The caller is the only one to be added, so edits of the file are seen.
    file(&scene.home, "passwd", "  #old:x:10000:0::/:/bin/sh\n");
    let args = ["--passwd", "passwd", "--user", "magic", "--print-env"];
    has(&stdout(&mut as_ids(&scene, 10000, 0, args)), "NSS_WRAPPER_USER=");
}

/// As in a container whose image sets both variables.
#[test]
fn another_name_than_that_of_the_images_variables_is_the_groups_too() {
    let (scene, launcher) = scene();
    for (more, want) in [
        (&["--user", "magic"][..], "uid=10000(magic) gid=10000(magic) groups=10000(magic)\n"),
        (
            &["--user", "other:7:8", "--user", "magic"],
            "uid=10000(magic) gid=10000(magic) groups=10000(magic)\n",
        ),
        (&["--user", "other:7:8"], "uid=10000(app) gid=10000(app) groups=10000(app)\n"),
        (&["--user", "other:7"], "uid=10000(app) gid=10000(app) groups=10000(app)\n"),
    ] {
        let mut command = scene.as_ids(10000, 10000, [&launcher]);
        command.args(more).arg("id").env("NSS_WRAPPER_USER", "app:x:%u:%g::/:/bin/sh");
        assert_eq!(stdout(&mut command), want, "{more:?}");
    }
}

#[test]
fn users_go_before_those_of_a_file_and_then_the_system_is_not_asked() {
    let scene = scene().0;
    let args = ["--passwd", "../passwd", "--user", "magic:1001:4242", "getent", "passwd"];
    let all = stdout(&mut as_ids(&scene, 10000, 0, args));
    let names: Vec<_> = all.lines().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(names, ["magic", "root", "builder", "ipython"]);
    let args = ["--passwd", "../passwd", "--user", "magic:1001:4242", "id", "-un", "1001"];
    assert_eq!(stdout(&mut as_ids(&scene, 10000, 0, args)), "magic\n");
    let args = ["--passwd", "../nofile", "--user", "magic:1001:4242", "id"];
    let out = run(&mut as_ids(&scene, 10000, 0, args));
    assert_eq!(out.status.code(), Some(125));
    has(&String::from_utf8_lossy(&out.stderr), "nofile: No such file");
}

#[test]
fn a_caller_whom_the_file_lacks_gets_a_name_and_edits_of_the_file_are_seen() {
    let scene = scene().0;
    let edit = "getent passwd new; echo new:x:7:7::/:/bin/sh >> ../edited; getent passwd new";
    file(scene.dir.path(), "edited", "root:x:0:0::/:/bin/sh\n");
    let edited = scene.path("edited");
    scene.give(&edited);
    let args = ["--user", "magic", "--passwd", "../edited", "sh", "-c"];
    let mut command = as_ids(&scene, 10000, 0, args);
    let said = stdout(command.arg(format!("id -un; {edit}")));
    assert_eq!(said, "magic\nnew:x:7:7::/:/bin/sh\n");
}

#[test]
fn files_are_found_from_any_directory() {
    let scene = scene().0;
    let args = ["--passwd", "../passwd", "--group", "../group", "sh", "-c", "cd / && id ipython"];
    let want = "uid=10000(ipython) gid=0(crew) groups=0(crew),5001(lab),5002(club)\n";
    assert_eq!(stdout(&mut as_ids(&scene, 10000, 0, args)), want);
}

#[test]
fn shadow_entries_the_host_name_and_the_level_are_set() {
    let scene = scene().0;
    file(&scene.home, "shadow", "bob:$6$x:1:2:3:4:5:6:7\n");
    let args = ["--shadow", "shadow", "getent", "shadow", "bob"];
    assert_eq!(stdout(&mut as_self(&scene, args)), "bob:$6$x:1:2:3:4:5:6:7\n");
    let args = ["--hostname", "it.example", PYTHON, "-c"];
    let mut command = as_self(&scene, args);
    let said = stdout(command.arg("import socket; print(socket.gethostname())"));
    assert_eq!(said, "it.example\n");
    let args = ["--debug", "3", "--passwd", "../passwd", "id", "-un", "root"];
    has(&String::from_utf8_lossy(&run(&mut as_self(&scene, args)).stderr), "NWRAP_TRACE");
}

#[test]
fn hosts_are_found_beside_those_of_a_file_or_of_the_system() {
    let scene = scene().0;
    file(&scene.home, "hosts", "10.9.8.7 filed\n");
    let hosts = ["--host", "db.it=10.1.2.3", "--host", "db.it=10.1.2.4", "--host", "six=fd00::9"];
    for (more, name, want) in [
        (&[][..], "db.it", "10.1.2.3 10.1.2.4"),
        (&[], "six", "fd00::9"),
        (&[], "localhost", "127.0.0.1"),
        (&["--hosts", "hosts"], "filed", "10.9.8.7"),
        (&["--hosts", "hosts"], "db.it", "10.1.2.3 10.1.2.4"),
    ] {
        let python = "import socket, sys; print(*dict.fromkeys(i[4][0] for i in \
                      socket.getaddrinfo(sys.argv[1], 80) if sys.argv[1] != 'localhost' or \
                      i[0] == socket.AF_INET))";
        let mut command = as_self(&scene, hosts);
        command.args(more).args([PYTHON, "-c", python, name]);
        assert_eq!(stdout(&mut command), format!("{want}\n"), "{more:?} {name}");
    }
    // The older functions find them, too.
    let python = "import socket; print(socket.gethostbyname('db.it'), \
                  socket.gethostbyname('localhost'), socket.gethostbyaddr('10.1.2.4')[0])";
    let mut command = as_self(&scene, hosts);
    let said = stdout(command.args([PYTHON, "-c", python]));
    assert_eq!(said, "10.1.2.3 127.0.0.1 db.it\n");
}

#[test]
fn it_becomes_the_command_and_leaves_no_trace_but_the_variables() {
    let scene = scene().0;
    let look = "echo $$; read c </proc/$$/task/$$/children; echo \"children: $c\"; \
                ls /proc/$$/fd; ls -A $TMPDIR";
    let mut command = as_self(&scene, ["--user", "magic:1:70000", "--host", "a=::1", "sh", "-c"]);
    let temporary = scene.path("temporary");
    fs::create_dir(&temporary).expect("the directory is ours");
    let child = command
        .arg(look)
        .env("TMPDIR", &temporary)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the launcher runs");
    let pid = child.id();
    let out = child.wait_with_output().expect("it ends");
    let with = String::from_utf8_lossy(&out.stdout).into_owned();
    let (own, with) = with.split_once('\n').expect("the process id");
    assert_eq!(own, pid.to_string());
    let mut bare = Command::new("sh");
    let without = stdout(bare.args(["-c", look]).env("TMPDIR", &temporary));
    assert_eq!(with, without.split_once('\n').expect("the process id").1);
}

#[test]
fn the_exit_code_and_the_signal_are_the_commands() {
    let scene = scene().0;
    assert_eq!(run(&mut as_self(&scene, ["sh", "-c", "exit 7"])).status.code(), Some(7));
    let out = run(&mut as_self(&scene, ["--", "sh", "-c", "kill -TERM $$; sleep 5"]));
    assert_eq!(out.status.signal(), Some(15));
    file(&scene.home, "text", "no program");
    for (args, code, message) in [
        (["./text", ""], 126, "./text: Permission denied"),
        (["./nothing", ""], 127, "./nothing: No such file"),
        (["--user", "a:b"], 125, "ids are numbers"),
        (["--no-such", "x"], 125, "unexpected argument"),
        (["--host", "db"], 125, "not of the form NAME=ADDR"),
        (["--debug", "4"], 125, "4 is not in 0..=3"),
    ] {
        let mut command = Command::new(scene.path("nss-wrapper"));
        let args = args.iter().filter(|arg| !arg.is_empty());
        let out = run(command.args(args).current_dir(&scene.home).env_remove("LD_PRELOAD"));
        assert_eq!(out.status.code(), Some(code), "{message}");
        has(&String::from_utf8_lossy(&out.stderr), message);
    }
}

/// A command that the shell starts says the same behind the launcher, in a namespace or not.
#[track_caller]
fn says_the_same_behind(launcher: &str, script: &str, command: &[&str]) {
    let said = |program: &[&str]| {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh"]).args(program).args(command).env_remove("LD_PRELOAD");
        stdout(&mut shell)
    };
    let without = said(&[]);
    assert_eq!(said(&[launcher, "--user", "magic:7", "--"]), without, "{script}");
    let namespace = [launcher, "--namespace", "--user", "magic:7", "--"];
    assert_eq!(said(&namespace), without, "{script}, in a namespace");
}

/// systemd starts services with SIGPIPE ignored, and whoever relies on that does so behind the launcher too.
#[test]
fn a_signal_that_the_caller_ignores_is_ignored_by_the_command_and_no_other() {
    let (scene, launcher) = scene();
    for trap in ["trap '' PIPE", "trap '' TERM", "trap '' CHLD", ":"] {
        let script = format!("{trap}; exec \"$@\"");
        says_the_same_behind(&launcher, &script, &["grep", "^Sig[BI]", "/proc/self/status"]);
    }
    // The launcher itself may have children then.
    let check = format!("trap '' CHLD; exec {launcher} --check --passwd ../passwd");
    stdout(Command::new("sh").args(["-c", &check]).current_dir(&scene.home));
}

#[test]
fn a_descriptor_that_the_caller_has_closed_is_closed_for_the_command() {
    let (_scene, launcher) = scene();
    for closed in ["<&-", "2>&-", "<&- 2>&-", ""] {
        let script = format!("exec \"$@\" {closed}");
        says_the_same_behind(&launcher, &script, &["ls", "/proc/self/fd"]);
    }
}

#[test]
fn a_message_that_cannot_be_written_leaves_the_exit_code_as_it_is() {
    let (scene, launcher) = scene();
    let add = "--edit --action add --type passwd --passwd_path passwd --name root";
    for (line, code) in [
        ("./nothing 2>/dev/full".to_owned(), 127),
        ("--no-such 2>/dev/full".to_owned(), 125),
        ("--edit --action x >/dev/full".to_owned(), 1),
        (format!("{add} 2>/dev/full"), 255),
        ("--generate bash >/dev/full".to_owned(), 125),
        ("--generate man >/dev/full".to_owned(), 125),
        ("--print-env >/dev/full".to_owned(), 125),
    ] {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{launcher} {line}")]).current_dir(scene.dir.path());
        let out = run(command.env_remove("LD_PRELOAD"));
        assert_eq!(out.status.code(), Some(code), "{line}: {out:?}");
    }
}

#[test]
fn without_a_command_a_shell_runs() {
    let scene = scene().0;
    let mut command = as_ids(&scene, 10000, 0, ["--user", "magic"]);
    assert_eq!(stdout(command.env("SHELL", "/usr/bin/whoami")), "magic\n");
}

#[test]
fn print_env_does_for_a_shell_what_the_launcher_does_for_a_command() {
    let scene = scene().0;
    let strange = scene.path("it's a \"$file\"");
    fs::copy(scene.path("passwd"), &strange).expect("the directory is ours");
    let script = r#"
        e=$("$0" --print-env --passwd "$1" --user magic:4242:4343 --hostname 'a  b' \
            --fall-through)
        eval "$e"
        id ipython; id magic; printf '%s\n' "$NSS_WRAPPER_HOSTNAME"
    "#;
    for shell in ["dash", "bash"] {
        let mut command = Command::new(shell);
        command.args(["-euc", script]).arg(scene.path("nss-wrapper")).arg(&strange);
        let said = stdout(command.env_remove("LD_PRELOAD"));
        has(&said, "uid=10000(ipython) gid=0(root)");
        has(&said, "uid=4242(magic) gid=4343(magic)");
        has(&said, "\na  b\n");
    }
}

#[test]
fn what_was_preloaded_stays_behind_the_library() {
    let (scene, launcher) = scene();
    let own = scene.library.to_str().expect("a plain path");
    let uid_wrapper = support::uid_wrapper();
    let other = uid_wrapper.to_str().expect("a plain path");
    let show = ["sh", "-c", "echo $LD_PRELOAD"];
    for before in [other.to_owned(), format!("{own} {other}"), format!("{other}:{own}")] {
        let mut command = as_self(&scene, show);
        let said = stdout(command.env("LD_PRELOAD", &before));
        assert_eq!(said, format!("{own}:{other}\n"), "{before}");
    }
    // uid_wrapper tells the launcher that it is root. The name for that id is the library's.
    let preload = format!("LD_PRELOAD={other}");
    let env = ["env", &preload, "UID_WRAPPER=1", "UID_WRAPPER_ROOT=1", &launcher];
    let mut command = scene.as_ids(10000, 10000, env);
    command.args(["--user", "magic", "id", "-un"]).env_remove("LD_PRELOAD");
    assert_eq!(stdout(&mut command), "magic\n");
}

#[test]
fn the_library_is_found_beside_and_in_lib_and_where_it_is_said_to_be() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (bin, lib) = (dir.path().join("bin"), dir.path().join("lib"));
    let multiarch = lib.join(format!("{}-linux-gnu", std::env::consts::ARCH));
    fs::create_dir_all(&bin).expect("the directory is ours");
    fs::create_dir_all(&multiarch).expect("the directory is ours");
    let program = bin.join("nss-wrapper");
    copy_program(launcher(), &program);
    let found = |program: &Path, variable: Option<&Path>, args: &[&str]| {
        let mut command = Command::new(program);
        command.args(args).arg("--print-env").current_dir(&lib).env_remove("LD_PRELOAD");
        match variable {
            Some(path) => command.env("NSS_WRAPPER_RS_LIBRARY", path),
            None => command.env_remove("NSS_WRAPPER_RS_LIBRARY"),
        };
        let out = run(&mut command);
        if !out.status.success() {
            assert_eq!(out.status.code(), Some(125));
            return Err(String::from_utf8_lossy(&out.stderr).into_owned());
        }
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        let path = said.strip_prefix("export LD_PRELOAD=").and_then(|s| s.strip_suffix('\n'));
        Ok(PathBuf::from(path.unwrap_or_else(|| panic!("{said}"))))
    };
    let name = "libnss_wrapper_rs.so";
    has(&found(&program, None, &[]).expect_err("there is none"), "--library or NSS_WRAPPER_RS");
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&program, &link).expect("the directory is ours");
    for place in [&lib, &multiarch, &bin] {
        let path = file(place, name, "");
        assert_eq!(found(&program, None, &[]).as_ref(), Ok(&path));
        assert_eq!(found(&link, None, &[]).as_ref(), Ok(&path));
        assert_eq!(found(&program, Some(Path::new("")), &[]).as_ref(), Ok(&path), "set to nothing");
    }
    let other = file(&lib, "other.so", "\x7fELF\x02");
    assert_eq!(found(&program, None, &["--library", "other.so"]).as_ref(), Ok(&other));
    assert_eq!(found(&program, Some(&other), &[]).as_ref(), Ok(&other));
    let wrong = found(&program, None, &["--library", "none.so"]);
    has(&wrong.expect_err("there is none"), "none.so: No such file");
    // The variable is no option that another one excludes.
    let mut command = Command::new(&program);
    stdout(command.args(["--generate", "man"]).env("NSS_WRAPPER_RS_LIBRARY", &other));
}

#[test]
fn the_launcher_has_the_variables_of_the_library_and_no_others() {
    let names = |path: &str, quote: &str| {
        let text = fs::read_to_string(root().join(path)).expect("committed");
        let constants = text.lines().filter(|line| line.contains("const "));
        let values = constants.filter_map(|line| line.split(quote).nth(1)?.split('"').next());
        let ours = values.filter(|name| name.starts_with("NSS_WRAPPER_") && !name.ends_with('_'));
        ours.map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let library = names("src/config.rs", "c\"");
    assert!(library.contains("NSS_WRAPPER_PASSWD") && library.len() >= 10, "{library:?}");
    assert_eq!(names("environment/src/names.rs", "\""), library);
}

/// The passwd file is empty here, because the launcher sets `NSS_WRAPPER_USER` only for a caller who has no
/// entry.
#[test]
fn every_variable_has_an_option() {
    let scene = scene().0;
    file(&scene.home, "empty", "");
    let mut command = as_ids(&scene, 10000, 10000, ["--print-env", "--user", "magic"]);
    for option in ["--passwd", "--group", "--shadow", "--hosts"] {
        command.args([option, "empty"]);
    }
    command.args(["--hostname", "h", "--module", "m.so", "--module-prefix", "m"]);
    let said = stdout(command.args(["--fall-through", "--debug", "1"]));
    let set: BTreeSet<_> = said
        .lines()
        .filter_map(|line| line.strip_prefix("export ")?.split('=').next())
        .map(|name| name.trim_start_matches("NSS_WRAPPER_"))
        .collect();
    let want = [
        "DEBUGLEVEL",
        "FALLTHROUGH",
        "GROUP",
        "HOSTNAME",
        "HOSTS",
        "LD_PRELOAD",
        "MODULE_FN_PREFIX",
        "MODULE_SO_PATH",
        "PASSWD",
        "SHADOW",
        "USER",
    ];
    assert_eq!(set, BTreeSet::from(want));
}

#[test]
fn the_completions_and_the_man_pages_name_every_option() {
    let help = stdout(Command::new(launcher()).arg("--help"));
    let options: BTreeSet<_> = help
        .split_whitespace()
        .filter(|word| word.starts_with("--") && word.len() > 3)
        .map(|word| word.trim_end_matches([')', '.', ',']))
        .filter(|word| *word != "--print-env)\"")
        .collect();
    assert!(options.contains("--fall-through") && options.len() > 12, "{options:?}");
    for what in ["bash", "zsh", "fish", "man"] {
        let made = stdout(Command::new(launcher()).args(["--generate", what]));
        let plain = made.replace("\\-", "-");
        for option in &options {
            let bare = option.trim_start_matches('-');
            assert!(plain.contains(bare), "{what} lacks {option}");
        }
        for hidden in ["ask-key", "map-ids", "edit-man"] {
            assert!(!plain.contains(hidden), "{what} has {hidden}");
        }
    }
    let zsh = stdout(Command::new(launcher()).args(["--generate", "zsh"]));
    has(&zsh, "[Add a user; without UID, name whoever runs the command]:NAME or LINE:_default'");
    has(&zsh, "'*::command -- ");
    let bash = stdout(Command::new(launcher()).args(["--generate", "bash"]));
    let script = format!("{bash}\ncomplete -p nss-wrapper");
    has(&stdout(Command::new("bash").args(["--norc", "-c", &script])), "_nss__wrapper");
}
