//! Memory: no failed allocation ends the program or gives a wrong answer, and nothing leaks.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::support::ask::everything;
use crate::support::namespace::with_hosts;
use crate::support::valgrind::{sound, valgrind};
use crate::support::{compiled, file, library, probe, stdout, under, wrapped};

/// The probe `memory` with the library under test and with one that makes allocations fail.
fn memory() -> Command {
    let failing = compiled("failing_malloc", "cc", &["-shared", "-fPIC"]);
    under(format!("{}:{}", failing.display(), library().display()), probe("memory"))
}

/// In how many children an allocation failed, and how many of them said so.
fn counts(command: &mut Command) -> [u32; 2] {
    let said = stdout(command);
    let counts: Vec<_> = said.split(' ').filter_map(|word| word.parse().ok()).collect();
    counts.try_into().unwrap_or_else(|_| panic!("{said}"))
}

const USERS: u32 = 40;

/// The rows of a version of the file for users, or for groups. Each row carries the version.
fn rows(kind: char, version: u32) -> Vec<String> {
    (0..USERS)
        .map(|i| match kind {
            'u' => format!("u{i}:x:{}:1:v{version}:{i:0200}:/s", 1000 + i),
            _ => format!("g{i}:x:{}:v{version},bob,{i:0200}", 1000 + i),
        })
        .collect()
}

/// All questions about one version, and their answers.
fn script(version: u32) -> Vec<(String, String)> {
    let (users, groups) = (rows('u', version), rows('g', version));
    let mut pairs = Vec::new();
    let mut add = |question: &str, want: &str| pairs.push((question.to_owned(), want.to_owned()));
    for file in ["passwd", "group"] {
        add(&format!("copy {file}{version} {file}"), "done");
    }
    add("enabled nss_wrapper_enabled", "yes");
    for (by, i) in [("nam_r u7", 7), ("uid_r 1008", 8), ("nam u9", 9), ("uid 1010", 10)] {
        add(&format!("getpw{by}"), &users[i]);
    }
    for (by, i) in [("nam_r g7", 7), ("gid_r 1008", 8), ("nam g9", 9), ("gid 1010", 10)] {
        add(&format!("getgr{by}"), &groups[i]);
    }
    for absent in ["getpwnam_r nosuch", "getpwuid 0", "getgrnam nosuch"] {
        add(absent, "none");
    }
    let mut gids = String::from("5");
    for gid in 1000..1000 + USERS {
        write!(gids, " {gid}").expect("a string takes all");
    }
    let count = USERS + 1;
    add("getgrouplist bob 5 64", &format!("{count} of {count}: {gids}"));
    add("initgroups bob 5", "0");
    add("setpwent; all getpwent; endpwent", &format!("done; {}; done", users.join("\t")));
    add("setgrent; all getgrent; endgrent", &format!("done; {}; done", groups.join("\t")));
    pairs
}

#[test]
fn every_failing_allocation_is_an_error_code() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for version in [1, 2] {
        for (name, kind) in [("passwd", 'u'), ("group", 'g')] {
            let text = format!("bad line\n{}\n", rows(kind, version).join("\n"));
            file(dir.path(), &format!("{name}{version}"), text);
        }
    }
    let mut command = memory();
    command
        .current_dir(dir.path())
        .arg("cold")
        .env("NSS_WRAPPER_PASSWD", dir.path().join("passwd"))
        .env("NSS_WRAPPER_GROUP", dir.path().join("group"));
    // The second script begins with new files.
    for (question, answer) in [script(1), script(2)].concat() {
        command.arg(question).arg(answer);
    }
    let [failures, said_so] = counts(&mut command);
    assert!(failures > 20 && said_so > 20, "{failures} {said_so}");
}

#[test]
fn every_failing_allocation_for_a_host_is_an_error_code() {
    const HOSTS: &str = "\
127.0.0.11 v4.site v4
127.0.0.14 multi.site
fd00::14 multi.site
127.0.0.15 multi.site
fd00::15 multi.site
";
    let dir = tempfile::tempdir().expect("a temporary directory");
    let hosts = file(dir.path(), "hosts", HOSTS);
    let nothing = file(dir.path(), "libc", "");
    let said = |library: &mut Command| {
        let mut command =
            with_hosts(dir.path(), &nothing, library.env("NSS_WRAPPER_HOSTS", &hosts));
        counts(&mut command)
    };
    let (v4, multi) = ("v4.site (v4) 127.0.0.11", "multi.site () 127.0.0.14 127.0.0.15");
    for (question, want) in [
        ("gethostbyname_r multi.site", multi),
        ("gethostbyname multi.site", multi),
        ("gethostbyaddr_r 127.0.0.11", v4),
        ("gethostbyaddr 127.0.0.11", v4),
        ("endhostent; gethostent", "done; v4.site (v4) 127.0.0.11"),
    ] {
        let [_, said_so] = said(memory().args(["cold", question, want]));
        assert!(said_so > 0, "{question} never lacks memory");
    }
    // getaddrinfo(3) is libc's own function. It gives four addresses, in an order that depends on the machine's
    // addresses.
    let addrinfo = format!("getaddrinfo multi.site 80 0 {} 0 0", libc::SOCK_STREAM);
    let mut plain = under(library(), probe("ask"));
    plain.arg(&addrinfo).env("NSS_WRAPPER_HOSTS", &hosts);
    let addresses = stdout(&mut with_hosts(dir.path(), &nothing, &plain));
    let addresses = addresses.trim_end();
    assert!(addresses.starts_with("multi.site ") && addresses.matches("]:80/").count() == 4);
    for kind in ["libc", "warm"] {
        for (question, want) in
            [("getnameinfo 127.0.0.11 0 0 256 0", "v4.site -"), (&addrinfo, addresses)]
        {
            let [_, said_so] = said(memory().args([kind, question, want]));
            assert!(said_so > 0, "{question} never lacks memory");
        }
    }
}

/// A lookup that would make an index searches on without it.
#[test]
fn a_lookup_needs_no_memory_for_an_index() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let users = rows('u', 1);
    let (passwd, last) = (file(dir.path(), "passwd", users.join("\n")), &users[39]);
    let host = "multi.site () 127.0.0.14";
    let hosts =
        file(dir.path(), "hosts", format!("{}127.0.0.14 multi.site\n", "# c\n".repeat(999)));
    let [mut users, mut by_name] = [memory(), memory()];
    users.env("NSS_WRAPPER_PASSWD", passwd).arg("warm");
    by_name.env("NSS_WRAPPER_HOSTS", hosts).arg("warm");
    // The index is worth it once the probe asks for the second time, when an allocation fails.
    for question in ["getpwnam_r u39", "getpwuid_r 1039", "getpwnam_r u39"] {
        users.args([question, last]);
    }
    by_name.args(["gethostbyname_r multi.site", host]);
    let [failures, said_so] = counts(&mut users);
    assert!(failures > 0 && said_so == 0, "{failures} {said_so}");
    // A search for a host allocates memory too.
    let [failures, said_so] = counts(&mut by_name);
    assert!(failures > said_so, "{failures} {said_so}");
}

/// An enumeration begins or ends where the thread has no memory even for its first call.
#[test]
fn what_begins_or_ends_an_enumeration_needs_no_memory() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let users = rows('u', 1);
    let passwd = file(dir.path(), "passwd", users.join("\n"));
    for change in ["setpwent", "endpwent"] {
        let script = ["getpwent", &users[0], change, "done", "getpwent", &users[0]];
        stdout(memory().env("NSS_WRAPPER_PASSWD", &passwd).arg("thread").args(script));
    }
}

/// What the probe says under memcheck, with files of which some lines are bad.
fn checked(dir: &Path, name: &str, args: &[&str]) -> String {
    let passwd =
        file(dir, "passwd", "bad\nroot:x:0:0:::\nbob:x:1000:100:Bob, B.:/home/bob:/bin/sh\n");
    let group =
        file(dir, "group", "wheel:x:0:\nworse\nlab:x:100:bob,ann\nclub:x:200: bob,,ann ,\n");
    let mut plain = wrapped(probe(name), &*passwd, &*group);
    sound(&mut valgrind("leaks", plain.args(args))).0
}

#[test]
fn memcheck_finds_neither_an_error_nor_a_leak() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| dir.path().join(name).display().to_string();
    let questions = everything(&["bob", "1000", "lab", "100", "nosuch", "9999"]);
    let questions: Vec<_> = questions.iter().map(String::as_str).collect();
    let said = checked(dir.path(), "ask", &questions);
    assert!(said.starts_with("bob:x:1000:100:"), "{said}");
    // Files that change.
    let odd = file(dir.path(), "odd", "a:x:1:1:::\nb:x:2\n#\nc:x:3:a,b, c,\n\0\n+:x:0:0:::");
    let odd = odd.display().to_string();
    for database in ["passwd", "group"] {
        let args = [&path("wrapped"), database, "60", "7", &odd];
        let said = checked(dir.path(), "input", &args.map(|arg| arg));
        assert!(said.starts_with("61 files"), "{said}");
    }
    // Threads that come and go while files are replaced, and hold descriptors.
    checked(dir.path(), "descriptors", &[&dir.path().display().to_string(), "ended"]);
    let said = checked(
        dir.path(),
        "threads",
        &[&dir.path().display().to_string(), "2", "0", "60", "2000"],
    );
    assert!(said.contains(" lookups, "), "{said}");
}

/// The usual stack of a signal handler has 8 KiB, of which the kernel and the loader take a part.
#[test]
fn a_relative_path_takes_no_more_of_a_signal_handlers_stack_than_an_absolute_one() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let absolute = file(dir.path(), "passwd", "bad\nbob:x:1:1:::\n");
    let taken = |path: &Path| -> u32 {
        let mut command = wrapped(probe("altstack"), path, None);
        // The loader would save all registers at the first call of each function, on some processors in many bytes.
        let said = stdout(command.current_dir(dir.path()).env("LD_BIND_NOW", "1"));
        said.trim().parse().expect("a number")
    };
    let (absolute, relative) = (taken(&absolute), taken(Path::new("passwd")));
    assert!(relative <= absolute + 256, "{relative} {absolute}");
}
