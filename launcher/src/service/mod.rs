//! `--install-service` and `--uninstall-service`: the library as an NSS service of a system.
//!
//! Everything is checked before anything is written. nsswitch.conf, which makes libc ask the service,
//! is written last and restored first. If a step fails, the steps before it are undone. One launcher
//! does this at a time: the next waits for a lock on the directory /etc.

pub(crate) mod configuration;
pub(crate) mod libdir;
pub(crate) mod nsswitch;
pub(crate) mod tree;

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::options::Options;
use crate::replace::{self, Failed};
use crate::system;
use configuration::Configuration;
use nss_wrapper_environment::{Database, library, why};
use tree::Tree;

/// What every program of the system asks.
pub(crate) const NSSWITCH: &str = "/etc/nsswitch.conf";

/// Root is not required otherwise: writing the files fails if it is not allowed.
const NOT_ROOT: &str = "only root can install a service, or take it away";

/// Installs the service; the text says what was done.
pub(crate) fn install(options: &Options) -> Result<String, String> {
    let place = Place::new(options)?;
    let library = library(options.library.as_deref())?;
    let machine = libdir::Machine::of(&library)
        .ok_or_else(|| format!("the library {} is no ELF file", library.display()))?;
    let libdir = libdir::of(&place.tree, machine)?;
    let installed = libdir.join(libdir::SONAME);
    let bytes = fs::read(&library).map_err(|e| failed(&library, &e))?;

    let wanted = Configuration::of(options, &place.tree)?;
    let (configuration, text) = if wanted.is_empty() {
        (place.configuration()?, None)
    } else {
        let text = wanted.to_text();
        (wanted, Some(text))
    };
    // Packages install such a link beside the library.
    let is_packaged = installed.is_symlink();
    let loaded = place.tree.find_within(&installed).map_err(|e| failed(&installed, &e))?;
    if is_packaged && libdir::Machine::of(&loaded) != Some(machine) {
        return Err(format!("{}: a link to no library for {machine}", installed.display()));
    }
    for path in [&place.configuration, &place.nsswitch, &loaded] {
        place.tree.check_only_root_writes(path)?;
    }
    read(&place.nsswitch)?;

    let mut steps = Steps::default();
    if !is_packaged {
        steps.put(&installed, &bytes)?;
    }
    if let Some(text) = text {
        steps.put(&place.configuration, text.as_bytes())?;
    }
    steps.edit(&place.nsswitch, &configuration.databases())?;
    Ok(steps.finish())
}

/// Removes the service; the text says what was done.
pub(crate) fn uninstall(options: &Options) -> Result<String, String> {
    let place = Place::new(options)?;
    let mut steps = Steps::default();
    steps.edit(&place.nsswitch, &[])?;
    let own = read(&place.configuration).unwrap_or_default().unwrap_or_default();
    if own.starts_with(configuration::HEADER.as_bytes()) {
        steps.remove(&place.configuration)?;
    }
    for dir in libdir::directories(&place.tree) {
        let installed = dir.join(libdir::SONAME);
        if installed.is_file() && !installed.is_symlink() {
            steps.remove(&installed)?;
        }
    }
    Ok(steps.finish())
}

/// The configuration of the running system, and its faulty lines, which the library skips. The error says why it does not
/// use the file.
pub(crate) fn running_configuration() -> Result<(Configuration, Vec<String>), String> {
    let tree = Tree::new(None)?;
    let etc = tree.find(Path::new("/etc")).map_err(|e| failed("/etc", &e))?;
    let path = configuration_in(&etc)?;
    tree.check_only_root_writes(&path)?;
    installed_configuration(&path)
}

/// Where the configuration is. The library does not open a link.
fn configuration_in(etc: &Path) -> Result<PathBuf, String> {
    let path = etc.join(configuration::NAME);
    if path.is_symlink() {
        return Err(format!("{}: is a symbolic link", path.display()));
    }
    Ok(path)
}

/// The configuration in that file, and its faulty lines.
fn installed_configuration(path: &Path) -> Result<(Configuration, Vec<String>), String> {
    let bytes = read(path)?.unwrap_or_default();
    let text = String::from_utf8(bytes).map_err(|_| format!("{}: not UTF-8", path.display()))?;
    let (all, faults) =
        Configuration::parse(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    let placed = faults.into_iter().map(|(line, why)| format!("{}:{line}: {why}", path.display()));
    Ok((all, placed.collect()))
}

/// Where the files are.
struct Place {
    tree: Tree,
    configuration: PathBuf,
    nsswitch: PathBuf,
    /// Locked until this is dropped.
    _etc: File,
}

impl Place {
    fn new(options: &Options) -> Result<Self, String> {
        if !system::is_root() {
            return Err(NOT_ROOT.to_owned());
        }
        let tree = Tree::new(options.root.as_deref())?;
        let find = |path: &str| tree.find(Path::new(path)).map_err(|e| failed(path, &e));
        let etc = find("/etc")?;
        if !etc.is_dir() {
            return Err(format!("{}: there is no such directory", etc.display()));
        }
        let locked = File::open(&etc).map_err(|e| failed(&etc, &e))?;
        // Some network file systems lock no directories. There two launchers may run at the same time.
        let _ = system::lock(&locked);
        let (configuration, nsswitch) = (configuration_in(&etc)?, find(NSSWITCH)?);
        Ok(Self { tree, configuration, nsswitch, _etc: locked })
    }

    /// The present configuration.
    fn configuration(&self) -> Result<Configuration, String> {
        let path = &self.configuration;
        if !path.exists() {
            return Err(format!(
                "nothing says what the service is to answer: --user LINE, or --passwd FILE, or {}",
                path.display()
            ));
        }
        let (all, faults) = installed_configuration(path)?;
        faults.into_iter().next().map_or(Ok(()), Err)?;
        all.check_files(&self.tree)?;
        Ok(all)
    }
}

/// The changes so far. If it is dropped unfinished, it restores the files.
#[derive(Default)]
struct Steps {
    text: String,
    before: Vec<(PathBuf, Option<Vec<u8>>)>,
}

impl Steps {
    fn say(&mut self, what: &str, path: &Path) {
        self.text += &format!("{what} {}\n", path.display());
    }

    /// Gives the file this content, unless it has it already.
    fn put(&mut self, path: &Path, bytes: &[u8]) -> Result<(), String> {
        let old = read(path)?;
        if old.as_deref() == Some(bytes) {
            return Ok(());
        }
        put(path, bytes).map_err(|e| failed(path, &e))?;
        self.before.push((path.to_owned(), old));
        self.say("wrote", path);
        Ok(())
    }

    /// Gives nsswitch.conf the service for these databases and for no others.
    fn edit(&mut self, path: &Path, databases: &[Database]) -> Result<(), String> {
        let old = read(path)?;
        let new = nsswitch::with_service(old.as_deref(), databases);
        match (old, new) {
            (old, new) if old == new => Ok(()),
            (Some(_), None) => self.remove(path),
            (None, Some(new)) => self.put(path, &new),
            (Some(_), Some(_)) => {
                // Made again from the file's content after it was locked.
                let change = |old: &[u8]| {
                    let new = nsswitch::with_service(Some(old), databases);
                    Ok::<_, Failed>(new.unwrap_or_default())
                };
                replace::replace(path, change).map_err(|failure| match failure {
                    Failed::Open(path, error)
                    | Failed::Write(path, error)
                    | Failed::Rename(path, error) => failed(&path, &error),
                })?;
                self.say("changed", path);
                Ok(())
            }
            (None, None) => Ok(()),
        }
    }

    fn remove(&mut self, path: &Path) -> Result<(), String> {
        fs::remove_file(path).map_err(|e| failed(path, &e))?;
        self.say("removed", path);
        Ok(())
    }

    fn finish(mut self) -> String {
        self.before.clear();
        if self.text.is_empty() {
            return "nothing to change\n".to_owned();
        }
        std::mem::take(&mut self.text)
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        for (path, old) in self.before.drain(..).rev() {
            // The error that led here is reported; this one is not.
            let _ = match old {
                Some(old) => put(&path, &old),
                None => fs::remove_file(&path),
            };
        }
    }
}

/// The file's content, if there is such a file.
fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
    // Opening a FIFO would wait for its writer, and a device might do anything.
    match fs::metadata(path).and_then(|status| status.is_file().then(|| fs::read(path)).transpose())
    {
        Ok(None) => Err(format!("{}: not a regular file", path.display())),
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, &error)),
    }
}

/// Replaces a file, by rename, with one of root's that all can read.
fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = replace::beside(path);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        // Independent of the umask.
        file.set_permissions(Permissions::from_mode(0o644))?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

fn failed(path: impl AsRef<Path>, error: &io::Error) -> String {
    format!("{}: {}", path.as_ref().display(), why(error))
}
