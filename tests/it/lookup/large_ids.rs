//! Ids of nine and ten digits, as OpenShift and Active Directory give them, and the greatest there is:
//! right in every way to ask, and as fast as any other.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::support::ask::Session;
use crate::support::{file, library, probe, stdout, under};

const LARGE: [u32; 8] = [
    99_999_999,
    100_000_000,
    999_999_999,
    1_000_000_000,
    1_000_680_000,
    2_147_483_648,
    4_294_967_294,
    4_294_967_293,
];

fn user(id: u32) -> String {
    format!("u{id}:x:{id}:{id}::/home/u{id}:/bin/sh")
}

fn group(id: u32) -> String {
    format!("g{id}:x:{id}:u{id},other")
}

/// The first questions of a process are answered by a search, later ones by an index.
#[test]
fn users_and_groups_with_large_ids_are_found_in_every_way() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let users = LARGE.map(|id| user(id) + "\n").concat();
    let groups = LARGE.map(|id| group(id) + "\n").concat();
    let passwd = file(dir.path(), "passwd", format!("small:x:7:7:::\n{users}"));
    let group_file = file(dir.path(), "group", format!("small:x:7:\n{groups}"));
    for id in LARGE {
        let mut session = Session::with(&passwd, &group_file);
        for _ in 0..20 {
            assert_eq!(session.ask(&format!("getpwuid {id}")), user(id));
            assert_eq!(session.ask(&format!("getpwnam u{id}")), user(id));
            assert_eq!(session.ask(&format!("getgrgid {id}")), group(id));
            assert_eq!(session.ask(&format!("getgrnam g{id}")), group(id));
            assert_eq!(session.ask(&format!("getgrouplist u{id} 7")), format!("2 of 2: 7 {id}"));
        }
        // Neighbours, and the same digits with one more or one less.
        for other in [id - 2, id / 10, id.wrapping_mul(10), id % 100_000_000] {
            if !LARGE.contains(&other) && other != 7 {
                assert_eq!(session.ask(&format!("getpwuid {other}")), "none", "{other}");
            }
        }
        let names = LARGE.map(|id| format!("u{id} ")).concat();
        assert_eq!(session.users(), format!("small {}", names.trim_end()));
        session.end();
    }
}

fn nanoseconds(passwd: &Path, args: &[&str]) -> f64 {
    let mut command: Command = under(library(), probe("repeat"));
    let said = stdout(command.args(args).env("NSS_WRAPPER_PASSWD", passwd));
    said.trim().parse().expect("a number")
}

/// So many users, from that id on.
fn file_from(dir: &Path, name: &str, first: u32, count: u32) -> std::path::PathBuf {
    let mut text = String::new();
    for id in first..first + count {
        writeln!(text, "user{:05}:x:{id}:100:A User,,,:/home/user:/bin/bash", id - first)
            .expect("memory");
    }
    file(dir, name, text)
}

#[test]
fn a_search_and_a_lookup_of_large_ids_take_no_longer_than_of_small_ones() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let count = 20_000;
    let small = file_from(dir.path(), "small", 10_000_000, count);
    let large = file_from(dir.path(), "large", 1_000_680_000, count);
    // Small ones, and a single large one in front.
    let mut mixed = String::from("one:x:4294967294:100:::\n");
    mixed += &std::fs::read_to_string(&small).expect("just written");
    let mixed = file(dir.path(), "mixed", mixed);
    std::thread::sleep(std::time::Duration::from_millis(300));
    for kind in ["first", "often"] {
        let of_small = nanoseconds(&small, &[kind, "10019999"]);
        for (file, key) in [(&large, "1000699999"), (&mixed, "10019999"), (&mixed, "4294967294")] {
            let taken = nanoseconds(file, &[kind, key]);
            let name = file.file_name().expect("a file").display();
            assert!(
                taken <= of_small * 1.5,
                "{kind}, {key} in {name}: {taken} ns, a small id {of_small} ns"
            );
        }
        let by_name = nanoseconds(&small, &[kind, "user19999"]);
        let taken = nanoseconds(&large, &[kind, "user19999"]);
        assert!(taken <= by_name * 1.5, "{kind}, by name: {taken} ns beside {by_name} ns");
    }
}
