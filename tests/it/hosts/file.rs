//! What a program gets from `NSS_WRAPPER_HOSTS`. `beside_glibc` compares it with what glibc gives;
//! `lookup::buffers` tests short buffers.

use std::path::Path;
use std::process::Command;

use super::questions;
use crate::support::ask::{answers, expect, expect_and_log, musl_ask, rows};
use crate::support::namespace::with_hosts;
use crate::support::valgrind::{sound, valgrind};
use crate::support::{PYTHON, file, library, peer, probe, run, stdout, under};
use tempfile::{TempDir, tempdir};

const HOSTS: &str = "\
1.2.3.4 first
127.0.0.11\tv4.site\t v4
fd00::12 v6.site v6
127.0.0.13 dual.site dual
fd00::13 dual.site dual6
127.0.0.14 multi.site
fd00::14 multi.site
127.0.0.15 multi.site other
fd00::15 multi.site
";

fn hosts(content: impl AsRef<[u8]>) -> TempDir {
    let dir = tempdir().expect("a temporary directory");
    file(dir.path(), "hosts", content);
    dir
}

/// The probe under a library, with the file in `dir`.
fn ask_of(dir: &TempDir, library: &Path) -> Command {
    let mut command = under(library, probe("ask"));
    command.env("NSS_WRAPPER_HOSTS", dir.path().join("hosts"));
    command
}

/// The name that is asked for lies in the memory of the result, which is overwritten, and too small at first.
#[test]
fn the_canonical_name_in_a_result_may_be_asked_for() {
    let mut lines = String::from("10.0.0.1 a.site short\n");
    for n in 2..50 {
        lines += &format!("10.0.0.{n} a.site {}{n}\n", "alias".repeat(5));
    }
    let dir = hosts(lines);
    let [direct, canonical] = answers(
        &mut ask_of(&dir, library()),
        &["gethostbyname a.site", "gethostbyname_canonical short"],
    )
    .try_into()
    .expect("two answers");
    assert!(direct.ends_with(" 10.0.0.48 10.0.0.49"), "{direct}");
    // In a process of its own, so that the result's memory has its first size.
    let mut alone = ask_of(&dir, library());
    let alone = answers(&mut alone, &["gethostbyname_canonical short"]).concat();
    assert_eq!([&alone, &canonical], [&direct, &direct]);
}

#[test]
fn a_node_of_the_file_has_the_address_and_canonical_name_that_the_peer_gives() {
    let nodes = [
        "v4.site",
        "V4.Site",
        "v4",
        "v4.site.",
        "v6.site",
        "V6",
        "dual6",
        "127.0.0.11",
        "127.0.0.14",
        "fd00::12",
        "127.0.0.99",
        "fd00::99",
    ];
    let questions = questions::first_results(&nodes);
    assert_eq!(questions.len(), nodes.len() * 6);
    let dir = hosts(HOSTS);
    // The canonical name and the address of the first result.
    let of = |library: &Path| -> Vec<String> {
        let said = answers(&mut ask_of(&dir, library), &questions);
        let first = |answer: &String| answer.split(":80/").next().unwrap_or_default().to_owned();
        said.iter().map(first).collect()
    };
    // If a name has no address of the family, the peer returns EAI_ADDRFAMILY, and the library returns
    // EAI_NONAME as glibc does. If an address is of another family, both return EAI_ADDRFAMILY.
    let peers: Vec<_> = of(&peer())
        .iter()
        .zip(&questions)
        .map(|(answer, question)| {
            let node = question.split(' ').nth(1).unwrap_or_default();
            if node.contains("site") || node.starts_with(['v', 'V', 'd']) {
                answer.replace("EAI_ADDRFAMILY", "EAI_NONAME")
            } else {
                answer.clone()
            }
        })
        .collect();
    assert!(peers.iter().any(|answer| answer == "v4.site [127.0.0.11]"), "{peers:?}");
    assert_eq!(of(library()), peers);
}

#[test]
fn names_that_are_not_in_the_file_are_libcs_for_getaddrinfo_alone() {
    let dir = hosts(HOSTS);
    file(dir.path(), "libc", "10.9.9.9 system.site\n10.9.9.8 v4.site\n");
    let reverse = "import socket as s
def f(call, *a):
    try: print(call.__name__, call(*a))
    except OSError as e: print(call.__name__, type(e).__name__, e.args[0])
f(s.getaddrinfo, 'system.site', 80, 0, s.SOCK_STREAM)
f(s.getaddrinfo, 'v4.site', 80, 0, s.SOCK_STREAM)
f(s.getaddrinfo, 'v4.site', 80, s.AF_INET6, s.SOCK_STREAM)
f(s.gethostbyname, 'system.site')
f(s.gethostbyname_ex, 'multi.site')
f(s.gethostbyaddr, '10.9.9.9')
f(s.gethostbyaddr, '127.0.0.11')
f(s.getnameinfo, ('10.9.9.9', 80), s.NI_NAMEREQD)
f(s.getnameinfo, ('10.9.9.9', 80), 0)
f(s.getnameinfo, ('127.0.0.13', 80), 0)
f(s.getfqdn, 'dual')
";
    let run = |fall_through: &str| {
        let mut command = under(library(), PYTHON);
        command
            .args(["-c", reverse])
            .env("NSS_WRAPPER_HOSTS", dir.path().join("hosts"))
            .env("NSS_WRAPPER_FALLTHROUGH", fall_through);
        stdout(&mut with_hosts(dir.path(), &dir.path().join("libc"), &command))
    };
    let inet = "(<AddressFamily.AF_INET: 2>, <SocketKind.SOCK_STREAM: 1>, 6, ";
    let same = |lookups: &[&str]| {
        format!(
            "getaddrinfo [{inet}'', ('10.9.9.9', 80))]
getaddrinfo [{inet}'v4.site', ('127.0.0.11', 80))]
getaddrinfo gaierror -2
gethostbyname {}
gethostbyname_ex ('multi.site', ['other'], ['127.0.0.14', '127.0.0.15'])
gethostbyaddr {}
gethostbyaddr ('v4.site', ['v4'], ['127.0.0.11'])
getnameinfo {}
getnameinfo ('{}', 'http')
getnameinfo ('dual.site', 'http')
getfqdn dual.site
",
            lookups[0], lookups[1], lookups[2], lookups[3]
        )
    };
    // Python's gethostbyname calls getaddrinfo(3), and so does its gethostbyaddr before it calls
    // gethostbyaddr_r(3).
    assert_eq!(run("0"), same(&["10.9.9.9", "herror 1", "gaierror -2", "10.9.9.9"]));
    let found =
        ["10.9.9.9", "('system.site', [], ['10.9.9.9'])", "('system.site', 'http')", "system.site"];
    assert_eq!(run("1"), same(&found));
}

#[test]
fn falling_through_the_enumeration_goes_on_with_libcs_hosts() {
    let dir = hosts("10.0.0.1 ours both\n");
    file(dir.path(), "libc", "10.0.0.2 theirs\n10.0.0.3 BOTH\n");
    let of = |fall_through: &str| {
        let mut command = under(library(), "getent");
        command
            .arg("hosts")
            .env("NSS_WRAPPER_HOSTS", dir.path().join("hosts"))
            .env("NSS_WRAPPER_FALLTHROUGH", fall_through);
        let text = stdout(&mut with_hosts(dir.path(), &dir.path().join("libc"), &command));
        text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(of("0"), ["10.0.0.1", "ours", "both"]);
    assert_eq!(of("1"), ["10.0.0.1", "ours", "both", "10.0.0.2", "theirs", "10.0.0.3", "BOTH"]);
}

#[test]
fn getent_finds_hosts_by_name_and_by_address() {
    let dir = hosts(HOSTS);
    for (arguments, want) in [
        (&["hosts", "V6"][..], "fd00::12 v6.site v6"),
        (&["hosts", "fd00::13"], "fd00::13 dual.site dual6"),
        (
            &["ahostsv4", "multi.site"],
            "127.0.0.14 STREAM multi.site 127.0.0.14 DGRAM 127.0.0.14 RAW \
            127.0.0.15 STREAM 127.0.0.15 DGRAM 127.0.0.15 RAW",
        ),
        (&["ahostsv6", "v6."], "fd00::12 STREAM v6.site fd00::12 DGRAM fd00::12 RAW"),
    ] {
        let mut command = under(library(), "getent");
        command.args(arguments).env("NSS_WRAPPER_HOSTS", dir.path().join("hosts"));
        let said = stdout(&mut command);
        assert_eq!(said.split_whitespace().collect::<Vec<_>>().join(" "), want, "{arguments:?}");
        let nothing = file(dir.path(), "nothing", "");
        command.env_remove("NSS_WRAPPER_HOSTS");
        let alone = run(&mut with_hosts(dir.path(), &nothing, &command));
        assert!(!alone.status.success(), "{arguments:?}");
    }
}

#[test]
fn a_hundred_thousand_hosts_are_all_found() {
    let line = |n: u32| format!("10.{}.{}.{} h{n}.site a{n}\n", n >> 16, n >> 8 & 255, n & 255);
    let mut text: String = (0..100_000).map(line).collect();
    text += "10.255.0.1 h7.site more\nfd00::7 H7.Site\n";
    let dir = hosts(text);
    let pairs = [
        ("gethostbyname_r H99999.site.", "h99999.site (a99999) 10.1.134.159"),
        ("gethostbyname a50000", "h50000.site (a50000) 10.0.195.80"),
        ("gethostbyname a7", "h7.site (a7) 10.0.0.7"),
        ("gethostbyname h7.site", "h7.site (a7 more) 10.0.0.7 10.255.0.1"),
        ("gethostbyname2 h7.site inet6", "H7.Site () fd00::7"),
        ("gethostbyname no", "none, HOST_NOT_FOUND"),
        ("gethostbyaddr_r 10.0.0.1", "h1.site (a1) 10.0.0.1"),
        ("gethostbyaddr 127.0.0.11", "none, HOST_NOT_FOUND"),
    ];
    let enumerations = ["all gethostent", "endhostent", "all gethostent"];
    let questions: Vec<_> = pairs.iter().map(|pair| pair.0).chain(enumerations).collect();
    let said = answers(&mut ask_of(&dir, library()), &questions);
    for ((question, want), answer) in pairs.iter().zip(&said) {
        assert_eq!(answer, want, "{question}");
    }
    for answer in said[pairs.len()..].iter().step_by(2) {
        // The last row is the answer at the end, that there is no other host.
        assert_eq!(rows(answer).len(), 100_002 + 1);
    }
}

#[test]
fn malformed_lines_are_reported_once_and_the_others_count() {
    let dir = hosts(
        "10.0.0.1 good\nbad line\n\n# comment\n10.0.0.256 b\n10.0.0.2 nul\0 x\nfe80::1%lo s\n10.0.0.3 last",
    );
    let log = expect_and_log(
        &mut ask_of(&dir, library()),
        &[
            ("gethostbyname good", "good () 10.0.0.1"),
            ("gethostbyname last", "last () 10.0.0.3"),
            ("gethostbyname b", "none, HOST_NOT_FOUND"),
            ("gethostbyname nul", "none, HOST_NOT_FOUND"),
            ("gethostbyname s", "none, HOST_NOT_FOUND"),
            ("gethostbyname_r good", "good () 10.0.0.1"),
            ("all gethostent", "good () 10.0.0.1\tlast () 10.0.0.3\tnone, HOST_NOT_FOUND"),
        ],
    );
    let path = dir.path().join("hosts");
    let reports: Vec<_> = log.lines().collect();
    assert_eq!(reports.len(), 4, "{log}");
    for (report, (line, why)) in reports.iter().zip([
        (2, "not an IPv4 or IPv6 address"),
        (5, "not an IPv4 or IPv6 address"),
        (6, "NUL byte"),
        (7, "not an IPv4 or IPv6 address"),
    ]) {
        assert!(
            report.ends_with(&format!("hosts: {}:{line}: {why}, line skipped", path.display())),
            "{report}"
        );
    }
}

#[test]
fn a_missing_file_is_reported_once_and_has_no_hosts() {
    let dir = tempdir().expect("a temporary directory");
    let nothing = "none, HOST_NOT_FOUND";
    let pairs =
        ["gethostbyname v4", "gethostbyname_r v4", "gethostbyaddr 127.0.0.11", "gethostent"];
    let log =
        expect_and_log(&mut ask_of(&dir, library()), &pairs.map(|question| (question, nothing)));
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("No such file or directory"), "{log}");
}

/// musl has no NSS modules. There the library answers getaddrinfo(3) itself, with the first address of
/// the family for a name.
#[test]
fn a_musl_program_gets_the_files_hosts() {
    let dir = hosts(HOSTS);
    let long = "a-name-that-is-longer-than-any-address-is-as-text.and-has-dots.site";
    file(dir.path(), "hosts", format!("{HOSTS}127.0.0.16 {long}\nfd00::16 {long}\n"));
    let mut command = under(library(), musl_ask());
    command.env("NSS_WRAPPER_HOSTS", dir.path().join("hosts"));
    let first = |question: &str, want: &str| {
        (format!("getaddrinfo {}", question.replace(": ", " 80 ")), want.to_owned())
    };
    let pairs = [
        first("V4: unspec 1 0 0", "v4.site [127.0.0.11]"),
        first("V4: inet6 1 0 0", "error EAI_NONAME"),
        first("dual.site.: unspec 1 0 2", "dual.site [127.0.0.13]"),
        first("dual.site.: inet6 1 0 0", "dual.site [fd00::13]"),
        first("127.0.0.13: inet 1 0 0", "dual.site [127.0.0.13]"),
        first("fd00::13: unspec 1 0 0", "dual.site [fd00::13]"),
        first(&format!("{long}: inet 1 0 0"), &format!("{long} [127.0.0.16]")),
        first(&format!("{long}: inet6 1 0 0"), &format!("{long} [fd00::16]")),
        first("127.0.0.99: inet 1 0 0", "127.0.0.99 [127.0.0.99]"),
    ];
    let questions: Vec<_> = pairs.iter().map(|pair| pair.0.as_str()).collect();
    for (answer, (question, want)) in answers(&mut command, &questions).iter().zip(&pairs) {
        assert!(answer.starts_with(want), "{question}: {answer}");
    }
    let mut command = under(library(), musl_ask());
    command.env("NSS_WRAPPER_HOSTS", dir.path().join("hosts"));
    let pairs = [
        ("gethostbyname multi.site", "multi.site (other) 127.0.0.14 127.0.0.15"),
        ("gethostbyname_r 10.9.8.7", "10.9.8.7 () 10.9.8.7"),
        ("gethostbyname2 no inet6", "none, HOST_NOT_FOUND"),
        ("gethostbyaddr fd00::12", "v6.site (v6) fd00::12"),
        ("getnameinfo 127.0.0.11 53 0 64 64", "v4.site domain"),
        ("getnameinfo 127.0.0.11 69 0 3 64", "error EAI_OVERFLOW"),
        ("getnameinfo 127.0.0.99 80 0 64 64", "127.0.0.99 http"),
        ("getnameinfo 127.0.0.99 69 8 64 64", "error EAI_NONAME"),
    ];
    expect(&mut command, &pairs);
    // No other question ends the program.
    let mut all = questions::by_key(&["multi.site", "10.9.8.7", "no"]);
    all.extend(questions::enumerations(false));
    all.extend(questions::nameinfo());
    let mut command = under(library(), musl_ask());
    command.env("NSS_WRAPPER_HOSTS", dir.path().join("hosts"));
    assert_eq!(answers(&mut command, &all).len(), all.len());
}

#[test]
fn valgrind_finds_no_error_and_no_leak() {
    let dir = hosts(HOSTS);
    let mut older = questions::by_key(&["v4.site", "multi.site", "nosuch", "10.9.8.7", "::1"]);
    older.extend(questions::enumerations(true));
    let at_once = "threads 2 1000 gethostbyname v4.site; gethostbyname2 dual.site inet".to_owned();
    for (probe, questions) in [
        (probe("ask"), older),
        (probe("ask"), questions::nameinfo()),
        (probe("ask"), questions::addrinfo(7)),
        (probe("ask"), vec![at_once]),
        (probe("buffers"), vec!["gethostbyname2_r multi.site inet6".to_owned()]),
    ] {
        let mut plain = under(library(), probe);
        plain.args(&questions).env("NSS_WRAPPER_HOSTS", dir.path().join("hosts"));
        let nothing = file(dir.path(), "libc", "");
        let checked = valgrind("leaks", &plain);
        let (_, log) = sound(&mut with_hosts(dir.path(), &nothing, &checked));
        assert_eq!(log, "", "{}", questions[0]);
    }
}
