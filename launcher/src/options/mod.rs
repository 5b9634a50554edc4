//! The options of both programs: the one definition that parsing, help, man pages and completions
//! are made from.

mod edit;
mod values;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand, ValueEnum};

pub(crate) use edit::Edit;
use nss_wrapper_environment::Database;
pub(crate) use values::{Host, User};

const ANSWERS: &str = "What is answered";
const INSTEAD: &str = "What is done instead of preloading the library";

/// The ways to call the program, without its name.
pub(crate) const FORMS: [&str; 7] = [
    "[OPTIONS] [--] [COMMAND [ARG]...]",
    "--namespace [OPTIONS] [--] [COMMAND [ARG]...]",
    "--install-service [OPTIONS] [--root DIR]",
    "--uninstall-service [--root DIR]",
    "--check [OPTIONS]",
    "--explain KIND KEY [OPTIONS] [-- COMMAND]",
    "--edit [EDIT OPTIONS]",
];

/// Run a command with users, groups and hosts of your choice
///
/// Runs COMMAND, or a shell, with the library nss_wrapper_rs preloaded, which answers its questions
/// about users, groups, passwords, hosts and the name of the host as the options say. That needs
/// no privilege, changes nothing in /etc, and writes no file. It changes names only: the command
/// keeps the user and group ids that it really has (uid_wrapper(1) fakes those).
///
/// The options become variables in the command's environment; nss_wrapper_rs(1) describes them.
/// Variables that no option sets stay as they are. Libraries that LD_PRELOAD names already are
/// kept, after this one.
///
/// Some options do something else instead; they are listed last.
#[derive(Parser)]
#[command(
    name = "nss-wrapper",
    version,
    max_term_width = 100,
    override_usage = usage(),
    subcommand_value_name = "EDIT OPTIONS",
    disable_help_subcommand = true,
    args_conflicts_with_subcommands = true,
    group = clap::ArgGroup::new("answers").multiple(true)
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
    /// Or a whole passwd(5) line, in which %u and %g are the real ids, %h is $HOME, and %% a
    /// percent sign, as in app:x:%u:%g:The App:%h:/bin/bash.
    ///
    /// The users of FILE (--passwd), or else those of the system, come after it. FILE is then read
    /// only once; if the user is just the caller, whose id FILE lacks, later edits of FILE are seen.
    #[arg(long, group = "answers", help_heading = ANSWERS, value_name = "NAME[:UID[:GID]] or LINE")]
    pub(crate) user: Vec<User>,

    /// Take all users from this passwd(5) file
    #[arg(long, group = "answers", help_heading = ANSWERS, value_name = "FILE")]
    pub(crate) passwd: Option<PathBuf>,

    /// Take all groups from this group(5) file
    #[arg(long, group = "answers", help_heading = ANSWERS, value_name = "FILE")]
    pub(crate) group: Option<PathBuf>,

    /// Take all shadow entries from this shadow(5) file
    #[arg(long, group = "answers", help_heading = ANSWERS, value_name = "FILE")]
    pub(crate) shadow: Option<PathBuf>,

    /// Take hosts from this hosts(5) file
    #[arg(long, group = "answers", help_heading = ANSWERS, value_name = "FILE")]
    pub(crate) hosts: Option<PathBuf>,

    /// Add a host with its IPv4 or IPv6 address
    ///
    /// May be given several times, for one name too. The hosts of FILE (--hosts), or else those of
    /// the system, come after it.
    #[arg(long, group = "answers", help_heading = ANSWERS, value_name = "NAME=ADDR")]
    pub(crate) host: Vec<Host>,

    /// What gethostname(2) says
    #[arg(long, group = "answers", help_heading = ANSWERS, value_name = "NAME")]
    pub(crate) hostname: Option<OsString>,

    /// Ask this NSS module after the files
    #[arg(
        long,
        group = "answers",
        help_heading = ANSWERS,
        value_name = "FILE",
        requires = "module_prefix"
    )]
    pub(crate) module: Option<PathBuf>,

    /// The NAME in that module's functions, as in _nss_NAME_getpwnam_r
    #[arg(
        long,
        group = "answers",
        help_heading = ANSWERS,
        value_name = "NAME",
        requires = "module"
    )]
    pub(crate) module_prefix: Option<OsString>,

    /// Ask the system for what the files do not have
    ///
    /// Implied where --user or --host add to what the system has.
    #[arg(long, group = "answers", help_heading = ANSWERS)]
    pub(crate) fall_through: bool,

    /// Report on standard error: 0 errors, 1 warnings, 2 what is loaded, 3 each lookup
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=3))]
    pub(crate) debug: Option<u8>,

    /// Change what is in /etc for the command alone, instead of preloading the library
    ///
    /// For programs that read /etc/passwd themselves, as static ones do. COMMAND gets namespaces in
    /// which generated passwd, group, shadow and hosts files are mounted over those in /etc, and in
    /// which the host has the name of --hostname. What no option says is taken from the variables
    /// of nss_wrapper_rs(1). Nothing else changes, and nothing is left behind. A caller who is not
    /// root needs a kernel that permits user namespaces.
    #[arg(
        long,
        help_heading = INSTEAD,
        conflicts_with_all = ["service", "print_env", "module"]
    )]
    pub(crate) namespace: bool,

    /// Check the files, and print PATH:LINE: REASON for each line that the library skips
    ///
    /// Checks the files of --passwd, --group, --shadow and --hosts, or else those that the library's
    /// variables name. Exits with 1 if there is such a line, or a file that cannot be read.
    #[arg(
        long,
        help_heading = INSTEAD,
        conflicts_with_all = ["service", "print_env", "namespace", "command", "module"]
    )]
    pub(crate) check: bool,

    /// Say who answers for a user, a group or a host, and whether the library can work here
    ///
    /// KIND is user, group or host; KEY is a name, an id or an address. Call it as the user and in
    /// the environment of the program that fails. COMMAND, if it is given, is examined too; it is
    /// not run. Exits with 1 if nobody answers.
    #[arg(
        long,
        help_heading = INSTEAD,
        num_args = 2,
        value_names = ["KIND", "KEY"],
        conflicts_with_all = ["service", "print_env", "namespace", "check"]
    )]
    pub(crate) explain: Option<Vec<String>>,

    /// Ask the C library for all entries of a database; --check and --explain need it
    #[arg(long, value_name = "DATABASE", hide = true)]
    pub(crate) ask: Option<String>,

    /// Ask for one
    #[arg(long, value_name = "KEY", hide = true, requires = "ask")]
    pub(crate) ask_key: Option<String>,

    /// Map all ids of this process to themselves; --namespace needs it if root may not mount
    #[arg(long, value_name = "PID", hide = true, exclusive = true)]
    pub(crate) map_ids: Option<u32>,

    /// Make the library a service of this system, for programs without LD_PRELOAD
    ///
    /// For building an image, as root. Puts the library where the C library looks for
    /// libnss_wrapper_rs.so.2, writes what the options say to /etc/nss_wrapper_rs.conf, and adds
    /// wrapper_rs to /etc/nsswitch.conf. From then on it also answers set-user-id programs, sessions
    /// of sshd and cron, and programs that clear their environment. Without options that say what
    /// to answer, the configuration that is there is used. Only root may be able to write that
    /// file, the files that it names, and their directories.
    #[arg(
        long,
        group = "service",
        help_heading = INSTEAD,
        conflicts_with_all = ["command", "print_env"]
    )]
    pub(crate) install_service: bool,

    /// Undo what --install-service did
    #[arg(
        long,
        group = "service",
        help_heading = INSTEAD,
        conflicts_with_all = ["command", "print_env", "answers"]
    )]
    pub(crate) uninstall_service: bool,

    /// The tree of files that --install-service and --uninstall-service change
    ///
    /// Paths in options and in the configuration are paths in that tree.
    #[arg(long, value_name = "DIR", help_heading = INSTEAD, requires = "service")]
    pub(crate) root: Option<PathBuf>,

    /// Print the variables for a shell to read, and run nothing
    ///
    /// For use in a script as: eval "$(nss-wrapper --user magic --print-env)". The inner pair of
    /// quotes keeps the line breaks that a value can have.
    #[arg(long, help_heading = INSTEAD, conflicts_with = "command")]
    pub(crate) print_env: bool,

    /// The library to preload, if it is neither beside this program nor in the lib directory next to it
    ///
    /// The variable NSS_WRAPPER_RS_LIBRARY may name it too.
    #[arg(long, value_name = "FILE")]
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

fn usage() -> String {
    let forms = FORMS.map(|form| format!("nss-wrapper {form}"));
    forms.join("\n       ")
}

impl Options {
    /// The files that stand for a database, as they were given.
    pub(crate) fn files(&self) -> impl Iterator<Item = (Database, &Path)> {
        let files = [&self.passwd, &self.group, &self.shadow, &self.hosts];
        Database::ALL
            .into_iter()
            .zip(files)
            .filter_map(|(database, file)| Some((database, file.as_deref()?)))
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
}
