//! Ids of nine and ten digits, as OpenShift and Active Directory give them, and the largest id: every function
//! answers correctly, and as fast as for other ids.

use std::fmt::Write as _;
use std::path::Path;

use crate::support::ask::Session;
use crate::support::valgrind::{Repeated, instructions_each};
use crate::support::{file, library, probe, under};

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

fn instructions(passwd: &Path, kind: Repeated, keys: &[String]) -> f64 {
    let lookups = |count: &str| {
        let mut command = under(library(), probe("repeat"));
        command.arg(count).args(keys).env("NSS_WRAPPER_PASSWD", passwd);
        command
    };
    instructions_each(lookups, kind)
}

/// Writes a file with `count` users, whose ids begin with `first`.
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
    // Small ids, and a single large one at the end.
    let mut mixed = std::fs::read_to_string(&small).expect("just written");
    mixed += "one:x:4294967294:100:::\n";
    let mixed = file(dir.path(), "mixed", mixed);
    std::thread::sleep(std::time::Duration::from_millis(300));
    let ids = |first: u32| -> Vec<_> {
        (0..count).rev().step_by(199).map(|n| (first + n).to_string()).collect()
    };
    let names: Vec<_> = (0..count).rev().step_by(199).map(|n| format!("user{n:05}")).collect();
    let (small_ids, large_ids) = (ids(10_000_000), ids(1_000_680_000));
    let mut both_ids = small_ids.clone();
    both_ids.insert(1, String::from("4294967294"));
    // A first lookup reads all lines, and each has two digits more. How many slots of the hash index a later
    // lookup has to look at depends on the hash secret of the process.
    for (kind, most) in [(Repeated::First, 1.25), (Repeated::Often, 1.1)] {
        let of_small = instructions(&small, kind, &small_ids);
        let by_name = instructions(&small, kind, &names);
        for (file, keys, want) in [
            (&large, &large_ids, of_small),
            (&mixed, &both_ids, of_small),
            (&large, &names, by_name),
            (&mixed, &names, by_name),
        ] {
            let taken = instructions(file, kind, keys);
            let (name, key) = (file.display(), &keys[0]);
            assert!(
                taken <= want * most,
                "{kind:?}, {key} in {name}: {taken} instructions, beside small ids {want}"
            );
        }
    }
}
