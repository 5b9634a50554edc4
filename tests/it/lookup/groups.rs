//! `<grp.h>`: every function. And the functions of nss_wrapper that say which databases are wrapped.

use std::path::PathBuf;

use crate::support::ask::{answers, ask, expect};
use crate::support::{file, library, peer, probe, under};

const GROUP: &str = "\
wheel:x:0:
lab:x:100:bob,ann
club:*:200: bob,,ann ,
many:x:100:bob
own:x:7:bob
";

#[test]
fn every_function_answers_from_the_file_and_leaves_errno_alone() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = file(dir.path(), "group", GROUP);
    // Blanks before a member's name are skipped and empty names dropped, as in glibc.
    let rows: Vec<_> =
        GROUP.lines().map(|line| line.replace(": bob,,ann ,", ":bob,ann ")).collect();
    let [wheel, lab] = [rows[0].as_str(), &rows[1]];
    let mut pairs = Vec::new();
    for (by, key, want) in [
        ("nam", "lab", lab),
        ("gid", "100", lab),
        ("nam", "nosuch", "none"),
        ("gid", "4294967295", "none"),
    ] {
        pairs.push((format!("getgr{by} {key}"), want));
        pairs.push((format!("getgr{by}_r {key}"), want));
    }
    let mut then = |question: &str, want| pairs.push((question.to_owned(), want));
    then("getgrent", wheel);
    then("setgrent", "done");
    then("getgrent", wheel);
    then("getgrent", lab);
    then("endgrent", "done");
    for row in &rows {
        then("getgrent", row);
    }
    then("getgrent", "none");
    then("getgrent", "none");
    then("setgrent", "done");
    for row in &rows {
        then("getgrent_r", row);
    }
    then("getgrent_r", "error ENOENT");
    then("endgrent", "done");
    expect(ask().env("NSS_WRAPPER_GROUP", path), &pairs);
}

#[test]
fn the_librarys_own_functions_say_what_is_wrapped() {
    let questions = ["", "_shadow", "_hosts"].map(|of| format!("enabled nss_wrapper{of}_enabled"));
    let say = |library: PathBuf, set: &[&str]| {
        let mut command = under(library, probe("ask"));
        for name in set {
            command.env(name, "/dev/null");
        }
        answers(&mut command, &questions).join(" ")
    };
    assert_eq!(say(PathBuf::new(), &["NSS_WRAPPER_PASSWD"]), "missing missing missing");
    for (set, want) in [
        (&[][..], "no no no"),
        (&["NSS_WRAPPER_PASSWD"], "no no no"),
        (&["NSS_WRAPPER_GROUP"], "no no no"),
        (&["NSS_WRAPPER_PASSWD", "NSS_WRAPPER_GROUP"], "yes no no"),
        (&["NSS_WRAPPER_PASSWD", "NSS_WRAPPER_GROUP", "NSS_WRAPPER_SHADOW"], "yes yes no"),
        (&["NSS_WRAPPER_SHADOW"], "no yes no"),
        (&["NSS_WRAPPER_HOSTS"], "no no yes"),
    ] {
        assert_eq!(say(library().to_owned(), set), want, "{set:?}");
        assert_eq!(say(peer(), set), want, "{set:?}, the peer");
    }
}

/// A line may be long, and its key may stand in many lines after it.
#[test]
fn a_long_line_whose_key_many_lines_have_is_found_in_time() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let members = (0..1_000_000).map(|n| format!("m{n:06}")).collect::<Vec<_>>().join(",");
    let (group, user) = (format!("lab:x:7:{members}\n"), format!("bob:x:7:7:{members}:/:/\n"));
    let (same_group, same_user) = ("lab:x:7:\n".repeat(800_000), "bob:x:7:7:::\n".repeat(600_000));
    let mut command = under(library(), "timeout");
    command.arg("100").arg(probe("ask"));
    command.env("NSS_WRAPPER_GROUP", file(dir.path(), "group", group + &same_group));
    command.env("NSS_WRAPPER_PASSWD", file(dir.path(), "passwd", user + &same_user));
    // After some searches there are indexes.
    let mut questions = Vec::new();
    for question in ["getgrnam none", "getgrgid 8", "getpwnam none", "getpwuid 8"] {
        questions.extend([question; 6]);
    }
    let said = answers(&mut command, &questions);
    assert_eq!(said, vec!["none"; questions.len()]);
}
