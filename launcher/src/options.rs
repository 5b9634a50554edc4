//! The options of both programs: the one definition that parsing, help, man pages and completions
//! are made from.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, Subcommand, ValueEnum};

/// Run a command whose users, groups and hosts are of your choice
///
/// Runs COMMAND, or a shell, with the library nss_wrapper_rs preloaded, so that its questions
/// about users, groups, passwords, hosts and the name of the host are answered as the options say.
/// No privilege is needed, nothing in /etc changes, and no file is written. Names are all that
/// changes: the user and group ids that the command really has stay as they are (uid_wrapper(1)
/// fakes those).
///
/// The options become variables in the command's environment; nss_wrapper_rs(1) describes them.
/// A variable that no option sets is handed on as it is. A library that is preloaded already stays
/// so, behind this one.
#[derive(Parser)]
#[command(
    name = "nss-wrapper",
    version,
    max_term_width = 100,
    override_usage = "nss-wrapper [OPTIONS] [--] [COMMAND [ARG]...]\n       \
                      nss-wrapper --edit [EDIT OPTIONS]",
    subcommand_value_name = "EDIT OPTIONS",
    disable_help_subcommand = true,
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Options {
    /// Add a user; without UID, name whoever runs the command
    ///
    /// UID is the caller's real user id unless it is given, and GID the real group id. A GID
    /// without a name gets a group called NAME (with --passwd only if --group or --fall-through is
    /// given too). For the caller's own ids the home directory and the shell are those of $HOME
    /// and $SHELL, for others / and /bin/sh. May be given several times; of two users with one id
    /// the first gives the id its name.
    ///
    /// The users of FILE (--passwd), or those that the system has, follow. FILE is read once then;
    /// where it only lacks the caller's own id, its edits are still seen.
    #[arg(long, value_name = "NAME[:UID[:GID]]")]
    pub(crate) user: Vec<User>,

    /// Take all users from this passwd(5) file
    #[arg(long, value_name = "FILE")]
    pub(crate) passwd: Option<PathBuf>,

    /// Take all groups from this group(5) file
    #[arg(long, value_name = "FILE")]
    pub(crate) group: Option<PathBuf>,

    /// Take all shadow entries from this shadow(5) file
    #[arg(long, value_name = "FILE")]
    pub(crate) shadow: Option<PathBuf>,

    /// Take hosts from this hosts(5) file
    #[arg(long, value_name = "FILE")]
    pub(crate) hosts: Option<PathBuf>,

    /// Add a host with its IPv4 or IPv6 address
    ///
    /// May be given several times, for one name too. The hosts of FILE (--hosts), or those that
    /// the system finds, follow.
    #[arg(long, value_name = "NAME=ADDR")]
    pub(crate) host: Vec<Host>,

    /// What gethostname(2) says
    #[arg(long, value_name = "NAME")]
    pub(crate) hostname: Option<OsString>,

    /// Ask this NSS module after the files
    #[arg(long, value_name = "FILE", requires = "module_prefix")]
    pub(crate) module: Option<PathBuf>,

    /// The NAME in that module's functions, as in _nss_NAME_getpwnam_r
    #[arg(long, value_name = "NAME", requires = "module")]
    pub(crate) module_prefix: Option<OsString>,

    /// Ask the system for what the files do not know
    ///
    /// Implied where --user or --host add to what the system has.
    #[arg(long)]
    pub(crate) fall_through: bool,

    /// Report on standard error: 0 errors, 1 warnings, 2 what is loaded, 3 each lookup
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=3))]
    pub(crate) debug: Option<u8>,

    /// Print the variables for a shell to read, and run nothing
    ///
    /// For use in a script as: eval "$(nss-wrapper --user magic --print-env)". The inner pair of
    /// quotes keeps the line breaks that a value can have.
    #[arg(long, conflicts_with = "command")]
    pub(crate) print_env: bool,

    /// The library, if it is neither beside this program nor in the lib directory next to it
    #[arg(long, value_name = "FILE", env = "NSS_WRAPPER_RS_LIBRARY", hide_env_values = true)]
    pub(crate) library: Option<PathBuf>,

    /// Print a completion script or a man page; packagers use it
    #[arg(long, value_name = "WHAT", hide = true, exclusive = true)]
    pub(crate) generate: Option<Generated>,

    /// What to run; a shell ($SHELL) if nothing is named
    #[arg(
        value_name = "COMMAND",
        trailing_var_arg = true,
        value_hint = clap::ValueHint::CommandWithArguments
    )]
    pub(crate) command: Vec<OsString>,

    #[command(subcommand)]
    pub(crate) job: Option<Job>,
}

/// What the program does besides running a command.
#[derive(Subcommand)]
pub(crate) enum Job {
    /// Add and delete users, groups and members in files, as nss_wrapper.pl does
    #[command(name = "nss_wrapper.pl", long_flag = "edit")]
    Edit(Edit),
}

/// What `--generate` prints.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Generated {
    /// Completions of the shell.
    Bash,
    /// Completions of the shell.
    Zsh,
    /// Completions of the shell.
    Fish,
    /// nss-wrapper(1).
    Man,
    /// nss_wrapper.pl(1).
    EditMan,
}

/// Add and delete users, groups and members in passwd and group files
///
/// Edits the given files, and only those. The file is replaced at once by its new content: a
/// reader sees the old or the new, two writers at the same time lose nothing of each other's, and
/// nothing is lost if the program is killed. All lines but the one concerned stay as they are.
/// New users and groups get the lowest id from 1000 on that the file does not have.
///
/// It has the options of the script of the same name. As there, an option may be shortened and
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

/// `NAME[:UID[:GID]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
}

impl FromStr for User {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut fields = text.split(':');
        let name = fields.next().unwrap_or_default().to_owned();
        // What passwd(5) cannot hold, or reads as a comment or a NIS directive.
        if name.is_empty()
            || name.starts_with(['+', '-', '#'])
            || name.contains(|c: char| c.is_control() || c.is_whitespace() || c == ',')
        {
            return Err("no user can have that name");
        }
        let uid = fields.next().map(id).transpose()?;
        let gid = fields.next().map(id).transpose()?;
        match fields.next() {
            None => Ok(Self { name, uid, gid }),
            Some(_) => Err("more than NAME:UID:GID"),
        }
    }
}

/// An id in decimal; the highest number is what the system calls mean by "none".
fn id(text: &str) -> Result<u32, &'static str> {
    match text.parse() {
        Ok(id) if id < u32::MAX && text.bytes().all(|b| b.is_ascii_digit()) => Ok(id),
        _ => Err("ids are numbers from 0 to 4294967294"),
    }
}

/// `NAME=ADDR`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) address: IpAddr,
}

impl FromStr for Host {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, address) = text.split_once('=').ok_or("not of the form NAME=ADDR")?;
        if name.is_empty()
            || name.contains(|c: char| c.is_control() || c.is_whitespace() || c == '#')
        {
            return Err("no host can have that name");
        }
        let address = address.parse().map_err(|_| "not an IPv4 or IPv6 address")?;
        Ok(Self { name: name.to_owned(), address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn clap_finds_no_contradiction_in_the_options() {
        Options::command().debug_assert();
        Edit::command().debug_assert();
    }

    #[test]
    fn a_user_has_a_name_and_up_to_two_ids() {
        let user = |name: &str, uid, gid| Ok(User { name: name.to_owned(), uid, gid });
        for (text, want) in [
            ("magic", user("magic", None, None)),
            ("magic:7", user("magic", Some(7), None)),
            ("magic:7:8", user("magic", Some(7), Some(8))),
            ("", Err("no user can have that name")),
            (":7", Err("no user can have that name")),
            ("+x", Err("no user can have that name")),
            ("a b", Err("no user can have that name")),
            ("a\nroot:0", Err("no user can have that name")),
            ("magic:", Err("ids are numbers from 0 to 4294967294")),
            ("magic:-1", Err("ids are numbers from 0 to 4294967294")),
            ("magic:+1", Err("ids are numbers from 0 to 4294967294")),
            ("magic:1:4294967295", Err("ids are numbers from 0 to 4294967294")),
            ("magic:1:2:3", Err("more than NAME:UID:GID")),
        ] {
            assert_eq!(text.parse(), want, "{text}");
        }
    }

    #[test]
    fn a_host_has_a_name_and_an_address() {
        let host = |name: &str, addr: &str| {
            Ok(Host { name: name.to_owned(), address: addr.parse().expect("an address") })
        };
        for (text, want) in [
            ("db=10.0.0.1", host("db", "10.0.0.1")),
            ("db=::1", host("db", "::1")),
            ("db", Err("not of the form NAME=ADDR")),
            ("=::1", Err("no host can have that name")),
            ("a b=::1", Err("no host can have that name")),
            ("db=10.0.0", Err("not an IPv4 or IPv6 address")),
        ] {
            assert_eq!(text.parse(), want, "{text}");
        }
    }
}
