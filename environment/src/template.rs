//! The passwd(5) line for whoever runs a process, as in `NSS_WRAPPER_USER`, has signs: `%u` and `%g`
//! are the real ids, `%h` is `$HOME`, `%%` a percent sign.

/// The values of the signs.
pub struct Process<'a> {
    /// The real user id.
    pub uid: u32,
    /// The real group id.
    pub gid: u32,
    /// What [`home`] gives.
    pub home: &'a str,
}

/// Checks that each percent sign in a line begins one of the signs.
///
/// # Errors
///
/// One line that names the unknown sign.
pub fn check(line: &str) -> Result<(), String> {
    walk(line, |_| {})
}

/// The line with the signs replaced by their values. Everything else stays as it is.
#[must_use]
pub fn expand(line: &str, process: &Process<'_>) -> String {
    let mut out = String::new();
    let checked = walk(line, |part| match part {
        Part::Text(text) => out += text,
        Part::Uid => out += &process.uid.to_string(),
        Part::Gid => out += &process.gid.to_string(),
        Part::Home => out += process.home,
    });
    debug_assert!(checked.is_ok(), "the line was checked when it was read");
    out
}

/// The text with its percent signs doubled, so that nothing in it is a sign.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('%', "%%")
}

/// The value of `%h`: `$HOME`, or the root directory if a passwd(5) line cannot hold that.
#[must_use]
pub fn home() -> String {
    path_in("HOME").unwrap_or_else(|| "/".to_owned())
}

/// The path in an environment variable, if a passwd(5) line can hold it.
#[must_use]
pub fn path_in(variable: &str) -> Option<String> {
    let is_field = |value: &String| {
        value.starts_with('/') && !value.contains(|c: char| c == ':' || c.is_control())
    };
    std::env::var(variable).ok().filter(is_field)
}

enum Part<'a> {
    Text(&'a str),
    Uid,
    Gid,
    Home,
}

fn walk<'a>(line: &'a str, mut take: impl FnMut(Part<'a>)) -> Result<(), String> {
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('%') {
        take(Part::Text(before));
        let sign = after.chars().next();
        take(match sign {
            Some('u') => Part::Uid,
            Some('g') => Part::Gid,
            Some('h') => Part::Home,
            Some('%') => Part::Text("%"),
            Some(other) => {
                return Err(format!(
                    "%{} stands for nothing; a percent sign is %%",
                    other.escape_debug()
                ));
            }
            None => return Err("a percent sign is %%".to_owned()),
        });
        // All signs are one byte long.
        rest = &after[1..];
    }
    take(Part::Text(rest));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signs_are_replaced_and_nothing_else() {
        let process = Process { uid: 0, gid: u32::MAX, home: "/home/%u" };
        let line = "a%u:x:%u:%g:100%%:%h:/bin/sh";
        assert_eq!(check(line), Ok(()));
        assert_eq!(expand(line, &process), "a0:x:0:4294967295:100%:/home/%u:/bin/sh");
        assert_eq!(expand(&escape("50 %u"), &process), "50 %u");
    }

    #[test]
    fn an_unknown_sign_is_named() {
        for (line, why) in [
            ("a:%x", "%x stands for nothing; a percent sign is %%"),
            ("a:%é", "%é stands for nothing; a percent sign is %%"),
            ("a:%\n", "%\\n stands for nothing; a percent sign is %%"),
            ("a:%", "a percent sign is %%"),
        ] {
            assert_eq!(check(line), Err(why.to_owned()), "{line:?}");
        }
    }
}
