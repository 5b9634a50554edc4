//! Telling libc to ask us, by the entry points of `nss_entry`.
//!
//! Lookups that libc makes inside itself never reach an interposed name: `glob("~bob")`, `wordexp`,
//! `getpw`. glibc asks NSS services for them, and finds a service `wrapper_rs` by loading
//! `libnss_wrapper_rs.so.2`: the SONAME of this library. A preloaded one is loaded already; so the
//! functions that ask from inside first have libc ask here, once in a process, and go on to the next
//! definition. Where nsswitch.conf(5) of the image names the service, libc asks it by itself
//! (docs/service.md). Where libc knows no services (musl) nothing of this happens.

use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::config::{self, FileKind};
use crate::db::{Database, Group, Hosts, Passwd, Shadow};
use crate::resolve::{self, asks_libc, nsswitch};
use crate::rt::errno::{Errno, ErrnoGuard};
use crate::rt::next::CONFIGURE_LOOKUP;

/// Has libc ask here for what is in that kind of file, if that is wrapped. Threads that come here at once do
/// the same thing twice. An error (no memory) leaves it as it was until the next call.
pub(super) fn configure(kind: FileKind) -> Result<(), Errno> {
    /// libc has been told.
    static IS_CONFIGURED: [AtomicBool; 4] = [const { AtomicBool::new(false) }; 4];
    let Some(is_configured) = IS_CONFIGURED.get(kind as usize) else { return Ok(()) };
    if is_configured.load(Ordering::Acquire) {
        return Ok(());
    }
    let guard = ErrnoGuard::new();
    let told = match kind {
        FileKind::Group => tell_libc::<Group>(c"group"),
        FileKind::Shadow => tell_libc::<Shadow>(c"shadow"),
        FileKind::Hosts => tell_libc::<Hosts>(c"hosts"),
        _ => tell_libc::<Passwd>(c"passwd"),
    };
    drop(guard);
    told?;
    is_configured.swap(true, Ordering::Release);
    Ok(())
}

/// The same for several. Without memory libc asks its own services, as it does if it finds none itself.
pub(super) fn configure_each(kinds: &[FileKind]) {
    for &kind in kinds {
        _ = configure(kind);
    }
}

/// Tells libc which services to ask for the database, if it is wrapped: ours first.
fn tell_libc<D: Database>(database: &CStr) -> Result<(), Errno> {
    let Some(configure) = CONFIGURE_LOOKUP.get() else { return Ok(()) };
    let config = config::get()?;
    if !resolve::is_ours::<D>()? {
        return Ok(());
    }
    // A host that is not in the file is libc's: UNAVAIL. One that is, without an address of the family,
    // is not: NOTFOUND; nor is one that could not be looked for: TRYAGAIN.
    let (action, usual, goes_on) = match D::FILE {
        FileKind::Hosts => ("[NOTFOUND=return TRYAGAIN=return]", "files dns", true),
        _ => ("", "files", asks_libc::<D>(config)?),
    };
    let line = nsswitch::ours_first(D::NAME, action, usual, goes_on)?;
    let line = CStr::from_bytes_with_nul(&line).map_err(|_| Errno::EINVAL)?;
    // SAFETY: `CStr` ends both in NUL, and glibc keeps copies.
    match unsafe { configure(database.as_ptr(), line.as_ptr()) } {
        0 => Ok(()),
        _ => Err(Errno::ENOMEM),
    }
}
