//! Loading a module, and finding its functions by their names.
#![allow(unsafe_code, reason = "functions whose type only their names tell")]

use core::ffi::{c_char, c_int, c_long, c_void};
use core::sync::atomic::{AtomicBool, Ordering};

use libc::{gid_t, hostent, socklen_t};

use super::as_c;
use crate::config::OwnedCStr;
use crate::rt::errno::Errno;
use crate::rt::log::{Bytes, log};
use crate::rt::memory::ScratchBuf;
use crate::rt::next::{Library, complaint};

/// The row that a function fills: a `struct passwd` or another.
pub(super) type Row = *mut c_void;
pub(super) type ByName =
    unsafe extern "C" fn(*const c_char, Row, *mut c_char, usize, *mut c_int) -> c_int;
pub(super) type ById = unsafe extern "C" fn(u32, Row, *mut c_char, usize, *mut c_int) -> c_int;
pub(super) type Set = unsafe extern "C" fn(c_int) -> c_int;
pub(super) type NextRow = unsafe extern "C" fn(Row, *mut c_char, usize, *mut c_int) -> c_int;
pub(super) type End = unsafe extern "C" fn() -> c_int;
pub(super) type GroupsOf = unsafe extern "C" fn(
    *const c_char,
    gid_t,
    *mut c_long,
    *mut c_long,
    *mut *mut gid_t,
    c_long,
    *mut c_int,
) -> c_int;
pub(super) type HostByName2 = unsafe extern "C" fn(
    *const c_char,
    c_int,
    *mut hostent,
    *mut c_char,
    usize,
    *mut c_int,
    *mut c_int,
) -> c_int;
pub(super) type HostByName = unsafe extern "C" fn(
    *const c_char,
    *mut hostent,
    *mut c_char,
    usize,
    *mut c_int,
    *mut c_int,
) -> c_int;
pub(super) type HostByAddress = unsafe extern "C" fn(
    *const c_void,
    socklen_t,
    c_int,
    *mut hostent,
    *mut c_char,
    usize,
    *mut c_int,
    *mut c_int,
) -> c_int;

/// The functions of one database, as nss.h in glibc has them. Each may be missing.
pub(super) struct Functions {
    pub(super) by_name: Option<ByName>,
    pub(super) by_id: Option<ById>,
    pub(super) set: Option<Set>,
    pub(super) next: Option<NextRow>,
    pub(super) end: Option<End>,
}

impl Functions {
    /// True if the module has the database at all.
    pub(super) fn any(&self) -> bool {
        self.by_name.is_some() || self.by_id.is_some() || self.next.is_some()
    }
}

/// A loaded module.
pub(super) struct Module {
    pub(super) passwd: Functions,
    pub(super) group: Functions,
    pub(super) groups_of: Option<GroupsOf>,
    pub(super) host_by_name2: Option<HostByName2>,
    pub(super) host_by_name: Option<HostByName>,
    pub(super) host_by_address: Option<HostByAddress>,
}

/// Loads the module, and finds its functions; `None` if it cannot be loaded, which is reported once.
#[cold]
pub(super) fn open(path: &OwnedCStr, prefix: &OwnedCStr) -> Result<Option<Module>, Errno> {
    static HAS_COMPLAINED: AtomicBool = AtomicBool::new(false);
    let shown = Bytes(path.bytes());
    let Some(library) = Library::open(path.as_c())? else {
        if !HAS_COMPLAINED.swap(true, Ordering::Relaxed) {
            let mut room = [0; 256];
            let why = Bytes(complaint(&mut room));
            log!(Error, "module", "Cannot open shared library {shown}: {why}");
        }
        return Ok(None);
    };
    let mut names = Names { library, path: shown, prefix: prefix.bytes(), found: 0 };
    let module = names.module()?;
    // Otherwise the program's next dlerror(3) would report the functions that were not found.
    complaint(&mut []);
    let Names { found, path, prefix, .. } = names;
    if found == 0 {
        let prefix = Bytes(prefix);
        log!(Error, "module", "{path} has no function whose name begins with _nss_{prefix}_");
    }
    log!(Debug, "module", "Loaded {path}, found {found} functions");
    Ok(Some(module))
}

/// Finds the module's functions by their names.
struct Names<'a> {
    library: Library,
    path: Bytes<'a>,
    prefix: &'a [u8],
    found: usize,
}

impl Names<'_> {
    fn module(&mut self) -> Result<Module, Errno> {
        let passwd = ["getpwnam_r", "getpwuid_r", "setpwent", "getpwent_r", "endpwent"];
        let group = ["getgrnam_r", "getgrgid_r", "setgrent", "getgrent_r", "endgrent"];
        let (passwd, group) = (self.database(passwd)?, self.database(group)?);
        // SAFETY: the type that glibc gives initgroups_dyn.
        let groups_of = unsafe { self.find("initgroups_dyn") }?;
        // SAFETY: the type that glibc gives gethostbyname2_r.
        let host_by_name2 = unsafe { self.find("gethostbyname2_r") }?;
        let host_by_name = match host_by_name2 {
            Some(_) => None,
            // SAFETY: the type that glibc gives gethostbyname_r.
            None => unsafe { self.find("gethostbyname_r") }?,
        };
        // SAFETY: the type that glibc gives gethostbyaddr_r.
        let host_by_address = unsafe { self.find("gethostbyaddr_r") }?;
        Ok(Module { passwd, group, groups_of, host_by_name2, host_by_name, host_by_address })
    }

    fn database(&mut self, names: [&str; 5]) -> Result<Functions, Errno> {
        let [by_name, by_id, set, next, end] = names;
        Ok(Functions {
            // SAFETY: the type of getXXnam_r in a module; a row's pointer has no type of its own here.
            by_name: unsafe { self.find(by_name) }?,
            // SAFETY: the type of getXXid_r.
            by_id: unsafe { self.find(by_id) }?,
            // SAFETY: the type of setXXent.
            set: unsafe { self.find(set) }?,
            // SAFETY: the type of getXXent_r.
            next: unsafe { self.find(next) }?,
            // SAFETY: the type of endXXent.
            end: unsafe { self.find(end) }?,
        })
    }

    /// The function `_nss_PREFIX_NAME`. A missing one gives a warning, as with the peer.
    ///
    /// # Safety
    ///
    /// `F` is the type of the function pointer.
    unsafe fn find<F: Copy>(&mut self, name: &str) -> Result<Option<F>, Errno> {
        const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
        let mut symbol = ScratchBuf::new();
        for part in [b"_nss_", self.prefix, b"_", name.as_bytes(), b"\0"] {
            symbol.extend(part)?;
        }
        let symbol = as_c(&symbol);
        let Some(at) = self.library.symbol(symbol)? else {
            let (symbol, path) = (Bytes(symbol.to_bytes()), &self.path);
            log!(Warn, "module", "Cannot find function {symbol} in {path}");
            return Ok(None);
        };
        self.found += 1;
        // SAFETY: the function's address, and the caller promises that F is its type.
        Ok(Some(unsafe { core::mem::transmute_copy(&at) }))
    }
}
