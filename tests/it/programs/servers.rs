//! Servers and their clients, run as the user id 10000 that has no passwd entry, each without the
//! library and with it.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support;
use crate::support::scene::{Scene, both, failure, has};
use crate::support::{run, stdout};

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
        // Another program may take the port before sshd does. Then the next one is tried.
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
        // Without a name in the command ssh asks for the name of the user who runs it.
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
