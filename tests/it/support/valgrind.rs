//! Programs under the tools of Valgrind.

use std::process::Command;

use super::{root, run};

const LEAKS_SHOWN: &str = "--show-leak-kinds=definite,indirect,possible";
const LEAKS_COUNTED: &str = "--errors-for-leak-kinds=definite,indirect,possible";

/// The command under a tool of Valgrind: `memcheck`, `helgrind` or `drd`; or `leaks`, which is memcheck
/// that reports lost memory, too. (In a child of fork(2) the memory of its parent's other threads
/// counts as lost.)
pub(crate) fn valgrind(tool: &str, command: &Command) -> Command {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--error-exitcode=9"]);
    match tool {
        "leaks" => _ = valgrind.args(["--leak-check=full", LEAKS_SHOWN, LEAKS_COUNTED]),
        "memcheck" => {}
        _ => {
            let suppressions = root().join("tests/glibc.supp");
            valgrind.arg(format!("--tool={tool}"));
            valgrind.arg(format!("--suppressions={}", suppressions.display()));
        }
    }
    valgrind.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => valgrind.env(name, value),
            None => valgrind.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        valgrind.current_dir(dir);
    }
    valgrind
}

/// Runs a command that [`valgrind`] has made, and asserts that Valgrind reports nothing. Returns
/// standard output, and standard error with what the library logs.
#[track_caller]
pub(crate) fn sound(command: &mut Command) -> (String, String) {
    let out = run(command);
    let log = String::from_utf8_lossy(&out.stderr).into_owned();
    // A line of Valgrind's begins with `==PID==`.
    assert!(out.status.success() && !log.contains("=="), "{command:?}: {}\n{log}", out.status);
    (String::from_utf8_lossy(&out.stdout).into_owned(), log)
}

/// How many instructions one lookup of the probe `repeat` takes, without those of the kernel. `command` makes
/// the command that runs the probe; it is given the number of lookups.
#[track_caller]
pub(crate) fn instructions_each(command: impl Fn(&str) -> Command, kind: Repeated) -> f64 {
    let count = |lookups: u32| {
        let command = command(&lookups.to_string());
        let mut callgrind = Command::new("valgrind");
        callgrind.args(["--tool=callgrind", "--trace-children=yes"]);
        callgrind.arg("--callgrind-out-file=/dev/null");
        callgrind.arg(command.get_program()).args(command.get_args());
        callgrind.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let out = run(&mut callgrind);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success(), "{said}");
        let counts = said.lines().filter_map(|line| line.split("Collected : ").nth(1));
        counts.map(|count| count.parse::<f64>().expect("a number")).sum::<f64>()
    };
    let (few, many) = match kind {
        Repeated::First => (0, 1),
        Repeated::Often => (1_000, 3_000),
    };
    (count(many) - count(few)) / f64::from(many - few)
}

/// Of which lookups the instructions are counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Repeated {
    /// The first of a process.
    First,
    /// One among many.
    Often,
}
