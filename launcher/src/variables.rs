//! What the options become in the command's environment.
//!
//! Users and hosts that are named on the command line are in no file. They travel as text in the
//! variable itself: a value with a line break in it is what a file would hold. Nothing else is
//! there for the whole life of the command and of all that it starts, and leaves nothing behind.
//! A temporary file needs someone to remove it, and the launcher is gone with its exec; a process
//! left to do that is a child that the command, as process 1 of a container, does not expect. A
//! memfd ends when the command closes its descriptors, as daemons do, and no other user may open
//! it. Both need more than a read-only system with a bare environment has.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf, absolute};

use crate::database::why;
use crate::options::{Host, Options, User};
use crate::system;
use crate::users::{self, Named};

pub(crate) const PASSWD: &str = "NSS_WRAPPER_PASSWD";
pub(crate) const GROUP: &str = "NSS_WRAPPER_GROUP";
pub(crate) const SHADOW: &str = "NSS_WRAPPER_SHADOW";
pub(crate) const HOSTS: &str = "NSS_WRAPPER_HOSTS";
pub(crate) const HOSTNAME: &str = "NSS_WRAPPER_HOSTNAME";
pub(crate) const MODULE_SO_PATH: &str = "NSS_WRAPPER_MODULE_SO_PATH";
pub(crate) const MODULE_FN_PREFIX: &str = "NSS_WRAPPER_MODULE_FN_PREFIX";
pub(crate) const USER: &str = "NSS_WRAPPER_USER";
pub(crate) const FALLTHROUGH: &str = "NSS_WRAPPER_FALLTHROUGH";
pub(crate) const DEBUGLEVEL: &str = "NSS_WRAPPER_DEBUGLEVEL";

/// All of them.
pub(crate) const ALL: [&str; 10] = [
    USER,
    PASSWD,
    GROUP,
    SHADOW,
    HOSTS,
    HOSTNAME,
    MODULE_SO_PATH,
    MODULE_FN_PREFIX,
    FALLTHROUGH,
    DEBUGLEVEL,
];

/// The kernel's limit for one variable with its name and NUL: 32 pages, execve(2).
const LONGEST: usize = 128 << 10;

/// Variables by name.
pub(crate) type Variables = BTreeMap<&'static str, OsString>;

/// The variables that the options set.
pub(crate) fn of(options: &Options) -> Result<Variables, String> {
    let mut set = files(options)?;
    if let Some(module) = &options.module {
        // dlopen(3) searches for a name without a slash.
        let is_searched = !module.as_os_str().as_bytes().contains(&b'/');
        set.insert(MODULE_SO_PATH, if is_searched { module.into() } else { whole(module)? });
    }
    let texts = [(HOSTNAME, &options.hostname), (MODULE_FN_PREFIX, &options.module_prefix)];
    for (name, text) in texts {
        if let Some(text) = text {
            set.insert(name, text.clone());
        }
    }
    if let Some(level) = options.debug {
        set.insert(DEBUGLEVEL, level.to_string().into());
    }
    if options.fall_through {
        set.insert(FALLTHROUGH, "1".into());
    }
    users(&options.user, &mut set)?;
    hosts(&options.host, &mut set)?;
    Ok(set)
}

/// The variables for the files that the options name.
pub(crate) fn files(options: &Options) -> Result<Variables, String> {
    let mut set = Variables::new();
    for (database, file) in options.files() {
        let file = PathBuf::from(whole(file)?);
        database.check_file(&file)?;
        set.insert(database.variable(), file.into());
    }
    Ok(set)
}

/// The path from the root on: the command may change its directory before its first question.
fn whole(file: &Path) -> Result<OsString, String> {
    absolute(file).map(Into::into).map_err(|e| format!("{}: {e}", file.display()))
}

fn users(users: &[User], set: &mut Variables) -> Result<(), String> {
    if users.is_empty() {
        return Ok(());
    }
    let passwds = Beneath::of(PASSWD, set)?;
    let groups = Beneath::of(GROUP, set)?;
    let has_user = |uid| passwds.has(uid, || system::has_user(uid));
    let has_group = |gid| groups.has(gid, || system::has_group(gid));
    match users::named(users, has_user, has_group) {
        Named::Own(line) => {
            set.insert(USER, line.into());
        }
        Named::Lines { passwd, group } => {
            passwds.lay(passwd, set)?;
            // One variable lets all databases fall through: a group of ours is not worth that those
            // users appear whom the given passwd file was to replace.
            if groups.text.is_some() || set.contains_key(FALLTHROUGH) || groups.falls_through {
                groups.lay(group, set)?;
            }
        }
    }
    Ok(())
}

fn hosts(hosts: &[Host], set: &mut Variables) -> Result<(), String> {
    if hosts.is_empty() {
        return Ok(());
    }
    Beneath::of(HOSTS, set)?.lay(host_lines(hosts), set)
}

/// The hosts(5) lines of the hosts.
pub(crate) fn host_lines(hosts: &[Host]) -> String {
    let mut lines = String::new();
    for host in hosts {
        let _ = writeln!(lines, "{} {}", host.address, host.name);
    }
    lines
}

/// The value that the options gave a variable, or else the environment.
pub(crate) fn value(name: &str, set: &Variables) -> Option<OsString> {
    match set.get(name) {
        Some(value) => Some(value.clone()),
        None => std::env::var_os(name).filter(|value| !value.is_empty()),
    }
}

/// What a database has without the lines of ours.
pub(crate) struct Beneath {
    variable: &'static str,
    /// The content of the file that is set; without one, the system is asked.
    pub(crate) text: Option<Vec<u8>>,
    /// The system is asked after the file too.
    pub(crate) falls_through: bool,
}

impl Beneath {
    pub(crate) fn of(variable: &'static str, set: &Variables) -> Result<Self, String> {
        let text = match value(variable, set) {
            None => None,
            Some(text) if text.as_bytes().contains(&b'\n') => Some(text.into_vec()),
            Some(path) => {
                let shown = Path::new(&path).display();
                Some(std::fs::read(&path).map_err(|e| format!("{shown}: {}", why(&e)))?)
            }
        };
        let falls_through = value(FALLTHROUGH, set).is_some_and(|value| value == "1");
        Ok(Self { variable, text, falls_through })
    }

    /// True if a passwd or group line has the id.
    fn has(&self, id: u32, in_system: impl FnOnce() -> bool) -> bool {
        let Some(text) = &self.text else { return in_system() };
        has_id(text, id) || self.falls_through && in_system()
    }

    /// Puts `lines` in front of what is here.
    fn lay(self, lines: String, set: &mut Variables) -> Result<(), String> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut all = lines.into_bytes();
        match self.text {
            None => {
                set.insert(FALLTHROUGH, "1".into());
            }
            Some(text) => all.extend(text),
        }
        if all.contains(&0) {
            return Err(format!("the file of {} has a NUL byte in it", self.variable));
        }
        set.insert(self.variable, OsString::from_vec(all));
        Ok(())
    }
}

/// Refuses what is too long for a variable.
pub(crate) fn check_length(set: &Variables) -> Result<(), String> {
    match set.iter().find(|(name, value)| name.len() + value.len() + 2 > LONGEST) {
        Some((name, _)) => Err(format!(
            "the file of {name} is too large to be handed on with more lines; \
             nss-wrapper --edit adds them to a file"
        )),
        None => Ok(()),
    }
}

/// True if a passwd or group line of the text has the id.
pub(crate) fn has_id(text: &[u8], id: u32) -> bool {
    text.split(|byte| *byte == b'\n').any(|line| {
        let field = line.split(|byte| *byte == b':').nth(2).unwrap_or_default();
        std::str::from_utf8(field).is_ok_and(|field| field.parse() == Ok(id))
    })
}

/// The lines that set the variables in a shell.
pub(crate) fn exports(set: &Variables) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in set {
        // Only a NUL byte has no quotation, and no value has one: the kernel hands none on, and
        // those that come from files were refused.
        let Ok(value) = shlex::bytes::try_quote(value.as_bytes()) else { continue };
        out.extend_from_slice(b"export ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        out.extend_from_slice(&value);
        out.push(b'\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_for_a_shell() {
        let set = Variables::from([
            ("A", "a b".into()),
            ("B", "".into()),
            ("C", "it's \"$x\"\n".into()),
            ("D", "/plain".into()),
        ]);
        let said = String::from_utf8(exports(&set)).expect("text");
        let words: Vec<_> = shlex::split(&said).expect("whole quotations");
        assert_eq!(
            words,
            ["export", "A=a b", "export", "B=", "export", "C=it's \"$x\"\n", "export", "D=/plain"]
        );
    }

    #[test]
    fn lines_go_before_a_file_or_over_the_system() {
        let over = |text: Option<&[u8]>| {
            let beneath =
                Beneath { variable: PASSWD, text: text.map(Into::into), falls_through: false };
            let mut set = Variables::new();
            beneath.lay("a:x:1:1:::\n".to_owned(), &mut set).map(|()| set)
        };
        let laid = over(None).expect("fits");
        assert_eq!(laid[PASSWD], "a:x:1:1:::\n");
        assert_eq!(laid[FALLTHROUGH], "1");
        let laid = over(Some(b"b:x:2:2:::")).expect("fits");
        assert_eq!(laid[PASSWD], "a:x:1:1:::\nb:x:2:2:::");
        assert!(!laid.contains_key(FALLTHROUGH));
        assert!(over(Some(b"b\0")).is_err_and(|e| e.contains("NUL")));
        let laid = over(Some(&[b'b'; LONGEST])).expect("not yet handed on");
        assert!(check_length(&laid).is_err_and(|e| e.contains("too large")));
    }

    #[test]
    fn an_id_is_looked_for_in_the_third_field() {
        let beneath = |falls_through| Beneath {
            variable: PASSWD,
            text: Some(b"a:x:10:20::/:/x\n#c\nb:x:7\n".to_vec()),
            falls_through,
        };
        assert!(beneath(false).has(10, || false) && beneath(false).has(7, || false));
        assert!(!beneath(false).has(20, || true));
        assert!(beneath(true).has(20, || true));
    }
}
