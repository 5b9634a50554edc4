//! Finds the library, and makes the value of `LD_PRELOAD`.

use std::env::consts::ARCH;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf, absolute};

use crate::database::why;

const FILE: &str = "libnss_wrapper_rs.so";

/// The variable that says where the library is.
const VARIABLE: &str = "NSS_WRAPPER_RS_LIBRARY";

/// The library: the given one, the one that `NSS_WRAPPER_RS_LIBRARY` names, or the first that is found relative to this
/// program.
///
/// # Errors
///
/// If it is missing.
pub fn library(wanted: Option<&Path>) -> Result<PathBuf, String> {
    named(wanted).unwrap_or_else(|| first(&beside(&own_dir()?)))
}

fn named(wanted: Option<&Path>) -> Option<Result<PathBuf, String>> {
    let variable = || std::env::var_os(VARIABLE).filter(|path| !path.is_empty());
    wanted
        .map(Into::into)
        .or_else(variable)
        .map(|path| shared_object(Path::new(&path), "the library"))
}

/// The library for a program that is not installed with it: the one that [`VARIABLE`] names, one in the program's
/// directory or in one above it (cargo puts tests into `target/release/deps`), or an installed one.
pub(crate) fn installed() -> Result<PathBuf, String> {
    if let Some(named) = named(None) {
        return named;
    }
    let own = own_dir()?;
    let mut places = beside(&own);
    places.extend(own.parent().map(Path::to_owned));
    for prefix in ["/usr/local", "/usr"] {
        places.extend(beside(&Path::new(prefix).join("bin")).into_iter().skip(1));
    }
    first(&places)
}

/// The absolute path of a shared object, which is there. `what` it is begins the message if it is not.
pub(crate) fn shared_object(path: &Path, what: &str) -> Result<PathBuf, String> {
    let path = absolute(path).map_err(|e| format!("{}: {}", path.display(), why(&e)))?;
    let shown = path.display();
    let failed = |e: io::Error| format!("{what} {shown}: {}", why(&e));
    // Opening a FIFO would wait for its writer.
    if !std::fs::metadata(&path).map_err(failed)?.is_file() {
        return Err(format!("{what} {shown} is not a file"));
    }
    File::open(&path).map_err(failed)?;
    if class(&path).is_none() {
        return Err(format!("{what} {shown} is no ELF file"));
    }
    Ok(path)
}

fn own_dir() -> Result<PathBuf, String> {
    let own = std::env::current_exe()
        .map_err(|e| format!("no way to find the library without {VARIABLE}: {}", why(&e)))?;
    Ok(own.parent().unwrap_or(Path::new("/")).to_owned())
}

/// Where the library of programs in `bin` may be: there, or in the directories of libraries beside that.
fn beside(bin: &Path) -> Vec<PathBuf> {
    let lib = bin.parent().unwrap_or(bin).join("lib");
    vec![bin.to_owned(), lib.join(triple()), lib.with_file_name("lib64"), lib]
}

fn first(places: &[PathBuf]) -> Result<PathBuf, String> {
    let found = places.iter().map(|place| place.join(FILE)).find(|path| path.is_file());
    found.ok_or_else(|| {
        let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
        format!("{FILE} is in none of {}; --library or {VARIABLE} names it", places.join(", "))
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

/// Whether an ELF file is for 32 or 64 bits: a byte of its header. `None` for another file.
fn class(path: &Path) -> Option<u8> {
    let mut header = [0; 5];
    File::open(path).ok()?.read_exact(&mut header).ok()?;
    header.starts_with(b"\x7fELF").then_some(header[4])
}

/// A name of the library for programs of every architecture, if libraries for several are installed: glibc's loader
/// replaces `$LIB` by the program's directory of libraries. musl's does not, so a single library gets its path.
fn for_all(library: &Path) -> Option<PathBuf> {
    let file = library.file_name()?;
    let dir = library.parent()?;
    let above = dir.parent()?;
    let prefix = match dir.file_name()?.to_str()? {
        "lib64" => {
            let other = class(&above.join("lib").join(file))?;
            (Some(other) != class(library)).then_some(above)
        }
        // Debian's multiarch.
        own if own.contains("-linux-gnu") && above.ends_with("lib") => {
            let has_it = |name: &OsStr| {
                name != own
                    && name.to_string_lossy().contains("-linux-gnu")
                    && above.join(name).join(file).is_file()
            };
            let mut others = std::fs::read_dir(above).ok()?.flatten();
            others.any(|other| has_it(&other.file_name())).then(|| above.parent())?
        }
        _ => None,
    };
    Some(prefix?.join("$LIB").join(file))
}

/// `LD_PRELOAD` with the library before what it has already, and only once.
///
/// # Errors
///
/// If ld.so(8) would split the library's path.
pub fn ld_preload(library: &Path, present: Option<&OsStr>) -> Result<OsString, String> {
    let is_separator = |byte: &u8| matches!(byte, b':' | b' ');
    let own = library.as_os_str().as_bytes();
    if own.iter().any(is_separator) {
        let path = library.display();
        return Err(format!("ld.so(8) takes no path with a space or colon in it: {path}"));
    }
    let for_all = for_all(library);
    let first = for_all.as_ref().map_or(own, |path| path.as_os_str().as_bytes());
    let present = present.unwrap_or_default().as_bytes();
    let is_other = |other: &&[u8]| !other.is_empty() && *other != own && *other != first;
    let others = present.split(is_separator).filter(is_other);
    let all: Vec<&[u8]> = std::iter::once(first).chain(others).collect();
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
    fn with_libraries_for_several_architectures_the_loader_chooses() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let top = dir.path();
        let put = |name: &str, bytes: &[u8]| {
            let path = top.join(name);
            std::fs::create_dir_all(path.parent().expect("below")).expect("writable");
            std::fs::write(&path, bytes).expect("writable");
            path
        };
        let made = |path: &Path| {
            let present = format!("{}:a.so:{}/$LIB/l.so", path.display(), top.display());
            let made = ld_preload(path, Some(OsStr::new(&present))).expect("no separator");
            made.to_string_lossy().replace(&top.display().to_string(), "TOP")
        };
        let multiarch = put("lib/x86_64-linux-gnu/l.so", b"\x7fELF\x02");
        put("lib/i386-linux-gnu/other.so", b"\x7fELF\x01");
        assert!(made(&multiarch).starts_with("TOP/lib/x86_64-linux-gnu/l.so:a.so"));
        put("lib/i386-linux-gnu/l.so", b"\x7fELF\x01");
        assert_eq!(made(&multiarch), "TOP/$LIB/l.so:a.so");
        let wide = put("lib64/l.so", b"\x7fELF\x02");
        assert!(made(&wide).starts_with("TOP/lib64/l.so:a.so"));
        put("lib/l.so", b"\x7fELF\x02");
        assert!(made(&wide).starts_with("TOP/lib64/l.so:a.so"));
        put("lib/l.so", b"\x7fELF\x01");
        assert_eq!(made(&wide), "TOP/$LIB/l.so:a.so");
    }

    #[test]
    fn a_path_that_ld_so_would_split_is_refused() {
        assert!(ld_preload(Path::new("/a b/l.so"), None).is_err());
        assert!(ld_preload(Path::new("/a:b/l.so"), None).is_err());
    }
}
