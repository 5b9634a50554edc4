//! group(5).

use super::{Fields, Parsed, content};
use crate::record::Group;

/// One line of a group(5) file, without its newline.
pub(crate) fn group(line: &[u8]) -> Parsed<Group<'_>> {
    let Some(line) = content(line) else { return Ok(None) };
    let mut fields = Fields(line);
    let row = Group {
        name: fields.name()?,
        passwd: fields.text(),
        gid: fields.id("the group id is not a number of 32 bits")?,
        member_list: fields.0,
        line,
    };
    Ok(Some(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(line: &[u8]) -> Vec<&[u8]> {
        group(line).unwrap().unwrap().members().collect()
    }

    #[test]
    fn members_are_taken_apart_as_glibc_does() {
        assert_eq!(members(b"g:x:1:a,b"), [b"a", b"b"]);
        assert_eq!(members(b"g:x:1: a,, b ,"), [&b"a"[..], b"b "]);
        assert_eq!(members(b"g:x:1:a:b,c"), [&b"a:b"[..], b"c"]);
        assert!(members(b"g:x:1:").is_empty());
        assert!(members(b"g:x:1").is_empty(), "the last field may be missing");
    }

    #[test]
    fn malformed_lines_are_refused_with_a_reason() {
        for line in [
            &b"g"[..],
            b"g:x",
            b"g:x::a",
            b"g:x:q:a",
            b"g:x:-1:a",
            b"g:x:4294967296:a",
            b"+",
            b"-g:x:1:",
        ] {
            assert!(group(line).is_err(), "{}", line.escape_ascii());
        }
    }
}
