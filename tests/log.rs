//! What the library writes to standard error, and that the host does not suffer from it.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::session::Session;
use common::{file, probe, wrapped};
use tempfile::TempDir;

/// A passwd file with so many bad lines before a good one.
fn scene(bad: usize) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = file(dir.path(), "passwd", "bad\n".repeat(bad) + "bob:x:1:1:::\n");
    (dir, path)
}

fn session(path: &Path) -> Session {
    Session::new(&mut wrapped(probe("ask"), path, None))
}

/// To write to a pipe that nobody reads any more would end the host with SIGPIPE.
#[test]
fn a_reader_that_hangs_up_does_not_end_the_host() {
    let (_dir, path) = scene(3);
    let mut session = session(&path);
    session.hang_up();
    assert_eq!(session.ask("user bob"), "bob:x:1:1:::");
    assert_eq!(session.ask("user 1"), "bob:x:1:1:::");
    session.end();
}

/// Far more than fits into a pipe: what does not fit is lost.
#[test]
fn a_reader_that_does_not_read_does_not_stop_the_host() {
    let (_dir, path) = scene(5000);
    let mut session = session(&path);
    assert_eq!(session.ask("user bob"), "bob:x:1:1:::");
    let told = session.end();
    assert!(told.len() > 10 && told.len() < 5000, "{}", told.len());
}

#[test]
fn a_program_that_sets_the_variables_itself_is_told_as_well() {
    let (_dir, path) = scene(1);
    let mut session = Session::new(&mut wrapped(probe("ask"), None, None));
    assert_eq!(session.ask(&format!("setenv NSS_WRAPPER_PASSWD {}", path.display())), "done");
    assert_eq!(session.ask("user bob"), "bob:x:1:1:::");
    assert_eq!(session.end().len(), 1);
}

#[test]
fn a_file_that_the_host_has_at_descriptor_2_stays_clean() {
    let (dir, path) = scene(3);
    let own = dir.path().join("own");
    let mut session = session(&path);
    assert_eq!(session.ask(&format!("stderr {}", own.display())), "done");
    assert_eq!(session.ask("user bob"), "bob:x:1:1:::");
    assert_eq!(session.end(), [""; 0]);
    assert_eq!(fs::read(own).expect("the host made it"), b"");
}

#[test]
fn a_long_path_is_told_whole() {
    let (dir, _) = scene(0);
    let deep = dir.path().join("d".repeat(200)).join("e".repeat(200));
    fs::create_dir_all(&deep).expect("made");
    let path = file(&deep, "passwd", "bad\nbob:x:1:1:::\n");
    let mut session = session(&path);
    assert_eq!(session.ask("user bob"), "bob:x:1:1:::");
    let reason = "the user id is not a number of 32 bits, line skipped";
    assert_eq!(session.end(), [format!("passwd: {}:1: {reason}", path.display())]);
}
