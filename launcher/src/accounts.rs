//! passwd(5) and group(5) files as nss_wrapper.pl edits them: bytes in, bytes out.
//!
//! The script's rules are kept, because other scripts and tests rely on them: of several lines with
//! one name the last is meant; a new id is the lowest from 1000 on that no line has; a group whose
//! members change gets "x" for its password and moves to the end of the file.
//!
//! Differs from the script: all other lines stay as they are, byte for byte (the script cuts empty
//! fields off the end of every passwd line); an id with leading zeros counts as taken; a member
//! called "0" is a member; a file that loses its last line is empty (the script leaves a line break).

use std::collections::HashSet;

/// Why nothing was changed, in the script's words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Exists,
    Absent,
    AlreadyMember,
    NotMember,
    /// The group's line has no id.
    NoId,
}

/// A file's lines, without their line breaks.
pub(crate) struct Lines<'a>(Vec<&'a [u8]>);

impl<'a> Lines<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let mut lines: Vec<_> = bytes.split(|byte| *byte == b'\n').collect();
        if lines.last().is_some_and(|last| last.is_empty()) {
            lines.pop();
        }
        Self(lines)
    }

    /// The line of that name.
    fn find(&self, name: &[u8]) -> Option<usize> {
        self.0.iter().rposition(|line| field(line, 0) == Some(name))
    }

    /// True if the file has the name.
    pub(crate) fn has(&self, name: &[u8]) -> bool {
        self.find(name).is_some()
    }

    fn free_id(&self) -> u64 {
        let number = |line: &&[u8]| std::str::from_utf8(field(line, 2)?).ok()?.parse::<u64>().ok();
        let taken: HashSet<u64> = self.0.iter().filter_map(number).collect();
        (1000..).find(|id| !taken.contains(id)).unwrap_or(1000)
    }

    /// The file without the line at `at`, and with `new` at its end.
    fn with(&self, at: Option<usize>, new: Option<&[u8]>) -> Vec<u8> {
        let kept = self.0.iter().enumerate().filter(|(i, _)| Some(*i) != at).map(|(_, line)| *line);
        let mut out = Vec::new();
        for line in kept.chain(new) {
            out.extend_from_slice(line);
            out.push(b'\n');
        }
        out
    }

    /// The file with a new user.
    pub(crate) fn add_user(&self, name: &[u8], gid: u32) -> Result<Vec<u8>, Refused> {
        let ids = format!(":x:{}:{gid}:", self.free_id());
        self.add(name, &[name, ids.as_bytes(), name, b" gecos:/nodir:/bin/false"])
    }

    /// The file with a new group.
    pub(crate) fn add_group(&self, name: &[u8]) -> Result<Vec<u8>, Refused> {
        let id = format!(":x:{}:", self.free_id());
        self.add(name, &[name, id.as_bytes()])
    }

    fn add(&self, name: &[u8], line: &[&[u8]]) -> Result<Vec<u8>, Refused> {
        match self.find(name) {
            Some(_) => Err(Refused::Exists),
            None => Ok(self.with(None, Some(&line.concat()))),
        }
    }

    /// The file without the user or group.
    pub(crate) fn delete(&self, name: &[u8]) -> Result<Vec<u8>, Refused> {
        let at = self.find(name).ok_or(Refused::Absent)?;
        Ok(self.with(Some(at), None))
    }

    /// The file with the user among the group's members.
    pub(crate) fn add_member(&self, group: &[u8], user: &[u8]) -> Result<Vec<u8>, Refused> {
        self.change_members(group, |members| {
            if members.contains(&user) {
                return Err(Refused::AlreadyMember);
            }
            members.push(user);
            Ok(())
        })
    }

    /// The file without the user among the group's members.
    pub(crate) fn delete_member(&self, group: &[u8], user: &[u8]) -> Result<Vec<u8>, Refused> {
        self.change_members(group, |members| {
            // As in the script a list without names, or with an empty one, is put in order without a
            // message.
            let was_empty = members.is_empty();
            let count = members.len();
            members.retain(|member| !member.is_empty() && *member != user);
            if was_empty || members.len() < count { Ok(()) } else { Err(Refused::NotMember) }
        })
    }

    fn change_members<'l>(
        &'l self,
        group: &[u8],
        change: impl FnOnce(&mut Vec<&'l [u8]>) -> Result<(), Refused>,
    ) -> Result<Vec<u8>, Refused>
    where
        'a: 'l,
    {
        let at = self.find(group).ok_or(Refused::Absent)?;
        let id = field(self.0[at], 2).ok_or(Refused::NoId)?;
        let list = field(self.0[at], 3).unwrap_or_default();
        let mut members: Vec<&[u8]> = list.split(|byte| *byte == b',').collect();
        while members.last().is_some_and(|last| last.is_empty()) {
            members.pop();
        }
        change(&mut members)?;
        let line = [group, b":x:", id, b":", &members.join(&b',')].concat();
        Ok(self.with(Some(at), Some(&line)))
    }
}

fn field(line: &[u8], index: usize) -> Option<&[u8]> {
    line.split(|byte| *byte == b':').nth(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(made: Result<Vec<u8>, Refused>) -> Result<String, Refused> {
        made.map(|bytes| String::from_utf8(bytes).expect("UTF-8"))
    }

    fn lines(text: &str) -> Lines<'_> {
        Lines::new(text.as_bytes())
    }

    #[test]
    fn the_lowest_free_id_from_1000_on_is_taken() {
        for (file, id) in [
            ("", 1000),
            ("root:x:0:0::/:/x\n", 1000),
            ("a:x:1000:\nb:x:1002:", 1001),
            ("a:x:01000:\n#b:x:1001:\n", 1002),
            ("a:x:1000\nbroken\n\nb:x:x\n", 1001),
        ] {
            assert_eq!(lines(file).free_id(), id, "{file:?}");
        }
    }

    #[test]
    fn a_user_and_a_group_are_added_at_the_end() {
        assert_eq!(
            text(lines("a:x:1:1:::\r\n#c").add_user(b"bob", 65534)).as_deref(),
            Ok("a:x:1:1:::\r\n#c\nbob:x:1000:65534:bob gecos:/nodir:/bin/false\n")
        );
        assert_eq!(text(lines("").add_group(b"lab")).as_deref(), Ok("lab:x:1000:\n"));
        assert_eq!(text(lines("bob\n").add_group(b"bob")), Err(Refused::Exists));
    }

    #[test]
    fn the_last_line_of_a_name_is_deleted() {
        let file = "a:x:1:\nb:x:2:\na:x:3:\n\n";
        assert_eq!(text(lines(file).delete(b"a")).as_deref(), Ok("a:x:1:\nb:x:2:\n\n"));
        assert_eq!(text(lines(file).delete(b"c")), Err(Refused::Absent));
        assert_eq!(text(lines("a:x:1:").delete(b"a")).as_deref(), Ok(""));
    }

    #[test]
    fn members_come_and_go() {
        for (file, user, added, deleted) in [
            ("g:p:7:", "u", Ok("g:x:7:u\n"), Ok("g:x:7:\n")),
            ("g::7:u\nh:x:8:\n", "v", Ok("h:x:8:\ng:x:7:u,v\n"), Err(Refused::NotMember)),
            ("g:x:7:u,v", "u", Err(Refused::AlreadyMember), Ok("g:x:7:v\n")),
            ("g:x:7:u,,v", "w", Ok("g:x:7:u,,v,w\n"), Ok("g:x:7:u,v\n")),
            ("g:x:7:0", "u", Ok("g:x:7:0,u\n"), Err(Refused::NotMember)),
            ("g:x", "u", Err(Refused::NoId), Err(Refused::NoId)),
            ("h:x:7:", "u", Err(Refused::Absent), Err(Refused::Absent)),
        ] {
            let made = text(lines(file).add_member(b"g", user.as_bytes()));
            assert_eq!(made.as_deref(), added.as_ref().copied(), "{file} + {user}");
            let made = text(lines(file).delete_member(b"g", user.as_bytes()));
            assert_eq!(made.as_deref(), deleted.as_ref().copied(), "{file} - {user}");
        }
    }
}
