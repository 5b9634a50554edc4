//! The rows of one file: its bytes, and where in them a name or an id is.
//!
//! Rows are parsed when they are asked for. A process that asks once does not pay for an index: the
//! first question is answered by a search through the bytes, a later one builds the index.

use core::marker::PhantomData;
use core::sync::atomic::{AtomicBool, Ordering};

use super::index::{Index, of_bytes, of_number};
use super::source::Content;
use crate::config::Path;
use crate::errno::Errno;
use crate::parse::{self, Parsed};
use crate::record::{Group, Keyed, Passwd, Shadow};
use crate::sync::Once;
use crate::trace::{Bytes, log};

/// A file format of one row a line.
pub(crate) trait Lines {
    /// What a line becomes.
    type Row<'a>: Copy + Keyed;
    /// The database's name: nsswitch.conf(5).
    const NAME: &'static str;
    /// Rows have an id.
    const HAS_ID: bool = true;

    /// One line without its newline.
    fn parse(line: &[u8]) -> Parsed<Self::Row<'_>>;
}

/// passwd(5).
pub(crate) enum Passwds {}

impl Lines for Passwds {
    type Row<'a> = Passwd<'a>;
    const NAME: &'static str = "passwd";

    fn parse(line: &[u8]) -> Parsed<Passwd<'_>> {
        parse::passwd(line)
    }
}

/// group(5).
pub(crate) enum Groups {}

impl Lines for Groups {
    type Row<'a> = Group<'a>;
    const NAME: &'static str = "group";

    fn parse(line: &[u8]) -> Parsed<Group<'_>> {
        parse::group(line)
    }
}

/// shadow(5).
pub(crate) enum Shadows {}

impl Lines for Shadows {
    type Row<'a> = Shadow<'a>;
    const NAME: &'static str = "shadow";
    const HAS_ID: bool = false;

    fn parse(line: &[u8]) -> Parsed<Shadow<'_>> {
        parse::shadow(line)
    }
}

struct Indexes {
    by_name: Index,
    by_id: Index,
}

/// A file of rows.
pub(crate) struct Table<L> {
    bytes: Vec<u8>,
    /// A NUL byte is in some line.
    has_nul: bool,
    count: usize,
    asked: AtomicBool,
    indexes: Once<Indexes>,
    lines: PhantomData<L>,
}

impl<L: Lines> Content for Table<L> {
    fn load(bytes: Vec<u8>, path: &Path) -> Result<Self, Errno> {
        let mut table = Self::new(bytes);
        let (mut at, mut number, mut count) = (0, 0_usize, 0);
        while let Some((line, next)) = table.line(at) {
            number += 1;
            match table.parse(line) {
                Ok(row) => count += usize::from(row.is_some()),
                Err(reason) => {
                    log!(
                        Error,
                        L::NAME,
                        "{}:{number}: {reason}, line skipped",
                        Bytes(path.bytes())
                    );
                }
            }
            at = next;
        }
        log!(Debug, L::NAME, "loaded {count} entries from {}", Bytes(path.bytes()));
        table.count = count;
        Ok(table)
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl<L: Lines> Table<L> {
    fn new(bytes: Vec<u8>) -> Self {
        let (asked, indexes) = (AtomicBool::new(false), Once::new());
        let has_nul = memchr::memchr(0, &bytes).is_some();
        Self { bytes, has_nul, count: 0, asked, indexes, lines: PhantomData }
    }

    /// The line that begins at `at`, and where the next one does; `None` at the end.
    fn line(&self, at: usize) -> Option<(&[u8], usize)> {
        let rest = self.bytes.get(at..).filter(|rest| !rest.is_empty())?;
        let len = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        Some((rest.get(..len)?, at + len + 1))
    }

    /// The row at `at`, which an index says is one.
    fn row_at(&self, at: usize) -> Option<L::Row<'_>> {
        L::parse(self.line(at)?.0).ok().flatten()
    }

    /// What a line is, with the check that only a file with a NUL somewhere needs.
    fn parse<'a>(&self, line: &'a [u8]) -> Parsed<L::Row<'a>> {
        if self.has_nul && memchr::memchr(0, line).is_some() {
            return Err(parse::NUL);
        }
        L::parse(line)
    }

    /// The first row at `at` or after it, and where to go on.
    pub(crate) fn row_from(&self, mut at: usize) -> Option<(L::Row<'_>, usize)> {
        loop {
            let (line, next) = self.line(at)?;
            if let Ok(Some(row)) = self.parse(line) {
                return Some((row, next));
            }
            at = next;
        }
    }

    /// All rows in the file's order.
    fn rows(&self) -> impl Iterator<Item = L::Row<'_>> {
        let mut at = 0;
        core::iter::from_fn(move || {
            let (row, next) = self.row_from(at)?;
            at = next;
            Some(row)
        })
    }

    /// The first row of that name.
    #[inline]
    pub(crate) fn by_name(&self, name: &[u8]) -> Result<Option<L::Row<'_>>, Errno> {
        let Some(indexes) = self.indexes()? else { return Ok(self.search_name(name)) };
        Ok(indexes.by_name.find(of_bytes(name), |at| {
            if self.starts_with(at, name) { self.row_at(at) } else { None }
        }))
    }

    /// The first row of that id.
    #[inline]
    pub(crate) fn by_id(&self, id: u32) -> Result<Option<L::Row<'_>>, Errno> {
        let Some(indexes) = self.indexes()? else {
            return Ok(self.rows().find(|row| row.id() == Some(id)));
        };
        Ok(indexes
            .by_id
            .find(of_number(id), |at| self.row_at(at).filter(|row| row.id() == Some(id))))
    }

    /// True if the row at `at`, which an index says is one, has the name.
    fn starts_with(&self, at: usize, name: &[u8]) -> bool {
        let row = crate::record::skip_space(self.bytes.get(at..).unwrap_or_default());
        row.get(..name.len()) == Some(name) && row.get(name.len()) == Some(&b':')
    }

    /// The rows whose lines contain `text`, which has no newline, without a look at the others.
    pub(crate) fn rows_with(&self, text: &[u8]) -> impl Iterator<Item = L::Row<'_>> {
        let finder = memchr::memmem::Finder::new(text);
        let mut at = 0;
        core::iter::from_fn(move || {
            loop {
                let rest = self.bytes.get(at..).filter(|rest| !rest.is_empty())?;
                let hit = at + finder.find(rest)?;
                let start = memchr::memrchr(b'\n', self.bytes.get(..hit)?).map_or(0, |n| n + 1);
                let (line, next) = self.line(start)?;
                at = next;
                if let Ok(Some(row)) = self.parse(line) {
                    return Some(row);
                }
            }
        })
    }

    fn search_name(&self, name: &[u8]) -> Option<L::Row<'_>> {
        if name.contains(&b'\n') {
            return None;
        }
        self.rows_with(name).find(|row| row.name() == name)
    }

    /// The indexes, from the second question on.
    #[inline]
    fn indexes(&self) -> Result<Option<&Indexes>, Errno> {
        if let Some(indexes) = self.indexes.get() {
            return Ok(Some(indexes));
        }
        if !self.asked.swap(true, Ordering::Relaxed) {
            return Ok(None);
        }
        self.indexes.get_or_try_init(|| self.index()).map(Some)
    }

    #[cold]
    fn index(&self) -> Result<Indexes, Errno> {
        let mut by_name = Index::new(self.count)?;
        let mut by_id = Index::new(if L::HAS_ID { self.count } else { 0 })?;
        let mut at = 0;
        while let Some((line, next)) = self.line(at) {
            if let Ok(Some(row)) = self.parse(line) {
                let name = row.name();
                by_name.insert(of_bytes(name), at, |other| self.starts_with(other, name));
                if let Some(id) = row.id() {
                    by_id.insert(of_number(id), at, |other| {
                        self.row_at(other).is_some_and(|row| row.id() == Some(id))
                    });
                }
            }
            at = next;
        }
        Ok(Indexes { by_name, by_id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] = b"root:x:0:0:::\nnul:x:0:0:\0::\n# c\n\nbad\n bob:x:7:7::/b:\nbob:x:8:8:::\nann:x:7:9:::\n:x:5:5:::\nend:x:9:9";

    fn table() -> Table<Passwds> {
        Table::load(FILE.to_vec(), &Path::new(b"/t").unwrap()).unwrap()
    }

    #[test]
    fn the_search_and_the_index_give_the_same_rows() {
        let indexed = table();
        indexed.asked.store(true, Ordering::Relaxed);
        for name in
            [&b"root"[..], b"bob", b"ann", b"", b"end", b"oot", b"bad", b"no", b"nul", b"b:x", b"c"]
        {
            let found = indexed.by_name(name).unwrap();
            assert_eq!(found, table().by_name(name).unwrap(), "{}", name.escape_ascii());
            let want = table().rows().find(|row| row.name == name).map(|row| row.uid);
            assert_eq!(found.map(|row| row.uid), want, "{}", name.escape_ascii());
        }
        for id in 0..12 {
            let found = indexed.by_id(id).unwrap();
            assert_eq!(found, table().by_id(id).unwrap());
            assert_eq!(found.map(|r| r.name), table().rows().find(|r| r.uid == id).map(|r| r.name));
        }
    }

    #[test]
    fn the_first_line_of_a_name_or_an_id_answers() {
        let table = table();
        assert_eq!(table.by_name(b"bob").unwrap().unwrap().uid, 7);
        assert_eq!(table.by_id(7).unwrap().unwrap().name, b"bob");
    }
}
