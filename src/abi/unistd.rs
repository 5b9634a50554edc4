//! `<unistd.h>`: the host's name.

use core::ffi::{c_char, c_int};

use libc::size_t;

use super::{call_on, export, export_unchecked};
use crate::config;
use crate::errno::Errno;
use crate::pack::Packer;

export! {
    /// `gethostname(2)`: `ENAMETOOLONG` where the name and its NUL do not fit, as glibc and the
    /// peer. The nodename of uname(2) stays the kernel's.
    libc::gethostname as
    fn gethostname(name: *mut c_char, len: size_t) -> c_int {
        match config::get() {
            Ok(config) => match &config.hostname {
                None => call_on!(GETHOSTNAME(name, len) or -1),
                // SAFETY: POSIX has the caller promise `len` bytes at `name`.
                Some(host) => match unsafe { Packer::new(name.cast(), len) }.string(host.bytes()) {
                    Ok(_) => 0,
                    Err(_) => Errno::ENAMETOOLONG.fail(),
                },
            },
            Err(error) => error.fail(),
        }
    }
}

export_unchecked! {
    /// What `gethostname` is in a program that glibc's headers fortify. A length beyond the size of
    /// the buffer is for libc to end the program.
    fn __gethostname_chk(name: *mut c_char, len: size_t, size: size_t) -> c_int {
        let wrapped = config::get().is_ok_and(|c| c.hostname.is_some());
        match wrapped && len <= size {
            // SAFETY: the caller's own arguments.
            true => unsafe { gethostname(name, len) },
            false => call_on!(GETHOSTNAME_CHK(name, len, size) or -1),
        }
    }
}
