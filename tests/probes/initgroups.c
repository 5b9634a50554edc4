/* initgroups NAME GID: calls it, and shows the groups of the process before and after. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void show(const char *when)
{
    gid_t gids[256];
    printf("%s:", when);
    int count = getgroups(256, gids);
    for (int i = 0; i < count; i++)
        printf(" %u", gids[i]);
    putchar('\n');
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    show("before");
    errno = 0;
    int rc = initgroups(argv[1], (gid_t)atoi(argv[2]));
    printf("%d errno %d\n", rc, errno);
    show("after");
    return 0;
}
