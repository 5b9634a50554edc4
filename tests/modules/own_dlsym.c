/* To preload: a library with a dlsym of its own, as MangoHud has one. RTLD_NEXT then means what comes after
 * this library, whoever asks. */
#define _GNU_SOURCE
#include <dlfcn.h>

void *dlsym(void *handle, const char *name)
{
    static void *(*next)(void *, const char *);
    if (!next)
        *(void **)&next = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
    return next(handle, name);
}
