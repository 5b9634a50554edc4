/* opening OUTER: prints what dlopen(3), dlmopen(3) and dlerror(3) say, called by the program and by the shared
 * object OUTER, which has a RUNPATH. The test compares the output with and without the library. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

typedef void *opener(const char *, int);

static void *open_here(const char *name, int flags)
{
    return dlopen(name, flags);
}

static void try(const char *who, opener *open, const char *name, int flags)
{
    printf("%s %s %#x: ", who, name ? name : "NULL", flags);
    void *handle = open(name, flags);
    if (!handle) {
        const char *why = dlerror();
        printf("%s; ", why ? why : "no error");
        printf("then %s\n", dlerror() ? "another" : "none");
        return;
    }
    struct link_map *map = NULL;
    Lmid_t namespace = -1;
    int (*inner)(void);
    char file[256], missing[256] = "";
    *(void **)&inner = dlsym(handle, "inner");
    /* The message without the object's path, which stands before the colon. */
    const char *why = inner ? NULL : dlerror();
    if (why)
        snprintf(missing, sizeof missing, "%s", strchr(why, ':') ? strchr(why, ':') : why);
    dlinfo(handle, RTLD_DI_LINKMAP, &map);
    dlinfo(handle, RTLD_DI_LMID, &namespace);
    snprintf(file, sizeof file, "%s", map && strrchr(map->l_name, '/') ? strrchr(map->l_name, '/') : "");
    printf("%s in namespace %s, inner %d %s; ", file, namespace == LM_ID_BASE ? "0" : "another",
           inner ? inner() : 0, missing);
    printf("closed %d; then %s\n", dlclose(handle), dlerror() ? "an error" : "none");
}

int main(int argc, char **argv)
{
    static const char *const names[] = {
        NULL, "", "libinner.so", "$ORIGIN/sub/libinner.so", "${ORIGIN}/sub/libinner.so",
        "/nonexistent/libinner.so", "libno-such.so", "libm.so.6", "/dev/null",
    };
    static const int flags[] = {
        RTLD_NOW, RTLD_LAZY, RTLD_NOW | RTLD_DEEPBIND, RTLD_LAZY | RTLD_DEEPBIND,
        RTLD_NOW | RTLD_GLOBAL | RTLD_DEEPBIND, RTLD_NOW | RTLD_NOLOAD | RTLD_DEEPBIND,
        RTLD_NOW | RTLD_NODELETE, 0, RTLD_DEEPBIND, 0x40000000 | RTLD_NOW,
    };
    void *outer = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_DEEPBIND) : NULL;
    opener *from_outer = NULL, *apart = NULL;
    if (outer) {
        *(void **)&from_outer = dlsym(outer, "open_from_outer");
        *(void **)&apart = dlsym(outer, "open_apart_from_outer");
    }
    if (!from_outer || !apart)
        return 2;
    for (size_t n = 0; n < sizeof names / sizeof *names; n++)
        for (size_t f = 0; f < sizeof flags / sizeof *flags; f++) {
            try("program", open_here, names[n], flags[f]);
            try("object", from_outer, names[n], flags[f]);
            /* Only some, because a process has sixteen namespaces, and none is ever given back entirely. */
            if (f == 0 && n > 1 && n < 6)
                try("apart", apart, names[n], flags[f]);
        }
    return 0;
}
