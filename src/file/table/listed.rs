//! The rows that list a name: a member's groups, a host's lines.

use core::sync::atomic::Ordering;

use super::{PARSING_SEARCHES, Table};
use crate::db::Database;
use crate::db::key::{Key, What};
use crate::file::index::{IndexBuilder, MultiIndex, MultiIndexBuilder};
use crate::rt::errno::Errno;
use crate::rt::memory::ScratchBuf;

impl Table {
    /// All lines that have the key: a member's groups, a host's lines.
    pub(crate) fn find_all<D: Database>(&self, key: &Key<'_>) -> Result<Lines<'_>, Errno> {
        if self.indexes.by_listed.get().is_none() {
            let Some(indexes) = self.indexes_to_fill() else {
                return self.search_all::<D>(key).map(Lines::Searched);
            };
            indexes.by_listed.adopt(self.make_multi_index::<D>()?);
        }
        let index = self.indexes.by_listed.get().and_then(MultiIndex::new);
        let is_key = |place| self.is_listed::<D>(place, key);
        Ok(Lines::Indexed(index.map_or(&[], |index| index.lines(key.hash, is_key))))
    }

    /// The rows of lines that [`Table::find_all`] gave.
    pub(crate) fn rows_at<'t, 'l, D: Database>(
        &'t self,
        lines: &'l [u32],
    ) -> impl Iterator<Item = D::Row<'t>> + Clone + use<'t, 'l, D> {
        lines.iter().filter_map(|&at| self.row::<D>(at as usize))
    }

    /// True if the key's name stands at `place`.
    fn is_listed<D: Database>(&self, place: usize, key: &Key<'_>) -> bool {
        let file = self.text.get(place..).unwrap_or_default();
        let ends_at = |at: usize| file.get(at).is_none_or(|&byte| D::ends_listed(byte));
        match key.what {
            // The name is the same, byte for byte.
            What::Name(name) | What::Host(name)
                if file.starts_with(name) && ends_at(name.len()) =>
            {
                true
            }
            _ => {
                let end = file.iter().position(|&byte| D::ends_listed(byte));
                key.is_name(file.get(..end.unwrap_or(file.len())).unwrap_or_default())
            }
        }
    }

    #[cold]
    fn search_all<D: Database>(&self, key: &Key<'_>) -> Result<ScratchBuf<u32>, Errno> {
        let mut lines = ScratchBuf::new();
        let mut add = |at: usize, row: &D::Row<'_>| match u32::try_from(at) {
            Ok(at) if D::all_keys(row).any(|own| is_equal(&own, key)) => lines.push(at),
            _ => Ok(()),
        };
        let cost = match key.what {
            // A member's name is not empty, and has no newline and no comma in it.
            What::Name(name) if name.is_empty() || name.iter().any(|b| b",\n".contains(b)) => 0,
            What::Name(name) => {
                self.rows_with::<D>(name).try_for_each(|(at, row)| add(at, &row))?;
                1
            }
            _ => {
                self.rows_from::<D>(0).try_for_each(|(at, row, _)| add(at, &row))?;
                PARSING_SEARCHES
            }
        };
        self.searched.fetch_add((self.text.len() + 1) * cost, Ordering::Relaxed);
        Ok(lines)
    }

    #[cold]
    fn make_multi_index<D: Database>(&self) -> Result<ScratchBuf<u32>, Errno> {
        let count = self.rows_from::<D>(0).map(|(_, row, _)| D::all_keys(&row).count()).sum();
        let mut index = MultiIndexBuilder::new(count)?;
        for (begin, row, next) in self.rows_from::<D>(0) {
            self.each_listed::<D>(begin, &row, next, |key, place, _| {
                index.count(key.hash, place, |other| self.is_listed::<D>(other, key))
            })?;
        }
        let mut index = index.make_room()?;
        for (begin, row, next) in self.rows_from::<D>(0) {
            self.each_listed::<D>(begin, &row, next, |key, _, line| {
                index.add(key.hash, line, |other| self.is_listed::<D>(other, key));
                Ok(())
            })?;
        }
        Ok(index.finish())
    }

    /// Calls `each` with the names that a row lists, where they stand, and where the line begins. If a line lists a name
    /// twice, that counts once.
    fn each_listed<'a, D: Database>(
        &'a self,
        begin: usize,
        row: &D::Row<'a>,
        next: usize,
        mut each: impl FnMut(&Key<'_>, u32, u32) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        /// For lines with more names than this repeated ones are found by an index.
        const FEW: usize = 16;
        let start = self.text.as_ptr().addr();
        let place_of = |key: &Key<'_>| match key.what {
            What::Name(name) | What::Host(name) if !name.is_empty() => {
                name.as_ptr().addr().wrapping_sub(start)
            }
            // A host without a name counts as having an empty one, at the line's end.
            _ => next - 1,
        };
        let count = D::all_keys(row).count();
        let mut seen = IndexBuilder::new(if count > FEW { count } else { 0 }, self.text.len() + 1)?;
        for (n, key) in D::all_keys(row).enumerate() {
            let place = place_of(&key);
            let is_again = if count > FEW {
                seen.insert(key.hash, place, |other| self.is_listed::<D>(other, &key)).is_some()
            } else {
                D::all_keys(row).take(n).any(|other| is_equal(&other, &key))
            };
            let (Ok(place), Ok(line)) = (u32::try_from(place), u32::try_from(begin)) else {
                continue;
            };
            if !is_again {
                each(&key, place, line)?;
            }
        }
        Ok(())
    }
}

/// True if both keys are the same name.
fn is_equal(one: &Key<'_>, other: &Key<'_>) -> bool {
    match one.what {
        What::Name(name) | What::Host(name) => one.hash == other.hash && other.is_name(name),
        What::Id(_) | What::Address(_) => false,
    }
}

/// The beginnings of the lines that have a key, in the file's order.
pub(crate) enum Lines<'t> {
    Indexed(&'t [u32]),
    Searched(ScratchBuf<u32>),
}

impl core::ops::Deref for Lines<'_> {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        match self {
            Self::Indexed(lines) => lines,
            Self::Searched(lines) => lines,
        }
    }
}
