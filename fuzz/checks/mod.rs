//! What the fuzz targets check, on bytes of any kind. A check panics where the library is wrong.
//!
//! `fuzz/fuzz_targets` hands these the inputs of libFuzzer, and a unit test those that are
//! committed in `fuzz/corpus`.
#![allow(unsafe_code, reason = "calls the exported functions, and glibc's")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a check is a test: it ends where the library is wrong"
)]
#![allow(unreachable_pub, reason = "the targets are another crate; the unit test is not")]

mod glibc;
mod hosts;
#[cfg(fuzzing)]
mod lookup;
mod pack;
mod table;

use crate::store::{Groups, Lines, Passwds, Shadows};

/// A line of passwd(5), whole files of which glibc reads too.
pub fn passwd(data: &[u8]) {
    lines::<Passwds>(data);
}

/// The same of group(5).
pub fn group(data: &[u8]) {
    lines::<Groups>(data);
}

/// The same of shadow(5).
pub fn shadow(data: &[u8]) {
    lines::<Shadows>(data);
}

pub use hosts::hosts;
pub use pack::pack;
pub use table::table;

#[cfg(fuzzing)]
pub use lookup::lookup;

/// The parser on each line is total, and finds what glibc finds.
fn lines<L: glibc::Reader>(data: &[u8]) {
    let ours = data.split(|&b| b == b'\n').filter_map(|line| row::<L>(line));
    if let Some(theirs) = L::read(data) {
        assert_eq!(ours.map(L::owned).collect::<Vec<_>>(), theirs, "ours, glibc's");
    } else {
        _ = ours.count();
    }
}

/// The row that a line is, with the rule about NUL bytes that files have.
fn row<L: Lines>(line: &[u8]) -> Option<L::Row<'_>> {
    L::parse(line).ok().flatten().filter(|_| !line.contains(&0))
}

/// Takes an input apart: its first line holds the questions, with commas between; then comes the
/// content.
fn questions(data: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let end = data.iter().position(|&b| b == b'\n').unwrap_or(data.len());
    let asked = data[..end].split(|&b| b == b',').take(3).collect();
    (asked, data.get(end + 1..).unwrap_or_default())
}

/// The id that a question is, if it is one.
fn id(question: &[u8]) -> Option<u32> {
    str::from_utf8(question).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_input_of_the_corpus_passes() {
        let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        type Check = fn(&[u8]);
        let checks: [(&str, Check); 6] = [
            ("passwd", super::passwd),
            ("group", super::group),
            ("shadow", super::shadow),
            ("hosts", super::hosts),
            ("pack", super::pack),
            ("table", super::table),
        ];
        for (name, check) in checks {
            let mut count = 0;
            for input in std::fs::read_dir(corpus.join(name)).unwrap() {
                check(&std::fs::read(input.unwrap().path()).unwrap());
                count += 1;
            }
            assert!(count > 0, "{name}");
        }
    }
}
