//! Mounts files over others, in a mount namespace that was just entered.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use super::refusal;
use nss_wrapper_environment::{Database, why};

/// A text, and the file over which it is mounted.
pub(super) struct Cover {
    database: Database,
    text: Vec<u8>,
    file: PathBuf,
}

/// Finds the files, before any namespace is entered.
pub(super) fn covers(texts: BTreeMap<Database, Vec<u8>>) -> Result<Vec<Cover>, String> {
    let cover = |(database, text): (Database, _)| match database.path().canonicalize() {
        Ok(file) => Ok(Cover { database, text, file }),
        Err(error) => {
            Err(format!("nothing can lie over {}: {}", database.path().display(), why(&error)))
        }
    };
    texts.into_iter().map(cover).collect()
}

/// Mounts the texts over their files. They are in memory, and can be reached only by those paths.
pub(super) fn lay(covers: &[Cover]) -> Result<(), String> {
    if covers.is_empty() {
        return Ok(());
    }
    // Mounts must not propagate to the namespace that this one was copied from.
    let quiet = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", quiet).map_err(|error| match error {
        Errno::INVAL => {
            "the root directory is no mount point, as after chroot(2), so that what is \
                         mounted here would be seen outside"
                .to_owned()
        }
        error => refusal::of("mount", error),
    })?;
    // This hides the directory until it is unmounted below. Nothing in it is needed meanwhile.
    let is_free = |dir: &&&str| {
        Path::new(**dir).is_dir() && !covers.iter().any(|cover| cover.file.starts_with(**dir))
    };
    let dirs = ["/tmp", "/run", "/var", "/usr", "/dev", "/proc"];
    let dir = dirs.iter().find(is_free).ok_or("there is no directory to mount on")?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount("nss-wrapper", *dir, "tmpfs", flags, Some(c"mode=0755"))
        .map_err(|error| refusal::of("mount", error))?;
    let laid = covers.iter().try_for_each(|cover| lay_one(cover, Path::new(dir)));
    let unmounted = rustix::mount::unmount(*dir, UnmountFlags::DETACH);
    laid.and(unmounted.map_err(|error| refusal::of("umount", error)))
}

fn lay_one(cover: &Cover, dir: &Path) -> Result<(), String> {
    let source = dir.join(cover.database.name());
    write(cover, &source).map_err(|e| format!("{}: {}", source.display(), why(&e)))?;
    let c_path = |path: &Path| CString::new(path.as_os_str().as_bytes());
    let (Ok(from), Ok(to)) = (c_path(&source), c_path(&cover.file)) else {
        return Err("no path has a NUL byte".to_owned());
    };
    rustix::mount::mount_bind(from.as_c_str(), to.as_c_str())
        .map_err(|error| refusal::of("mount", error))
}

fn write(cover: &Cover, path: &Path) -> std::io::Result<()> {
    fs::write(path, &cover.text)?;
    let mode = match cover.database {
        // The group may have no id in this namespace: then only the owner may read it.
        Database::Shadow => {
            let group = fs::metadata(&cover.file)?.gid();
            if chown(path, None, Some(group)).is_ok() { 0o640 } else { 0o600 }
        }
        _ => 0o644,
    };
    fs::set_permissions(path, Permissions::from_mode(mode))
}
