//! What nsswitch.conf(5) says of a database, for a libc that asks us before its own services.

use alloc::vec::Vec;

use crate::errno::Errno;
use crate::record::skip_space;
use crate::sync::try_extend;

/// The services of a database, with the actions between them; `None` if the file does not name it.
pub(crate) fn services<'a>(text: &'a [u8], database: &[u8]) -> Option<&'a [u8]> {
    text.split(|&b| b == b'\n').find_map(|line| {
        let line = line.split(|&b| b == b'#').next().unwrap_or_default();
        let rest = skip_space(line).strip_prefix(database)?;
        skip_space(rest).strip_prefix(b":")
    })
}

/// A line of services that begins with ours and the action after it, with a NUL at its end.
pub(crate) fn ours(action: &[u8], others: &[u8]) -> Result<Vec<u8>, Errno> {
    let mut line = Vec::new();
    for part in [&b"wrapper_rs "[..], action, b" ", others, b"\0"] {
        try_extend(&mut line, part)?;
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_database_is_found() {
        let text = b"# passwd: no\n\n passwd :  files systemd # c\npasswd_compat: nis\ngroup:\tfiles\nhosts: files [NOTFOUND=return] dns";
        assert_eq!(services(text, b"passwd"), Some(&b"  files systemd "[..]));
        assert_eq!(services(text, b"passwd_compat"), Some(&b" nis"[..]));
        assert_eq!(services(text, b"hosts"), Some(&b" files [NOTFOUND=return] dns"[..]));
        assert_eq!(services(text, b"shadow"), None);
        assert_eq!(services(b"", b"passwd"), None);
    }

    #[test]
    fn ours_comes_first() {
        assert_eq!(
            ours(b"[NOTFOUND=return]", b"files").unwrap(),
            b"wrapper_rs [NOTFOUND=return] files\0"
        );
    }
}
