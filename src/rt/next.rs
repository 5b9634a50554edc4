//! Pointers to the next definition of a function, and to other functions of libc: typed, looked up when they are
//! first needed, possibly missing.
#![allow(unsafe_code, reason = "dlsym")]

use core::ffi::{CStr, c_char, c_int, c_long, c_void};
use core::marker::PhantomData;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::rt::errno::{self, Errno};
use crate::rt::mark::{Marked, frame_address};
use crate::rt::memory::copy;
use crate::rt::out_buf::c_bytes;
use crate::rt::sys::{self, OFlags};
use crate::rt::thread;

/// The next definition of one name. `F` is a function pointer type, or `()` for data.
pub(crate) struct Next<F> {
    /// With a NUL at its end. It is not a pointer, which would be a relocation: those of all names would be two
    /// pages that every process writes to at its start.
    name: [u8; NAME_BYTES],
    /// Null before the first use; [`MISSING`] if there is none.
    found: AtomicPtr<c_void>,
    scope: Scope,
    signature: PhantomData<F>,
}

/// Where a name is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// In the objects after this one, for names that this library exports too.
    After,
    /// In all objects of the program, for names that it does not export.
    All,
    /// In libc, whatever else has the name.
    Libc,
}

/// Room for the longest name. With one byte more a `Next` would be a word longer, and the variables a page: a
/// mapping more for each process.
const NAME_BYTES: usize = 23;

const MISSING: *mut c_void = core::ptr::without_provenance_mut(1);

impl<F> Next<F> {
    /// # Safety
    ///
    /// `F` is the type of the function of that name in every libc, or `()`.
    #[allow(clippy::indexing_slicing, reason = "evaluated by the compiler alone")]
    pub(crate) const unsafe fn new(name: &str, scope: Scope) -> Self {
        assert!(name.len() < NAME_BYTES);
        let mut kept = [0; NAME_BYTES];
        let mut at = 0;
        while at < name.len() {
            kept[at] = name.as_bytes()[at];
            at += 1;
        }
        Self { name: kept, found: AtomicPtr::new(null_mut()), scope, signature: PhantomData }
    }

    pub(crate) fn address(&self) -> Option<NonNull<c_void>> {
        let mut at = self.found.load(Ordering::Relaxed);
        if at.is_null() {
            at = find(&self.name, self.scope);
            self.found.swap(at, Ordering::Relaxed);
        }
        if at == MISSING { None } else { NonNull::new(at) }
    }
}

/// Looks a name up, which ends in NUL; [`MISSING`] if there is none. One function for all types of a `Next`.
#[cold]
#[inline(never)]
fn find(name: &[u8], scope: Scope) -> *mut c_void {
    // Miri has no loader to ask.
    if cfg!(miri) {
        return MISSING;
    }
    let name = CStr::from_bytes_until_nul(name).unwrap_or_default();
    let first = if scope == Scope::After { libc::RTLD_NEXT } else { libc::RTLD_DEFAULT };
    // SAFETY: RTLD_NEXT or RTLD_DEFAULT.
    let mut found = unsafe { dlsym(first, name) };
    if scope == Scope::After && found.is_none() {
        // If libc has loaded the library as an NSS service, no object comes after it.
        // SAFETY: RTLD_DEFAULT.
        found = unsafe { dlsym(libc::RTLD_DEFAULT, name) };
    }
    let is_wanted = match scope {
        // If a preloaded library has a dlsym of its own, what comes after that one is found.
        Scope::After => !found.is_some_and(is_ours),
        Scope::All => true,
        Scope::Libc => found.is_some_and(is_libcs_clock),
    };
    if !is_wanted {
        // SAFETY: libc, or RTLD_DEFAULT.
        found = unsafe { dlsym(libc_handle(), name) }.filter(|at| !is_ours(*at));
    }
    found.map_or(MISSING, NonNull::as_ptr)
}

/// libc, as dlsym takes it; RTLD_DEFAULT if there is no dlmopen(3): musl. (dlopen is a function of this library, too.)
#[cold]
#[inline(never)]
fn libc_handle() -> *mut c_void {
    DLMOPEN.get().map_or(libc::RTLD_DEFAULT, |dlmopen| {
        // SAFETY: the program's namespace, and a C string. No object is loaded; null is RTLD_DEFAULT.
        unsafe { dlmopen(0, c"libc.so.6".as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) }
    })
}

/// True if it is glibc's clock_gettime, which since 2.31 lies between these two. Then `libc_handle` is not needed: there
/// dlmopen(3) ends the program if a signal handler has interrupted the loader.
fn is_libcs_clock(at: NonNull<c_void>) -> bool {
    let [first, last] = [libc::sigaltstack as *const (), libc::getauxval as *const ()];
    (first.addr()..last.addr()).contains(&at.as_ptr().addr())
}

/// True if the function is this library's, whose code lies between its ELF header and its data.
fn is_ours(at: NonNull<c_void>) -> bool {
    unsafe extern "C" {
        /// Where the library is loaded: its ELF header. Every linker defines it.
        static __ehdr_start: c_void;
    }
    // libc may be next to the library, so the end counts too.
    ((&raw const __ehdr_start).addr()..(&raw const WEAK).addr()).contains(&at.as_ptr().addr())
}

impl<F: Copy> Next<F> {
    pub(crate) fn get(&self) -> Option<F> {
        const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
        let at = self.address()?;
        // SAFETY: F is a function pointer of the symbol's type: the caller of `new` says so.
        Some(unsafe { core::mem::transmute_copy(&at) })
    }
}

// Before glibc 2.34 dlsym is in libdl.so, which a program need not have loaded. A strong reference would then
// end the program at its start, so these are weak. Without dlsym it is looked up by libc's private functions.
core::arch::global_asm!(
    ".pushsection .data.rel.ro.nwrap_weak,\"aw\"",
    ".balign {size}",
    ".weak dlsym",
    ".weak __libc_dlopen_mode",
    ".weak __libc_dlsym",
    ".globl nwrap_weak_symbols",
    ".hidden nwrap_weak_symbols",
    "nwrap_weak_symbols:",
    ".dc.a dlsym, __libc_dlopen_mode, __libc_dlsym", // words of the machine
    ".popsection",
    size = const size_of::<usize>(),
);

type Dlsym = unsafe extern "C" fn(*mut c_void, *const c_char) -> *mut c_void;

#[repr(C)]
struct WeakSymbols {
    dlsym: Option<Dlsym>,
    libc_dlopen: Option<unsafe extern "C" fn(*const c_char, c_int) -> *mut c_void>,
    libc_dlsym: Option<Dlsym>,
}

unsafe extern "C" {
    #[link_name = "nwrap_weak_symbols"]
    safe static WEAK: WeakSymbols;
}

/// # Safety
///
/// `scope` is `RTLD_NEXT`, `RTLD_DEFAULT`, or what dlopen(3) returned and nobody has closed.
unsafe fn dlsym(scope: *mut c_void, name: &CStr) -> Option<NonNull<c_void>> {
    /// dlsym itself, if it had to be looked up in libdl.
    static FETCHED: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
    let dlsym = WEAK.dlsym.or_else(|| {
        let mut at = FETCHED.load(Ordering::Relaxed);
        if at.is_null() {
            // SAFETY: glibc's `__libc_dlopen_mode` takes a C string and a mode (elf/dl-libc.c).
            let libdl = unsafe { WEAK.libc_dlopen?(c"libdl.so.2".as_ptr(), libc::RTLD_NOW) };
            let libdl = NonNull::new(libdl)?.as_ptr();
            // SAFETY: glibc's `__libc_dlsym` takes what the other has returned, but for null, and a C string.
            at = unsafe { WEAK.libc_dlsym?(libdl, c"dlsym".as_ptr()) };
            FETCHED.swap(at, Ordering::Relaxed);
        }
        // SAFETY: null becomes None, all else is the address of dlsym.
        unsafe { core::mem::transmute::<*mut c_void, Option<Dlsym>>(at) }
    })?;
    // SAFETY: `CStr` ends `name` in NUL, and the caller promises the scope.
    // RTLD_NEXT goes by the address of the call, which is here, in this library.
    let found = unsafe { dlsym(scope, name.as_ptr()) };
    NonNull::new(found)
}

/// Declares functions of libc that this library calls and does not export.
macro_rules! libc_symbols {
    ($($name:ident = $symbol:literal: $ty:ty;)*) => {$(
        // SAFETY: the type that the man page gives the name.
        pub(crate) static $name: Next<$ty> = unsafe { Next::new($symbol, Scope::All) };
    )*};
}

// Functions that old libcs have in another library or not at all, and functions that few processes need: each
// symbol that the library refers to costs the loader about 550 instructions at the start of every process.
libc_symbols! {
    GETCWD = "getcwd": unsafe extern "C" fn(*mut c_char, usize) -> *mut c_char;
    GETEUID = "geteuid": unsafe extern "C" fn() -> libc::uid_t;
    GETGROUPS = "getgroups": unsafe extern "C" fn(c_int, *mut libc::gid_t) -> c_int;
    H_ERRNO_LOCATION = "__h_errno_location": unsafe extern "C" fn() -> *mut c_int;
    DLMOPEN = "dlmopen": unsafe extern "C" fn(c_long, *const c_char, c_int) -> *mut c_void;
    CONFIGURE_LOOKUP = "__nss_configure_lookup":
        unsafe extern "C" fn(*const c_char, *const c_char) -> c_int;
    DLERROR = "dlerror": unsafe extern "C" fn() -> *const c_char;
    SETGROUPS = "setgroups": unsafe extern "C" fn(usize, *const libc::gid_t) -> c_int;
    FREEADDRINFO = "freeaddrinfo": unsafe extern "C" fn(*mut libc::addrinfo);
    PROGRAM_NAME = "__progname": ();
    REALLOC = "realloc": unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void;
    SINGLE_THREADED = "__libc_single_threaded": ();
    FIND_OBJECT = "_dl_find_object": unsafe extern "C" fn(*const c_void, *mut FoundObject) -> c_int;
    REGISTER_ATFORK = "__register_atfork": unsafe extern "C" fn(
        Option<unsafe extern "C" fn()>,
        Option<unsafe extern "C" fn()>,
        Option<unsafe extern "C" fn()>,
        *const c_void,
    ) -> c_int;
    KEY_CREATE = "pthread_key_create":
        unsafe extern "C" fn(*mut libc::pthread_key_t, Option<unsafe extern "C" fn(*mut c_void)>) -> c_int;
    SET_SPECIFIC = "pthread_setspecific":
        unsafe extern "C" fn(libc::pthread_key_t, *const c_void) -> c_int;
}
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
libc_symbols! {
    GET_SPECIFIC = "pthread_getspecific":
        unsafe extern "C" fn(libc::pthread_key_t) -> *mut c_void;
}

type Dlopen = unsafe extern "C" fn(*const c_char, c_int) -> *mut c_void;

/// dlopen(3), which is interposed.
// SAFETY: dlopen(3) has that type.
pub(crate) static DLOPEN: Next<Dlopen> = unsafe { Next::new("dlopen", Scope::After) };

type ClockGettime = unsafe extern "C" fn(libc::clockid_t, *mut libc::timespec) -> c_int;

/// What is called for clock_gettime(2), of the type [`ClockGettime`].
static CLOCK_GETTIME: AtomicPtr<c_void> = AtomicPtr::new(find_clock_gettime as *mut c_void);

/// clock_gettime(2) of libc itself. libfaketime has such a function too. But that takes a lock, which a fork can leave
/// locked, and tells another time than that of the stamps of files.
#[inline(always)]
pub(crate) fn clock_gettime(clock: libc::clockid_t) -> libc::timespec {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let function = CLOCK_GETTIME.load(Ordering::Relaxed);
    // SAFETY: only functions of this type are stored there.
    let clock_gettime = unsafe { core::mem::transmute::<*mut c_void, ClockGettime>(function) };
    // SAFETY: it writes one timespec, which `now` is.
    unsafe { clock_gettime(clock, &raw mut now) };
    now
}

/// Finds libc's function, and calls it.
///
/// # Safety
///
/// `now` is valid for writes.
#[cold]
unsafe extern "C" fn find_clock_gettime(clock: libc::clockid_t, now: *mut libc::timespec) -> c_int {
    // SAFETY: the man page gives that type.
    static OF_LIBC: Next<ClockGettime> = unsafe { Next::new("clock_gettime", Scope::Libc) };
    let Some(found) = OF_LIBC.get() else { return -1 };
    CLOCK_GETTIME.swap(found as *mut c_void, Ordering::Relaxed);
    // SAFETY: the caller promises that `now` is valid for writes.
    unsafe { found(clock, now) }
}

/// True if libc says that no other thread was ever started; false if it does not say (before glibc 2.32, musl).
pub(crate) fn is_single_threaded() -> bool {
    SINGLE_THREADED.address().is_some_and(|at| {
        // SAFETY: `__libc_single_threaded` is a `char` of libc's.
        unsafe { at.cast::<c_char>().read_volatile() != 0 }
    })
}

/// True if libc knows no NSS: musl.
pub(crate) fn is_musl() -> bool {
    CONFIGURE_LOOKUP.address().is_none()
}

/// What the loader tells debuggers, `<link.h>`. The executable may have a copy, which the loader does not update; so it
/// is looked for in the objects after this one.
// SAFETY: data.
static R_DEBUG: Next<()> = unsafe { Next::new("_r_debug", Scope::After) };

/// The beginning of `struct r_debug`.
#[repr(C)]
struct LoaderState {
    _version: c_int,
    _first: *const c_void,
    _changed: usize,
    /// 0, or the list of objects is being changed.
    state: c_int,
}

/// The beginning of `struct link_map`, to which glibc's handles point (dlinfo(3)).
#[repr(C)]
struct LinkMap {
    _address: usize,
    _name: *const c_char,
    dynamic: *const c_void,
}

/// Room for glibc's `struct dl_find_object`.
type FoundObject = [u64; 32];

/// True if the loader, interrupted by a signal handler, must not be called for the object. While it changes its list of
/// objects, such a call ends the program. Before it has relocated the object, none of the object's functions works.
fn is_loader_interrupted(dlopen: Dlopen, path: &CStr) -> bool {
    let is_changing = R_DEBUG.address().is_some_and(|at| {
        // SAFETY: `_r_debug` is a `struct r_debug` of the loader's, which is never unloaded.
        unsafe { at.cast::<LoaderState>().read_volatile() }.state != 0
    });
    // The last step before the object's constructors run is that glibc records the object's addresses.
    let Some(find_object) = FIND_OBJECT.get().filter(|_| !is_changing) else { return is_changing };
    // SAFETY: `path` ends in NUL. Nothing is loaded.
    let handle = unsafe { dlopen(path.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
    let Some(handle) = NonNull::new(handle) else { return false };
    // SAFETY: a handle of glibc, which has `_dl_find_object`: a `struct link_map`.
    let dynamic = unsafe { handle.cast::<LinkMap>().as_ref() }.dynamic;
    let mut found: FoundObject = [0; 32];
    // SAFETY: _dl_find_object takes any address, and fills a struct for which there is room.
    unsafe { find_object(dynamic, &raw mut found) != 0 }
}

/// Another shared object: dlopen(3). It stays loaded.
pub(crate) struct Library(NonNull<c_void>);

// SAFETY: a handle is only handed to dlsym, which any thread may call.
unsafe impl Send for Library {}
// SAFETY: a handle is only handed to dlsym, which any thread may call.
unsafe impl Sync for Library {}

impl Library {
    /// Loads the object, or takes the loaded one; `None` if the loader cannot, or if there is no dlopen(3).
    /// [`complaint`] says why. An error is a temporary lack of memory or descriptors, or `EAGAIN`: a signal handler
    /// asks that has interrupted the loader.
    pub(crate) fn open(path: &CStr) -> Result<Option<Self>, Errno> {
        // Before glibc 2.34 dlopen is in libdl.so; without that libc has its own entry.
        let Some(dlopen) = DLOPEN.get().or(WEAK.libc_dlopen) else { return Ok(None) };
        // Looked up before the call, because a look-up would replace the loader's message, and calls the loader.
        _ = (DLERROR.address(), R_DEBUG.address(), FIND_OBJECT.address());
        let (in_loader, here) = (thread::state().map(|state| &state.in_loader), frame_address());
        let is_nested = in_loader.is_some_and(|mark| mark.is_live(here));
        if is_nested && is_loader_interrupted(dlopen, path) {
            return Err(Errno::EAGAIN);
        }
        let _marked = in_loader.map(|mark| Marked::at(mark, here));
        errno::clear();
        // Differs from the peer: without RTLD_DEEPBIND the module's own lookups come to this library.
        // SAFETY: `path` ends in NUL. What the object's constructors do is up to who named it.
        let handle = unsafe { dlopen(path.as_ptr(), libc::RTLD_LAZY | libc::RTLD_LOCAL) };
        match NonNull::new(handle) {
            None if Errno::last() == Errno::ENOMEM => Err(Errno::ENOMEM),
            // glibc does not say the number of other errors.
            None if is_without_descriptors() => Err(Errno::EMFILE),
            handle => Ok(handle.map(Self)),
        }
    }

    /// The address of a symbol of the object; `ENOMEM` if the look-up found no memory.
    pub(crate) fn symbol(&self, name: &CStr) -> Result<Option<NonNull<c_void>>, Errno> {
        errno::clear();
        // SAFETY: `open` has the handle from dlopen(3), and nobody closes it.
        match unsafe { dlsym(self.0.as_ptr(), name) } {
            None if Errno::last() == Errno::ENOMEM => Err(Errno::ENOMEM),
            found => Ok(found),
        }
    }
}

/// True if no file can be opened now.
fn is_without_descriptors() -> bool {
    match sys::open(c"/", OFlags::PATH, &sys::FdCell::default()) {
        Ok(fd) => {
            sys::close(fd);
            false
        }
        Err(error) => matches!(error, Errno::EMFILE | Errno::ENFILE),
    }
}

/// The loader's last error message, cut where `room` ends; the loader forgets it. It is copied because any use of
/// dlsym, and so the log, frees the loader's own.
pub(crate) fn complaint(room: &mut [u8]) -> &[u8] {
    let text = DLERROR.get().map_or(core::ptr::null(), |dlerror| {
        // SAFETY: dlerror(3) takes nothing, and returns null or a C string.
        unsafe { dlerror() }
    });
    // SAFETY: null, or a C string until the thread's next call of a dl function.
    let text = unsafe { c_bytes(text) }.unwrap_or(b"no reason given");
    let len = copy(room, text);
    room.get(..len).unwrap_or_default()
}
