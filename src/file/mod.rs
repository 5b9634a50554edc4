//! A file as a table: what a path held when it was last looked at, where in it a row is, and when that is
//! out of date.

pub(crate) mod index;
pub(crate) mod read;
pub(crate) mod source;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod walk;
