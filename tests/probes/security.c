/* security once OTHER: the variables change after the first lookup.
 * security exec: looks up until a descriptor is held, says which are open, and runs a program that
 *                says it again. */
#define _GNU_SOURCE
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *found(const char *name)
{
    return getpwnam(name) ? "found" : "not found";
}

int main(int argc, char **argv)
{
    if (argc > 2 && !strcmp(argv[1], "once")) {
        printf("bob: %s\n", found("bob"));
        setenv("NSS_WRAPPER_PASSWD", argv[2], 1);
        printf("bob: %s, eve: %s\n", found("bob"), found("eve"));
        return 0;
    }
    if (argc > 1 && !strcmp(argv[1], "exec")) {
        for (int i = 0; i < 500; i++, usleep(1000))
            if (!getpwnam("bob"))
                return 1;
        if (system("ls -l /proc/$PPID/fd"))
            return 1;
        puts("--");
        fflush(stdout);
        execlp("ls", "ls", "-l", "/proc/self/fd", NULL);
    }
    return 2;
}
