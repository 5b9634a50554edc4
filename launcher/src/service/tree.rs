//! The tree of files that the service is installed in: the running system, or an image's.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nss_wrapper_environment::why;

/// As many symbolic links as the kernel follows: path_resolution(7).
const MAX_LINKS: usize = 40;

/// The owner that is shown for a file whose owner has no number here: user_namespaces(7).
const OVERFLOW_UID: u32 = 65534;

/// A directory that is, or will be, the root directory.
pub(crate) struct Tree {
    root: PathBuf,
}

impl Tree {
    pub(crate) fn new(root: Option<&Path>) -> Result<Self, String> {
        let root = root.unwrap_or(Path::new("/"));
        let root = root.canonicalize().map_err(|e| format!("{}: {}", root.display(), why(&e)))?;
        if root.is_dir() {
            Ok(Self { root })
        } else {
            Err(format!("{}: not a directory", root.display()))
        }
    }

    pub(crate) fn is_running_system(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Where a path of the tree is. Symbolic links are followed within the tree: an absolute one
    /// begins at its root. Parts that do not exist are taken as they are written.
    pub(crate) fn find(&self, path: &Path) -> io::Result<PathBuf> {
        self.find_by(path, &mut Vec::new())
    }

    /// Where a path of the tree is, if only root can write the file and let the path lead elsewhere.
    pub(crate) fn find_trusted(&self, path: &Path) -> Result<PathBuf, String> {
        let failed = |e| format!("{}: {}", path.display(), why(&e));
        let mut places = Vec::new();
        let found = self.find_by(path, &mut places).map_err(failed)?;
        fs::metadata(&found).map_err(failed)?;
        places.push(found.clone());
        places.iter().try_for_each(|place| self.check_only_root_writes(place)).map(|()| found)
    }

    /// [`Self::find`], which adds the directory of each link.
    fn find_by(&self, path: &Path, links: &mut Vec<PathBuf>) -> io::Result<PathBuf> {
        let mut found = self.root.clone();
        let mut rest: VecDeque<OsString> = parts(path);
        while let Some(part) = rest.pop_front() {
            match part.to_str() {
                Some("/") => found.clone_from(&self.root),
                Some("..") if found == self.root => {}
                Some("..") => {
                    found.pop();
                }
                _ => {
                    let next = found.join(&part);
                    match fs::read_link(&next) {
                        Ok(target) => {
                            links.push(found.clone());
                            if links.len() > MAX_LINKS {
                                return Err(crate::system::error(rustix::io::Errno::LOOP));
                            }
                            for part in parts(&target).into_iter().rev() {
                                rest.push_front(part);
                            }
                        }
                        // EINVAL means that it is no link.
                        Err(_) => found = next,
                    }
                }
            }
        }
        Ok(found)
    }

    /// Where a file is whose directory [`Self::find`] gave, if it is a link.
    pub(crate) fn find_within(&self, found: &Path) -> io::Result<PathBuf> {
        self.find(found.strip_prefix(&self.root).unwrap_or(found))
    }

    /// Refuses a file that others than root can write or replace: the file, if it exists, and its
    /// directories must be owned by root, and not writable by their group or by others. `found` is a
    /// path that [`Self::find`] gave.
    pub(crate) fn check_only_root_writes(&self, found: &Path) -> Result<(), String> {
        for path in found.ancestors().take_while(|path| path.starts_with(&self.root)) {
            let status = match fs::symlink_metadata(path) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                status => status.map_err(|e| format!("{}: {}", path.display(), why(&e)))?,
            };
            let what = if status.is_dir() { "directory" } else { "file" };
            // As for the library: where root has no number its files seem to be nobody's.
            let is_roots =
                status.uid() == 0 || status.uid() == OVERFLOW_UID && !crate::system::is_root();
            let refused = if !is_roots {
                format!("belongs to the user id {}", status.uid())
            } else if status.mode() & 0o022 != 0 {
                format!("has the mode {:04o}", status.mode() & 0o7777)
            } else {
                continue;
            };
            return Err(format!(
                "the {what} {} {refused}, but only root may be able to write what a service says",
                path.display()
            ));
        }
        Ok(())
    }
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let is_part = |part: &Component<'_>| !matches!(part, Component::CurDir);
    path.components().filter(is_part).map(|part| part.as_os_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_within_the_tree() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let tree = Tree::new(Some(dir.path())).expect("a directory");
        let root = &tree.root;
        fs::create_dir_all(root.join("usr/lib")).expect("ours");
        for (target, link) in [
            ("usr/lib", "lib"),
            ("/usr/lib", "lib64"),
            ("../../../../lib/./a", "usr/lib/up"),
            ("loop", "loop"),
        ] {
            symlink(target, root.join(link)).expect("ours");
        }
        for (path, want) in [
            ("/lib/libc.so.6", "usr/lib/libc.so.6"),
            ("lib64/x", "usr/lib/x"),
            ("/usr/lib/up", "usr/lib/a"),
            ("/../etc/none/such", "etc/none/such"),
        ] {
            assert_eq!(tree.find(Path::new(path)).expect(path), root.join(want), "{path}");
        }
        assert!(tree.find(Path::new("/loop")).is_err());
    }
}
