//! The variables that the library reads: nss_wrapper_rs(1).

/// A passwd(5) line for whoever runs the process.
pub const USER: &str = "NSS_WRAPPER_USER";
/// A passwd(5) file, or its content.
pub const PASSWD: &str = "NSS_WRAPPER_PASSWD";
/// A group(5) file, or its content.
pub const GROUP: &str = "NSS_WRAPPER_GROUP";
/// A shadow(5) file, or its content.
pub const SHADOW: &str = "NSS_WRAPPER_SHADOW";
/// A hosts(5) file, or its content.
pub const HOSTS: &str = "NSS_WRAPPER_HOSTS";
/// What gethostname(2) says.
pub const HOSTNAME: &str = "NSS_WRAPPER_HOSTNAME";
/// An NSS module to ask after the files.
pub const MODULE_SO_PATH: &str = "NSS_WRAPPER_MODULE_SO_PATH";
/// The NAME in the module's `_nss_NAME_getpwnam_r`.
pub const MODULE_FN_PREFIX: &str = "NSS_WRAPPER_MODULE_FN_PREFIX";
/// `1`: the system is asked for what the files do not have.
pub const FALLTHROUGH: &str = "NSS_WRAPPER_FALLTHROUGH";
/// What is reported on standard error.
pub const DEBUGLEVEL: &str = "NSS_WRAPPER_DEBUGLEVEL";

/// All of them.
pub const ALL: [&str; 10] = [
    USER,
    PASSWD,
    GROUP,
    SHADOW,
    HOSTS,
    HOSTNAME,
    MODULE_SO_PATH,
    MODULE_FN_PREFIX,
    FALLTHROUGH,
    DEBUGLEVEL,
];
