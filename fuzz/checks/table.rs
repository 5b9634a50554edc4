//! A whole file as a table, compared with a simple loop over its lines.

use super::glibc::Reader;
use super::naive::{Naive, Owned};
use crate::db::key::Key;
use crate::db::{Database, Group, Passwd, Shadow};
use crate::file::table::{Lines, LoneTable, Sought};

/// Byte 0 says which database; then questions, a newline, and a file.
pub fn table(data: &[u8]) {
    let Some((database, data)) = data.split_first() else { return };
    match database % 3 {
        0 => checked::<Passwd>(data),
        1 => {
            checked::<Group>(data);
            memberships(data);
        }
        _ => checked::<Shadow>(data),
    }
}

/// A file as a table in which the next question is searched for, and as one that makes an index for it.
fn to_be_searched_and_indexed<D: Database>(content: &[u8]) -> [LoneTable; 2] {
    [super::load::<D>(content), super::load::<D>(content).with_much_searched()]
}

/// The first row that has the key is found, by search, by index, and while the file is loaded.
fn finds<D: Naive>(content: &[u8], key: &Key<'_>, want: Option<&Owned>) {
    let (table, sought) = LoneTable::load_for::<D>(content, Some(key)).unwrap();
    assert!(sought != Sought::Unknown && (sought == Sought::Nowhere) == want.is_none());
    assert_eq!(table.sought_row::<D>(key, sought).map(D::owned).as_ref(), want, "{key}");
    for (table, is_indexed) in to_be_searched_and_indexed::<D>(content).iter().zip([false, true]) {
        for is_first in [true, false] {
            let sought = table.seek(key);
            assert_eq!(sought != Sought::Unknown, table.is_indexed(key));
            assert!(sought != Sought::Nowhere || want.is_none());
            if let Some(row) = table.sought_row::<D>(key, sought) {
                assert_eq!(Some(&D::owned(row)), want, "{key}");
            }
            assert_eq!(table.find::<D>(*key).map(D::owned).as_ref(), want, "{key}");
            assert!(!is_first || table.is_indexed(key) == is_indexed);
        }
    }
}

fn checked<D: Reader>(data: &[u8]) {
    let (questions, content) = super::questions(data);
    let model = super::model::<D>(content);
    let table = super::load::<D>(content);
    let rows = super::rows::<D, _>(&table, D::owned);
    assert_eq!(rows, model);
    if let Some(theirs) = D::read_file(content) {
        assert_eq!(rows, theirs, "ours, glibc's");
    }
    let own = || model.iter().rev().take(3);
    for name in questions.iter().copied().chain(own().map(|row| &*row.0[0])) {
        finds::<D>(content, &Key::name(name), model.iter().find(|row| row.0[0] == name));
    }
    let own = own().filter_map(D::id);
    for id in questions.iter().filter_map(|question| super::id(question)).chain(own) {
        let want = model.iter().find(|row| D::id(row) == Some(id));
        finds::<D>(content, &Key::id(id), want);
    }
    let lines = || content.split(|&b| b == b'\n');
    for text in questions {
        let with = |line: &&[u8]| text.is_empty() || line.windows(text.len()).any(|w| w == text);
        let want: Vec<Owned> = lines().filter(with).filter_map(D::read_line).collect();
        let found: Vec<Owned> = table.rows_with::<D>(text).map(|(_, row)| D::owned(row)).collect();
        assert_eq!(found, want);
    }
}

/// All groups of a member are found in the file's order, each once, by search and by index.
fn memberships(data: &[u8]) {
    let (questions, content) = super::questions(data);
    let model = super::model::<Group>(content);
    let own = model.iter().rev().take(3).flat_map(|row| row.2.iter().take(2).map(Vec::as_slice));
    // With the comma between them, two questions are a name that no group can list.
    let whole = super::first_line(data).0;
    for name in questions.iter().copied().chain(own).chain([whole]) {
        let want: Vec<&Owned> =
            model.iter().filter(|row| row.2.iter().any(|member| member == name)).collect();
        for (table, is_indexed) in
            to_be_searched_and_indexed::<Group>(content).iter().zip([false, true])
        {
            let lines = table.find_all::<Group>(&Key::name(name)).unwrap();
            assert_eq!(matches!(lines, Lines::Indexed(_)), is_indexed);
            let rows: Vec<Owned> = table.rows_at::<Group>(&lines).map(Group::owned).collect();
            assert_eq!(rows.iter().collect::<Vec<_>>(), want, "{}", name.escape_ascii());
        }
    }
}
