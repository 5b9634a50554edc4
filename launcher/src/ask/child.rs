//! The child: asks libc and writes the answer, a word and a value on each line.
#![allow(unsafe_code, reason = "libc's lookups and their results")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::{IpAddr, ToSocketAddrs};

use crate::service::libdir;
use nss_wrapper_environment::Database;

/// How many entries are read between two reports of the progress.
const STEP: u64 = 1 << 16;

/// A function that every build of the library exports, and nothing else.
const EXPORT: &CStr = c"_nss_wrapper_rs_getpwuid_r";

/// Asks for one entry, or reads all.
pub(crate) fn run(database: Database, key: Option<&str>) -> io::Result<()> {
    let mut out = String::new();
    if let Some(path) = preloaded() {
        let _ = writeln!(out, "preloaded {path}");
    }
    io::stdout().write_all(out.as_bytes())?;
    out.clear();
    match key {
        Some(key) => {
            if let Some(entry) = entry(database, key) {
                let _ = writeln!(out, "entry {}", entry.replace('\n', " "));
            }
        }
        None => read_all(database)?,
    }
    if let Some(path) = service() {
        let _ = writeln!(out, "service {path}");
    }
    io::stdout().write_all(out.as_bytes())
}

/// The library that was loaded with this program.
fn preloaded() -> Option<String> {
    file_of(libc::RTLD_DEFAULT)
}

/// The library that libc has loaded as a service, which is not in the program's global scope.
fn service() -> Option<String> {
    // Its file may have another name, to which packages make a link.
    let name = CString::new(libdir::SONAME).ok()?;
    // SAFETY: the name ends in NUL, and nothing is loaded, so that no constructor runs.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
    if handle.is_null() { None } else { file_of(handle) }
}

/// The file of the library, if it is among those of the handle.
fn file_of(handle: *mut c_void) -> Option<String> {
    // SAFETY: dlopen gave the handle, or it is RTLD_DEFAULT; the name ends in NUL.
    let symbol = unsafe { libc::dlsym(handle, EXPORT.as_ptr()) };
    if symbol.is_null() {
        return None;
    }
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: dladdr takes any address, and writes to the struct that is ours.
    if unsafe { libc::dladdr(symbol, info.as_mut_ptr()) } == 0 {
        return None;
    }
    // SAFETY: all zeros are a valid Dl_info, whatever dladdr has written.
    let info = unsafe { info.assume_init() };
    text(info.dli_fname)
}

/// Reads all entries, and reports their number from time to time.
fn read_all(database: Database) -> io::Result<()> {
    let mut count = 0_u64;
    while next(database) {
        count += 1;
        if count % STEP == 0 {
            io::stdout().write_all(format!("entries {count}\n").as_bytes())?;
        }
    }
    io::stdout().write_all(format!("entries {count}\n").as_bytes())
}

unsafe extern "C" {
    /// netdb.h
    fn gethostent() -> *mut libc::hostent;
}

/// Reads the next entry; false at the end.
fn next(database: Database) -> bool {
    match database {
        // SAFETY: getpwent takes nothing, one thread runs, and the result is not looked into.
        Database::Passwd => !unsafe { libc::getpwent() }.is_null(),
        // SAFETY: getgrent takes nothing, one thread runs, and the result is not looked into.
        Database::Group => !unsafe { libc::getgrent() }.is_null(),
        // SAFETY: getspent takes nothing, one thread runs, and the result is not looked into.
        Database::Shadow => !unsafe { libc::getspent() }.is_null(),
        // SAFETY: gethostent takes nothing, one thread runs, and the result is not looked into.
        Database::Hosts => !unsafe { gethostent() }.is_null(),
    }
}

/// The entry as a line of its file.
fn entry(database: Database, key: &str) -> Option<String> {
    match database {
        Database::Passwd => user(key),
        Database::Group => group(key),
        Database::Hosts => host(key),
        Database::Shadow => None,
    }
}

fn user(key: &str) -> Option<String> {
    let found = match key.parse() {
        // SAFETY: getpwuid takes any number.
        Ok(uid) => unsafe { libc::getpwuid(uid) },
        Err(_) => {
            let name = CString::new(key).ok()?;
            // SAFETY: the name ends in NUL and lives until getpwnam returns.
            unsafe { libc::getpwnam(name.as_ptr()) }
        }
    };
    // SAFETY: libc returned NULL or a struct that holds until the next lookup, of which there is
    // none: this program has one thread.
    let row = unsafe { found.as_ref() }?;
    let (name, gecos) = (text(row.pw_name)?, text(row.pw_gecos).unwrap_or_default());
    let (dir, shell) = (text(row.pw_dir)?, text(row.pw_shell)?);
    // The field may be a hash of a password, so it is not shown.
    Some(format!("{name}:x:{}:{}:{gecos}:{dir}:{shell}", row.pw_uid, row.pw_gid))
}

fn group(key: &str) -> Option<String> {
    let found = match key.parse() {
        // SAFETY: getgrgid takes any number.
        Ok(gid) => unsafe { libc::getgrgid(gid) },
        Err(_) => {
            let name = CString::new(key).ok()?;
            // SAFETY: the name ends in NUL and lives until getgrnam returns.
            unsafe { libc::getgrnam(name.as_ptr()) }
        }
    };
    // SAFETY: libc returned NULL or a struct that holds until the next lookup, of which there is
    // none: this program has one thread.
    let row = unsafe { found.as_ref() }?;
    let mut members = Vec::new();
    let mut at = row.gr_mem;
    while !at.is_null() {
        // SAFETY: gr_mem is an array of pointers that ends in a NULL, and `at` is not behind that.
        let Some(member) = text(unsafe { *at }) else { break };
        members.push(member);
        at = at.wrapping_add(1);
    }
    Some(format!("{}:x:{}:{}", text(row.gr_name)?, row.gr_gid, members.join(",")))
}

fn host(key: &str) -> Option<String> {
    if let Ok(address) = key.parse::<IpAddr>() {
        return name_of(address).map(|name| format!("{address} {name}"));
    }
    let mut found = Vec::new();
    for address in (key, 0).to_socket_addrs().ok()? {
        let address = address.ip().to_string();
        if !found.contains(&address) {
            found.push(address);
        }
    }
    (!found.is_empty()).then(|| format!("{} {key}", found.join(" ")))
}

fn name_of(address: IpAddr) -> Option<String> {
    let (bytes, family): (Vec<u8>, c_int) = match address {
        IpAddr::V4(v4) => (v4.octets().into(), libc::AF_INET),
        IpAddr::V6(v6) => (v6.octets().into(), libc::AF_INET6),
    };
    unsafe extern "C" {
        /// netdb.h
        fn gethostbyaddr(
            address: *const c_void,
            length: libc::socklen_t,
            family: c_int,
        ) -> *mut libc::hostent;
    }
    let length = if family == libc::AF_INET { 4 } else { 16 };
    // SAFETY: `bytes` has as many bytes as `length` says, which is what the family has.
    let found = unsafe { gethostbyaddr(bytes.as_ptr().cast(), length, family) };
    // SAFETY: libc returned NULL or a struct that holds until the next lookup, of which there is
    // none: this program has one thread.
    text(unsafe { found.as_ref() }?.h_name)
}

/// A C string of libc's, copied.
fn text(pointer: *const c_char) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: not NULL, and libc's structs point at strings that end in NUL and hold until the next
    // lookup.
    let text = unsafe { CStr::from_ptr(pointer) };
    Some(text.to_string_lossy().into_owned())
}
