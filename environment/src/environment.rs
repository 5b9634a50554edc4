//! Turns users, groups and hosts into the variables of a command's environment.
//!
//! Users, groups and hosts that are named one by one are in no file. They become text in the
//! variable itself: a value with a line break in it is the content of a file. Only that lives as
//! long as the command and all that it starts, and leaves nothing behind. Somebody would have to
//! remove a temporary file: the launcher itself is gone with its exec, and a process left to do it
//! would be a child that the command, as process 1 of a container, does not expect. A memfd is gone
//! when the command closes its descriptors, as daemons do, and no other user may open it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::{self, Display};
use std::net::IpAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf, absolute};
use std::process::Command;

use crate::database::{Database, why};
use crate::entry::{Group, User, host_fault};
use crate::preload::{self, ld_preload};
use crate::{names, system, template};

/// The kernel's limit for one variable with its name and NUL: 32 pages, execve(2).
const LONGEST: usize = 128 << 10;

/// The configuration of the library as a service.
const SERVICE_FILE: &str = "/etc/nss_wrapper_rs.conf";

/// Variables by name.
pub type Variables = BTreeMap<&'static str, OsString>;

/// One line that says what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<String> for Error {
    fn from(line: String) -> Self {
        Self(line)
    }
}

impl From<Error> for String {
    fn from(error: Error) -> Self {
        error.0
    }
}

/// The users, groups and hosts that a command is to see.
///
/// Everything else is left to the system, or to the library's variables that the environment has already. A variable
/// that nothing here sets stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    set: Variables,
    files: BTreeMap<Database, PathBuf>,
    module: Option<PathBuf>,
    user_line: Option<String>,
    users: Vec<User>,
    groups: Vec<Group>,
    hosts: Vec<(String, IpAddr)>,
    library: Option<PathBuf>,
    /// What the command has been given already: values, and `None` for what was removed.
    given: BTreeMap<OsString, Option<OsString>>,
}

impl Environment {
    /// An environment that changes nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a user, before those of a file or of the system; of two with one name or id the first counts. A group id
    /// without a name gets a group of the user's name.
    #[must_use]
    pub fn user(mut self, user: User) -> Self {
        self.users.push(user);
        self
    }

    /// Adds a group, before those of a file or of the system.
    #[must_use]
    pub fn group(mut self, group: Group) -> Self {
        self.groups.push(group);
        self
    }

    /// Adds a host, before those of a file or of the system. A name may have several addresses.
    #[must_use]
    pub fn host(mut self, name: impl Into<String>, address: IpAddr) -> Self {
        self.hosts.push((name.into(), address));
        self
    }

    /// Names the user who runs the command, if the id has no name: a passwd(5) line in which `%u` and `%g` are the real
    /// ids, `%h` is `$HOME`, and `%%` a percent sign.
    #[must_use]
    pub fn user_line(mut self, line: impl Into<String>) -> Self {
        self.user_line = Some(line.into());
        self
    }

    /// Takes all of a database from this file.
    #[must_use]
    pub fn file(mut self, database: Database, file: impl Into<PathBuf>) -> Self {
        self.files.insert(database, file.into());
        self
    }

    /// What gethostname(2) says.
    #[must_use]
    pub fn hostname(mut self, name: impl Into<OsString>) -> Self {
        self.set.insert(names::HOSTNAME, name.into());
        self
    }

    /// Asks this NSS module after the files; `prefix` is the NAME in its functions, as in `_nss_NAME_getpwnam_r`.
    #[must_use]
    pub fn module(mut self, file: impl Into<PathBuf>, prefix: impl Into<OsString>) -> Self {
        self.module = Some(file.into());
        self.set.insert(names::MODULE_FN_PREFIX, prefix.into());
        self
    }

    /// Whether the system is asked for what is neither added here nor in a file. Without this call it is asked if
    /// something is added to a database without a file.
    #[must_use]
    pub fn fall_through(mut self, falls_through: bool) -> Self {
        self.set.insert(names::FALLTHROUGH, if falls_through { "1" } else { "0" }.into());
        self
    }

    /// What the library reports on standard error: 0 errors, 1 warnings, 2 what is loaded, 3 each lookup.
    #[must_use]
    pub fn debug_level(mut self, level: u8) -> Self {
        self.set.insert(names::DEBUGLEVEL, level.to_string().into());
        self
    }

    /// Where the library is. Without this call it is the one that the variable `NSS_WRAPPER_RS_LIBRARY` names, or the first
    /// that is found beside this program, in a directory above it (cargo's tests), or in a directory of libraries.
    #[must_use]
    pub fn library(mut self, file: impl Into<PathBuf>) -> Self {
        self.library = Some(file.into());
        self
    }

    /// Sets the variables of the command, and `LD_PRELOAD`, in which the library comes before what is preloaded already.
    ///
    /// # Errors
    ///
    /// If there is no library, a file is missing or of another kind, or something cannot be a line of its database.
    pub fn apply<'a>(&self, command: &'a mut Command) -> Result<&'a mut Command, Error> {
        let library = match &self.library {
            Some(file) => preload::library(Some(file))?,
            None => preload::installed()?,
        };
        let given = command.get_envs().map(|(name, value)| (name.into(), value.map(Into::into)));
        let for_command = Self { given: given.collect(), ..self.clone() };
        let preload = ld_preload(&library, for_command.present("LD_PRELOAD").as_deref())?;
        Ok(command.envs(for_command.variables()?).env("LD_PRELOAD", preload))
    }

    /// The variable's value so far, unless it is empty.
    fn present(&self, name: &str) -> Option<OsString> {
        let given = self.given.get(OsStr::new(name)).cloned();
        given.unwrap_or_else(|| std::env::var_os(name)).filter(|value| !value.is_empty())
    }

    /// The variables, without `LD_PRELOAD`.
    ///
    /// # Errors
    ///
    /// As [`Self::apply`].
    pub fn variables(&self) -> Result<Variables, Error> {
        let mut set = self.named()?;
        if let Some(line) = &self.user_line {
            template::check(line)?;
            // The library accepts one line break at the end, and no line at all.
            let process = template::Process { uid: 0, gid: 0, home: "/" };
            let entry = template::expand(line.trim_end_matches(['\r', '\n']), &process);
            if !entry.is_empty() {
                entry.parse::<User>()?;
            }
            set.insert(names::USER, line.into());
        }
        let faults = self.users.iter().filter_map(User::fault);
        let faults = faults.chain(self.groups.iter().filter_map(Group::fault));
        let hosts = self.hosts.iter().filter_map(|(name, _)| host_fault(name));
        if let Some(fault) = faults.chain(hosts).next() {
            return Err(Error(fault));
        }
        if !self.users.is_empty() || !self.groups.is_empty() {
            self.lay_users(&mut set)?;
        }
        let hosts = self.hosts.iter().map(|(name, address)| format!("{address} {name}"));
        self.lay(Database::Hosts, lines(hosts), &mut set)?;
        match set.iter().find(|(name, value)| name.len() + value.len() + 2 > LONGEST) {
            Some((name, _)) => Err(Error(format!(
                "the file of {name} is too large to be handed on with more lines; nss-wrapper --edit adds them to a file"
            ))),
            None => Ok(set),
        }
    }

    fn lay_users(&self, set: &mut Variables) -> Result<(), Error> {
        let group = self.found(Database::Group)?;
        let has_group = |gid| group.has_id(Database::Group, gid);
        let missing = missing_groups(&self.users, &self.groups, has_group);
        self.lay(Database::Passwd, lines(&self.users), set)?;
        // One variable makes all databases fall through. With it the system's users would appear
        // again, which the given passwd file replaces; a group's name is not worth that.
        let is_wanted = !self.groups.is_empty()
            || group.text.is_some()
            || group.falls_through
            || set.contains_key(names::FALLTHROUGH);
        if is_wanted {
            self.lay(Database::Group, lines(self.groups.iter().chain(&missing)), set)?;
        }
        Ok(())
    }

    /// The variables for everything but users, groups and hosts.
    fn named(&self) -> Result<Variables, Error> {
        let mut set = self.set.clone();
        for (database, file) in &self.files {
            let file = PathBuf::from(whole(file)?);
            database.check_file(&file)?;
            set.insert(database.variable(), file.into());
        }
        if let Some(module) = &self.module {
            // dlopen(3) searches for a name without a slash.
            let is_searched = !module.as_os_str().as_bytes().contains(&b'/');
            let module = if is_searched {
                module.clone()
            } else {
                preload::shared_object(module, "the module")?
            };
            set.insert(names::MODULE_SO_PATH, module.into());
        }
        Ok(set)
    }

    /// What the database has before users, groups and hosts are added.
    ///
    /// # Errors
    ///
    /// If a file is missing or of another kind.
    pub fn found(&self, database: Database) -> Result<Found, Error> {
        let set = self.named()?;
        let value = |name: &str| set.get(name).cloned().or_else(|| self.present(name));
        let text = match value(database.variable()) {
            None => None,
            Some(text) if text.as_bytes().contains(&b'\n') => Some(text.into_vec()),
            Some(path) => {
                // A file that was given is checked, so this is about one of a variable.
                let shown = Path::new(&path).display();
                let failed = |e| format!("{}={shown}: {}", database.variable(), why(&e));
                Some(std::fs::read(&path).map_err(failed)?)
            }
        };
        let falls_through = value(names::FALLTHROUGH).is_some_and(|value| value == "1");
        let names_caller = self.users.iter().any(|user| user.uid == system::uid());
        Ok(Found { text, falls_through, names_caller })
    }

    /// Puts lines before what the database has.
    fn lay(&self, database: Database, lines: String, set: &mut Variables) -> Result<(), Error> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut all = lines.into_bytes();
        match self.found(database)?.text {
            None => {
                set.entry(names::FALLTHROUGH).or_insert_with(|| "1".into());
            }
            Some(text) => all.extend(text),
        }
        if all.contains(&0) {
            let name = database.variable();
            return Err(Error(format!("the file of {name} has a NUL byte in it")));
        }
        set.insert(database.variable(), OsString::from_vec(all));
        Ok(())
    }
}

/// What a database has already.
#[derive(Debug)]
pub struct Found {
    /// The content of its file; without one, the system is asked.
    pub text: Option<Vec<u8>>,
    /// The system is asked after the file too.
    pub falls_through: bool,
    /// A user is added who has the caller's id.
    names_caller: bool,
}

impl Found {
    /// True if a user or a group of that id is there.
    #[must_use]
    pub fn has_id(&self, database: Database, id: u32) -> bool {
        let in_system = || match database {
            Database::Passwd => system::has_user(id),
            // If the library is preloaded here too, it names the caller's group after the user of NSS_WRAPPER_USER. For the
            // command it does not, because there somebody else has the caller's id.
            Database::Group if self.names_caller && has_user_line() => {
                std::fs::read(database.path()).is_ok_and(|text| has_id(&text, id))
            }
            Database::Group => system::has_group(id),
            Database::Shadow | Database::Hosts => false,
        };
        match &self.text {
            None => in_system(),
            Some(text) => has_id(text, id) || self.falls_through && in_system(),
        }
    }
}

/// True if `NSS_WRAPPER_USER` may have a line here, from the environment or from a service's configuration.
fn has_user_line() -> bool {
    match std::env::var_os(names::USER) {
        Some(line) => !line.is_empty(),
        None => Path::new(SERVICE_FILE).exists(),
    }
}

/// True if a line of the passwd(5) or group(5) text has the id.
#[must_use]
pub fn has_id(text: &[u8], id: u32) -> bool {
    // A comment and a line of the compat service are no entries.
    let is_entry = |line: &&[u8]| !matches!(line.trim_ascii_start(), [b'#' | b'+' | b'-', ..]);
    text.split(|byte| *byte == b'\n').filter(is_entry).any(|line| {
        let field = line.split(|byte| *byte == b':').nth(2).unwrap_or_default();
        std::str::from_utf8(field).is_ok_and(|field| field.parse() == Ok(id))
    })
}

/// Groups, named after the users, for the users whose group has no name.
pub fn missing_groups(
    users: &[User],
    groups: &[Group],
    has_group: impl Fn(u32) -> bool,
) -> Vec<Group> {
    let mut missing: Vec<Group> = Vec::new();
    for user in users {
        let is_named = groups.iter().chain(&missing).any(|group| group.gid == user.gid);
        if !is_named && !has_group(user.gid) {
            missing.push(Group::new(&user.name, user.gid));
        }
    }
    missing
}

/// A line for each.
pub fn lines<T: Display>(entries: impl IntoIterator<Item = T>) -> String {
    entries.into_iter().map(|entry| format!("{entry}\n")).collect()
}

/// The absolute path, because the command may change its directory before its first question.
fn whole(file: &Path) -> Result<OsString, Error> {
    absolute(file).map(Into::into).map_err(|e| Error(format!("{}: {}", file.display(), why(&e))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("file");
        std::fs::write(&path, text).expect("ours");
        (dir, path)
    }

    #[test]
    fn lines_go_before_a_file_or_over_the_system() {
        let named = Environment::new().user(User::new("a", 70001).gid(0));
        let set = named.variables().expect("right");
        assert_eq!(set[names::PASSWD], "a:x:70001:0::/:/bin/sh\n");
        assert_eq!(set[names::FALLTHROUGH], "1");
        assert!(!set.contains_key(names::GROUP), "0 has a name: {set:?}");
        let (_dir, path) = file("b:x:2:2:::");
        let set = named.clone().file(Database::Passwd, &path).variables().expect("right");
        assert_eq!(set[names::PASSWD], "a:x:70001:0::/:/bin/sh\nb:x:2:2:::");
        assert!(!set.contains_key(names::FALLTHROUGH));
        let set = named.fall_through(false).variables().expect("right");
        assert_eq!(set[names::FALLTHROUGH], "0");
        let (_dir, path) = file(b"b:x:2:2:::\n\0");
        let with = |path| Environment::new().user(User::new("a", 1)).file(Database::Passwd, path);
        assert!(with(&path).variables().is_err_and(|e| e.to_string().contains("NUL")));
        let (_dir, path) = file(["b:x:2:2:::\n".as_bytes(), &[b'#'; LONGEST]].concat());
        assert!(with(&path).variables().is_err_and(|e| e.to_string().contains("too large")));
    }

    #[test]
    fn a_group_id_without_a_name_gets_the_users() {
        let user = |name: &str, gid| User::new(name, 70001).gid(gid);
        let all = Environment::new().user(user("a", 70001)).user(user("b", 70001));
        let set = all.group(Group::new("c", 70002)).user(user("d", 70002)).variables();
        assert_eq!(set.expect("right")[names::GROUP], "c:x:70002:\na:x:70001:\n");
        // The passwd file replaces the system's users. They must not come back because of a group.
        let (_dir, path) = file("b:x:2:2:::\n");
        let all = Environment::new().file(Database::Passwd, &path).user(user("a", 70001));
        let set = all.clone().variables().expect("right");
        assert!(!set.contains_key(names::GROUP) && !set.contains_key(names::FALLTHROUGH));
        let (_dir, path) = file("g:x:2:\n");
        let set = all.file(Database::Group, &path).variables().expect("right");
        assert_eq!(set[names::GROUP], "a:x:70001:\ng:x:2:\n");
    }

    #[test]
    fn what_cannot_be_is_one_line() {
        for (environment, why) in [
            (Environment::new().user(User::new("a:b", 1)), "no user can have the name \"a:b\""),
            (Environment::new().host("a b", [127, 0, 0, 1].into()), "no host can have the name"),
            (Environment::new().user_line("a:x:%u:%g:%x:/:"), "%x stands for nothing"),
            (Environment::new().user_line("a"), "not the seven fields of a passwd(5) line"),
            (Environment::new().user_line("a:x:me:%g:::"), "no id: \"me\""),
            (Environment::new().user_line("a:x:%u:%g:::\nb:x:1:1:::"), "not the seven fields"),
            (Environment::new().file(Database::Group, "/none"), "/none: No such file or directory"),
            (Environment::new().file(Database::Hosts, "/etc/passwd"), "not a hosts(5) file"),
        ] {
            let error = environment.variables().expect_err(why).to_string();
            assert!(error.contains(why) && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn an_id_is_looked_for_in_the_third_field() {
        let found = |falls_through| Found {
            text: Some(b"a:x:10:20::/:/x\n#c\nb:x:7\n".to_vec()),
            falls_through,
            names_caller: false,
        };
        let has = |falls_through, id| found(falls_through).has_id(Database::Passwd, id);
        assert!(has(false, 10) && has(false, 7) && !has(false, 20) && !has(false, 0));
        assert!(has(true, 0), "root is in the system");
    }
}
