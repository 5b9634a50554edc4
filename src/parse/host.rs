//! hosts(5).

use super::{Parsed, address, content};
use crate::record::{Host, split_word};

/// One line of a hosts(5) file, without its newline. As glibc has it (`nss/nss_files/files-hosts.c`)
/// a comment ends a line anywhere, and a line may lack the name.
pub(crate) fn host(line: &[u8]) -> Parsed<Host<'_>> {
    let Some(line) = content(line) else { return Ok(None) };
    let end = memchr::memchr(b'#', line).unwrap_or(line.len());
    let (ip, rest) = split_word(line.get(..end).unwrap_or_default());
    let (name, alias_list) = split_word(rest);
    let address = address::address(ip).ok_or("not an IPv4 or IPv6 address")?;
    Ok(Some(Host { address, name, alias_list }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(line: &str) -> Vec<String> {
        let row = host(line.as_bytes()).unwrap().unwrap();
        row.names().map(|name| String::from_utf8(name.to_vec()).unwrap()).collect()
    }

    #[test]
    fn the_address_the_name_and_the_aliases_are_found() {
        let row = host(b"10.1.2.3 a.site\ta b").unwrap().unwrap();
        assert_eq!((row.address, row.name), ("10.1.2.3".parse().unwrap(), &b"a.site"[..]));
        assert_eq!(row.aliases().collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(
            host(b"fd00::1 x").unwrap().unwrap().address,
            "fd00::1".parse::<core::net::IpAddr>().unwrap()
        );
    }

    #[test]
    fn odd_lines_that_glibc_accepts_are_accepted() {
        assert_eq!(names(" \t127.0.0.1\x0b\x0ca \r"), ["a"]);
        assert_eq!(names("127.0.0.1 a b#c d"), ["a", "b"]);
        assert_eq!(names("127.0.0.1 a # c"), ["a"]);
        assert_eq!(names("127.0.0.1"), [""]);
        assert_eq!(names("127.0.0.1#a"), [""]);
    }

    #[test]
    fn blank_lines_and_comments_are_nothing() {
        for line in ["", "  \t\r", "# 127.0.0.1 a", "  #"] {
            assert_eq!(host(line.as_bytes()), Ok(None), "{line}");
        }
    }

    #[test]
    fn malformed_lines_are_refused_with_a_reason() {
        for line in
            ["a", "1.2.3 a", "127.0.0.1:80 a", "fe80::1%lo a", "127.0.0.01 a", "\u{b9}.2.3.4 a"]
        {
            assert!(host(line.as_bytes()).is_err(), "{line}");
        }
    }

    #[test]
    fn a_name_is_the_same_in_any_case_and_with_a_dot_at_its_end() {
        let row = host(b"::1 a.Site b.").unwrap().unwrap();
        for (name, want) in [
            ("A.siTE", true),
            ("a.site.", true),
            ("B", true),
            ("b.", true),
            ("a", false),
            ("b..", false),
        ] {
            assert_eq!(row.has_name(name.as_bytes()), want, "{name}");
        }
    }
}
