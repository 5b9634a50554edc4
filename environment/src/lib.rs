#![doc = include_str!("../README.md")]

mod database;
mod entry;
mod environment;
pub mod names;
mod preload;
mod system;
pub mod template;

pub use database::{Database, why};
pub use entry::{Group, User};
pub use environment::{Environment, Error, Found, Variables, has_id, lines, missing_groups};
pub use preload::{ld_preload, library};
