//! `/etc/nss_wrapper_rs.conf`: what the library answers as a service. docs/service.md describes the
//! format.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::tree::Tree;
use crate::options::{Options, User};
use nss_wrapper_environment::{Database, names, template};

/// Where the library reads it.
pub(crate) const PATH: &str = "/etc/nss_wrapper_rs.conf";

/// Its name in /etc.
pub(crate) const NAME: &str = "nss_wrapper_rs.conf";

/// The first line of a file that the launcher wrote.
pub(crate) const HEADER: &str = "# Written by nss-wrapper --install-service.\n";

/// The names that may stand in it.
const NAMES: [&str; 9] = [
    names::USER,
    names::PASSWD,
    names::GROUP,
    names::SHADOW,
    names::HOSTS,
    names::FALLTHROUGH,
    names::MODULE_SO_PATH,
    names::MODULE_FN_PREFIX,
    names::DEBUGLEVEL,
];

/// The library does not use a longer file.
const LONGEST: usize = (16 << 10) - 1;

/// Values by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Configuration(BTreeMap<&'static str, String>);

impl Configuration {
    /// What the options say. Their files must exist, and only root may be able to write them.
    pub(crate) fn of(options: &Options, tree: &Tree) -> Result<Self, String> {
        if !options.host.is_empty() {
            return Err("a service has its hosts from a file: --hosts FILE".to_owned());
        }
        if options.hostname.is_some() {
            return Err("a service is not asked for the name of this host: --hostname".to_owned());
        }
        let mut all = Self::default();
        match &options.user[..] {
            [] => {}
            [user] => all.set(names::USER, line(user)),
            _ => {
                let message = "a service names one user by --user; more have a file: --passwd FILE";
                return Err(message.to_owned());
            }
        }
        for (database, file) in options.files() {
            all.set(database.variable(), text(file)?);
        }
        if let Some(module) = &options.module {
            all.set(names::MODULE_SO_PATH, text(module)?);
        }
        if let Some(prefix) = &options.module_prefix {
            all.set(names::MODULE_FN_PREFIX, text(Path::new(prefix))?);
        }
        if options.fall_through {
            all.set(names::FALLTHROUGH, "1".to_owned());
        }
        if let Some(level) = options.debug {
            all.set(names::DEBUGLEVEL, level.to_string());
        }
        let settings = [names::FALLTHROUGH, names::DEBUGLEVEL];
        if !all.is_empty() && all.0.keys().all(|name| settings.contains(name)) {
            let message =
                "nothing says what the service is to answer: --user LINE, or --passwd FILE";
            return Err(message.to_owned());
        }
        all.check_files(tree)?;
        check_length(&all.to_text())?;
        Ok(all)
    }

    /// Refuses files that are missing, or that others than root can write.
    pub(crate) fn check_files(&self, tree: &Tree) -> Result<(), String> {
        for database in Database::ALL {
            if let Some(file) = self.get(database.variable()) {
                database.check_file(&trusted(tree, Path::new(file))?)?;
            }
        }
        match self.get(names::MODULE_SO_PATH) {
            // dlopen(3) searches for a name without a slash.
            Some(module) if module.contains('/') => trusted(tree, Path::new(module)).map(drop),
            _ => Ok(()),
        }
    }

    fn set(&mut self, name: &'static str, value: String) {
        self.0.insert(name, value);
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The databases that get the service: users and groups, and those with a file.
    pub(crate) fn databases(&self) -> Vec<Database> {
        let is_asked = |database: &Database| {
            matches!(database, Database::Passwd | Database::Group)
                || self.0.contains_key(database.variable())
        };
        Database::ALL.into_iter().filter(is_asked).collect()
    }

    /// The file's content.
    pub(crate) fn to_text(&self) -> String {
        let lines = self.0.iter().map(|(name, value)| format!("{name}={value}\n"));
        std::iter::once(HEADER.to_owned()).chain(lines).collect()
    }

    /// Reads the file's content, and what is wrong in which of its lines.
    pub(crate) fn parse(text: &str) -> Result<(Self, Vec<(usize, String)>), String> {
        check_length(text)?;
        let (mut all, mut faults) = (Self::default(), Vec::new());
        for (at, line) in text.split('\n').enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let setting = line.split_once('=').ok_or_else(|| "not NAME=value".to_owned());
            let known = setting.and_then(|(name, value)| {
                let known = NAMES.into_iter().find(|known| *known == name);
                let known = known.ok_or_else(|| format!("unknown name {name:?}"))?;
                // The library does not use them: the user of a set-user-id program chooses the working directory.
                let is_file = Database::ALL.into_iter().any(|database| database.variable() == name)
                    || name == names::MODULE_SO_PATH && value.contains('/');
                if is_file && !value.is_empty() && !value.starts_with('/') {
                    return Err(format!("{name} is no absolute path"));
                }
                Ok((known, value))
            });
            match known {
                Ok((name, value)) => all.set(name, value.to_owned()),
                Err(why) => faults.push((at + 1, why)),
            }
        }
        Ok((all, faults))
    }
}

fn check_length(text: &str) -> Result<(), String> {
    let length = text.len();
    if length <= LONGEST {
        return Ok(());
    }
    Err(format!("a configuration of {length} bytes is too long for the library: {LONGEST} at most"))
}

/// The line for whoever runs a process.
fn line(user: &User) -> String {
    if let Some(line) = &user.line {
        return line.clone();
    }
    let name = template::escape(&user.name);
    let id = |id: Option<u32>, sign: &str| id.map_or(sign.to_owned(), |id| id.to_string());
    let (uid, gid) = (id(user.uid, "%u"), id(user.gid, "%g"));
    format!("{name}:x:{uid}:{gid}:{name}:%h:/bin/sh")
}

/// The file's path, if only root can write it.
fn trusted(tree: &Tree, file: &Path) -> Result<PathBuf, String> {
    if !file.is_absolute() {
        return Err(format!("{}: a service needs an absolute path", file.display()));
    }
    tree.find_trusted(file)
}

fn text(path: &Path) -> Result<String, String> {
    match path.to_str() {
        Some(text) if !text.contains('\n') => Ok(text.to_owned()),
        _ => Err(format!("{path:?} cannot stand in {PATH}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn of(args: &[&str]) -> Result<Configuration, String> {
        let args = ["nss-wrapper", "--install-service"].iter().chain(args);
        let options = Options::try_parse_from(args).map_err(|e| e.to_string())?;
        Configuration::of(&options, &Tree::new(None)?)
    }

    #[test]
    fn the_text_has_the_options_and_is_read_again() {
        let line = "app:x:%u:%g:50%% = half:%h:/bin/bash";
        let made = of(&["--user", line, "--fall-through"]).expect("right");
        let text = format!("{HEADER}NSS_WRAPPER_FALLTHROUGH=1\nNSS_WRAPPER_USER={line}\n");
        assert_eq!(made.to_text(), text);
        assert_eq!(Configuration::parse(&text), Ok((made, Vec::new())));
        let short = of(&["--user", "app"]).expect("right");
        assert_eq!(short.get("NSS_WRAPPER_USER"), Some("app:x:%u:%g:app:%h:/bin/sh"));
        assert_eq!(short.databases(), [Database::Passwd, Database::Group]);
        let fixed = of(&["--user", "app:70000"]).expect("right");
        assert_eq!(fixed.get("NSS_WRAPPER_USER"), Some("app:x:70000:%g:app:%h:/bin/sh"));
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        for (text, line, why) in [
            ("# c\n\nNSS_WRAPPER_USER", 3, "not NAME=value"),
            ("LD_PRELOAD=/x\n", 1, "unknown name \"LD_PRELOAD\""),
            ("NSS_WRAPPER_HOSTNAME=x", 1, "unknown name \"NSS_WRAPPER_HOSTNAME\""),
            (" NSS_WRAPPER_USER=x", 1, "unknown name \" NSS_WRAPPER_USER\""),
            ("NSS_WRAPPER_HOSTS=hosts", 1, "NSS_WRAPPER_HOSTS is no absolute path"),
            ("NSS_WRAPPER_MODULE_SO_PATH=./m", 1, "NSS_WRAPPER_MODULE_SO_PATH is no absolute path"),
        ] {
            let (all, faults) = Configuration::parse(text).expect("short");
            assert_eq!((all.is_empty(), faults), (true, vec![(line, why.to_owned())]));
        }
        let (spaces, _) = Configuration::parse("NSS_WRAPPER_USER= a \n").expect("short");
        assert_eq!(spaces.get("NSS_WRAPPER_USER"), Some(" a "), "the value is what follows");
    }

    #[test]
    fn what_a_service_cannot_have_is_refused() {
        for (args, why) in [
            (&["--user", "a", "--user", "b"][..], "--passwd FILE"),
            (&["--host", "a=::1"], "--hosts FILE"),
            (&["--hostname", "a"], "--hostname"),
            (&["--passwd", "passwd"], "an absolute path"),
            (&["--passwd", "/no/such"], "/no/such: No such file or directory"),
            (&["--module", "./m.so", "--module-prefix", "m"], "an absolute path"),
        ] {
            let refused = of(args).expect_err(why);
            assert!(refused.contains(why), "{refused}");
        }
    }
}
