//! The same questions and the same lines, once from `NSS_WRAPPER_HOSTS` and once as glibc answers
//! them from `/etc/hosts`. Each difference is in docs/compatibility.md with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::read_to_string;
use std::process::Command;

use crate::support::{file, in_namespace, library, probe, root, stdout, under};
use tempfile::tempdir;

const HOSTS: &str = "\
127.0.0.11\tv4.site\t v4
fd00::12 v6.site v6 # comment.site
127.0.0.13 dual.site dual
fd00::13 dual.site dual6
127.0.0.14 multi.site
fd00::14 multi.site
127.0.0.15 Multi.Site other
::ffff:127.0.0.16 mapped.site
::1 loop.site
10.0.0.1
";

/// A question, what glibc says, and what we say.
struct Pair {
    question: String,
    theirs: String,
    ours: String,
}

/// Runs the probe both ways.
fn both(name: &str, arguments: &[&str]) -> Vec<Pair> {
    let dir = tempdir().expect("a temporary directory");
    let hosts = file(dir.path(), "hosts", HOSTS);
    let nothing = file(dir.path(), "nothing", "");
    let mut plain = Command::new(probe(name));
    plain.args(arguments);
    let mut wrapped = under(library(), probe(name));
    wrapped.args(arguments).env("NSS_WRAPPER_HOSTS", &hosts);
    let theirs = stdout(&mut in_namespace(dir.path(), &hosts, &plain));
    // Where ours goes on to libc, that has nothing to say.
    let ours = stdout(&mut in_namespace(dir.path(), &nothing, &wrapped));
    // What an enumeration goes through is a list of its own: another test's.
    let lines = |text: &str| -> Vec<_> {
        let is_row = |line: &&str| line.starts_with("gethostent") && !line.contains("end\t");
        text.lines().filter(|line| !is_row(line)).map(str::to_owned).collect()
    };
    let (theirs, ours) = (lines(&theirs), lines(&ours));
    assert_eq!(theirs.len(), ours.len());
    let pairs = theirs.iter().zip(&ours).map(|(theirs, ours)| {
        let (question, theirs) = theirs.split_once('\t').expect("an answer");
        let (same, ours) = ours.split_once('\t').expect("an answer");
        assert_eq!(question, same);
        Pair { question: question.into(), theirs: theirs.into(), ours: ours.into() }
    });
    pairs.collect()
}

/// docs/compatibility.md as one line.
fn page() -> String {
    let page = read_to_string(root().join("docs/compatibility.md")).expect("committed");
    page.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Sees to it that all differences are of the kinds that `kind` knows, that each of these occurs,
/// and that the page says so.
fn differ_only(
    pairs: &[Pair],
    kinds: &[&'static str],
    kind: impl Fn(&Pair) -> Option<&'static str>,
) {
    let page = page();
    let mut seen = BTreeSet::new();
    let mut others = Vec::new();
    for pair in pairs.iter().filter(|pair| pair.theirs != pair.ours) {
        match kind(pair) {
            Some(kind) => _ = seen.insert(kind),
            None => others.push(format!("{}: {} / {}", pair.question, pair.theirs, pair.ours)),
        }
    }
    assert!(others.is_empty(), "{} more differences:\n{}", others.len(), others.join("\n"));
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), kinds);
    for kind in kinds {
        assert!(page.contains(kind), "docs/compatibility.md does not say: {kind}");
    }
}

/// The file's canonical name for a node, without a dot at its end.
fn canonical(node: &str) -> Option<&'static str> {
    Some(match node.to_lowercase().as_str() {
        "v4.site" | "v4" | "127.0.0.11" | "0x7f.11" | "127.11" => "v4.site",
        "v6.site" | "v6" | "fd00::12" | "fd00:0:0:0:0:0:0:12" => "v6.site",
        "dual.site" | "dual" | "dual6" => "dual.site",
        "multi.site" => "multi.site",
        "mapped.site" => "mapped.site",
        "loop.site" | "::1" => "loop.site",
        "other" => "Multi.Site",
        "" => "",
        _ => return None,
    })
}

const CANONICAL: &str = "The first `ai_canonname` is always filled for a node of the file";
const ADDRESS: &str = "For an address in the file `ai_canonname` is the file's name";
const DOT: &str = "A dot at the end of a name is ignored";
const NO_DATA: &str = "`NO_DATA` where the file has the name, but no address of that family";
const ERRNO: &str = "`errno` stays as it was where there is no host";
const FAMILIES: &str = "`gethostent` goes through the lines of both families";
const END: &str = "`gethostent_r` says `HOST_NOT_FOUND` at the end";

#[test]
fn getaddrinfo_differs_from_glibcs_in_what_the_page_lists_only() {
    let pairs = both("addrinfo", &[]);
    assert!(pairs.len() > 7000, "{}", pairs.len());
    assert!(pairs.iter().filter(|pair| pair.ours.starts_with('0')).count() > 2000);
    let answers: BTreeMap<_, _> =
        pairs.iter().map(|p| (p.question.as_str(), p.ours.as_str())).collect();
    differ_only(&pairs, &[DOT, ADDRESS, CANONICAL], |pair| {
        let (node, rest) = pair.question.split_once('|')?;
        if let Some(node) = node.strip_suffix('.')
            && canonical(node).is_some()
        {
            let without = answers[format!("{node}|{rest}").as_str()];
            // glibc gives back the name that was asked for.
            let same = pair.ours.replace("\tv4.site.", "\tv4.site") == without;
            return (same && pair.theirs.starts_with("-2")).then_some(DOT);
        }
        let (their_list, their_name) = pair.theirs.split_once('\t')?;
        let (our_list, our_name) = pair.ours.split_once('\t')?;
        let good = their_list == our_list && our_name == canonical(node)?;
        match their_name {
            "-" => good.then_some(CANONICAL),
            name => (good && name.eq_ignore_ascii_case(node)).then_some(ADDRESS),
        }
    });
}

#[test]
fn getnameinfo_answers_as_glibcs() {
    let pairs = both("hosts", &["nameinfo"]);
    assert!(pairs.len() > 2000, "{}", pairs.len());
    assert!(pairs.iter().any(|pair| pair.ours == "0 dual.site http"));
    differ_only(&pairs, &[], |_| None);
}

#[test]
fn the_older_functions_differ_from_glibcs_in_what_the_page_lists_only() {
    let names = [
        "names",
        "v4",
        "v4.site",
        "V4.Site",
        "v4.site.",
        "v6",
        "dual.site",
        "DUAL",
        "multi.site",
        "other",
        "mapped.site",
        "loop.site",
        "127.0.0.11",
        "10.9.8.7",
        "1",
        "08",
        "1.2.3.4.5",
        "127.0.0.1.",
        "0x7f.1",
        "::1",
        "fd00::12",
        "fe80::1%lo",
        "ab:cd",
        "nosuch",
        "comment.site",
        "",
        "v4 ",
    ];
    let pairs = both("hosts", &names);
    assert!(pairs.len() > 240, "{}", pairs.len());
    let answers: BTreeMap<_, _> =
        pairs.iter().map(|p| (p.question.clone(), p.ours.clone())).collect();
    differ_only(&pairs, &[DOT, NO_DATA, ERRNO, END], |pair| {
        let (_, name) = pair.question.rsplit_once(' ')?;
        if let Some(without) = pair.question.strip_suffix('.')
            && answers.get(without) == Some(&pair.ours)
            && canonical(name.trim_end_matches('.')).is_some()
        {
            return Some(DOT);
        }
        let theirs = pair.theirs.replace(", errno 0", ", errno 77");
        if theirs == pair.ours {
            return Some(ERRNO);
        }
        if pair.question == "gethostent_r end" {
            return (theirs.replace("h_errno 0", "h_errno 1") == pair.ours).then_some(END);
        }
        let no_data =
            canonical(name).is_some() && theirs.replace("h_errno 1", "h_errno 4") == pair.ours;
        no_data.then_some(NO_DATA)
    });
}

#[test]
fn an_enumeration_goes_through_all_lines_where_glibcs_shows_all_as_ipv4() {
    let dir = tempdir().expect("a temporary directory");
    let hosts = file(dir.path(), "hosts", HOSTS);
    let mut command = under(library(), probe("hosts"));
    let said = stdout(command.args(["names"]).env("NSS_WRAPPER_HOSTS", &hosts));
    let rows = |function: &str| -> Vec<String> {
        let start = format!("{function} \t");
        said.lines().filter_map(|line| line.strip_prefix(&start)).map(str::to_owned).collect()
    };
    let once = [
        "v4.site aliases v4 family 2 length 4 127.0.0.11",
        "v6.site aliases v6 family 10 length 16 fd00::12",
        "dual.site aliases dual family 2 length 4 127.0.0.13",
        "dual.site aliases dual6 family 10 length 16 fd00::13",
        "multi.site aliases family 2 length 4 127.0.0.14",
        "multi.site aliases family 10 length 16 fd00::14",
        "Multi.Site aliases other family 2 length 4 127.0.0.15",
        "mapped.site aliases family 10 length 16 ::ffff:127.0.0.16",
        "loop.site aliases family 10 length 16 ::1",
        " aliases family 2 length 4 10.0.0.1",
    ];
    let twice: Vec<_> = once.iter().chain(&once).collect();
    assert_eq!(rows("gethostent").iter().collect::<Vec<_>>(), twice);
    assert_eq!(rows("gethostent_r").iter().collect::<Vec<_>>(), twice);
    assert!(page().contains(FAMILIES));
}
