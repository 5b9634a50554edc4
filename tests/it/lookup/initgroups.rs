//! `initgroups(3)`, by which a daemon gives up root's groups. It never reports success if a privileged caller
//! keeps its groups.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::scene::{Scene, UID, failure, has, is_root};
use crate::support::{
    PYTHON, copy_program, file, launcher, probe, run, stdout, uid_wrapper, under,
};

const PASSWD: &str = "svc:*:5000:5000::/:/bin/sh\n";
const GROUP: &str = "svc:x:5000:\nextra:x:5001:svc\nother:x:5002:\nmore:x:5003:other,svc\n";

/// A scene with those files; `None` if the tests do not run as root.
fn root_scene() -> Option<Scene> {
    if !is_root() {
        eprintln!("skipped: only root has groups to drop");
        return None;
    }
    let scene = Scene::new();
    file(scene.dir.path(), "passwd", PASSWD);
    file(scene.dir.path(), "group", GROUP);
    copy_program(probe("membership"), scene.path("membership"));
    Some(scene)
}

/// A command that root runs in the groups 0, 4 and 27, with the library and the files.
fn as_root(scene: &Scene, args: &[&str]) -> Command {
    let mut command = under("", "setpriv");
    command
        .args(["--groups", "0,4,27", "--", "env"])
        .arg(format!("LD_PRELOAD={}", scene.library.display()))
        .args(args)
        .env("NSS_WRAPPER_PASSWD", scene.path("passwd"))
        .env("NSS_WRAPPER_GROUP", scene.path("group"))
        .env("LC_ALL", "C")
        .current_dir("/");
    command.env_remove("LD_PRELOAD");
    command
}

fn membership(scene: &Scene, args: &[&str]) -> Command {
    let probe = scene.path("membership");
    as_root(scene, &[&[probe.to_str().expect("ASCII")], args].concat())
}

#[test]
fn root_gets_the_groups_of_the_user_and_no_other() {
    let Some(scene) = root_scene() else { return };
    let said = stdout(&mut membership(&scene, &["svc", "5000"]));
    has(&said, "initgroups 0, errno 0: 5000 5001 5003\n");
    let out = run(membership(&scene, &["svc", "5000"]).env("NSS_WRAPPER_DEBUGLEVEL", "1"));
    assert_eq!(String::from_utf8_lossy(&out.stderr), "", "there is nothing to warn of");
}

#[test]
fn an_unknown_user_has_the_given_group_alone() {
    let Some(scene) = root_scene() else { return };
    let said = stdout(&mut membership(&scene, &["nosuch", "7"]));
    has(&said, "initgroups 0, errno 0: 7\n");
}

#[test]
fn a_synthetic_user_has_no_groups_of_root_either() {
    let Some(scene) = root_scene() else { return };
    let mut command = membership(&scene, &["me", "5000"]);
    command.env_remove("NSS_WRAPPER_PASSWD").env_remove("NSS_WRAPPER_GROUP");
    command.env("NSS_WRAPPER_USER", "me:x:5000:5000::/:/bin/sh");
    let said = stdout(&mut command);
    // libc answers here, and may change errno.
    assert!(said.contains("initgroups 0, ") && said.ends_with(": 5000\n"), "{said}");
}

#[test]
fn root_gets_the_error_of_setgroups() {
    let Some(scene) = root_scene() else { return };
    let probe = scene.path("membership");
    let probe = probe.to_str().expect("ASCII");
    let drop = ["setpriv", "--bounding-set=-setgid", "--inh-caps=-setgid", "--", probe];
    let said = stdout(&mut as_root(&scene, &[&drop[..], &["svc", "5000"]].concat()));
    has(&said, &format!("initgroups -1, errno {}: 0 4 27\n", libc::EPERM));
}

#[test]
fn an_unprivileged_caller_is_warned_and_keeps_the_groups() {
    let scene = Scene::new();
    file(scene.dir.path(), "group", GROUP);
    copy_program(probe("membership"), scene.path("membership"));
    let probe = scene.path("membership");
    let mut command = scene.as_ids(UID, 0, [probe.to_str().expect("ASCII"), "svc", "5000"]);
    command.env("NSS_WRAPPER_GROUP", scene.path("group")).env("NSS_WRAPPER_DEBUGLEVEL", "1");
    let out = run(&mut command);
    has(&String::from_utf8_lossy(&out.stdout), "initgroups 0, errno 0:");
    has(&String::from_utf8_lossy(&out.stderr), "NWRAP_WARN[membership (");
    has(&String::from_utf8_lossy(&out.stderr), "initgroups");
    let silent = run(command.env_remove("NSS_WRAPPER_DEBUGLEVEL")).stderr;
    assert_eq!(String::from_utf8_lossy(&silent), "", "silent unless asked");
    // `UID_WRAPPER` is set, but uid_wrapper is not loaded, so nothing has set any groups. Success would be wrong.
    let said = stdout(command.env("UID_WRAPPER", "1"));
    has(&said, &format!("initgroups -1, errno {}", libc::EPERM));
}

/// Even for root uid_wrapper fakes the groups, and the real ones stay.
#[test]
fn with_uid_wrapper_the_groups_are_its_own() {
    let Some(scene) = root_scene() else { return };
    let libraries = format!("{}:{}", scene.library.display(), uid_wrapper().display());
    let probe = scene.path("membership");
    let mut command = under(libraries, &probe);
    command.args(["svc", "5000"]).env("NSS_WRAPPER_GROUP", scene.path("group"));
    let said = stdout(command.env("UID_WRAPPER", "1").env("UID_WRAPPER_ROOT", "1"));
    has(&said, "initgroups 0, errno 0: 5000 5001 5003\n");
}

#[test]
fn without_a_descriptor_or_memory_the_given_group_is_left_alone() {
    let Some(scene) = root_scene() else { return };
    let full = "getgrouplist 1 after 1 turns: 5000\ninitgroups 0, errno 0: 5000\n\
                getgrouplist 3 after 3 turns: 5000 5001 5003\n\
                initgroups 0, errno 0: 5000 5001 5003\n";
    assert_eq!(stdout(&mut membership(&scene, &["svc", "5000", "files=3", "then"])), full);
    let many = "filler:x:9999:nobody,nobody,nobody,nobody\n".repeat(400_000);
    file(scene.dir.path(), "group", many + GROUP);
    assert_eq!(stdout(&mut membership(&scene, &["svc", "5000", "memory=4", "then"])), full);
}

#[test]
fn setpriv_and_the_launcher_drop_roots_groups() {
    let Some(scene) = root_scene() else { return };
    let tool = scene.path("nss-wrapper");
    copy_program(launcher(), &tool);
    let mut command = under("", "setpriv");
    command.env_remove("LD_PRELOAD").args(["--groups", "0,4,27", "--"]).arg(tool);
    command.args(["--user", "svc:5000:5000", "--", "setpriv", "--reuid", "svc", "--regid", "5000"]);
    command.args(["--init-groups", "id", "-G"]).current_dir("/");
    assert_eq!(stdout(&mut command), "5000\n");
    let set = ["setpriv", "--reuid", "svc", "--regid", "5000", "--init-groups", "id", "-G"];
    assert_eq!(stdout(&mut as_root(&scene, &set)), "5000 5001 5003\n");
}

#[test]
fn su_runuser_and_python_drop_roots_groups() {
    let Some(scene) = root_scene() else { return };
    let shadow = file(scene.dir.path(), "shadow", "svc:*:19000:0:99999:7:::\n");
    // Shows the groups that the kernel has for the process, which no library can fake.
    let show = "exec grep ^Groups: /proc/self/status";
    let python = "import os; os.initgroups('svc', 5000); os.setgid(5000); os.setuid(5000); \
                  print(open('/proc/self/status').read())";
    for args in [
        &["runuser", "-u", "svc", "--", "sh", "-c", show][..],
        &["su", "svc", "-c", show],
        &[PYTHON, "-c", python],
    ] {
        let said = stdout(as_root(&scene, args).env("NSS_WRAPPER_SHADOW", &shadow));
        has(&said.replace(" \n", "\n"), "Groups:\t5000 5001 5003\n");
    }
}

/// Makes a command of root's run as 10000, with 27 as the only supplementary group.
const AS_10000: &[&str] = &["setpriv", "--reuid=10000", "--regid=10000", "--groups=27", "--"];

/// They have no groups of root's to drop, cannot change their groups, and cannot become the user.
#[test]
fn setpriv_su_and_python_as_10000_become_nobody_else() {
    let Some(scene) = root_scene() else { return };
    let as_10000 = |args: &[&str]| as_root(&scene, &[AS_10000, args].concat());
    let set = ["setpriv", "--reuid", "svc", "--regid", "5000", "--init-groups", "id"];
    has(&failure(&mut as_10000(&set)), "Operation not permitted");
    has(&failure(&mut as_10000(&["su", "svc", "-c", "id"])), "su: ");
    let python = "import os; os.initgroups('svc', 5000); print(os.getgroups()); os.setuid(5000)";
    let said = failure(&mut as_10000(&[PYTHON, "-c", python]));
    has(&said, "[27]\n");
    has(&said, "PermissionError");
}

/// A running nginx that serves a directory at a socket.
struct Nginx {
    server: Child,
    socket: PathBuf,
}

impl Nginx {
    /// Starts nginx as root, by a command line that begins with `by`.
    fn new(scene: &Scene, by: &[&str]) -> Self {
        let www = scene.path("www");
        fs::create_dir_all(&www).expect("the directory is ours");
        fs::set_permissions(&www, Permissions::from_mode(0o755)).expect("ours");
        file(&www, "open", "for all\n");
        let secret = file(&www, "secret", "for root's group\n");
        fs::set_permissions(&secret, Permissions::from_mode(0o640)).expect("ours");
        let (dir, www) = (scene.home.display(), www.display());
        let socket = scene.home.join("socket");
        let config = format!(
            "daemon off; user svc; worker_processes 1; pid {dir}/pid; error_log stderr;\n\
             events {{}}\n\
             http {{ access_log off; client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2;\n\
             fastcgi_temp_path {dir}/t3; uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;\n\
             server {{ listen unix:{dir}/socket; root {www}; }} }}\n"
        );
        let config = file(scene.dir.path(), "nginx.conf", config);
        let config = config.to_str().expect("ASCII");
        let nginx = ["/usr/sbin/nginx", "-e", "stderr", "-c", config];
        let mut command = as_root(scene, &[by, &nginx].concat());
        let server = command.stderr(Stdio::null()).spawn().expect("nginx is installed");
        let nginx = Self { server, socket };
        let begin = Instant::now();
        while nginx.worker().is_none() || nginx.status("open") != "200" {
            assert!(begin.elapsed() < Duration::from_secs(20), "nginx does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        nginx
    }

    fn worker(&self) -> Option<u32> {
        let pid = self.server.id();
        let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        list.split_whitespace().next()?.parse().ok()
    }

    /// The worker's groups, as a line of /proc/PID/status.
    fn groups(&self) -> String {
        let worker = self.worker().expect("it answers");
        let status = fs::read_to_string(format!("/proc/{worker}/status")).expect("it runs");
        let groups = status.lines().find(|line| line.starts_with("Groups:")).expect("proc(5)");
        groups.trim_end().to_owned()
    }

    fn status(&self, file: &str) -> String {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket"]);
        let out = run(curl.arg(&self.socket).arg(format!("http://localhost/{file}")));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM, so that it ends its worker too.
        _ = run(Command::new("kill").arg(self.server.id().to_string()));
        _ = self.server.wait();
    }
}

#[test]
fn a_worker_of_nginx_cannot_read_what_is_for_roots_group() {
    let Some(scene) = root_scene() else { return };
    for (by, groups) in [(&[][..], "Groups:\t5000 5001 5003"), (AS_10000, "Groups:\t27")] {
        let nginx = Nginx::new(&scene, by);
        assert_eq!(nginx.groups(), groups);
        assert_eq!(nginx.status("secret"), "403");
    }
}
