/* The functions of nss_wrapper_rs that libc does not have. libc's headers declare all others. */

#ifndef NSS_WRAPPER_RS_H
#define NSS_WRAPPER_RS_H

/* Made by cbindgen from src/interpose/wrapper.rs; see CONTRIBUTING.md. Do not edit. */

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// True if both users and groups are wrapped: NSS_WRAPPER_PASSWD and NSS_WRAPPER_GROUP are set.
bool nss_wrapper_enabled(void);

// True if shadow entries are wrapped: NSS_WRAPPER_SHADOW is set.
bool nss_wrapper_shadow_enabled(void);

// True if hosts are wrapped: NSS_WRAPPER_HOSTS is set.
bool nss_wrapper_hosts_enabled(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* NSS_WRAPPER_RS_H */
