//! passwd(5).

use super::{Fields, Parsed, content};
use crate::record::Passwd;

/// One line of a passwd(5) file, without its newline.
pub(crate) fn passwd(line: &[u8]) -> Parsed<Passwd<'_>> {
    let Some(line) = content(line) else { return Ok(None) };
    let mut fields = Fields(line);
    let row = Passwd {
        name: fields.name()?,
        passwd: fields.text(),
        uid: fields.id("the user id is not a number of 32 bits")?,
        gid: fields.id("the group id is not a number of 32 bits")?,
        gecos: fields.text(),
        dir: fields.text(),
        shell: fields.0,
        line,
    };
    Ok(Some(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found() {
        let row = passwd(b"bob:x:1000:100:Bob, B.:/home/bob:/bin/sh").unwrap().unwrap();
        let want = Passwd {
            name: b"bob",
            passwd: b"x",
            uid: 1000,
            gid: 100,
            gecos: b"Bob, B.",
            dir: b"/home/bob",
            shell: b"/bin/sh",
            line: b"bob:x:1000:100:Bob, B.:/home/bob:/bin/sh",
        };
        assert_eq!(row, want);
    }

    #[test]
    fn odd_lines_that_glibc_accepts_are_accepted() {
        let short = passwd(b" \tbob:x:4294967295:+7").unwrap().unwrap();
        assert_eq!((short.name, short.uid, short.gid), (&b"bob"[..], u32::MAX, 7));
        assert_eq!((short.gecos, short.dir, short.shell), (&b""[..], &b""[..], &b""[..]));
        let colons = passwd(b"bob:x:1:2:g:d:s:more\r").unwrap().unwrap();
        assert_eq!(colons.shell, b"s:more\r");
        assert_eq!(passwd(b":x:1:2:::").unwrap().unwrap().name, b"");
    }

    #[test]
    fn blank_lines_and_comments_are_nothing() {
        for line in [&b""[..], b"  \t\r", b"# bob:x:1:2:::", b"  #"] {
            assert_eq!(passwd(line), Ok(None), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn malformed_lines_are_refused_with_a_reason() {
        for line in [
            &b"bob"[..],
            b"bob:x",
            b"bob:x:1",
            b"bob:x::1:::",
            b"bob:x:1::::",
            b"bob:x:abc:1:::",
            b"bob:x:1:1x:::",
            b"bob:x:-1:1:::",
            b"bob:x:4294967296:1:::",
            b"bob:x:1:18446744073709551616:::",
            b"+:x:1:1:::",
            b"-bob:x:1:1:::",
        ] {
            assert!(passwd(line).is_err(), "{}", line.escape_ascii());
        }
    }
}
