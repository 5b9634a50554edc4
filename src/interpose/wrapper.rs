//! The functions of the peer's `nss_wrapper.h`. Our C header is made from this file.
#![allow(unreachable_pub, reason = "cbindgen takes what is pub")]

use core::ffi::CStr;

use crate::config::{self, Config, FileKind};
use crate::rt::errno::ErrnoGuard;

/// What the configuration says; or, if there is no memory for it, whether the variables are set.
fn is_configured(what: impl FnOnce(&Config) -> bool, names: &[&CStr]) -> bool {
    let _guard = ErrnoGuard::new();
    config::get().map_or_else(|_| config::are_set(names), what)
}

/// True if both users and groups are wrapped: NSS_WRAPPER_PASSWD and NSS_WRAPPER_GROUP are set.
#[unsafe(no_mangle)]
pub extern "C" fn nss_wrapper_enabled() -> bool {
    is_configured(
        |c| c.has(FileKind::Passwd) && c.has(FileKind::Group),
        &[config::PASSWD, config::GROUP],
    )
}

/// True if shadow entries are wrapped: NSS_WRAPPER_SHADOW is set.
#[unsafe(no_mangle)]
pub extern "C" fn nss_wrapper_shadow_enabled() -> bool {
    is_configured(|c| c.has(FileKind::Shadow), &[config::SHADOW])
}

/// True if hosts are wrapped: NSS_WRAPPER_HOSTS is set.
#[unsafe(no_mangle)]
pub extern "C" fn nss_wrapper_hosts_enabled() -> bool {
    is_configured(|c| c.has(FileKind::Hosts), &[config::HOSTS])
}
