//! The rows that list a name: a member's groups, a host's lines.

use core::sync::atomic::Ordering;

use super::{PARSING_SEARCHES, Table};
use crate::db::Database;
use crate::db::key::{Key, What};
use crate::file::index::{MultiIndex, MultiIndexBuilder};
use crate::rt::errno::Errno;
use crate::rt::memory::ScratchBuf;

impl Table {
    /// All lines that have the key: a member's groups, a host's lines.
    pub(crate) fn find_all<D: Database>(&self, key: &Key<'_>) -> Result<Lines<'_>, Errno> {
        self.fill_index(|indexes| &indexes.by_listed, || self.make_multi_index::<D>());
        let Some(index) = self.indexes.by_listed.get().and_then(MultiIndex::new) else {
            return self.search_all::<D>(key).map(Lines::Searched);
        };
        let lines = index.lines(key.hash, |place| self.is_listed::<D>(place, key));
        Ok(Lines::Indexed(lines.unwrap_or_default()))
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
        // Most often the name is the same, byte for byte.
        key.text().is_some_and(|name| file.starts_with(name) && ends_at(name.len())) || {
            let end = file.iter().position(|&byte| D::ends_listed(byte));
            key.is_name(file.get(..end.unwrap_or(file.len())).unwrap_or_default())
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
        self.add_lines::<D>(&mut index)?;
        index.make_room()?;
        self.add_lines::<D>(&mut index)?;
        index.finish()
    }

    fn add_lines<D: Database>(&self, index: &mut MultiIndexBuilder) -> Result<(), Errno> {
        let start = self.text.as_ptr().addr();
        for (line, row, _) in self.rows_from::<D>(0) {
            for key in D::all_keys(&row) {
                let place = key.text().map(|name| name.as_ptr().addr().wrapping_sub(start));
                let place = place.and_then(|place| u32::try_from(place).ok());
                if let (Some(place), Ok(line)) = (place, u32::try_from(line)) {
                    index.add(key.hash, place, line, |at| self.is_listed::<D>(at, &key))?;
                }
            }
        }
        Ok(())
    }
}

/// True if both keys are the same name.
fn is_equal(one: &Key<'_>, other: &Key<'_>) -> bool {
    one.hash == other.hash && one.text().is_some_and(|name| other.is_name(name))
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
