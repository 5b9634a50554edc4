/* Calls the library's own functions as a caller that may run without it does. */
#include "../../include/nss_wrapper_rs.h"
#include <dlfcn.h>
#include <stdio.h>

int main(void)
{
    static const char *const names[] = {
        "nss_wrapper_enabled", "nss_wrapper_shadow_enabled", "nss_wrapper_hosts_enabled",
    };
    for (int i = 0; i < 3; i++) {
        bool (*ask)(void) = (bool (*)(void))dlsym(RTLD_DEFAULT, names[i]);
        puts(ask ? ask() ? "yes" : "no" : "missing");
    }
    return 0;
}
