//! The lines for the users that `--user` names.

use std::fmt::Write;

use crate::options::User;
use crate::system;
use crate::template::{self, Process};

/// What becomes of the users.
pub(crate) enum Named {
    /// One who runs the command and has no entry: a line for `NSS_WRAPPER_USER`, with its signs.
    Own(String),
    /// Lines that go in front of all others, for passwd(5) and group(5).
    Lines { passwd: String, group: String },
}

/// The users' lines, where `has_user` and `has_group` say which ids have an entry without them.
pub(crate) fn named(
    users: &[User],
    has_user: impl Fn(u32) -> bool,
    has_group: impl Fn(u32) -> bool,
) -> Named {
    let (uid, gid) = system::real_ids();
    let is_own = |user: &User| {
        user.uid.is_none_or(|given| given == uid) && user.gid.is_none_or(|given| given == gid)
    };
    match users {
        [user] if is_own(user) && !has_user(uid) => return Named::Own(template(user)),
        _ => {}
    }
    let home = template::home();
    let process = Process { uid, gid, home: &home };
    let (mut passwd, mut group) = (String::new(), String::new());
    let mut groups = Vec::new();
    for user in users {
        let (name, line) = entry(user, &process);
        passwd += &line;
        passwd.push('\n');
        let gid = user.gid.unwrap_or(gid);
        if !groups.contains(&gid) && !has_group(gid) {
            groups.push(gid);
            let _ = writeln!(group, "{name}:x:{gid}:");
        }
    }
    Named::Lines { passwd, group }
}

/// The name and the passwd(5) line of a user.
fn entry(user: &User, process: &Process<'_>) -> (String, String) {
    if let Some(line) = &user.line {
        return (template::expand(&user.name, process), template::expand(line, process));
    }
    // Whoever runs the command has a home directory and a shell already.
    let uid = user.uid.unwrap_or(process.uid);
    let is_own = uid == process.uid;
    let shell = template::path_in("SHELL").filter(|_| is_own);
    let shell = shell.as_deref().unwrap_or("/bin/sh");
    let home = if is_own { process.home } else { "/" };
    let (name, gid) = (&user.name, user.gid.unwrap_or(process.gid));
    (name.clone(), format!("{name}:x:{uid}:{gid}:{name}:{home}:{shell}"))
}

/// The line in which the signs stand for the ids.
fn template(user: &User) -> String {
    if let Some(line) = &user.line {
        return line.clone();
    }
    let name = template::escape(&user.name);
    let home = template::escape(&template::home());
    let shell = template::path_in("SHELL").unwrap_or_else(|| "/bin/sh".to_owned());
    format!("{name}:x:%u:%g:{name}:{home}:{}", template::escape(&shell))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percent_sign_in_a_name_is_none_of_a_line() {
        let user: User = "100%:7:8".parse().expect("a user");
        let Named::Lines { passwd, group } = named(&[user], |_| true, |_| false) else {
            panic!("7 is not who runs this");
        };
        assert_eq!((&*passwd, &*group), ("100%:x:7:8:100%:/:/bin/sh\n", "100%:x:8:\n"));
    }

    #[test]
    fn a_line_is_expanded_where_it_goes_before_others() {
        let (uid, gid) = system::real_ids();
        let user: User = "u%u:x:%u:%g:%%:/h:/s".parse().expect("a user");
        let users = [user.clone(), "b:7:8".parse().expect("a user")];
        let Named::Lines { passwd, .. } = named(&users, |_| false, |_| false) else {
            panic!("two users are no line");
        };
        assert_eq!(passwd, format!("u{uid}:x:{uid}:{gid}:%:/h:/s\nb:x:7:8:b:/:/bin/sh\n"));
        let Named::Own(line) = named(&[user], |_| false, |_| false) else {
            panic!("it is whoever runs this");
        };
        assert_eq!(line, "u%u:x:%u:%g:%%:/h:/s");
    }
}
