//! A whole file as a table, against a walk over its lines.

use super::glibc::Reader;
use crate::config::Path;
use crate::record::Keyed;
use crate::store::{Content, Groups, Key, Passwds, Shadows, Table, Text};

/// Byte 0 says which database; then questions, a newline, and a file.
pub fn table(data: &[u8]) {
    let Some((database, data)) = data.split_first() else { return };
    match database % 3 {
        0 => checked::<Passwds>(data),
        1 => checked::<Groups>(data),
        _ => checked::<Shadows>(data),
    }
}

fn load<L: Reader>(content: &[u8]) -> Table<L> {
    Table::load(Text::new(content).unwrap(), &Path::new(b"/file").unwrap()).unwrap()
}

/// The quick way of a lookup, which may say nothing.
fn expected<'t, L: Reader>(table: &'t Table<L>, key: &Key<'_>) -> Option<L::Row<'t>> {
    table.expected(key, table.expect(key)?)
}

fn checked<L: Reader>(data: &[u8]) {
    let (questions, content) = super::questions(data);
    let lines = || content.split(|&b| b == b'\n');
    let model: Vec<L::Row<'_>> = lines().filter_map(super::row::<L>).collect();
    let owned = |row: Option<L::Row<'_>>| row.map(L::owned);
    let table = load::<L>(content);

    let (mut rows, mut at) = (Vec::new(), 0);
    while let Some((row, next)) = table.row_from(at) {
        assert!(next > at);
        rows.push(L::owned(row));
        at = next;
    }
    assert_eq!(rows, model.iter().copied().map(L::owned).collect::<Vec<_>>());
    if let Some(theirs) = L::read(content) {
        assert_eq!(rows, theirs, "ours, glibc's");
    }

    // The first questions to a table are searched for, later ones go through the index.
    for _ in 0..4 {
        assert!(table.by_name(b"no:name").unwrap().is_none());
    }
    let names = questions.iter().copied().chain(model.iter().rev().take(3).map(Keyed::name));
    for name in names {
        let want = owned(model.iter().copied().find(|row| row.name() == name));
        assert_eq!(owned(load::<L>(content).by_name(name).unwrap()), want);
        assert_eq!(owned(table.by_name(name).unwrap()), want);
        assert!(expected(&table, &Key::name(name)).is_none_or(|row| want == Some(L::owned(row))));
    }
    let ids = questions.iter().filter_map(|q| super::id(q));
    for id in ids.chain(model.iter().rev().take(3).filter_map(Keyed::id)) {
        let want = owned(model.iter().copied().find(|row| row.id() == Some(id)));
        let key = Key::id(id);
        assert_eq!(owned(load::<L>(content).find(&key).unwrap()), want);
        assert_eq!(owned(table.find(&key).unwrap()), want);
        assert!(expected(&table, &key).is_none_or(|row| want == Some(L::owned(row))));
    }
    for text in questions {
        let with = |line: &&[u8]| text.is_empty() || line.windows(text.len()).any(|w| w == text);
        let want: Vec<_> = lines().filter(with).filter_map(super::row::<L>).map(L::owned).collect();
        assert_eq!(table.rows_with(text).map(L::owned).collect::<Vec<_>>(), want);
    }
}
