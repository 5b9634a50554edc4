//! `nss-wrapper`: puts the library and its variables into the environment, and becomes the command.
//!
//! There are two other ways to give programs answers: `service` for a whole image, and `namespace`
//! for one command. `check` and `explain` help to find out why there is no answer. Called as
//! `nss_wrapper.pl` the program does what that script does.

mod accounts;
mod ask;
mod check;
mod edit;
mod explain;
mod generate;
mod namespace;
mod options;
mod replace;
mod service;
mod system;
mod users;
mod variables;

use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use clap::Parser;
use nss_wrapper_environment::{Database, Variables, ld_preload, library, why};
use options::{Job, Options};

/// Exit codes as those of env(1).
const FAILED: u8 = 125;
const CANNOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let called = args.first().map(Path::new).and_then(Path::file_name);
    if called == Some(OsStr::new("nss_wrapper.pl")) {
        return edit::main(&args[1..]);
    }
    if args.get(1).is_some_and(|first| first == "--edit" || first == "nss_wrapper.pl") {
        return edit::main(&args[2..]);
    }
    match Options::try_parse_from(&args) {
        Ok(options) => run(options).unwrap_or_else(|(code, message)| {
            complain(&message);
            ExitCode::from(code)
        }),
        Err(error) if error.use_stderr() => {
            complain(&one_line(&error.to_string()));
            ExitCode::from(FAILED)
        }
        Err(help) => help.print().map_or(ExitCode::from(FAILED), |()| ExitCode::SUCCESS),
    }
}

/// Writes to standard error. Nobody can be told if that fails; eprintln! would panic.
fn complain(message: &str) {
    let _ = writeln!(std::io::stderr(), "nss-wrapper: {message}");
}

/// clap's message about a mistake, without its tip and the usage, in one line.
fn one_line(message: &str) -> String {
    let message = message.strip_prefix("error: ").unwrap_or(message);
    // A value that it shows may have empty lines too.
    let ends = ["\n\n  tip:", "\n\nUsage:", "\n\nFor more information"];
    let end = ends.iter().filter_map(|end| message.find(end)).min().unwrap_or(message.len());
    let lines = message[..end].lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

fn run(options: Options) -> Result<ExitCode, (u8, String)> {
    let own = |message| (FAILED, message);
    let done = Ok(ExitCode::SUCCESS);
    if let Some(Job::Edit(edit)) = options.job {
        return Ok(edit::run(&edit));
    }
    if let Some(what) = options.generate {
        generate::print(what).map_err(|e| own(why(&e)))?;
    } else if let Some(pid) = options.map_ids {
        namespace::map_ids(pid).map_err(|e| own(e.to_string()))?;
    } else if let Some(name) = &options.ask {
        let database = Database::named(name).ok_or_else(|| own(format!("no database {name}")))?;
        ask::answer(database, options.ask_key.as_deref()).map_err(|e| own(e.to_string()))?;
    } else if options.check {
        let is_good = system::with_children(|| check::check(&options)).map_err(own)?;
        return if is_good { done } else { Ok(ExitCode::FAILURE) };
    } else if let Some(question) = &options.explain {
        let explained = system::with_children(|| explain::explain(question, &options));
        let is_answered = explained.map_err(own)?;
        return if is_answered { done } else { Ok(ExitCode::FAILURE) };
    } else if options.install_service {
        print(&service::install(&options).map_err(own)?).map_err(own)?;
    } else if options.uninstall_service {
        print(&service::uninstall(&options).map_err(own)?).map_err(own)?;
    } else if options.namespace {
        namespace::enter(&options).map_err(own)?;
        return Err(become_command(&options.command, &namespace::replaced(&options)));
    } else {
        return preloaded(&options);
    }
    done
}

fn print(text: impl AsRef<[u8]>) -> Result<(), String> {
    std::io::stdout().write_all(text.as_ref()).map_err(|e| why(&e))
}

/// Runs the command with the library preloaded, or prints the variables for that.
fn preloaded(options: &Options) -> Result<ExitCode, (u8, String)> {
    let own = |message| (FAILED, message);
    let library = library(options.library.as_deref()).map_err(own)?;
    let present = std::env::var_os("LD_PRELOAD");
    let preload = ld_preload(&library, present.as_deref()).map_err(own)?;
    let mut set = variables::of(options).map_err(own)?;
    set.insert("LD_PRELOAD", preload);
    if options.print_env {
        return print(variables::exports(&set)).map(|()| ExitCode::SUCCESS).map_err(own);
    }
    Err(become_command(&options.command, &set))
}

/// Becomes the command, or a shell if none is named; returns only if that fails.
fn become_command(command: &[OsString], set: &Variables) -> (u8, String) {
    let shell = || std::env::var_os("SHELL").filter(|s| !s.is_empty()).unwrap_or("/bin/sh".into());
    let (program, rest) = match command.split_first() {
        Some((program, rest)) => (program.clone(), rest),
        None => (shell(), &[][..]),
    };
    let mut command = Command::new(&program);
    system::keep_callers(&mut command);
    let error = command.args(rest).envs(set).exec();
    let code = if error.kind() == ErrorKind::NotFound { NOT_FOUND } else { CANNOT_RUN };
    (code, format!("{}: {}", Path::new(&program).display(), why(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_in_the_options_is_told_in_one_line() {
        for (args, want) in [
            (&["--passwd"][..], "a value is required for '--passwd <FILE>' but none was supplied"),
            (&["--no-such"], "unexpected argument '--no-such' found"),
            (
                &["--host", "a\n\nb"],
                "invalid value 'a b' for '--host <NAME=ADDR>': not of the form NAME=ADDR",
            ),
            (
                &["--module", "m.so"],
                "the following required arguments were not provided: --module-prefix <NAME>",
            ),
        ] {
            let args = std::iter::once("nss-wrapper").chain(args.iter().copied());
            let Err(error) = Options::try_parse_from(args) else { panic!("{want}") };
            assert_eq!(one_line(&error.to_string()), want);
        }
    }
}
