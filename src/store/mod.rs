//! Files as tables: what a path held when it was last looked at, and when that is out of date.

mod file;
mod hosts;
mod index;
mod key;
mod source;
mod table;
mod text;

pub(crate) use file::read_file;
pub(crate) use hosts::{Hosts, Matches};
pub(crate) use index::distinct;
pub(crate) use key::Key;
pub(crate) use source::{Cached, Content, Now, Snapshot, Source};
pub(crate) use table::{Groups, Lines, Passwds, Shadows, Table};
#[cfg(any(test, fuzzing))]
pub(crate) use text::Text;

/// `NSS_WRAPPER_PASSWD`.
pub(crate) static PASSWD: Source<Table<Passwds>> = Source::new();
/// `NSS_WRAPPER_GROUP`.
pub(crate) static GROUP: Source<Table<Groups>> = Source::new();
/// `NSS_WRAPPER_SHADOW`.
pub(crate) static SHADOW: Source<Table<Shadows>> = Source::new();
/// `NSS_WRAPPER_HOSTS`.
pub(crate) static HOSTS: Source<Hosts> = Source::new();
