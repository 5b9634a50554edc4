//! The same questions are asked of the library, with lines in `NSS_WRAPPER_HOSTS`, and of glibc, with the same
//! lines in `/etc/hosts`. Each difference is in docs/compatibility.md, with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::read_to_string;
use std::process::Command;

use super::questions;
use crate::support::ask::{answers, ask};
use crate::support::namespace::with_hosts;
use crate::support::{file, library, probe, root, stdout, under};
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
:: unspecified.site
10.0.0.1
";

/// A question, glibc's answer, and the library's.
struct Pair {
    question: String,
    theirs: String,
    ours: String,
}

/// Asks glibc and the library the same questions.
fn both(questions: &[String]) -> Vec<Pair> {
    both_by(&[], questions)
}

/// Like [`both`], with a command before the probe's that starts the probe.
fn both_by(starter: &[&str], questions: &[String]) -> Vec<Pair> {
    let dir = tempdir().expect("a temporary directory");
    let hosts = file(dir.path(), "hosts", HOSTS);
    let nothing = file(dir.path(), "nothing", "");
    let probe = probe("ask");
    let words: Vec<&OsStr> = starter.iter().map(AsRef::as_ref).chain([probe.as_ref()]).collect();
    let mut plain = Command::new(words[0]);
    plain.args(&words[1..]).args(questions);
    let mut wrapped = under(library(), words[0]);
    wrapped.args(&words[1..]).args(questions).env("NSS_WRAPPER_HOSTS", &hosts);
    let theirs = stdout(&mut with_hosts(dir.path(), &hosts, &plain));
    // libc has no hosts where the library goes on to ask it.
    let ours = stdout(&mut with_hosts(dir.path(), &nothing, &wrapped));
    assert_eq!([theirs.lines().count(), ours.lines().count()], [questions.len(); 2]);
    // Of an enumeration only the end is compared. Which lines it gives is known to differ, and the last test
    // of this file checks it.
    let end = |answer: &str| answer.rsplit('\t').next().unwrap_or_default().to_owned();
    let pairs = questions.iter().zip(theirs.lines().zip(ours.lines()));
    pairs
        .map(|(question, (theirs, ours))| Pair {
            question: question.clone(),
            theirs: end(theirs),
            ours: end(ours),
        })
        .collect()
}

/// docs/compatibility.md as one line.
fn page() -> String {
    let page = read_to_string(root().join("docs/compatibility.md")).expect("committed");
    page.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Asserts that `kind` knows the kind of every difference, that the kinds which occur are `kinds`, and that
/// docs/compatibility.md has each of them.
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

/// The canonical name that the file has for a node. The node must not end in a dot.
fn canonical(node: &str) -> Option<&'static str> {
    Some(match node.to_lowercase().as_str() {
        "v4.site" | "v4" | "127.0.0.11" | "0x7f.11" | "127.11" | "::ffff:127.0.0.11" => "v4.site",
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
    let pairs = both(&questions::addrinfo(1));
    assert!(pairs.len() > 7000, "{}", pairs.len());
    assert!(pairs.iter().filter(|pair| !pair.ours.starts_with("error")).count() > 2000);
    let answers: BTreeMap<_, _> =
        pairs.iter().map(|p| (p.question.as_str(), p.ours.as_str())).collect();
    differ_only(&pairs, &[DOT, ADDRESS, CANONICAL], |pair| {
        let (node, rest) = pair.question.strip_prefix("getaddrinfo ")?.split_once(' ')?;
        let dotted = node.strip_suffix('.').filter(|node| canonical(node).is_some());
        if let Some(node) = dotted {
            let without = answers[format!("getaddrinfo {node} {rest}").as_str()];
            // glibc's getaddrinfo may return the name as it was asked for, with the dot.
            let same = pair.ours.replacen("v4.site. ", "v4.site ", 1) == without;
            return (same && pair.theirs == "error EAI_NONAME").then_some(DOT);
        }
        let (their_name, their_list) = pair.theirs.split_once(' ')?;
        let (our_name, our_list) = pair.ours.split_once(' ')?;
        let good = their_list == our_list && our_name == canonical(node)?;
        match their_name {
            "-" => good.then_some(CANONICAL),
            name => (good && name.eq_ignore_ascii_case(node)).then_some(ADDRESS),
        }
    });
}

/// In a network namespace like that of `docker run --network none` no interface has an address. With
/// `AI_ADDRCONFIG` glibc does not look for addresses of a family then.
#[test]
fn ai_addrconfig_without_a_network_answers_as_glibcs() {
    let ask = |node: &&str| {
        [libc::AF_UNSPEC, libc::AF_INET, libc::AF_INET6]
            .map(|family| format!("getaddrinfo {node} 80 {family} 1 0 {}", libc::AI_ADDRCONFIG))
    };
    let questions: Vec<_> = ["v4.site", "v6.site", "nosuch.site"].iter().flat_map(ask).collect();
    let pairs = both_by(&["unshare", "--net"], &questions);
    assert!(pairs.iter().any(|pair| pair.theirs == "error EAI_NONAME"));
    differ_only(&pairs, &[CANONICAL], |pair| {
        let found = !pair.theirs.starts_with("error") && !pair.ours.starts_with("error");
        found.then_some(CANONICAL)
    });
}

#[test]
fn getnameinfo_answers_as_glibcs() {
    let pairs = both(&questions::nameinfo());
    assert!(pairs.len() > 2000, "{}", pairs.len());
    assert!(pairs.iter().any(|pair| pair.ours == "dual.site http"));
    differ_only(&pairs, &[], |_| None);
}

#[test]
fn the_older_functions_differ_from_glibcs_in_what_the_page_lists_only() {
    let names = [
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
    let mut questions = questions::by_key(&names);
    questions.extend(questions::enumerations(true));
    let mut pairs = both(&questions);
    assert!(pairs.len() > 240, "{}", pairs.len());
    let answers: BTreeMap<_, _> =
        pairs.iter().map(|p| (p.question.clone(), p.ours.clone())).collect();
    // glibc finds the line of an IPv4-mapped address since 2.38.
    pairs.retain(|pair| !pair.question.ends_with("::ffff:127.0.0.11"));
    for function in ["gethostbyaddr", "gethostbyaddr_r"] {
        let answer = &answers[&format!("{function} ::ffff:127.0.0.11")];
        assert_eq!(answer, "v4.site (v4) ::ffff:127.0.0.11");
    }
    differ_only(&pairs, &[DOT, NO_DATA, ERRNO, END], |pair| {
        let (function, rest) = pair.question.split_once(' ')?;
        let (name, family) = rest.split_once(' ').unwrap_or((rest, ""));
        let dotted = name.strip_suffix('.').filter(|name| canonical(name).is_some());
        let of_name = |name| answers.get(format!("{function} {name} {family}").trim_end());
        if dotted.and_then(of_name) == Some(&pair.ours) {
            return Some(DOT);
        }
        let theirs = pair.theirs.trim_end_matches(" errno 0");
        if theirs == pair.ours {
            return Some(ERRNO);
        }
        if pair.question == "all gethostent_r" {
            let same = theirs.replace(", 99", ", HOST_NOT_FOUND") == pair.ours;
            return same.then_some(END);
        }
        let no_data =
            canonical(name).is_some() && theirs.replace("HOST_NOT_FOUND", "NO_DATA") == pair.ours;
        no_data.then_some(NO_DATA)
    });
}

#[test]
fn an_enumeration_goes_through_all_lines_where_glibcs_shows_all_as_ipv4() {
    let dir = tempdir().expect("a temporary directory");
    let hosts = file(dir.path(), "hosts", HOSTS);
    let once = [
        "v4.site (v4) 127.0.0.11",
        "v6.site (v6) fd00::12",
        "dual.site (dual) 127.0.0.13",
        "dual.site (dual6) fd00::13",
        "multi.site () 127.0.0.14",
        "multi.site () fd00::14",
        "Multi.Site (other) 127.0.0.15",
        "mapped.site () ::ffff:127.0.0.16",
        "loop.site () ::1",
        "unspecified.site () ::",
        " () 10.0.0.1",
    ]
    .join("\t");
    for question in ["all gethostent", "all gethostent_r"] {
        let questions = [question, "endhostent", question];
        let said = answers(ask().env("NSS_WRAPPER_HOSTS", &hosts), &questions);
        for answer in said.iter().step_by(2) {
            let (rows, _end) = answer.rsplit_once('\t').expect("rows and an end");
            assert_eq!(rows, once);
        }
    }
    assert!(page().contains(FAMILIES));
}
