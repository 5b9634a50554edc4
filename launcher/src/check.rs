//! `--check`: prints a line for each fault that the library finds in the files, as pwck(8) does.
//!
//! The library itself reads the files, in a child, so the faults are exactly those of its log.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, absolute};
use std::thread::sleep;
use std::time::Duration;

use crate::ask::{Asking, Environment};
use crate::options::{Options, User};
use crate::{service, variables};
use nss_wrapper_environment::{Database, ld_preload, library, names, why};

/// No progress is shown for smaller files, because they take no time.
const LARGE_BYTES: usize = 1 << 20;

/// How long a line of progress stays.
const SHOWN: Duration = Duration::from_millis(100);

/// Checks all files, and writes a line for each fault; true if there is none.
pub(crate) fn check(options: &Options) -> Result<bool, String> {
    let mut faults = Vec::new();
    options.files().try_for_each(|(database, file)| database.check_path(file))?;
    if options.files().next().is_none() {
        let unknown = variables::unknown().into_iter();
        faults.extend(unknown.map(|name| format!("{name}: the library has no such variable")));
    }
    let mut targets = targets(options);
    let user = variables::value(names::USER);
    // A file of an option was checked when the option was read.
    if targets.is_empty() && user.is_none() && options.user.is_empty() {
        let has_service = Path::new(service::configuration::PATH).symlink_metadata().is_ok();
        if !has_service && faults.is_empty() {
            let what = "--passwd FILE, one of the library's variables, or a service";
            return Err(format!("nothing to check: {what}"));
        }
        match service::running_configuration() {
            _ if !has_service => {}
            Err(fault) => faults.push(fault),
            Ok((all, skipped)) => {
                let value = |kind: Database| Some((kind, all.get(kind.variable())?.into()));
                targets.extend(Database::ALL.into_iter().filter_map(value));
                faults.extend(skipped);
                faults.extend(all.get(names::USER).and_then(|line| user_fault(&line.into())));
            }
        }
    }
    let library = library(options.library.as_deref())?;
    let preload = ld_preload(&library, None)?;
    faults.extend(user.and_then(|line| user_fault(&line)));
    for (database, value) in targets {
        match Target::new(database, value) {
            Ok(target) => faults.extend(target.faults(&preload)?),
            Err(fault) => faults.push(fault),
        }
    }
    let mut text = String::new();
    for fault in &faults {
        let _ = writeln!(text, "{fault}");
    }
    io::stdout().write_all(text.as_bytes()).map_err(|e| why(&e))?;
    Ok(faults.is_empty())
}

/// The databases, and the values that their variables have or would get.
fn targets(options: &Options) -> Vec<(Database, OsString)> {
    let given: Vec<_> =
        options.files().map(|(database, file)| (database, file.as_os_str().to_owned())).collect();
    if !given.is_empty() {
        return given;
    }
    let value = |database: Database| Some((database, variables::value(database.variable())?));
    Database::ALL.into_iter().filter_map(value).collect()
}

fn user_fault(line: &OsString) -> Option<String> {
    let name = names::USER;
    let Some(line) = line.to_str() else { return Some(format!("{name}: not UTF-8")) };
    match line.parse::<User>() {
        Ok(User { line: Some(_), .. }) => None,
        Ok(_) => Some(format!("{name}: not the seven fields of a passwd(5) line")),
        Err(why) => Some(format!("{name}: {why}")),
    }
}

/// A file, or a variable that holds the content of one.
struct Target {
    database: Database,
    /// Its name as it was given, which is printed before the number of a line.
    shown: String,
    /// Its name in the library's log.
    logged: String,
    value: OsString,
    lines: usize,
    bytes: usize,
}

impl Target {
    /// Reads the text once. An error is a fault too.
    fn new(database: Database, value: OsString) -> Result<Self, String> {
        let is_text = value.as_bytes().contains(&b'\n');
        let (shown, logged, text, value) = if is_text {
            let name = database.variable().to_owned();
            let text = value.as_bytes().to_vec();
            (name.clone(), name, text, value)
        } else {
            let path = Path::new(&value);
            let failed = |e: io::Error| format!("{}: {}", path.display(), why(&e));
            if !fs::metadata(path).map_err(failed)?.is_file() {
                return Err(format!("{}: not a regular file", path.display()));
            }
            let text = fs::read(path).map_err(failed)?;
            let whole = absolute(path).map_err(failed)?;
            let logged = whole.as_os_str().as_bytes().escape_ascii().to_string();
            (path.display().to_string(), logged, text, whole.into_os_string())
        };
        let lines = text.iter().filter(|byte| **byte == b'\n').count();
        Ok(Self { database, shown, logged, value, lines, bytes: text.len() })
    }

    fn faults(&self, preload: &OsString) -> Result<Vec<String>, String> {
        let mut environment = Environment::new();
        for (name, _) in std::env::vars_os() {
            if name.as_bytes().starts_with(b"NSS_WRAPPER_") {
                environment.insert(name, None);
            }
        }
        environment.insert("LD_PRELOAD".into(), Some(preload.clone()));
        environment.insert(self.database.variable().into(), Some(self.value.clone()));
        // Otherwise not all malformed lines are reported.
        environment.insert(names::DEBUGLEVEL.into(), Some("1".into()));
        let failed = |e: io::Error| format!("{}: {}", self.shown, why(&e));
        let mut asking = Asking::start(self.database, None, &environment).map_err(failed)?;
        self.show_progress(&mut asking).map_err(failed)?;
        let found = asking.finish().map_err(failed)?;
        if found.preloaded.is_none() {
            let log = found.log.lines().next().unwrap_or("it did not load").to_owned();
            return Err(format!("{}: the library did not read it: {log}", self.shown));
        }
        // The library reads the service's configuration too, but that is not what is checked here.
        let lines = found.log.lines().filter(|line| !line.contains("] - config: "));
        Ok(lines.map(|line| self.fault(line)).collect())
    }

    /// The fault in a line of the log.
    fn fault(&self, line: &str) -> String {
        let Some((_, line)) = line.split_once("] - ") else { return line.to_owned() };
        let text = line.split_once(": ").map_or(line, |(_, text)| text);
        let text = text.strip_suffix(", line skipped").unwrap_or(text);
        match text.strip_prefix(&format!("{}:", self.logged)) {
            Some(rest) => format!("{}:{rest}", self.shown),
            None => text.to_owned(),
        }
    }

    /// Waits for the child. With a large file, on a terminal, a line shows the progress.
    fn show_progress(&self, asking: &mut Asking) -> io::Result<()> {
        let mut terminal = io::stderr();
        if self.bytes < LARGE_BYTES || !terminal.is_terminal() {
            return Ok(());
        }
        loop {
            let ended = asking.has_ended()?;
            let (entries, log) = asking.progress()?;
            let percent = if ended { 100 } else { percent(entries, self.lines) };
            let found = if log > 0 { ", with faults" } else { "" };
            write!(terminal, "\r{}: {percent} % of {} lines{found}", self.shown, self.lines)?;
            if ended {
                // Erases the line; terminals understand this since the VT100.
                return write!(terminal, "\r\x1b[K");
            }
            sleep(SHOWN);
        }
    }
}

fn percent(entries: u64, lines: usize) -> u64 {
    entries.saturating_mul(100).checked_div(lines as u64).map_or(0, |percent| percent.min(99))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_becomes_path_line_and_reason() {
        let target = Target {
            database: Database::Passwd,
            shown: "./my file".to_owned(),
            logged: "/a/my file".to_owned(),
            value: OsString::new(),
            lines: 0,
            bytes: 0,
        };
        let log = "NWRAP_ERROR[nss-wrapper (7)] - ";
        for (line, want) in [
            ("passwd: /a/my file:3: no user id, line skipped", "./my file:3: no user id"),
            ("load: Unable to open '/x': EIO", "Unable to open '/x': EIO"),
        ] {
            assert_eq!(target.fault(&format!("{log}{line}")), want);
        }
        assert_eq!(target.fault("ERROR: ld.so: object"), "ERROR: ld.so: object");
    }

    #[test]
    fn progress_is_a_part_of_the_lines() {
        assert_eq!(percent(0, 0), 0);
        assert_eq!(percent(1, 3), 33);
        assert_eq!(percent(5, 3), 99, "not done before the child has ended");
    }
}
