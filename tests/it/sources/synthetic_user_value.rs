//! The values that `NSS_WRAPPER_USER` may have, as YAML and env files give them, and how many instructions its answer
//! takes.

use std::ffi::OsStr;
use std::process::Command;

use crate::support::scene::{Scene, UID, both, has, is_root};
use crate::support::valgrind::{Repeated, instructions_each};
use crate::support::{PYTHON, copy_program, file, probe, run, stdout};

fn as_user(scene: &Scene, value: &str, args: &[&str]) -> Command {
    let mut command = scene.as_ids(UID, 0, args);
    command.env("NSS_WRAPPER_USER", value);
    command
}

/// A block of YAML (`|`) ends with a line break.
#[test]
fn one_line_break_at_the_end_is_part_of_no_field() {
    let scene = Scene::new();
    for value in ["app:x:%u:%g:App:/home/app:/bin/sh\n", "app:x:%u:%g:App:/home/app:/bin/sh"] {
        let out = run(&mut as_user(&scene, value, &["getent", "passwd", "10000"]));
        assert_eq!(both(&out), "app:x:10000:0:App:/home/app:/bin/sh\n", "{value:?}");
        let out = run(&mut as_user(&scene, value, &["getent", "passwd", "app"]));
        assert_eq!(both(&out), "app:x:10000:0:App:/home/app:/bin/sh\n", "{value:?}");
    }
    for value in ["app:x:%u:%g:::/bin/sh\n\n", "\napp:x:%u:%g:::/bin/sh", "app:x:%u:\n%g:::"] {
        let out = run(&mut as_user(&scene, value, &["getent", "passwd", "10000"]));
        assert_eq!(out.status.code(), Some(2), "{value:?}: {}", both(&out));
        has(&both(&out), "NSS_WRAPPER_USER");
    }
}

/// `docker run --env-file` takes quotes for a part of the value.
#[test]
fn a_value_in_quotes_is_refused_and_the_message_says_that() {
    let scene = Scene::new();
    for quote in ["\"", "'"] {
        let value = format!("{quote}app:x:%u:%g:App:/home/app:/bin/sh{quote}");
        let out = run(&mut as_user(&scene, &value, &["id", "-un"]));
        let said = both(&out);
        assert_eq!(out.status.code(), Some(1), "{said}");
        has(&said, "cannot find name for user ID 10000");
        assert_eq!(said.matches("NWRAP_ERROR[id (").count(), 1, "{said}");
        has(&said, "NSS_WRAPPER_USER");
        has(&said, "quote");
    }
}

#[test]
fn its_answer_costs_at_most_twice_a_files() {
    let scene = Scene::new();
    copy_program(probe("repeat"), scene.path("repeat"));
    let repeat = scene.path("repeat");
    let repeat = repeat.to_str().expect("ASCII");
    std::thread::sleep(std::time::Duration::from_millis(300));
    let of_file = |count: &str| scene.wrapped([repeat, count, "10000"]);
    let of_file = instructions_each(of_file, Repeated::Often);
    for key in ["10000", "app"] {
        let value = "app:x:%u:%g:App:/home/app:/bin/sh";
        let own = |count: &str| as_user(&scene, value, &[repeat, count, key]);
        let own = instructions_each(own, Repeated::Often);
        assert!(own <= 2.0 * of_file, "{key}: {own} instructions, from a file {of_file}");
    }
}

/// The library remembers that libc has no entry for the id, and asks libc again when /etc/passwd has changed.
#[test]
fn an_entry_that_libc_gets_later_goes_before_it() {
    if !is_root() {
        eprintln!("skipped: only root can mount over /etc/passwd");
        return;
    }
    let scene = Scene::new();
    let users = file(&scene.home, "users", "root:x:0:0:root:/root:/bin/sh\n");
    scene.give(&users);
    let ask = "
import pwd, time
def name(): return pwd.getpwuid(10000).pw_name
names = {name() for _ in range(100)}
time.sleep(0.3)
names |= {name() for _ in range(100)}
with open('/etc/passwd', 'a') as users: users.write('real:x:10000:0::/real:/bin/sh\\n')
print(*names, name(), pwd.getpwnam('real').pw_uid)
";
    let mut inside = as_user(&scene, "me:x:%u:%g::/home/me:/bin/sh", &[PYTHON, "-c", ask]);
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "sh",
        "-ec",
        "mount --bind \"$1\" /etc/passwd; shift; exec env \"$@\"",
    ]);
    command.arg("sh").arg(users);
    for (name, value) in inside.get_envs() {
        if let Some(value) = value {
            command.arg([name, value].join(OsStr::new("=")));
        }
    }
    command.arg(inside.get_program()).args(inside.get_args());
    command.env_clear().env("PATH", crate::support::scene::PATH);
    inside.env_clear();
    assert_eq!(stdout(&mut command), "me real 10000\n");
}
