//! The rows of one file: its bytes, and where in them a key is.
//!
//! Rows are parsed when they are asked for. Questions are answered by a search through the bytes, until an index
//! would have been cheaper; so a process with few questions does not pay for one.

mod listed;

use core::sync::atomic::{AtomicUsize, Ordering};

use memchr::memmem::FinderBuilder;
use once_cell::race::OnceRef;

use super::index::{Index, IndexBuilder, LIMIT_BYTES, offset_bits};
use super::text::{ScratchText, Text, first_line};
use crate::config::Path;
use crate::db::fields::{Fields, Line, NUL, Reason};
use crate::db::key::{Key, Needle, RankFromEnd};
use crate::db::{By, Database};
use crate::rt::buf_cell::BufCell;
use crate::rt::errno::Errno;
use crate::rt::log::{self, Bytes, LogLevel, log};
use crate::rt::memory::{ScratchBuf, prefetch};
pub(crate) use listed::Lines;

/// The rows of a file. Whoever has the table knows the database.
pub(crate) struct Table {
    text: Text,
    /// Some line has a NUL byte.
    has_nul: bool,
    /// In every row the line begins with the name, and the id is between colons, in the form in which it is printed.
    is_plain: bool,
    rows: usize,
    malformed: usize,
    /// How many bytes searches have read.
    searched: AtomicUsize,
    offset_bits: u32,
    indexes: Indexes,
    /// A reference to `indexes`, once the table lies where it stays: in a node of `rt::published`.
    own_indexes: OnceRef<'static, Indexes>,
}

/// A table's indexes, each made when it is worth that.
struct Indexes {
    by_name: BufCell<u32>,
    by_id: BufCell<u32>,
    by_listed: BufCell<u32>,
}

impl Indexes {
    #[inline(always)]
    fn by(&self, by: By) -> &BufCell<u32> {
        match by {
            By::Name => &self.by_name,
            By::Id => &self.by_id,
        }
    }
}

/// Making an index takes about as long as this many searches through the whole file, and [`INDEX_BYTES`] more.
const INDEX_SEARCHES: usize = 3;
/// The memory of an index, and the pages of code that make it, cost a process about as much as a search through this
/// many bytes. So a short process makes no index of a small file.
const INDEX_BYTES: usize = 1024;
/// A search that parses each line takes as long as this many that do not.
const PARSING_SEARCHES: usize = 4;

/// How many malformed lines are reported. A file in another form has no others, and each program that reads it would
/// write a line for each of them, which takes longer than all else.
const MOST_REPORTED: usize = 1000;

/// A row, `None` for a blank line or a comment, or the reason why the line is malformed.
type Parsed<T> = Result<Option<T>, Reason>;

/// Where a row is, if that is known without a search: from the index, or from loading the file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sought {
    Unknown,
    /// There is no such row.
    Nowhere,
    /// Probably at that offset. If it is not there, it has to be searched.
    At(usize),
}

/// Parses a line. A NUL byte is looked for only if the file has one.
#[inline(always)]
fn parse_line<'a, D: Database>(line: Line<'a>, may_have_nul: bool) -> Parsed<D::Row<'a>> {
    if may_have_nul && line.has_nul() {
        return Err(NUL);
    }
    Fields::new(line).map(|mut fields| D::parse(&mut fields)).transpose()
}

/// [`Database::has`] for a search. Inlined into a loop, the compiler reads a key's name before it checks that the key
/// is a name, which memcheck reports as an error.
#[inline(never)]
fn has<D: Database>(row: &D::Row<'_>, key: &Key<'_>) -> bool {
    D::has(row, key)
}

impl Table {
    /// A table for a file's bytes, which [`Table::fill`] puts into it; and where the first row with the key is, which
    /// is found while all lines are read.
    pub(crate) fn of<D: Database>(text: &ScratchText, mut key: Option<&Key<'_>>) -> (Self, Sought) {
        let (mut at, mut malformed, mut rows) = (0, 0, 0);
        let (has_nul, mut is_plain) = (memchr::memchr(0, text).is_some(), true);
        let mut sought = if key.is_some() { Sought::Nowhere } else { Sought::Unknown };
        let padded = text.padded();
        while let Some(line) = padded.get(at..).and_then(first_line) {
            let begin = at;
            at += line.len + 1;
            if has_nul && line.has_nul() {
                malformed += 1;
            } else if let Some(mut fields) = Fields::new(line) {
                match D::parse(&mut fields) {
                    Ok(row) => {
                        rows += 1;
                        is_plain &= fields.is_plain;
                        if key.is_some_and(|key| D::has(&row, key)) {
                            (key, sought) = (None, Sought::At(begin));
                        }
                    }
                    Err(_) => malformed += 1,
                }
            }
        }
        let table = Self {
            text: Text::of_length(text.len()),
            has_nul,
            is_plain,
            rows,
            malformed,
            searched: AtomicUsize::new(0),
            offset_bits: offset_bits(text.len()),
            indexes: Indexes {
                by_name: BufCell::new(),
                by_id: BufCell::new(),
                by_listed: BufCell::new(),
            },
            own_indexes: OnceRef::new(),
        };
        (table, sought)
    }

    /// Puts the bytes into the table, for good.
    pub(crate) fn fill(&'static self, text: ScratchText) {
        self.text.fill(text);
        _ = self.own_indexes.set(&self.indexes);
    }

    /// Frees the bytes and the indexes.
    ///
    /// # Safety
    ///
    /// Nobody uses them any more, and the table's own memory is never freed.
    #[allow(unsafe_code, reason = "hands the caller's word on")]
    pub(crate) unsafe fn release(&self) {
        // SAFETY: the caller promises that nobody uses the bytes, and that the table's memory stays.
        unsafe { self.text.release() };
        let Indexes { by_name, by_id, by_listed } = &self.indexes;
        for cell in [by_name, by_id, by_listed] {
            // SAFETY: the caller promises that nobody uses the index, and that the table's memory stays.
            unsafe { cell.release() };
        }
    }

    /// True if [`Table::report`] would log anything.
    pub(crate) fn has_report(&self) -> bool {
        self.malformed > 0 || log::is_on(LogLevel::Debug)
    }

    /// Logs what was loaded, and which lines are malformed: all, if warnings are shown too, or the first ones.
    pub(crate) fn report<D: Database>(&self, path: &Path) {
        let path = Bytes(path.bytes());
        let most = if log::is_on(LogLevel::Warn) { usize::MAX } else { MOST_REPORTED };
        let (mut at, mut number, mut left) = (0, 0_usize, self.malformed.min(most));
        while let Some((row, next)) = self.line::<D>(at).filter(|_| left > 0) {
            number += 1;
            at = next;
            if let Err(reason) = row {
                left -= 1;
                log!(Error, D::NAME, "{path}:{number}: {reason}, line skipped");
            }
        }
        let more = self.malformed.saturating_sub(most);
        if more > 0 {
            log!(Error, D::NAME, "{path}: {more} more lines skipped, level 1 shows them");
        }
        log!(Debug, D::NAME, "loaded {} entries from {path}", self.rows);
    }

    /// The bytes as they were read.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.text
    }

    /// The parsed line at `at`, and where the next one begins. It is not inlined, so that what a first lookup runs fits
    /// into few pages.
    #[inline(never)]
    fn line<D: Database>(&self, at: usize) -> Option<(Parsed<D::Row<'_>>, usize)> {
        let line = self.text.line(at)?;
        let next = at + line.len + 1;
        Some((parse_line::<D>(line, self.has_nul), next))
    }

    /// The row at `at`, if the line is one.
    fn row<D: Database>(&self, at: usize) -> Option<D::Row<'_>> {
        self.line::<D>(at)?.0.ok().flatten()
    }

    /// The rows from `at` on: where the line begins, the row, and where to go on.
    fn rows_from<D: Database>(
        &self,
        mut at: usize,
    ) -> impl Iterator<Item = (usize, D::Row<'_>, usize)> {
        core::iter::from_fn(move || {
            loop {
                let (begin, (row, next)) = (at, self.line::<D>(at)?);
                at = next;
                if let Ok(Some(row)) = row {
                    return Some((begin, row, at));
                }
            }
        })
    }

    /// The first row at `at` or after it, and where to go on.
    pub(crate) fn row_from<D: Database>(&self, at: usize) -> Option<(D::Row<'_>, usize)> {
        self.rows_from::<D>(at).next().map(|(_, row, next)| (row, next))
    }

    #[inline(always)]
    fn index_for(&self, key: &Key<'_>) -> Option<Index<'_>> {
        let slots = self.indexes.by(By::of(key)).get()?;
        Some(Index { slots, offset_bits: self.offset_bits })
    }

    /// True if there is an index for the key.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn is_indexed(&self, key: &Key<'_>) -> bool {
        self.index_for(key).is_some()
    }

    /// Looks the key up in the index, and tells the processor to fetch the line.
    #[inline(always)]
    pub(crate) fn seek(&self, key: &Key<'_>) -> Sought {
        let Some(index) = self.index_for(key) else { return Sought::Unknown };
        let Some(at) = index.candidates(key.hash).next() else { return Sought::Nowhere };
        let line = self.text.rest(at).unwrap_or_default();
        prefetch(line, 0);
        prefetch(line, 64);
        Sought::At(at)
    }

    /// The row at the place that [`Table::seek`] or [`Table::of`] gave, if it has the key.
    #[inline(always)]
    pub(crate) fn sought_row<D: Database>(
        &self,
        key: &Key<'_>,
        sought: Sought,
    ) -> Option<D::Row<'_>> {
        let Sought::At(at) = sought else { return None };
        parse_line::<D>(self.text.line(at)?, false).ok().flatten().filter(|row| D::has(row, key))
    }

    /// The first row that has the key, by an index if that is worth it.
    #[cold]
    #[inline(never)]
    pub(crate) fn find<D: Database>(&self, key: Key<'_>) -> Option<D::Row<'_>> {
        let by = By::of(&key);
        self.fill_index(|indexes| indexes.by(by), || self.make_index::<D>(by));
        let Some(index) = self.index_for(&key) else { return self.search::<D>(&key) };
        let rows = index.candidates(key.hash).filter_map(|at| self.row::<D>(at));
        { rows }.find(|row| has::<D>(row, &key))
    }

    /// Makes an index, if it is worth that and there is none. Without memory for it searches go on, and after as many
    /// of them it is tried again.
    fn fill_index(
        &self,
        which: impl FnOnce(&Indexes) -> &BufCell<u32>,
        make: impl FnOnce() -> Result<ScratchBuf<u32>, Errno>,
    ) {
        let len = self.text.len();
        let cost = len.saturating_mul(INDEX_SEARCHES).saturating_add(INDEX_BYTES);
        let is_worth_it = self.searched.load(Ordering::Relaxed) >= cost && len < LIMIT_BYTES;
        let indexes = self.own_indexes.get().filter(|_| is_worth_it);
        let Some(cell) = indexes.map(which).filter(|cell| cell.get().is_none()) else { return };
        match make() {
            Ok(index) => drop(cell.adopt(index)),
            Err(_) => self.searched.store(0, Ordering::Relaxed),
        }
    }

    #[cold]
    fn make_index<D: Database>(&self, by: By) -> Result<ScratchBuf<u32>, Errno> {
        let most = if by == By::Name { 1 } else { D::MOST_IDS };
        let mut index = IndexBuilder::new(self.rows * most, self.text.len())?;
        for (at, row, _) in self.rows_from::<D>(0) {
            for key in D::first_keys(&row, by) {
                index.insert(key.hash, at, |other| self.has_first_key::<D>(other, &key));
            }
        }
        Ok(index.slots)
    }

    /// True if the line at `at` has the key. Few lines are asked about; inlined, it would take registers from the loop.
    #[inline(never)]
    fn has_first_key<D: Database>(&self, at: usize, key: &Key<'_>) -> bool {
        match D::begins_with(self.text.get(at..).unwrap_or_default(), key) {
            Some(has) => has,
            None => self.row::<D>(at).is_some_and(|row| D::has(&row, key)),
        }
    }

    #[cold]
    fn search<D: Database>(&self, key: &Key<'_>) -> Option<D::Row<'_>> {
        let mut buf = Needle::new();
        let is_sought = |(_, row): &(usize, D::Row<'_>)| has::<D>(row, key);
        let mut rows = self.rows_from::<D>(0).map(|(at, row, _)| (at, row));
        let (found, cost) = match buf.of(key).filter(|_| self.is_plain) {
            // The first line has no newline before it.
            Some(needle) => {
                (rows.next().into_iter().chain(self.rows_with::<D>(needle)).find(is_sought), 1)
            }
            None => (rows.find(is_sought), PARSING_SEARCHES),
        };
        let end = found.map_or(self.text.len(), |(at, _)| at);
        self.searched.fetch_add((end + 1) * cost, Ordering::Relaxed);
        found.map(|(_, row)| row)
    }

    /// The rows whose lines contain `text`, and where they begin. Only the first byte of `text` may be a newline. Other
    /// lines are not parsed.
    pub(crate) fn rows_with<D: Database>(
        &self,
        text: &[u8],
    ) -> impl Iterator<Item = (usize, D::Row<'_>)> {
        let finder = FinderBuilder::new().build_forward_with_ranker(RankFromEnd::of(text), text);
        let mut at = 0;
        core::iter::from_fn(move || {
            loop {
                let rest = self.text.get(at..).filter(|rest| !rest.is_empty())?;
                let hit = at + finder.find(rest)?;
                // The first byte of the hit may be the newline before the line.
                let start = memchr::memrchr(b'\n', self.text.get(..=hit)?).map_or(0, |n| n + 1);
                let (row, next) = self.line::<D>(start)?;
                at = next - 1;
                if let Ok(Some(row)) = row {
                    return Some((start, row));
                }
            }
        })
    }
}

/// A table without a snapshot, for tests.
#[cfg(any(test, fuzzing))]
pub(crate) struct LoneTable(core::ptr::NonNull<Table>);

#[cfg(any(test, fuzzing))]
#[allow(unsafe_code, reason = "memory that is freed when the tests have done with it")]
mod lone_table {
    use super::*;
    use core::ptr::NonNull;

    impl LoneTable {
        pub(crate) fn load<D: Database>(bytes: &[u8]) -> Result<Self, Errno> {
            Self::load_for::<D>(bytes, None).map(|(table, _)| table)
        }

        pub(crate) fn load_for<D: Database>(
            bytes: &[u8],
            key: Option<&Key<'_>>,
        ) -> Result<(Self, Sought), Errno> {
            let text = ScratchText::copy_of(bytes)?;
            let (table, sought) = Table::of::<D>(&text, key);
            let table = NonNull::from(alloc::boxed::Box::leak(crate::rt::memory::try_box(table)?));
            // SAFETY: leaked above.
            unsafe { table.as_ref() }.fill(text);
            Ok((Self(table), sought))
        }

        /// The table as it is after so many searches that the next question makes an index.
        pub(crate) fn with_much_searched(self) -> Self {
            self.searched.store(usize::MAX / 2, Ordering::Relaxed);
            self
        }
    }

    impl core::ops::Deref for LoneTable {
        type Target = Table;

        fn deref(&self) -> &Table {
            // SAFETY: not freed before this is dropped.
            unsafe { self.0.as_ref() }
        }
    }

    impl Drop for LoneTable {
        fn drop(&mut self) {
            // SAFETY: no row outlives this, and outside of a call nobody remembers the cells.
            unsafe { self.release() };
            // SAFETY: leaked by `load`, and nobody refers to it any more.
            drop(unsafe { alloc::boxed::Box::from_raw(self.0.as_ptr()) });
        }
    }
}

#[cfg(test)]
mod tests;
