//! Code that is loaded with `RTLD_DEEPBIND`, like every shared extension of PHP, calls libc's functions and
//! not the library's. It must get the library's answers nevertheless, whatever was called before; and
//! dlopen(3) must behave as without the library.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

use crate::support::scene::{Scene, has};
use crate::support::{compiled, copy_program, file, library, probe, stdout, under};
use tempfile::TempDir;

/// The questions, and what the files say.
const RIGHT: &[(&str, &str)] = &[
    ("getpwuid_r", "bob:4242:/home/bob"),
    ("getpwnam", "bob:4242:/home/bob"),
    ("getpwnam-daemon", "none"),
    ("getgrgid", "lab:77:bob"),
    ("getgrnam_r", "lab:77:bob"),
    ("getgrouplist", "2: 7 77"),
    ("getspnam", "secret"),
    ("gethostbyname", "127.0.0.9"),
    ("gethostbyaddr", "db.test"),
    ("getaddrinfo", "127.0.0.9"),
    ("getpwent", "ann bob "),
    ("getgrent", "lab "),
];

fn files() -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let passwd = "ann:x:4241:77::/home/ann:/bin/sh\nbob:x:4242:77::/home/bob:/bin/sh\n";
    file(dir.path(), "passwd", passwd);
    file(dir.path(), "group", "lab:x:77:bob\n");
    file(dir.path(), "shadow", "bob:secret:19000:0:99999:7:::\n");
    file(dir.path(), "hosts", "127.0.0.9 db.test\n");
    dir
}

fn asking(dir: &TempDir, questions: &[String]) -> Command {
    let mut command = under(library(), probe("deepbind"));
    command.arg(compiled("deep_caller", "cc", &["-shared", "-fPIC"])).args(questions);
    for (name, file) in
        [("PASSWD", "passwd"), ("GROUP", "group"), ("SHADOW", "shadow"), ("HOSTS", "hosts")]
    {
        command.env(format!("NSS_WRAPPER_{name}"), dir.path().join(file));
    }
    command
}

/// Asks the questions in one process, and compares the answers with the right ones.
#[track_caller]
fn all_right(questions: &[String]) {
    let dir = files();
    let right = |question: &String| {
        let name = question.trim_start_matches("deep:");
        let (_, right) = RIGHT.iter().find(|(known, _)| *known == name).expect("a question");
        format!("{question} {right}\n")
    };
    let want: String = questions.iter().map(right).collect();
    assert_eq!(stdout(&mut asking(&dir, questions)), want);
}

#[test]
fn a_deeply_bound_caller_is_answered_at_the_first_call_of_the_process() {
    let dir = files();
    let mut faults = Vec::new();
    for (question, right) in RIGHT {
        let said = stdout(&mut asking(&dir, &[format!("deep:{question}")]));
        if said != format!("deep:{question} {right}\n") {
            faults.push(said);
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_deeply_bound_caller_is_answered_after_any_other_call() {
    for (before, _) in RIGHT {
        for (question, _) in RIGHT {
            all_right(&[(*before).to_owned(), format!("deep:{question}"), (*before).to_owned()]);
        }
    }
}

#[test]
fn deeply_bound_calls_and_others_take_turns() {
    let deep = RIGHT.iter().map(|(question, _)| format!("deep:{question}"));
    let plain = RIGHT.iter().map(|(question, _)| (*question).to_owned());
    let both: Vec<_> = deep.zip(plain).flat_map(|(deep, plain)| [deep, plain]).collect();
    all_right(&both);
}

#[test]
fn a_deeply_bound_caller_sees_the_synthetic_user_and_libcs_users() {
    let scene = Scene::new();
    let caller = compiled("deep_caller", "cc", &["-shared", "-fPIC"]);
    copy_program(probe("deepbind"), scene.path("deepbind"));
    copy_program(caller, scene.path("caller.so"));
    let (probe, caller) = (scene.path("deepbind"), scene.path("caller.so"));
    for questions in [
        &["deep:getpwuid-own", "deep:getpwnam-daemon"][..],
        &["getpwnam-daemon", "deep:getpwuid-own", "deep:getpwnam-daemon"],
    ] {
        let args = [&probe, &caller].map(|path| path.to_str().expect("ASCII"));
        let mut command = scene.as_ids(10000, 0, [&args[..], questions].concat());
        command.env("NSS_WRAPPER_USER", "me:x:%u:%g::/home/me:/bin/sh");
        let said = stdout(&mut command);
        has(&said, "deep:getpwuid-own me:10000:/home/me\n");
        has(&said, "deep:getpwnam-daemon daemon:1:");
    }
}

#[test]
fn dlopen_dlmopen_and_dlerror_stay_what_they_were() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::create_dir(dir.path().join("sub")).expect("the directory is ours");
    let shared = ["-shared", "-fPIC"];
    let runpath = ["-Wl,--enable-new-dtags", "-Wl,-rpath,$ORIGIN/sub"];
    let inner = compiled("outer", "cc", &[&shared[..], &["-DINNER"]].concat());
    let outer = compiled("outer", "cc", &[&shared[..], &runpath].concat());
    copy_program(inner, dir.path().join("sub/libinner.so"));
    copy_program(outer, dir.path().join("libouter.so"));
    let mut command = under(library(), probe("opening"));
    command.arg(dir.path().join("libouter.so")).env("NSS_WRAPPER_PASSWD", "/dev/null");
    let with = stdout(&mut command);
    let without = stdout(command.env_remove("LD_PRELOAD"));
    // The object finds its neighbour by RUNPATH and $ORIGIN, the program does not.
    has(&without, "object libinner.so 0xa: /libinner.so in namespace 0, inner 4711");
    has(&without, "object $ORIGIN/sub/libinner.so 0xa: /libinner.so in namespace 0, inner 4711");
    has(&without, "apart libinner.so 0x2: /libinner.so in namespace another, inner 4711");
    has(&without, "program libinner.so 0xa: libinner.so: cannot open shared object file");
    assert_eq!(with, without);
}

/// Debian's PHP loads its extension posix with `RTLD_DEEPBIND`.
#[test]
fn php_knows_who_it_is() {
    let scene = Scene::new();
    let ask = "var_dump(posix_getpwuid(posix_geteuid()), posix_getgrnam('crew'));";
    let mut command = scene.wrapped(["php", "-r", ask]);
    let said = stdout(&mut command);
    has(&said, "[\"name\"]=>\n  string(7) \"ipython\"\n");
    has(&said, "[\"name\"]=>\n  string(4) \"crew\"\n");
    let own = "var_dump(posix_getpwuid(posix_geteuid()));";
    let mut command = scene.as_ids(10000, 0, ["php", "-r", own]);
    assert_eq!(stdout(&mut command), "bool(false)\n");
    command.env("NSS_WRAPPER_USER", "me:x:%u:%g::/home/me:/bin/sh");
    has(&stdout(&mut command), "[\"name\"]=>\n  string(2) \"me\"\n");
}

/// PHP loads its extension curl with `RTLD_DEEPBIND`, too, and with it libcurl.
#[test]
fn phps_curl_finds_a_wrapped_host() {
    let scene = Scene::new();
    let listener = TcpListener::bind("127.0.0.9:0").expect("all of 127/8 is this machine");
    let port = listener.local_addr().expect("bound").port();
    let server = std::thread::spawn(move || {
        let (mut stream, from) = listener.accept().expect("a caller");
        let mut request = [0; 1024];
        let size = stream.read(&mut request).expect("a request");
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello").expect("the caller reads");
        (from, String::from_utf8_lossy(&request[..size]).into_owned())
    });
    let hosts = file(scene.dir.path(), "hosts", "127.0.0.9 db.test\n");
    let ask =
        format!("$c = curl_init('http://db.test:{port}/'); echo curl_exec($c), curl_error($c);");
    let mut command = scene.as_ids(10000, 0, ["php", "-r", &ask]);
    command.env("NSS_WRAPPER_HOSTS", hosts);
    let said = stdout(&mut command);
    assert_eq!(said, "hello1");
    let (_, request) = server.join().expect("it was asked");
    has(&request, "Host: db.test");
}
