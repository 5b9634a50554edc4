//! No exported function can reach a panic, as the disassembly of the library shows.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::support;
use crate::support::{library, stdout};

/// Each function of the library, and what it calls, jumps to or takes the address of.
fn references() -> BTreeMap<String, BTreeSet<String>> {
    // The names stay mangled, because demangled ones can be the same for two instances of a generic function.
    let listing = stdout(Command::new("objdump").args(["-d", "--no-show-raw-insn"]).arg(library()));
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut function = String::new();
    for line in listing.lines() {
        if let Some((_, name)) = line.strip_suffix(">:").and_then(|head| head.split_once(" <")) {
            function = name.to_owned();
            all.entry(function.clone()).or_default();
        } else if let Some((_, target)) = line.strip_suffix('>').and_then(|l| l.split_once(" <")) {
            // `name+0x12` is in the middle of a function.
            let name = match target.rsplit_once("+0x") {
                Some((name, offset)) if u64::from_str_radix(offset, 16).is_ok() => name,
                _ => target,
            };
            all.entry(function.clone()).or_default().insert(name.to_owned());
        }
    }
    all
}

fn panics(name: &str) -> bool {
    let signs =
        ["9panicking", "unwrap_failed", "expect_failed", "_fail", "handle_error", "alloc_error"];
    signs.iter().any(|sign| name.contains(sign)) || name.contains("capacity_overflow")
}

/// The panic of `assert_ne!`: rustix asserts that a new descriptor from the kernel is not -1. This test would not
/// notice an `assert_eq!` or `assert_ne!` in `src`: `ci/lint` does.
fn is_about_a_new_descriptor(name: &str) -> bool {
    name.contains("9panicking13assert_failed")
}

/// Code whose assertions are only about its own state: memchr's searcher, core's addresses as text, and core's
/// sort, which needs a total order and sorts numbers here.
fn asserts_its_own(name: &str) -> bool {
    ["memchr", "4core3net", "4core5slice4sort"].iter().any(|part| name.contains(part))
}

#[test]
fn no_exported_function_reaches_a_panic() {
    let all = references();
    let exports =
        std::fs::read_to_string(support::root().join("ci/exports.txt")).expect("committed");
    let mut next: Vec<&str> = exports.lines().filter(|line| !line.starts_with('#')).collect();
    let count = next.len();
    // The loader and the end of a thread call functions that are not exported, so all of the library's are roots.
    let ours = all.keys().map(String::as_str).filter(|name| name.contains("nss_wrapper_rs"));
    // The assertion is a generic function of core's, whose name has that of the crate which uses it.
    next.extend(ours.filter(|name| !is_about_a_new_descriptor(name)));
    assert!(next.len() > count + 20, "the library has no names of functions: {next:?}");
    assert!(all.keys().any(|name| panics(name)), "std has them for the panics of others");
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    while let Some(name) = next.pop() {
        if !seen.insert(name) || name.ends_with("@plt") || asserts_its_own(name) {
            continue;
        }
        // objdump takes small numbers for addresses of data; those are no functions.
        for other in all.get(name).into_iter().flatten().filter(|other| all.contains_key(*other)) {
            if is_about_a_new_descriptor(other) {
                continue;
            }
            if panics(other) {
                found.push((name, other));
            } else {
                next.push(other);
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}
