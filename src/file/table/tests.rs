//! What a table finds, by a search and by its indexes.

use super::*;
use crate::db::passwd::PasswdRow;
use crate::db::{Group, Hosts, Passwd};

const FILE: &[u8] = b"root:x:0:0:::\nnul:x:0:0:\0::\n# c\n\nbad\n bob:x:7:7::/b:\nbob:x:8:8:::\nann:x:7:9:::\n:x:5:5:::\nend:x:9:9";

fn load<D: Database>(bytes: &[u8]) -> LoneTable {
    LoneTable::load::<D>(bytes).unwrap()
}

/// A table of which the next question makes an index.
fn indexed<D: Database>(bytes: &[u8]) -> LoneTable {
    load::<D>(bytes).with_much_searched()
}

fn rows(table: &Table) -> impl Iterator<Item = PasswdRow<'_>> {
    table.rows_from::<Passwd>(0).map(|(_, row, _)| row)
}

#[test]
fn the_search_and_the_index_give_the_same_rows() {
    let plain = b"root:x:0:0:::\nbob:x:7:5:::\n\nbo:x:8:7:::\nbob:x:9:7:::\nann:x:5:9:::\n#no:x:6:6:::\nann:x:11:11:::\n";
    assert!(load::<Passwd>(plain).is_plain && !load::<Passwd>(FILE).is_plain);
    for file in [FILE, plain] {
        let indexed = indexed::<Passwd>(file);
        let names =
            ["root", "bob", "ann", "", "end", "oot", "bad", "no", "nul", "b:x", "c", "bo", "a\nb"];
        for name in names.map(str::as_bytes) {
            let found = indexed.find::<Passwd>(Key::name(name));
            let searched = load::<Passwd>(file);
            let searched = searched.find::<Passwd>(Key::name(name));
            assert_eq!(found, searched, "{}", name.escape_ascii());
            let want = rows(&indexed).find(|row| row.name == name);
            assert_eq!(found, want, "{}", name.escape_ascii());
        }
        for id in 0..12 {
            let found = indexed.find::<Passwd>(Key::id(id));
            let searched = load::<Passwd>(file);
            assert_eq!(found, searched.find::<Passwd>(Key::id(id)), "{id}");
            assert_eq!(found, rows(&indexed).find(|row| row.uid == id), "{id}");
        }
        assert!([By::Name, By::Id].iter().all(|&by| indexed.indexes.by(by).get().is_some()));
    }
}

#[test]
fn searches_make_way_for_an_index() {
    let table = load::<Passwd>(FILE);
    let turns = (0..100).take_while(|_| {
        let row = table.find::<Passwd>(Key::name(b"end"));
        assert_eq!(row.unwrap().uid, 9);
        table.indexes.by_name.get().is_none()
    });
    assert!((1..20).contains(&turns.count()));
}

/// `id` asks for each of its groups.
#[test]
fn a_lookup_of_each_row_of_a_small_file_makes_no_index() {
    let text: String = (0..10).map(|n| format!("group{n}:x:{}:bob,ann,eve\n", 1000 + n)).collect();
    let table = load::<Group>(text.as_bytes());
    for id in 1000..1010 {
        assert!(table.find::<Group>(Key::id(id)).is_some(), "{id}");
        assert!(!table.is_indexed(&Key::id(id)), "{id}");
    }
}

#[test]
fn a_group_whose_line_ends_with_its_id_is_found() {
    for file in [&b"a:x:7"[..], b"a:x:7\nb:x:8:\n", b"b:x:8:\na:x:7\n"] {
        for table in [load::<Group>(file), indexed::<Group>(file)] {
            let row = table.find::<Group>(Key::id(7));
            assert_eq!(row.map(|row| row.name), Some(&b"a"[..]), "{}", file.escape_ascii());
        }
    }
}

#[test]
fn the_groups_of_a_member_are_all_found_in_the_files_order() {
    let file =
        b"a:x:1:bob,ann\nbob:x:2:\nb:x:3:ann, bob,bob\n#c:x:4:bob\nbad\nd:x:5:bobby,ann\ne:x:6:bob";
    for (name, want) in [
        ("bob", &[1_u32, 3, 6][..]),
        ("ann", &[1, 3, 5]),
        ("bobby", &[5]),
        ("bo", &[]),
        ("", &[]),
        ("a,b", &[]),
        (" bob", &[]),
    ] {
        for table in [load::<Group>(file), indexed::<Group>(file)] {
            let lines = table.find_all::<Group>(&Key::name(name.as_bytes())).unwrap();
            let gids: Vec<u32> = table.rows_at::<Group>(&lines).map(|row| row.gid).collect();
            assert_eq!(gids, want, "{name}");
        }
    }
}

const HOSTS: &str = "127.0.0.1 localhost\n::1 LOCALHOST ip6\n\n# c\nbad line\n10.0.0.1 a b a.\n\
    10.0.0.2 nul\0\n10.0.0.3 B c\n10.0.0.4 a a\nfd00::1 b a\n10.0.0.1 again\n::ffff:10.0.0.9 m\n\
    10.0.0.9 n\n10.0.0.5\n10.0.0.6 end";

fn addresses(table: &Table, name: &str) -> Vec<String> {
    let lines = table.find_all::<Hosts>(&Key::host(name.as_bytes())).unwrap();
    table.rows_at::<Hosts>(&lines).map(|host| host.address.to_string()).collect()
}

#[test]
fn all_lines_of_a_host_are_found_in_the_files_order() {
    for table in [load::<Hosts>(HOSTS.as_bytes()), indexed::<Hosts>(HOSTS.as_bytes())] {
        for (name, want) in [
            ("localhost", &["127.0.0.1", "::1"][..]),
            ("LocalHost.", &["127.0.0.1", "::1"]),
            ("ip6", &["::1"]),
            ("a", &["10.0.0.1", "10.0.0.4", "fd00::1"]),
            ("b", &["10.0.0.1", "10.0.0.3", "fd00::1"]),
            ("c", &["10.0.0.3"]),
            ("nul", &[]),
            ("line", &[]),
            ("", &["10.0.0.5"]),
            (".", &[]),
            ("end", &["10.0.0.6"]),
            ("10.0.0.6", &[]),
        ] {
            assert_eq!(addresses(&table, name), want, "{name}");
        }
    }
}

#[test]
fn the_first_line_of_an_address_answers() {
    for table in [load::<Hosts>(HOSTS.as_bytes()), indexed::<Hosts>(HOSTS.as_bytes())] {
        for (address, name) in [
            ("127.0.0.1", Some("localhost")),
            ("::1", Some("LOCALHOST")),
            ("10.0.0.1", Some("a")),
            ("10.0.0.2", None),
            ("10.0.0.9", Some("m")),
            ("::ffff:10.0.0.9", Some("m")),
            ("::ffff:10.0.0.1", None),
            ("10.0.0.5", Some("")),
            ("10.0.0.7", None),
        ] {
            let found = table.find::<Hosts>(Key::address(address.parse().unwrap()));
            assert_eq!(found.map(|host| host.name), name.map(str::as_bytes), "{address}");
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "slow there")]
fn a_name_in_every_line_has_every_line() {
    let text: String =
        (0..5000).map(|n| format!("10.0.{}.{} same h{n}\n", n / 250, n % 250)).collect();
    let table = indexed::<Hosts>(text.as_bytes());
    assert_eq!(addresses(&table, "SAME").len(), 5000);
    assert_eq!(addresses(&table, "h4999"), ["10.0.19.249"]);
}

/// Quadratic work would take minutes here.
#[test]
#[cfg_attr(miri, ignore = "slow there")]
fn long_lines_and_equal_names_or_addresses_are_no_burden() {
    let names: String = (0..60_000).map(|n| format!(" n{n}")).collect();
    let again = "10.0.0.1 m\n".repeat(60_000);
    let text = format!("10.0.0.1{names}\n10.0.0.2{names}#c\n10.0.0.3\n10.0.0.4#x\n{again}");
    let table = indexed::<Hosts>(text.as_bytes());
    assert_eq!(addresses(&table, "N59999."), ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(addresses(&table, ""), ["10.0.0.3", "10.0.0.4"]);
    assert_eq!(addresses(&table, "n60000"), [""; 0]);
    let first = table.find::<Hosts>(Key::address("10.0.0.1".parse().unwrap()));
    assert_eq!(first.unwrap().name, b"n0");
}

#[test]
fn the_end_of_a_file_of_any_length_is_a_place() {
    for blank in (0..70).step_by(if cfg!(miri) { 23 } else { 1 }) {
        let text = "\n".repeat(blank) + "::";
        assert_eq!(addresses(&indexed::<Hosts>(text.as_bytes()), ""), ["::"], "{blank}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "slow there")]
fn addresses_of_two_families_find_room() {
    let text: String = (0..256).map(|n| format!("::ffff:10.0.0.{n} h{n}\n")).collect();
    let table = indexed::<Hosts>(text.as_bytes());
    for (address, want) in [("10.0.0.200", Some(&b"h200"[..])), ("10.0.1.1", None)] {
        let found = table.find::<Hosts>(Key::address(address.parse().unwrap()));
        assert_eq!(found.map(|host| host.name), want);
    }
}
