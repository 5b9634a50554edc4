//! The probe `ask`, which answers a question ("getpwnam bob") with a line. The heads of `ask.h`, `ask_all.h` and
//! `ask.c` in `tests/probes` describe the questions and the answers.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::{compiled, file, library, probe, run, stdout, under, wrapped};

/// A row of passwd(5), and one of group(5).
pub(crate) const BOB: &str = "bob:x:4242:77:Bob:/b:/bin/b";
pub(crate) const LAB: &str = "lab:x:77:bob,eve";

/// Questions of each kind, and the answers if [`BOB`] and [`LAB`] are the only rows of their files.
pub(crate) const BOB_AND_LAB: [(&str, &str); 6] = [
    ("getpwnam_r bob", BOB),
    ("getpwuid 4242", BOB),
    ("all getpwent", BOB),
    ("getgrnam_r lab", LAB),
    ("getgrgid 77", LAB),
    ("all getgrent", LAB),
];

/// Writes files with [`BOB`] and [`LAB`] to `dir`, and sets the command's variables to their paths.
pub(crate) fn with_bob_and_lab<'a>(command: &'a mut Command, dir: &Path) -> &'a mut Command {
    command
        .env("NSS_WRAPPER_PASSWD", file(dir, "passwd", format!("{BOB}\n")))
        .env("NSS_WRAPPER_GROUP", file(dir, "group", format!("{LAB}\n")))
}

/// The probe under the library, with no variable set.
pub(crate) fn ask() -> Command {
    under(library(), probe("ask"))
}

/// The probe compiled for musl.
pub(crate) fn musl_ask() -> PathBuf {
    compiled("ask", "musl-gcc", &[])
}

/// Encodes a text as one word of a question, whatever bytes it has.
pub(crate) fn word(text: &str) -> String {
    let encode = |byte: u8| match byte {
        0..=b' ' | b'%' | b';' => format!("%{byte:02x}"),
        _ => char::from(byte).to_string(),
    };
    text.bytes().map(encode).collect()
}

/// What the probe answers, one line for each question.
#[track_caller]
pub(crate) fn answers<Q: AsRef<str>>(command: &mut Command, questions: &[Q]) -> Vec<String> {
    let said = stdout(command.args(questions.iter().map(AsRef::as_ref)));
    lines(&said, questions.len())
}

/// The answers, and what was written to standard error.
#[track_caller]
pub(crate) fn answers_and_log<Q: AsRef<str>>(
    command: &mut Command,
    questions: &[Q],
) -> (Vec<String>, String) {
    let out = run(command.args(questions.iter().map(AsRef::as_ref)));
    let log = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{}\n{log}", out.status);
    (lines(&String::from_utf8_lossy(&out.stdout), questions.len()), log)
}

#[track_caller]
fn lines(said: &str, count: usize) -> Vec<String> {
    let lines: Vec<_> = said.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), count, "{said}");
    lines
}

/// Asserts that each question has its answer.
#[track_caller]
pub(crate) fn expect<Q: AsRef<str>, A: AsRef<str>>(command: &mut Command, pairs: &[(Q, A)]) {
    let questions: Vec<_> = pairs.iter().map(|(question, _)| question.as_ref()).collect();
    same(&questions, &answers(command, &questions), pairs);
}

/// Like [`expect`], and returns what was written to standard error.
#[track_caller]
pub(crate) fn expect_and_log<Q: AsRef<str>, A: AsRef<str>>(
    command: &mut Command,
    pairs: &[(Q, A)],
) -> String {
    let questions: Vec<_> = pairs.iter().map(|(question, _)| question.as_ref()).collect();
    let (answers, log) = answers_and_log(command, &questions);
    same(&questions, &answers, pairs);
    log
}

#[track_caller]
fn same<Q, A: AsRef<str>>(questions: &[&str], answers: &[String], pairs: &[(Q, A)]) {
    for ((question, answer), (_, want)) in questions.iter().zip(answers).zip(pairs) {
        assert_eq!(answer, want.as_ref(), "{question}\nall answers: {answers:#?}");
    }
}

/// The rows of an answer to "all …".
pub(crate) fn rows(answer: &str) -> Vec<&str> {
    answer.split('\t').filter(|row| !row.is_empty()).collect()
}

/// The names in the rows of an answer to "all …", separated by blanks.
pub(crate) fn names(answer: &str) -> String {
    let name = |row: &&str| row.split([':', ' ']).next().unwrap_or_default().to_owned();
    rows(answer).iter().map(name).collect::<Vec<_>>().join(" ")
}

/// Questions to every function of pwd.h and grp.h: about each of these keys, then enumerations.
pub(crate) fn everything(keys: &[&str]) -> Vec<String> {
    let mut questions = Vec::new();
    for key in keys {
        let is_id = key.starts_with(|c: char| c.is_ascii_digit());
        let functions = if is_id { ["getpwuid", "getgrgid"] } else { ["getpwnam", "getgrnam"] };
        for function in functions {
            questions.push(format!("{function} {key}"));
            questions.push(format!("{function}_r {key}"));
        }
        if !is_id {
            questions.extend([64, 3, 2, 1, 0].map(|room| format!("getgrouplist {key} 7 {room}")));
        }
    }
    for database in ["pw", "gr"] {
        questions.extend(
            ["get?ent", "set?ent", "get?ent", "get?ent", "end?ent", "all get?ent", "get?ent"]
                .into_iter()
                .chain(["set?ent", "all get?ent_r", "get?ent_r", "end?ent"])
                .map(|question| question.replace('?', database)),
        );
    }
    questions
}

/// A running probe, so that a test can edit files between its questions.
pub(crate) struct Session {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Session {
    pub(crate) fn new(command: &mut Command) -> Self {
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().expect("the probe starts");
        let questions = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, questions, answers }
    }

    /// A session with `NSS_WRAPPER_PASSWD` and `NSS_WRAPPER_GROUP`.
    pub(crate) fn with(passwd: &Path, group: &Path) -> Self {
        Self::new(&mut wrapped(probe("ask"), passwd, group))
    }

    pub(crate) fn ask(&mut self, question: &str) -> String {
        writeln!(self.questions, "{question}").expect("the probe lives");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("text");
        answer.strip_suffix('\n').unwrap_or(&answer).to_owned()
    }

    /// The names of all users, separated by blanks.
    pub(crate) fn users(&mut self) -> String {
        self.names_of("pw")
    }

    /// The names of all groups, separated by blanks.
    pub(crate) fn groups(&mut self) -> String {
        self.names_of("gr")
    }

    fn names_of(&mut self, database: &str) -> String {
        let questions = "set?ent; all get?ent; end?ent".replace('?', database);
        let said = self.ask(&questions);
        let rows = said.strip_prefix("done; ").and_then(|said| said.strip_suffix("; done"));
        names(rows.unwrap_or_else(|| panic!("{said}")))
    }

    /// The files that the process has open, as the links in `/proc/PID/fd` show them.
    pub(crate) fn open_files(&self) -> Vec<PathBuf> {
        let dir = format!("/proc/{}/fd", self.child.id());
        let links = std::fs::read_dir(dir).expect("the probe lives");
        links.filter_map(|link| std::fs::read_link(link.ok()?.path()).ok()).collect()
    }

    /// Closes this end of the pipe that is the probe's standard error.
    pub(crate) fn hang_up(&mut self) {
        drop(self.child.stderr.take());
    }

    /// Ends the probe. Returns the lines that it wrote to standard error, without the level, the name
    /// and the id of the process, which stand before each message.
    pub(crate) fn end(self) -> Vec<String> {
        let Self { child, questions, answers } = self;
        drop((questions, answers));
        let out = child.wait_with_output().expect("the probe ends");
        assert!(out.status.success(), "{}", out.status);
        let said = String::from_utf8(out.stderr).expect("text");
        said.lines()
            .map(|line| {
                let (head, text) = line.split_once("] - ").expect("the peer's shape");
                assert!(head.starts_with("NWRAP_ERROR[ask-cc ("), "{line}");
                text.to_owned()
            })
            .collect()
    }
}
