//! Where the library is, and what `LD_PRELOAD` becomes.

use std::env::consts::ARCH;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf, absolute};

const FILE: &str = "libnss_wrapper_rs.so";

/// The library: the one that is asked for, or the first that is found relative to this program.
pub(crate) fn library(wanted: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(path) = wanted {
        let path = absolute(path).map_err(|e| format!("{}: {e}", path.display()))?;
        return match std::fs::metadata(&path) {
            Ok(status) if status.is_file() => Ok(path),
            Ok(_) => Err(format!("the library {} is not a file", path.display())),
            Err(e) => Err(format!("the library {}: {e}", path.display())),
        };
    }
    let own = std::env::current_exe().map_err(|e| format!("no way to find the library: {e}"))?;
    let own = own.parent().unwrap_or(Path::new("/"));
    let lib = own.parent().unwrap_or(own).join("lib");
    let places = [own.to_owned(), lib.join(triple()), lib.with_file_name("lib64"), lib];
    let found = places.iter().map(|place| place.join(FILE)).find(|path| path.is_file());
    found.ok_or_else(|| {
        let places = places.map(|place| place.display().to_string()).join(", ");
        format!("{FILE} is in none of {places}; --library or NSS_WRAPPER_RS_LIBRARY names it")
    })
}

/// The directory of Debian's multiarch.
fn triple() -> String {
    match ARCH {
        "x86" => "i386-linux-gnu".to_owned(),
        "arm" => "arm-linux-gnueabihf".to_owned(),
        "powerpc64" if cfg!(target_endian = "little") => "powerpc64le-linux-gnu".to_owned(),
        arch => format!("{arch}-linux-gnu"),
    }
}

/// `LD_PRELOAD` with the library in front of what is there, and only once.
pub(crate) fn ld_preload(library: &Path, present: Option<&OsStr>) -> Result<OsString, String> {
    let is_separator = |byte: &u8| matches!(byte, b':' | b' ');
    let own = library.as_os_str().as_bytes();
    if own.iter().any(is_separator) {
        let path = library.display();
        return Err(format!("ld.so(8) takes no path with a space or colon in it: {path}"));
    }
    let present = present.unwrap_or_default().as_bytes();
    let others = present.split(is_separator).filter(|other| !other.is_empty() && *other != own);
    let all: Vec<&[u8]> = std::iter::once(own).chain(others).collect();
    Ok(OsString::from_vec(all.join(&b':')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_stands_in_front_once() {
        for (present, want) in [
            (None, "/l.so"),
            (Some(""), "/l.so"),
            (Some("a.so"), "/l.so:a.so"),
            (Some("a.so b.so::/l.so"), "/l.so:a.so:b.so"),
            (Some("/l.so"), "/l.so"),
        ] {
            let made = ld_preload(Path::new("/l.so"), present.map(OsStr::new));
            assert_eq!(made, Ok(OsString::from(want)), "{present:?}");
        }
    }

    #[test]
    fn a_path_that_ld_so_would_split_is_refused() {
        assert!(ld_preload(Path::new("/a b/l.so"), None).is_err());
        assert!(ld_preload(Path::new("/a:b/l.so"), None).is_err());
    }
}
