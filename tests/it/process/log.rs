//! What the library writes to standard error, and that this does the program no harm.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::ask::Session;
use crate::support::{file, library, module, probe, run, wrapped};
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

/// A write to a pipe without a reader would end the program by SIGPIPE.
#[test]
fn a_reader_that_hangs_up_does_not_end_the_program() {
    let (_dir, path) = scene(3);
    let mut session = session(&path);
    session.hang_up();
    assert_eq!(session.ask("getpwnam bob"), "bob:x:1:1:::");
    assert_eq!(session.ask("getpwuid 1"), "bob:x:1:1:::");
    session.end();
}

/// A file in another form, such as a list of hosts without addresses, has nothing but bad lines, and every program reads it.
#[test]
fn of_many_bad_lines_the_first_are_reported_unless_all_are_asked_for() {
    for (bad, level, reported, more) in
        [(1000, "0", 1000, 0), (1001, "0", 1000, 1), (5000, "0", 1000, 4000), (1001, "1", 1001, 0)]
    {
        let (_dir, path) = scene(bad);
        let mut command = wrapped("getent", &*path, None);
        let out = run(command.args(["passwd", "bob"]).env("NSS_WRAPPER_DEBUGLEVEL", level));
        assert_eq!(out.stdout, b"bob:x:1:1:::\n");
        let said = String::from_utf8(out.stderr).expect("text");
        let file = path.display();
        let reason = "the user id is not a number of 32 bits, line skipped";
        let mut want: Vec<_> = (1..=reported).map(|n| format!("{file}:{n}: {reason}")).collect();
        if more > 0 {
            want.push(format!("{file}: {more} more lines skipped, level 1 shows them"));
        }
        let lines = said.lines().map(|line| line.split_once("passwd: ").map_or(line, |(_, it)| it));
        assert!(lines.eq(want), "{bad} {level}: {} lines", said.lines().count());
    }
}

/// The messages are far more than a pipe takes; the rest is lost.
#[test]
fn a_reader_that_does_not_read_does_not_stop_the_program() {
    let (_dir, path) = scene(5000);
    let mut session = session(&path);
    assert_eq!(session.ask("getpwnam bob"), "bob:x:1:1:::");
    let told = session.end();
    assert!(told.len() > 10 && told.len() < 5000, "{}", told.len());
}

#[test]
fn a_program_that_sets_the_variables_itself_is_told_as_well() {
    let (_dir, path) = scene(1);
    let mut session = Session::new(&mut wrapped(probe("ask"), None, None));
    assert_eq!(session.ask(&format!("setenv NSS_WRAPPER_PASSWD {}", path.display())), "done");
    assert_eq!(session.ask("getpwnam bob"), "bob:x:1:1:::");
    assert_eq!(session.end().len(), 1);
}

/// The constructors of a program's libraries run before those of preloaded ones.
#[test]
fn what_another_librarys_constructor_meets_before_ours_has_run_is_reported() {
    let (_dir, path) = scene(1);
    let asking = module("plain", &["-DASKS_WHILE_LOADING"]);
    let libraries = format!("{}:{}", library().display(), asking.display());
    let out = run(wrapped("true", &*path, None).env("LD_PRELOAD", libraries));
    assert_eq!(String::from_utf8_lossy(&out.stderr).lines().count(), 1, "{out:?}");
}

#[test]
fn a_file_that_the_program_opens_as_descriptor_2_gets_no_line() {
    let (dir, path) = scene(3);
    let own = dir.path().join("own");
    let mut session = session(&path);
    assert_eq!(session.ask(&format!("stderr {}", own.display())), "done");
    assert_eq!(session.ask("getpwnam bob"), "bob:x:1:1:::");
    assert_eq!(session.end(), [""; 0]);
    assert_eq!(fs::read(own).expect("the probe made it"), b"");
}

#[test]
fn a_long_path_is_reported_whole() {
    let (dir, _) = scene(0);
    let deep = dir.path().join("d".repeat(200)).join("e".repeat(200));
    fs::create_dir_all(&deep).expect("made");
    let path = file(&deep, "passwd", "bad\nbob:x:1:1:::\n");
    let mut session = session(&path);
    assert_eq!(session.ask("getpwnam bob"), "bob:x:1:1:::");
    let reason = "the user id is not a number of 32 bits, line skipped";
    assert_eq!(session.end(), [format!("passwd: {}:1: {reason}", path.display())]);
}

/// At level 2 a line says which file was loaded; at level 3 also which source answered each lookup, or why none did.
#[test]
fn the_levels_show_what_was_loaded_what_answered_and_why_a_lookup_missed() {
    let (dir, path) = scene(0);
    let said = |level: &str, more: &[(&str, &str)]| {
        let mut command = wrapped("id", &*path, None);
        command.arg("bob").env("NSS_WRAPPER_DEBUGLEVEL", level).envs(more.iter().copied());
        let text = String::from_utf8_lossy(&run(&mut command).stderr).into_owned();
        // Without the process id.
        let plain = |line: &str| {
            let (start, rest) = line.split_once(" (").unwrap_or((line, ""));
            format!("{start} {}", rest.split_once(')').map_or("", |(_, rest)| rest))
        };
        text.lines().map(plain).collect::<Vec<_>>()
    };
    let shown = path.display();
    assert_eq!(said("1", &[]), [""; 0]);
    let loaded = format!("NWRAP_DEBUG[id ] - passwd: loaded 1 entries from {shown}");
    assert_eq!(said("2", &[]), [loaded.as_str()]);
    let all = said("3", &[]);
    assert_eq!(all[..2], [loaded, format!("NWRAP_TRACE[id ] - passwd: bob: found in {shown}")]);
    let none = dir.path().join("none");
    let none = none.to_str().expect("ASCII");
    let all = said("3", &[("NSS_WRAPPER_PASSWD", none), ("NSS_WRAPPER_FALLTHROUGH", "1")]);
    for line in [
        format!("NWRAP_ERROR[id ] - load: Unable to open '{none}': No such file or directory"),
        format!("NWRAP_TRACE[id ] - passwd: bob: cannot read {none}"),
        "NWRAP_TRACE[id ] - passwd: bob: asked of libc".to_owned(),
    ] {
        assert!(all.contains(&line), "no {line:?} in {all:?}");
    }
    fs::write(&path, "").expect("the directory is writable");
    let all = said("3", &[]);
    for line in [format!("bob: not in {shown}"), "bob: not found".to_owned()] {
        assert!(all.contains(&format!("NWRAP_TRACE[id ] - passwd: {line}")), "{all:?}");
    }
    let own = said("3", &[("NSS_WRAPPER_USER", "bob:x:77:77:::")]);
    assert!(
        own.contains(&"NWRAP_TRACE[id ] - passwd: the synthetic user, bob, answers".to_owned()),
        "{own:?}"
    );
}
