//! The committed C header is what cbindgen makes of the sources.

use crate::support;

use std::fs::read_to_string;

#[test]
fn the_header_is_current() {
    let made = read_to_string(env!("NSS_WRAPPER_RS_HEADER_MADE")).expect("build.rs makes it");
    let kept = read_to_string(support::root().join("include/nss_wrapper_rs.h")).expect("committed");
    assert!(made == kept, "run: NSS_WRAPPER_RS_HEADER=write cargo build");
    for name in ["nss_wrapper_enabled", "nss_wrapper_shadow_enabled", "nss_wrapper_hosts_enabled"] {
        assert!(kept.contains(&format!("bool {name}(void);")), "{name} is not declared");
    }
}
