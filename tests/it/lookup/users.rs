//! `<pwd.h>`: every function, with a wrapped file, and without one.

use std::path::{Path, PathBuf};

use crate::support::ask::{Session, answers, ask, everything, expect, rows};
use crate::support::{file, peer, probe, under, wrapped};
use tempfile::TempDir;

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/bash
bob:x:1000:100:Bob, B.:/home/bob:/bin/sh
ann:*:1001:100::/home/ann:
bob:x:1002:100:second::
alias:x:1000:5:::
";

fn passwd() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = file(dir.path(), "passwd", PASSWD);
    (dir, path)
}

#[test]
fn every_function_answers_from_the_file_and_leaves_errno_alone() {
    let (_dir, path) = passwd();
    let lines: Vec<_> = PASSWD.lines().collect();
    let [root, bob, ann, second, _] = lines[..] else { unreachable!("five lines") };
    let mut pairs = Vec::new();
    for (by, key, want) in [
        ("nam", "bob", bob),
        ("uid", "1000", bob),
        ("nam", "ann", ann),
        ("uid", "1002", second),
        ("nam", "nosuch", "none"),
        ("uid", "4294967295", "none"),
    ] {
        pairs.push((format!("getpw{by} {key}"), want));
        pairs.push((format!("getpw{by}_r {key}"), want));
    }
    let mut then = |question: &str, want| pairs.push((question.to_owned(), want));
    // An enumeration begins by itself, and anew after setpwent and endpwent.
    then("getpwent", root);
    then("setpwent", "done");
    then("getpwent", root);
    then("getpwent", bob);
    then("endpwent", "done");
    for line in &lines {
        then("getpwent", line);
    }
    then("getpwent", "none");
    then("getpwent", "none");
    then("setpwent", "done");
    for line in &lines {
        then("getpwent_r", line);
    }
    then("getpwent_r", "error ENOENT");
    then("endpwent", "done");
    expect(ask().env("NSS_WRAPPER_PASSWD", path), &pairs);
}

#[test]
fn without_variables_every_call_is_libcs() {
    let questions = everything(&["root", "0", "daemon", "1", "nobody", "nosuch", "10000"]);
    let alone = answers(&mut under("", probe("ask")), &questions);
    assert!(alone[0].starts_with("root:x:0:0:"), "{}", alone[0]);
    assert!(alone.iter().any(|answer| answer.contains(" of ")), "getgrouplist: {alone:?}");
    assert_eq!(answers(&mut ask(), &questions), alone);
    // An empty value counts as unset.
    let mut empty = ask();
    empty.env("NSS_WRAPPER_PASSWD", "").env("NSS_WRAPPER_GROUP", "");
    assert_eq!(answers(&mut empty, &questions), alone);
}

#[test]
fn each_variable_switches_on_its_own_database_only() {
    let (dir, path) = passwd();
    let group = file(dir.path(), "group", "lab:x:100:bob\n");
    let questions = everything(&["bob", "1000", "lab", "100", "root", "0"]);
    let (users, groups): (Vec<_>, Vec<_>) = questions.iter().partition(|q| q.contains("pw"));
    assert!(users.len() > 20 && groups.len() > 30, "{questions:?}");
    for (questions, asked) in [(&users, "NSS_WRAPPER_PASSWD"), (&groups, "NSS_WRAPPER_GROUP")] {
        let alone = answers(&mut under("", probe("ask")), questions);
        let both = answers(&mut wrapped(probe("ask"), &*path, &*group), questions);
        assert_ne!(both, alone);
        for (variable, file) in [("NSS_WRAPPER_PASSWD", &path), ("NSS_WRAPPER_GROUP", &group)] {
            let one = answers(ask().env(variable, file), questions);
            assert_eq!(&one, if variable == asked { &both } else { &alone }, "{variable}");
        }
    }
}

/// Where the peer finds nothing, there is nothing to compare: it returns `ENOENT`, sets errno, and stores no null
/// pointer.
#[test]
fn what_the_peer_finds_is_found_with_the_same_fields() {
    let (dir, path) = passwd();
    let group = file(dir.path(), "group", "wheel:x:0:\nlab:x:100:bob,ann\nclub:*:200:bob\n");
    let mut questions =
        everything(&["root", "0", "bob", "1000", "1002", "ann", "lab", "100", "club", "200"]);
    questions.extend(["getpwent", "getgrent", "getpwent_r", "getgrent_r"].map(str::to_owned));
    let ours = answers(&mut wrapped(probe("ask"), &*path, &*group), &questions);
    let mut command = under(peer(), probe("ask"));
    command.env("NSS_WRAPPER_PASSWD", &path).env("NSS_WRAPPER_GROUP", &group);
    let theirs = answers(&mut command, &questions);
    let is_row =
        |answer: &&str| !["none", "error", "left"].iter().any(|word| answer.contains(word));
    let mut equal = 0;
    for (our, their) in ours.iter().zip(&theirs) {
        // An enumeration has several rows, and an end that differs.
        let found: Vec<_> = rows(their).into_iter().filter(is_row).collect();
        // The peer's getgrouplist stores nothing in an array that is too short, and changes errno.
        if !found.is_empty() && !their.starts_with("-1 of ") {
            let found: Vec<_> =
                found.iter().map(|row| row.trim_end_matches(" errno ENOENT")).collect();
            assert_eq!(rows(our), found);
            equal += found.len();
        }
    }
    assert!(equal > 40, "{equal}: {theirs:#?}");
}

/// The path belongs to the working directory that the program has at its first lookup.
#[test]
fn a_relative_path_stays_in_the_working_directory() {
    let (dir, path) = passwd();
    let mut command = wrapped(probe("ask"), Path::new("passwd"), Path::new("./group"));
    let mut session = Session::new(command.current_dir(dir.path()));
    file(dir.path(), "group", "lab:x:5:bob\n");
    assert_eq!(session.ask("getpwuid 1001"), "ann:*:1001:100::/home/ann:");
    assert_eq!(session.ask("chdir /"), "done");
    assert_eq!(session.ask("getpwuid 1001"), "ann:*:1001:100::/home/ann:");
    assert_eq!(session.ask("getgrnam lab"), "lab:x:5:bob");
    std::fs::write(path, "carl:x:1001:1:::\n").expect("written");
    assert_eq!(session.ask("getpwuid 1001"), "carl:x:1001:1:::");
    assert_eq!(session.end(), [""; 0]);
}
