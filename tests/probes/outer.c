/* A shared object with a RUNPATH, which opens others. With -DINNER it is the one that is opened. */
#define _GNU_SOURCE
#include <dlfcn.h>

#ifdef INNER
int inner(void);

int inner(void)
{
    return 4711;
}
#else
void *open_from_outer(const char *name, int flags);
void *open_apart_from_outer(const char *name, int flags);

void *open_from_outer(const char *name, int flags)
{
    return dlopen(name, flags);
}

/* In a namespace of its own. */
void *open_apart_from_outer(const char *name, int flags)
{
    return dlmopen(LM_ID_NEWLM, name, flags);
}
#endif
