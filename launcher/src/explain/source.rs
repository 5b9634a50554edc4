//! Who gave an answer.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::value;
use crate::ask::{Environment, Found, ask};
use crate::service;
use nss_wrapper_environment::{Database, names};

/// The library's variables that may give an answer, besides the database's own.
const OTHERS: [&str; 4] =
    [names::USER, names::FALLTHROUGH, names::MODULE_SO_PATH, names::MODULE_FN_PREFIX];

/// Who gave the answer that was found in the environment.
pub(super) fn of(
    database: Database,
    key: &str,
    found: &Found,
    environment: &Environment,
) -> io::Result<String> {
    let mut environment = environment.clone();
    // A preloaded library reads the configuration of the service too.
    if let Ok((all, _)) = service::running_configuration() {
        for (name, text) in all.iter() {
            let is_set = environment.get(OsStr::new(name)).map(Option::is_some);
            if !is_set.unwrap_or_else(|| std::env::var_os(name).is_some()) {
                environment.insert(name.into(), Some(text.into()));
            }
        }
    }
    if found.preloaded.is_some() {
        let source = of_library(database, key, found, &environment)?;
        return Ok(source.unwrap_or_else(|| of_system(database, key)));
    }
    let system = of_system(database, key);
    // The system's files are asked before the service.
    let (Some(service), false) = (&found.service, system.starts_with("the file")) else {
        return Ok(system);
    };
    // The service answers what the library answers with the same configuration.
    environment.insert("LD_PRELOAD".into(), Some(service.into()));
    environment.insert(names::FALLTHROUGH.into(), Some("".into()));
    let source = of_library(database, key, found, &environment)?;
    Ok(source.map_or(system, |source| format!("the service wrapper_rs, from {source}")))
}

/// Which of the library's sources has the answer; `None` if it is the system's.
fn of_library(
    database: Database,
    key: &str,
    found: &Found,
    environment: &Environment,
) -> io::Result<Option<String>> {
    let own = value(database.variable(), environment);
    let module = value(names::MODULE_SO_PATH, environment);
    let answers = |without: &[&str]| {
        let mut environment = environment.clone();
        // Empty, not unset: for an unset variable the service's configuration would count.
        environment.extend(without.iter().map(|name| (name.into(), Some("".into()))));
        // Another entry of that name may take the place of one that is left out.
        ask(database, key, &environment).map(|left| left.entry == found.entry)
    };
    if let Some(own) = &own {
        if answers(&OTHERS)? {
            return Ok(Some(of_file(database, key, own)));
        }
    }
    if let Some(module) = module {
        let is_its = match own {
            Some(_) => answers(&[names::USER, names::FALLTHROUGH])?,
            // Without a file for the database the system is asked after the module.
            None => !answers(&[names::USER, names::MODULE_SO_PATH])?,
        };
        if is_its {
            let name = names::MODULE_SO_PATH;
            return Ok(Some(format!("the module {} ({name})", module.to_string_lossy())));
        }
    }
    let has_line = value(names::USER, environment).is_some() && database != Database::Hosts;
    if has_line && !answers(&[names::USER])? {
        let name = names::USER;
        return Ok(Some(format!("the line in {name}, which stands for an id without an entry")));
    }
    Ok(None)
}

fn of_file(database: Database, key: &str, value: &OsString) -> String {
    let name = database.variable();
    if value.as_bytes().contains(&b'\n') {
        let line = line_of(database, key, value.as_bytes());
        return format!(
            "the value of {name}{}",
            line.map_or(String::new(), |n| format!(", line {n}"))
        );
    }
    let path = Path::new(value);
    let line = fs::read(path).ok().and_then(|text| line_of(database, key, &text));
    let line = line.map_or(String::new(), |number| format!(":{number}"));
    format!("the file {}{line} ({name})", path.display())
}

fn of_system(database: Database, key: &str) -> String {
    let path = database.path();
    let line = fs::read(&path).ok().and_then(|text| line_of(database, key, &text));
    match line {
        Some(line) => format!("the file {}:{line}", path.display()),
        None => {
            let text = fs::read_to_string(service::NSSWITCH).unwrap_or_default();
            let is_of =
                |line: &&str| line.trim_start().starts_with(&format!("{}:", database.name()));
            match text.lines().rfind(is_of) {
                Some(line) => {
                    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
                    format!("the system ({}: {line})", service::NSSWITCH)
                }
                None => "the system".to_owned(),
            }
        }
    }
}

/// The number of the first line that has the name, the id or the address.
fn line_of(database: Database, key: &str, text: &[u8]) -> Option<usize> {
    let is_of = |line: &[u8]| {
        let line = String::from_utf8_lossy(line);
        if database == Database::Hosts {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
            return match key.parse::<IpAddr>() {
                Ok(wanted) => address == Some(wanted),
                Err(_) => address.is_some() && words.any(|word| word.eq_ignore_ascii_case(key)),
            };
        }
        if line.trim_start().starts_with('#') {
            return false;
        }
        let mut fields = line.trim_start().split(':');
        let (name, id) = (fields.next(), fields.nth(1));
        match key.parse::<u32>() {
            Ok(wanted) => id.and_then(|id| id.trim_start().parse().ok()) == Some(wanted),
            Err(_) => name == Some(key),
        }
    };
    text.split(|byte| *byte == b'\n').position(is_of).map(|at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_by_name_id_or_address() {
        let users = b"# a:x:1\nb:x:1:2\nc:x:01:3\nb:x:4:4";
        for (key, want) in [("b", Some(2)), ("1", Some(2)), ("4", Some(4)), ("d", None)] {
            assert_eq!(line_of(Database::Passwd, key, users), want, "{key}");
        }
        let hosts = b"10.0.0.1 a b # c\n\n::1 A\n";
        for (key, want) in [("B", Some(1)), ("c", None), ("0:0:0:0:0:0:0:1", Some(3))] {
            assert_eq!(line_of(Database::Hosts, key, hosts), want, "{key}");
        }
    }
}
