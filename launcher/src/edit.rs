//! The jobs of `nss_wrapper.pl`, with its options, messages, exit codes and order of checks.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::accounts::{Lines, Refused};
use crate::options::Edit;
use crate::replace::{Failed, replace};

/// The exit code of a Perl script that dies, unless a system call failed before.
const DIED: u8 = 255;

/// Why the job failed.
enum Stop {
    /// The options are not right; the script prints its usage and exits with 1.
    Usage(String),
    /// The script dies with this exit code.
    Die(u8, String),
}

/// Runs with the arguments after the program's name.
pub(crate) fn main(args: &[OsString]) -> ExitCode {
    let args = std::iter::once("nss_wrapper.pl".into()).chain(as_long_options(args));
    match Edit::try_parse_from(args) {
        Ok(edit) => run(&edit),
        Err(error) => {
            let _ = error.print();
            ExitCode::from(u8::from(error.use_stderr()))
        }
    }
}

/// The job itself.
pub(crate) fn run(edit: &Edit) -> ExitCode {
    match job(edit).and_then(Job::run) {
        Ok(()) => ExitCode::SUCCESS,
        // The script prints its usage to standard output in this case too.
        Err(Stop::Usage(message)) => {
            let _ = writeln!(io::stdout(), "{message}\n");
            let _ = Edit::command().print_help();
            ExitCode::FAILURE
        }
        Err(Stop::Die(code, message)) => {
            let _ = writeln!(io::stderr(), "{message}");
            ExitCode::from(code)
        }
    }
}

/// Turns the arguments into clap's form, `--name=value` in small letters. Perl's Getopt::Long takes
/// one dash, two, or a plus, any letter case, and as a value whatever comes next. The script ignores
/// what is no option.
fn as_long_options(args: &[OsString]) -> Vec<OsString> {
    let mut out = Vec::new();
    let mut args = args.iter().map(|arg| arg.as_bytes());
    while let Some(arg) = args.next().filter(|arg| *arg != b"--") {
        let option = [&b"--"[..], b"-", b"+"].iter().find_map(|dash| arg.strip_prefix(*dash));
        let Some(option @ [_, ..]) = option else { continue };
        let end = option.iter().position(|byte| *byte == b'=').unwrap_or(option.len());
        let (name, value) = option.split_at(end);
        let name = name.to_ascii_lowercase();
        let is_help = name == b"?" || b"help".starts_with(&name[..]);
        let name = if is_help { b"help" } else { &name[..] };
        let value = match value {
            [] if is_help || name == b"version" => Vec::new(),
            [] => args.next().map(|next| [b"=", next].concat()).unwrap_or_default(),
            // An empty value is no value.
            [_] => Vec::new(),
            value => value.to_vec(),
        };
        out.push([b"--", name, &value].concat());
    }
    out.into_iter().map(OsString::from_vec).collect()
}

/// The job, and its file.
enum Job<'a> {
    AddUser(PathBuf, &'a [u8], u32),
    AddGroup(PathBuf, &'a [u8]),
    Delete(PathBuf, &'static str, &'a [u8]),
    Member { passwd: PathBuf, group: PathBuf, name: &'a [u8], user: &'a [u8], is_added: bool },
}

/// Checks the options in the script's order.
fn job(edit: &Edit) -> Result<Job<'_>, Stop> {
    let usage = |message: &str| Stop::Usage(message.to_owned());
    let invalid = |what: &str, value: &OsStr| {
        Stop::Usage(format!("invalid: {what}: '{}'", value.to_string_lossy()))
    };
    let action = edit.action.as_deref().ok_or(usage("missing: --action [add|delete]"))?;
    let is_added = match action.as_bytes() {
        b"add" => true,
        b"delete" => false,
        _ => return Err(invalid("--action [add|delete]", action)),
    };
    let kind = edit.r#type.as_deref().ok_or(usage("missing: --type [passwd|group|member]"))?;
    let member = edit.member.as_deref();
    if kind == "member" && member.is_none() {
        return Err(usage("missing: --member <member>"));
    }
    let passwd = || whole(edit.passwd_path.as_deref(), "passwd");
    let group = || whole(edit.group_path.as_deref(), "group");
    let (passwd, group) = match kind.as_bytes() {
        b"passwd" => (passwd()?, PathBuf::new()),
        b"group" => (PathBuf::new(), group()?),
        b"member" => (passwd()?, group()?),
        _ => return Err(invalid("--type [passwd|group]", kind)),
    };
    let name = edit.name.as_deref().ok_or(usage("missing: --name <name>"))?.as_bytes();
    // Differs from the script: a name with a colon or a line break is refused too.
    if name.is_empty() || name.contains(&b':') || name.contains(&b'\n') {
        return Err(usage("invalid: --name <name>"));
    }
    Ok(match (kind.as_bytes(), is_added) {
        (b"passwd", true) => Job::AddUser(passwd, name, edit.gid),
        (b"group", true) => Job::AddGroup(group, name),
        (b"passwd", false) => Job::Delete(passwd, "account", name),
        (b"group", false) => Job::Delete(group, "group", name),
        _ => {
            let user = member.unwrap_or_default().as_bytes();
            Job::Member { passwd, group, name, user, is_added }
        }
    })
}

/// The path without symbolic links. The file itself need not be there yet.
fn whole(path: Option<&OsStr>, kind: &str) -> Result<PathBuf, Stop> {
    let Some(path) = path else {
        return Err(Stop::Usage(format!("missing: --{kind}_path <path>")));
    };
    let invalid =
        || Stop::Usage(format!("invalid: --{kind}_path <path>: '{}'", path.to_string_lossy()));
    let path = Path::new(path);
    let Some(name) = path.file_name() else { return Err(invalid()) };
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::canonicalize(path)
        .or_else(|_| fs::canonicalize(parent).map(|parent| parent.join(name)))
        .map_err(|_| invalid())
}

impl Job<'_> {
    fn run(self) -> Result<(), Stop> {
        match self {
            Job::AddUser(path, name, gid) => replace(&path, |old| {
                let new = Lines::new(old).add_user(name, gid);
                new.map_err(|why| refused(why, "account", name, &path))
            }),
            Job::AddGroup(path, name) => replace(&path, |old| {
                let new = Lines::new(old).add_group(name);
                new.map_err(|why| refused(why, "group", name, &path))
            }),
            Job::Delete(path, kind, name) => replace(&path, |old| {
                let new = Lines::new(old).delete(name);
                new.map_err(|why| refused(why, kind, name, &path))
            }),
            Job::Member { passwd, group, name, user, is_added } => replace(&group, |old| {
                let lines = Lines::new(old);
                if !lines.has(name) {
                    return Err(refused(Refused::Absent, "group", name, &group));
                }
                let users = fs::read(&passwd).map_err(|error| unreadable(&passwd, &error))?;
                if !Lines::new(&users).has(user) {
                    return Err(refused(Refused::Absent, "account", user, &passwd));
                }
                let change = if is_added { Lines::add_member } else { Lines::delete_member };
                change(&lines, name, user).map_err(|why| member_refused(why, name, user, &group))
            }),
        }
    }
}

/// The script's messages about users and groups.
fn refused(why: Refused, kind: &str, name: &[u8], path: &Path) -> Stop {
    let what = match why {
        Refused::Exists => "already exists",
        Refused::NoId => "has no id",
        _ => "does not exists",
    };
    let name = String::from_utf8_lossy(name);
    Stop::Die(DIED, format!("{kind}[{name}] {what} in '{}'", path.display()))
}

/// The script's messages about members.
fn member_refused(why: Refused, group: &[u8], user: &[u8], path: &Path) -> Stop {
    let what = match why {
        Refused::AlreadyMember => "already member",
        Refused::NotMember => "not member",
        why => return refused(why, "group", group, path),
    };
    let (group, user) = (String::from_utf8_lossy(group), String::from_utf8_lossy(user));
    Stop::Die(DIED, format!("account[{user}] is {what} of '{group}'"))
}

fn unreadable(path: &Path, error: &io::Error) -> Stop {
    died(error, format!("Unable to open '{}' for read: {error}", path.display()))
}

/// Perl's exit code is the error number of the system call.
fn died(error: &io::Error, message: String) -> Stop {
    let code = error.raw_os_error().and_then(|code| u8::try_from(code).ok());
    Stop::Die(code.unwrap_or(DIED), message)
}

impl From<Failed> for Stop {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Open(path, error) => unreadable(&path, &error),
            Failed::Write(path, error) => {
                died(&error, format!("Unable to open '{}' for write: {error}", path.display()))
            }
            Failed::Rename(path, error) => {
                died(&error, format!("Unable to rename to '{}': {error}", path.display()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_written_as_getopt_long_takes_them() {
        for (given, want) in [
            ("--type passwd", "--type=passwd"),
            ("-TYPE=passwd x", "--type=passwd"),
            ("+name -x --gid -1", "--name=-x --gid=-1"),
            ("-h", "--help"),
            ("-?", "--help"),
            ("--passwd_path --", "--passwd_path=--"),
            ("- x --type=a -- --name x", "--type=a"),
            ("--name= x --gid", "--name --gid"),
        ] {
            let args: Vec<OsString> = given.split(' ').map(Into::into).collect();
            let made: Vec<_> = want.split(' ').map(OsString::from).collect();
            assert_eq!(as_long_options(&args), made, "{given}");
        }
    }
}
