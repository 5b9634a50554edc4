//! The next definition of what we interpose: typed, found when first needed, possibly missing.
#![allow(unsafe_code, reason = "dlsym")]

use core::ffi::{CStr, c_char, c_int, c_void};
use core::marker::PhantomData;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicPtr, Ordering};

use libc::{gid_t, group, passwd, size_t, uid_t};

/// The next definition of one name. `F` is a function pointer type, or `()` for data.
pub(crate) struct Symbol<F> {
    name: &'static CStr,
    /// Null before the first use; [`MISSING`] if there is none.
    found: AtomicPtr<c_void>,
    scope: *mut c_void,
    signature: PhantomData<F>,
}

// SAFETY: `scope` is one of the two constants of dlfcn.h and never dereferenced.
unsafe impl<F> Sync for Symbol<F> {}

const MISSING: *mut c_void = core::ptr::without_provenance_mut(1);

impl<F> Symbol<F> {
    /// # Safety
    ///
    /// `F` is the type of the function of that name in every libc, or `()`.
    const unsafe fn new(name: &'static CStr, scope: *mut c_void) -> Self {
        Self { name, found: AtomicPtr::new(null_mut()), scope, signature: PhantomData }
    }

    /// Where it is, in the objects after this one for what we interpose.
    pub(crate) fn address(&self) -> Option<NonNull<c_void>> {
        let mut at = self.found.load(Ordering::Relaxed);
        if at.is_null() {
            at = dlsym(self.scope, self.name).map_or(MISSING, NonNull::as_ptr);
            self.found.store(at, Ordering::Relaxed);
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
            FETCHED.store(at, Ordering::Relaxed);
        }
        // SAFETY: null becomes None, all else is the address of dlsym.
        unsafe { core::mem::transmute::<*mut c_void, Option<Dlsym>>(at) }
    })?;
    // SAFETY: `name` ends in NUL, and `scope` is RTLD_NEXT or RTLD_DEFAULT. RTLD_NEXT goes by the
    // address of the call, which is here, in this library.
    let found = unsafe { dlsym(scope, name.as_ptr()) };
    NonNull::new(found)
}

macro_rules! symbols {
    ($scope:ident: $($name:ident = $symbol:literal: $ty:ty;)*) => {$(
        // SAFETY: the type that POSIX, or for extensions glibc's header, gives the name.
        pub(crate) static $name: Symbol<$ty> = unsafe { Symbol::new($symbol, libc::$scope) };
    )*};
}

type ByName<T> =
    unsafe extern "C" fn(*const c_char, *mut T, *mut c_char, size_t, *mut *mut T) -> c_int;
type ById<T> = unsafe extern "C" fn(u32, *mut T, *mut c_char, size_t, *mut *mut T) -> c_int;
type Next<T> = unsafe extern "C" fn(*mut T, *mut c_char, size_t, *mut *mut T) -> c_int;
type Members = unsafe extern "C" fn(*const c_char, gid_t, *mut gid_t, *mut c_int) -> c_int;

symbols! { RTLD_NEXT:
    GETPWNAM = c"getpwnam": unsafe extern "C" fn(*const c_char) -> *mut passwd;
    GETPWUID = c"getpwuid": unsafe extern "C" fn(uid_t) -> *mut passwd;
    GETPWNAM_R = c"getpwnam_r": ByName<passwd>;
    GETPWUID_R = c"getpwuid_r": ById<passwd>;
    SETPWENT = c"setpwent": unsafe extern "C" fn();
    ENDPWENT = c"endpwent": unsafe extern "C" fn();
    GETPWENT = c"getpwent": unsafe extern "C" fn() -> *mut passwd;
    GETPWENT_R = c"getpwent_r": Next<passwd>;
    GETGRNAM = c"getgrnam": unsafe extern "C" fn(*const c_char) -> *mut group;
    GETGRGID = c"getgrgid": unsafe extern "C" fn(gid_t) -> *mut group;
    GETGRNAM_R = c"getgrnam_r": ByName<group>;
    GETGRGID_R = c"getgrgid_r": ById<group>;
    SETGRENT = c"setgrent": unsafe extern "C" fn();
    ENDGRENT = c"endgrent": unsafe extern "C" fn();
    GETGRENT = c"getgrent": unsafe extern "C" fn() -> *mut group;
    GETGRENT_R = c"getgrent_r": Next<group>;
    GETGROUPLIST = c"getgrouplist": Members;
    INITGROUPS = c"initgroups": unsafe extern "C" fn(*const c_char, gid_t) -> c_int;
}

// Not ours: what old libcs keep in another library, or lack.
symbols! { RTLD_DEFAULT:
    SETGROUPS = c"setgroups": unsafe extern "C" fn(size_t, *const gid_t) -> c_int;
    PROGRAM_NAME = c"program_invocation_short_name": ();
    KEY_CREATE = c"pthread_key_create":
        unsafe extern "C" fn(*mut libc::pthread_key_t, Option<unsafe extern "C" fn(*mut c_void)>) -> c_int;
    SET_SPECIFIC = c"pthread_setspecific":
        unsafe extern "C" fn(libc::pthread_key_t, *const c_void) -> c_int;
}
