//! What `--user` names.

use nss_wrapper_environment::{Database, Environment, User, template};

use crate::options;
use crate::system;

/// What becomes of the users.
pub(crate) enum Named {
    /// Only the caller, who has no entry: a line for `NSS_WRAPPER_USER`, with its signs.
    Own(String),
    /// Users who come before all others.
    Users(Vec<User>),
}

/// The users, before those that the environment has.
pub(crate) fn named(users: &[options::User], environment: &Environment) -> Result<Named, String> {
    let passwd = environment.found(Database::Passwd)?;
    named_where(users, |uid| passwd.has_id(Database::Passwd, uid))
}

/// The same; `has_user` says which ids have an entry already.
pub(crate) fn named_where(
    users: &[options::User],
    has_user: impl Fn(u32) -> bool,
) -> Result<Named, String> {
    let (uid, gid) = system::real_ids();
    let is_own = |user: &options::User| {
        user.uid.is_none_or(|given| given == uid) && user.gid.is_none_or(|given| given == gid)
    };
    match users {
        [user] if is_own(user) && !has_user(uid) => return Ok(Named::Own(own_line(user))),
        _ => {}
    }
    let home = template::home();
    let process = template::Process { uid, gid, home: &home };
    users.iter().map(|user| entry(user, &process)).collect::<Result<_, _>>().map(Named::Users)
}

fn entry(user: &options::User, process: &template::Process<'_>) -> Result<User, String> {
    if let Some(line) = &user.line {
        return template::expand(line, process).parse();
    }
    // The caller has a home directory and a shell.
    let uid = user.uid.unwrap_or(process.uid);
    let is_own = uid == process.uid;
    let shell = template::path_in("SHELL").filter(|_| is_own);
    let named = User::new(&user.name, uid).gid(user.gid.unwrap_or(process.gid)).gecos(&user.name);
    let home = if is_own { process.home } else { "/" };
    Ok(named.home(home).shell(shell.as_deref().unwrap_or("/bin/sh")))
}

/// The line with signs in place of the ids.
fn own_line(user: &options::User) -> String {
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

    fn lines(users: &[&str]) -> Vec<String> {
        let users: Vec<_> = users.iter().map(|user| user.parse().expect("a user")).collect();
        match named_where(&users, |_| true).expect("lines") {
            Named::Users(users) => users.iter().map(User::to_string).collect(),
            Named::Own(line) => panic!("{line}: all have an entry"),
        }
    }

    #[test]
    fn a_percent_sign_in_a_name_is_no_sign() {
        assert_eq!(lines(&["100%:7:8"]), ["100%:x:7:8:100%:/:/bin/sh"]);
    }

    #[test]
    fn a_line_is_expanded_where_it_goes_before_others() {
        let (uid, gid) = system::real_ids();
        let line = "u%u:*:%u:%g:%%:/h:/s";
        let want = [format!("u{uid}:*:{uid}:{gid}:%:/h:/s"), "b:x:7:8:b:/:/bin/sh".to_owned()];
        assert_eq!(lines(&[line, "b:7:8"]), want);
        let user = [line.parse().expect("a user")];
        let Ok(Named::Own(own)) = named_where(&user, |_| false) else {
            panic!("it is whoever runs this");
        };
        assert_eq!(own, line);
    }
}
