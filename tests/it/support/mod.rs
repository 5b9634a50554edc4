//! Builds the library and the C probes once, and runs programs under them.
//!
//! The library is only a cdylib, which `cargo test` does not build: [`library`] does, or takes the path in
//! `NSS_WRAPPER_RS_SO`. Nothing here changes the machine.

pub(crate) mod ask;
pub(crate) mod module_scene;
pub(crate) mod namespace;
pub(crate) mod scene;
pub(crate) mod valgrind;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, OnceLock};

/// The root of the package.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where built things go: `target/tmp`.
pub(crate) fn built() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// The built shared object.
pub(crate) fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("NSS_WRAPPER_RS_SO") {
            return path.into();
        }
        release(&["--lib"], "libnss_wrapper_rs.so")
    })
}

/// The library with the feature `annotate`, which tells helgrind and drd what threads publish. It is built
/// in a directory of its own, because it would overwrite the library without that feature.
pub(crate) fn annotated_library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("NSS_WRAPPER_RS_SO") {
            return path.into();
        }
        let args = ["--lib", "--features", "annotate"];
        build_in(&built().join("annotated"), &args, "libnss_wrapper_rs.so")
    })
}

/// The built launcher. Its library is beside it.
pub(crate) fn launcher() -> &'static Path {
    static LAUNCHER: OnceLock<PathBuf> = OnceLock::new();
    LAUNCHER.get_or_init(|| release(&["--package", "nss-wrapper"], "nss-wrapper"))
}

/// Builds what `args` select, and returns the file of that name.
fn release(args: &[&str], name: &str) -> PathBuf {
    build_in(built().parent().expect("target/tmp has a parent"), args, name)
}

fn build_in(target: &Path, args: &[&str], name: &str) -> PathBuf {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet"])
        .args(args)
        .arg("--manifest-path")
        .arg(root().join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target)
        .status()
        .expect("cargo runs");
    assert!(status.success(), "{name} does not build");
    target.join("release").join(name)
}

/// The interpreter itself. The `python3` in `PATH` may be a wrapper script, and the tests would see the
/// lookups of the shell that runs it.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

/// The peer, from Debian's package `libnss-wrapper`.
pub(crate) fn peer() -> PathBuf {
    installed("libnss_wrapper.so")
}

/// uid_wrapper, from Debian's package `libuid-wrapper`.
pub(crate) fn uid_wrapper() -> PathBuf {
    installed("libuid_wrapper.so")
}

/// A file below the directory in which the distribution installs libraries.
pub(crate) fn installed(name: &str) -> PathBuf {
    let found =
        ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"]
            .iter()
            .map(|dir| Path::new(dir).join(name))
            .find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is not installed; ci/setup installs it"))
}

/// Compiles `tests/probes/NAME.c` once with `cc`, and returns the program.
pub(crate) fn probe(name: &str) -> PathBuf {
    compiled(name, "cc", &[])
}

/// Compiles `tests/probes/NAME.c` once with `compiler` and more `flags`.
pub(crate) fn compiled(name: &str, compiler: &str, flags: &[&str]) -> PathBuf {
    build(&format!("probes/{name}.c"), name, compiler, flags)
}

/// Compiles `tests/modules/NAME.c`, an NSS module, once with more `flags`.
pub(crate) fn module(name: &str, flags: &[&str]) -> PathBuf {
    let flags = [&["-shared", "-fPIC"], flags].concat();
    build(&format!("modules/{name}.c"), &format!("libnss_{name}"), "cc", &flags)
}

fn build(source: &str, name: &str, compiler: &str, flags: &[&str]) -> PathBuf {
    static DONE: OnceLock<Mutex<HashMap<PathBuf, ()>>> = OnceLock::new();
    let source = root().join("tests").join(source);
    let flavour: String =
        flags.concat().chars().filter(char::is_ascii_alphanumeric).take(40).collect();
    let program = built().join(format!("{name}-{compiler}{flavour}"));
    let mut done = DONE.get_or_init(Mutex::default).lock().unwrap_or_else(|e| e.into_inner());
    if done.insert(program.clone(), ()).is_none() {
        // Another run of the tests may build the same program now. So each run compiles to a name of its
        // own, and then renames.
        let own = program.with_extension(std::process::id().to_string());
        let out = Command::new(compiler)
            .args(["-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&own)
            .arg(&source)
            .args(flags)
            .args(["-pthread", "-ldl"])
            .output()
            .expect("a C compiler is installed");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        std::fs::rename(&own, &program).expect("target/tmp is writable");
    }
    program
}

/// Copies a program to where it is run from.
///
/// Another process writes the copy. If this one did, a child that a parallel test forks meanwhile
/// would hold the copy open for writing until its own execve(2), and running the copy would fail
/// with ETXTBSY.
pub(crate) fn copy_program(program: impl AsRef<Path>, to: impl AsRef<Path>) {
    stdout(Command::new("cp").arg(program.as_ref()).arg(to.as_ref()));
}

/// A command that runs `program` with the library preloaded, and with none of the variables for it.
pub(crate) fn under(library: impl AsRef<Path>, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("NSS_WRAPPER_") {
            command.env_remove(name);
        }
    }
    command.env("LD_PRELOAD", library.as_ref()).env_remove("UID_WRAPPER");
    command
}

/// Standard output as text; the program must have succeeded.
pub(crate) fn stdout(command: &mut Command) -> String {
    let out = run(command);
    assert!(
        out.status.success(),
        "{command:?}: {}\nstdout: {}\nstderr: {}",
        out.status,
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Runs the command to its end.
pub(crate) fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"))
}

/// Writes `content` to `dir/name` and returns the path.
pub(crate) fn file(dir: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, content).expect("the directory is writable");
    path
}

/// A command under the library with `NSS_WRAPPER_PASSWD` and `NSS_WRAPPER_GROUP`, each if given.
pub(crate) fn wrapped<'a>(
    program: impl AsRef<std::ffi::OsStr>,
    passwd: impl Into<Option<&'a Path>>,
    group: impl Into<Option<&'a Path>>,
) -> Command {
    let mut command = under(library(), program);
    if let Some(path) = passwd.into() {
        command.env("NSS_WRAPPER_PASSWD", path);
    }
    if let Some(path) = group.into() {
        command.env("NSS_WRAPPER_GROUP", path);
    }
    command
}
