//! Real programs, run as the user id 10000 that has no passwd entry, each without the library and
//! with it.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support;
use crate::support::scene::{Scene, both, failure, has, is_root};
use crate::support::{PYTHON, run, stdout};

/// Calls `ready` until it says yes, for at most 20 seconds.
#[track_caller]
fn wait_for(what: &str, mut ready: impl FnMut() -> bool) {
    let start = Instant::now();
    while !ready() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what} is not ready after 20 s");
        sleep(Duration::from_millis(20));
    }
}

/// A server that is told to stop when the test ends, however it ends.
struct Server {
    child: Child,
    signal: &'static str,
}

impl Server {
    fn start(command: &mut Command, log: &Path, signal: &'static str) -> Self {
        let log = fs::File::create(log).expect("the directory is ours");
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor can be copied"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        Self { child, signal }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Not SIGKILL: PostgreSQL would leave its shared memory behind.
        let pid = self.child.id().to_string();
        if Command::new("kill").args([self.signal, &pid]).status().is_err() {
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}

#[test]
fn id_knows_the_user_and_all_its_groups() {
    let scene = Scene::new();
    has(&scene.fails(["id", "-un"]), "cannot find name for user ID 10000");
    has(&stdout(&mut scene.bare(["id"])), "uid=10000 gid=0(root)");
    has(&scene.fails(["id", "ipython"]), "no such user");

    assert_eq!(scene.right(["id", "-un"]), "ipython\n");
    assert_eq!(scene.right(["id", "-gn"]), "crew\n");
    has(&scene.right(["id"]), "uid=10000(ipython) gid=0(crew) groups=0(crew)");
    let whole = "uid=10000(ipython) gid=0(crew) groups=0(crew),5001(lab),5002(club)\n";
    assert_eq!(scene.right(["id", "ipython"]), whole);
    assert_eq!(scene.right(["id", "-Gn", "builder"]), "crew lab\n");
    has(&failure(&mut scene.wrapped(["id", "stranger"])), "no such user");
}

#[test]
fn whoami_knows_the_name() {
    let scene = Scene::new();
    has(&scene.fails(["whoami"]), "cannot find name for user ID 10000");
    assert_eq!(scene.right(["whoami"]), "ipython\n");
}

#[test]
fn ls_and_stat_show_the_owner_by_name() {
    let scene = Scene::new();
    let file = support::file(&scene.home, "notes", "");
    scene.give(&file);
    if is_root() {
        let old = support::file(&scene.home, "old", "");
        chown(old, Some(1001), Some(5001)).expect("root may give files away");
    }

    let owner = |listing: &str| {
        let line = listing.lines().find(|line| line.ends_with(" notes")).expect("the file exists");
        line.split_whitespace().skip(2).take(2).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(owner(&stdout(&mut scene.bare(["ls", "-l"]))), "10000 root");
    assert_eq!(owner(&scene.right(["ls", "-l"])), "ipython crew");
    let format = ["stat", "-c", "%U %G %u", "notes"];
    assert_eq!(stdout(&mut scene.bare(format)), "UNKNOWN root 10000\n");
    assert_eq!(scene.right(format), "ipython crew 10000\n");
    if is_root() {
        let format = ["stat", "-c", "%U %G", "old"];
        assert_eq!(stdout(&mut scene.bare(format)), "UNKNOWN UNKNOWN\n");
        assert_eq!(scene.right(format), "builder lab\n");
        let found = scene.right(["find", ".", "-user", "builder", "-group", "lab"]);
        assert_eq!(found, "./old\n");
    }
}

#[test]
fn chown_takes_a_wrapped_name() {
    let scene = Scene::new();
    let file = support::file(&scene.home, "notes", "");
    scene.give(&file);
    has(&scene.fails(["chown", "ipython:crew", "notes"]), "invalid user");
    scene.right(["chown", "ipython:crew", "notes"]);
}

#[test]
fn getent_finds_and_lists_users_and_groups() {
    let scene = Scene::new();
    let line =
        format!("ipython:x:10000:0:Interactive Python,Room 1:{}:/bin/bash\n", scene.home.display());
    for key in ["10000", "ipython"] {
        assert_eq!(scene.fails(["getent", "passwd", key]), "");
        assert_eq!(scene.right(["getent", "passwd", key]), line);
    }
    for key in ["5001", "lab"] {
        assert_eq!(scene.fails(["getent", "group", key]), "");
        assert_eq!(scene.right(["getent", "group", key]), "lab:x:5001:builder,ipython\n");
    }
    let groups = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let bare = stdout(&mut scene.bare(["getent", "initgroups", "ipython"]));
    assert_eq!(groups(&bare), ["ipython"]);
    let wrapped = scene.right(["getent", "initgroups", "ipython"]);
    assert_eq!(groups(&wrapped), ["ipython", "5001", "5002"]);

    for database in ["passwd", "group"] {
        let whole = fs::read_to_string(scene.path(database)).expect("it was written above");
        assert_eq!(scene.right(["getent", database]), whole);
        assert_ne!(stdout(&mut scene.bare(["getent", database])), whole);
    }
    assert_eq!(failure(&mut scene.wrapped(["getent", "passwd", "stranger"])), "");
}

#[test]
fn bash_has_a_name_in_its_prompt_and_homes_behind_tildes() {
    let scene = Scene::new();
    let bash = ["bash", "--noprofile", "--norc", "-c"];
    let prompt = [bash[0], bash[1], bash[2], bash[3], r"p='\u'; echo ${p@P}"];
    assert_eq!(stdout(&mut scene.bare(prompt)), "I have no name!\n");
    assert_eq!(scene.right(prompt), "ipython\n");

    // As it is seen: an interactive shell writes its prompt to standard error.
    let mut interactive = scene.wrapped(["bash", "--noprofile", "--norc", "-i"]);
    interactive.env("PS1", r"<\u>").stdin(Stdio::null());
    has(&both(&run(&mut interactive)), "<ipython>");
    interactive.env_remove("LD_PRELOAD");
    has(&both(&run(&mut interactive)), "<I have no name!>");

    let tildes = [bash[0], bash[1], bash[2], bash[3], "echo ~builder ~ipython ~stranger ~"];
    assert_eq!(stdout(&mut scene.bare(tildes)), "~builder ~ipython ~stranger /\n");
    let home = scene.home.display();
    assert_eq!(scene.right(tildes), format!("/home/builder {home} ~stranger {home}\n"));
}

#[test]
fn python_finds_itself_and_its_groups() {
    let scene = Scene::new();
    let python = |code: &'static str| [PYTHON, "-c", code];
    for (code, answer) in [
        ("import os, pwd; print(pwd.getpwuid(os.getuid()).pw_gecos)", "Interactive Python,Room 1"),
        ("import pwd; print(pwd.getpwnam('ipython').pw_uid)", "10000"),
        ("import grp; print(*grp.getgrnam('lab').gr_mem)", "builder ipython"),
        ("import grp; print(grp.getgrgid(5002).gr_name)", "club"),
        ("import getpass; print(getpass.getuser())", "ipython"),
        ("import pathlib; print(pathlib.Path('.').owner())", "ipython"),
    ] {
        has(&scene.fails(python(code)), "KeyError");
        assert_eq!(scene.right(python(code)).trim_end(), answer, "{code}");
    }

    let all = python("import pwd; print(*[p.pw_name for p in pwd.getpwall()])");
    assert_ne!(stdout(&mut scene.bare(all)), "root builder ipython\n");
    assert_eq!(scene.right(all), "root builder ipython\n");
    let all = python("import grp; print(*[g.gr_name for g in grp.getgrall()])");
    assert_ne!(stdout(&mut scene.bare(all)), "crew lab club empty\n");
    assert_eq!(scene.right(all), "crew lab club empty\n");
    let list = python("import os; print(sorted(os.getgrouplist('ipython', 0)))");
    assert_eq!(stdout(&mut scene.bare(list)), "[0]\n");
    assert_eq!(scene.right(list), "[0, 5001, 5002]\n");
    let home = python("import os.path; print(os.path.expanduser('~builder'))");
    assert_eq!(stdout(&mut scene.bare(home)), "~builder\n");
    assert_eq!(scene.right(home), "/home/builder\n");
    let missing = python("import pwd; pwd.getpwnam('stranger')");
    has(&failure(&mut scene.wrapped(missing)), "KeyError");
}

#[test]
fn perl_finds_users_and_groups() {
    let scene = Scene::new();
    for (code, answer) in [
        (r#"print scalar getpwuid($<) // "none""#, "ipython"),
        (r#"print scalar getpwnam("ipython") // "none""#, "10000"),
        (r#"print +(getpwuid($<))[6] // "none""#, "Interactive Python,Room 1"),
        (r#"print scalar getgrnam("lab") // "none""#, "5001"),
        (r#"print +(getgrgid(5001))[3] // "none""#, "builder ipython"),
        (r#"print glob("~builder") =~ m{^/home} ? "home" : "none""#, "home"),
    ] {
        assert_eq!(stdout(&mut scene.bare(["perl", "-e", code])), "none", "{code}");
        assert_eq!(scene.right(["perl", "-e", code]), answer, "{code}");
    }
    for (code, answer) in [
        ("while (my $name = getpwent) { print qq($name ) }", "root builder ipython "),
        ("while (my $name = getgrent) { print qq($name ) }", "crew lab club empty "),
    ] {
        assert_ne!(stdout(&mut scene.bare(["perl", "-e", code])), answer, "{code}");
        assert_eq!(scene.right(["perl", "-e", code]), answer, "{code}");
    }
    let missing = r#"print defined(getpwnam("stranger")) ? "one" : "none""#;
    assert_eq!(scene.right(["perl", "-e", missing]), "none");
}

#[test]
fn git_knows_the_author() {
    let scene = Scene::new();
    let repository = scene.home.join("repository");
    let repository = repository.to_str().expect("the path is ASCII");
    let git = |mut command: Command| {
        // No configuration but this: it may name an author. The address is not the library's to
        // know, for it has the host's name in it.
        command
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("EMAIL", "ipython@example.org");
        command
    };
    stdout(&mut git(scene.wrapped(["git", "init", "-q", repository])));
    let commit = [
        "git",
        "-C",
        repository,
        "-c",
        "safe.directory=*",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "first",
    ];
    has(&failure(&mut git(scene.bare(commit))), "unable to auto-detect name");
    stdout(&mut git(scene.wrapped(commit)));
    let log = ["git", "-C", repository, "-c", "safe.directory=*", "log", "--format=%an <%ae>|%cn"];
    let author = "Interactive Python <ipython@example.org>|Interactive Python\n";
    assert_eq!(stdout(&mut git(scene.wrapped(log))), author);
}

/// The directory of PostgreSQL's own programs: those in `/usr/bin` are wrappers.
fn postgresql() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("ci/setup installs PostgreSQL");
    let mut found: Vec<_> = versions
        .flatten()
        .map(|version| version.path().join("bin"))
        .filter(|bin| bin.exists())
        .collect();
    found.sort();
    found.pop().expect("ci/setup installs PostgreSQL")
}

#[test]
fn postgresql_makes_a_cluster_and_answers_its_owner() {
    let scene = Scene::new();
    let bin = postgresql();
    let program =
        |name: &str| bin.join(name).into_os_string().into_string().expect("the path is ASCII");
    let text = |path: &Path| path.to_str().expect("the path is ASCII").to_owned();
    let data = text(&scene.home.join("data"));
    let socket = text(&scene.home);

    let initdb = [&program("initdb"), "-D", &data, "-A", "peer", "--no-locale", "-E", "UTF8", "-N"];
    has(&failure(&mut scene.bare(initdb)), "could not look up effective user ID 10000");
    has(&stdout(&mut scene.wrapped(initdb)), "will be owned by user \"ipython\"");

    let server = [
        &program("postgres"),
        "-D",
        &data,
        "-k",
        &socket,
        "-c",
        "listen_addresses=",
        "-c",
        "fsync=off",
    ];
    let log = scene.path("postgres.log");
    // Peer authentication has the server turn the uid at the other end of the socket into a name.
    let psql = [&program("psql"), "-X", "-At", "-h", &socket, "-d", "postgres", "-c"];
    let ask = |question: &'static str| psql.into_iter().chain([question]);
    {
        let _server = Server::start(&mut scene.wrapped(server), &log, "-INT");
        let ready =
            [&program("pg_isready"), "-q", "-h", &socket, "-U", "ipython", "-d", "postgres"];
        wait_for("PostgreSQL", || run(&mut scene.wrapped(ready)).status.success());

        let nameless = failure(&mut scene.bare(ask("select 1")));
        has(&nameless, "local user with ID 10000 does not exist");
        let who = stdout(&mut scene.wrapped(ask("select session_user, current_database()")));
        assert_eq!(who, "ipython|postgres\n");
        let sum = "create table t as select generate_series(1, 1000) as n; select sum(n) from t";
        has(&stdout(&mut scene.wrapped(ask(sum))), "500500");
    }
    {
        let _server = Server::start(&mut scene.bare(server), &log, "-INT");
        let ready =
            [&program("pg_isready"), "-q", "-h", &socket, "-U", "ipython", "-d", "postgres"];
        wait_for("PostgreSQL", || run(&mut scene.wrapped(ready)).status.success());
        let refused = failure(&mut scene.wrapped(ask("select 1")));
        has(&refused, "Peer authentication failed for user \"ipython\"");
    }
}

#[test]
fn ssh_logs_a_wrapped_user_in_with_a_key() {
    let scene = Scene::new();
    let text = |path: &Path| path.to_str().expect("the path is ASCII").to_owned();
    let host_key = text(&scene.home.join("host_key"));
    let key = text(&scene.home.join("key"));
    let stranger = text(&scene.home.join("stranger"));
    let generate = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f"];
    let unnamed = failure(&mut scene.bare(generate.into_iter().chain([key.as_str()])));
    has(&unnamed, "No user exists for uid 10000");
    for path in [&host_key, &key, &stranger] {
        stdout(&mut scene.wrapped(generate.into_iter().chain([path.as_str()])));
    }
    // Below the wrapped home: sshd finds it only if it finds the user.
    stdout(&mut scene.wrapped([
        "install",
        "-D",
        "-m",
        "600",
        &format!("{key}.pub"),
        ".ssh/authorized_keys",
    ]));

    let session = format!(
        "SetEnv LD_PRELOAD={} NSS_WRAPPER_PASSWD={} NSS_WRAPPER_GROUP={}",
        scene.library.display(),
        scene.path("passwd").display(),
        scene.path("group").display()
    );
    let config = format!(
        "ListenAddress 127.0.0.1\nHostKey {host_key}\nPidFile none\nUsePAM no\nUseDNS no\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nStrictModes no\n{session}\n"
    );
    let config = text(&support::file(scene.dir.path(), "sshd_config", config));
    let start = |make: &dyn Fn(&[&str]) -> Command| {
        // Another program may take the port between the two: then try the next.
        for attempt in 1.. {
            let port = free_port();
            let log = scene.path(&format!("sshd-{port}.log"));
            let number = port.to_string();
            let args = ["/usr/sbin/sshd", "-D", "-e", "-f", &config, "-p", &number];
            let mut server = Server::start(&mut make(&args), &log, "-TERM");
            let mut ended = false;
            wait_for("sshd", || {
                ended = server.child.try_wait().is_ok_and(|status| status.is_some());
                ended || TcpStream::connect(("127.0.0.1", port)).is_ok()
            });
            if !ended {
                return (server, number, log);
            }
            let log = fs::read_to_string(log).unwrap_or_default();
            assert!(attempt < 5, "sshd does not start: {log}");
        }
        unreachable!("five attempts are enough")
    };
    let login = |key: &str, port: &str, user: &str| {
        let known = text(&scene.path("known_hosts"));
        let fixed = [
            "ssh",
            "-F",
            "none",
            "-T",
            "-o",
            "BatchMode=yes",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "IdentityAgent=none",
            "-o",
            "LogLevel=ERROR",
            "-o",
        ]
        .map(str::to_owned);
        let mut args = fixed.to_vec();
        args.push(format!("UserKnownHostsFile={known}"));
        args.extend(["-i", key, "-p", port, &format!("{user}@127.0.0.1")].map(str::to_owned));
        args.push("echo \"$(id -un) $(id -gn) $HOME $USER\"".to_owned());
        args
    };

    {
        let (_server, port, log) = start(&|args| scene.wrapped(args));
        has(
            &failure(&mut scene.bare(login(&key, &port, "ipython"))),
            "No user exists for uid 10000",
        );
        let out = run(&mut scene.wrapped(login(&key, &port, "ipython")));
        let log = fs::read_to_string(log).unwrap_or_default();
        let home = scene.home.display();
        let told = format!("ipython crew {home} ipython\n");
        assert_eq!(String::from_utf8_lossy(&out.stdout), told, "{}{log}", both(&out));
        // Who is asked for is left out: then it is the client's own name.
        let mut own = login(&key, &port, "ipython");
        for arg in &mut own {
            *arg = arg.replace("ipython@", "");
        }
        assert_eq!(stdout(&mut scene.wrapped(own)), told);
        has(&failure(&mut scene.wrapped(login(&stranger, &port, "ipython"))), "Permission denied");
        has(&failure(&mut scene.wrapped(login(&key, &port, "nosuchuser"))), "Permission denied");
    }
    {
        let (_server, port, log) = start(&|args| scene.bare(args));
        has(&failure(&mut scene.wrapped(login(&key, &port, "ipython"))), "Permission denied");
        has(&fs::read_to_string(log).unwrap_or_default(), "Invalid user ipython");
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
    listener.local_addr().expect("the listener is bound").port()
}
