//! What the ELF headers tell the loader: which memory may be written, and which executed.

use std::ops::Range;
use std::path::Path;
use std::process::Command;

use crate::support::{launcher, library, stdout, under};

fn readelf(option: &str, file: &Path) -> String {
    stdout(Command::new("readelf").args([option, "--wide"]).arg(file))
}

/// The lines of readelf's table whose first word is `first`, as words.
fn rows<'a>(table: &'a str, first: &str) -> Vec<Vec<&'a str>> {
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.first() == Some(&first)).collect()
}

fn number(hex: &str) -> u64 {
    u64::from_str_radix(hex.trim_start_matches("0x"), 16).expect(hex)
}

/// Where a segment lies in memory.
fn place(segment: &[&str]) -> Range<u64> {
    let start = number(segment[2]);
    start..start + number(segment[5])
}

/// The flags of a segment, which readelf writes as one word or as two.
fn flags(segment: &[&str]) -> String {
    segment[6..segment.len() - 1].concat()
}

#[test]
fn no_memory_can_be_both_written_and_executed_the_stack_neither() {
    for file in [library(), launcher()] {
        let segments = readelf("--segments", file);
        let stack = rows(&segments, "GNU_STACK");
        assert_eq!(stack.iter().map(|row| flags(row)).collect::<Vec<_>>(), ["RW"], "{segments}");
        let loaded: Vec<_> = rows(&segments, "LOAD").iter().map(|row| flags(row)).collect();
        assert!(loaded.iter().any(|flags| flags == "RE"), "{segments}");
        assert!(
            loaded.iter().all(|flags| !(flags.contains('W') && flags.contains('E'))),
            "{segments}"
        );
        assert!(!readelf("--dynamic", file).contains("TEXTREL"));
    }
}

#[test]
fn all_that_is_relocated_is_bound_at_the_start_and_read_only_then() {
    for file in [library(), launcher()] {
        let dynamic = readelf("--dynamic", file);
        assert!(dynamic.contains("BIND_NOW"), "{dynamic}");
        let segments = readelf("--segments", file);
        let [relro] = &rows(&segments, "GNU_RELRO")[..] else { panic!("{segments}") };
        let relro = place(relro);
        // A line is "[ 7] .got PROGBITS address offset size …". Of the writable sections only the variables may
        // lie outside of what becomes read-only.
        let sections = readelf("--sections", file);
        let mut inside = Vec::new();
        for line in sections.lines() {
            let words: Vec<_> =
                line.split_once(']').map_or(line, |(_, rest)| rest).split_whitespace().collect();
            let [name, _, address, _, size, _, flags, ..] = words[..] else { continue };
            let is_variable = [".bss", ".tdata", ".tbss", ".tm_clone_table"].contains(&name)
                || name.starts_with(".data") && !name.starts_with(".data.rel.ro");
            if !name.starts_with('.') || !flags.contains('W') || is_variable {
                continue;
            }
            let (start, size) = (number(address), number(size));
            assert!(relro.contains(&start) && start + size <= relro.end, "{line}\n{segments}");
            inside.push(name);
        }
        for name in [".init_array", ".dynamic", ".got"] {
            assert!(inside.contains(&name), "{inside:?}\n{sections}");
        }
    }
}

#[test]
fn the_loader_does_as_it_is_asked() {
    let maps = stdout(under(library(), "cat").arg("/proc/self/maps"));
    let name = library().to_str().expect("text");
    let ours = maps.lines().filter(|line| line.ends_with(name));
    let rights: Vec<_> = ours.filter_map(|line| line.split_whitespace().nth(1)).collect();
    for wanted in ["r-xp", "r--p", "rw-p"] {
        assert!(rights.contains(&wanted), "{maps}");
    }
    assert!(rights.iter().all(|rights| !rights.contains("wx")), "{maps}");
    let stack = maps.lines().find(|line| line.ends_with("[stack]")).expect("a stack");
    assert!(stack.contains(" rw-p "), "{stack}");
}

/// glibc since 2.5 and musl find names by `DT_GNU_HASH`. The library has no other table, so every test that
/// preloads it shows that this one works.
#[test]
fn names_are_found_by_the_gnu_hash_table() {
    let dynamic = readelf("--dynamic", library());
    assert!(dynamic.contains("(GNU_HASH)") && !dynamic.contains("(HASH)"), "{dynamic}");
}
