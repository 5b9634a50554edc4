//! The variables that the options become in the command's environment.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use nss_wrapper_environment::{Environment, Variables, names};

use crate::options::Options;
use crate::system;
use crate::users::{self, Named};

/// The variables for the users, groups and hosts that the options name.
pub(crate) fn of(options: &Options) -> Result<Variables, String> {
    let set = || Ok(environment(options)?.variables()?);
    // The library may be preloaded here too. If the caller gets another name than that of the variable, neither that
    // name nor its group is an entry.
    let own = system::real_ids().0;
    if options.user.iter().any(|user| user.uid.is_none_or(|uid| uid == own)) {
        return system::with_empty(names::USER, set);
    }
    set()
}

fn environment(options: &Options) -> Result<Environment, String> {
    let mut environment = files(options);
    if let (Some(module), Some(prefix)) = (&options.module, &options.module_prefix) {
        environment = environment.module(module, prefix);
    }
    if let Some(name) = &options.hostname {
        environment = environment.hostname(name);
    }
    if let Some(level) = options.debug {
        environment = environment.debug_level(level);
    }
    if !options.user.is_empty() {
        match users::named(&options.user, &environment)? {
            Named::Own(line) => environment = environment.user_line(line),
            Named::Users(users) => {
                environment = users.into_iter().fold(environment, Environment::user);
            }
        }
    }
    for host in &options.host {
        environment = environment.host(&host.name, host.address);
    }
    Ok(environment)
}

/// The files that the options name.
pub(crate) fn files(options: &Options) -> Environment {
    let files = options.files();
    let environment =
        files.fold(Environment::new(), |all, (database, file)| all.file(database, file));
    if options.fall_through { environment.fall_through(true) } else { environment }
}

/// The value that the environment gives a variable.
pub(crate) fn value(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// What the peer reads and the library accepts.
const ACCEPTED: [&str; 2] = ["NSS_WRAPPER_MAX_HOSTENTS", "NSS_WRAPPER_DISABLE_DEEPBIND"];

/// How the variables begin that are for the launcher or for building.
const OWN: &str = "NSS_WRAPPER_RS_";

/// The variables whose names begin like the library's, but that nobody reads: misspelt ones.
pub(crate) fn unknown() -> Vec<String> {
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    let is_known = |name: &str| {
        names::ALL.contains(&name) || ACCEPTED.contains(&name) || name.starts_with(OWN)
    };
    let mut unknown: Vec<_> =
        names.filter(|name| name.starts_with("NSS_WRAPPER_") && !is_known(name)).collect();
    unknown.sort();
    unknown
}

/// The lines that set the variables in a shell.
pub(crate) fn exports(set: &Variables) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in set {
        // Only a NUL byte cannot be quoted. No value has one: the environment cannot hold one, and
        // files with one were refused.
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
}
