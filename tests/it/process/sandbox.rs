//! Sandboxes by seccomp(2), whose filters kill the process for a system call or refuse the call. docs/security.md
//! lists the calls that the library makes.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::support::ask::{BOB, LAB};
use crate::support::namespace::after_mounts;
use crate::support::scene::is_root;
use crate::support::{file, library, probe, run, stdout, under};
use tempfile::TempDir;

const SHADOW: &str = "bob:!:19000:0:99999:7:::";
const BOX: &str = "box.site (box) 10.1.2.3";

/// A file for each database, old enough to be trusted: one that has just changed is read again at each lookup.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        file(dir.path(), "passwd", format!("{BOB}\n"));
        file(dir.path(), "group", format!("{LAB}\n"));
        file(dir.path(), "shadow", format!("{SHADOW}\n"));
        file(dir.path(), "hosts", "10.1.2.3 box.site box\n");
        let databases = ["passwd", "group", "shadow", "hosts"];
        let services = databases.map(|database| format!("{database}: files\n")).concat();
        file(dir.path(), "nsswitch.conf", services);
        std::thread::sleep(Duration::from_millis(400));
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The probe `sandbox` under the library. The program that it starts has the library, too.
    fn wrapped(&self, args: &[&str]) -> Command {
        let mut command = under(library(), probe("sandbox"));
        command.args(args);
        self.configure(&mut command);
        command
    }

    fn configure(&self, command: &mut Command) {
        for (name, path) in
            [("PASSWD", "passwd"), ("GROUP", "group"), ("SHADOW", "shadow"), ("HOSTS", "hosts")]
        {
            command.env(format!("NSS_WRAPPER_{name}"), self.path(path));
        }
    }

    /// The numbers of the system calls that the probe `ask` makes for these questions, its start included, where
    /// glibc's own files module answers them. glibc asks nscd first, which the library does not: without
    /// `with_sockets` the calls for that are left out.
    fn calls_of_glibc(&self, questions: &[&str], with_sockets: bool) -> String {
        let mut command = Command::new(probe("sandbox"));
        command.arg("trace").arg(probe("ask")).args(questions);
        let script = "for name in passwd group shadow hosts nsswitch.conf; do \
             mount --bind \"$1/$name\" \"/etc/$name\"; done";
        let out = run(&mut after_mounts(script, &[self.0.path()], &command));
        let text = |bytes| String::from_utf8(bytes).expect("text");
        let (said, calls) = (text(out.stdout), text(out.stderr));
        assert!(out.status.success() && !said.is_empty() && calls.contains(','), "{said}{calls}");
        let sockets = [libc::SYS_socket, libc::SYS_connect].map(|number| number.to_string());
        let is_left = |call: &&str| with_sockets || !sockets.iter().any(|socket| socket == call);
        calls.split(',').filter(is_left).collect::<Vec<_>>().join(",")
    }
}

/// The same question, often enough for all that the library does only for repeated lookups.
fn repeated(question: &str) -> Vec<&str> {
    vec![question; 200]
}

/// Questions, the first answer to each, and the later ones.
fn situations() -> Vec<(&'static str, String, String)> {
    let same = |question, answer: &str| (question, answer.to_owned(), answer.to_owned());
    let shadow = "bob:!:19000:0:99999:7:-1:-1:18446744073709551615";
    let (row, end) = (format!("{BOX}\tnone, HOST_NOT_FOUND"), "none, HOST_NOT_FOUND".to_owned());
    vec![
        same("getpwnam_r bob", BOB),
        same("getpwnam bob", BOB),
        same("getpwuid_r 4242", BOB),
        same("getpwnam_r nobody.here", "none"),
        same("setpwent; all getpwent; endpwent", &format!("done; {BOB}; done")),
        ("all getpwent", BOB.to_owned(), String::new()),
        same("getgrnam_r lab", LAB),
        same("getgrgid 77", LAB),
        same("setgrent; all getgrent; endgrent", &format!("done; {LAB}; done")),
        same("getspnam_r bob", shadow),
        same("setspent; all getspent; endspent", &format!("done; {shadow}; done")),
        same("gethostbyname box", BOX),
        same("gethostbyaddr 10.1.2.3", BOX),
        ("all gethostent", row, end),
        same("getgrouplist bob 5", "2 of 2: 5 77"),
        same("threads 4 50 getpwnam_r bob", BOB),
    ]
}

#[test]
fn a_filter_of_what_glibcs_files_module_calls_lets_every_lookup_live() {
    let files = Files::new();
    let ask = probe("ask");
    let ask = ask.to_str().expect("text");
    for (question, first, later) in situations() {
        let questions = repeated(question);
        let mut calls = files.calls_of_glibc(&questions[..2], false);
        if question.starts_with("threads") {
            // Threads that want a lock of libc's at the same time call futex(2); whether they do is chance.
            calls.push_str(&format!(",{}", libc::SYS_futex));
        }
        let out = run(&mut files.wrapped(&[&["kill", &calls, ask], &questions[..]].concat()));
        let (said, log) =
            (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "{question}: {}, {log}", out.status);
        let answers: Vec<_> = said.lines().collect();
        assert_eq!(answers[0], first, "{question}");
        assert_eq!(answers[1..], vec![&*later; questions.len() - 1], "{question}");
    }
    // getaddrinfo(3) is libc's own function, which asks the kernel by a socket for the machine's addresses.
    let questions = repeated("getaddrinfo box domain 2 1 0 0");
    let calls = files.calls_of_glibc(&questions[..2], true);
    let said = stdout(&mut files.wrapped(&[&["kill", &calls, ask], &questions[..]].concat()));
    assert_eq!(said.matches("[10.1.2.3]:53/").count(), questions.len(), "{said}");
}

#[test]
fn a_filter_kills_what_it_does_not_name() {
    let files = Files::new();
    let ask = probe("ask");
    let ask = ask.to_str().expect("text");
    let calls = files.calls_of_glibc(&["getpwnam_r bob"], false);
    let reads = format!(",{},", libc::SYS_openat);
    let fewer = format!(",{calls},").replace(&reads, ",");
    let out = run(&mut files.wrapped(&["kill", fewer.trim_matches(','), ask, "getpwnam_r bob"]));
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&out.status), Some(libc::SIGSYS));
}

/// The filter is set up when the library has loaded its files, as in a daemon that looks its user up first.
#[test]
fn a_filter_that_a_program_sets_up_between_two_lookups_lets_the_later_ones_live() {
    let files = Files::new();
    for (question, first, _) in situations() {
        if question.starts_with("all ") || question.starts_with("threads") {
            continue;
        }
        let calls = files.calls_of_glibc(&[question], false);
        let said = stdout(&mut files.wrapped(&["late", &calls, question]));
        assert_eq!(said, format!("{first}\n"));
    }
}

/// Elsewhere the library reports a malformed line on standard error, and makes a relative path absolute. glibc's
/// module does neither, so a filter may forbid the calls for that.
#[test]
fn in_a_sandbox_calls_that_are_not_needed_are_left_out() {
    let files = Files::new();
    file(files.0.path(), "passwd", format!("bad\n{BOB}\n"));
    let ask = probe("ask");
    let ask = ask.to_str().expect("text");
    let calls = files.calls_of_glibc(&["getpwnam_r bob"], false);
    let mut command = files.wrapped(&["kill", &calls, ask, "getpwnam_r bob"]);
    command.current_dir(files.0.path()).env("NSS_WRAPPER_PASSWD", "passwd");
    let out = run(&mut command);
    assert!(out.status.success(), "{}", out.status);
    assert_eq!((&*out.stdout, &*out.stderr), (format!("{BOB}\n").as_bytes(), &b""[..]));
}

/// The command as process 1 of a PID namespace. The library takes the filters of process 1 for the container's.
fn as_first_process(command: &Command) -> Command {
    let mut first = Command::new("unshare");
    if !is_root() {
        first.arg("--map-root-user");
    }
    first.args(["--pid", "--fork", "--kill-child", "--mount-proc", "env"]);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => {
                first.arg(format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
            }
            None => first.env_remove(name),
        };
    }
    first.arg(command.get_program()).args(command.get_args());
    first
}

/// The numbers of the calls that `ask` makes for these questions under the library, with a filter that refuses
/// getcwd(2). Process 1 has the filter, too, or only `ask` has it.
fn calls_under_a_filter(files: &Files, of_container: bool, questions: &[&str]) -> Vec<i64> {
    let (sandbox, ask) = (probe("sandbox"), probe("ask"));
    let (sandbox, ask) = (sandbox.to_str().expect("text"), ask.to_str().expect("text"));
    let filter = ["refuse", "38", "getcwd"];
    let out = if of_container {
        let args = [&filter, &[sandbox, "trace", ask][..], questions].concat();
        run(&mut as_first_process(&files.wrapped(&args)))
    } else {
        let args = [&["trace", sandbox][..], &filter, &[ask], questions].concat();
        run(&mut files.wrapped(&args))
    };
    let calls = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{calls}");
    calls.split(',').map(|number| number.parse().expect(&calls)).collect()
}

#[test]
fn the_filter_of_a_whole_container_changes_nothing() {
    let files = Files::new();
    let questions = repeated("getpwnam_r bob");
    let has_watch = |of_container| {
        calls_under_a_filter(&files, of_container, &questions).contains(&libc::SYS_fcntl)
    };
    assert!(has_watch(true), "no watch descriptor was made");
    assert!(!has_watch(false), "a call was made that the sandbox may not have foreseen");
}

/// Calls that no lookup needs: those that the library makes because they help, and getrlimit, which it does without.
const RARE: &str =
    "madvise,fcntl,lseek,getrlimit,getpid,poll,ppoll,sigaltstack,getcwd,getrandom,O_PATH";

/// [`RARE`] and fstat(2), except where no program starts without that: glibc's loader calls it since 2.39.
fn rare() -> String {
    let mut command = Command::new(probe("sandbox"));
    let starts = run(command.args(["refuse", "1", "fstat", "true"])).status.success();
    if starts { format!("{RARE},fstat") } else { RARE.to_owned() }
}

#[test]
fn calls_that_are_refused_do_not_change_an_answer() {
    let files = Files::new();
    let malformed = file(files.0.path(), "malformed", format!("bad\n{BOB}\n"));
    let ask = probe("ask");
    let ask = ask.to_str().expect("text");
    let rare = rare();
    for error in [libc::EPERM, libc::ENOSYS].map(|error| error.to_string()) {
        for names in rare.split(',').chain([&*rare, "futex"]) {
            for (question, first, later) in situations() {
                let is_one = names != rare && names != "futex";
                // A single call is refused only for the questions about bob. Threads may need futex(2), and glibc
                // ends a program whose futex(2) fails.
                if is_one && !question.contains(" bob")
                    || names == "futex" && question.starts_with("threads")
                {
                    continue;
                }
                let questions = repeated(question);
                let args = [&["refuse", &error, names, ask], &questions[..]].concat();
                let mut command = files.wrapped(&args);
                command.env("NSS_WRAPPER_PASSWD", &malformed).env("NSS_WRAPPER_DEBUGLEVEL", "1");
                let said = stdout(&mut as_first_process(&command));
                let answers: Vec<_> = said.lines().collect();
                assert_eq!(answers[0], first, "{question}, {names}");
                assert!(answers[1..].iter().all(|answer| *answer == later), "{question}, {names}");
            }
        }
    }
}

/// Runs the probe `threads` where these calls are refused with that error.
fn threads_where_refused(error: i32, names: &str, args: &[&str]) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut command = under(library(), probe("sandbox"));
    command
        .args(["refuse", &error.to_string(), names])
        .arg(probe("threads"))
        .arg(dir.path())
        .args(args);
    let counts =
        |said: &str| -> Vec<u64> { said.split(' ').filter_map(|word| word.parse().ok()).collect() };
    for mut command in [as_first_process(&command), command] {
        let said = stdout(&mut command);
        assert!(counts(&said).first().is_some_and(|lookups| *lookups > 100), "{said}");
    }
}

/// Threads that look up while files are replaced, and children of theirs.
#[test]
fn threads_and_their_children_answer_where_calls_are_refused() {
    for error in [libc::EPERM, libc::ENOSYS] {
        threads_where_refused(error, &rare(), &["1"]);
        threads_where_refused(error, &rare(), &["0", "60", "60"]);
    }
}

/// madvise(2) of Linux before 4.14 does not know `MADV_WIPEONFORK`, and fails with `EINVAL`.
#[test]
fn children_of_threads_answer_where_the_kernel_wipes_no_memory_on_fork() {
    threads_where_refused(libc::EINVAL, "madvise", &["0", "200", "60"]);
}
