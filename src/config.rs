//! What the environment asked for, read once, at the first question.
//!
//! The names of the variables stand here and nowhere else in the library.
#![allow(unsafe_code, reason = "getenv and getauxval")]

use alloc::vec::Vec;
use core::ffi::{CStr, c_char};

use crate::errno::Errno;
use crate::sync::{Once, try_extend};
use crate::sys;

/// The start of every variable of ours.
const PREFIX: &CStr = c"NSS_WRAPPER_";
pub(crate) const PASSWD: &CStr = c"NSS_WRAPPER_PASSWD";
pub(crate) const GROUP: &CStr = c"NSS_WRAPPER_GROUP";
pub(crate) const SHADOW: &CStr = c"NSS_WRAPPER_SHADOW";
pub(crate) const HOSTS: &CStr = c"NSS_WRAPPER_HOSTS";
const HOSTNAME: &CStr = c"NSS_WRAPPER_HOSTNAME";
const MODULE_SO_PATH: &CStr = c"NSS_WRAPPER_MODULE_SO_PATH";
const MODULE_FN_PREFIX: &CStr = c"NSS_WRAPPER_MODULE_FN_PREFIX";
const USER: &CStr = c"NSS_WRAPPER_USER";
const FALLTHROUGH: &CStr = c"NSS_WRAPPER_FALLTHROUGH";
const DEBUGLEVEL: &CStr = c"NSS_WRAPPER_DEBUGLEVEL";
/// uid_wrapper's own switch: with it `setgroups(2)` is safe to call.
const UID_WRAPPER: &CStr = c"UID_WRAPPER";

/// A variable's value, kept with a NUL at its end.
pub(crate) struct Text(Vec<u8>);

impl Text {
    fn new(value: &[u8]) -> Result<Self, Errno> {
        let mut text = Vec::new();
        try_extend(&mut text, value)?;
        try_extend(&mut text, b"\0")?;
        Ok(Self(text))
    }

    /// As C takes it.
    pub(crate) fn as_c(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }

    /// Without the NUL.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.as_c().to_bytes()
    }
}

/// A file's path, made absolute with the working directory of the first lookup. A variable whose
/// value has a line break in it is a file by itself: the path is its name, and never opened.
pub(crate) struct Path {
    name: Text,
    text: Option<Text>,
}

impl Path {
    /// As the kernel takes it.
    pub(crate) fn as_c(&self) -> &CStr {
        self.name.as_c()
    }

    /// Without the NUL.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.name.bytes()
    }

    /// True if the variable says itself what the file holds.
    pub(crate) fn is_text(&self) -> bool {
        self.text.is_some()
    }

    /// What the file holds, if the variable says that itself.
    pub(crate) fn text(&self) -> Option<&[u8]> {
        self.text.as_ref().map(Text::bytes)
    }

    fn of(variable: &CStr, value: &[u8]) -> Result<Self, Errno> {
        if value.contains(&b'\n') {
            let name = Text::new(variable.to_bytes())?;
            return Ok(Self { name, text: Some(Text::new(value)?) });
        }
        Self::new(value)
    }

    pub(crate) fn new(name: &[u8]) -> Result<Self, Errno> {
        let mut path = Vec::new();
        if !name.starts_with(b"/") {
            let mut buf = [0; 4096];
            // Without a working directory the name is left to the kernel, as it was given.
            if let Some([dir @ .., 0]) = sys::working_directory(&mut buf)
                && dir.starts_with(b"/")
            {
                try_extend(&mut path, dir)?;
                try_extend(&mut path, b"/")?;
            }
        }
        try_extend(&mut path, name)?;
        Text::new(&path).map(|name| Self { name, text: None })
    }
}

/// The variables, with an empty value counted as unset.
#[derive(Default)]
pub(crate) struct Config {
    /// `NSS_WRAPPER_PASSWD`: a passwd(5) file.
    pub(crate) passwd: Option<Path>,
    /// `NSS_WRAPPER_GROUP`: a group(5) file.
    pub(crate) group: Option<Path>,
    /// `NSS_WRAPPER_SHADOW`: a shadow(5) file.
    pub(crate) shadow: Option<Path>,
    /// `NSS_WRAPPER_HOSTS`: a hosts(5) file.
    pub(crate) hosts: Option<Path>,
    /// `NSS_WRAPPER_HOSTNAME`: what gethostname(3) says.
    pub(crate) hostname: Option<Text>,
    /// `NSS_WRAPPER_MODULE_SO_PATH`: an NSS module, as dlopen(3) takes it; with a slash in it an
    /// absolute path.
    pub(crate) module: Option<Text>,
    /// `NSS_WRAPPER_MODULE_FN_PREFIX`: the NAME in the module's `_nss_NAME_getpwnam_r`.
    pub(crate) module_prefix: Option<Text>,
    /// `NSS_WRAPPER_USER`: a passwd(5) line for whoever runs the process.
    pub(crate) user: Option<Text>,
    /// `NSS_WRAPPER_FALLTHROUGH=1`: what our sources do not know is asked of libc.
    pub(crate) fall_through: bool,
    /// `UID_WRAPPER=1`.
    pub(crate) uid_wrapper: bool,
    /// `NSS_WRAPPER_DEBUGLEVEL`, 0 to 3.
    pub(crate) level: u8,
}

impl Config {
    fn read() -> Result<Self, Errno> {
        // A set-user-id program must not take its users from whoever starts it: ld.so(8).
        if secure() {
            return Ok(Self::default());
        }
        let path = |name| variable(name).map(|value| Path::of(name, value)).transpose();
        let text = |name| variable(name).map(Text::new).transpose();
        Ok(Self {
            passwd: path(PASSWD)?,
            group: path(GROUP)?,
            shadow: path(SHADOW)?,
            hosts: path(HOSTS)?,
            hostname: text(HOSTNAME)?,
            module: variable(MODULE_SO_PATH).map(file_or_soname).transpose()?,
            module_prefix: text(MODULE_FN_PREFIX)?,
            user: text(USER)?,
            fall_through: variable(FALLTHROUGH) == Some(b"1"),
            uid_wrapper: variable(UID_WRAPPER) == Some(b"1"),
            level: variable(DEBUGLEVEL).map_or(0, level),
        })
    }
}

/// A path with a slash is a file's. Without one dlopen(3) searches for it.
fn file_or_soname(value: &[u8]) -> Result<Text, Errno> {
    if value.contains(&b'/') { Path::new(value).map(|path| path.name) } else { Text::new(value) }
}

/// The leading digits, like the peer's `atoi`.
fn level(value: &[u8]) -> u8 {
    match value {
        [digit @ b'0'..=b'9'] => (digit - b'0').min(3),
        [b'0'..=b'9', b'0'..=b'9', ..] => 3,
        [digit @ b'0'..=b'9', ..] => (digit - b'0').min(3),
        _ => 0,
    }
}

static CONFIG: Once<Config> = Once::new();

/// The configuration, read at the first call. `ENOMEM` if even that finds no room; the next call
/// tries again.
pub(crate) fn get() -> Result<&'static Config, Errno> {
    CONFIG.get_or_try_init(Config::read)
}

/// The configuration if it has been read.
pub(crate) fn known() -> Option<&'static Config> {
    CONFIG.get()
}

/// True if [`get`] finds the variables set, without room for it.
pub(crate) fn are_set(names: &[&CStr]) -> bool {
    !secure() && names.iter().all(|name| variable(name).is_some())
}

fn secure() -> bool {
    // SAFETY: takes a number, returns a number.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// The variable's value, copied by whoever keeps it: the host may change its environment.
fn variable(name: &CStr) -> Option<&'static [u8]> {
    debug_assert!(name == UID_WRAPPER || name.to_bytes().starts_with(PREFIX.to_bytes()));
    // SAFETY: `name` ends in NUL.
    let value: *mut c_char = unsafe { libc::getenv(name.as_ptr()) };
    if value.is_null() {
        return None;
    }
    // SAFETY: getenv returned a C string, used before the host can change its environment.
    let value = unsafe { CStr::from_ptr(value) }.to_bytes();
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_read_like_atoi_and_ends_at_3() {
        for (text, want) in [("", 0), ("0", 0), ("2", 2), ("3x", 3), ("10", 3), ("x", 0), ("9", 3)]
        {
            assert_eq!(level(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn a_relative_path_is_made_absolute() {
        let path = Path::new(b"passwd").unwrap();
        let want = std::env::current_dir().unwrap().join("passwd");
        assert_eq!(path.bytes(), want.as_os_str().as_encoded_bytes());
        assert_eq!(Path::new(b"/a").unwrap().bytes(), b"/a");
        let want = std::env::current_dir().unwrap().join("./lib.so");
        let path = file_or_soname(b"./lib.so").unwrap();
        assert_eq!(path.bytes(), want.as_os_str().as_encoded_bytes());
        assert_eq!(file_or_soname(b"lib.so").unwrap().bytes(), b"lib.so", "left to dlopen");
    }

    #[test]
    fn a_value_with_a_line_break_is_the_file_itself() {
        let path = Path::of(PASSWD, b"/a").unwrap();
        assert_eq!((path.bytes(), path.text()), (&b"/a"[..], None));
        let path = Path::of(PASSWD, b"/a\n").unwrap();
        assert_eq!((path.bytes(), path.text()), (PASSWD.to_bytes(), Some(&b"/a\n"[..])));
    }
}
