//! The configuration: what the variables and the service's file say, read once, at the first question.
//!
//! The library reads variables only here.
#![allow(unsafe_code, reason = "getenv")]

use core::ffi::{CStr, c_char};

use crate::rt::buf_cell::TryOnce;
use crate::rt::errno::Errno;
use crate::rt::log::{self, Bytes, log};
use crate::rt::memory::{OwnedBuf, ScratchBuf, copy};
use crate::rt::sandbox;
use crate::rt::sys;
use crate::rt::thread::{self, Call};

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
/// Set if uid_wrapper is in use: then setgroups(2) does not change the real groups.
const UID_WRAPPER: &CStr = c"UID_WRAPPER";
const HOME: &CStr = c"HOME";

/// The names that count in the service's file.
const SERVICE_NAMES: [&CStr; 9] =
    [PASSWD, GROUP, SHADOW, HOSTS, MODULE_SO_PATH, MODULE_FN_PREFIX, USER, FALLTHROUGH, DEBUGLEVEL];

/// The file with the settings of the NSS service: docs/service.md.
const SERVICE_FILE: &CStr = c"/etc/nss_wrapper_rs.conf";
const SERVICE_DIR: &CStr = c"/etc";
/// Larger than any such file needs to be. A file that fills it may be longer, and is not used.
const SERVICE_FILE_BYTES: usize = 16 << 10;

/// A copy of some bytes, with a NUL after them.
pub(crate) struct OwnedCStr(OwnedBuf<u8>);

impl OwnedCStr {
    pub(crate) fn new(value: &[u8]) -> Result<Self, Errno> {
        let mut text = OwnedBuf::zeroed(value.len() + 1)?;
        copy(&mut text, value);
        Ok(Self(text))
    }

    #[inline]
    pub(crate) fn as_c(&self) -> &CStr {
        // SAFETY: `new` has left a zero after the text.
        unsafe { CStr::from_ptr(self.0.as_ptr().cast()) }
    }

    /// The text without the NUL.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.as_c().to_bytes()
    }
}

/// A file's path, made absolute with the working directory of the first lookup. If the variable's value has a line
/// break in it, that is the content of the file; then the path is the variable's name, and is never opened.
pub(crate) struct Path {
    name: OwnedCStr,
    text: Option<OwnedCStr>,
}

impl Path {
    #[inline(always)]
    pub(crate) fn as_c(&self) -> &CStr {
        self.name.as_c()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.name.bytes()
    }

    /// The content of the file, if the variable holds it.
    #[inline(always)]
    pub(crate) fn text(&self) -> Option<&[u8]> {
        self.text.as_ref().map(OwnedCStr::bytes)
    }

    fn of(variable: &CStr, value: &[u8]) -> Result<Self, Errno> {
        if memchr::memchr(b'\n', value).is_some() {
            let name = OwnedCStr::new(variable.to_bytes())?;
            return Ok(Self { name, text: Some(OwnedCStr::new(value)?) });
        }
        Self::new(value)
    }

    /// The absolute path of a file.
    pub(crate) fn new(name: &[u8]) -> Result<Self, Errno> {
        let name = if name.starts_with(b"/") { OwnedCStr::new(name) } else { absolute(name) };
        Ok(Self { name: name?, text: None })
    }
}

/// The working directory and the name as one path. The buffer is not on the stack: a signal handler's may have 8 KiB.
#[cold]
#[inline(never)]
fn absolute(name: &[u8]) -> Result<OwnedCStr, Errno> {
    let mut path = ScratchBuf::<u8>::new();
    let mut buf = ScratchBuf::zeroed(4096)?;
    // If there is no working directory, or a sandbox may kill for asking, the name stays relative.
    let dir = if sandbox::may_kill() { None } else { sys::working_directory(&mut buf) };
    if let Some([dir @ .., 0]) = dir {
        if dir.starts_with(b"/") {
            path.extend(dir)?;
            path.push(b'/')?;
        }
    }
    path.extend(name)?;
    OwnedCStr::new(&path)
}

/// Which file a source reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Passwd,
    Group,
    Shadow,
    Hosts,
    /// `/etc/passwd`, for the synthetic user alone.
    SystemPasswd,
    /// `/etc/group`, likewise.
    SystemGroup,
}

impl FileKind {
    pub(crate) const ALL: [Self; 6] = [
        Self::Passwd,
        Self::Group,
        Self::Shadow,
        Self::Hosts,
        Self::SystemPasswd,
        Self::SystemGroup,
    ];
}

/// The settings. A variable takes precedence over the service's file, also if it is set to nothing.
#[derive(Default)]
pub(crate) struct Config {
    /// The files that are configured, in the order of [`FileKind::ALL`].
    files: [Option<Path>; 6],
    /// `NSS_WRAPPER_MODULE_SO_PATH`, an NSS module as dlopen(3) takes it, and `NSS_WRAPPER_MODULE_FN_PREFIX`, the NAME
    /// in its `_nss_NAME_getpwnam_r`; only if both are set.
    module: Option<(OwnedCStr, OwnedCStr)>,
    /// `NSS_WRAPPER_USER`: a passwd(5) line for whoever runs the process.
    pub(crate) user: Option<OwnedCStr>,
    /// `$HOME`, which stands for `%h` in that line.
    pub(crate) home: Option<OwnedCStr>,
    /// `NSS_WRAPPER_FALLTHROUGH=1`: libc is asked for what our sources do not have.
    pub(crate) fall_through: bool,
}

impl Config {
    fn read() -> Result<Self, Errno> {
        // So that a jump out of this loses neither the descriptor nor the text. Without memory for a call the file is
        // read too.
        let _call = Call::enter();
        let service = ServiceFile::read()?;
        let value = |name| match (environment(name), &service) {
            (Some(value), _) => Some(value).filter(|value| !value.is_empty()),
            (None, Some(service)) => service.value(name),
            (None, None) => None,
        };
        let path = |name| value(name).map(|value| Path::of(name, value)).transpose();
        let text = |name| value(name).map(OwnedCStr::new).transpose();
        log::set_level(value(DEBUGLEVEL).map_or(0, level));
        if let Some(service) = &service {
            service.report();
        }
        let user = text(USER)?;
        let system = |name| user.as_ref().map(|_| Path::new(name)).transpose();
        Ok(Self {
            files: [
                path(PASSWD)?,
                path(GROUP)?,
                path(SHADOW)?,
                path(HOSTS)?,
                system(b"/etc/passwd")?,
                system(b"/etc/group")?,
            ],
            module: match value(MODULE_SO_PATH) {
                Some(path) => Some(file_or_soname(path)?).zip(text(MODULE_FN_PREFIX)?),
                None => None,
            },
            home: match user {
                Some(_) => variable(HOME).map(OwnedCStr::new).transpose()?,
                None => None,
            },
            user,
            fall_through: value(FALLTHROUGH) == Some(b"1"),
        })
    }

    /// The file of that kind, if one is configured.
    #[inline(always)]
    pub(crate) fn file(&self, kind: FileKind) -> Option<&Path> {
        self.files.get(kind as usize)?.as_ref()
    }

    /// True if a file of that kind is configured.
    pub(crate) fn has(&self, kind: FileKind) -> bool {
        self.file(kind).is_some()
    }

    /// The path and the prefix of a module, if both are set.
    pub(crate) fn module(&self) -> Option<(&OwnedCStr, &OwnedCStr)> {
        self.module.as_ref().map(|(path, prefix)| (path, prefix))
    }
}

/// A module as dlopen(3) takes it: a path if there is a slash in it, otherwise a name to search for.
fn file_or_soname(value: &[u8]) -> Result<OwnedCStr, Errno> {
    if value.contains(&b'/') {
        Path::new(value).map(|path| path.name)
    } else {
        OwnedCStr::new(value)
    }
}

/// The leading digits as a number, like the peer's `atoi`.
fn level(value: &[u8]) -> u8 {
    match value {
        [b'0'..=b'9', b'0'..=b'9', ..] => 3,
        [digit @ b'0'..=b'9', ..] => (digit - b'0').min(3),
        _ => 0,
    }
}

/// The configuration file of the NSS service. It counts in set-user-id programs, so only root may be able to write it.
struct ServiceFile {
    text: ScratchBuf<u8>,
    /// Why the file is not used, if so.
    fault: Option<&'static str>,
}

impl ServiceFile {
    /// `None` if there is no such file.
    fn read() -> Result<Option<Self>, Errno> {
        let flags = sys::OFlags::NONBLOCK | sys::OFlags::NOFOLLOW;
        let own = sys::FdCell::default();
        let place = thread::opened().map_or(&own, |[place, ..]| place);
        match sys::open(SERVICE_FILE, flags, place) {
            Ok(fd) => Self::read_open(fd, place).map(Some),
            // There is no descriptor for it now; the next call tries again.
            Err(error @ (Errno::EMFILE | Errno::ENFILE)) if sys::stat(SERVICE_FILE).is_ok() => {
                Err(error)
            }
            Err(_) => Ok(None),
        }
    }

    #[inline(never)]
    fn read_open(fd: sys::Fd, place: &sys::FdCell) -> Result<Self, Errno> {
        let is_safe = sys::only_root_writes(fd) && sys::only_root_writes_path(SERVICE_DIR);
        let text = ScratchBuf::zeroed(if is_safe { SERVICE_FILE_BYTES } else { 0 });
        let read = text.map(|mut text| (sys::pread(fd, &mut text, 0).unwrap_or(0), text));
        place.take();
        sys::close(fd);
        let (len, mut text) = read?;
        let fault = if !is_safe {
            Some("others than root can write it or its directory")
        } else if len == SERVICE_FILE_BYTES {
            Some("it is longer than 16383 bytes")
        } else {
            None
        };
        text.truncate(if fault.is_none() { len } else { 0 });
        Ok(Self { text, fault })
    }

    /// The file's value of a variable: that of the last line with its name.
    fn value(&self, name: &CStr) -> Option<&[u8]> {
        let is_used = |value: &&[u8]| !value.is_empty() && !is_relative(name, value);
        self.lines().filter_map(|line| setting(line, name)).last().filter(is_used)
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.text.split(|&b| b == b'\n')
    }

    /// Logs what is not used.
    fn report(&self) {
        let file = Bytes(SERVICE_FILE.to_bytes());
        if let Some(fault) = self.fault {
            log!(Error, "config", "{file}: {fault}, not used");
        }
        for line in self.lines().filter(|line| !line.is_empty() && !line.starts_with(b"#")) {
            let find = |name: &CStr| setting(line, name).map(|value| is_relative(name, value));
            let found = SERVICE_NAMES.into_iter().find_map(find);
            // Without the value, which may have a hash of a password in it.
            let name = Bytes(line.split(|&b| b == b'=').next().unwrap_or_default());
            match found {
                None => log!(Error, "config", "{file}: unknown setting '{name}'"),
                Some(true) => log!(Error, "config", "{file}: {name}: no absolute path, not used"),
                Some(false) => {}
            }
        }
    }
}

/// True if the value names a file by the working directory, which the user of a set-user-id program chooses.
fn is_relative(name: &CStr, value: &[u8]) -> bool {
    let is_file = [PASSWD, GROUP, SHADOW, HOSTS].contains(&name)
        || name == MODULE_SO_PATH && value.contains(&b'/');
    is_file && !value.is_empty() && !value.starts_with(b"/")
}

/// The value in a line `NAME=value` of that name.
fn setting<'a>(line: &'a [u8], name: &CStr) -> Option<&'a [u8]> {
    line.strip_prefix(name.to_bytes())?.strip_prefix(b"=")
}

static CONFIG: TryOnce<Config> = TryOnce::new();

/// The configuration, read at the first call. An error if there is no memory or descriptor for it; the next call tries
/// again.
#[inline(always)]
pub(crate) fn get() -> Result<&'static Config, Errno> {
    CONFIG.get_or_try_init(Config::read)
}

/// True if all these variables are set. (This needs no memory.)
pub(crate) fn are_set(names: &[&CStr]) -> bool {
    names.iter().all(|name| variable(name).is_some())
}

/// `NSS_WRAPPER_HOSTNAME`. As in the peer it is read at each call, so that a test may change it in its own process.
pub(crate) fn hostname() -> Option<&'static [u8]> {
    variable(HOSTNAME)
}

/// True if uid_wrapper acts as if it changed the process's ids: `UID_WRAPPER=1`.
pub(crate) fn has_uid_wrapper() -> bool {
    variable(UID_WRAPPER) == Some(b"1")
}

/// The variable's value; `None` if it is empty.
fn variable(name: &CStr) -> Option<&'static [u8]> {
    environment(name).filter(|value| !value.is_empty())
}

/// The variable's value. Whoever keeps it copies it, because the program may change its environment. In a set-user-id
/// program no variable is read, because it must not take its users from whoever starts it (ld.so(8)).
fn environment(name: &CStr) -> Option<&'static [u8]> {
    debug_assert!(SERVICE_NAMES.contains(&name) || [HOSTNAME, UID_WRAPPER, HOME].contains(&name));
    if sys::is_secure() {
        return None;
    }
    // SAFETY: `CStr` ends the name in NUL.
    let value: *mut c_char = unsafe { libc::getenv(name.as_ptr()) };
    if value.is_null() {
        return None;
    }
    // SAFETY: getenv returned a C string, used before the program can change its environment.
    Some(unsafe { CStr::from_ptr(value) }.to_bytes())
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
    #[cfg_attr(miri, ignore = "asks libc for the working directory")]
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

    #[test]
    fn the_service_file_has_a_value_a_line() {
        let text = ScratchBuf::copy_of(
            b"# c\nNSS_WRAPPER_USER=a:x:%u\nNSS_WRAPPER_USERS=b\nNSS_WRAPPER_GROUP=\n\
              NSS_WRAPPER_HOSTS=hosts",
        )
        .unwrap();
        let file = ServiceFile { text, fault: None };
        assert_eq!(file.value(USER), Some(&b"a:x:%u"[..]));
        assert_eq!([PASSWD, GROUP, HOSTS].map(|name| file.value(name)), [None; 3]);
    }
}
