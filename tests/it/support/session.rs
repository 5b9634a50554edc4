//! A probe that answers questions while the test edits files between them.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::{probe, wrapped};

/// A running probe `ask`.
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
        answer.trim_end().to_owned()
    }

    /// Lets go of the probe's standard error, as a reader that has read enough.
    pub(crate) fn hang_up(&mut self) {
        drop(self.child.stderr.take());
    }

    /// Ends the probe: what it wrote to standard error, without the process's name and id.
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
