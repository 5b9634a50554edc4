//! Whether the library can reach a program.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use elf::ElfBytes;
use elf::abi::PT_INTERP;
use elf::endian::AnyEndian;
use rustix::fs::{Access, AtFlags, CWD};

use crate::service::libdir::Machine;
use crate::system;
use nss_wrapper_environment::why;

/// What is to be said of the program of that name, under the library that is preloaded.
pub(super) fn lines(name: &OsStr, library: Option<&str>) -> Vec<String> {
    let Some(path) = find(name) else {
        return vec![format!("program: {}: not found", name.to_string_lossy())];
    };
    if path.is_file() && !is_runnable(&path) {
        return vec![format!("program: {} may not be executed", path.display())];
    }
    let mut lines = Vec::new();
    let mut path = path;
    // A script is run by its interpreter.
    if let Some(interpreter) = interpreter(&path) {
        lines.push(format!("program: {} is run by {}", path.display(), interpreter.display()));
        path = interpreter;
    }
    lines.push(format!("program: {} {}", path.display(), verdict(&path, library)));
    lines
}

fn verdict(path: &Path, library: Option<&str>) -> String {
    let secure = secure(path);
    let unreached = || format!("{secure}, so that nothing is preloaded; only a service answers it");
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        // On some systems only root can read sudo.
        Err(_) if !secure.is_empty() => return unreached(),
        Err(error) => return format!("cannot be read: {}", why(&error)),
    };
    let Ok(file) = ElfBytes::<AnyEndian>::minimal_parse(&bytes) else {
        return "is no ELF file".to_owned();
    };
    let segments = file.segments();
    if !segments.is_some_and(|all| all.iter().any(|segment| segment.p_type == PT_INTERP)) {
        return "is static and loads no library; nss-wrapper --namespace shows it other files"
            .to_owned();
    }
    if !secure.is_empty() {
        return unreached();
    }
    let own = Machine::of(path);
    let wanted = Machine::of(Path::new(library.unwrap_or("/proc/self/exe")));
    match (own, wanted) {
        (Some(own), Some(wanted)) if own != wanted => {
            format!("is for {own}, the library for {wanted}")
        }
        _ => "can be reached by the library".to_owned(),
    }
}

/// Why the program has more rights than whoever runs this; empty if it has not: execve(2).
fn secure(path: &Path) -> &'static str {
    let Ok(status) = fs::metadata(path) else { return "" };
    let (mode, (uid, gid)) = (status.mode(), system::effective_ids());
    if mode & 0o4000 != 0 && status.uid() != uid {
        "is set-user-id"
    } else if mode & 0o2010 == 0o2010 && status.gid() != gid {
        "is set-group-id"
    } else if uid != 0 && system::has_capabilities(path) {
        "has file capabilities"
    } else {
        ""
    }
}

/// As execvp(3) finds it: it passes over what may not be executed, and fails with that if there is no other.
fn find(name: &OsStr) -> Option<PathBuf> {
    if name.as_encoded_bytes().contains(&b'/') {
        return Some(name.into()).filter(|path: &PathBuf| path.exists());
    }
    // Where PATH is unset glibc searches these.
    let path = std::env::var_os("PATH").unwrap_or("/bin:/usr/bin".into());
    let mut places: Vec<_> = std::env::split_paths(&path).map(|dir| dir.join(name)).collect();
    places.retain(|path| path.is_file());
    let at = places.iter().position(|path| is_runnable(path)).unwrap_or_default();
    places.into_iter().nth(at)
}

/// True if this process may execute the file.
fn is_runnable(path: &Path) -> bool {
    let path = path.as_os_str().as_encoded_bytes();
    rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS).is_ok()
}

/// The interpreter of a script.
fn interpreter(path: &Path) -> Option<PathBuf> {
    let text = fs::read(path).ok()?;
    let line = text.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line).into_owned();
    let mut words = line.split_whitespace();
    let program = PathBuf::from(words.next()?);
    if program.file_name() == Some(OsStr::new("env")) {
        let name = words.find(|word| !word.starts_with('-') && !word.contains('='))?;
        return Some(find(OsStr::new(name)).unwrap_or_else(|| name.into()));
    }
    Some(program)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_interpreter_of_a_script_is_what_is_looked_at() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let script = dir.path().join("script");
        for (text, want) in [
            ("#!/bin/sh\n", Some("/bin/sh")),
            ("#! /bin/sh -e", Some("/bin/sh")),
            ("echo\n", None),
            ("", None),
        ] {
            fs::write(&script, text).expect("ours");
            fs::set_permissions(&script, Permissions::from_mode(0o755)).expect("ours");
            assert_eq!(interpreter(&script).as_deref(), want.map(Path::new), "{text}");
        }
        fs::write(&script, "#!/usr/bin/env -S A=b sh -e\n").expect("ours");
        assert_eq!(interpreter(&script), find(OsStr::new("sh")));
        assert!(lines(script.as_os_str(), None)[1].ends_with("can be reached by the library"));
    }
}
