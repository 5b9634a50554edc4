//! `<netdb.h>`. Most of it is not in the `libc` crate, so the types stand here, as glibc's header
//! has them; the exported functions pass their own arguments to these.

use libc::{addrinfo, hostent, sockaddr, socklen_t};

use super::*;

type Result<T> = *mut *mut T;

symbols! { RTLD_NEXT:
    GETHOSTBYNAME = c"gethostbyname": unsafe extern "C" fn(*const c_char) -> *mut hostent;
    GETHOSTBYNAME2 = c"gethostbyname2": unsafe extern "C" fn(*const c_char, c_int) -> *mut hostent;
    GETHOSTBYADDR = c"gethostbyaddr":
        unsafe extern "C" fn(*const c_void, socklen_t, c_int) -> *mut hostent;
    GETHOSTBYNAME_R = c"gethostbyname_r": unsafe extern "C" fn(
        *const c_char, *mut hostent, *mut c_char, size_t, Result<hostent>, *mut c_int) -> c_int;
    GETHOSTBYNAME2_R = c"gethostbyname2_r": unsafe extern "C" fn(
        *const c_char, c_int, *mut hostent, *mut c_char, size_t, Result<hostent>, *mut c_int,
    ) -> c_int;
    GETHOSTBYADDR_R = c"gethostbyaddr_r": unsafe extern "C" fn(
        *const c_void, socklen_t, c_int, *mut hostent, *mut c_char, size_t, Result<hostent>,
        *mut c_int) -> c_int;
    SETHOSTENT = c"sethostent": unsafe extern "C" fn(c_int);
    GETHOSTENT = c"gethostent": unsafe extern "C" fn() -> *mut hostent;
    GETHOSTENT_R = c"gethostent_r": unsafe extern "C" fn(
        *mut hostent, *mut c_char, size_t, Result<hostent>, *mut c_int) -> c_int;
    ENDHOSTENT = c"endhostent": unsafe extern "C" fn();
    GETADDRINFO = c"getaddrinfo": unsafe extern "C" fn(
        *const c_char, *const c_char, *const addrinfo, Result<addrinfo>) -> c_int;
    GETNAMEINFO = c"getnameinfo": unsafe extern "C" fn(
        *const sockaddr, socklen_t, *mut c_char, socklen_t, *mut c_char, socklen_t, c_int) -> c_int;
}

// Not ours: the caller frees with it too.
symbols! { RTLD_DEFAULT:
    FREEADDRINFO = c"freeaddrinfo": unsafe extern "C" fn(*mut addrinfo);
}
