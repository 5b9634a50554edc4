//! The next definition of what we interpose: typed, found when first needed, possibly missing.
#![allow(unsafe_code, reason = "dlsym")]

mod library;

use core::ffi::{CStr, c_char, c_int, c_long, c_void};
use core::marker::PhantomData;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicPtr, Ordering};

use libc::{gid_t, group, passwd, size_t, spwd};

use crate::tls;
pub(crate) use library::{Library, complaint};

/// The next definition of one name. `F` is a function pointer type, or `()` for data.
pub(crate) struct Symbol<F> {
    /// With a NUL at its end. Kept here, for a pointer to it would be a relocation, and those of all
    /// symbols two pages that every process writes to at its start.
    name: [u8; LONGEST],
    /// Null before the first use; [`MISSING`] if there is none.
    found: AtomicPtr<c_void>,
    scope: *mut c_void,
    signature: PhantomData<F>,
}

// SAFETY: `scope` is one of the two constants of dlfcn.h and never dereferenced.
unsafe impl<F> Sync for Symbol<F> {}

/// Room for the longest name.
const LONGEST: usize = 32;

const MISSING: *mut c_void = core::ptr::without_provenance_mut(1);

impl<F> Symbol<F> {
    /// # Safety
    ///
    /// `F` is the type of the function of that name in every libc, or `()`.
    const unsafe fn new(name: &CStr, scope: *mut c_void) -> Self {
        let mut kept = [0; LONGEST];
        let (room, _) = kept.split_at_mut(name.count_bytes());
        room.copy_from_slice(name.to_bytes());
        Self { name: kept, found: AtomicPtr::new(null_mut()), scope, signature: PhantomData }
    }

    /// A function that no libc has.
    const fn missing() -> Self {
        Self {
            name: [0; LONGEST],
            found: AtomicPtr::new(MISSING),
            scope: null_mut(),
            signature: PhantomData,
        }
    }

    /// Where it is, in the objects after this one for what we interpose.
    pub(crate) fn address(&self) -> Option<NonNull<c_void>> {
        let mut at = self.found.load(Ordering::Relaxed);
        if at.is_null() {
            let name = CStr::from_bytes_until_nul(&self.name).unwrap_or_default();
            at = dlsym(self.scope, name).map_or(MISSING, NonNull::as_ptr);
            self.found.swap(at, Ordering::Relaxed);
        }
        if at == MISSING { None } else { NonNull::new(at) }
    }
}

impl<F: Copy> Symbol<F> {
    /// The function.
    pub(crate) fn get(&self) -> Option<F> {
        const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
        let at = self.address()?;
        // SAFETY: F is a function pointer of the symbol's type, by the contract of `new`.
        Some(unsafe { core::mem::transmute_copy(&at) })
    }
}

// Before glibc 2.34 dlsym is in libdl.so, which a program need not have loaded. A strong reference
// would then end the program at its start, so these are weak, and without dlsym libc's private
// loader entries fetch it.
core::arch::global_asm!(
    ".pushsection .data.rel.ro.nwrap_weak,\"aw\"",
    ".balign 8",
    ".weak dlsym",
    ".weak __libc_dlopen_mode",
    ".weak __libc_dlsym",
    ".globl nwrap_weak_symbols",
    ".hidden nwrap_weak_symbols",
    "nwrap_weak_symbols:",
    ".quad dlsym",
    ".quad __libc_dlopen_mode",
    ".quad __libc_dlsym",
    ".popsection",
);

type Dlsym = unsafe extern "C" fn(*mut c_void, *const c_char) -> *mut c_void;

#[repr(C)]
struct Weak {
    dlsym: Option<Dlsym>,
    libc_dlopen: Option<unsafe extern "C" fn(*const c_char, c_int) -> *mut c_void>,
    libc_dlsym: Option<Dlsym>,
}

unsafe extern "C" {
    #[link_name = "nwrap_weak_symbols"]
    safe static WEAK: Weak;
}

fn dlsym(scope: *mut c_void, name: &CStr) -> Option<NonNull<c_void>> {
    /// dlsym itself, where libdl had to be asked for it.
    static FETCHED: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
    let dlsym = WEAK.dlsym.or_else(|| {
        let mut at = FETCHED.load(Ordering::Relaxed);
        if at.is_null() {
            // SAFETY: glibc's private dlopen takes a name and a mode.
            let libdl = unsafe { WEAK.libc_dlopen?(c"libdl.so.2".as_ptr(), libc::RTLD_NOW) };
            // SAFETY: glibc's private dlsym takes a handle, which it checks, and a name.
            at = unsafe { WEAK.libc_dlsym?(libdl, c"dlsym".as_ptr()) };
            FETCHED.swap(at, Ordering::Relaxed);
        }
        // SAFETY: null becomes None, all else is the address of dlsym.
        unsafe { core::mem::transmute::<*mut c_void, Option<Dlsym>>(at) }
    })?;
    // SAFETY: `name` ends in NUL, and `scope` is RTLD_NEXT, RTLD_DEFAULT or what dlopen returned.
    // RTLD_NEXT goes by the address of the call, which is here, in this library.
    let found = unsafe { dlsym(scope, name.as_ptr()) };
    NonNull::new(found)
}

macro_rules! symbols {
    ($scope:ident: $($name:ident = $symbol:literal: $ty:ty;)*) => {$(
        // SAFETY: the type that POSIX, or for extensions glibc's header, gives the name.
        pub(crate) static $name: Symbol<$ty> = unsafe { Symbol::new($symbol, libc::$scope) };
    )*};
}

pub(crate) mod netdb;

type ByName<T> =
    unsafe extern "C" fn(*const c_char, *mut T, *mut c_char, size_t, *mut *mut T) -> c_int;
type ById<T> = unsafe extern "C" fn(u32, *mut T, *mut c_char, size_t, *mut *mut T) -> c_int;
type Next<T> = unsafe extern "C" fn(*mut T, *mut c_char, size_t, *mut *mut T) -> c_int;
type Members = unsafe extern "C" fn(*const c_char, gid_t, *mut gid_t, *mut c_int) -> c_int;
type Nothing = unsafe extern "C" fn();

/// The next definitions of the functions of one database, with `T` their result.
pub(crate) struct Family<T> {
    pub(crate) by_name: Symbol<unsafe extern "C" fn(*const c_char) -> *mut T>,
    pub(crate) by_id: Symbol<unsafe extern "C" fn(u32) -> *mut T>,
    pub(crate) by_name_r: Symbol<ByName<T>>,
    pub(crate) by_id_r: Symbol<ById<T>>,
    pub(crate) set: Symbol<Nothing>,
    pub(crate) end: Symbol<Nothing>,
    pub(crate) next: Symbol<unsafe extern "C" fn() -> *mut T>,
    pub(crate) next_r: Symbol<Next<T>>,
}

macro_rules! family {
    ($name:ident: $ty:ty = $($field:ident $($symbol:literal)?),*) => {
        pub(crate) static $name: Family<$ty> = Family {
            $($field: family!(@ $($symbol)?)),*
        };
    };
    (@ $symbol:literal) => {
        // SAFETY: the type that POSIX, or for extensions glibc's header, gives the name.
        unsafe { Symbol::new($symbol, libc::RTLD_NEXT) }
    };
    (@) => { Symbol::missing() };
}

family! { PASSWD: passwd =
    by_name c"getpwnam", by_id c"getpwuid", by_name_r c"getpwnam_r", by_id_r c"getpwuid_r",
    set c"setpwent", end c"endpwent", next c"getpwent", next_r c"getpwent_r"
}
family! { GROUP: group =
    by_name c"getgrnam", by_id c"getgrgid", by_name_r c"getgrnam_r", by_id_r c"getgrgid_r",
    set c"setgrent", end c"endgrent", next c"getgrent", next_r c"getgrent_r"
}
family! { SHADOW: spwd =
    by_name c"getspnam", by_id, by_name_r c"getspnam_r", by_id_r,
    set c"setspent", end c"endspent", next c"getspent", next_r c"getspent_r"
}

symbols! { RTLD_NEXT:
    GETGROUPLIST = c"getgrouplist": Members;
    INITGROUPS = c"initgroups": unsafe extern "C" fn(*const c_char, gid_t) -> c_int;
    GETHOSTNAME = c"gethostname": unsafe extern "C" fn(*mut c_char, size_t) -> c_int;
    GETHOSTNAME_CHK = c"__gethostname_chk":
        unsafe extern "C" fn(*mut c_char, size_t, size_t) -> c_int;
}

/// The functions of libc that ask NSS from inside; see `abi::nss`.
pub(crate) mod inside {
    use super::*;

    type Glob = unsafe extern "C" fn(*const c_char, c_int, *mut c_void, *mut c_void) -> c_int;
    type Rcmd = unsafe extern "C" fn(
        *mut *mut c_char,
        c_int,
        *const c_char,
        *const c_char,
        *const c_char,
        *mut c_int,
    ) -> c_int;
    type RcmdAf = unsafe extern "C" fn(
        *mut *mut c_char,
        c_int,
        *const c_char,
        *const c_char,
        *const c_char,
        *mut c_int,
        libc::sa_family_t,
    ) -> c_int;

    symbols! { RTLD_NEXT:
        GLOB = c"glob": Glob;
        GLOB64 = c"glob64": Glob;
        WORDEXP = c"wordexp": unsafe extern "C" fn(*const c_char, *mut c_void, c_int) -> c_int;
        GETPW = c"getpw": unsafe extern "C" fn(u32, *mut c_char) -> c_int;
        CUSERID = c"cuserid": unsafe extern "C" fn(*mut c_char) -> *mut c_char;
        GETLOGIN = c"getlogin": unsafe extern "C" fn() -> *mut c_char;
        GETLOGIN_R = c"getlogin_r": unsafe extern "C" fn(*mut c_char, size_t) -> c_int;
        GETLOGIN_R_CHK = c"__getlogin_r_chk":
            unsafe extern "C" fn(*mut c_char, size_t, size_t) -> c_int;
        GRANTPT = c"grantpt": unsafe extern "C" fn(c_int) -> c_int;
        GETHOSTID = c"gethostid": unsafe extern "C" fn() -> c_long;
        RUSEROK = c"ruserok":
            unsafe extern "C" fn(*const c_char, c_int, *const c_char, *const c_char) -> c_int;
        RUSEROK_AF = c"ruserok_af": unsafe extern "C" fn(
            *const c_char, c_int, *const c_char, *const c_char, libc::sa_family_t) -> c_int;
        IRUSEROK = c"iruserok":
            unsafe extern "C" fn(u32, c_int, *const c_char, *const c_char) -> c_int;
        IRUSEROK_AF = c"iruserok_af": unsafe extern "C" fn(
            *const c_void, c_int, *const c_char, *const c_char, libc::sa_family_t) -> c_int;
        RCMD = c"rcmd": Rcmd;
        RCMD_AF = c"rcmd_af": RcmdAf;
        REXEC = c"rexec": Rcmd;
        REXEC_AF = c"rexec_af": RcmdAf;
        GETADDRINFO_A = c"getaddrinfo_a":
            unsafe extern "C" fn(c_int, *mut *mut c_void, c_int, *mut c_void) -> c_int;
    }
}

/// While it lives the calling thread is inside the next definition, which our sources have been
/// asked before: they keep silent when libc or an NSS module asks them again.
pub(crate) struct Passing(());

impl Passing {
    pub(crate) fn new() -> Self {
        let depth = &tls::own().passing;
        depth.set(depth.get() + 1);
        Self(())
    }

    pub(crate) fn is_on() -> bool {
        tls::own().passing.get() > 0
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        let depth = &tls::own().passing;
        depth.set(depth.get() - 1);
    }
}

// Not ours: what old libcs keep in another library, or lack.
symbols! { RTLD_DEFAULT:
    CONFIGURE_LOOKUP = c"__nss_configure_lookup":
        unsafe extern "C" fn(*const c_char, *const c_char) -> c_int;
    DLOPEN = c"dlopen": unsafe extern "C" fn(*const c_char, c_int) -> *mut c_void;
    DLERROR = c"dlerror": unsafe extern "C" fn() -> *const c_char;
    SETGROUPS = c"setgroups": unsafe extern "C" fn(size_t, *const gid_t) -> c_int;
    PROGRAM_NAME = c"program_invocation_short_name": ();
    KEY_CREATE = c"pthread_key_create":
        unsafe extern "C" fn(*mut libc::pthread_key_t, Option<unsafe extern "C" fn(*mut c_void)>) -> c_int;
    SET_SPECIFIC = c"pthread_setspecific":
        unsafe extern "C" fn(libc::pthread_key_t, *const c_void) -> c_int;
}
