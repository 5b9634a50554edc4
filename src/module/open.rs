//! Loading the module, and finding its functions.

use alloc::vec::Vec;
use core::ffi::{CStr, c_char, c_int, c_long};
use core::sync::atomic::{AtomicBool, Ordering};

use libc::{gid_t, group, passwd, size_t};

use super::row::Entry;
use super::{Inside, OPENING, host};
use crate::config::{self, Text};
use crate::errno::Errno;
use crate::real::{Library, complaint};
use crate::sync::{Once, try_extend};
use crate::trace::{Bytes, log};

pub(super) type ByName<C> =
    unsafe extern "C" fn(*const c_char, *mut C, *mut c_char, size_t, *mut c_int) -> c_int;
pub(super) type ById<C> =
    unsafe extern "C" fn(u32, *mut C, *mut c_char, size_t, *mut c_int) -> c_int;
pub(super) type Set = unsafe extern "C" fn(c_int) -> c_int;
pub(super) type Next<C> = unsafe extern "C" fn(*mut C, *mut c_char, size_t, *mut c_int) -> c_int;
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

/// The functions of one database, as nss.h in glibc has them. Each may be missing.
pub(crate) struct Functions<C> {
    pub(super) by_name: Option<ByName<C>>,
    pub(super) by_id: Option<ById<C>>,
    pub(super) set: Option<Set>,
    pub(super) next: Option<Next<C>>,
    pub(super) end: Option<End>,
}

impl<C> Functions<C> {
    pub(super) const NONE: Self =
        Self { by_name: None, by_id: None, set: None, next: None, end: None };

    /// True if the module has the database at all.
    pub(super) fn any(&self) -> bool {
        self.by_name.is_some() || self.by_id.is_some() || self.next.is_some()
    }
}

/// The functions about hosts; as above.
pub(super) struct Hosts {
    pub(super) by_name2: Option<host::ByName2>,
    pub(super) by_name: Option<host::ByName>,
    pub(super) by_address: Option<host::ByAddress>,
}

/// A loaded module.
pub(crate) struct Module {
    pub(super) passwd: Functions<passwd>,
    pub(super) group: Functions<group>,
    pub(super) groups_of: Option<GroupsOf>,
    pub(super) hosts: Hosts,
}

/// What has become of the configured module.
pub(super) enum State {
    /// There is none.
    Off,
    /// It cannot be loaded, or is just being loaded by this thread.
    Out,
    /// Its functions.
    In(&'static Module),
}

/// The module, loaded at the first call. One that cannot be loaded is reported once, and works once
/// it can.
pub(super) fn state() -> Result<State, Errno> {
    static MODULE: Once<Module> = Once::new();
    if let Some(module) = MODULE.get() {
        return Ok(State::In(module));
    }
    let Some((path, prefix)) = named()? else { return Ok(State::Off) };
    // The module's constructors may ask what only the module knows.
    let Some(_inside) = Inside::enter(OPENING)? else { return Ok(State::Out) };
    let Some(module) = open(path, prefix)? else { return Ok(State::Out) };
    // Two threads may get here: both have the same functions.
    MODULE.get_or_try_init(|| Ok(module)).map(State::In)
}

/// The path and the prefix, if both are set.
fn named() -> Result<Option<(&'static Text, &'static Text)>, Errno> {
    let config = config::get()?;
    Ok(config.module.as_ref().zip(config.module_prefix.as_ref()))
}

/// True if a module is configured, whether or not it can be loaded.
pub(crate) fn is_on() -> Result<bool, Errno> {
    Ok(named()?.is_some())
}

#[cold]
fn open(path: &Text, prefix: &Text) -> Result<Option<Module>, Errno> {
    static COMPLAINED: AtomicBool = AtomicBool::new(false);
    let shown = Bytes(path.bytes());
    let Some(library) = Library::open(path.as_c())? else {
        if !COMPLAINED.swap(true, Ordering::Relaxed) {
            let mut room = [0; 256];
            let why = Bytes(complaint(&mut room));
            log!(Error, "module", "Cannot open shared library {shown}: {why}");
        }
        return Ok(None);
    };
    let mut names = Names { library, path: shown, prefix: prefix.bytes(), found: 0 };
    let module = Module {
        passwd: names.database([
            "getpwnam_r",
            "getpwuid_r",
            "setpwent",
            "getpwent_r",
            "endpwent",
        ])?,
        group: names.database([
            "getgrnam_r",
            "getgrgid_r",
            "setgrent",
            "getgrent_r",
            "endgrent",
        ])?,
        // SAFETY: the type that glibc gives initgroups_dyn.
        groups_of: unsafe { names.find("initgroups_dyn") }?,
        hosts: names.hosts()?,
    };
    // The loader would tell the host of what we missed.
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
    fn database<C: Entry>(&mut self, names: [&str; 5]) -> Result<Functions<C>, Errno> {
        let [by_name, by_id, set, next, end] = names;
        Ok(Functions {
            // SAFETY: the type of getXXnam_r in a module.
            by_name: unsafe { self.find(by_name) }?,
            // SAFETY: of getXXid_r.
            by_id: unsafe { self.find(by_id) }?,
            // SAFETY: of setXXent.
            set: unsafe { self.find(set) }?,
            // SAFETY: of getXXent_r.
            next: unsafe { self.find(next) }?,
            // SAFETY: of endXXent.
            end: unsafe { self.find(end) }?,
        })
    }

    fn hosts(&mut self) -> Result<Hosts, Errno> {
        // SAFETY: the type that glibc gives gethostbyname2_r.
        let by_name2 = unsafe { self.find("gethostbyname2_r") }?;
        let by_name = match by_name2 {
            Some(_) => None,
            // SAFETY: of gethostbyname_r.
            None => unsafe { self.find("gethostbyname_r") }?,
        };
        // SAFETY: of gethostbyaddr_r.
        let by_address = unsafe { self.find("gethostbyaddr_r") }?;
        Ok(Hosts { by_name2, by_name, by_address })
    }

    /// `_nss_PREFIX_NAME`; one that is missing is worth a warning, as with the peer.
    ///
    /// # Safety
    ///
    /// `F` is the type of the function pointer.
    unsafe fn find<F: Copy>(&mut self, name: &str) -> Result<Option<F>, Errno> {
        const { assert!(size_of::<F>() == size_of::<*mut core::ffi::c_void>()) };
        let mut symbol = Vec::new();
        for part in [b"_nss_", self.prefix, b"_", name.as_bytes(), b"\0"] {
            try_extend(&mut symbol, part)?;
        }
        let symbol = CStr::from_bytes_until_nul(&symbol).unwrap_or_default();
        let Some(at) = self.library.symbol(symbol)? else {
            let (symbol, path) = (Bytes(symbol.to_bytes()), &self.path);
            log!(Warn, "module", "Cannot find function {symbol} in {path}");
            return Ok(None);
        };
        self.found += 1;
        // SAFETY: the function's address, and F is its type by the contract.
        Ok(Some(unsafe { core::mem::transmute_copy(&at) }))
    }
}
