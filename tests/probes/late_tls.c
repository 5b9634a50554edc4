/* late_tls LIBRARY HOG...: loads each HOG (tests/modules/tls_hog.c) for which there is thread-local memory, and
 * then the library, like a program that loads it late. Prints how many hogs were loaded; what getpwnam and
 * getgrnam of the library say of bob and lab in the main thread and in another one, or why the library was not
 * loaded; and what libc's getpwnam says of root. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

static struct passwd *(*user)(const char *);
static struct group *(*group)(const char *);

static void *ask(void *where)
{
    struct passwd *bob = user("bob");
    struct group *lab = group("lab");
    printf("%s: %s %s\n", (const char *)where, bob ? bob->pw_dir : "nobody", lab ? lab->gr_mem[0] : "nothing");
    return NULL;
}

int main(int argc, char **argv)
{
    int loaded = 0;
    pthread_t other;
    if (argc < 2)
        return 2;
    for (int i = 2; i < argc; i++)
        loaded += dlopen(argv[i], RTLD_NOW | RTLD_GLOBAL) != NULL;
    printf("%d of %d\n", loaded, argc - 2);
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
    if (library) {
        *(void **)&user = dlsym(library, "getpwnam");
        *(void **)&group = dlsym(library, "getgrnam");
        if (!user || !group)
            return 3;
        ask("main");
        if (pthread_create(&other, NULL, ask, "thread") || pthread_join(other, NULL))
            return 4;
    } else {
        printf("not loaded: %s\n", dlerror());
    }
    printf("libc: %s\n", getpwnam("root") ? "root" : "nobody");
    return 0;
}
