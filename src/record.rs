//! The rows themselves. They borrow their bytes, and know no format.

/// What a row is found by.
pub(crate) trait Keyed {
    /// Its name.
    fn name(&self) -> &[u8];
    /// Its uid or gid; shadow entries have none.
    fn id(&self) -> Option<u32>;
}

/// One user: passwd(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passwd<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) passwd: &'a [u8],
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) gecos: &'a [u8],
    pub(crate) dir: &'a [u8],
    pub(crate) shell: &'a [u8],
}

impl Keyed for Passwd<'_> {
    fn name(&self) -> &[u8] {
        self.name
    }

    fn id(&self) -> Option<u32> {
        Some(self.uid)
    }
}

/// One group: group(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) passwd: &'a [u8],
    pub(crate) gid: u32,
    /// As the file has it; [`Group::members`] takes it apart.
    pub(crate) member_list: &'a [u8],
}

impl<'a> Group<'a> {
    /// The members in the file's order. As glibc has it, blanks before a name are skipped and
    /// empty names dropped.
    pub(crate) fn members(&self) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        self.member_list.split(|&b| b == b',').map(skip_space).filter(|name| !name.is_empty())
    }
}

impl Keyed for Group<'_> {
    fn name(&self) -> &[u8] {
        self.name
    }

    fn id(&self) -> Option<u32> {
        Some(self.gid)
    }
}

/// One user's password and its ages: shadow(5). Days are counted from 1970-01-01; −1 is an empty
/// field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shadow<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) passwd: &'a [u8],
    pub(crate) last_change: i64,
    pub(crate) min: i64,
    pub(crate) max: i64,
    pub(crate) warn: i64,
    pub(crate) inactive: i64,
    pub(crate) expire: i64,
    /// All ones if it is empty.
    pub(crate) flag: u64,
}

impl Keyed for Shadow<'_> {
    fn name(&self) -> &[u8] {
        self.name
    }

    fn id(&self) -> Option<u32> {
        None
    }
}

/// What follows leading white space, as `isspace` has it in the C locale.
pub(crate) fn skip_space(bytes: &[u8]) -> &[u8] {
    let blank = |b: &u8| matches!(b, b' ' | b'\t'..=b'\r');
    let at = bytes.iter().position(|b| !blank(b)).unwrap_or(bytes.len());
    bytes.get(at..).unwrap_or_default()
}
