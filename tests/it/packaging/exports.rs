//! The same shared object serves every libc: which symbols it needs, and which it exports.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::read_to_string;
use std::path::Path;
use std::process::Command;

use crate::support::ask::{BOB_AND_LAB, answers, expect, musl_ask, with_bob_and_lab};
use crate::support::{library, peer, probe, root, stdout, under};

fn readelf(options: &[&str], library: &Path) -> String {
    stdout(Command::new("readelf").args(options).arg(library))
}

/// The lines of a list in `ci/`, without comments.
fn list(name: &str) -> BTreeSet<String> {
    let text = read_to_string(root().join("ci").join(name)).expect("committed");
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

/// The names in the dynamic symbol table: the defined ones, or the undefined ones that are not weak.
fn symbols(library: &Path, defined: bool) -> BTreeSet<String> {
    let table = readelf(&["--dyn-syms", "--wide"], library);
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.len() == 8 && row[0] != "Num:" && row[3] != "LOCAL")
        .filter(|row| (row[6] != "UND") == defined && (defined || row[4] != "WEAK"))
        .map(|row| row[7].to_owned())
        .collect()
}

#[test]
fn nothing_else_is_loaded_for_the_library() {
    let dynamic = readelf(&["--dynamic", "--wide"], library());
    assert!(!dynamic.contains("(NEEDED)"), "{dynamic}");
    assert!(dynamic.contains("Library soname: [libnss_wrapper_rs.so.2]"), "{dynamic}");
    let versions = readelf(&["--version-info", "--wide"], library());
    assert!(versions.contains("No version information found"), "{versions}");
}

#[test]
fn the_exported_names_are_the_intended_ones() {
    let (found, want) = (symbols(library(), true), list("exports.txt"));
    let more: Vec<_> = found.difference(&want).collect();
    let fewer: Vec<_> = want.difference(&found).collect();
    assert!(more.is_empty() && fewer.is_empty(), "not in the list: {more:?}; missing: {fewer:?}");
}

/// docs/compatibility.md says of each symbol of both libraries what it is here.
#[test]
fn every_symbol_of_ours_and_of_the_peer_is_documented() {
    let text = read_to_string(root().join("docs/compatibility.md")).expect("committed");
    let peers = symbols(&peer(), true);
    assert!(peers.contains("getpwnam"), "{peers:?}");
    for name in symbols(library(), true).union(&peers) {
        assert!(text.contains(&format!("`{name}`")), "{name} is not in docs/compatibility.md");
    }
}

#[test]
fn every_symbol_that_is_needed_is_in_glibc_2_17() {
    let known: BTreeMap<_, _> = list("glibc-2.17-symbols.txt")
        .into_iter()
        .map(|line| {
            line.split_once(' ').map(|(n, v)| (n.to_owned(), v.to_owned())).expect("name version")
        })
        .collect();
    let needed = symbols(library(), false);
    assert!(needed.len() > 10, "{needed:?}");
    for name in needed {
        let version = known.get(&name).unwrap_or_else(|| panic!("{name} is not in glibc 2.17"));
        let minor: u32 = version
            .strip_prefix("GLIBC_2.")
            .and_then(|rest| rest.split('.').next()?.parse().ok())
            .unwrap_or_else(|| panic!("{name}: {version}"));
        assert!(minor <= 17, "{name} came with {version}");
    }
}

/// libc keeps the versions of old symbols, so Debian's own libc has each line of the list.
#[test]
fn the_list_of_glibc_2_17_agrees_with_this_machines_libc() {
    let linked = stdout(Command::new("ldd").arg("/bin/ls"));
    let libc = linked
        .split_whitespace()
        .find(|word| word.starts_with('/') && word.contains("/libc.so"))
        .expect("ls is linked with libc");
    let mut table = stdout(Command::new("readelf").args(["--dyn-syms", "--wide", libc]));
    let loader =
        linked.split_whitespace().find(|word| word.starts_with("/lib") && word.contains("/ld-"));
    table += &stdout(Command::new("readelf").args(["--dyn-syms", "--wide"]).args(loader));
    let have: BTreeSet<_> = table
        .split_whitespace()
        .filter_map(|word| word.split_once('@'))
        .map(|(name, version)| format!("{name} {}", version.trim_start_matches('@')))
        .collect();
    for line in list("glibc-2.17-symbols.txt") {
        assert!(have.contains(&line), "{line} is not in {libc}");
    }
}

#[test]
fn the_same_file_answers_in_a_glibc_and_in_a_musl_program() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (libc, program) in [("glibc", probe("ask")), ("musl", musl_ask())] {
        let mut command = under(library(), &program);
        expect(with_bob_and_lab(&mut command, dir.path()), &BOB_AND_LAB);
        let mut alone = under("", &program);
        let said = answers(&mut alone, &["getpwnam_r bob", "getgrnam_r lab"]).concat();
        assert!(!said.contains(':'), "{libc} knows bob without the library: {said}");
    }
}
