/* membership NAME GID [files=N] [memory=MIB] [then]
 *
 * Calls getgrouplist(3) and initgroups(3) for a user. files=N limits the descriptors, memory=MIB limits the address
 * space to what is in use and MIB more. With `then` it calls them once more, without those limits. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void limit(int resource, rlim_t most)
{
    struct rlimit now;
    if (getrlimit(resource, &now))
        exit(2);
    now.rlim_cur = most < now.rlim_max ? most : now.rlim_max;
    if (setrlimit(resource, &now))
        exit(2);
}

static rlim_t address_space(void)
{
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (!statm || fscanf(statm, "%lu", &pages) != 1)
        exit(2);
    fclose(statm);
    return pages * 4096;
}

/* As the man page says: begins with room for one group, and doubles it while it is too little. Gives up at 4096. */
static void list(const char *name, gid_t first)
{
    static gid_t gids[1 << 12];
    int room, count, total = -1, turns = 0;
    for (room = 1; total < 0 && room <= 1 << 12; room *= 2, turns++) {
        count = room;
        total = getgrouplist(name, first, gids, &count);
    }
    printf("getgrouplist %d after %d turns:", total, turns);
    for (int i = 0; i < total; i++)
        printf(" %u", gids[i]);
    puts("");
}

static void set(const char *name, gid_t first)
{
    gid_t gids[256];
    errno = 0;
    int rc = initgroups(name, first);
    printf("initgroups %d, errno %d:", rc, errno);
    int count = getgroups(256, gids);
    for (int i = 0; i < count; i++)
        printf(" %u", gids[i]);
    puts("");
}

int main(int argc, char **argv)
{
    unsigned long number;
    if (argc < 3)
        return 2;
    gid_t first = (gid_t)atoi(argv[2]);
    setvbuf(stdout, malloc(1 << 12), _IOFBF, 1 << 12);
    for (int i = 3; i < argc; i++)
        if (sscanf(argv[i], "files=%lu", &number) == 1)
            limit(RLIMIT_NOFILE, number);
        else if (sscanf(argv[i], "memory=%lu", &number) == 1)
            limit(RLIMIT_AS, address_space() + (number << 20));
    list(argv[1], first);
    set(argv[1], first);
    if (!strcmp(argv[argc - 1], "then")) {
        limit(RLIMIT_NOFILE, 64);
        limit(RLIMIT_AS, RLIM_INFINITY);
        list(argv[1], first);
        set(argv[1], first);
    }
    return 0;
}
