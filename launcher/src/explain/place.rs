//! Whether the library can work here: loaded, a service, and what its variables say.

use std::ffi::OsStr;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::value;
use crate::ask::{Environment, Found};
use crate::options::{Options, User};
use crate::service::{self, configuration, libdir, nsswitch, tree};
use crate::{system, variables};
use nss_wrapper_environment::{Database, library, names, why};

/// Where glibc asks nscd(8), or what stands in for it, before it asks a service.
const NSCD: &str = "/var/run/nscd/socket";

/// How much of a variable is shown, in characters.
const MAX_SHOWN: usize = 200;

/// One line for each of these.
pub(super) fn lines(
    database: Database,
    found: &Found,
    environment: &Environment,
    options: &Options,
) -> Vec<String> {
    let mut lines = vec![preloaded(found, environment)];
    if found.preloaded.is_none() {
        lines.push(match library(options.library.as_deref()) {
            Ok(path) => format!("library: nss-wrapper would preload {}", path.display()),
            Err(why) => format!("library: {why}"),
        });
    }
    lines.push(format!("service: {}", service(database, found.service.as_deref())));
    if found.preloaded.is_none() && UnixStream::connect(NSCD).is_ok() {
        let what = "asks in the place of all programs, but no line in NSS_WRAPPER_USER is for it";
        lines.push(format!("nscd: it runs, and {what}"));
    }
    lines.extend(configuration_faults().into_iter().map(|why| format!("configuration: {why}")));
    lines.extend(known_variables(environment));
    let unknown = variables::unknown().into_iter();
    lines.extend(unknown.map(|name| format!("variable: {name}: the library has no such variable")));
    let (uid, gid) = system::real_ids();
    let secure = if system::is_secure() {
        "a secure process, in which no variable counts"
    } else {
        "no secure process"
    };
    lines.push(format!("process: user id {uid}, group id {gid}, {secure}"));
    lines
}

fn preloaded(found: &Found, environment: &Environment) -> String {
    if let Some(path) = &found.preloaded {
        let machine = libdir::Machine::of(Path::new(path));
        let machine = machine.map_or(String::new(), |machine| format!(", for {machine}"));
        return format!("preloaded: {path}{machine}");
    }
    let Some(preload) = value("LD_PRELOAD", environment) else {
        return "preloaded: no, LD_PRELOAD is not set".to_owned();
    };
    let entries = preload.as_bytes().split(|byte| matches!(byte, b':' | b' '));
    let entries =
        entries.map(String::from_utf8_lossy).filter(|entry| entry.contains("nss_wrapper"));
    let faults: Vec<_> = entries.map(|entry| format!("{entry} {}", entry_fault(&entry))).collect();
    if faults.is_empty() {
        return format!("preloaded: no, LD_PRELOAD is {}", preload.to_string_lossy());
    }
    format!("preloaded: no, {}", faults.join(", "))
}

/// Why an entry of LD_PRELOAD is not the library.
fn entry_fault(entry: &str) -> String {
    if !entry.contains('/') {
        return "is not found by that name, or is another library".to_owned();
    }
    let path = Path::new(entry);
    if let Err(error) = File::open(path) {
        return format!("cannot be read: {}", why(&error));
    }
    let own = libdir::Machine::of(Path::new("/proc/self/exe"));
    match libdir::Machine::of(path) {
        None => "is no ELF file".to_owned(),
        Some(machine) if Some(machine) != own => match own {
            Some(own) => format!("is for {machine}, and this program for {own}"),
            None => format!("is for {machine}"),
        },
        Some(_) => "is another library".to_owned(),
    }
}

fn service(database: Database, loaded: Option<&str>) -> String {
    let text = match std::fs::read(service::NSSWITCH) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return format!("no, {}: {}", service::NSSWITCH, why(&error));
        }
        text => text.unwrap_or_default(),
    };
    let name = nsswitch::SERVICE;
    if !nsswitch::has_service(&text, database) {
        return format!("no, {} does not name {name} for {}", service::NSSWITCH, database.name());
    }
    // The loader may find it elsewhere first, by its cache or LD_LIBRARY_PATH.
    let path = loaded.map(PathBuf::from).or_else(|| {
        let dirs = libdir::directories(&tree::Tree::new(None).ok()?);
        dirs.into_iter().map(|dir| dir.join(libdir::SONAME)).find(|path| path.exists())
    });
    let Some(path) = path else {
        let (nsswitch, soname) = (service::NSSWITCH, libdir::SONAME);
        return format!("{nsswitch} names {name}, but no directory of libraries has {soname}");
    };
    match File::open(&path) {
        Err(error) => format!("{} cannot be read: {}", path.display(), why(&error)),
        Ok(_) if Path::new(configuration::PATH).exists() => {
            format!("{}, configured by {}", path.display(), configuration::PATH)
        }
        Ok(_) => format!("{}, but there is no {}", path.display(), configuration::PATH),
    }
}

/// What the library does not use of the service's configuration.
fn configuration_faults() -> Vec<String> {
    if Path::new(configuration::PATH).symlink_metadata().is_err() {
        return Vec::new();
    }
    let (all, mut faults) = match service::running_configuration() {
        Ok(found) => found,
        Err(why) => return vec![why],
    };
    for (name, value) in all.iter().filter(|(_, value)| !value.is_empty()) {
        if let Some(why) = setting_fault(name, OsStr::new(value)) {
            // A line may have a hash of a password in it.
            let shown = if name == names::USER { "..." } else { value };
            faults.push(format!("{name}={shown}: {why}"));
        }
    }
    faults
}

/// The library's variables, each with its fault if it has one.
fn known_variables(environment: &Environment) -> Vec<String> {
    let mut lines = Vec::new();
    for name in names::ALL {
        let Some(value) = value(name, environment) else { continue };
        let mut shown = value.to_string_lossy().escape_debug().to_string();
        if let Some((end, _)) = shown.char_indices().nth(MAX_SHOWN) {
            shown.truncate(end);
            shown += "...";
        }
        let is_database = Database::ALL.into_iter().any(|database| database.variable() == name);
        let fault = if is_database && value.as_bytes().contains(&b'\n') {
            // A line may have a hash of a password in it.
            shown = format!("... (the content of a file, {} bytes)", value.len());
            None
        } else {
            setting_fault(name, &value)
        };
        let fault = fault.map_or(String::new(), |fault| format!(": {fault}"));
        lines.push(format!("variable: {name}={shown}{fault}"));
    }
    lines
}

/// What is wrong with a value that is not the content of a file.
fn setting_fault(name: &str, value: &OsStr) -> Option<String> {
    let is_database = Database::ALL.into_iter().any(|database| database.variable() == name);
    if is_database || name == names::MODULE_SO_PATH && value.as_bytes().contains(&b'/') {
        file_fault(Path::new(value))
    } else if name == names::USER {
        value.to_str().map_or(Some("not UTF-8".to_owned()), user_fault)
    } else {
        None
    }
}

fn file_fault(path: &Path) -> Option<String> {
    match std::fs::metadata(path) {
        Err(error) => Some(why(&error)),
        // Opening a FIFO would wait for its writer.
        Ok(status) if !status.is_file() => Some("not a regular file".to_owned()),
        Ok(_) => File::open(path).err().map(|error| why(&error)),
    }
}

fn user_fault(line: &str) -> Option<String> {
    match line.parse::<User>() {
        Ok(User { line: Some(_), .. }) => None,
        Ok(_) => Some("not the seven fields of a passwd(5) line".to_owned()),
        Err(why) => Some(why),
    }
}
