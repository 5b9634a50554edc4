//! The options of `nss_wrapper.pl` and of `nss-wrapper --edit`.

use std::ffi::OsString;

use clap::Parser;

/// Add and delete users, groups and members in passwd and group files
///
/// Edits only the given files. A file is replaced as a whole: a reader sees either the old or the
/// new content, two editors at the same time do not undo each other's changes, and nothing is lost
/// if the program is killed. All other lines stay as they are. New users and groups get the lowest
/// id from 1000 on that the file does not have.
///
/// The options are those of the script of the same name. As there, an option may be shortened and
/// written in any letter case, with one dash or two.
#[derive(Parser)]
#[command(
    name = "nss_wrapper.pl",
    version,
    infer_long_args = true,
    args_override_self = true,
    max_term_width = 100
)]
pub(crate) struct Edit {
    /// The passwd(5) file
    #[arg(long = "passwd_path", value_name = "PATH")]
    pub(crate) passwd_path: Option<OsString>,

    /// The group(5) file
    #[arg(long = "group_path", value_name = "PATH")]
    pub(crate) group_path: Option<OsString>,

    /// What is edited: passwd, group, or member, a user in a group
    #[arg(long, value_name = "TYPE")]
    pub(crate) r#type: Option<OsString>,

    /// add or delete
    #[arg(long, value_name = "ACTION")]
    pub(crate) action: Option<OsString>,

    /// The user or group to add or delete, or the group whose members change
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<OsString>,

    /// The user who becomes or is no longer a member
    #[arg(long, value_name = "NAME")]
    pub(crate) member: Option<OsString>,

    /// The primary group of a new user
    #[arg(long, value_name = "GID", default_value_t = 65534)]
    pub(crate) gid: u32,
}
