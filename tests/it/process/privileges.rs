//! In a set-user-id program the library takes nothing from the environment of whoever starts it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{file, library, root, run, stdout};

/// A copy of the probe `secure` in `dir`, linked with a copy of the library there.
fn linked(dir: &Path) -> PathBuf {
    let copy = dir.join("libnss_wrapper_rs.so.2");
    fs::copy(library(), &copy).expect("the library is readable");
    fs::set_permissions(&copy, Permissions::from_mode(0o755)).expect("ours");
    let program = dir.join("secure");
    stdout(
        Command::new("cc")
            .args(["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-rdynamic", "-o"])
            .arg(&program)
            .arg(root().join("tests/probes/secure.c"))
            .arg(&copy)
            // A run path that is absolute holds in a secure process too: ld.so(8).
            .arg(format!("-Wl,--no-as-needed,-rpath,{}", dir.display())),
    );
    program
}

#[test]
fn a_secure_process_reads_no_variable() {
    let dir = tempfile::Builder::new().tempdir_in("/tmp").expect("/tmp is writable");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("the directory is ours");
    let passwd = file(dir.path(), "passwd", "bad\nwrapped:x:4242:77:::\n");
    let group = file(dir.path(), "group", "wrapped:x:77:wrapped\n");
    let shadow = file(dir.path(), "shadow", "wrapped:x:1::::::\n");
    let program = linked(dir.path());
    if chown(&program, Some(10001), Some(10001)).is_err() {
        eprintln!("not tested: only root can make a set-user-id program of another user");
        return;
    }
    let start = |wanted: bool| {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=10000", "--regid=10000", "--clear-groups", "--"])
            .arg(&program)
            .env_clear();
        if wanted {
            command
                .env("NSS_WRAPPER_PASSWD", &passwd)
                .env("NSS_WRAPPER_GROUP", &group)
                .env("NSS_WRAPPER_SHADOW", &shadow)
                .env("NSS_WRAPPER_HOSTS", &passwd)
                .env("NSS_WRAPPER_HOSTNAME", "wrapped")
                .env("NSS_WRAPPER_USER", "wrapped:x:%u:%g:::")
                .env("NSS_WRAPPER_DEBUGLEVEL", "3")
                .env("UID_WRAPPER", "1");
        }
        let out = run(&mut command);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (text(out.stdout), text(out.stderr))
    };
    let (plain, log) = start(true);
    let all = "3 enabled, a user, a group, a password, 2 groups, wrapped name, variables read\n";
    assert_eq!(plain, format!("plain, {all}"));
    assert!(log.contains("line skipped") && log.contains("NWRAP_TRACE"), "{log}");

    fs::set_permissions(&program, Permissions::from_mode(0o6755)).expect("ours");
    let none = "0 enabled, no user, no group, no password, 1 groups, own name, no variable read\n";
    assert_eq!(start(true), (format!("secure, {none}"), String::new()));
}
