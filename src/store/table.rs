//! The rows of one file: its bytes, and where in them a name or an id is.
//!
//! Rows are parsed when they are asked for. A process that asks little does not pay for an index:
//! questions are answered by a search through the bytes until the index would have been cheaper.

use core::marker::PhantomData;
use core::sync::atomic::{AtomicUsize, Ordering};

use memchr::memmem::FinderBuilder;

use super::index::Index;
use super::key::{Key, LastAreRare, Needle, What};
use super::source::Content;
use super::text::Text;
use crate::config::{Config, Path};
use crate::errno::Errno;
use crate::memory::prefetch;
use crate::parse::{self, Line, Parsed, Quick};
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

    /// The file that is configured.
    fn path(config: &Config) -> Option<&Path>;

    /// One line without its newline.
    fn parse(line: &[u8]) -> Parsed<Self::Row<'_>>;

    /// What `parse` gives, if it is a row and that shows quickly.
    fn quick<'a>(_: &Line<'a>) -> Option<Quick<Self::Row<'a>>> {
        None
    }
}

/// passwd(5).
pub(crate) enum Passwds {}

impl Lines for Passwds {
    type Row<'a> = Passwd<'a>;
    const NAME: &'static str = "passwd";

    fn path(config: &Config) -> Option<&Path> {
        config.passwd.as_ref()
    }

    fn parse(line: &[u8]) -> Parsed<Passwd<'_>> {
        parse::passwd(line)
    }

    #[inline(always)]
    fn quick<'a>(line: &Line<'a>) -> Option<Quick<Passwd<'a>>> {
        parse::quick_passwd(line)
    }
}

/// group(5).
pub(crate) enum Groups {}

impl Lines for Groups {
    type Row<'a> = Group<'a>;
    const NAME: &'static str = "group";

    fn path(config: &Config) -> Option<&Path> {
        config.group.as_ref()
    }

    fn parse(line: &[u8]) -> Parsed<Group<'_>> {
        parse::group(line)
    }

    #[inline(always)]
    fn quick<'a>(line: &Line<'a>) -> Option<Quick<Group<'a>>> {
        parse::quick_group(line)
    }
}

/// shadow(5).
pub(crate) enum Shadows {}

impl Lines for Shadows {
    type Row<'a> = Shadow<'a>;
    const NAME: &'static str = "shadow";
    const HAS_ID: bool = false;

    fn path(config: &Config) -> Option<&Path> {
        config.shadow.as_ref()
    }

    fn parse(line: &[u8]) -> Parsed<Shadow<'_>> {
        parse::shadow(line)
    }
}

/// A file of rows.
pub(crate) struct Table<L> {
    text: Text,
    /// A NUL byte is in some line.
    has_nul: bool,
    /// Each row's name begins its line, and its id stands there as it is printed.
    is_plain: bool,
    count: usize,
    /// How many bytes searches have gone through.
    searched: AtomicUsize,
    by_name: Once<Index>,
    by_id: Once<Index>,
    lines: PhantomData<L>,
}

/// An index takes about as long to make as this many searches through all of the file.
const SEARCHES: usize = 3;
/// A search that parses each line takes as long as this many that do not.
const PARSED: usize = 4;

impl<L: Lines> Content for Table<L> {
    fn path(config: &Config) -> Option<&Path> {
        L::path(config)
    }

    fn load(text: Text, path: &Path) -> Result<Self, Errno> {
        let (mut at, mut number, mut count) = (0, 0_usize, 0);
        let (mut has_nul, mut is_plain) = (false, true);
        while let Some(line) = text.line(at) {
            number += 1;
            at += line.len + 1;
            let nul = has_nul_in(&line);
            has_nul |= nul;
            if let Some(quick) = L::quick(&line)
                && !nul
            {
                count += 1;
                is_plain &= quick.is_plain;
                continue;
            }
            match judge::<L>(&line, true) {
                Ok(row) => {
                    count += usize::from(row.is_some());
                    is_plain &= row.is_none();
                }
                Err(reason) => {
                    let path = Bytes(path.bytes());
                    log!(Error, L::NAME, "{path}:{number}: {reason}, line skipped");
                }
            }
        }
        log!(Debug, L::NAME, "loaded {count} entries from {}", Bytes(path.bytes()));
        let (searched, by_name, by_id) = (AtomicUsize::new(0), Once::new(), Once::new());
        Ok(Self { text, has_nul, is_plain, count, searched, by_name, by_id, lines: PhantomData })
    }

    fn bytes(&self) -> &[u8] {
        &self.text
    }
}

fn has_nul_in(line: &Line<'_>) -> bool {
    line.may_have_nul && memchr::memchr(0, line.bytes()).is_some()
}

/// What a line is, with the check that only a file with a NUL somewhere needs.
#[inline(always)]
fn judge<'a, L: Lines>(line: &Line<'a>, may_have_nul: bool) -> Parsed<L::Row<'a>> {
    if may_have_nul && has_nul_in(line) {
        return Err(parse::NUL);
    }
    match L::quick(line) {
        Some(quick) => Ok(Some(quick.row)),
        None => L::parse(line.bytes()),
    }
}

impl<L: Lines> Table<L> {
    /// The row at `at`, which an index says is one.
    #[inline(always)]
    fn row_at(&self, at: usize) -> Option<L::Row<'_>> {
        judge::<L>(&self.text.line(at)?, false).ok().flatten()
    }

    /// The first row at `at` or after it, and where to go on.
    pub(crate) fn row_from(&self, mut at: usize) -> Option<(L::Row<'_>, usize)> {
        loop {
            let line = self.text.line(at)?;
            at += line.len + 1;
            if let Ok(Some(row)) = judge::<L>(&line, self.has_nul) {
                return Some((row, at));
            }
        }
    }

    /// The first row of that name or id.
    pub(crate) fn find(&self, key: &Key<'_>) -> Result<Option<L::Row<'_>>, Errno> {
        let index = match self.made(key) {
            Some(index) => index,
            None => match self.index(key)? {
                Some(index) => index,
                None => return Ok(self.search(key)),
            },
        };
        for at in index.candidates(key.hash) {
            if let Some(row) = self.row_at(at)
                && key.is_of(&row)
            {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// The first row of that name.
    pub(crate) fn by_name(&self, name: &[u8]) -> Result<Option<L::Row<'_>>, Errno> {
        self.find(&Key::name(name))
    }

    /// Where the row probably is, whose bytes the processor begins to fetch.
    #[inline(always)]
    pub(crate) fn expect(&self, key: &Key<'_>) -> Option<usize> {
        let at = self.made(key)?.candidates(key.hash).next()?;
        prefetch(&self.text, at);
        prefetch(&self.text, at + 64);
        Some(at)
    }

    /// The row at `at`, which [`Table::expect`] gave, if that is the right one.
    #[inline(always)]
    pub(crate) fn expected(&self, key: &Key<'_>, at: usize) -> Option<L::Row<'_>> {
        let row = L::quick(&self.text.line(at)?)?.row;
        key.is_of(&row).then_some(row)
    }

    #[inline(always)]
    fn made(&self, key: &Key<'_>) -> Option<&Index> {
        self.place(key).get()
    }

    #[inline(always)]
    fn place(&self, key: &Key<'_>) -> &Once<Index> {
        match key.what {
            What::Name(_) => &self.by_name,
            What::Id(_) => &self.by_id,
        }
    }

    /// The index, if its time has come.
    #[cold]
    fn index(&self, key: &Key<'_>) -> Result<Option<&Index>, Errno> {
        let len = self.text.len();
        if self.searched.load(Ordering::Relaxed) < len.saturating_mul(SEARCHES)
            || len >= Index::LIMIT
        {
            return Ok(None);
        }
        let make = || match key.what {
            What::Name(_) => self.index_of(|row| Some(Key::name(row.name()))),
            What::Id(_) => self.index_of(|row| row.id().map(Key::id)),
        };
        self.place(key).get_or_try_init(make).map(Some)
    }

    fn index_of<'a>(
        &'a self,
        key: impl for<'b> Fn(&'b L::Row<'a>) -> Option<Key<'b>>,
    ) -> Result<Index, Errno> {
        let mut index = Index::new(self.count, self.text.len())?;
        let mut at = 0;
        while let Some(line) = self.text.line(at) {
            if let Ok(Some(row)) = judge::<L>(&line, self.has_nul)
                && let Some(key) = key(&row)
            {
                let same = |other| self.row_at(other).is_some_and(|row| key.is_of(&row));
                index.insert(key.hash, at, same);
            }
            at += line.len + 1;
        }
        Ok(index)
    }

    /// The rows whose lines contain `text`, which has no newline but as its first byte, without a look
    /// at the others.
    pub(crate) fn rows_with(&self, text: &[u8]) -> impl Iterator<Item = L::Row<'_>> {
        let finder = FinderBuilder::new().build_forward_with_ranker(LastAreRare(text), text);
        let mut at = 0;
        core::iter::from_fn(move || {
            loop {
                let rest = self.text.get(at..).filter(|rest| !rest.is_empty())?;
                let hit = at + finder.find(rest)?;
                // Never beyond the first byte of `text`, and that may be the newline before the line.
                let start = memchr::memrchr(b'\n', self.text.get(..=hit)?).map_or(0, |n| n + 1);
                let line = self.text.line(start)?;
                at = start + line.len;
                if let Ok(Some(row)) = judge::<L>(&line, self.has_nul) {
                    return Some(row);
                }
            }
        })
    }

    #[cold]
    fn search(&self, key: &Key<'_>) -> Option<L::Row<'_>> {
        let mut buf = Needle::new();
        let (found, cost) = match buf.of(key).filter(|_| self.is_plain) {
            Some(needle) => {
                // The first line has no newline before it.
                let first = self.row_from(0).map(|(row, _)| row).filter(|row| key.is_of(row));
                (first.or_else(|| self.rows_with(needle).find(|row| key.is_of(row))), 1)
            }
            None => {
                let mut at = 0;
                let rows = core::iter::from_fn(|| {
                    let (row, next) = self.row_from(at)?;
                    at = next;
                    Some(row)
                });
                (rows.into_iter().find(|row| key.is_of(row)), PARSED)
            }
        };
        let start = self.text.as_ptr().addr();
        let end = found.map_or(self.text.len(), |row| row.name().as_ptr().addr() - start);
        self.searched.fetch_add((end + 1) * cost, Ordering::Relaxed);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] = b"root:x:0:0:::\nnul:x:0:0:\0::\n# c\n\nbad\n bob:x:7:7::/b:\nbob:x:8:8:::\nann:x:7:9:::\n:x:5:5:::\nend:x:9:9";

    fn load(bytes: &[u8]) -> Table<Passwds> {
        Table::load(Text::new(bytes).unwrap(), &Path::new(b"/t").unwrap()).unwrap()
    }

    /// All rows in the file's order.
    fn rows(table: &Table<Passwds>) -> impl Iterator<Item = Passwd<'_>> {
        let mut at = 0;
        core::iter::from_fn(move || {
            let (row, next) = table.row_from(at)?;
            at = next;
            Some(row)
        })
    }

    #[test]
    fn the_search_and_the_index_give_the_same_rows() {
        let plain = b"root:x:0:0:::\nbob:x:7:5:::\n\nbo:x:8:7:::\nbob:x:9:7:::\nann:x:5:9:::\n#no:x:6:6:::\nann:x:11:11:::\n";
        assert!(load(plain).is_plain && !load(FILE).is_plain);
        let mut expected = 0;
        let mut quick = |table: &Table<Passwds>, key: Key<'_>, found: Option<Passwd<'_>>| {
            let row = table.expect(&key).and_then(|at| table.expected(&key, at));
            assert!(row.is_none() || row == found, "{key}");
            expected += usize::from(row.is_some());
        };
        for file in [FILE, plain] {
            let indexed = load(file);
            indexed.searched.store(usize::MAX, Ordering::Relaxed);
            let names = [
                "root", "bob", "ann", "", "end", "oot", "bad", "no", "nul", "b:x", "c", "bo",
                "a\nb",
            ];
            for name in names.map(str::as_bytes) {
                let found = indexed.by_name(name).unwrap();
                assert_eq!(found, load(file).by_name(name).unwrap(), "{}", name.escape_ascii());
                let want = rows(&indexed).find(|row| row.name == name);
                assert_eq!(found, want, "{}", name.escape_ascii());
                quick(&indexed, Key::name(name), found);
            }
            for id in 0..12 {
                let found = indexed.find(&Key::id(id)).unwrap();
                assert_eq!(found, load(file).find(&Key::id(id)).unwrap(), "{id}");
                assert_eq!(found, rows(&indexed).find(|row| row.uid == id), "{id}");
                quick(&indexed, Key::id(id), found);
            }
            assert!(indexed.by_name.get().is_some() && indexed.by_id.get().is_some());
        }
        assert!(expected > 10, "{expected}");
    }

    #[test]
    fn searches_make_way_for_an_index() {
        let table = load(FILE);
        let turns = (0..100).take_while(|_| {
            assert_eq!(table.by_name(b"end").unwrap().unwrap().uid, 9);
            table.by_name.get().is_none()
        });
        assert!((1..20).contains(&turns.count()));
    }

    #[test]
    fn the_first_line_of_a_name_or_an_id_answers() {
        let table = load(FILE);
        assert_eq!(table.by_name(b"bob").unwrap().unwrap().uid, 7);
        assert_eq!(table.find(&Key::id(7)).unwrap().unwrap().name, b"bob");
    }
}
