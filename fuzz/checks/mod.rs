//! The checks of the fuzz targets, for any bytes. A check panics if the library is wrong.
//!
//! `fuzz/fuzz_targets` calls them with the inputs of libFuzzer, and a unit test with those in `fuzz/corpus`.
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
mod naive;
mod pack;
mod table;

use crate::db::{Database, Group, Passwd, Shadow};
use crate::file::table::{LoneTable, Table};
use crate::file::text::ScratchText;
use naive::{Naive, Owned};

/// Lines of passwd(5), each by itself and as a file, which glibc reads too.
pub fn passwd(data: &[u8]) {
    lines::<Passwd>(data);
}

/// The same of group(5).
pub fn group(data: &[u8]) {
    lines::<Group>(data);
}

/// The same of shadow(5).
pub fn shadow(data: &[u8]) {
    lines::<Shadow>(data);
}

pub use hosts::hosts;
pub use pack::pack;
pub use table::table;

#[cfg(fuzzing)]
pub use lookup::lookup;

/// The parser takes any line, and finds what `naive` and glibc find.
fn lines<D: glibc::Reader>(data: &[u8]) {
    let mut ours = Vec::new();
    for line in data.split(|&b| b == b'\n') {
        let row = alone::<D, _>(line, D::owned);
        assert_eq!(row, D::read_line(line), "ours, the plain reading: {}", line.escape_ascii());
        ours.extend(row);
    }
    assert_eq!(rows::<D, _>(&load::<D>(data), D::owned), ours, "the lines in a file, alone");
    if let Some(theirs) = D::read_file(data) {
        assert_eq!(ours, theirs, "ours, glibc's");
    }
}

/// What the parser makes of a line by itself.
fn alone<D: Database, R>(line: &[u8], take: impl FnOnce(D::Row<'_>) -> R) -> Option<R> {
    let text = text(line);
    let line = crate::file::text::first_line(text.padded()).filter(|line| !line.has_nul())?;
    let mut fields = crate::db::fields::Fields::new(line)?;
    D::parse(&mut fields).ok().map(take)
}

/// The text of a file with these bytes.
fn text(bytes: &[u8]) -> ScratchText {
    ScratchText::copy_of(bytes).unwrap()
}

/// A file's content as a table.
fn load<D: Database>(content: &[u8]) -> LoneTable {
    let path = crate::config::Path::new(b"/file").unwrap();
    let table = LoneTable::load::<D>(content).unwrap();
    table.report::<D>(&path);
    table
}

/// All rows of a table, as an enumeration goes through them.
fn rows<D: Database, R>(table: &Table, take: impl Fn(D::Row<'_>) -> R) -> Vec<R> {
    let (mut rows, mut at) = (Vec::new(), 0);
    while let Some((row, next)) = table.row_from::<D>(at) {
        assert!(next > at);
        rows.push(take(row));
        at = next;
    }
    rows
}

/// All rows of a file, as `naive` finds them.
fn model<D: Naive>(content: &[u8]) -> Vec<Owned> {
    content.split(|&b| b == b'\n').filter_map(D::read_line).collect()
}

/// Takes an input apart: its first line holds the questions, with commas between; then comes the
/// content.
fn questions(data: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let (asked, content) = first_line(data);
    (asked.split(|&b| b == b',').take(3).collect(), content)
}

/// The first line, and what follows.
fn first_line(data: &[u8]) -> (&[u8], &[u8]) {
    let end = data.iter().position(|&b| b == b'\n').unwrap_or(data.len());
    (&data[..end], data.get(end + 1..).unwrap_or_default())
}

/// The id that a question is, if it is one.
fn id(question: &[u8]) -> Option<u32> {
    core::str::from_utf8(question).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg_attr(miri, ignore = "glibc's functions")]
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
                let input = std::fs::read(input.unwrap().path()).unwrap();
                check(&input);
                if name == "pack" {
                    every_fit(&input);
                }
                count += 1;
            }
            assert!(count > 0, "{name}");
        }
    }

    /// Buffers at every alignment, and of lengths around what is needed.
    fn every_fit(input: &[u8]) {
        let mut input = input.to_vec();
        for offset in 0..16 {
            for spare in 64..192 {
                (input[1], input[2]) = (offset, spare);
                super::pack(&input);
            }
        }
    }
}
