//! A file as a table: its content, where in it a row is, and whether the file has changed since.

pub(crate) mod index;
pub(crate) mod read;
pub(crate) mod snapshot;
pub(crate) mod source;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod walk;
