//! A directory within reach of the user id 10000, which has no passwd entry, and commands that run
//! as it.
//!
//! Root becomes that user by `setpriv`, other users in a user namespace. The library and all files are
//! copied to a directory below `/tmp`, because that user may not be able to reach the checkout.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{file, library, run, stdout, under};
use tempfile::TempDir;

/// The user id that the commands run as.
pub(crate) const UID: u32 = 10000;

/// `PATH` as on a plain Debian, not as whoever runs the tests has it.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A directory with a passwd and a group file, a home, and the library, all within reach of 10000.
pub(crate) struct Scene {
    pub(crate) dir: TempDir,
    pub(crate) library: PathBuf,
    pub(crate) home: PathBuf,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("nss_wrapper_rs-")
            .tempdir_in("/tmp")
            .expect("/tmp is writable");
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755))
            .expect("the directory is ours");
        let copy = dir.path().join("libnss_wrapper_rs.so");
        fs::copy(library(), &copy).expect("the library is readable");
        fs::set_permissions(&copy, Permissions::from_mode(0o755)).expect("the copy is ours");
        let home = dir.path().join("home");
        fs::create_dir(&home).expect("the directory is ours");
        let scene = Self { library: copy, home, dir };
        scene.give(&scene.home);
        let passwd = format!(
            "root:x:0:0:root:/root:/bin/bash\n\
             builder:x:1001:0:Old Name:/home/builder:/bin/bash\n\
             ipython:x:{UID}:0:Interactive Python,Room 1:{}:/bin/bash\n",
            scene.home.display()
        );
        // The machine calls group 0 "root". It has another name here, which shows who has answered.
        let group = "crew:x:0:\nlab:x:5001:builder,ipython\nclub:x:5002:ipython\nempty:x:5003:\n";
        file(scene.dir.path(), "passwd", passwd);
        file(scene.dir.path(), "group", group);
        scene
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes `path` belong to 10000.
    pub(crate) fn give(&self, path: &Path) {
        if is_root() {
            chown(path, Some(UID), Some(0)).expect("root may give files away");
        }
    }

    /// A command that runs as 10000 without the library.
    pub(crate) fn bare<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.wrapped(args);
        command.env_remove("LD_PRELOAD");
        command
    }

    /// A command that runs as 10000 with the library, and the files for it.
    pub(crate) fn wrapped<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.as_ids(UID, 0, args);
        command
            .env("NSS_WRAPPER_PASSWD", self.path("passwd"))
            .env("NSS_WRAPPER_GROUP", self.path("group"));
        command
    }

    /// A command that runs under these ids with the library, and with none of the variables for it.
    pub(crate) fn as_ids<S: AsRef<OsStr>>(
        &self,
        uid: u32,
        gid: u32,
        args: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = if is_root() {
            let mut command = under(&self.library, "setpriv");
            command.args([
                &format!("--reuid={uid}"),
                &format!("--regid={gid}"),
                "--clear-groups",
                "--",
            ]);
            command
        } else {
            let mut command = under(&self.library, "unshare");
            command.args([&format!("--map-user={uid}"), &format!("--map-group={gid}"), "--"]);
            command
        };
        // No variable may name the user: USER, LOGNAME, HOME, EMAIL, PGUSER.
        command
            .args(args)
            .env_clear()
            .env("PATH", PATH)
            .env("LC_ALL", "C")
            .env("LD_PRELOAD", &self.library)
            .current_dir(&self.home);
        command
    }

    /// What `args` print as 10000 with the library; they must succeed.
    pub(crate) fn right<const N: usize>(&self, args: [&str; N]) -> String {
        stdout(&mut self.wrapped(args))
    }

    /// What `args` print as 10000 without the library; they must fail.
    pub(crate) fn fails<const N: usize>(&self, args: [&str; N]) -> String {
        failure(&mut self.bare(args))
    }
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Both streams of a command that must not succeed.
pub(crate) fn failure(command: &mut Command) -> String {
    let out = run(command);
    assert!(!out.status.success(), "{command:?} succeeded: {}", both(&out));
    both(&out)
}

pub(crate) fn both(out: &Output) -> String {
    let text = [out.stdout.as_slice(), out.stderr.as_slice()].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// Asserts that `text` has `part` in it, and shows the text if not.
#[track_caller]
pub(crate) fn has(text: &str, part: &str) {
    assert!(text.contains(part), "no {part:?} in: {text}");
}
