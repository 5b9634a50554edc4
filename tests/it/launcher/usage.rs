//! Mistakes in the options and files of `nss-wrapper`: one clear line, and no command runs.

use std::fs;
use std::process::Command;

use super::scene::{as_self, scene};
use crate::support::namespace::after_mounts;
use crate::support::{file, run};

/// The one line that the launcher writes. It must have failed by itself, without running a command.
fn refused(command: &mut Command) -> String {
    let out = run(command);
    assert_eq!(out.status.code(), Some(125), "{command:?}");
    assert!(out.stdout.is_empty(), "{command:?} ran something");
    let said = String::from_utf8(out.stderr).expect("text");
    let line = said.strip_suffix('\n').unwrap_or_else(|| panic!("{command:?}: {said:?}"));
    let line = line.strip_prefix("nss-wrapper: ").unwrap_or_else(|| panic!("{said}"));
    assert!(!line.contains('\n'), "{command:?}: more than one line: {said}");
    line.to_owned()
}

#[test]
fn a_file_that_cannot_be_one_of_its_database_is_refused_before_the_command_runs() {
    let (scene, _) = scene();
    file(&scene.home, "prose", "Dear users,\nthere are none.\n");
    file(&scene.home, "binary", [0, 1, 2, b':', 0xff]);
    fs::create_dir(scene.home.join("directory")).expect("the directory is ours");
    for (option, name, why) in [
        ("--passwd", "absent", "/absent: No such file or directory"),
        ("--passwd", "directory", "/directory: not a regular file"),
        ("--passwd", "/dev/null", "/dev/null: not a regular file"),
        ("--passwd", "prose", "/prose: not a passwd(5) file: none of its lines is an entry"),
        ("--group", "binary", "/binary: not a group(5) file: none of its lines is an entry"),
        ("--shadow", "prose", "/prose: not a shadow(5) file: none of its lines is an entry"),
        ("--hosts", "../passwd", "passwd: not a hosts(5) file: none of its lines is an entry"),
    ] {
        let line = refused(&mut as_self(&scene, [option, name, "--", "echo", "ran"]));
        assert!(line.ends_with(why), "{option} {name}: {line}");
    }
}

#[test]
fn a_library_or_a_module_that_cannot_be_one_is_refused_before_the_command_runs() {
    let (scene, _) = scene();
    file(&scene.home, "prose", "Dear users,\nthere are none.\n");
    for (name, why) in [
        ("./absent.so", "/absent.so: No such file or directory"),
        ("/dev/null", " /dev/null is not a file"),
        ("./prose", "/prose is no ELF file"),
    ] {
        let library = ["--library", name, "--", "echo", "ran"];
        let module = ["--module", name, "--module-prefix", "m", "--", "echo", "ran"];
        for (option, mut command) in
            [("library", as_self(&scene, library)), ("module", as_self(&scene, module))]
        {
            let line = refused(&mut command);
            assert!(line.starts_with(&format!("the {option} /")) && line.ends_with(why), "{line}");
        }
    }
}

#[test]
fn what_a_variable_names_is_not_blamed_on_an_option() {
    let (scene, _) = scene();
    let mut command = as_self(&scene, ["--user", "a:7:8", "echo", "ran"]);
    let line = refused(command.env("NSS_WRAPPER_GROUP", "/none/group"));
    assert_eq!(line, "NSS_WRAPPER_GROUP=/none/group: No such file or directory");
    let mut command = as_self(&scene, ["--namespace", "echo", "ran"]);
    let line = refused(command.env("NSS_WRAPPER_HOSTNAME", "x".repeat(65)));
    assert_eq!(line, "the host name is longer than 64 bytes");
}

/// A container may lack /proc, and so may the new root of chroot(8).
#[test]
fn without_proc_the_launcher_works_or_says_what_it_lacks() {
    let (scene, launcher) = scene();
    let library = scene.library.to_str().expect("a plain path").to_owned();
    let passwd = scene.path("passwd").to_str().expect("a plain path").to_owned();
    let asked = |args: &[&str]| {
        let mut command = Command::new(&launcher);
        command.args(["--library", &library]).args(args).env_remove("LD_PRELOAD");
        run(&mut after_mounts("mount -t tmpfs none /proc", &[], &command))
    };
    let out = asked(&["--user", "magic:7:8", "--", "id", "-un", "7"]);
    assert_eq!(String::from_utf8_lossy(&out.stdout), "magic\n", "{out:?}");
    for args in [&["--check", "--passwd", &passwd][..], &["--explain", "user", "root"]] {
        let out = asked(args);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!((out.status.code(), said.lines().count()), (Some(125), 1), "{said}");
        assert!(said.contains("--check and --explain need /proc"), "{said}");
    }
}

#[test]
fn a_line_break_in_a_path_is_refused_for_the_library_would_take_it_for_content() {
    let (scene, _) = scene();
    file(&scene.home, "two\nlines", "root:x:0:0::/:/bin/sh\n");
    for option in ["passwd", "group", "shadow", "hosts"] {
        let dashed = format!("--{option}");
        let line = refused(&mut as_self(&scene, [&dashed, "two\nlines", "--", "echo", "ran"]));
        let want = format!("{dashed}: a path with a line break in it cannot be used");
        assert!(line.starts_with(&want), "{line}");
    }
}

#[test]
fn a_mistake_in_an_option_is_one_line_that_names_it() {
    let (scene, _) = scene();
    for (args, why) in [
        (&["--passwd"][..], "a value is required for '--passwd <FILE>' but none was supplied"),
        (&["--user"], "a value is required for '--user"),
        (&["--frob", "echo"], "unexpected argument '--frob' found"),
        (&["--user", "a:x:%u:%g::/:/bin/sh\n\n"], "passwd(5) line has no control characters"),
        (&["--module", "m.so"], "required arguments were not provided: --module-prefix <NAME>"),
        (&["--user", "a:x:%u:%g:%z:/:/bin/sh", "echo"], "%z stands for nothing"),
        (&["--user", "a:x:%u:%g:50%:/:/bin/sh", "echo"], "%: stands for nothing"),
        (&["--user", "a:x:%u:%g:/:/bin/sh", "echo"], "neither NAME[:UID[:GID]] nor the seven"),
        (&["--user", "\"a:x:%u:%g::/:/bin/sh\"", "echo"], "the quotes around it are part"),
    ] {
        let mut command = as_self(&scene, []);
        let line = refused(command.args(args));
        assert!(line.contains(why), "{args:?}: {line}");
    }
}
