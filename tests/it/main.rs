//! The integration tests, in folders by the promise that they check. `cargo test --test it` runs
//! all of them, `cargo test --test it hosts::` one folder.
//!
//! A test runs a real program with the library preloaded: a tool of the machine, or a probe of
//! `tests/probes`. `support` builds the library and the probes.
//!
//! A few words are used in all of the tests. The peer is samba's nss_wrapper, in C, whose place this
//! library takes. A program is "under" a library that is preloaded into it. A module is an NSS module,
//! which `NSS_WRAPPER_MODULE_SO_PATH` names. The synthetic user is the one of `NSS_WRAPPER_USER`. 10000
//! is a user id without an entry in /etc/passwd.
#![allow(clippy::disallowed_methods, reason = "tests, not the library")]

mod support;

/// Users, groups and shadow entries: what each function of libc returns.
mod lookup {
    mod beside_glibc;
    mod buffers;
    mod enumeration;
    mod groups;
    mod initgroups;
    mod inside_libc;
    mod large_ids;
    mod malformed_lines;
    mod membership;
    mod shadow;
    mod users;
}

/// Hosts, and the machine's host name.
mod hosts {
    mod beside_glibc;
    mod enumeration;
    mod file;
    mod hostname;
    mod module;
    mod questions;
}

/// Where answers come from: files and their edits, values in variables, modules, libc.
mod sources {
    mod edits;
    mod inline_values;
    mod module;
    mod module_asking;
    mod module_checks;
    mod module_enumeration;
    mod module_loading;
    mod synthetic_user;
    mod synthetic_user_value;
}

/// The library does no harm to the process that it is loaded into.
mod process {
    mod checkers;
    mod descriptors;
    mod hash_table;
    mod loading;
    mod log;
    mod memory;
    mod out_of_reach;
    mod privileges;
    mod sandbox;
    mod security;
    mod soak;
    #[cfg(target_arch = "x86_64")]
    mod stepping;
    mod threads;
    mod waiting;
}

/// Real programs, and programs of another libc.
mod programs {
    mod cwrap;
    mod deepbind;
    mod languages;
    mod musl;
    mod servers;
    mod tools;
}

/// What is built and installed: the shared object, its header, its packages.
mod packaging {
    mod bare_name;
    mod claims;
    mod exports;
    mod hardening;
    mod header;
    mod install;
    mod panics;
}

/// The command `nss-wrapper`.
mod launcher {
    mod check;
    mod command;
    mod edit;
    mod explain;
    mod namespace;
    mod running_service;
    mod scene;
    mod service;
    mod usage;
}
