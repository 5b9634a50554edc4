//! What nsswitch.conf(5) says of a database.

use crate::config::Path;
use crate::db::bytes::{skip_space, split_word};
use crate::file::read;
use crate::rt::errno::Errno;
use crate::rt::memory::ScratchBuf;
use crate::rt::next::CONFIGURE_LOOKUP;

/// The name of our own service.
const OURS: &[u8] = b"wrapper_rs";

/// The services of a database, with the actions between them; `None` if the file does not name it.
fn services<'a>(text: &'a [u8], database: &str) -> Option<&'a [u8]> {
    text.split(|&b| b == b'\n').find_map(|line| {
        let line = line.split(|&b| b == b'#').next().unwrap_or_default();
        let rest = skip_space(line).strip_prefix(database.as_bytes())?;
        skip_space(rest).strip_prefix(b":")
    })
}

/// A line of services for libc: ours, then, if `goes_on`, the action and the services of nsswitch.conf(5), or `usual`
/// if that has no line. It ends in NUL.
pub(crate) fn ours_first(
    database: &str,
    action: &str,
    usual: &str,
    goes_on: bool,
) -> Result<ScratchBuf<u8>, Errno> {
    let mut line = ScratchBuf::copy_of(OURS)?;
    if goes_on {
        let file = system_file()?;
        let text = file.as_deref().unwrap_or_default();
        let others = services(text, database).unwrap_or(usual.as_bytes());
        line.push(b' ')?;
        line.extend(action.as_bytes())?;
        let mut rest = skip_space(others);
        while !rest.is_empty() {
            let (word, after) = split_word(rest);
            // Our service may be in the file too.
            if word != OURS {
                line.push(b' ')?;
                line.extend(word)?;
            }
            rest = after;
        }
    }
    line.push(0)?;
    Ok(line)
}

/// True if libc asks services for the database besides the system's files.
pub(crate) fn has_other_services(database: &str) -> Result<bool, Errno> {
    let file = system_file()?;
    let text = file.as_deref().unwrap_or_default();
    let has_other = services(text, database).is_some_and(has_other);
    // musl has no services. This is checked last, because looking a symbol up takes longer.
    Ok(has_other && CONFIGURE_LOOKUP.get().is_some())
}

fn has_other(services: &[u8]) -> bool {
    let mut rest = skip_space(services);
    while !rest.is_empty() {
        let (word, after) = split_word(rest);
        if !word.starts_with(b"[") && word != b"files" && word != OURS {
            return true;
        }
        rest = after;
    }
    false
}

/// The file's text; nothing if it cannot be read.
fn system_file() -> Result<Option<crate::file::text::ScratchText>, Errno> {
    match read::read(&Path::new(b"/etc/nsswitch.conf")?) {
        Err(Errno::ENOMEM) => Err(Errno::ENOMEM),
        read => Ok(read.ok().map(|read| read.text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_database_is_found() {
        let text = b"# passwd: no\n\n passwd :  files systemd # c\npasswd_compat: nis\ngroup:\tfiles\nhosts: files [NOTFOUND=return] dns";
        assert_eq!(services(text, "passwd"), Some(&b"  files systemd "[..]));
        assert_eq!(services(text, "passwd_compat"), Some(&b" nis"[..]));
        assert_eq!(services(text, "hosts"), Some(&b" files [NOTFOUND=return] dns"[..]));
        assert_eq!(services(text, "shadow"), None);
        assert_eq!(services(b"", "passwd"), None);
    }

    #[test]
    fn services_that_the_files_do_not_show_are_seen() {
        for (services, want) in [
            ("files", false),
            (" files wrapper_rs", false),
            ("files [NOTFOUND=return] files", false),
            ("files systemd", true),
            ("compat", true),
            ("sss files", true),
            ("", false),
        ] {
            assert_eq!(has_other(services.as_bytes()), want, "{services}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "reads a file of the system")]
    fn ours_comes_first() {
        assert_eq!(*ours_first("passwd", "", "files", false).unwrap(), *b"wrapper_rs\0");
        let line = ours_first("hosts", "[NOTFOUND=return]", "files dns", true).unwrap();
        assert!(line.starts_with(b"wrapper_rs [NOTFOUND=return] "), "{}", line.escape_ascii());
    }
}
