//! Reads a file, changes it, and replaces it as a whole, one writer at a time.
//!
//! The lock is flock(2) on the file itself: it needs no other file, and ends with its holder. Whoever
//! gets it checks that the path still leads to that file, because the holder before may have
//! replaced it. The new content is written beside the file. It always has the same name there,
//! because only the lock's holder writes it; so what a killed writer has left is removed by the next.
//! rename(2) puts it in place: at every moment the path leads to the whole old or new content.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use crate::system;

/// What went wrong, and with which file.
#[derive(Debug)]
pub(crate) enum Failed {
    Open(PathBuf, io::Error),
    Write(PathBuf, io::Error),
    Rename(PathBuf, io::Error),
}

/// Replaces the content of the file by what `change` makes of it. The path must have no symbolic
/// link at its end.
pub(crate) fn replace<E: From<Failed>>(
    path: &Path,
    change: impl Fn(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<(), E> {
    let beside = beside(path);
    let opened = |error| Failed::Open(path.to_owned(), error);
    let written = |error| Failed::Write(beside.clone(), error);
    let renamed = |error| Failed::Rename(path.to_owned(), error);
    loop {
        let mut file = lock(path).map_err(opened)?;
        let mut old = Vec::new();
        file.read_to_end(&mut old).map_err(opened)?;
        let new = change(&old)?;
        let is_replaced = write(&beside, &new, &file).map_err(written).and_then(|copy| {
            // A program that does not use the lock may have put another file there.
            let is_same = leads_to(path, &file).map_err(opened)?
                && leads_to(&beside, &copy).map_err(written)?;
            if is_same {
                fs::rename(&beside, path).map_err(renamed)?;
            }
            Ok(is_same)
        });
        if is_replaced.is_err() {
            let _ = fs::remove_file(&beside);
        }
        if is_replaced? {
            break;
        }
    }
    // The file is replaced, whatever comes of this: not every file system synchronises a directory, and it may be one
    // that the caller may not read.
    if let Some(Ok(directory)) = path.parent().map(File::open) {
        let _ = directory.sync_all();
    }
    Ok(())
}

const NOT_WRITABLE: [ErrorKind; 2] = [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem];

/// Opens the file that the path leads to, once no other writer holds it.
fn lock(path: &Path) -> io::Result<File> {
    loop {
        // NFS locks only a file that is open for writing.
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Err(error) if NOT_WRITABLE.contains(&error.kind()) => File::open(path)?,
            other => other?,
        };
        system::lock(&file)?;
        if leads_to(path, &file)? {
            return Ok(file);
        }
    }
}

fn leads_to(path: &Path, file: &File) -> io::Result<bool> {
    let (there, here) = (fs::metadata(path)?, file.metadata()?);
    Ok((there.dev(), there.ino()) == (here.dev(), here.ino()))
}

/// Where the new content is written.
pub(crate) fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".nss-wrapper");
    path.with_file_name(name)
}

/// Writes `bytes` to a new file with the old one's mode and, as far as that is allowed, its owner.
fn write(path: &Path, bytes: &[u8], old: &File) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // This never opens a file or link that somebody else put there.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let old = old.metadata()?;
    let own = file.metadata()?;
    // As by sed -i, a file is replaced even if its owner cannot be kept: in a container a random user
    // id edits files of root by its group.
    if own.uid() != old.uid() {
        let _ = fchown(&file, Some(old.uid()), None);
    }
    if own.gid() != old.gid() {
        let _ = fchown(&file, None, Some(old.gid()));
    }
    file.set_permissions(old.permissions())?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(file)
}
