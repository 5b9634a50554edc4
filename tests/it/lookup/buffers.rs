//! The caller's buffer may have any length and alignment, and no byte outside of it is touched.

use std::process::Command;

use crate::support::ask::{Session, ask};
use crate::support::{PYTHON, file, library, probe, stdout, under, wrapped};
use tempfile::TempDir;

const PASSWD: &str = "\
a::1:1:::
bob:x:1000:100:Bob, B.:/home/bob:/bin/sh
long-name-of-a-user:*:3:4:x:/:/sbin/nologin
";
const GROUP: &str = "\
g::1:
one:x:2:bob
many:x:3:a,bc,def,ghij,klmno
long-name-of-a-group:*:4:bob,ann
";
const SHADOW: &str = "bob:$6$salt$hash:19001:1:90:7:30:20000:5\n";
const HOSTS: &str = "\
1.2.3.4 first
127.0.0.11\tv4.site\t v4
127.0.0.14 multi.site
fd00::14 multi.site
127.0.0.15 multi.site other
fd00::15 multi.site
";

/// The command with a file for each database in the directory.
fn with_files<'a>(command: &'a mut Command, dir: &TempDir) -> &'a mut Command {
    for (name, text) in [("passwd", PASSWD), ("group", GROUP), ("shadow", SHADOW), ("hosts", HOSTS)]
    {
        let variable = format!("NSS_WRAPPER_{}", name.to_uppercase());
        command.env(variable, file(dir.path(), name, text));
    }
    command
}

/// Asks each question with buffers of every length at every alignment. A buffer that is long enough must
/// give the answer beside the question, and a shorter one `refused`. The answer may need no more room than
/// its text and its pointers take.
fn sweep(refused: &str, pairs: &[(String, String)]) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut command = under(library(), probe("buffers"));
    command.args(pairs.iter().map(|(question, _)| question));
    let said = stdout(with_files(&mut command, &dir));
    assert_eq!(said.lines().count(), pairs.len(), "{said}");
    for (line, (question, want)) in said.lines().zip(pairs) {
        let [answer, short, least] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        assert_eq!(answer, want, "{question}");
        assert!(short.ends_with(refused), "{question}: {short}");
        let least: usize = least.parse().expect("a number");
        let pointers =
            if question.contains("pw") || question.contains("sp") { 0 } else { want.len() };
        assert!(least <= want.len() + 1 + 16 + 8 * (2 + pointers), "{question}: {least}");
        assert!(least > 2, "{question}: {least}");
    }
}

/// Questions for each row by name and by id, and for the first row of an enumeration, with their answers.
fn of_rows(names: [&str; 4], text: &str) -> Vec<(String, String)> {
    let [by_name, by_id, begin, next] = names;
    let mut pairs = Vec::new();
    for row in text.lines() {
        let fields: Vec<_> = row.split(':').collect();
        pairs.push((format!("{by_name} {}", fields[0]), row.to_owned()));
        pairs.push((format!("{by_id} {}", fields[2]), row.to_owned()));
    }
    let first = text.lines().next().expect("a row");
    pairs.push((format!("{begin}; {next}"), format!("done; {first}")));
    pairs
}

#[test]
fn every_short_buffer_is_refused_and_no_byte_outside_is_touched() {
    let users = of_rows(["getpwnam_r", "getpwuid_r", "setpwent", "getpwent_r"], PASSWD);
    sweep("error ERANGE", &users);
    let groups = of_rows(["getgrnam_r", "getgrgid_r", "setgrent", "getgrent_r"], GROUP);
    sweep("error ERANGE", &groups);
}

#[test]
fn every_short_buffer_for_a_shadow_entry_is_refused_and_no_byte_outside_is_touched() {
    let row = SHADOW.trim_end();
    let pairs =
        [("getspnam_r bob", row.to_owned()), ("setspent; getspent_r", format!("done; {row}"))];
    let pairs = pairs.map(|(question, want)| (question.to_owned(), want));
    sweep("error ERANGE", &pairs);
}

#[test]
fn every_short_buffer_for_a_host_is_refused_and_no_byte_outside_is_touched() {
    let pairs = [
        ("gethostbyname_r v4", "v4.site (v4) 127.0.0.11"),
        ("gethostbyname2_r multi.site inet6", "multi.site () fd00::14 fd00::15"),
        ("gethostbyname_r 10.1.2.3", "10.1.2.3 () 10.1.2.3"),
        ("gethostbyname2_r fd00::1:2:3 inet6", "fd00::1:2:3 () fd00::1:2:3"),
        ("gethostbyaddr_r 127.0.0.11", "v4.site (v4) 127.0.0.11"),
        ("sethostent; gethostent_r", "done; first () 1.2.3.4"),
    ];
    let pairs = pairs.map(|(question, want)| (question.to_owned(), want.to_owned()));
    sweep("error ERANGE, NETDB_INTERNAL errno ERANGE", &pairs);
}

/// Each row is asked for with longer and longer buffers until one is enough.
#[test]
fn a_buffer_that_is_too_short_loses_no_row_of_an_enumeration() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut session = Session::new(with_files(&mut ask(), &dir));
    for (question, text, refused) in [
        ("getpwent_r", PASSWD, "error ERANGE"),
        ("getgrent_r", GROUP, "error ERANGE"),
        ("getspent_r", SHADOW, "error ERANGE"),
        ("gethostent_r", "first () 1.2.3.4\n", "error ERANGE, NETDB_INTERNAL errno ERANGE"),
    ] {
        for row in text.lines() {
            let mut answer = refused.to_owned();
            for len in 0..300 {
                if answer != refused {
                    break;
                }
                answer = session.ask(&format!("{question} {len}"));
            }
            assert_eq!(answer, row);
        }
        if question != "gethostent_r" {
            assert_eq!(session.ask(question), "error ENOENT");
        }
    }
    assert_eq!(session.end(), [""; 0]);
}

/// PAM begins with 1,024 bytes, and takes more only if errno says that they are too few.
#[test]
fn pam_gets_a_row_that_is_longer_than_its_first_buffer() {
    let script = "
import ctypes
pam = ctypes.CDLL('libpam.so.0')
for ask in [pam.pam_modutil_getpwnam, pam.pam_modutil_getgrnam]:
    ask.restype = ctypes.c_void_p
    print(bool(ask(None, b'long')), bool(ask(None, b'nobody-there')))
";
    let dir = tempfile::tempdir().expect("a temporary directory");
    let text = "x".repeat(3000);
    let passwd = file(dir.path(), "passwd", format!("long:x:1000:100:{text}:/:/bin/sh\n"));
    let group = file(dir.path(), "group", format!("long:x:100:{text}\n"));
    let said = stdout(wrapped(PYTHON, &*passwd, &*group).args(["-c", script]));
    assert_eq!(said, "True False\nTrue False\n");
}
