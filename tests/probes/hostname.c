/* hostname LEN…: what gethostname says for each length, and that uname's nodename is the kernel's. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char name[256];
        size_t len = (size_t)atoi(argv[i]);
        memset(name, '#', sizeof name);
        name[sizeof name - 1] = 0;
        errno = 0;
        int rc = gethostname(name, len);
        printf("%zu: %d %s %s\n", len, rc, rc ? strerrorname_np(errno) : name,
               strspn(name + len, "#") == sizeof name - len - 1 ? "" : "and more");
    }
    struct utsname names;
    uname(&names);
    printf("uname: %s\n", names.nodename);
    return 0;
}
