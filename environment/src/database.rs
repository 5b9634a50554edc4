//! The four databases that a file can stand for, and what a file of each looks like.

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// A database of nsswitch.conf(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Database {
    /// passwd(5)
    Passwd,
    /// group(5)
    Group,
    /// shadow(5)
    Shadow,
    /// hosts(5)
    Hosts,
}

/// How much of a file is read to see what it is.
const LOOKED_AT_BYTES: u64 = 64 << 10;

impl Database {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Passwd, Self::Group, Self::Shadow, Self::Hosts];

    /// The database of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|database| database.name() == name)
    }

    /// The name in nsswitch.conf(5), of the option, and of the file in /etc.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Passwd => "passwd",
            Self::Group => "group",
            Self::Shadow => "shadow",
            Self::Hosts => "hosts",
        }
    }

    /// The system's file.
    #[must_use]
    pub fn path(self) -> PathBuf {
        Path::new("/etc").join(self.name())
    }

    /// The library's variable for such a file.
    #[must_use]
    pub fn variable(self) -> &'static str {
        match self {
            Self::Passwd => crate::names::PASSWD,
            Self::Group => crate::names::GROUP,
            Self::Shadow => crate::names::SHADOW,
            Self::Hosts => crate::names::HOSTS,
        }
    }

    /// Checks that a file is one of this database. A single bad line is no error: the library skips
    /// it, and `--check` names it.
    ///
    /// # Errors
    ///
    /// One line that says why, if the file is missing or not of this database.
    pub fn check_file(self, path: &Path) -> Result<(), String> {
        self.check_path(path)?;
        let shown = path.display();
        let failed = |e: io::Error| format!("{shown}: {}", why(&e));
        let status = fs::metadata(path).map_err(failed)?;
        // The library reads no other kind either, and opening a FIFO would wait for its writer.
        if !status.is_file() {
            return Err(format!("{shown}: not a regular file"));
        }
        let mut start = Vec::new();
        let file = File::open(path).map_err(failed)?;
        file.take(LOOKED_AT_BYTES).read_to_end(&mut start).map_err(failed)?;
        if self.is_plausible(&start) {
            Ok(())
        } else {
            Err(format!("{shown}: not a {}(5) file: none of its lines is an entry", self.name()))
        }
    }

    /// Checks that a path can stand in the variable of this database.
    ///
    /// # Errors
    ///
    /// One line that says why, if it has a line break in it.
    pub fn check_path(self, path: &Path) -> Result<(), String> {
        if !path.as_os_str().as_encoded_bytes().contains(&b'\n') {
            return Ok(());
        }
        Err(format!(
            "--{}: a path with a line break in it cannot be used, for the library takes such a value \
             for the lines of a file: {path:?}",
            self.name()
        ))
    }

    /// True if at least one line has the shape of an entry, or all lines are blank or comments.
    fn is_plausible(self, start: &[u8]) -> bool {
        let mut lines = start
            .split(|byte| *byte == b'\n')
            .map(<[u8]>::trim_ascii)
            .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
            .peekable();
        lines.peek().is_none() || lines.any(|line| self.is_entry(line))
    }

    fn is_entry(self, line: &[u8]) -> bool {
        let colons = line.iter().filter(|byte| **byte == b':').count();
        let has_number = |at| {
            let field = line.split(|byte| *byte == b':').nth(at).unwrap_or_default();
            !field.is_empty() && field.iter().all(u8::is_ascii_digit)
        };
        match self {
            // The NIS lines of the compat service have no fields.
            Self::Passwd | Self::Group | Self::Shadow if line.starts_with(b"+") => true,
            Self::Passwd => colons >= 3 && has_number(2) && has_number(3),
            Self::Group => colons >= 2 && has_number(2),
            Self::Shadow => colons >= 4 && !line.starts_with(b":"),
            Self::Hosts => {
                let word = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
                // An address may have a scope at its end: fe80::1%eth0.
                let word = word.split(|byte| *byte == b'%').next().unwrap_or_default();
                std::str::from_utf8(word).is_ok_and(|word| word.parse::<IpAddr>().is_ok())
            }
        }
    }
}

/// The error's text without the number that Rust adds.
#[must_use]
pub fn why(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((text, _)) => text.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_kind_is_told_by_its_lines() {
        use Database::{Group, Hosts, Passwd, Shadow};
        for (text, kinds) in [
            ("", &Database::ALL[..]),
            ("# nothing\n\n", &Database::ALL),
            ("root:x:0:0:root:/root:/bin/sh\n", &[Passwd, Group, Shadow]),
            ("broken\na:x:7:8\n", &[Passwd, Group]),
            ("lab:x:7:a,b\n", &[Group]),
            ("a:$6$x:1:::::\n", &[Group, Shadow]),
            ("+\n", &[Passwd, Group, Shadow]),
            ("10.0.0.1 a\n", &[Hosts]),
            ("fe80::1%eth0\ta\n", &[Hosts]),
            ("{\"users\": []}\n", &[]),
            ("\0\u{1}ELF", &[]),
        ] {
            let told: Vec<_> =
                Database::ALL.into_iter().filter(|d| d.is_plausible(text.as_bytes())).collect();
            assert_eq!(told, kinds, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_regular_file_or_has_a_line_break_in_its_name_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let refused = |path: &Path| Database::Passwd.check_file(path).expect_err("refused");
        let shown = dir.path().display();
        assert_eq!(refused(dir.path()), format!("{shown}: not a regular file"));
        let absent = dir.path().join("absent");
        assert_eq!(refused(&absent), format!("{shown}/absent: No such file or directory"));
        let broken = dir.path().join("a\nb");
        fs::write(&broken, "root:x:0:0:::\n").expect("the directory is ours");
        assert!(refused(&broken).starts_with("--passwd: a path with a line break"));
        assert!(!refused(&broken).contains('\n'));
    }
}
