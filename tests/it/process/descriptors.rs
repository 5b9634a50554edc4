//! The host's things stay the host's: its descriptors, its hash table, its privileges.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use crate::support::{file, library, probe, root, run, stdout, under, wrapped};
use tempfile::TempDir;

fn scene() -> TempDir {
    tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o755))
        .tempdir_in("/tmp")
        .expect("/tmp is writable")
}

fn descriptors(case: &str) {
    let dir = scene();
    stdout(under(library(), probe("descriptors")).arg(dir.path()).arg(case));
}

#[test]
fn a_lookup_does_not_change_which_number_the_next_open_gets() {
    descriptors("numbers");
}

#[test]
fn a_host_that_closes_all_descriptors_and_reuses_the_numbers_keeps_them() {
    descriptors("reuse");
}

#[test]
fn no_answer_comes_from_a_file_that_the_host_opens_under_a_lookup() {
    let dir = scene();
    let said = stdout(under(library(), probe("closing")).arg(dir.path()).arg("20000"));
    assert!(said.ends_with(" lookups\n"), "{said}");
}

#[test]
fn threads_that_end_and_files_that_are_replaced_leave_no_descriptor() {
    descriptors("ended");
}

/// The file answers as long as it is unchanged; then it is `EMFILE` until there is a number.
#[test]
fn a_full_table_of_descriptors_gives_no_wrong_answer() {
    // So few that the library holds none, and so many that it does.
    descriptors("64");
    descriptors("300");
}

#[test]
fn the_hosts_own_hash_table_works() {
    let dir = scene();
    let passwd = file(dir.path(), "passwd", "bob:x:4242:77:Bob:/b:/bin/b\n");
    let group = file(dir.path(), "group", "lab:x:77:bob,eve\n");
    for args in [&[][..], &["lookups first"]] {
        let said = stdout(wrapped(probe("hcreate"), &*passwd, &*group).args(args));
        assert_eq!(said, "fine\n");
    }
}

/// A copy of the probe `secure` in `dir`, linked with a copy of the library there.
fn linked(dir: &Path) -> std::path::PathBuf {
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

/// A set-user-id program takes nothing from whoever starts it.
#[test]
fn a_secure_process_reads_no_variable() {
    let dir = scene();
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
