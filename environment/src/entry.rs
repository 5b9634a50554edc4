//! Users, groups and hosts, and their lines.

use std::fmt;
use std::str::FromStr;

/// A user, as passwd(5) has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub(crate) name: String,
    password: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    gecos: String,
    home: String,
    shell: String,
}

impl User {
    /// A user whose group id is the user id, with the home directory `/` and the shell `/bin/sh`.
    pub fn new(name: impl Into<String>, uid: u32) -> Self {
        let text = |text: &str| text.to_owned();
        Self {
            name: name.into(),
            password: text("x"),
            uid,
            gid: uid,
            gecos: String::new(),
            home: text("/"),
            shell: text("/bin/sh"),
        }
    }

    /// The id of the user's own group. If the group has no name, it gets the user's.
    #[must_use]
    pub fn gid(mut self, gid: u32) -> Self {
        self.gid = gid;
        self
    }

    /// The fifth field: the full name, or anything else.
    #[must_use]
    pub fn gecos(mut self, gecos: impl Into<String>) -> Self {
        self.gecos = gecos.into();
        self
    }

    /// The home directory.
    #[must_use]
    pub fn home(mut self, home: impl Into<String>) -> Self {
        self.home = home.into();
        self
    }

    /// The shell.
    #[must_use]
    pub fn shell(mut self, shell: impl Into<String>) -> Self {
        self.shell = shell.into();
        self
    }

    pub(crate) fn fault(&self) -> Option<String> {
        let fields = [&self.password, &self.gecos, &self.home, &self.shell];
        name_fault(&self.name, "user").or_else(|| fields.iter().find_map(|text| field_fault(text)))
    }
}

/// The passwd(5) line.
impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, password, uid, gid, gecos, home, shell } = self;
        write!(f, "{name}:{password}:{uid}:{gid}:{gecos}:{home}:{shell}")
    }
}

/// A whole passwd(5) line.
impl FromStr for User {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, password, uid, gid, gecos, home, shell] = fields[..] else {
            return Err("not the seven fields of a passwd(5) line".to_owned());
        };
        let id = |text: &str| text.parse().map_err(|_| format!("no id: {text:?}"));
        let user = Self {
            password: password.to_owned(),
            ..Self::new(name, id(uid)?).gid(id(gid)?).gecos(gecos).home(home).shell(shell)
        };
        user.fault().map_or(Ok(user), Err)
    }
}

/// A group, as group(5) has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    name: String,
    pub(crate) gid: u32,
    members: Vec<String>,
}

impl Group {
    /// A group without members.
    pub fn new(name: impl Into<String>, gid: u32) -> Self {
        Self { name: name.into(), gid, members: Vec::new() }
    }

    /// Adds a member.
    #[must_use]
    pub fn member(mut self, name: impl Into<String>) -> Self {
        self.members.push(name.into());
        self
    }

    pub(crate) fn fault(&self) -> Option<String> {
        let members = || self.members.iter().find_map(|member| name_fault(member, "member"));
        name_fault(&self.name, "group").or_else(members)
    }
}

/// The group(5) line.
impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:x:{}:{}", self.name, self.gid, self.members.join(","))
    }
}

/// Why no line can begin with that name, if so: the file cannot hold it, or it is a comment or a NIS directive there.
fn name_fault(name: &str, what: &str) -> Option<String> {
    let is_bad = name.is_empty()
        || name.starts_with(['+', '-', '#'])
        || name.contains(|c: char| c.is_control() || c.is_whitespace() || c == ':' || c == ',');
    is_bad.then(|| format!("no {what} can have the name {name:?}"))
}

fn field_fault(text: &str) -> Option<String> {
    let is_bad = text.contains(|c: char| c.is_control() || c == ':');
    is_bad.then(|| format!("no field of a line can be {text:?}"))
}

/// Why no host can have that name, if so.
pub(crate) fn host_fault(name: &str) -> Option<String> {
    let is_bad =
        name.is_empty() || name.contains(|c: char| c.is_control() || c.is_whitespace() || c == '#');
    is_bad.then(|| format!("no host can have the name {name:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_line() {
        let user = User::new("alice", 7);
        assert_eq!(user.to_string(), "alice:x:7:7::/:/bin/sh");
        let user = user.gid(8).gecos("A, B").home("/home/a").shell("");
        assert_eq!(user.to_string(), "alice:x:7:8:A, B:/home/a:");
        assert_eq!(user.to_string().parse(), Ok(user));
        assert_eq!(
            "a:*:1:2:g:/h:/s".parse::<User>().map(|u| u.to_string()),
            Ok("a:*:1:2:g:/h:/s".into())
        );
        let group = Group::new("lab", 9).member("a").member("b");
        assert_eq!(group.to_string(), "lab:x:9:a,b");
        assert_eq!(Group::new("lab", 9).to_string(), "lab:x:9:");
    }

    #[test]
    fn what_would_be_another_line_or_field_is_a_fault() {
        for name in ["", "a:b", "a\nroot:x:0:0:::", "+", "#a", "a b", "a,b"] {
            assert!(
                User::new(name, 1).fault().is_some_and(|why| why.contains(&format!("{name:?}")))
            );
            assert!(Group::new(name, 1).fault().is_some());
            assert!(Group::new("a", 1).member(name).fault().is_some());
        }
        assert!(User::new("a", 1).home("/a:b").fault().is_some());
        assert!(User::new("a", 1).gecos("x\ny").fault().is_some());
        assert!(User::new("a", 1).gecos("A, B, é").fault().is_none());
        for line in ["a:x:1:2", "a:x:u:2:::", "a:x:1:4294967296:::", ":x:1:2:::", "a:x:1:2:::\n"] {
            assert!(line.parse::<User>().is_err(), "{line}");
        }
        for name in ["", "a b", "a#", "a\n10.0.0.1 b"] {
            assert!(host_fault(name).is_some(), "{name}");
        }
        assert!(host_fault("db.test").is_none());
    }
}
