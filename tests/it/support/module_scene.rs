//! Files and modules for the tests of NSS modules.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{built, file, library, module, probe, under};

/// A directory with files for users, groups and hosts, and with the log that the module `plain` writes.
pub(crate) struct ModuleScene(tempfile::TempDir);

impl ModuleScene {
    /// With two users, two groups and two hosts.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        file(dir.path(), "passwd", "root:x:0:0::/root:/bin/sh\nfirst:x:11:11:of the file:/f:/f\n");
        file(dir.path(), "group", "root:x:0:\nfiles:x:7:m0,first\n");
        file(dir.path(), "hosts", "127.0.0.7 listed also\n10.9.0.3 three\n");
        Self(dir)
    }

    /// The directory.
    pub(crate) fn dir(&self) -> &Path {
        self.0.path()
    }

    /// The path of a file in the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The probe under `library`, with the files for users and groups, and the module.
    pub(crate) fn users(&self, library: &Path, module: &Path, prefix: &str) -> Command {
        let mut command = self.with_module(library, module, prefix);
        command
            .env("NSS_WRAPPER_PASSWD", self.path("passwd"))
            .env("NSS_WRAPPER_GROUP", self.path("group"));
        command
    }

    /// The probe under `library`, with the file for hosts, and the module.
    pub(crate) fn hosts(&self, library: &Path, module: &Path, prefix: &str) -> Command {
        let mut command = self.with_module(library, module, prefix);
        command.env("NSS_WRAPPER_HOSTS", self.path("hosts"));
        command
    }

    /// The probe under `library`, with the module alone.
    pub(crate) fn with_module(&self, library: &Path, module: &Path, prefix: &str) -> Command {
        let mut command = under(library, probe("ask"));
        command
            .current_dir(self.0.path())
            .env("NSS_WRAPPER_MODULE_SO_PATH", module)
            .env("NSS_WRAPPER_MODULE_FN_PREFIX", prefix)
            .env("MODULE_LOG", self.path("log"));
        command
    }

    /// The probe with the files for users and groups, and the module `plain`.
    pub(crate) fn plain(&self) -> Command {
        self.users(library(), &module("plain", &[]), "plain")
    }

    /// What the module has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

/// One of Debian's NSS modules, which ci/setup has unpacked.
pub(crate) fn debian(name: &str) -> PathBuf {
    let debs = built().parent().expect("target/tmp has a parent").join("debs");
    let found = ["usr/lib", "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu"]
        .iter()
        .map(|dir| debs.join(dir).join(name))
        .find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is not in {}; ci/setup unpacks it", debs.display()))
}
