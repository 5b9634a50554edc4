//! No exported function can reach a panic, as the disassembly of the library shows.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::support;
use crate::support::{library, stdout};

/// Each function of the library, and what it calls, jumps to or takes the address of.
fn references() -> BTreeMap<String, BTreeSet<String>> {
    // Mangled: other names do not tell the instances of a generic function from each other.
    let listing = stdout(Command::new("objdump").args(["-d", "--no-show-raw-insn"]).arg(library()));
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut function = String::new();
    for line in listing.lines() {
        if let Some((_, name)) = line.strip_suffix(">:").and_then(|head| head.split_once(" <")) {
            function = name.to_owned();
            all.entry(function.clone()).or_default();
        } else if let Some((_, target)) = line.strip_suffix('>').and_then(|l| l.split_once(" <")) {
            // `name+0x12` is in the middle of one.
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

/// rustix asserts that a descriptor which the kernel gives is not -1; src has no assertion of its own
/// (`ci/lint`).
fn is_about_a_new_descriptor(name: &str) -> bool {
    name.contains("9panicking13assert_failed")
}

/// What checks only what it has itself made true: memchr's searcher, core's addresses as text, and
/// core's sort, whose order is one of numbers here.
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
    // What the loader and a thread's end call.
    let ours = all.keys().map(String::as_str).filter(|name| name.contains("nss_wrapper_rs"));
    // A generic function of core's has the name of who uses it, too.
    next.extend(ours.filter(|name| !is_about_a_new_descriptor(name)));
    assert!(next.len() > count + 20, "the library has no names of functions: {next:?}");
    assert!(all.keys().any(|name| panics(name)), "std has them for the panics of others");
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    while let Some(name) = next.pop() {
        if !seen.insert(name) || name.ends_with("@plt") || asserts_its_own(name) {
            continue;
        }
        // Small numbers look like the addresses of data.
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
