//! The cwrap family in one `LD_PRELOAD`: this library with Debian's socket_wrapper, uid_wrapper,
//! pam_wrapper and resolv_wrapper, in all 120 orders.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::support::{PYTHON, compiled, file, installed, library, run, stdout, under};

/// The hash of "secret", as crypt(5) has it.
const SECRET: &str = "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.\
    Pq.H91p5hVO1";

/// Files for each member of the family, and a lock, so that one test at a time uses the family. pam_wrapper exits with
/// 1 now and then when two processes that preload it start at once, because both choose the same directory.
struct Scene {
    dir: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

impl Scene {
    fn new() -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path();
        let users = "root:x:0:0:root:/root:/bin/sh\nalice:x:5000:5000:Alice:/home/alice:/bin/sh\n";
        file(path, "passwd", users);
        file(path, "group", "root:x:0:\nalice:x:5000:\nlab:x:5001:alice\nmore:x:5002:bob,alice\n");
        file(path, "shadow", format!("root:*:19000::::::\nalice:{SECRET}:19000:0:99999:7:::\n"));
        file(path, "hosts", "127.0.0.10 server.wrapped alias.wrapped\n127.0.0.11 client.wrapped\n");
        file(path, "dns", "A dns.wrapped 127.0.0.20\n");
        file(path, "passdb", "alice:magic:matrix\n");
        for name in ["sockets", "pam", "www"] {
            std::fs::create_dir(path.join(name)).expect("the directory is new");
        }
        let unix = format!("{} nodelay", installed("security/pam_unix.so").display());
        let matrix = installed("pam_wrapper/pam_matrix.so");
        let matrix = format!("{} passdb={}", matrix.display(), path.join("passdb").display());
        for (service, module) in [("unix", &unix), ("matrix", &matrix), ("other", &unix)] {
            let lines = format!("auth required {module}\naccount required {module}\n");
            file(&path.join("pam"), service, lines);
        }
        file(&path.join("www"), "index.html", "hello from the wrapped network\n");
        Self { dir, _turn: turn }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The program with these libraries, and with socket_wrapper's interface of that number as its own.
    fn under(&self, preload: &str, interface: u8, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = under(Path::new(preload), program);
        for (name, file) in [
            ("NSS_WRAPPER_PASSWD", "passwd"),
            ("NSS_WRAPPER_GROUP", "group"),
            ("NSS_WRAPPER_SHADOW", "shadow"),
            ("NSS_WRAPPER_HOSTS", "hosts"),
            ("SOCKET_WRAPPER_DIR", "sockets"),
            ("PAM_WRAPPER_SERVICE_DIR", "pam"),
            ("RESOLV_WRAPPER_HOSTS", "dns"),
        ] {
            command.env(name, self.path(file));
        }
        for name in ["UID_WRAPPER", "UID_WRAPPER_ROOT", "PAM_WRAPPER"] {
            command.env(name, "1");
        }
        command.env("SOCKET_WRAPPER_DEFAULT_IFACE", interface.to_string());
        command
    }
}

/// Every order of the five.
fn orders() -> Vec<String> {
    let family = [
        library().to_path_buf(),
        installed("libsocket_wrapper.so"),
        installed("libuid_wrapper.so"),
        installed("libpam_wrapper.so"),
        installed("libresolv_wrapper.so"),
    ]
    .map(|path| path.display().to_string());
    let mut orders = vec![Vec::new()];
    for member in family {
        orders = orders
            .iter()
            .flat_map(|order: &Vec<String>| {
                (0..=order.len()).map(|at| {
                    let mut order = order.clone();
                    order.insert(at, member.clone());
                    order
                })
            })
            .collect();
    }
    orders.iter().map(|order| order.join(":")).collect()
}

fn probe() -> PathBuf {
    compiled("cwrap", "cc", &["-l:libpam.so.0", "-lresolv"])
}

#[test]
fn the_family_works_in_every_order() {
    let orders = orders();
    assert_eq!(orders.len(), 120);
    let want = "\
client: heard hello
client: the other is server.wrapped
server: the other is client.wrapped
pam unix: start 0 authenticate 0 account 0
pam unix: start 0 authenticate 7 account -1
pam matrix: start 0 authenticate 0 account 0
pam matrix: start 0 authenticate 7 account -1
dns: 127.0.0.20
dns.wrapped is not in the hosts file
server.wrapped: server.wrapped
before: 0 root 0 root groups 0(root)
effective: 5000 alice 5000 alice groups 5000(alice) 5001(lab) 5002(more)
back: 0 root 0 root groups 5000(alice) 5001(lab) 5002(more)
after: 5000 alice 5000 alice groups 5000(alice) 5001(lab) 5002(more)
setuid(0): Operation not permitted
";
    let args =
        ["serve", "unix=secret", "unix=magic", "matrix=magic", "matrix=secret", "dns", "ids"];
    let scene = Scene::new();
    for order in orders {
        let out = run(scene.under(&order, 10, probe()).args(args));
        let said = String::from_utf8_lossy(&out.stdout);
        assert_eq!(said, want, "{order}: {}", String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "{order}: {}", out.status);
    }
}

/// A program that runs until this is dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[test]
fn curl_reaches_a_wrapped_name_in_every_order() {
    let scene = Scene::new();
    let orders = orders();
    let mut server = scene.under(&orders[0], 10, PYTHON);
    server.args(["-m", "http.server", "--bind", "server.wrapped", "80"]);
    // The server is killed, and pam_wrapper would leave its directory behind.
    server.env_remove("PAM_WRAPPER");
    server.current_dir(scene.path("www")).stdout(Stdio::null()).stderr(Stdio::null());
    let mut server = Server(server.spawn().expect("python3 is installed"));
    // The socket of 127.0.0.10, port 80, in socket_wrapper's notation.
    let (socket, begun) = (scene.path("sockets").join("T0A0050"), Instant::now());
    while !socket.exists() {
        let left = server.0.try_wait().expect("it is a child");
        assert!(left.is_none() && begun.elapsed() < Duration::from_secs(30), "{left:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    // The socket is there since bind(2). This is the time for listen(2).
    std::thread::sleep(Duration::from_millis(200));
    let names = ["server.wrapped", "alias.wrapped"];
    for (order, name) in orders.iter().zip(names.iter().cycle()) {
        let mut curl = scene.under(order, 11, "curl");
        curl.args(["--silent", "--show-error", "--max-time", "20", "--noproxy", "*"]);
        let said = stdout(curl.arg(format!("http://{name}/")));
        assert_eq!(said, "hello from the wrapped network\n", "{order}");
    }
    let wrapped = Ipv4Addr::new(127, 0, 0, 10);
    let outside =
        std::net::TcpStream::connect_timeout(&(wrapped, 80).into(), Duration::from_millis(500));
    assert!(outside.is_err(), "nothing listens on the machine's own network");
}

#[test]
fn programs_that_preload_the_family_start_and_see_the_users() {
    let scene = Scene::new();
    for order in orders().iter().step_by(7) {
        let said = stdout(scene.under(order, 10, "id").arg("alice"));
        assert_eq!(
            said,
            "uid=5000(alice) gid=5000(alice) groups=5000(alice),5001(lab),5002(more)\n"
        );
        let said = stdout(scene.under(order, 10, "getent").args(["ahostsv4", "alias.wrapped"]));
        assert!(said.starts_with("127.0.0.10      STREAM server.wrapped\n"), "{said}");
        let script = "import os, pwd, socket\nos.initgroups('alice', 5000)\nos.setuid(5000)\n\
            print(pwd.getpwuid(os.getuid()).pw_name, sorted(os.getgroups()), \
            socket.gethostbyname('client.wrapped'))";
        let said = stdout(scene.under(order, 10, PYTHON).args(["-c", script]));
        assert_eq!(said, "alice [5000, 5001, 5002] 127.0.0.11\n");
    }
}
