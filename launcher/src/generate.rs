//! Completions and man pages, made from the definition of the options.

use std::io::{self, Write};

use clap::{Arg, ArgAction, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::options::{Edit, FORMS, Generated, Options};

/// Writes what is asked for to standard output.
pub(crate) fn print(what: Generated) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let shell = match what {
        Generated::Bash => Shell::Bash,
        Generated::Zsh => Shell::Zsh,
        Generated::Fish => Shell::Fish,
        Generated::Man => return launcher_page(&mut out),
        Generated::EditMan => return edit_page(&mut out),
    };
    // It panics if it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut completed(), "nss-wrapper", &mut script);
    out.write_all(&script)
}

/// What the completions are made from: without the hidden options, which clap_complete would offer, and with `--edit` as
/// an option, because where there is a subcommand no COMMAND is completed.
fn completed() -> Command {
    let all = Options::command();
    let shown = all.get_arguments().filter(|arg| !arg.is_hide_set()).cloned();
    // The group of all arguments has the name of their struct.
    let groups = all.get_groups().filter(|group| group.get_id() != "Options").cloned();
    let about = Edit::command().get_about().cloned().unwrap_or_default();
    let edit = Arg::new("edit").long("edit").action(ArgAction::SetTrue).help(about);
    let command = Command::new("nss-wrapper").version("").args(shown).groups(groups).arg(edit);
    // For zsh a colon in the name of a value begins a second value.
    command.mut_arg("user", |user| user.value_name("NAME or LINE"))
}

fn launcher_page(out: &mut impl Write) -> io::Result<()> {
    let command = Options::command();
    let man = Man::new(command.clone()).manual("User Commands");
    man.render_title(out)?;
    man.render_name_section(out)?;
    synopsis(out, &FORMS, "nss-wrapper")?;
    man.render_description_section(out)?;
    man.render_options_section(out)?;
    section(
        out,
        "EXIT STATUS",
        &[
            ("1", "--check found a fault, or nobody answers what --explain asks"),
            ("125", "nss-wrapper itself failed, or its options are not right"),
            ("126", "COMMAND was found but could not be run"),
            ("127", "COMMAND was not found"),
            ("otherwise", "the exit status of COMMAND, which takes the place of nss-wrapper"),
        ],
    )?;
    section(
        out,
        "EXAMPLES",
        &[
            ("nss-wrapper --user magic -- id", "whoever runs this is called magic"),
            (
                "nss-wrapper --user alice:2000:2000 --user bob:2001:2000 -- ./tests",
                "tests that need two users find them",
            ),
            (
                "nss-wrapper --host db.example=127.0.0.1 -- ./client",
                "the client finds its server on this machine",
            ),
            (
                "nss-wrapper --passwd ./passwd --group ./group -- getent passwd",
                "all users and groups are those of the files",
            ),
            (
                "eval \"$(nss-wrapper --user magic --print-env)\"",
                "from here on in a script the same holds for every program",
            ),
            (
                "nss-wrapper --install-service --user 'app:x:%u:%g:The App:%h:/bin/sh'",
                "in an image: whoever has no entry is called app, in all programs but static ones",
            ),
            (
                "nss-wrapper --namespace --user magic -- ./static-program",
                "a program that reads /etc/passwd itself finds magic there",
            ),
            (
                "nss-wrapper --check --passwd ./passwd",
                "each line of the file that the library skips, and why",
            ),
            (
                "nss-wrapper --explain user 10000 -- sudo",
                "who answers for that id, and whether sudo can be reached",
            ),
        ],
    )?;
    see_also(out, &["nss_wrapper_rs", "nss_wrapper.pl", "fakeroot", "env"])
}

fn edit_page(out: &mut impl Write) -> io::Result<()> {
    let command = Edit::command();
    let man = Man::new(command).manual("User Commands");
    man.render_title(out)?;
    man.render_name_section(out)?;
    let path = "--type passwd --action add|delete --passwd_path PATH --name NAME [--gid GID]";
    let group = "--type group --action add|delete --group_path PATH --name NAME";
    let member = "--type member --action add|delete --passwd_path PATH --group_path PATH \
                  --name GROUP --member USER";
    synopsis(out, &[path, group, member], "nss_wrapper.pl")?;
    man.render_description_section(out)?;
    man.render_options_section(out)?;
    section(
        out,
        "EXIT STATUS",
        &[
            ("0", "the file has its new content"),
            ("1", "the options are not right"),
            ("255", "the name exists already, or does not exist"),
            ("otherwise", "the number of the error that a file gave"),
        ],
    )?;
    see_also(out, &["nss-wrapper", "nss_wrapper_rs"])
}

fn synopsis(out: &mut impl Write, forms: &[&str], program: &str) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    for form in forms {
        roff.text([bold(program), roman(format!(" {form}"))]);
        roff.control("br", []);
    }
    roff.to_writer(out)
}

fn section(out: &mut impl Write, title: &str, terms: &[(&str, &str)]) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    for (term, meaning) in terms {
        roff.control("TP", []);
        roff.text([bold(*term)]);
        roff.text([roman(*meaning)]);
    }
    roff.to_writer(out)
}

fn see_also(out: &mut impl Write, pages: &[&str]) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    for (i, page) in pages.iter().enumerate() {
        let end = if i + 1 == pages.len() { "(1)" } else { "(1)," };
        roff.text([bold(*page), roman(end)]);
    }
    roff.to_writer(out)
}
