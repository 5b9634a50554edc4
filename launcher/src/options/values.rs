//! The values of `--user` and `--host`.

use std::net::IpAddr;
use std::str::FromStr;

use nss_wrapper_environment::template;

/// `NAME[:UID[:GID]]`, or a passwd(5) line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    /// The name, in which signs of a line are not replaced yet.
    pub(crate) name: String,
    /// `None` is the real user id of the process.
    pub(crate) uid: Option<u32>,
    /// `None` is the real group id of the process.
    pub(crate) gid: Option<u32>,
    /// The whole line as it was given, if one was.
    pub(crate) line: Option<String>,
}

impl FromStr for User {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A YAML block, or a file that was read into a variable, ends with a line break. The library takes it off too.
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if ['"', '\'']
            .iter()
            .any(|quote| text.len() > 1 && text.starts_with(*quote) && text.ends_with(*quote))
        {
            return Err("the quotes around it are part of the value".to_owned());
        }
        let fields: Vec<&str> = text.split(':').collect();
        let name = fields[0];
        // passwd(5) cannot hold these, or they are a comment or a NIS directive there.
        if name.is_empty()
            || name.starts_with(['+', '-', '#'])
            || name.contains(|c: char| c.is_control() || c.is_whitespace() || c == ',')
        {
            return Err("no user can have that name".to_owned());
        }
        if text.contains(char::is_control) {
            return Err("a passwd(5) line has no control characters".to_owned());
        }
        let name = name.to_owned();
        match fields[1..] {
            [] => Ok(Self { name, uid: None, gid: None, line: None }),
            [uid] => Ok(Self { name, uid: Some(id(uid)?), gid: None, line: None }),
            [uid, gid] => Ok(Self { name, uid: Some(id(uid)?), gid: Some(id(gid)?), line: None }),
            [_, uid, gid, _, _, _] => {
                template::check(text)?;
                let id_or = |sign, text| if text == sign { Ok(None) } else { id(text).map(Some) };
                let (uid, gid) = (id_or("%u", uid)?, id_or("%g", gid)?);
                Ok(Self { name, uid, gid, line: Some(text.to_owned()) })
            }
            _ => {
                Err("neither NAME[:UID[:GID]] nor the seven fields of a passwd(5) line".to_owned())
            }
        }
    }
}

/// An id in decimal; for system calls the highest number means "none".
fn id(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(id) if id < u32::MAX && text.bytes().all(|b| b.is_ascii_digit()) => Ok(id),
        _ => Err("ids are numbers from 0 to 4294967294".to_owned()),
    }
}

/// `NAME=ADDR`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) address: IpAddr,
}

impl FromStr for Host {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, address) = text.split_once('=').ok_or("not of the form NAME=ADDR")?;
        if name.is_empty()
            || name.contains(|c: char| c.is_control() || c.is_whitespace() || c == '#')
        {
            return Err("no host can have that name");
        }
        let address = address.parse().map_err(|_| "not an IPv4 or IPv6 address")?;
        Ok(Self { name: name.to_owned(), address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_name_and_up_to_two_ids() {
        let user = |name: &str, uid, gid| Ok(User { name: name.to_owned(), uid, gid, line: None });
        for (text, want) in [
            ("magic", user("magic", None, None)),
            ("magic:7", user("magic", Some(7), None)),
            ("magic:7:8", user("magic", Some(7), Some(8))),
            ("", Err("no user can have that name")),
            (":7", Err("no user can have that name")),
            ("+x", Err("no user can have that name")),
            ("a b", Err("no user can have that name")),
            ("a\nroot:0", Err("no user can have that name")),
            ("magic:", Err("ids are numbers from 0 to 4294967294")),
            ("magic:-1", Err("ids are numbers from 0 to 4294967294")),
            ("magic:+1", Err("ids are numbers from 0 to 4294967294")),
            ("magic:1:4294967295", Err("ids are numbers from 0 to 4294967294")),
            (
                "magic:1:2:3",
                Err("neither NAME[:UID[:GID]] nor the seven fields of a passwd(5) line"),
            ),
        ] {
            assert_eq!(text.parse(), want.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn a_user_may_be_a_whole_line_with_signs_for_the_ids() {
        let user = |text: &str, uid, gid| {
            let name = text.split(':').next().unwrap_or_default().to_owned();
            Ok(User { name, uid, gid, line: Some(text.to_owned()) })
        };
        let parsed = |text: &str| text.parse::<User>();
        let line = "app:x:%u:%g:The App:%h:/bin/bash";
        assert_eq!(parsed(line), user(line, None, None));
        for end in ["\n", "\r\n", "\r"] {
            assert_eq!(parsed(&format!("{line}{end}")), user(line, None, None));
        }
        let line = "u%u:x:7:0:100%%:/home/%u:";
        assert_eq!(parsed(line), user(line, Some(7), Some(0)));
        for (text, why) in [
            ("a:x:%u:%g:%x:/:/bin/sh", "%x stands for nothing"),
            ("a:x:%g:%g::/:/bin/sh", "ids are numbers"),
            ("a:x::%g::/:/bin/sh", "ids are numbers"),
            ("a:x:%u:%g::/:/bin/sh\nroot:x:0", "no control characters"),
            ("a:x:%u:%g::/:/bin/sh:", "the seven fields"),
            ("'a:x:%u:%g::/:/bin/sh'", "the quotes around it"),
            (":x:%u:%g::/:/bin/sh", "no user can have that name"),
        ] {
            let refused = parsed(text).expect_err(text);
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }

    #[test]
    fn a_host_has_a_name_and_an_address() {
        let host = |name: &str, addr: &str| {
            Ok(Host { name: name.to_owned(), address: addr.parse().expect("an address") })
        };
        for (text, want) in [
            ("db=10.0.0.1", host("db", "10.0.0.1")),
            ("db=::1", host("db", "::1")),
            ("db", Err("not of the form NAME=ADDR")),
            ("=::1", Err("no host can have that name")),
            ("a b=::1", Err("no host can have that name")),
            ("db=10.0.0", Err("not an IPv4 or IPv6 address")),
        ] {
            assert_eq!(text.parse(), want, "{text}");
        }
    }
}
