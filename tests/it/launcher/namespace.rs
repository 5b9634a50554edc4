//! `nss-wrapper --namespace`: programs that read the files in /etc themselves see the users, and nothing else
//! changes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::scene::{as_ids, as_root, as_self, scene};
use crate::support::scene::{Scene, failure, has, is_root};
use crate::support::{PYTHON, built, compiled, copy_program, file, root, run, stdout};

/// A static program, of Debian's package busybox-static.
const BUSYBOX: &str = "/bin/busybox";

/// A Go program without cgo.
fn go_program(dir: &Path) -> PathBuf {
    let program = dir.join("who");
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(&program).arg(root().join("tests/probes/who.go"));
    go.env("CGO_ENABLED", "0").env("GOCACHE", built().join("go")).env("GO111MODULE", "off");
    stdout(&mut go);
    program
}

#[test]
fn programs_that_read_the_files_themselves_know_who_they_are_run_by() {
    let (scene, _) = scene();
    let reader = scene.path("read_passwd");
    copy_program(compiled("read_passwd", "cc", &["-static"]), &reader);
    let go = go_program(scene.dir.path());
    let text = |path: &Path| path.to_str().expect("a plain path").to_owned();
    let (reader, go) = (text(&reader), text(&go));
    for program in [&[BUSYBOX, "whoami"][..], &[&reader], &[&go]] {
        failure(&mut scene.bare(program));
        for (uid, gid) in [(10000, 0), (10000, 10000), (0, 0)] {
            let args = ["--namespace", "--user", "magic", "--"];
            let mut command = as_ids(&scene, uid, gid, args);
            assert_eq!(stdout(command.args(program)), "magic\n", "{uid} {program:?}");
        }
    }
}

#[test]
fn the_variables_of_the_library_say_what_no_option_says() {
    let (scene, _) = scene();
    let line = "app:x:%u:%g:100%%:%h:/bin/ash";
    let show = format!("id -un; id -gn; grep ^app /etc/passwd; {BUSYBOX} hostname");
    let mut command =
        as_ids(&scene, 10000, 7000, ["--namespace", "--", BUSYBOX, "sh", "-c", &show]);
    command.env("NSS_WRAPPER_USER", format!("{line}\n")).env("HOME", "/data/100%");
    let said = stdout(command.env("NSS_WRAPPER_HOSTNAME", "box.example"));
    let want = "app\napp\napp:x:10000:7000:100%:/data/100%:/bin/ash\nbox.example\n";
    assert_eq!(said, want);
    // The caller's own group gets a name, also if somebody else is named.
    let args = ["--namespace", "--user", "other:7:8", "id", "-gn"];
    assert_eq!(stdout(&mut as_ids(&scene, 10000, 7000, args)), "g7000\n");
    // A caller who has an entry keeps it, and no namespace is made.
    let mut command = as_root(&scene.path("nss-wrapper"));
    command.args(["--namespace", "sh", "-c", "readlink /proc/self/ns/mnt; id -un"]);
    command.env_remove("LD_PRELOAD").env("NSS_WRAPPER_USER", line);
    if is_root() {
        let own = fs::read_link("/proc/self/ns/mnt").expect("a link");
        assert_eq!(stdout(&mut command), format!("{}\nroot\n", own.display()));
    } else {
        has(&stdout(&mut command), "\nroot\n");
    }
    // The name may be that of another user too, as it may for the library.
    let args = ["--namespace", "getent", "passwd", "daemon"];
    let mut command = as_ids(&scene, 10000, 7000, args);
    let own = "daemon:x:10000:7000::/:/bin/sh\n";
    assert_eq!(stdout(command.env("NSS_WRAPPER_USER", "daemon:x:%u:%g::/:/bin/sh")), own);
    // As docker takes it from a file with the line ends of Windows.
    let mut command = as_ids(&scene, 10000, 0, ["--namespace", "id", "-un"]);
    assert_eq!(stdout(command.env("NSS_WRAPPER_USER", format!("{line}\r"))), "app\n");
    // An entry that is commented out is none.
    file(&scene.home, "commented", "root:x:0:0:::\n#app:x:10000:0::/:/bin/sh\n");
    let args = ["--namespace", "--passwd", "commented", "--", "id", "-un"];
    let mut command = as_ids(&scene, 10000, 0, args);
    assert_eq!(stdout(command.env("NSS_WRAPPER_USER", line)), "app\n");
    for (value, why) in
        [("app:1:2:x", "NSS_WRAPPER_USER: neither"), (&line.replace("%h", "%k"), "%k")]
    {
        let mut command = as_ids(&scene, 10000, 0, ["--namespace", "echo", "ran"]);
        has(&failure(command.env("NSS_WRAPPER_USER", value)), why);
    }
}

#[test]
fn all_files_and_the_host_name_are_those_of_the_options() {
    let (scene, _) = scene();
    file(&scene.home, "hosts", "10.9.8.7 filed\n");
    file(&scene.home, "shadow", "bob:$6$x:1:2:3:4:5:6:7\n");
    let show = format!(
        "cat /etc/passwd; echo; cat /etc/group; echo; cat /etc/hosts; echo; cat /etc/shadow; echo; \
         {BUSYBOX} hostname; stat -c %a:%n /etc/passwd /etc/group /etc/hosts"
    );
    for uid in [10000, 0] {
        let files = ["--passwd", "../passwd", "--group", "../group", "--hosts", "hosts"];
        let mut command = as_ids(&scene, uid, 0, ["--namespace", "--user", "x:7:8"]);
        command.args(files).args(["--shadow", "shadow", "--host", "db=::1", "--hostname", "it"]);
        let said = stdout(command.args(["sh", "-c", &show]));
        let read = |name| fs::read_to_string(scene.path(name)).expect("ours");
        let want = format!(
            "x:x:7:8:x:/:/bin/sh\n{}\nx:x:8:\n{}\n::1 db\n10.9.8.7 filed\n\nbob:$6$x:1:2:3:4:5:6:7\n\n\
             it\n644:/etc/passwd\n644:/etc/group\n644:/etc/hosts\n",
            read("passwd"),
            read("group")
        );
        assert_eq!(said, want, "{uid}");
        let mut command = as_ids(&scene, uid, 0, ["--namespace", "--passwd", "../passwd"]);
        let said = stdout(command.args(["--fall-through", "cat", "/etc/passwd"]));
        assert_eq!(said, read("passwd") + &fs::read_to_string("/etc/passwd").expect("readable"));
    }
}

#[test]
fn ids_process_exit_code_and_signal_are_as_without() {
    let (scene, _) = scene();
    let look = "echo $$; id -u; id -g; read c </proc/$$/task/$$/children; echo \"children: $c\"; \
                ls /proc/$$/fd; ls -A \"$TMPDIR\"; grep -E 'Cap(Inh|Prm|Eff|Amb)' /proc/self/status";
    let temporary = scene.path("temporary");
    fs::create_dir(&temporary).expect("the directory is ours");
    for uid in [10000, 0] {
        let mut with = as_ids(&scene, uid, 7000, ["--namespace", "--user", "magic", "sh", "-c"]);
        let with = with.arg(look).env("TMPDIR", &temporary).stdout(Stdio::piped());
        let child = with.spawn().expect("the launcher runs");
        let pid = child.id().to_string();
        let out = child.wait_with_output().expect("it ends");
        let with = String::from_utf8_lossy(&out.stdout).into_owned();
        let (own, with) = with.split_once('\n').expect("the process id");
        assert_eq!(own, pid);
        let mut without = scene.as_ids(uid, 7000, ["sh", "-c", look]);
        without.env_remove("LD_PRELOAD").env("TMPDIR", &temporary);
        assert_eq!(with, stdout(&mut without).split_once('\n').expect("the process id").1);
    }
    let namespace = ["--namespace", "--user", "magic:7:8", "sh", "-c"];
    let out = run(as_self(&scene, namespace).arg("exit 7"));
    assert_eq!(out.status.code(), Some(7));
    let out = run(as_self(&scene, namespace).arg("kill -TERM $$; sleep 5"));
    assert_eq!(out.status.signal(), Some(15));
    let out = run(&mut as_self(&scene, ["--namespace", "--user", "magic:7:8", "./none"]));
    assert_eq!(out.status.code(), Some(127));
}

#[test]
fn root_without_the_right_to_mount_can_still_become_another_user_and_keeps_its_groups() {
    let (scene, launcher) = scene();
    let inside = "id -G; id -Gn; setpriv --reuid=1234 --regid=1234 --clear-groups id -un";
    let mut command = Command::new("setpriv");
    if !is_root() {
        // Root of a user namespace has no other id to become, and its groups have no ids there.
        return assert_eq!(
            stdout(as_ids(&scene, 0, 0, ["--namespace", "--user", "a"]).args(["id", "-un"])),
            "a\n"
        );
    }
    command.args(["--bounding-set=-sys_admin", "--groups=0,7777", &launcher, "--namespace"]);
    command.args(["--user", "own", "--user", "other:1234:1234", "sh", "-c", inside]);
    command.env_remove("LD_PRELOAD").env("NSS_WRAPPER_RS_LIBRARY", &scene.library);
    assert_eq!(stdout(&mut command), "0 7777\nroot g7777\nother\n");
    // Where SIGCHLD is ignored, the child that maps the ids is waited for too.
    let mut command = Command::new("setpriv");
    let ignoring = "trap '' CHLD; exec \"$@\"";
    command.args(["--bounding-set=-sys_admin", "sh", "-c", ignoring, "sh", &launcher]);
    command.args(["--namespace", "--user", "other:1234:1234", "setpriv", "--reuid=1234"]);
    let command = command.args(["--regid=1234", "--clear-groups", "id", "-un"]);
    assert_eq!(stdout(command.env_remove("LD_PRELOAD")), "other\n");
}

#[test]
fn the_files_outside_stay_and_nobody_outside_sees_the_others() {
    let (scene, _) = scene();
    let etc = || {
        ["passwd", "group", "shadow", "hosts"].map(|name| {
            let status = fs::metadata(Path::new("/etc").join(name)).expect("it is there");
            (status.ino(), status.dev(), status.size(), status.mtime_nsec())
        })
    };
    let hostname = || fs::read("/proc/sys/kernel/hostname").expect("readable");
    let (before, name) = (etc(), hostname());
    let script = format!("echo x:x:1:1::: >>/etc/passwd; {BUSYBOX} tail -1 /etc/passwd; cat");
    let mut command = as_self(&scene, ["--namespace", "--user", "magic:4242", "--hostname", "it"]);
    command.args(["sh", "-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the launcher runs");
    let mut line = [0; 10];
    let out = child.stdout.as_mut().expect("a pipe");
    std::io::Read::read_exact(out, &mut line).expect("the command runs");
    assert_eq!(&line, b"x:x:1:1:::");
    assert!(before == etc(), "while the command runs");
    assert!(name == hostname());
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("readable");
    assert!(!mounts.contains("nss-wrapper"), "{mounts}");
    drop(child.stdin.take());
    assert!(child.wait().expect("it ends").success());
    assert!(before == etc(), "after it");
}

#[test]
fn what_forbids_a_namespace_is_named_in_one_line_and_the_command_does_not_run() {
    let (scene, launcher) = scene();
    let refused = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-euc", script, "sh", &launcher]);
        let out = run(command.env_remove("LD_PRELOAD"));
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!((out.status.code(), out.stdout.len()), (Some(125), 0), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        said
    };
    let said = refused(
        "echo 0 >/proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-sys_admin \
         \"$1\" --namespace --user a:7:8 echo ran",
    );
    has(
        &said,
        "nss-wrapper: no namespace: unshare: No space left on device; allow it by sysctl user.max",
    );
    let said = refused("mount -t tmpfs none /etc; exec \"$1\" --namespace --user a:7:8 echo ran");
    has(&said, "nss-wrapper: nothing can lie over /etc/passwd: No such file or directory");
    let name = format!("--hostname={}", "x".repeat(65));
    let mut command = as_ids(&scene, 10000, 0, ["--namespace", &name, "echo", "ran"]);
    has(&failure(&mut command), "the host name is longer than 64 bytes");
    // Set to nothing, the name is the system's, as it is for the library.
    let mut command = as_ids(&scene, 10000, 0, ["--namespace", "--hostname=", "readlink"]);
    let own = fs::read_link("/proc/self/ns/uts").expect("a link");
    let said = stdout(command.arg("/proc/self/ns/uts").env("NSS_WRAPPER_HOSTNAME", "it"));
    assert_eq!(said.trim_end(), own.to_str().expect("plain"));
    for other in ["--print-env", "--install-service", "--module=m.so"] {
        let mut command = as_ids(&scene, 10000, 0, ["--namespace", other, "--module-prefix", "m"]);
        has(&failure(&mut command), "cannot be used with");
    }
}

/// As in an image that sets LD_PRELOAD and NSS_WRAPPER_PASSWD: the command has the library preloaded then.
#[test]
fn an_option_counts_more_than_a_variable_of_the_preloaded_library() {
    let (scene, launcher) = scene();
    file(&scene.home, "hosts", "10.9.8.7 filed\n");
    let ask = |args: &[&str], code: &str| {
        let mut command = scene.as_ids(10000, 0, [&launcher, "--namespace"]);
        command.args(args).args([PYTHON, "-c", &format!("import grp, pwd, socket; print({code})")]);
        command.env("NSS_WRAPPER_PASSWD", "../passwd").env("NSS_WRAPPER_GROUP", "../group");
        command.env("NSS_WRAPPER_HOSTS", "hosts").env("NSS_WRAPPER_HOSTNAME", "old");
        stdout(&mut command)
    };
    let users = "pwd.getpwnam('magic')[2], grp.getgrgid(8)[0], pwd.getpwuid(10000)[0]";
    assert_eq!(ask(&["--user", "magic:7:8"], users), "7 magic ipython\n");
    let hosts = "*map(socket.gethostbyname, ['db', 'filed'])";
    assert_eq!(ask(&["--host", "db=10.1.2.3"], hosts), "10.1.2.3 10.9.8.7\n");
    assert_eq!(ask(&["--hostname", "new"], "socket.gethostname()"), "new\n");
    assert_eq!(ask(&["--passwd", "/etc/passwd"], "pwd.getpwuid(1)[0]"), "daemon\n");
}

/// The library is deleted first: `--namespace` works without it.
#[test]
fn nothing_is_preloaded_in_a_namespace() {
    let scene: Scene = scene().0;
    fs::remove_file(&scene.library).expect("ours");
    let show =
        "import os; print('LD_PRELOAD' in os.environ); import pwd; print(pwd.getpwuid(7)[0])";
    let mut command =
        as_ids(&scene, 10000, 0, ["--namespace", "--user", "magic:7:8", PYTHON, "-c"]);
    assert_eq!(stdout(command.arg(show)), "False\nmagic\n");
}
