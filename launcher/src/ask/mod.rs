//! A child of this program that asks libc, with the library or without it, so that it gets the answers
//! that every program gets.

mod child;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::process::{Child, Command};

use crate::system;
use nss_wrapper_environment::Database;

pub(crate) use child::run as answer;

/// The option by which this program becomes the child.
const OPTION: &str = "--ask";

/// This program is not found again otherwise.
const NO_PROC: &str = "--check and --explain need /proc, which is not mounted here";

/// As in the Python wheel.
const STATIC: &str =
    "--check and --explain preload the library into nss-wrapper itself, but this one is static";

/// Changes to the environment of a child. `None` removes a variable.
pub(crate) type Environment = BTreeMap<OsString, Option<OsString>>;

/// A child that is asking. It writes to memory, so it never waits for a reader; the library does not
/// wait long for one, and would drop lines.
pub(crate) struct Asking {
    child: Child,
    out: File,
    log: File,
}

/// What the child found.
pub(crate) struct Found {
    /// The library that was loaded at the program's start.
    pub(crate) preloaded: Option<String>,
    /// The library that libc has loaded as a service since then.
    pub(crate) service: Option<String>,
    /// The entry, as a line of its file.
    pub(crate) entry: Option<String>,
    /// All of standard error: the library's log, and messages of ld.so.
    pub(crate) log: String,
}

impl Asking {
    /// Asks for one entry, or without a key for all.
    pub(crate) fn start(
        database: Database,
        key: Option<&str>,
        environment: &Environment,
    ) -> io::Result<Self> {
        if cfg!(target_feature = "crt-static") {
            return Err(io::Error::other(STATIC));
        }
        let (out, log) = (system::memory_file()?, system::memory_file()?);
        let mut command = Command::new("/proc/self/exe");
        command
            .arg(format!("{OPTION}={}", database.name()))
            .args(key.map(|key| format!("--ask-key={key}")));
        for (name, value) in environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        // An empty file, as there may be no /dev/null in an image.
        command.stdin(system::memory_file()?);
        command.stdout(out.try_clone()?).stderr(log.try_clone()?);
        let child = command.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => io::Error::other(NO_PROC),
            _ => error,
        })?;
        Ok(Self { child, out, log })
    }

    /// True once the child has ended.
    pub(crate) fn has_ended(&mut self) -> io::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// How many entries the child has read so far, and how long its log is.
    pub(crate) fn progress(&self) -> io::Result<(u64, u64)> {
        let text = text(&self.out)?;
        let entries = values(&text, "entries ").next_back().and_then(|count| count.parse().ok());
        Ok((entries.unwrap_or(0), self.log.metadata()?.len()))
    }

    /// Waits for the child's end, and gives what it found.
    pub(crate) fn finish(mut self) -> io::Result<Found> {
        let status = self.child.wait()?;
        let (out, log) = (text(&self.out)?, text(&self.log)?);
        if !status.success() {
            return Err(io::Error::other(format!(
                "{status} of a child that asked: {}",
                log.trim()
            )));
        }
        let value = |name| values(&out, name).next().map(str::to_owned);
        Ok(Found {
            preloaded: value("preloaded "),
            service: value("service "),
            entry: value("entry "),
            log,
        })
    }
}

/// Asks for one entry and waits for the answer.
pub(crate) fn ask(database: Database, key: &str, environment: &Environment) -> io::Result<Found> {
    Asking::start(database, Some(key), environment)?.finish()
}

fn values<'a>(text: &'a str, name: &'a str) -> impl DoubleEndedIterator<Item = &'a str> {
    text.lines().filter_map(move |line| line.strip_prefix(name))
}

/// What has been written to the file. It is read without moving the file's position, which the child
/// shares.
fn text(file: &File) -> io::Result<String> {
    let mut bytes = vec![0; usize::try_from(file.metadata()?.len()).unwrap_or(0)];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
