//! Telling libc to ask this library, by the functions of `nss_entry`.
//!
//! Lookups that libc makes inside itself never call an interposed function: `glob("~bob")`, `wordexp`, `getpw`.
//! glibc asks NSS services for them. It finds the service `wrapper_rs` by loading `libnss_wrapper_rs.so.2`, the
//! SONAME of this library, which is loaded already if it was preloaded. So such functions are interposed: they
//! tell libc, once in a process, to ask this service, and call the next definition. If nsswitch.conf(5) of the
//! image names the service, libc asks it anyway (docs/service.md). musl knows no services; nothing is done there.

use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::config::{self, FileKind};
use crate::db::{Database, Group, Hosts, Passwd, Shadow};
use crate::resolve::{self, asks_libc, nsswitch};
use crate::rt::errno::{Errno, ErrnoGuard};
use crate::rt::next::CONFIGURE_LOOKUP;

/// Tells libc to ask us for the database of that file, if it is wrapped. Threads that come here at once do the same
/// thing twice. After an error (no memory) the next call tries again.
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

/// The same for several databases. If there is no memory libc asks only its own services, as it does if it finds no
/// memory itself.
pub(super) fn configure_each(kinds: &[FileKind]) {
    for &kind in kinds {
        _ = configure(kind);
    }
}

/// Tells libc which services to ask for the database, if it is wrapped, with ours first.
fn tell_libc<D: Database>(database: &CStr) -> Result<(), Errno> {
    let Some(configure) = CONFIGURE_LOOKUP.get() else { return Ok(()) };
    let config = config::get()?;
    if resolve::configured::<D>()?.is_none() {
        return Ok(());
    }
    // libc goes on to other services for a host that is not in the file (UNAVAIL). It does not for one that is in the
    // file without an address of the family (NOTFOUND), nor if there was no memory to look (TRYAGAIN).
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
