//! `--explain`: who answers a question, and whether the library can work here at all.
//!
//! A child asks the question in the same environment, then again with parts of it left out: the
//! answer comes from the part without which it changes. Nothing here needs a right that the failing
//! program does not have.

mod place;
mod program;
mod source;

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::ask::{Environment, ask};
use crate::options::Options;
use crate::variables;
use nss_wrapper_environment::{Database, ld_preload, library, why};

/// Explains the answer to KIND and KEY; true if there is one.
pub(crate) fn explain(question: &[String], options: &Options) -> Result<bool, String> {
    let [kind, key] = question else { return Err("--explain takes KIND and KEY".to_owned()) };
    let database = match &**kind {
        "user" => Database::Passwd,
        "group" => Database::Group,
        "host" => Database::Hosts,
        _ => return Err(format!("--explain: {kind:?} is neither user, group nor host")),
    };
    let environment = environment(options)?;
    let found = ask(database, key, &environment).map_err(|e| why(&e))?;
    let mut text = String::new();
    match &found.entry {
        None => {
            let _ = writeln!(text, "{kind} {key}: nobody has an entry");
        }
        Some(entry) => {
            let source = source::of(database, key, &found, &environment).map_err(|e| why(&e))?;
            let _ = writeln!(text, "{kind} {key}: {entry}\nanswered by: {source}");
        }
    }
    let mut lines = place::lines(database, &found, &environment, options);
    if let Some(program) = options.command.first() {
        lines.extend(program::lines(program, found.preloaded.as_deref()));
    }
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    io::stdout().write_all(text.as_bytes()).map_err(|e| why(&e))?;
    Ok(found.entry.is_some())
}

/// The environment to explain: the present one, or the one that the options would make.
fn environment(options: &Options) -> Result<Environment, String> {
    let mut environment = Environment::new();
    let set = variables::of(options)?;
    if !set.is_empty() {
        let library = library(options.library.as_deref())?;
        let present = std::env::var_os("LD_PRELOAD");
        let preload = ld_preload(&library, present.as_deref())?;
        environment.insert("LD_PRELOAD".into(), Some(preload));
    }
    environment.extend(set.into_iter().map(|(name, value)| (name.into(), Some(value))));
    Ok(environment)
}

/// The variable's value in that environment.
fn value(name: &str, environment: &Environment) -> Option<std::ffi::OsString> {
    let value = match environment.get(std::ffi::OsStr::new(name)) {
        Some(value) => value.clone(),
        None => std::env::var_os(name),
    };
    value.filter(|value| !value.is_empty())
}
