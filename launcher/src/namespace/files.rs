//! The files that are mounted over those of /etc: they hold what the library would answer.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStringExt;

use crate::options::{Options, User};
use crate::system;
use crate::users::{self, Named};
use crate::variables;
use nss_wrapper_environment::template::{self, Process};
use nss_wrapper_environment::{Database, Environment, has_id, lines, missing_groups, names, why};

/// The contents that differ from what is in /etc.
pub(crate) fn generate(options: &Options) -> Result<BTreeMap<Database, Vec<u8>>, String> {
    let given = variables::files(options);
    let mut files = Files::default();
    for database in Database::ALL {
        files.take(database, &given)?;
    }
    let own = own_line(options)?;
    let text = |database: Database| files.new[&database].as_slice();
    let named = match (&options.user[..], own) {
        ([], None) => None,
        ([], Some(line)) => Some(Named::Own(line)),
        (users, _) => Some(users::named_where(users, |uid| has_id(text(Database::Passwd), uid))?),
    };
    match named {
        None => {}
        Some(Named::Own(line)) => files.add_own(&line)?,
        Some(Named::Users(users)) => {
            let groups = missing_groups(&users, &[], |gid| has_id(text(Database::Group), gid));
            files.prepend(Database::Passwd, &lines(users));
            files.prepend(Database::Group, &lines(groups));
            files.name_groups();
        }
    }
    let hosts = options.host.iter().map(|host| format!("{} {}", host.address, host.name));
    files.prepend(Database::Hosts, &lines(hosts));
    Ok(files.changed())
}

/// The environment's `NSS_WRAPPER_USER`, for whoever runs the command.
fn own_line(options: &Options) -> Result<Option<String>, String> {
    let Some(value) = variables::value(names::USER) else {
        return Ok(None);
    };
    if !options.user.is_empty() {
        return Ok(None);
    }
    let wrong = |why: &str| format!("{}: {why}", names::USER);
    let value = value.into_string().map_err(|_| wrong("not UTF-8"))?;
    let user: User = value.parse().map_err(|why: String| wrong(&why))?;
    user.line.map(Some).ok_or_else(|| wrong("not the seven fields of a passwd(5) line"))
}

#[derive(Default)]
struct Files {
    /// What is in /etc.
    old: BTreeMap<Database, Vec<u8>>,
    new: BTreeMap<Database, Vec<u8>>,
}

impl Files {
    /// Reads the file in /etc, and the one that shall be there, without our lines.
    fn take(&mut self, database: Database, given: &Environment) -> Result<(), String> {
        let path = database.path();
        let system = match fs::read(&path) {
            Ok(text) => text,
            // Most users may not read shadow; that is an error only if a file is mounted over it.
            Err(_) if database == Database::Shadow => Vec::new(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(format!("{}: {}", path.display(), why(&error))),
        };
        let given = given.found(database)?;
        let new = match given.text {
            None => system.clone(),
            Some(mut text) => {
                if given.falls_through {
                    end_line(&mut text);
                    text.extend_from_slice(&system);
                }
                text
            }
        };
        self.old.insert(database, system);
        self.new.insert(database, new);
        Ok(())
    }

    fn text(&mut self, database: Database) -> &mut Vec<u8> {
        self.new.entry(database).or_default()
    }

    fn prepend(&mut self, database: Database, lines: &str) {
        self.text(database).splice(0..0, lines.bytes());
    }

    /// Adds the user of `NSS_WRAPPER_USER`, if the id has no entry. Of several users of that name it is the first, as
    /// for the library.
    fn add_own(&mut self, line: &str) -> Result<(), String> {
        let user: User = line.parse().map_err(|why| format!("{}: {why}", names::USER))?;
        let (uid, gid) = system::real_ids();
        let home = template::home();
        let process = Process { uid, gid, home: &home };
        let (own_uid, own_gid) = (user.uid.unwrap_or(uid), user.gid.unwrap_or(gid));
        if has_id(self.text(Database::Passwd), own_uid) {
            return Ok(());
        }
        self.prepend(Database::Passwd, &lines([template::expand(line, &process)]));
        if !has_id(self.text(Database::Group), own_gid) {
            let name = template::expand(&user.name, &process);
            self.prepend(Database::Group, &format!("{name}:x:{own_gid}:\n"));
        }
        self.name_groups();
        Ok(())
    }

    /// Names the groups of the process that have no name.
    fn name_groups(&mut self) {
        let groups = rustix::process::getgroups().unwrap_or_default();
        for gid in groups.iter().map(|gid| gid.as_raw()).chain([system::real_ids().1]) {
            if !has_id(self.text(Database::Group), gid) {
                let text = self.text(Database::Group);
                end_line(text);
                text.extend_from_slice(format!("g{gid}:x:{gid}:\n").as_bytes());
            }
        }
    }

    fn changed(mut self) -> BTreeMap<Database, Vec<u8>> {
        self.new.retain(|database, text| self.old.get(database) != Some(text));
        self.new
    }
}

/// Adds a line break after the last line, if it has none.
fn end_line(text: &mut Vec<u8>) {
    if text.last().is_some_and(|last| *last != b'\n') {
        text.push(b'\n');
    }
}

/// The host name that is to be set.
pub(crate) fn hostname(options: &Options) -> Option<Vec<u8>> {
    let given = options.hostname.clone().or_else(|| variables::value(names::HOSTNAME));
    given.filter(|name| !name.is_empty()).map(OsStringExt::into_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(passwd: &str, group: &str) -> Files {
        let all = [(Database::Passwd, passwd), (Database::Group, group)];
        let all: BTreeMap<_, _> = all.map(|(database, text)| (database, text.into())).into();
        Files { old: all.clone(), new: all }
    }

    #[test]
    fn a_user_who_has_an_entry_changes_nothing() {
        let (uid, gid) = system::real_ids();
        let passwd = format!("me:x:{uid}:{gid}::/:/bin/sh");
        let mut has = files(&passwd, "");
        has.add_own("app:x:%u:%g::%h:/bin/sh").expect("a line");
        assert!(has.changed().is_empty());
    }

    #[test]
    fn a_user_without_an_entry_comes_before_the_others_with_groups() {
        let (uid, gid) = system::real_ids();
        let mut has = files("other:x:4000000000:1::/:/bin/sh", "");
        has.add_own("app%u:x:%u:%g:50%%:/h:/bin/sh").expect("a line");
        let all = has.changed();
        let passwd =
            format!("app{uid}:x:{uid}:{gid}:50%:/h:/bin/sh\nother:x:4000000000:1::/:/bin/sh");
        assert_eq!(String::from_utf8_lossy(&all[&Database::Passwd]), passwd);
        let groups = String::from_utf8_lossy(&all[&Database::Group]).into_owned();
        assert!(groups.starts_with(&format!("app{uid}:x:{gid}:\n")), "{groups}");
        let others = rustix::process::getgroups().expect("groups");
        for other in others.iter().map(|g| g.as_raw()).filter(|other| *other != gid) {
            assert!(groups.contains(&format!("\ng{other}:x:{other}:\n")), "{groups}");
        }
    }
}
