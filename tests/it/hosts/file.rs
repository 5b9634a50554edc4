//! Hosts: what a program gets from `NSS_WRAPPER_HOSTS`. Beside glibc: `beside_glibc`.

use std::path::Path;
use std::process::Command;

use crate::support::{
    PYTHON, compiled, file, in_namespace, library, peer, probe, run, stdout, under,
};
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

fn ask(dir: &TempDir, library: &Path, arguments: &[&str]) -> Command {
    let mut command = under(library, probe("hosts"));
    command.args(arguments).env("NSS_WRAPPER_HOSTS", dir.path().join("hosts"));
    command
}

#[test]
fn every_short_buffer_is_refused_and_no_byte_outside_is_touched() {
    stdout(&mut ask(&hosts(HOSTS), library(), &["buffers", "multi.site"]));
}

#[test]
fn a_result_without_r_belongs_to_its_thread() {
    stdout(&mut ask(&hosts(HOSTS), library(), &["threads", "v4.site", "dual.site"]));
}

#[test]
fn a_node_of_the_file_has_the_address_and_canonical_name_that_the_peer_gives() {
    let nodes = [
        "canon",
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
    let dir = hosts(HOSTS);
    let of = |library: &Path| stdout(&mut ask(&dir, library, &nodes));
    let (peers, ours) = (of(&peer()), of(library()));
    assert!(peers.lines().count() == (nodes.len() - 1) * 6, "{peers}");
    // EAI_ADDRFAMILY is the peer's for a name without an address of the family, glibc's is
    // EAI_NONAME; for an address both have the former.
    let is_name = |line: &str| line.contains("site") || line.starts_with(['v', 'V', 'd']);
    let peers: Vec<_> = peers
        .lines()
        .map(|line| if is_name(line) { line.replace("\t-9 ", "\t-2 ") } else { line.to_owned() })
        .collect();
    assert_eq!(ours.lines().collect::<Vec<_>>(), peers);
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
        stdout(&mut in_namespace(dir.path(), &dir.path().join("libc"), &command))
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
    // Python's gethostbyname is getaddrinfo, and so is the first half of its gethostbyaddr.
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
        let text = stdout(&mut in_namespace(dir.path(), &dir.path().join("libc"), &command));
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
        let alone = run(&mut in_namespace(dir.path(), &nothing, &command));
        assert!(!alone.status.success(), "{arguments:?}");
    }
}

#[test]
fn a_hundred_thousand_hosts_are_all_found() {
    let line = |n: u32| format!("10.{}.{}.{} h{n}.site a{n}\n", n >> 16, n >> 8 & 255, n & 255);
    let mut text: String = (0..100_000).map(line).collect();
    text += "10.255.0.1 h7.site more\nfd00::7 H7.Site\n";
    let dir = hosts(text);
    let said = stdout(&mut ask(
        &dir,
        library(),
        &["names", "H99999.site.", "a50000", "a7", "h7.site", "no"],
    ));
    for want in [
        "gethostbyname_r H99999.site.\th99999.site aliases a99999 family 2 length 4 10.1.134.159",
        "gethostbyname a50000\th50000.site aliases a50000 family 2 length 4 10.0.195.80",
        "gethostbyname a7\th7.site aliases a7 family 2 length 4 10.0.0.7",
        "gethostbyname h7.site\th7.site aliases a7 more family 2 length 4 10.0.0.7 10.255.0.1",
        "gethostbyname2 10 h7.site\tH7.Site aliases family 10 length 16 fd00::7",
        "gethostbyname no\tnull, h_errno 1, errno 77",
        "gethostbyaddr_r 10.0.0.1\th1.site aliases a1 family 2 length 4 10.0.0.1",
        "gethostbyaddr 127.0.0.11\tnull, h_errno 1, errno 77",
    ] {
        assert!(said.lines().any(|line| line == want), "{want}");
    }
    assert_eq!(said.lines().filter(|line| line.starts_with("gethostent ")).count(), 2 * 100_003);
}

#[test]
fn malformed_lines_are_reported_once_and_the_others_count() {
    let dir = hosts(
        "10.0.0.1 good\nbad line\n\n# comment\n10.0.0.256 b\n10.0.0.2 nul\0 x\nfe80::1%lo s\n10.0.0.3 last",
    );
    let out = run(&mut ask(&dir, library(), &["names", "good", "last", "b", "nul", "s"]));
    let (said, log) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    for want in ["gethostbyname good\tgood aliases family 2", "gethostbyname last\tlast aliases"] {
        assert!(said.contains(want), "{said}");
    }
    for name in ["b", "nul", "s"] {
        assert!(said.contains(&format!("gethostbyname {name}\tnull, h_errno 1")), "{said}");
    }
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
fn a_file_that_is_missing_is_said_so_once_and_knows_no_host() {
    let dir = tempdir().expect("a temporary directory");
    let out = run(&mut ask(&dir, library(), &["names", "v4"]));
    let (said, log) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(said.contains("gethostbyname v4\tnull, h_errno 1, errno 77"), "{said}");
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("No such file or directory"), "{log}");
}

/// musl has no NSS modules: a name has one address there, the first that suits.
#[test]
fn a_musl_program_gets_the_files_hosts() {
    let dir = hosts(HOSTS);
    let program = compiled("hosts", "musl-gcc", &[]);
    let run = |arguments: &[&str]| {
        let mut command = under(library(), &program);
        stdout(command.args(arguments).env("NSS_WRAPPER_HOSTS", dir.path().join("hosts")))
    };
    let long = "a-name-that-is-longer-than-any-address-is-as-text.and-has-dots.site";
    file(dir.path(), "hosts", format!("{HOSTS}127.0.0.16 {long}\nfd00::16 {long}\n"));
    let said = run(&["canon", "V4", "dual.site.", "127.0.0.13", "fd00::13", long, "127.0.0.99"]);
    for want in [
        "V4 family 0 flags 0\t0 127.0.0.11\tv4.site",
        "V4 family 10 flags 0\t-2 -\t-",
        "dual.site. family 0 flags 2\t0 127.0.0.13\tdual.site",
        "dual.site. family 10 flags 0\t0 fd00::13\tdual.site",
        "127.0.0.13 family 2 flags 0\t0 127.0.0.13\tdual.site",
        "fd00::13 family 0 flags 0\t0 fd00::13\tdual.site",
        &format!("{long} family 2 flags 0\t0 127.0.0.16\t{long}"),
        &format!("{long} family 10 flags 0\t0 fd00::16\t{long}"),
        "127.0.0.99 family 0 flags 0\t0 127.0.0.99\t127.0.0.99",
    ] {
        assert!(said.lines().any(|line| line == want), "{want}\n{said}");
    }
    let said = run(&["names", "multi.site", "10.9.8.7", "no"]);
    for want in [
        "gethostbyname multi.site\tmulti.site aliases other family 2 length 4 127.0.0.14 127.0.0.15",
        "gethostbyname_r 10.9.8.7\t10.9.8.7 aliases family 2 length 4 10.9.8.7",
        "gethostbyname2 10 no\tnull, h_errno 1, errno 77",
        "gethostbyaddr fd00::12\tv6.site aliases v6 family 10 length 16 fd00::12",
    ] {
        assert!(said.lines().any(|line| line == want), "{want}\n{said}");
    }
    let said = run(&["nameinfo"]);
    for want in [
        "getnameinfo 127.0.0.11 53 flags 0 lengths 64 64 size 0\t0 v4.site domain",
        "getnameinfo 127.0.0.11 69 flags 0 lengths 3 64 size 0\t-12 - -",
        "getnameinfo 127.0.0.99 80 flags 0 lengths 64 64 size 0\t0 127.0.0.99 http",
        "getnameinfo 127.0.0.99 69 flags 0x8 lengths 64 64 size 0\t-2 - -",
    ] {
        assert!(said.lines().any(|line| line == want), "{want}");
    }
}

#[test]
fn valgrind_finds_no_error_and_no_leak() {
    let dir = hosts(HOSTS);
    for (name, arguments) in [
        ("hosts", &["names", "v4.site", "multi.site", "nosuch", "10.9.8.7", "::1"][..]),
        ("hosts", &["nameinfo"]),
        ("hosts", &["buffers", "multi.site"]),
        ("hosts", &["threads", "v4.site", "dual.site"]),
        ("addrinfo", &["7"]),
    ] {
        let mut command = under(library(), "valgrind");
        command
            .args(["--quiet", "--error-exitcode=9", "--leak-check=full"])
            .args(["--show-leak-kinds=definite,indirect,possible"])
            .args(["--errors-for-leak-kinds=definite,indirect,possible"])
            .arg(probe(name))
            .args(arguments)
            .env("NSS_WRAPPER_HOSTS", dir.path().join("hosts"));
        let out = run(&mut in_namespace(dir.path(), &file(dir.path(), "libc", ""), &command));
        let log = String::from_utf8_lossy(&out.stderr);
        assert!(
            out.status.success() && log.is_empty(),
            "{name} {arguments:?}: {}\n{log}",
            out.status
        );
    }
}

#[test]
fn a_failed_allocation_is_an_error_code() {
    let dir = hosts(HOSTS);
    let failing = compiled("failing_malloc", "cc", &["-shared", "-fPIC"]);
    let libraries = format!("{}:{}", failing.display(), library().display());
    let mut command = under(Path::new(&libraries), probe("hosts_memory"));
    command.env("NSS_WRAPPER_HOSTS", dir.path().join("hosts"));
    stdout(&mut in_namespace(dir.path(), &file(dir.path(), "libc", ""), &command));
}
